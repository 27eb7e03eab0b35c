"""Limit how many web threads wait for FFmpeg, so that searches always find a free one."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from gallery.core.errors import ClipBusy

_slots = threading.BoundedSemaphore(max(1, settings.WEB_THREADS // 2))


@contextmanager
def limit_ffmpeg_waits() -> Iterator[None]:
    """Hold one of the slots for waiting threads. Raises ClipBusy when half of all threads wait."""
    if not _slots.acquire(blocking=False):
        raise ClipBusy
    try:
        yield
    finally:
        _slots.release()
