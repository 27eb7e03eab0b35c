"""Whether a Celery worker is alive: its main loop leaves a sign of life in the cache.

Asking the workers themselves takes a second when none answers, too long for a health check that
strangers may call.
"""

import time
from contextlib import suppress

from django.core.cache import cache
from redis.exceptions import RedisError

ALIVE_SECONDS = 30  # a worker that is silent for longer has stopped, or hangs
_KEY = "worker-alive"
_INTERVAL = 5.0  # seconds between two signs of life
_reported_at = float("-inf")


def report_alive() -> None:
    """Say that a worker is alive; may be called often. A Redis that is down is no error."""
    global _reported_at  # noqa: PLW0603 - one main loop in each process
    if time.monotonic() - _reported_at < _INTERVAL:
        return
    _reported_at = time.monotonic()
    with suppress(RedisError, OSError):
        cache.set(_KEY, True, ALIVE_SECONDS)


def is_worker_alive() -> bool:
    """Whether any worker gave a sign of life lately; False when Redis does not answer."""
    with suppress(RedisError, OSError):
        return bool(cache.get(_KEY, False))
    return False
