"""Threads and hardware decoding change the speed of decoding, not its result."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project

from gallery.clip import shot_network
from gallery.media import decoding, ffmpeg, probing, shots
from gallery.media.types import Picture, Span
from tests.films import run_ffmpeg

Decoded = tuple[list[float], list[bytes], list[float]]
B_FRAMES = ("-c:v", "libx264", "-preset", "medium", "-bf", "3", "-b-pyramid", "normal", "-g", "48")
CUTS = "negate=enable='mod(floor(t/1.7),2)'"  # black for white every 1.7 seconds


@pytest.fixture(params=["constant", "variable", "B-frames"])
def film(request: pytest.FixtureRequest, make_video: Callable[..., Path]) -> Path:
    match request.param:
        case "constant":
            return make_video("c.mp4", seconds=8, rate="24000/1001", filters=CUTS)
        case "variable":
            return make_video(
                "v.mkv",
                seconds=8,
                filters=f"{CUTS},select='not(eq(mod(n\\,7)\\,3)+between(n\\,50\\,60))'",
                options=("-fps_mode", "passthrough"),
            )
        case _:
            return make_video("b.mp4", seconds=8, filters=CUTS, codec=(*B_FRAMES, "-threads", "1"))


def decode_film(path: Path, threads: int) -> Decoded:
    found = probing.probe(path, project.MAX_FILM_PIXELS, 3600)
    with decoding.decode(
        path,
        found,
        Span(0, None),
        width=640,
        max_pixels=project.MAX_FILM_PIXELS,
        limit=60,
        threads=threads,
    ) as running:
        frames: list[tuple[float, Picture]] = list(running.pictures)
        return (
            [time for time, _picture in frames],
            [picture.tobytes() for _time, picture in frames],
            shots.find_cuts(running.small, shot_network.get_network()),
        )


def find_first_frames(path: Path) -> list[float]:
    """The time of the first frame of each second, from FFmpeg's list of all frames."""
    listed = run_ffmpeg(
        "-i", str(path), "-vf", "settb=1/1000000", "-fps_mode", "passthrough",
        "-enc_time_base", "1:1000000", "-f", "framecrc", "-",
    ).decode()  # fmt: skip
    times = [int(row.split(",")[2]) / 1e6 for row in listed.splitlines() if row[:1].isdigit()]
    found: dict[int, float] = {}
    for time in sorted(times):
        found.setdefault(int(time - times[0]), time - times[0])
    return list(found.values())


def test_frames_and_cuts_do_not_depend_on_the_number_of_threads(film: Path) -> None:
    one = decode_film(film, 1)
    times, pictures, cuts = one
    assert times == pytest.approx(find_first_frames(film), abs=1e-5)
    assert len(set(pictures)) == len(pictures)
    assert [round(cut, 1) for cut in cuts] == pytest.approx([1.7, 3.4, 5.1, 6.8], abs=0.11)
    for threads in (0, 2, 5):
        assert decode_film(film, threads) == one


def test_unusable_hardware_is_not_tried(
    film: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device file without a working driver, as in many containers, and a typo.

    FFmpeg's own `-hwaccel auto` aborts where libva is not installed.
    """
    settings.FFMPEG_HWACCEL = "none"
    ffmpeg.hwaccel_arguments.cache_clear()
    expected = decode_film(film, 1)
    monkeypatch.setattr(ffmpeg, "HARDWARE_DEVICES", {"cuda": "/dev/null", "vaapi": "/dev/null"})
    for method in ("auto", "cuda", "vaapi", "nonsense"):
        settings.FFMPEG_HWACCEL = method
        ffmpeg.hwaccel_arguments.cache_clear()
        assert ffmpeg.hwaccel_arguments() == []
        assert decode_film(film, 1) == expected
    ffmpeg.hwaccel_arguments.cache_clear()


def test_the_first_working_device_is_used(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests run without a graphics card, so opening one is faked."""
    acceleration = ffmpeg.hwaccel_arguments.__wrapped__
    settings.FFMPEG_HWACCEL = "auto"
    monkeypatch.setattr(ffmpeg, "_can_open_device", lambda method: method == "vaapi")
    monkeypatch.setattr(ffmpeg, "HARDWARE_DEVICES", {"cuda": "/dev/null", "vaapi": "/dev/null"})
    assert acceleration() == ["-hwaccel", "vaapi"]
    monkeypatch.setattr(ffmpeg, "HARDWARE_DEVICES", {"vaapi": "/dev/null/no"})
    assert acceleration() == []
    settings.FFMPEG_HWACCEL = "none"
    assert acceleration() == []
