"""A worker that gets SIGTERM returns long tasks to the queue, without counting an attempt."""

import os
import time
from pathlib import Path

import pytest
import redis
from django.conf import settings

from gallery import tasks
from gallery.core import shutdown
from gallery.core.errors import WorkerStops
from gallery.films.models import Film
from gallery.importing.models import Segment
from gallery.media import ffmpeg
from gallery.transcripts import reading
from gallery.transcripts.models import TextReading
from tests.films import H264, make_film, make_moving_scenes
from tests.importing import add_film, assert_complete, wait_until_ready
from tests.processes import Worker, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_segment_is_returned_to_the_queue_at_once(
    redis_server: redis.Redis, tmp_path: Path
) -> None:
    """A segment of several minutes takes much longer than a worker may take to stop."""
    worker = Worker(tmp_path, SEGMENT_SECONDS="600")
    worker.start()
    try:
        film = add_film(make_moving_scenes(tmp_path / "a.mp4", 10, seconds=15))
        tasks.queue_import(film)
        wait_for(lambda: film.segments.filter(frames_done__gt=0).exists(), pause=0.01)
        worker.stop(timeout=30)
        assert worker.process is not None
        assert worker.process.returncode == 0
        [segment] = film.segments.all()
        assert (segment.state, segment.attempts) == (Segment.State.WAITING, 0)
        assert "is returned to the queue" in worker.output()
        worker.start()
        wait_until_ready(film)
        assert_complete(film)
    finally:
        worker.stop()


@pytest.mark.parametrize(("name", "slow"), [("a.mp4", "-f framecrc"), ("a.flv", "-f matroska")])
def test_a_film_that_is_being_examined_is_returned_to_the_queue(
    redis_server: redis.Redis, tmp_path: Path, name: str, slow: str
) -> None:
    """While all its packets are read, or a working copy is made, from a slow disk."""
    begun = tmp_path / "begun"
    slow_ffmpeg = tmp_path / "ffmpeg"
    slow_ffmpeg.write_text(
        f"""#!/bin/sh
        case "$*" in
          *"-c copy {slow}"* | *"-c:v copy"*"{slow}"*)
            touch {begun}; exec {ffmpeg.binary()} -readrate 0.5 "$@";;
          *) exec {ffmpeg.binary()} "$@";;
        esac
        """
    )
    slow_ffmpeg.chmod(0o755)
    worker = Worker(tmp_path, FFMPEG=str(slow_ffmpeg))
    worker.start()
    try:
        codec = H264 if name == "a.mp4" else ("-c:v", "flv1")
        film = add_film(make_film(tmp_path / name, seconds=60, rate="12", codec=codec))
        tasks.queue_import(film)
        wait_for(begun.exists)
        worker.stop(timeout=30)
        assert worker.process is not None
        assert worker.process.returncode == 0
        film.refresh_from_db()
        assert (film.state, film.attempts, film.lease_until) == (Film.State.WAITING, 0, None)
        assert "is returned to the queue" in worker.output()
        assert not list(film.files.folder.glob(".draft-*"))
    finally:
        worker.stop()


@pytest.fixture
def stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process acts as a worker that is stopping."""
    monkeypatch.setattr(shutdown, "_requested", bytearray(b"\x01"))


def test_a_background_job_is_returned_to_the_queue(
    demo_film: Film, stopping: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "READ_TEXT", True)
    assert reading.JOB.do_next() is False
    job = TextReading.objects.get()
    assert (job.position, job.attempts) == (0, 0)


def test_nothing_stops_without_a_request() -> None:
    shutdown.check()
    assert not shutdown.is_requested()


def test_a_request_reaches_processes_forked_before(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                shutdown.check()
            except WorkerStops:
                os._exit(0)
            time.sleep(0.01)
        os._exit(1)
    try:
        shutdown.request()
        assert os.waitpid(child, 0)[1] == 0
    finally:
        shutdown._requested[0] = 0
