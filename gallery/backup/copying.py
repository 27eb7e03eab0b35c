"""Copies files into a backup and back, computing their SHA-256 in the same pass."""

import hashlib
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

from gallery.backup.types import BackupError

CHUNK = 1 << 20  # bytes
Advance = Callable[[int], None]
"""Called with the number of bytes copied since the last call."""


class HashingFile:
    """Wraps a file and computes the SHA-256 of everything read or written."""

    def __init__(self, file: IO[bytes], advance: Advance) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._advance = advance
        self.size = 0

    def write(self, data: bytes) -> int:
        """Write, hash and count."""
        self._file.write(data)
        return self._count(data)

    def read(self, size: int = -1) -> bytes:
        """Read, hash and count."""
        data = self._file.read(size)
        self._count(data)
        return data

    def flush(self) -> None:
        """Flush the file."""
        self._file.flush()

    def _count(self, data: bytes) -> int:
        self._digest.update(data)
        self.size += len(data)
        self._advance(len(data))
        return len(data)

    @property
    def sha256(self) -> str:
        """The SHA-256 so far, in hexadecimal."""
        return self._digest.hexdigest()


def create(path: Path, mode: int = 0o600) -> IO[bytes]:
    """Create a file for writing, and its parent folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb")


def compute_file_signature(path: Path) -> tuple[int, ...]:
    """Return a signature that changes with a file: its size and modification time."""
    stat = path.stat()
    return (stat.st_size, stat.st_mtime_ns)


def compute_folder_signature(folder: Path) -> tuple[int, ...]:
    """Return a signature that changes with a folder: number and size of files, newest time."""
    count, size, newest = 0, 0, 0
    with os.scandir(folder) as children:
        for child in children:
            if is_content(child.name):
                stat = child.stat()
                count, size = count + 1, size + stat.st_size
                newest = max(newest, stat.st_mtime_ns)
    return (count, size, newest)


def is_content(name: str) -> bool:
    """Return whether a file in the media store is finished: drafts begin with a dot."""
    return not name.startswith(".")


def copy_file(source: Path, target: Path, advance: Advance) -> tuple[int, str]:
    """Copy a file. Return its size and SHA-256. Raises OSError."""
    with source.open("rb") as read, create(target) as file:
        hashing = HashingFile(file, advance)
        while chunk := read.read(CHUNK):
            hashing.write(chunk)
    return hashing.size, hashing.sha256


def pack_folder(source: Path, target: Path, advance: Advance) -> tuple[int, str]:
    """Pack a folder's files into a tar. Return its size and SHA-256. Raises OSError."""
    with create(target) as file:
        hashing = HashingFile(file, advance)
        with tarfile.open(fileobj=cast(IO[bytes], hashing), mode="w|", bufsize=CHUNK) as tar:
            for path in sorted(path for path in source.iterdir() if is_content(path.name)):
                with path.open("rb") as read:
                    member = tarfile.TarInfo(path.name)
                    stat = os.fstat(read.fileno())
                    member.size, member.mtime = stat.st_size, stat.st_mtime
                    tar.addfile(member, read)
    return hashing.size, hashing.sha256


def restore_file(stored: Path, target: Path, sha256: str, advance: Advance) -> None:
    """Copy a file from a backup. Raises BackupError (damaged) and OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with stored.open("rb") as read, target.open("wb") as file:
        hashing = HashingFile(read, advance)
        while chunk := hashing.read(CHUNK):
            file.write(chunk)
    verify_digest(stored, hashing, sha256)


def unpack_folder(stored: Path, target: Path, sha256: str, advance: Advance) -> None:
    """Unpack a tar from a backup into a folder. Raises BackupError (damaged) and OSError."""
    target.mkdir(parents=True, exist_ok=True)
    try:
        with stored.open("rb") as read:
            hashing = HashingFile(read, advance)
            with tarfile.open(fileobj=cast(IO[bytes], hashing), mode="r|", bufsize=CHUNK) as tar:
                for member in tar:
                    content = tar.extractfile(member)
                    if content is None or Path(member.name).name != member.name:
                        raise BackupError(f"{stored} is damaged: {member.name!r} is not a file.")
                    (target / member.name).write_bytes(content.read())
            while hashing.read(CHUNK):
                pass
    except tarfile.TarError as error:
        raise BackupError(f"{stored} is damaged: {error}.") from error
    verify_digest(stored, hashing, sha256)


def check_file(stored: Path, sha256: str, advance: Advance) -> None:
    """Verify a file in a backup. Raises BackupError (damaged) and OSError."""
    with stored.open("rb") as read:
        hashing = HashingFile(read, advance)
        while hashing.read(CHUNK):
            pass
    verify_digest(stored, hashing, sha256)


def verify_digest(stored: Path, hashing: HashingFile, sha256: str) -> None:
    """Raise BackupError unless a file, read to its end, has this SHA-256."""
    if hashing.sha256 != sha256:
        raise BackupError(
            f"{stored} is damaged: its checksum differs from the one in the backup's file list."
        )
