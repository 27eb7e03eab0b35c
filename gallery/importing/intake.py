"""Accept film files: copy them into the media store and give each its row."""

import hashlib
import logging
import os
import tempfile
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from gallery.core import disk
from gallery.films.models import Film
from gallery.importing import transitions
from gallery.importing.film_names import MAX_TITLE_LENGTH, guess_title
from gallery.media.source_names import readable_name

log = logging.getLogger(__name__)

COPY_CHUNK = 1 << 20  # bytes


def copy_to_uploads(path: Path) -> tuple[Path, str]:
    """Copy a file into the upload folder. Return the copy and its SHA-256. Raises DiskFull."""
    digest = hashlib.sha256()
    with disk.raise_disk_full():
        disk.require_space(path.stat().st_size)
        settings.FILE_UPLOAD_TEMP_DIR.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=settings.FILE_UPLOAD_TEMP_DIR, prefix="copy-")
        try:
            with os.fdopen(handle, "wb") as target, path.open("rb") as source:
                while chunk := source.read(COPY_CHUNK):
                    digest.update(chunk)
                    target.write(chunk)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    return Path(name), digest.hexdigest()


def add_film(
    upload: Path, sha256: str, *, name: str, title: str = "", year: int | None = None
) -> tuple[Film, bool]:
    """Move an uploaded file into the media store. Return its film, and whether it is new.

    Each file (SHA-256) is one film; uploading it again replaces a source file that is missing or
    damaged. Without a title, title and year come from the file name. Raises DiskFull.
    """
    name = readable_name(name)
    known = Film.objects.filter(sha256=sha256).first()
    if known is not None:
        _restore_source(known, upload, name)
        return known, False
    film = new_film(name, upload.stat().st_size, sha256, title=title, year=year)
    try:
        film.files.mark_unfinished()
        film.files.move_source_here(upload, name)
        with transaction.atomic():
            film.save()
            transaction.on_commit(film.files.mark_finished)
    except IntegrityError:
        film.files.remove()
        return Film.objects.get(sha256=sha256), False
    except BaseException:
        film.files.remove()
        raise
    return film, True


def new_film(
    name: str, size: int, sha256: str | None, *, title: str = "", year: int | None = None
) -> Film:
    """Return the row, not saved yet, of a film of `size` bytes.

    Without a title, title and year come from the file name.
    """
    if not title:
        title, guessed_year = guess_title(name)
        year = year or guessed_year
    return Film(
        title=(title or _("Untitled"))[:MAX_TITLE_LENGTH],
        year=year,
        original_name=Path(name).name[:255],
        sha256=sha256,
        size=size,
    )


def _restore_source(film: Film, upload: Path, name: str) -> None:
    """Replace a film's missing source file, and restart the import if derived files are missing.

    The caller queues the import when the film is waiting afterwards.
    """
    if film.has_source:
        upload.unlink(missing_ok=True)
        return
    film.files.move_source_here(upload, name)
    Film.objects.filter(pk=film.pk).update(away_since=None)
    log.info("film %s: its file is back", film.pk)
    is_complete = film.is_stored and not film.files.has_lost_working_copy
    if film.state == Film.State.FAILED or (film.state == Film.State.READY and not is_complete):
        transitions.restart(film)
    film.refresh_from_db()
