"""Uploads go straight to the disk of the media store, hashed on the way, in flat memory."""

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http import multipartparser

from gallery.core.disk import raise_disk_full, require_space
from gallery.core.errors import DiskFull
from gallery.media.source_names import decode

_parse_part = multipartparser.parse_boundary_stream  # type: ignore[attr-defined]


def _parse_readable_part(stream: Any, max_header_size: int) -> Any:
    """Parse a part of a form. Django leaves out those whose header, with a name, is not UTF-8."""
    beginning = stream.read(max_header_size)
    header, end, content = beginning.partition(b"\r\n\r\n")
    stream.unget(decode(header).encode() + end + content if end else beginning)
    return _parse_part(stream, max_header_size)


multipartparser.parse_boundary_stream = _parse_readable_part  # type: ignore[attr-defined]


class ArrivedFile(UploadedFile):
    """An uploaded file on disk. Whoever wants to keep it moves it away before it is closed."""

    def __init__(self, name: str, content_type: str) -> None:
        """Open an empty file where uploads arrive."""
        Path(settings.FILE_UPLOAD_TEMP_DIR).mkdir(parents=True, exist_ok=True)
        handle, path = tempfile.mkstemp(dir=settings.FILE_UPLOAD_TEMP_DIR, prefix="upload-")
        super().__init__(os.fdopen(handle, "w+b"), name, content_type, 0)
        self.path = Path(path)
        self.digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Of the content, in hexadecimal."""
        return self.digest.hexdigest()

    def append(self, chunk: bytes) -> None:
        """Write a chunk through to the disk: a full one is noticed here, and nowhere later."""
        assert self.file is not None
        self.file.write(chunk)
        self.file.flush()
        self.digest.update(chunk)

    def temporary_file_path(self) -> str:
        """Where it lies."""
        return str(self.path)

    def close(self) -> None:
        """Close the file, and remove it unless it was moved away."""
        # On a full disk closing fails as well, over what could not be written.
        with suppress(OSError):
            super().close()
        self.path.unlink(missing_ok=True)


class StreamToDisk(FileUploadHandler):
    """Write every uploaded file to disk as it comes.

    On a full disk, or when an upload would take from its reserve, the file is dropped and the
    request carries `upload_error`, a DiskFull. The rest of the body is still read: a browser
    shows an answer only when it has sent everything.
    """

    # Not called `file`: Django's parser closes a handler's `file` itself, be it None or not.
    arriving: ArrivedFile | None = None

    body_size = 0

    def handle_raw_input(self, *args: Any, **_kwargs: Any) -> None:
        """Keep the size of the whole body: the third of Django's arguments."""
        self.body_size = args[2]

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Open the file that the next chunks go to."""
        super().new_file(*args, **kwargs)
        try:
            with raise_disk_full():
                require_space(self.body_size)
                self.arriving = ArrivedFile(self.file_name or "", self.content_type or "")
        except DiskFull as error:
            self._give_up(error)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:  # noqa: ARG002
        """Write and hash a chunk."""
        assert self.arriving is not None
        try:
            with raise_disk_full():
                require_space(len(raw_data))
                self.arriving.append(raw_data)
        except DiskFull as error:
            self._give_up(error)

    def _give_up(self, error: DiskFull) -> None:
        self.upload_interrupted()
        if self.request is not None:
            self.request.upload_error = error  # type: ignore[attr-defined]
        raise SkipFile

    def file_complete(self, file_size: int) -> UploadedFile:
        """Hand over the file, from its beginning."""
        assert self.arriving is not None
        arrived, self.arriving = self.arriving, None
        arrived.seek(0)
        arrived.size = file_size
        return arrived

    def upload_interrupted(self) -> None:
        """The browser went away: nothing is kept."""
        if self.arriving is not None:
            self.arriving.close()
            self.arriving = None
