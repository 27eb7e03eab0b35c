"""Frames are prefetched while others are embedded; errors are raised, and threads end."""

import threading
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from gallery.core.errors import FilmError
from gallery.media import ffmpeg, frame_stream, probing
from gallery.media.types import Frame, Probe, Span

PIXELS = 8192 * 4320


def list_decoder_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "decoder"]


def stream_all(path: Path, span: Span = Span(0, None)) -> tuple[list[Frame], list[float]]:  # noqa: B008
    found = probing.probe(path, max_pixels=PIXELS, max_seconds=3600)
    with frame_stream.stream_frames(path, found, span, width=640, max_pixels=PIXELS, limit=60) as (
        some,
        how,
    ):
        return list(some), how.small.times.tolist()


def test_frames_have_a_second_and_a_time(make_video: Callable[..., Path]) -> None:
    film = make_video("a.mkv", seconds=5, rate="24000/1001")
    found, _ = stream_all(film)
    assert [frame.second for frame in found] == [0, 1, 2, 3, 4]
    rate = Fraction(24000, 1001)
    exact = [0, *(-(-second * rate // 1) / rate for second in (1, 2, 3, 4))]
    # Matroska keeps times in whole milliseconds.
    assert [frame.time for frame in found] == pytest.approx([float(t) for t in exact], abs=0.001)
    assert all(frame.picture.size == (160, 90) for frame in found)
    assert list_decoder_threads() == []


def test_a_second_without_a_frame_is_omitted(make_video: Callable[..., Path]) -> None:
    film = make_video("a.mkv", seconds=9, rate="1/3")
    found, _ = stream_all(film)
    assert [(frame.second, frame.time) for frame in found] == [(0, 0.0), (3, 3.0), (6, 6.0)]


def test_a_span_has_only_its_own_seconds(make_video: Callable[..., Path]) -> None:
    film = make_video(seconds=8)
    assert [f.second for f in stream_all(film, Span(3, 6))[0]] == [3, 4, 5]
    assert stream_all(film, Span(100, None))[0] == []


def test_a_decoder_error_is_raised_in_the_consumer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "ffmpeg"
    slow.write_text("#!/bin/sh\nsleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(ffmpeg, "binary", lambda: str(slow))
    made_up = Probe(5, 0, 160, 90, Fraction(24), "h264", "")
    with (
        pytest.raises(FilmError, match="took too long"),
        frame_stream.stream_frames(
            slow, made_up, Span(0, None), width=64, max_pixels=PIXELS, limit=0.5
        ) as (
            some,
            _how,
        ),
    ):
        list(some)
    assert list_decoder_threads() == []


def test_leaving_early_stops_the_decoder_thread(make_video: Callable[..., Path]) -> None:
    """More frames than are prefetched: the thread waits for space, and must not wait forever."""
    film = make_video(seconds=100, rate="2")
    found = probing.probe(film, max_pixels=PIXELS, max_seconds=3600)
    started_at = time.monotonic()
    with frame_stream.stream_frames(
        film, found, Span(0, None), width=64, max_pixels=PIXELS, limit=60
    ) as (
        some,
        _how,
    ):
        next(iter(some))
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not list_decoder_threads():
            time.sleep(0.01)
        time.sleep(0.5)
    assert time.monotonic() - started_at < 30
    assert list_decoder_threads() == []


def test_a_limited_number_of_frames_is_prefetched(make_video: Callable[..., Path]) -> None:
    film = make_video(seconds=200, rate="1", size="32x18")
    found = probing.probe(film, max_pixels=PIXELS, max_seconds=3600)
    with frame_stream.stream_frames(
        film, found, Span(0, None), width=64, max_pixels=PIXELS, limit=60
    ) as (
        some,
        how,
    ):
        first = next(iter(some))
        time.sleep(1)
        # Prefetching has not reached the end, where the result is known.
        assert how.complaints == ""
        rest = list(some)
    assert (first.second, len(rest)) == (0, 199)
