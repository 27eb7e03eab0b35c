"""The heartbeats of workers, in Redis, for pages and health checks.

Querying workers through Celery takes a second if one does not respond, which is too long for a
page. So each worker writes a record every few seconds, which expires if it is not renewed.

    PREFIX:workers           set: the names of workers
    PREFIX:worker:NAME       JSON: a `WorkerRecord`
    PREFIX:precisions        hash: the precision in which each worker embeds frames
    PREFIX:task:ID           the film of a running task
    PREFIX:frames:MINUTE     hash: the frames that each worker embedded in that minute
    PREFIX:frames            the number of frames ever embedded
"""

import json
import logging
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

import redis
from celery import current_task
from django.conf import settings
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

log = logging.getLogger(__name__)

ALIVE_SECONDS = 30  # a worker without a record for this long has stopped or hangs
STOPPING_SECONDS = 600  # lifetime of the last record of a worker that is finishing its tasks
SPEED_MINUTES = 5  # period over which the speed is measured
MINUTE = 60
TIMEOUT = 1.0  # seconds; reports must not delay the work


@dataclass(frozen=True, slots=True)
class RunningTask:
    """A task that a worker has been running since `started_at` (seconds since 1970)."""

    id: str
    name: str
    started_at: float


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """A worker, at `reported_at` (seconds since 1970, on the clock of its machine).

    `queues` are the queues that it consumes now, none while it is paused; `own_queues` those that
    it was started for. `processes` is how many tasks it runs at once. `model` is a fingerprint.
    """

    name: str
    host: str
    version: str
    model: str
    model_name: str
    ffmpeg: str
    processes: int
    queues: tuple[str, ...]
    own_queues: tuple[str, ...]
    started_at: float
    reported_at: float
    is_stopping: bool = False
    tasks: tuple[RunningTask, ...] = field(default=())

    def to_json(self) -> str:
        """Return the record as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: bytes | str) -> "WorkerRecord | None":
        """Read a record; None if another version wrote it in another format."""
        try:
            values: dict[str, Any] = json.loads(text)
            tasks = tuple(RunningTask(**task) for task in values.pop("tasks"))
            queues = {name: tuple(values[name]) for name in ("queues", "own_queues")}
            return cls(**{**values, **queues}, tasks=tasks)
        except (ValueError, TypeError, KeyError):
            log.warning("the record of a worker of another version cannot be read")
            return None


@cache
def connect() -> redis.Redis:
    """Return a client of the cache's Redis, with short timeouts so that tasks are not delayed."""
    return redis.Redis.from_url(
        settings.CACHES["default"]["LOCATION"],
        protocol=2,
        socket_timeout=TIMEOUT,
        socket_connect_timeout=TIMEOUT,
        retry=Retry(NoBackoff(), 0),
    )


def key(*parts: object) -> str:
    """Join parts to a key."""
    return ":".join((settings.INDEX_PREFIX, *map(str, parts)))


# --- workers --------------------------------------------------------------------------------------


def write(record: WorkerRecord) -> None:
    """Write the record of a worker. Errors of Redis are ignored."""
    seconds = STOPPING_SECONDS if record.is_stopping else ALIVE_SECONDS
    with suppress(RedisError, OSError):
        pipe = connect().pipeline(transaction=False)
        pipe.sadd(key("workers"), record.name)
        pipe.set(key("worker", record.name), record.to_json(), ex=seconds)
        pipe.execute()


def remove(name: str) -> None:
    """Remove the record of a worker that has stopped. Errors of Redis are ignored."""
    with suppress(RedisError, OSError):
        client = connect()
        client.delete(key("worker", name))
        client.srem(key("workers"), name)
        client.hdel(key("precisions"), name)


def read_all() -> list[WorkerRecord]:
    """Return the records of all live workers, by name; none if Redis does not respond."""
    try:
        client = connect()
        names = sorted(client.smembers(key("workers")))
        if not names:
            return []
        texts = client.mget([key("worker", name.decode()) for name in names])
        gone = [name for name, text in zip(names, texts, strict=True) if text is None]
        if gone:
            client.srem(key("workers"), *gone)
    except (RedisError, OSError) as error:
        log.warning("worker records cannot be read: %s", error)
        return []
    found = (WorkerRecord.from_json(text) for text in texts if text is not None)
    return [record for record in found if record is not None]


def find_unserved(kinds: Iterable[str]) -> list[str]:
    """Return the kinds of work whose queues no live worker consumes."""
    taken = {queue for record in read_all() if not record.is_stopping for queue in record.queues}
    return [kind for kind in kinds if settings.QUEUES[kind] not in taken]


# --- tasks ----------------------------------------------------------------------------------------


def report_film(film_id: int) -> None:
    """Say which film the current task works on. Errors of Redis are ignored."""
    task_id = current_task and current_task.request.id
    if task_id:
        with suppress(RedisError, OSError):
            connect().set(key("task", task_id), film_id, ex=settings.CELERY_TASK_TIME_LIMIT)


def find_films(tasks: Iterable[RunningTask]) -> dict[str, int]:
    """Map the ids of tasks to the ids of their films, where known."""
    ids = [task.id for task in tasks]
    if not ids:
        return {}
    try:
        films = connect().mget([key("task", task_id) for task_id in ids])
    except (RedisError, OSError):
        return {}
    return {task_id: int(film) for task_id, film in zip(ids, films, strict=True) if film}


@cache
def report_precision(precision: str) -> None:
    """Report the precision in which this worker embeds frames; once per process."""
    with suppress(RedisError, OSError):
        connect().hset(key("precisions"), _own_name(), precision)


def read_precisions() -> dict[str, str]:
    """Return the precision of each worker that has embedded frames."""
    try:
        found = connect().hgetall(key("precisions"))
    except (RedisError, OSError):
        return {}
    return {name.decode(): precision.decode() for name, precision in found.items()}


def _own_name() -> str:
    """Return the name of the worker that runs the current task, or "" outside tasks."""
    return (current_task and current_task.request.hostname) or ""


# --- speed ----------------------------------------------------------------------------------------


def count_frames(frames: int) -> None:
    """Add to the number of frames embedded by this worker. Redis errors are ignored."""
    minute = key("frames", int(time.time() // MINUTE))
    with suppress(RedisError, OSError):
        pipe = connect().pipeline(transaction=False)
        pipe.incrby(key("frames"), frames)
        pipe.hincrby(minute, _own_name(), frames)
        pipe.expire(minute, (SPEED_MINUTES + 2) * MINUTE)
        pipe.execute()


def total_frames() -> int:
    """Return the number of frames ever embedded. Raises RedisError."""
    return int(connect().get(key("frames")) or 0)


def measure_speeds(now: float | None = None) -> dict[str, float]:
    """Return the frames per second of each worker over the last SPEED_MINUTES, if it had any.

    `now` is in seconds since 1970. Minutes before the first frame do not count.
    """
    now = time.time() if now is None else now
    this = int(now // MINUTE)
    minutes = range(this - SPEED_MINUTES, this + 1)
    try:
        pipe = connect().pipeline(transaction=False)
        for minute in minutes:
            pipe.hgetall(key("frames", minute))
        counts = pipe.execute()
    except (RedisError, OSError):
        return {}
    begun = next((m for m, count in zip(minutes, counts, strict=True) if count), None)
    if begun is None:
        return {}
    seconds = max(1.0, now - begun * MINUTE)
    names = {name for count in counts for name in count}
    return {
        name.decode(): sum(int(count.get(name, 0)) for count in counts) / seconds for name in names
    }
