"""Serve files with conditional and range requests (RFC 9110, 13 and 14), which Django lacks."""

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
    """Return a file, or the requested part of it.

    `download_as`: the name to save it under. Raises FileNotFoundError when there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(path)
    # Unbuffered, so that gunicorn can use sendfile() from the current position.
    file = path.open("rb", buffering=0)
    stat = os.fstat(file.fileno())
    headers = {
        "Content-Type": content_type,
        "Accept-Ranges": "bytes",
        "ETag": _etag(stat),
        "Last-Modified": http_date(stat.st_mtime),
    }
    if download_as:
        headers["Content-Disposition"] = content_disposition_header(True, download_as) or ""
    unconditional = HttpResponse(headers=headers)
    conditional = get_conditional_response(
        request, headers["ETag"], int(stat.st_mtime), unconditional
    )
    if conditional is unconditional:
        response = _build_response(request, file, stat)
        for name, value in headers.items():
            response[name] = value
        return response
    file.close()
    assert conditional is not None
    return conditional


def _etag(stat: os.stat_result) -> str:
    return f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'


def _build_response(request: HttpRequest, file: FileIO, stat: os.stat_result) -> HttpResponseBase:
    size = stat.st_size
    range_header = request.headers.get("Range", "")
    part = None
    if range_header and request.method == "GET" and _matches_if_range(request, stat):
        part = select_range(range_header, size)
    if part is not None and not part:
        file.close()
        refusal = HttpResponse(status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        refusal["Content-Range"] = f"bytes */{size}"
        return refusal
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


def select_range(range_header: str, size: int) -> range | None:
    """Return the bytes of a file of `size` bytes that a Range header selects.

    Empty when no byte matches (416). None when the header is to be ignored, because it is malformed
    or names several ranges: RFC 9110, 14.2 allows a server to send the whole file then.
    """
    ranges = _RANGE_SET.fullmatch(range_header.strip())
    if not ranges:
        return None
    found: list[range] = []
    for spec in filter(None, (text.strip(" \t") for text in ranges[1].split(","))):
        match = _RANGE.fullmatch(spec)
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


def _matches_if_range(request: HttpRequest, stat: os.stat_result) -> bool:
    """Return whether If-Range, when given, matches the current file."""
    condition = request.headers.get("If-Range", "").strip()
    if not condition or condition == _etag(stat):
        return True
    return parse_http_date_safe(condition) == int(stat.st_mtime)


class _Slice:
    """The next `length` bytes of a file."""

    def __init__(self, file: FileIO, length: int) -> None:
        self._file = file
        self._left = length

    def read(self, count: int = -1) -> bytes:
        """Return at most `count` more bytes."""
        data = self._file.read(self._left if count < 0 else min(count, self._left))
        self._left -= len(data)
        return data

    def fileno(self) -> int:
        """Return the file's descriptor, positioned at the first of these bytes."""
        return self._file.fileno()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _FilePart(FileResponse):
    """A file response whose headers are set by `send_file`."""

    block_size = 1 << 16

    def set_headers(self, filelike: object) -> None:
        """Keep the headers of `send_file`."""


def is_client_gone(request: HttpRequest) -> bool:
    """Return whether the client has disconnected; False when the web server does not expose it."""
    connection = request.META.get("gunicorn.socket")
    if not isinstance(connection, socket.socket):
        return False
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
