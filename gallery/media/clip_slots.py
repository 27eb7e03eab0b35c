"""At most so many FFmpegs cut scenes at once on this machine: searching must stay quick.

A turn is a lock on a file of the media store, so that web servers and workers count together and
the turns of a killed process are free at once. The same holds for the lock of a clip, which keeps
two processes from making the same one.
"""

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from django.conf import settings

from gallery.core.disk import raise_disk_full
from gallery.core.errors import ClipBusy

POLL = 0.05  # seconds between two looks at the turns


@contextmanager
def acquire_slot(
    patience: float, is_cancelled: Callable[[], bool], *, has_priority: bool
) -> Iterator[None]:
    """Wait for a turn and hold it.

    Where there are several, the first is kept for those who are `hurried`: somebody looks at an
    empty player. Raises ClipBusy when there is none within `patience` seconds, or nobody wants it
    any more.
    """
    end = time.monotonic() + patience
    with ExitStack() as held:
        if not has_priority:
            # Who gets a turn must queue for the next one behind those who wait already.
            held.enter_context(_wait_for(lambda: try_lock("queue"), end, is_cancelled))
        first = 0 if has_priority or settings.CLIPS_AT_ONCE < 2 else 1
        taken = _wait_for(lambda: _take(first), end, is_cancelled)
    # Closing the file gives the turn back.
    with taken:
        yield


@contextmanager
def clip_lock(
    path: Path, taken: IO[bytes] | None, is_cancelled: Callable[[], bool]
) -> Iterator[None]:
    """Hold the lock of the clip that is made at `path`, so that no other process makes it, too.

    `taken`: what `try_clip_lock` returned; when it is None, another process makes the clip, and
    this waits for its end. Raises ClipBusy when nobody wants the clip any more.
    """
    with taken or _wait_for(lambda: try_clip_lock(path), float("inf"), is_cancelled) as lock:
        try:
            yield
        finally:
            Path(lock.name).unlink(missing_ok=True)


def try_clip_lock(path: Path) -> IO[bytes] | None:
    """The lock of the clip that is made at `path`, or None while another process holds it."""
    return try_lock(f"clips/{hashlib.sha256(bytes(path)).hexdigest()[:32]}")


def try_lock(name: str) -> IO[bytes] | None:
    """Lock a file among the turns, or None. The lock lasts until the file is closed.

    Raises DiskFull.
    """
    path = settings.MEDIA_ROOT / "turns" / name
    while True:
        with raise_disk_full():
            path.parent.mkdir(parents=True, exist_ok=True)
            file: IO[bytes] = path.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it before may have removed the file since it was opened here.
            if _is_at(file, path):
                return file
        except BlockingIOError:
            file.close()
            return None
        file.close()


def _is_at(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _take(first: int) -> IO[bytes] | None:
    numbers = range(first, settings.CLIPS_AT_ONCE)
    return next(filter(None, (try_lock(str(number)) for number in numbers)), None)


def _wait_for(
    take: Callable[[], IO[bytes] | None], end: float, is_cancelled: Callable[[], bool]
) -> IO[bytes]:
    while (taken := take()) is None:
        if is_cancelled() or time.monotonic() > end:
            raise ClipBusy
        time.sleep(POLL)
    return taken
