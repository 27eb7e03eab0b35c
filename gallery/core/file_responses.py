"""Files over HTTP with conditions and ranges (RFC 9110, 13 and 14): Django has no ranges."""

import os
import re
import socket
from http import HTTPStatus
from io import FileIO
from pathlib import Path

from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, http_date, parse_http_date_safe

_RANGE_SET = re.compile(r"bytes[ \t]*=(.+)", re.ASCII | re.IGNORECASE)
_RANGE = re.compile(r"(\d{0,18})-(\d{0,18})", re.ASCII)


def send_file(
    request: HttpRequest, path: Path, content_type: str, download_as: str = ""
) -> HttpResponseBase:
    """Answer with a file, or the part of it that was asked for.

    `download_as`: the name to save it under. Raises FileNotFoundError when there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(path)
    # Unbuffered: gunicorn hands it to the kernel from its present position.
    file = path.open("rb", buffering=0)
    state = os.fstat(file.fileno())
    headers = {
        "Content-Type": content_type,
        "Accept-Ranges": "bytes",
        "ETag": _etag(state),
        "Last-Modified": http_date(state.st_mtime),
    }
    if download_as:
        headers["Content-Disposition"] = content_disposition_header(True, download_as) or ""
    unconditional = HttpResponse(headers=headers)
    answer = get_conditional_response(request, headers["ETag"], int(state.st_mtime), unconditional)
    if answer is unconditional:
        response = _whole_or_part(request, file, state)
        for name, value in headers.items():
            response[name] = value
        return response
    file.close()
    assert answer is not None
    return answer


def _etag(state: os.stat_result) -> str:
    return f'"{state.st_mtime_ns:x}-{state.st_size:x}"'


def _whole_or_part(request: HttpRequest, file: FileIO, state: os.stat_result) -> HttpResponseBase:
    size = state.st_size
    asked = request.headers.get("Range", "")
    part = None
    if asked and request.method == "GET" and _still_valid(request, state):
        part = select_range(asked, size)
    if part is not None and not part:
        file.close()
        none = HttpResponse(status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        none["Content-Range"] = f"bytes */{size}"
        return none
    sent = range(size) if part is None else part
    if request.method == "HEAD":
        file.close()
        response: HttpResponseBase = HttpResponse()
    else:
        file.seek(sent.start)
        response = _FilePart(_Slice(file, len(sent)))
    if part is not None:
        response.status_code = HTTPStatus.PARTIAL_CONTENT
        response["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    response["Content-Length"] = str(len(sent))
    return response


def select_range(asked: str, size: int) -> range | None:
    """The bytes of a file of `size` bytes that the value of a Range header asks for.

    Empty when there are no such bytes (416). None when the header does not count, because it is
    malformed or names several ranges: RFC 9110, 14.2 lets a server send the whole file then.
    """
    ranges = _RANGE_SET.fullmatch(asked.strip())
    if not ranges:
        return None
    found: list[range] = []
    for one in filter(None, (text.strip(" \t") for text in ranges[1].split(","))):
        match = _RANGE.fullmatch(one)
        if not match or not any(match.groups()):
            return None
        first, last = match.groups()
        if first and last and int(last) < int(first):
            return None
        begin = int(first) if first else max(0, size - int(last))
        end = min(int(last) + 1, size) if first and last else size
        if begin < end:
            found.append(range(begin, end))
    if len(found) > 1:
        return None
    return found[0] if found else range(0)


def _still_valid(request: HttpRequest, state: os.stat_result) -> bool:
    """Whether If-Range, when given, names the file as it is now."""
    condition = request.headers.get("If-Range", "").strip()
    if not condition or condition == _etag(state):
        return True
    return parse_http_date_safe(condition) == int(state.st_mtime)


class _Slice:
    """The next `length` bytes of a file."""

    def __init__(self, file: FileIO, length: int) -> None:
        self._file = file
        self._left = length

    def read(self, count: int = -1) -> bytes:
        """At most `count` bytes more."""
        data = self._file.read(self._left if count < 0 else min(count, self._left))
        self._left -= len(data)
        return data

    def fileno(self) -> int:
        """The file's descriptor, which stands at the first of these bytes."""
        return self._file.fileno()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _FilePart(FileResponse):
    """A file whose headers are made by `send_file`."""

    block_size = 1 << 16

    def set_headers(self, filelike: object) -> None:
        """Leave them as they are."""


def is_client_gone(request: HttpRequest) -> bool:
    """Whether the one who asked has hung up; False where the web server does not let one look."""
    line = request.META.get("gunicorn.socket")
    if not isinstance(line, socket.socket):
        return False
    try:
        return line.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
