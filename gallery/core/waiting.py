"""Requests that wait for FFmpeg: few at a time, so that searches always find a thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from gallery.core.errors import ClipBusy

_places = threading.BoundedSemaphore(max(1, settings.WEB_THREADS // 2))


@contextmanager
def waiting_for_ffmpeg() -> Iterator[None]:
    """Hold one of the threads that may wait. Raises ClipBusy when half of all threads do."""
    if not _places.acquire(blocking=False):
        raise ClipBusy
    try:
        yield
    finally:
        _places.release()
