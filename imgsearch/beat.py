"""Celery beat: `celery -A imgsearch.beat beat --pidfile=`.

A lock in Redis makes sure that only one instance is active across all machines. There is no
schedule file, which a power cut could corrupt.
"""

import logging
import os
import sys
from typing import Any

from celery import Celery
from celery.beat import Scheduler
from django.conf import settings
from redis import Redis
from redis.exceptions import LockError, RedisError
from redis.lock import Lock

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imgsearch.settings")

# Beat only needs the names of tasks: without Django's apps and the tasks it takes half the memory.
app = Celery("imgsearch", fixups=[], set_as_current=False)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.worker_hijack_root_logger = True

log = logging.getLogger(__name__)

LOCK_SECONDS = 2 * settings.SWEEP_SECONDS  # after which another beat takes over from a dead one
LOCK_INTERVAL = LOCK_SECONDS / 6  # seconds between two attempts to hold the lock


def _make_lock() -> Lock:
    cache = settings.CACHES["default"]
    client = Redis.from_url(cache["LOCATION"], socket_timeout=5, socket_connect_timeout=5)
    return client.lock(f"{cache['KEY_PREFIX']}:beat-lock", timeout=LOCK_SECONDS, blocking=False)


def is_active() -> bool:
    """Return whether a beat is active on any machine. Raises RedisError."""
    return bool(_make_lock().locked())


class SingleScheduler(Scheduler):
    """Keeps the schedule in memory, and queues tasks only while it holds a lock in Redis.

    After a start, every task is due at once, in case an earlier beat has not queued it; the tasks
    are idempotent.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._lock = _make_lock()
        self._had_lock: bool | None = None
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Queue due tasks if this beat has the lock. Return the seconds until the next tick."""
        has_lock = self._hold_lock()
        if has_lock != self._had_lock:
            log.warning("beat: active" if has_lock else "beat: waiting, another beat has the lock")
            self._had_lock = has_lock
        if not has_lock:
            return LOCK_INTERVAL
        pause: float = super().tick(*args, **kwargs)
        return min(pause, LOCK_INTERVAL)

    def close(self) -> None:
        """Release the lock, so that another beat takes over at once."""
        super().close()
        try:
            self._lock.release()
        except (LockError, RedisError):
            log.debug("beat: the lock was not released; it will expire")

    def _hold_lock(self) -> bool:
        """Extend or acquire the lock. Return whether this beat has it."""
        try:
            if self._lock.local.token is not None and self._lock.owned():
                return bool(self._lock.reacquire())
            return bool(self._lock.acquire())
        except (LockError, RedisError) as error:
            log.warning("beat: waiting for Redis: %s", error)
            return False


if __name__ == "__main__":  # the health check of docker-compose.yml
    sys.exit(not is_active())
