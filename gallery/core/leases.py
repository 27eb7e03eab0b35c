"""Leases: how long a worker counts as alive after its last report, and how they are renewed."""

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

RENEWALS_PER_LEASE = 3
JOIN_SECONDS = 1.0  # the last renewal may still be waiting for the database


def lease_end() -> datetime:
    """Return when the lease of a worker that reports now expires."""
    return timezone.now() + timedelta(seconds=settings.LEASE_SECONDS)


@contextmanager
def keep_lease(renew: Callable[[], bool], seconds: float) -> Iterator[Callable[[], None]]:
    """Renew a lease of `seconds` in a thread while the body runs.

    `renew` returns False when another worker has taken the lease. Yields a check to call before
    each write: it raises LostClaim when the lease is lost, also after this process was suspended
    for longer than the lease.
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
            while not done.wait(seconds / RENEWALS_PER_LEASE) and not is_lost:
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
