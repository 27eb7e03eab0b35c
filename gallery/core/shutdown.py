"""Whether this worker is being stopped, so that long tasks give back what they have claimed.

Celery tells only a worker's main process, and its pool processes do the work: they share a byte.
"""

import mmap

from gallery.core.errors import WorkerStops

_requested = mmap.mmap(-1, 1)  # shared with processes that are forked later


def request() -> None:
    """Ask the long tasks of this worker to stop. Safe in a signal handler."""
    _requested[0] = 1


def is_requested() -> bool:
    """Return whether this worker is being stopped."""
    return _requested[0] == 1


def check() -> None:
    """Raise WorkerStops if this worker is being stopped."""
    if is_requested():
        raise WorkerStops
