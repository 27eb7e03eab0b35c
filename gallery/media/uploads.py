"""Upload handler: stream files to the media store's disk, hashing them, in constant memory."""

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


class StreamedFile(UploadedFile):
    """An uploaded file on disk, deleted on closing unless it was moved away before."""

    def __init__(self, name: str, content_type: str) -> None:
        """Create an empty file in the upload folder."""
        Path(settings.FILE_UPLOAD_TEMP_DIR).mkdir(parents=True, exist_ok=True)
        handle, path = tempfile.mkstemp(dir=settings.FILE_UPLOAD_TEMP_DIR, prefix="upload-")
        super().__init__(os.fdopen(handle, "w+b"), name, content_type, 0)
        self.path = Path(path)
        self.digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of the content, in hexadecimal."""
        return self.digest.hexdigest()

    def append(self, chunk: bytes) -> None:
        """Write a chunk and flush it, so that a full disk is noticed here."""
        assert self.file is not None
        self.file.write(chunk)
        self.file.flush()
        self.digest.update(chunk)

    def temporary_file_path(self) -> str:
        """Return the path of the file."""
        return str(self.path)

    def close(self) -> None:
        """Close the file, and remove it unless it was moved away."""
        # On a full disk, closing fails as well.
        with suppress(OSError):
            super().close()
        self.path.unlink(missing_ok=True)


class StreamToDisk(FileUploadHandler):
    """Write every uploaded file to disk as it arrives.

    On a full disk, or when an upload would use part of the reserve, the file is dropped and the
    request gets `upload_error`, a DiskFull. The rest of the body is still read: browsers show a
    response only after they have sent everything.
    """

    # Not named `file`: Django's parser closes the `file` of a handler, even None.
    current_file: StreamedFile | None = None

    body_size = 0

    def handle_raw_input(self, *args: Any, **_kwargs: Any) -> None:
        """Store the size of the whole body, Django's third argument."""
        self.body_size = args[2]

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Open the file for the next chunks."""
        super().new_file(*args, **kwargs)
        try:
            with raise_disk_full():
                require_space(self.body_size)
                self.current_file = StreamedFile(self.file_name or "", self.content_type or "")
        except DiskFull as error:
            self._give_up(error)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:  # noqa: ARG002
        """Write and hash a chunk."""
        assert self.current_file is not None
        try:
            with raise_disk_full():
                require_space(len(raw_data))
                self.current_file.append(raw_data)
        except DiskFull as error:
            self._give_up(error)

    def _give_up(self, error: DiskFull) -> None:
        self.upload_interrupted()
        if self.request is not None:
            self.request.upload_error = error  # type: ignore[attr-defined]
        raise SkipFile

    def file_complete(self, file_size: int) -> UploadedFile:
        """Return the file, rewound."""
        assert self.current_file is not None
        finished, self.current_file = self.current_file, None
        finished.seek(0)
        finished.size = file_size
        return finished

    def upload_interrupted(self) -> None:
        """Drop the file: the browser has disconnected."""
        if self.current_file is not None:
            self.current_file.close()
            self.current_file = None
