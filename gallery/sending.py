"""Files with `Range`, so that a browser can seek in them: whitenoise does it, Django does not."""

import re
import socket
from pathlib import Path

from django.http import FileResponse, HttpRequest, HttpResponseBase
from django.utils.http import content_disposition_header
from whitenoise.responders import StaticFile

# A part of a large file that is sent at once. It fits into the buffers of the system, so that a
# player that has seen enough for now does not hold a thread of the web server; it asks again.
PART = 2_000_000  # bytes
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class _Bare(FileResponse):
    """A file whose headers whitenoise has already made."""

    def set_headers(self, filelike: object) -> None:
        """Leave them as they are."""


def send_file(
    request: HttpRequest, path: Path, content_type: str, download_as: str = "", part: int = 0
) -> HttpResponseBase:
    """Answer with a file, or the part of it that was asked for.

    `download_as`: the name to save it under. `part`: send at most so many bytes to one who asked
    for a part; HTTP lets a server do so. Raises FileNotFoundError when there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(path)
    headers = [("Content-Type", content_type), ("Accept-Ranges", "bytes")]
    asked = dict(request.META)
    if part and "HTTP_RANGE" in asked:
        asked["HTTP_RANGE"] = _shortened(asked["HTTP_RANGE"], path.stat().st_size, part)
    found = StaticFile(str(path), headers).get_response(request.method, asked)
    response = _Bare(found.file or (), status=int(found.status))
    del response["content-type"]
    for name, value in found.headers:
        response[name] = value
    if download_as:
        response["Content-Disposition"] = content_disposition_header(True, download_as) or ""
    return response


def _shortened(asked: str, size: int, most: int) -> str:
    """A range of a file of `size` bytes, cut to its first `most`."""
    match = _RANGE.fullmatch(asked.strip())
    if not match or not any(match.groups()):
        return asked
    first = int(match[1]) if match[1] else max(0, size - int(match[2]))
    last = int(match[2]) if match[1] and match[2] else size - 1
    return f"bytes={first}-{min(last, first + most - 1)}"


def is_gone(request: HttpRequest) -> bool:
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
