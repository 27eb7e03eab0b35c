"""Check the broker, and pause and resume workers."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from imgsearch.celery import app

log = logging.getLogger(__name__)

CONTROL_TIMEOUT = 3.0  # seconds for a worker to answer


def is_queue_reachable() -> bool:
    """Return whether the broker responds."""
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0)
    except (OperationalError, OSError):
        return False
    return True


def pause_worker(name: str, queues: Sequence[str]) -> bool:
    """Have a worker stop consuming its queues. Return whether it responded."""
    return _control(name, queues, lambda queue, how: app.control.cancel_consumer(queue, **how))


def resume_worker(name: str, queues: Sequence[str]) -> bool:
    """Have a worker consume its queues again. Return whether it responded."""
    return _control(
        name,
        queues,
        lambda queue, how: app.control.add_consumer(
            queue, exchange=queue, routing_key=queue, **how
        ),
    )


def _control(
    name: str, queues: Sequence[str], send: Callable[[str, dict[str, Any]], object]
) -> bool:
    how = {"destination": [name], "reply": True, "timeout": CONTROL_TIMEOUT}
    try:
        return all(send(queue, how) for queue in queues)
    except (OperationalError, OSError, RedisError) as error:
        log.warning("worker %s cannot be reached: %s", name, error)
        return False
