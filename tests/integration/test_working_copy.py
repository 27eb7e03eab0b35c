"""Working copies of films whose timestamps need care, and notices about what files lack."""

from fractions import Fraction
from pathlib import Path

import pytest

from gallery.media import working_copy
from tests.coded import make_coded_film
from tests.integration.test_timeline import (
    HEVC,
    MPEG2,
    PIXELS,
    PYRAMID,
    RATE,
    SECONDS,
    X264,
    join_recordings,
    make_coded,
    read_numbers,
    store_film,
)

REORDERED = [("-c:v", "mpeg4", "-bf", "2"), PYRAMID]


@pytest.mark.parametrize(
    ("name", "codec"), [("a.h264", PYRAMID), ("a.hevc", HEVC), ("a.m2v", MPEG2)]
)
def test_raw_streams_keep_their_rate(
    name: str, codec: tuple[str, ...], tmp_path: Path, settings: object
) -> None:
    film = make_coded_film(tmp_path / name, rate="24000/1001", seconds=4, codec=codec, sound=())
    prepared = working_copy.prepare(store_film(film, tmp_path, settings), PIXELS, 3600)
    assert prepared.probe.rate == Fraction(24000, 1001)
    assert prepared.probe.duration == pytest.approx(4, abs=0.09)


@pytest.mark.parametrize("codec", REORDERED)
def test_avi_may_have_dropped_frames(
    codec: tuple[str, ...], tmp_path: Path, settings: object
) -> None:
    """AVI repeats the previous frame with an empty chunk."""
    film = make_coded(
        tmp_path,
        "a.avi",
        filters="select='not(between(n,85,110))'",
        codec=(*codec, "-fps_mode", "vfr", "-enc_time_base", f"1/{RATE}"),
        sound=("-c:a", "mp2"),
    )
    files = store_film(film, tmp_path, settings)
    prepared = working_copy.prepare(files, PIXELS, 3600)
    assert prepared.notice == ""
    assert prepared.probe.duration == pytest.approx(SECONDS, abs=0.09)
    shown = dict(read_numbers(files.playable(), prepared.probe))
    expected = {0: 0, 1: 25, 2: 50, 3: 75, 5: 125, 6: 150, 7: 175}
    assert {second: shown[second] for second in expected} == pytest.approx(expected, abs=1)


@pytest.mark.parametrize("codec", REORDERED)
def test_pictures_of_avi_may_begin_after_the_sound(
    codec: tuple[str, ...], tmp_path: Path, settings: object
) -> None:
    film = make_coded(tmp_path, "a.avi", codec=codec, sound=("-c:a", "mp2"), delay=3.0)
    files = store_film(film, tmp_path, settings)
    prepared = working_copy.prepare(files, PIXELS, 3600)
    assert prepared.probe.duration == pytest.approx(SECONDS + 3, abs=0.13)
    shown = dict(read_numbers(files.playable(), prepared.probe))
    expected = {4: 25, 5: 50, 10: 175}
    assert {second: shown[second] for second in expected} == pytest.approx(expected, abs=3)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_a_missing_end_of_a_few_seconds_is_reported(
    name: str, tmp_path: Path, settings: object
) -> None:
    whole = make_coded(tmp_path, name, codec=X264, options=("-movflags", "+faststart"))
    part = tmp_path / f"part{whole.suffix}"
    part.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    prepared = working_copy.prepare(store_film(part, tmp_path, settings), PIXELS, 3600)
    assert 2 < prepared.probe.duration < SECONDS - 1
    assert "The end of this file is missing" in prepared.notice


def test_concatenated_mp4_files_are_reported(tmp_path: Path, settings: object) -> None:
    files = store_film(join_recordings(tmp_path, "a.mp4", codec=X264), tmp_path, settings)
    prepared = working_copy.prepare(files, PIXELS, 3600)
    assert "several MP4 files" in prepared.notice
    assert read_numbers(files.playable(), prepared.probe) == [(0, 0), (1, 25), (2, 50), (3, 75)]
