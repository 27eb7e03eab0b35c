"""Moves restored files into the media store, with rollback until the database is restored.

Files are first restored into a staging folder on the same disk, then moved. The files that they
replace are moved aside, and removed at the end. A film whose file is not in the backup keeps the
one in the store.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from gallery.backup import copying
from gallery.backup.reporting import format_bytes
from gallery.backup.types import BackupError, Entry, Kind, Reporter
from gallery.core import disk

PREFIX = "restoring-"  # in the upload folder, from which `tidy` removes leftovers


@contextmanager
def staging_folder() -> Iterator[Path]:
    """Yield a new folder on the disk of the media store, and remove it afterwards."""
    settings.FILE_UPLOAD_TEMP_DIR.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=settings.FILE_UPLOAD_TEMP_DIR))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def stage(backup: Path, entries: list[Entry], staging: Path, reporter: Reporter) -> None:
    """Restore entries into `staging`, verifying each. Raises BackupError and OSError."""
    reporter.start("Files", sum(entry.size for entry in entries))
    for entry in entries:
        target, stored = staging / entry.path, backup / entry.stored
        match entry.kind:
            case Kind.LINK:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(entry.target)
            case Kind.FOLDER:
                copying.unpack_folder(stored, target, entry.sha256, reporter.advance)
            case Kind.FILE:
                copying.restore_file(stored, target, entry.sha256, reporter.advance)
    reporter.end()


class Placement:
    """Moves staged files into the media store, and can undo that."""

    def __init__(self, staging: Path) -> None:
        self._staging = staging
        self._moved: list[tuple[Path, Path]] = []  # from, to

    def move_all(self) -> None:
        """Move all files, and those that they replace aside. Raises OSError."""
        staging, aside = self._staging, self._staging / "replaced"
        for source in sorted([*staging.glob("films/*/*"), *staging.glob("probes/*")]):
            path = source.relative_to(staging)
            replaced = _replaced_by(settings.MEDIA_ROOT / path)
            if source.is_symlink() and any(old.is_file() for old in replaced):
                continue  # keep a film file rather than a link to one
            for old in replaced:
                self._move(old, aside / old.relative_to(settings.MEDIA_ROOT))
            self._move(source, settings.MEDIA_ROOT / path)

    def _move(self, source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
        self._moved.append((source, target))

    def undo(self) -> None:
        """Move everything back."""
        while self._moved:
            source, target = self._moved.pop()
            target.rename(source)


def _replaced_by(path: Path) -> list[Path]:
    """Return the files that a file replaces: a film may have another extension."""
    if path.name.startswith("source"):
        return list(path.parent.glob("source*"))
    return [path] if os.path.lexists(path) else []


def require_space(entries: list[Entry]) -> None:
    """Raise BackupError if the disk of the media store has no room for entries."""
    size = sum(entry.size for entry in entries)
    if not disk.has_space(size):
        raise BackupError(
            f"Restoring needs {format_bytes(size)}, but the disk of {settings.MEDIA_ROOT} has "
            f"only {format_bytes(disk.free_bytes())} free, of which "
            f"{format_bytes(settings.MIN_FREE_BYTES)} (MIN_FREE_BYTES) are reserved. "
            "Nothing was changed."
        )
