"""FFmpegs without progress are stopped, and none outlives its parent."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gallery.core.errors import FFmpegDied, FFmpegStalled
from gallery.media import decoding, ffmpeg, probing
from gallery.media.types import Span
from tests.processes import ROOT, find_children, wait_for

PIXELS = 8192 * 4320
# Computes at full speed for ten minutes without output.
BUSY = ["-v", "error", "-f", "lavfi", "-i", "testsrc2=r=1000:d=36000", "-f", "null", "-"]


@pytest.fixture
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg, "STALL_LIMIT", 2.0)
    monkeypatch.setattr(ffmpeg, "WATCH_INTERVAL", 0.1)


def find_readers(path: Path) -> list[int]:
    """The process ids of the FFmpegs with a file open."""
    return [process.pid for process in find_children(os.getpid(), f"file:{path}")]


@contextmanager
def start_decoding(film: Path) -> Iterator[decoding.Decoding]:
    """Decode a film during the block, beyond its first picture."""
    found = probing.probe(film, PIXELS, 3600)
    with decoding.decode(
        film, found, Span(0, None), width=640, max_pixels=PIXELS, limit=600
    ) as running:
        next(running.pictures)
        yield running


@pytest.fixture
def film(make_video: Callable[..., Path]) -> Path:
    return make_video(seconds=60, size="640x360")


def test_a_hung_decoder_is_stopped(film: Path, short_timeouts: None) -> None:
    with start_decoding(film) as running:
        (pid,) = find_readers(film)
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(FFmpegStalled, match="made no progress for 2 seconds"):
            list(running.pictures)
    assert find_readers(film) == []


def test_a_killed_decoder_does_not_pass_for_a_finished_one(film: Path) -> None:
    """The kernel kills it when memory runs out: the frames until then are not the whole span."""
    with start_decoding(film) as running:
        (pid,) = find_readers(film)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(FFmpegDied, match="short of memory"):
            list(running.pictures)


def test_a_decoder_waits_for_a_slow_consumer(film: Path, short_timeouts: None) -> None:
    with start_decoding(film) as running:
        time.sleep(4)
        assert len(list(running.pictures)) == 59


def test_computing_without_output_counts_as_progress_for_a_while(short_timeouts: None) -> None:
    with tempfile.TemporaryFile() as printed:
        process = ffmpeg.start(BUSY, printed)
        started_at = time.monotonic()
        with ffmpeg.watched(process, limit=600, max_silence=5.0) as watch:
            process.wait(timeout=60)
        assert time.monotonic() - started_at >= 5
        assert (watch.stalled, watch.timed_out) == (True, False)


def test_the_wall_clock_limit_applies_while_it_works(short_timeouts: None) -> None:
    with tempfile.TemporaryFile() as printed:
        process = ffmpeg.start(BUSY, printed)
        with ffmpeg.watched(process, limit=1) as watch:
            process.wait(timeout=60)
        assert (watch.stalled, watch.timed_out) == (False, True)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_ffmpeg_ends_with_its_parent_process() -> None:
    code = (
        "import django, sys, tempfile; django.setup()\n"
        "from gallery.media import ffmpeg\n"
        f"process = ffmpeg.start({BUSY!r}, tempfile.TemporaryFile())\n"
        "print(process.pid, flush=True)\n"
        "process.wait()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        parent.kill()
    wait_for(lambda: not Path(f"/proc/{pid}/exe").exists())
