"""Tells long tasks that their worker is stopping, so that they return their claims to the queue.

Celery signals only the main process, but tasks run in pool processes, so they share a byte.
"""

import mmap

from gallery.core.errors import WorkerStops

_requested = mmap.mmap(-1, 1)  # shared with processes that are forked later


def request() -> None:
    """Ask the long tasks of this worker to stop. May be called in a signal handler."""
    _requested[0] = 1


def is_requested() -> bool:
    """Return whether this worker is stopping."""
    return _requested[0] == 1


def check() -> None:
    """Raise WorkerStops if this worker is stopping."""
    if is_requested():
        raise WorkerStops
