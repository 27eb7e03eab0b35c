"""Computes the SHA-256 of library files while no import is running, to recognize uploads of them.

An upload with the SHA-256 of a film is that film. Library films are imported without it, because
their whole file would have to be read first.

A file is read in steps, so that other tasks are not delayed. The state of an unfinished SHA-256
cannot be stored, so it stays in the memory of one process, and others hash other files. If that
process ends, the file is read from the start again.

    PREFIX:hashing:FILE    the process that is hashing a file
"""

import logging
import time
import uuid
from dataclasses import dataclass, field

import redis
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from gallery.core import shutdown
from gallery.core.errors import LostClaim
from gallery.films.models import Film
from gallery.importing import transitions
from gallery.importing.healing import Queue
from gallery.index import server
from gallery.library.fingerprints import WholeHash
from gallery.library.models import LibraryFile

log = logging.getLogger(__name__)

State = LibraryFile.State
PART_SECONDS = 30.0  # per task; the worker queues the rest
CHECK_SECONDS = 2.0  # between two checks for waiting imports
MAX_BEGUN = 100  # files being hashed by different processes
KEPT_SECONDS = 900  # after which the process is presumed dead, and another one starts over


@dataclass(frozen=True, slots=True)
class _Begun:
    """A file that this process is hashing. `version`: its id, size and time."""

    version: tuple[int, ...]
    digest: WholeHash = field(default_factory=WholeHash)
    process: bytes = field(default_factory=lambda: uuid.uuid4().bytes)


_begun: _Begun | None = None


def next_to_hash() -> LibraryFile | None:
    """Return the next file to hash; None while imports are running or waiting."""
    return None if _is_busy() else _unhashed().first()


def _unhashed() -> QuerySet[LibraryFile]:
    files = LibraryFile.objects.present().filter(
        state=State.IMPORTED, sha256="", error="", film__state=Film.State.READY
    )
    return files.select_related("folder", "film").order_by("pk")


def _is_busy() -> bool:
    if Film.objects.reachable().filter(state__in=Film.UNFINISHED).exists():
        return True
    return LibraryFile.objects.waiting().filter(folder__is_paused=False).exists()


def hash_next(queue: Queue) -> bool:
    """Hash a part of a file, and store its SHA-256 at the end. Return whether there is more to do.

    One process does this at a time. It stops when an import starts or its worker is stopping.
    Raises IndexUnavailable.
    """
    client = server.connect_index()
    key = f"{settings.INDEX_PREFIX}:hashing"
    with (
        server.translate_redis_errors(),
        server.redis_lock(client, key, settings.LEASE_SECONDS) as check_lock,
    ):
        file = None if check_lock is None or _is_busy() else _choose(client)
        if file is None or check_lock is None:
            return False
        end = time.monotonic() + PART_SECONDS
        checked_at = time.monotonic()

        def is_enough() -> bool:
            nonlocal checked_at
            now = time.monotonic()
            if now > end or shutdown.is_requested():
                return True
            if now - checked_at < CHECK_SECONDS:
                return False
            checked_at = now
            check_lock()
            return _is_busy()

        try:
            status = file.real_path.stat()
            if (status.st_size, status.st_mtime_ns) != (file.size, file.mtime_ns):
                return False  # wait for a scan
            digest = _begin(file, client).digest.read_on(file.real_path, is_enough)
        except LostClaim:
            return False
        except OSError as error:
            log.warning("%s cannot be read: %s", file, error)
            LibraryFile.objects.filter(pk=file.pk).update(error=error.strerror or str(error))
            return True
        if digest is not None:
            _record(file, digest, queue)
        if digest is not None or shutdown.is_requested():
            client.delete(_key(file))
        return next_to_hash() is not None


def _key(file: LibraryFile) -> str:
    return f"{settings.INDEX_PREFIX}:hashing:{file.pk}"


def _choose(client: redis.Redis) -> LibraryFile | None:
    """Return the next file that no other process is hashing."""
    own = _begun and _begun.process
    files = _unhashed()[:MAX_BEGUN]
    return next((file for file in files if client.get(_key(file)) in (None, own)), None)


def _begin(file: LibraryFile, client: redis.Redis) -> _Begun:
    """Return the unfinished hash of a file, and reserve the file for this process."""
    global _begun  # noqa: PLW0603 - see the module docstring
    version = (file.pk, file.size, file.mtime_ns)
    if _begun is None or _begun.version != version:
        _begun = _Begun(version)
    client.set(_key(file), _begun.process, ex=KEPT_SECONDS)
    return _begun


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
