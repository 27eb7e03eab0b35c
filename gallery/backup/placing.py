"""Puts restored files into the media store, so that it can be undone until the database is there.

Files are first restored into a folder of their own, on the same disk, then moved. What they
replace is moved aside, and removed at the end. Film files in the store are never replaced by
nothing: a film whose file is not in the backup keeps the one that it has.
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

PREFIX = "restoring-"  # within the folder of uploads, from which `tidy` removes leftovers


@contextmanager
def staging_folder() -> Iterator[Path]:
    """Yield a new folder on the disk of the media store, removed afterwards."""
    settings.FILE_UPLOAD_TEMP_DIR.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=settings.FILE_UPLOAD_TEMP_DIR))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def stage(backup: Path, entries: list[Entry], staging: Path, reporter: Reporter) -> None:
    """Restore entries below `staging`, checking each. Raises BackupError, OSError."""
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
    """Moves what is staged into the media store."""

    def __init__(self, staging: Path) -> None:
        self._staging = staging
        self._moved: list[tuple[Path, Path]] = []  # from, to

    def move_all(self) -> None:
        """Move everything, and what it replaces aside. Raises OSError."""
        staging, aside = self._staging, self._staging / "replaced"
        for source in sorted([*staging.glob("films/*/*"), *staging.glob("probes/*")]):
            path = source.relative_to(staging)
            replaced = _replaced_by(settings.MEDIA_ROOT / path)
            if source.is_symlink() and any(old.is_file() for old in replaced):
                continue  # a film file is worth more than a link to one
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
    """Return what is in the media store in place of a file: a film may have another extension."""
    if path.name.startswith("source"):
        return list(path.parent.glob("source*"))
    return [path] if os.path.lexists(path) else []


def require_space(entries: list[Entry]) -> None:
    """Raise BackupError when the disk of the media store has no room for entries."""
    size = sum(entry.size for entry in entries)
    if not disk.has_space(size):
        raise BackupError(
            f"Restoring needs {format_bytes(size)}, and the disk of {settings.MEDIA_ROOT} has "
            f"{format_bytes(disk.free_bytes())} free, of which "
            f"{format_bytes(settings.MIN_FREE_BYTES)} (MIN_FREE_BYTES) stay free. "
            "Nothing was changed."
        )
