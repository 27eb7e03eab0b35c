"""The files of exports, finished or not, and their space limit (EXPORT_CACHE_BYTES)."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from gallery.boards.models import Export
from gallery.core.disk import require_space
from gallery.core.errors import BoardError
from gallery.media.store import file_lock

KEEP_SECONDS = 86_400  # how long the file of an export is kept after it was last asked for
SUFFIXES = {Export.Kind.CLIPS: ".zip", Export.Kind.FILM: ".mp4"}


def exports_folder() -> Path:
    """Return the folder that holds all exports."""
    return Path(settings.MEDIA_ROOT) / "exports"


def result_path(export: Export) -> Path:
    """Return the file of a finished export."""
    return exports_folder() / f"{export.token}{SUFFIXES[Export.Kind(export.kind)]}"


def work_folder(export: Export) -> Path:
    """Return the folder for the scenes of an export under way."""
    return exports_folder() / export.token


def remove_files(export: Export) -> None:
    """Remove the file and the scenes of an export."""
    shutil.rmtree(work_folder(export), ignore_errors=True)
    result_path(export).unlink(missing_ok=True)


def _discard(export: Export) -> None:
    export.delete()
    remove_files(export)  # at once, not after the transaction: the space is needed now


def tidy() -> None:
    """Remove exports older than KEEP_SECONDS, those beyond the space limit, and orphaned files."""
    for export in Export.objects.filter(
        requested_at__lt=timezone.now() - timedelta(seconds=KEEP_SECONDS)
    ):
        _discard(export)
    with file_lock("exports"):
        _evict_oldest(0)
    known = set(Export.objects.values_list("token", flat=True))
    folder = exports_folder()
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name.partition(".")[0] not in known and _is_old(path):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _evict_oldest(size: int) -> bool:
    """Remove the oldest files of exports until `size` more bytes fit. Return whether they fit."""
    used = sum(path.stat().st_size for path in exports_folder().rglob("*") if path.is_file())
    for export in Export.objects.filter(state=Export.State.DONE).order_by("requested_at"):
        if used + size <= settings.EXPORT_CACHE_BYTES:
            break
        with suppress(FileNotFoundError):
            used -= result_path(export).stat().st_size
        _discard(export)
    return used + size <= settings.EXPORT_CACHE_BYTES


@contextmanager
def reserve_space(size: int) -> Iterator[None]:
    """Lock the exports folder with room for `size` more bytes, removing the oldest files.

    Raises BoardError when unfinished exports leave too little room, and DiskFull.
    """
    with file_lock("exports"):
        if not _evict_oldest(size):
            raise BoardError(
                _(
                    "There is not enough space for this export: all exports together may use "
                    "%(most)d MB (EXPORT_CACHE_BYTES). Split the board, or try again later."
                )
                % {"most": settings.EXPORT_CACHE_BYTES // 1_000_000}
            )
        require_space(size)
        yield


def _is_old(path: Path) -> bool:
    """Return whether no task can still be writing to a path."""
    return time.time() - path.stat().st_mtime > settings.CELERY_TASK_TIME_LIMIT
