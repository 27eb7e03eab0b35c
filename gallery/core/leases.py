"""Leases: until when whoever works on something is taken to be alive, and how they are kept."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.utils import timezone

from gallery.core.errors import LostClaim

log = logging.getLogger(__name__)

BEATS = 3  # renewals within one lease
JOIN_SECONDS = 1.0  # a last renewal may still wait for the database


def lease_end() -> datetime:
    """Until when a worker that reports now is taken to be alive."""
    return timezone.now() + timedelta(seconds=settings.LEASE_SECONDS)


@contextmanager
def kept_alive(renew: Callable[[], bool], seconds: float) -> Iterator[Callable[[], None]]:
    """Renew a lease of `seconds` in a thread for as long as the body takes.

    `renew` returns False when the lease is somebody else's by now. Yields a check to be called
    before anything is written: it raises LostClaim when the lease is lost, also when this process
    stood still for longer than the lease.
    """
    done = threading.Event()
    lock = threading.Lock()
    renewed_at, is_lost = time.monotonic(), False

    def beat() -> None:
        nonlocal renewed_at, is_lost
        with lock:
            began_at = time.monotonic()
            if not is_lost and not renew():
                is_lost = True
            renewed_at = began_at

    def check() -> None:
        if time.monotonic() - renewed_at > seconds / 2:
            beat()
        if is_lost:
            raise LostClaim

    def keep() -> None:
        try:
            while not done.wait(seconds / BEATS) and not is_lost:
                try:
                    beat()
                except Exception:
                    log.warning("a lease could not be renewed; trying again", exc_info=True)
        finally:
            connection.close()

    thread = threading.Thread(target=keep, name="lease", daemon=True)
    thread.start()
    try:
        yield check
    finally:
        done.set()
        thread.join(JOIN_SECONDS)
