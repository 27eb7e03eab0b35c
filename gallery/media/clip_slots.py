"""Limit how many FFmpegs cut clips at once on this machine, so that searches stay fast.

A slot is a lock on a file in VAR_DIR: the web server and the workers of a machine share the limit,
and the slots of a killed process are free at once. The lock of a clip works in the same way, in the
media store, which machines share; it keeps two processes from rendering the same clip.
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

POLL_SECONDS = 0.05  # between two attempts


@contextmanager
def acquire_slot(
    max_wait: float, is_cancelled: Callable[[], bool], *, has_priority: bool
) -> Iterator[None]:
    """Wait for a slot and hold it.

    With several slots, the first is reserved for jobs with priority, those for an empty
    player. Raises ClipBusy when no slot is free within `max_wait` seconds, or the job is cancelled.
    """
    end = time.monotonic() + max_wait
    with ExitStack() as held:
        if not has_priority:
            # One job at a time waits for a slot, so that slots go to jobs in their order.
            held.enter_context(_wait_for(lambda: try_lock("queue"), end, is_cancelled))
        first = 0 if has_priority or settings.CLIPS_AT_ONCE < 2 else 1
        taken = _wait_for(lambda: _try_slots(first), end, is_cancelled)
    # Closing the file frees the slot.
    with taken:
        yield


@contextmanager
def clip_lock(
    path: Path, taken: IO[bytes] | None, is_cancelled: Callable[[], bool]
) -> Iterator[None]:
    """Hold the lock of the clip at `path`, so that no other process renders it.

    `taken`: what `try_clip_lock` returned; when it is None, another process renders the clip, and
    this waits until it ends. Raises ClipBusy when the job is cancelled.
    """
    with taken or _wait_for(lambda: try_clip_lock(path), float("inf"), is_cancelled) as lock:
        try:
            yield
        finally:
            Path(lock.name).unlink(missing_ok=True)


def try_clip_lock(path: Path) -> IO[bytes] | None:
    """Return the lock of the clip at `path`, or None while another process holds it."""
    name = hashlib.sha256(bytes(path)).hexdigest()[:32]
    return _try_file(settings.MEDIA_ROOT / "turns" / "clips" / name)


def try_lock(name: str) -> IO[bytes] | None:
    """Lock a file of this machine; return None when it is locked. Closing it unlocks.

    Raises DiskFull.
    """
    return _try_file(settings.VAR_DIR / "turns" / name)


def _try_file(path: Path) -> IO[bytes] | None:
    while True:
        with raise_disk_full():
            path.parent.mkdir(parents=True, exist_ok=True)
            file: IO[bytes] = path.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The previous holder may have removed the file since it was opened here.
            if _is_same_file(file, path):
                return file
        except BlockingIOError:
            file.close()
            return None
        file.close()


def _is_same_file(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _try_slots(first: int) -> IO[bytes] | None:
    numbers = range(first, settings.CLIPS_AT_ONCE)
    return next(filter(None, (try_lock(str(number)) for number in numbers)), None)


def _wait_for(
    take: Callable[[], IO[bytes] | None], end: float, is_cancelled: Callable[[], bool]
) -> IO[bytes]:
    while (taken := take()) is None:
        if is_cancelled() or time.monotonic() > end:
            raise ClipBusy
        time.sleep(POLL_SECONDS)
    return taken
