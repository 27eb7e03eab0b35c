"""Heartbeats of Celery workers in the cache, which say whether one is alive.

A Celery ping takes a second when no worker answers, too long for a health check that anyone may
call.
"""

import time
from contextlib import suppress

from django.core.cache import cache
from redis.exceptions import RedisError

ALIVE_SECONDS = 30  # a worker without a heartbeat for this long has stopped or hangs
_KEY = "worker-alive"
_INTERVAL = 5.0  # seconds between two heartbeats
_reported_at = float("-inf")


def report_alive() -> None:
    """Write a heartbeat, at most every _INTERVAL seconds. Errors of Redis are ignored."""
    global _reported_at  # noqa: PLW0603 - one main loop in each process
    if time.monotonic() - _reported_at < _INTERVAL:
        return
    _reported_at = time.monotonic()
    with suppress(RedisError, OSError):
        cache.set(_KEY, True, ALIVE_SECONDS)


def is_worker_alive() -> bool:
    """Return whether a worker wrote a heartbeat lately; False when Redis does not answer."""
    with suppress(RedisError, OSError):
        return bool(cache.get(_KEY, False))
    return False
