"""Computes the SHA-256 of library files while no import is running, to recognize uploads of them.

An upload with the SHA-256 of a film is that film. Library films are imported without it, because
their whole file would have to be read first.
"""

import logging
import time

from django.conf import settings
from django.db import IntegrityError, transaction

from gallery.core.errors import LostClaim
from gallery.films.models import Film
from gallery.importing import transitions
from gallery.importing.healing import Queue
from gallery.index import server
from gallery.library.fingerprints import whole_sha256
from gallery.library.models import LibraryFile

log = logging.getLogger(__name__)

State = LibraryFile.State
CHECK_SECONDS = 2.0  # between two checks for waiting imports


def next_to_hash() -> LibraryFile | None:
    """Return the next file to hash; None while imports are running or waiting."""
    if _is_busy():
        return None
    files = LibraryFile.objects.present().filter(
        state=State.IMPORTED, sha256="", error="", film__state=Film.State.READY
    )
    return files.select_related("folder", "film").order_by("pk").first()


def _is_busy() -> bool:
    if Film.objects.reachable().filter(state__in=Film.UNFINISHED).exists():
        return True
    return LibraryFile.objects.waiting().filter(folder__is_paused=False).exists()


def hash_next(queue: Queue) -> bool:
    """Compute the SHA-256 of a file. Return whether there is more to do now.

    One process does this at a time, and stops when an import starts. Raises IndexUnavailable.
    """
    client = server.connect_index()
    key = f"{settings.INDEX_PREFIX}:hashing"
    with server.redis_lock(client, key, settings.LEASE_SECONDS) as check_lock:
        file = next_to_hash() if check_lock is not None else None
        if file is None or check_lock is None:
            return False
        checked_at = time.monotonic()

        def check() -> None:
            nonlocal checked_at
            if time.monotonic() - checked_at < CHECK_SECONDS:
                return
            checked_at = time.monotonic()
            check_lock()
            if _is_busy():
                raise LostClaim

        try:
            digest = whole_sha256(file.real_path, check)
        except LostClaim:
            return False
        except OSError as error:
            log.warning("%s cannot be read: %s", file, error)
            LibraryFile.objects.filter(pk=file.pk).update(error=error.strerror or str(error))
            return True
        _record(file, digest, queue)
        return next_to_hash() is not None


def _record(file: LibraryFile, digest: str, queue: Queue) -> None:
    """Store the SHA-256 of a file and of its film, unless either has changed meanwhile."""
    unchanged = LibraryFile.objects.filter(
        pk=file.pk, film=file.film_id, size=file.size, mtime_ns=file.mtime_ns, state=State.IMPORTED
    )
    if not unchanged.update(sha256=digest):
        return
    film = file.film
    assert film is not None
    film.refresh_from_db()
    if film.sha256 is None:
        try:
            with transaction.atomic():
                Film.objects.filter(pk=film.pk, size=file.size).update(sha256=digest)
        except IntegrityError:
            log.warning("film %s: another film has the same file (%s)", film.pk, file)
    elif film.sha256 != digest and film.library_files.count() > 1:
        # The samples are the same, but the files are not.
        log.warning("%s differs from the other files of film %s", file, film.pk)
        unchanged.update(film=None, state=State.WAITING)
    elif film.sha256 != digest and film.files.is_link:
        log.warning("film %s: the content of its file has changed, importing it again", film.pk)
        transitions.restart_with_new_file(film, file.size)
        queue("probe", film.pk)
