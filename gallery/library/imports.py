"""Starts imports of waiting files, a few at a time and in the order of their folder."""

import logging
from itertools import chain, zip_longest
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from gallery.core.errors import LostClaim
from gallery.films.models import Film
from gallery.importing import intake
from gallery.importing.healing import Queue
from gallery.library.fingerprints import quick_fingerprint
from gallery.library.identification import KnownContent
from gallery.library.models import LibraryFile, LibraryFolder
from gallery.library.presence import update_presence
from gallery.media.source_names import readable_name

log = logging.getLogger(__name__)

State = LibraryFile.State
ORDERS = {
    LibraryFolder.Order.NEWEST: ("-mtime_ns", "path"),
    LibraryFolder.Order.SHORTEST: ("size", "path"),
    LibraryFolder.Order.NAME: ("path",),
}


def start_imports(queue: Queue) -> int:
    """Start imports until LIBRARY_IMPORTS_AT_ONCE library films are being imported.

    Folders that are not paused take turns. Return how many were started. Raises DiskFull.
    """
    if not LibraryFile.objects.waiting().filter(folder__is_paused=False).exists():
        return 0
    under_way = (
        Film.objects.reachable()
        .filter(state__in=Film.UNFINISHED, library_files__isnull=False)
        .distinct()
        .count()
    )
    started, free = 0, settings.LIBRARY_IMPORTS_AT_ONCE - under_way
    tried: set[int] = set()
    while started < free:
        files = [file for file in _next_files(free - started) if file.pk not in tried]
        if not files:
            break
        for file in files:
            tried.add(file.pk)
            film = start_import(file)
            if film is not None:
                queue("probe", film.pk)
                started += 1
    return started


def _next_files(count: int) -> list[LibraryFile]:
    """Return the next waiting files, taking one from each folder in turn."""
    folders = LibraryFolder.objects.filter(is_paused=False)
    lists = [list(_waiting_in_order(folder)[:count]) for folder in folders]
    return [file for file in chain.from_iterable(zip_longest(*lists)) if file is not None][:count]


def _waiting_in_order(folder: LibraryFolder) -> QuerySet[LibraryFile]:
    files = LibraryFile.objects.waiting().filter(folder=folder).select_related("folder")
    return files.order_by(*ORDERS[LibraryFolder.Order(folder.order)], "pk")


def start_import(file: LibraryFile) -> Film | None:
    """Find or create the film of a waiting file. Return the film if it has to be imported.

    Returns None, and updates the row, if the film exists or was deleted, the file cannot be read,
    or it has changed since the last scan. Raises DiskFull.
    """
    path = file.real_path
    waiting = LibraryFile.objects.waiting().filter(pk=file.pk)
    try:
        status = path.stat()
        if (status.st_size, status.st_mtime_ns) != (file.size, file.mtime_ns):
            waiting.update(
                state=State.SETTLING,
                size=status.st_size,
                mtime_ns=status.st_mtime_ns,
                settles_since=timezone.now(),
                fingerprint="",
            )
            return None
        file.fingerprint = quick_fingerprint(path)
    except FileNotFoundError:
        waiting.update(away_since=timezone.now())
        return None
    except OSError as error:
        why = _("Cannot be opened: %(why)s.") % {"why": error.strerror or error}
        waiting.update(state=State.UNREADABLE, error=why)
        return None
    known = KnownContent([file.size])
    film = known.find_film(file)
    if film is not None:
        waiting.update(state=State.IMPORTED, fingerprint=file.fingerprint, film=film)
        update_presence([film])
        log.info("film %s has another file: %s", film, file)
        return None
    if known.is_ignored(file):  # the film was deleted after the last scan
        waiting.update(state=State.IGNORED, fingerprint=file.fingerprint)
        return None
    return _add_film(file, path)


def _add_film(file: LibraryFile, path: Path) -> Film | None:
    """Create a film with a link to a file. Return None if another process was faster."""
    film = intake.new_film(readable_name(path.name), file.size, None)
    try:
        film.files.mark_unfinished()
        film.files.link_source_here(path)
        with transaction.atomic():
            film.save()
            if not (
                LibraryFile.objects.waiting()
                .filter(pk=file.pk, film__isnull=True)
                .update(state=State.IMPORTED, fingerprint=file.fingerprint, film=film)
            ):
                raise LostClaim
            transaction.on_commit(film.files.mark_finished)
    except LostClaim:
        film.files.remove()
        return None
    except BaseException:
        film.files.remove()
        raise
    return film
