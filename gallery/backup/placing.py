"""Moves restored files into the media store, with rollback until the database is restored.

    restoring/NAME/films, probes    the restored files, before they are moved
    restoring/NAME/replaced/        the files of the media store that they replaced
    restoring/NAME/moving           the list of restored files, while files are being moved

A film whose file is not in the backup keeps the one in the store. The transaction that restores the
database records NAME, so a restore that was killed can be undone if it was not committed.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError

from gallery.backup import copying, tables
from gallery.backup.reporting import format_bytes
from gallery.backup.types import BackupError, Entry, Kind, Reporter
from gallery.core import disk
from gallery.media.store import file_lock

FOLDER = "restoring"  # in the media store


@contextmanager
def staging_folder() -> Iterator[Path]:
    """Yield a new folder on the disk of the media store, and remove it afterwards.

    Unless the database was restored, the files that were moved are moved back. Raises BackupError.
    """
    with file_lock(FOLDER):
        parent = settings.MEDIA_ROOT / FOLDER
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=parent))
        try:
            yield folder
        finally:
            _close(folder)


def close_interrupted() -> bool:
    """Undo restores that were killed before they were committed. Return whether there were any.

    Raises BackupError.
    """
    parent = settings.MEDIA_ROOT / FOLDER
    if not parent.is_dir() or not any(parent.iterdir()):
        return False
    with file_lock(FOLDER):  # a restore may be running
        undone = [_close(folder) for folder in list(parent.iterdir())]
    return any(undone)


def _close(staging: Path) -> bool:
    """Undo a restore unless it was committed, and remove its folder. Return whether it was undone.

    Raises BackupError, and keeps the folder, if that is not possible.
    """
    is_moving = (staging / "moving").exists()
    try:
        is_undone = is_moving and not tables.is_restore_recorded(staging.name)
        if is_undone:
            _move_back(staging)
        if is_moving:
            # First, as without this list the restore is neither undone nor completed again.
            (staging / "moving").unlink()
            tables.forget_restore(staging.name)
    except (OSError, DatabaseError) as error:
        raise BackupError(
            f"A restore was interrupted, and the files that it replaced cannot be moved back: "
            f"{str(error).strip()}. They are in {staging}. Start again when the cause is removed."
        ) from error
    shutil.rmtree(staging, ignore_errors=True)
    return is_undone


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


def move_all(staging: Path) -> None:
    """Move staged files into the media store, and those that they replace aside. Raises OSError."""
    paths = [path.relative_to(staging) for path in _list_files(staging)]
    (staging / "moving").write_text(json.dumps(list(map(os.fspath, paths))))
    # After a power cut, the list must not be missing while files are in their new places, nor these
    # while the database refers to them.
    os.sync()
    for path in paths:
        source, target = staging / path, settings.MEDIA_ROOT / path
        replaced = _replaced_by(target)
        if source.is_symlink() and any(old.is_file() for old in replaced):
            continue  # keep a film file rather than a link to one
        for old in replaced:
            _move(old, staging / "replaced" / old.relative_to(settings.MEDIA_ROOT))
        _move(source, target)
    os.sync()


def _move_back(staging: Path) -> None:
    """Undo `move_all`, wherever it stopped. Raises OSError."""
    try:
        placed = json.loads((staging / "moving").read_text())
    except ValueError:
        return  # a power cut while the list was being written: nothing was moved
    for path in placed:
        target = settings.MEDIA_ROOT / path
        if not os.path.lexists(staging / path) and os.path.lexists(target):
            _move(target, staging / path)
    aside = staging / "replaced"
    for old in _list_files(aside):
        target = settings.MEDIA_ROOT / old.relative_to(aside)
        if not os.path.lexists(target):
            _move(old, target)


def _list_files(folder: Path) -> list[Path]:
    """Return the files and folders that are moved as a whole."""
    return sorted([*folder.glob("films/*/*"), *folder.glob("probes/*")])


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)


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
