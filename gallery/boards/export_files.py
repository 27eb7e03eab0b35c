"""The files of exports, and the space they may take, those under way included."""

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

KEEP = 86_400  # seconds for which a zip is kept


def folder_of_all() -> Path:
    """Where exports are made and kept."""
    return Path(settings.MEDIA_ROOT) / "exports"


def zip_of(export: Export) -> Path:
    """The file of an export that is done."""
    return folder_of_all() / f"{export.token}.zip"


def remove_files(export: Export) -> None:
    """Remove what an export has on the disk."""
    shutil.rmtree(folder_of_all() / export.token, ignore_errors=True)
    zip_of(export).unlink(missing_ok=True)


def _discard(export: Export) -> None:
    export.delete()
    remove_files(export)  # not later, when a transaction ends: the space is needed now


def tidy() -> None:
    """Remove exports a day after they were asked for, those beyond the limit, and orphans."""
    for export in Export.objects.filter(created__lt=timezone.now() - timedelta(seconds=KEEP)):
        _discard(export)
    with file_lock("exports"):
        _make_room(0)
    known = set(Export.objects.values_list("token", flat=True))
    folder = folder_of_all()
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name.removesuffix(".zip") not in known and _is_old(path):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _make_room(size: int) -> bool:
    """Remove the oldest zips until `size` more bytes fit in; False when they do not even then."""
    there = sum(path.stat().st_size for path in folder_of_all().rglob("*") if path.is_file())
    for export in Export.objects.filter(state=Export.State.DONE).order_by("created"):
        if there + size <= settings.EXPORT_CACHE_BYTES:
            break
        with suppress(FileNotFoundError):
            there -= zip_of(export).stat().st_size
        _discard(export)
    return there + size <= settings.EXPORT_CACHE_BYTES


@contextmanager
def room_for_export(size: int) -> Iterator[None]:
    """Add `size` bytes to the exports, which take at most EXPORT_CACHE_BYTES: old zips go first.

    One worker at a time. Raises BoardError when only zips that are being made are left.
    """
    with file_lock("exports"):
        if not _make_room(size):
            raise BoardError(
                _(
                    "There is not enough space for this ZIP: all exports together may use "
                    "%(most)d MB (EXPORT_CACHE_BYTES). Split the board, or try again later."
                )
                % {"most": settings.EXPORT_CACHE_BYTES // 1_000_000}
            )
        require_space(size)
        yield


def _is_old(path: Path) -> bool:
    """Whether nobody can be writing there any more."""
    return time.time() - path.stat().st_mtime > settings.CELERY_TASK_TIME_LIMIT
