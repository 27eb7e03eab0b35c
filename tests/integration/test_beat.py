"""Celery beat: a separate process, one active at a time, without a schedule file."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
from django.conf import settings

from imgsearch import beat
from tests.importing import queue_client
from tests.processes import Process, wait_for


@pytest.fixture
def beats(redis_server: redis.Redis, tmp_path: Path) -> Iterator[list[Process]]:
    """Two beats, as on two machines: the first is active before the second starts."""
    command = ["-m", "celery", "-A", "imgsearch.beat", "beat", "--pidfile=", "--loglevel=info"]
    wait_for(lambda: not beat.is_active())  # the lock of an earlier test expires
    with ExitStack() as stack:
        both = [Process(command, tmp_path / f"beat-{number}.log") for number in (1, 2)]
        for process, word in zip(both, ("active", "waiting"), strict=True):
            stack.callback(process.kill)
            process.start()
            wait_for(lambda process=process, word=word: f"beat: {word}" in process.output())
        yield both


def count_sent(process: Process) -> int:
    """The number of tasks that a beat has queued."""
    return process.output().count("Sending due task")


def test_one_beat_queues_tasks_and_the_other_takes_over(beats: list[Process]) -> None:
    active, waiting = beats
    assert beat.is_active()
    # Both tasks are due at once after a start, and the sweep again after SWEEP_SECONDS.
    wait_for(lambda: count_sent(active) >= 3)
    assert count_sent(waiting) == 0
    assert queue_client().llen(settings.QUEUES["soon"]) >= 3
    active.kill()
    wait_for(lambda: count_sent(waiting) >= 2)
    assert "beat: active" in waiting.output()


def test_a_stopped_beat_hands_over_at_once(beats: list[Process]) -> None:
    active, waiting = beats
    active.stop()
    assert active.process is not None
    assert active.process.returncode == 0
    wait_for(lambda: count_sent(waiting) >= 1)


def test_a_resumed_beat_stays_inactive_after_a_takeover(beats: list[Process]) -> None:
    active, waiting = beats
    assert active.process is not None
    active.process.send_signal(signal.SIGSTOP)
    wait_for(lambda: count_sent(waiting) >= 1)
    before = count_sent(active)
    active.process.send_signal(signal.SIGCONT)
    wait_for(lambda: "beat: waiting" in active.output())
    assert count_sent(active) <= before + 1


def test_beat_keeps_no_file_that_could_be_corrupted(beats: list[Process]) -> None:
    files = {path.name for path in settings.VAR_DIR.iterdir()}
    assert not [name for name in files if "beat" in name]
    assert not list(Path.cwd().glob("celerybeat*"))
