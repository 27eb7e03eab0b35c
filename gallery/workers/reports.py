"""The heartbeat of this worker: its main process writes a record every few seconds."""

import platform
import subprocess
import time
from collections.abc import Iterable
from functools import cache
from typing import Any

from celery.worker import state
from django.conf import settings

from gallery.clip import weights
from gallery.core import shutdown
from gallery.media import ffmpeg
from gallery.workers import records
from gallery.workers.records import RunningTask, WorkerRecord

MIN_INTERVAL = 1.5  # minimum seconds between two records; Celery's heartbeat is every 2 s
_started_at = time.time()
_reported_at = float("-inf")
_own_queues: tuple[str, ...] = ()
_processes = 1


def begin(queues: Iterable[str], processes: int) -> None:
    """Remember the queues that this worker was started for, and its number of processes."""
    global _own_queues, _processes
    _own_queues, _processes = tuple(sorted(queues)), processes


def report(name: str, app: Any) -> None:
    """Write the record of the worker `name`, at most once per MIN_INTERVAL."""
    global _reported_at  # noqa: PLW0603 - one main loop in each process
    is_stopping = shutdown.is_requested() or state.should_stop is not None
    if time.monotonic() - _reported_at < MIN_INTERVAL and not is_stopping:
        return
    _reported_at = time.monotonic()
    records.write(
        WorkerRecord(
            name=name,
            host=platform.node(),
            version=settings.VERSION,
            model=weights.current().fingerprint,
            model_name=weights.current().name,
            ffmpeg=_ffmpeg_version(),
            processes=_processes,
            queues=tuple(sorted(app.amqp.queues.consume_from)),
            own_queues=_own_queues,
            started_at=_started_at,
            reported_at=time.time(),
            is_stopping=is_stopping,
            tasks=tuple(_running_tasks()),
        )
    )


@cache
def _ffmpeg_version() -> str:
    try:
        return ffmpeg.version().removeprefix("ffmpeg version ")
    except (OSError, subprocess.SubprocessError):
        return ""


def _running_tasks() -> list[RunningTask]:
    tasks = [
        RunningTask(request.id, request.name.rpartition(".")[2], request.time_start or time.time())
        for request in list(state.active_requests)
    ]
    return sorted(tasks, key=lambda task: task.started_at)
