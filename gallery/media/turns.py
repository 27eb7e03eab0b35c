"""At most so many FFmpegs cut scenes at once on this machine: searching must stay quick.

A turn is a lock on a file of the media store, so that web servers and workers count together and
the turns of a killed process are free at once.
"""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from django.conf import settings

from gallery.errors import ClipBusy

POLL = 0.05  # seconds between two looks at the turns


@contextmanager
def turn(patience: float, is_unwanted: Callable[[], bool], *, hurried: bool) -> Iterator[None]:
    """Wait for a turn and hold it.

    Where there are several, the first is kept for those who are `hurried`: somebody looks at an
    empty player. Raises ClipBusy when there is none within `patience` seconds, or nobody wants it
    any more.
    """
    end = time.monotonic() + patience
    first = 0 if hurried or settings.CLIPS_AT_ONCE < 2 else 1
    while (taken := _take(first)) is None:
        if is_unwanted() or time.monotonic() > end:
            raise ClipBusy
        time.sleep(POLL)
    # Closing the file gives the turn back.
    with taken:
        yield


def _take(first: int) -> IO[bytes] | None:
    folder = settings.MEDIA_ROOT / "turns"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, settings.CLIPS_AT_ONCE):
        file: IO[bytes] = (folder / str(number)).open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
        else:
            return file
    return None
