"""Files with `Range`, so that a browser can seek in them: whitenoise does it, Django does not."""

from pathlib import Path

from django.http import FileResponse, HttpRequest, HttpResponseBase
from django.utils.http import content_disposition_header
from whitenoise.responders import StaticFile


class _Bare(FileResponse):
    """A file whose headers whitenoise has already made."""

    def set_headers(self, filelike: object) -> None:
        """Leave them as they are."""


def send_file(
    request: HttpRequest, path: Path, content_type: str, download_as: str = ""
) -> HttpResponseBase:
    """Answer with a file, or the part of it that was asked for.

    `download_as`: the name to save it under. Raises FileNotFoundError when there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(path)
    headers = [("Content-Type", content_type), ("Accept-Ranges", "bytes")]
    found = StaticFile(str(path), headers).get_response(request.method, request.META)
    response = _Bare(found.file or (), status=int(found.status))
    del response["content-type"]
    for name, value in found.headers:
        response[name] = value
    if download_as:
        response["Content-Disposition"] = content_disposition_header(True, download_as) or ""
    return response
