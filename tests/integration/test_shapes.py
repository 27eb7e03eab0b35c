"""Films whose frame size or aspect ratio changes, as in television recordings."""

from pathlib import Path

import numpy as np
import pytest

from gallery.media import cutting, decoding, ffmpeg, frame_stream, probing
from gallery.media.cutting import ClipSpan
from gallery.media.decoding import read_ppm
from gallery.media.types import Probe, Span
from tests.coded import make_coded_film, read_codes
from tests.films import presentation_times, run_ffmpeg
from tests.integration.test_cutting import numbers_at_ticks

PIXELS = 8192 * 4320
CHANGE = 100  # the first frame of the second part
MPEG2 = ("-c:v", "mpeg2video", "-q:v", "3", "-g", "12")
MP2 = ("-c:a", "mp2")
INTERLACED = (*MPEG2, "-flags", "+ilme+ildct")
WIDE = "scale=720:576,setsar=64/45"
# The part after four seconds of 4:3: filters, codec, and display size.
PARTS = {
    "16:9 in the same size": (WIDE, MPEG2, (1024, 576)),
    "16:9, smaller": ("scale=544:576,setsar=32/17", MPEG2, (1024, 576)),
    "720p": ("scale=1280:720,setsar=1", MPEG2, (1280, 720)),
    "interlaced 16:9": (f"{WIDE},setfield=tff", INTERLACED, (1024, 576)),
}


def make_changing_film(folder: Path, kind: str) -> tuple[Path, Probe]:
    """Four seconds of 4:3, then four of another shape; the pictures show their numbers."""
    filters, codec, _size = PARTS[kind]
    first = make_coded_film(
        *(folder / "1.ts",),
        rate="25", seconds=4, filters="scale=720:576,setsar=16/15", codec=MPEG2, sound=MP2,
    )  # fmt: skip
    second = make_coded_film(
        *(folder / "2.ts",),
        rate="25", seconds=8, sound=MP2, codec=codec,
        filters=f"trim=start_frame={CHANGE},setpts=PTS-STARTPTS,{filters}",
        options=("-output_ts_offset", "4", "-t", "4"),
    )  # fmt: skip
    film = folder / "film.ts"
    film.write_bytes(first.read_bytes() + second.read_bytes())
    return film, probing.probe(film, PIXELS, 3600)


def export(cut: ClipSpan) -> Path:
    clip = cut.path.with_name("exported.mp4")
    done = ffmpeg.run(cutting.export_arguments(cut, clip), 60)
    assert done.status == 0, done.log_text
    return clip


def play(cut: ClipSpan) -> Path:
    clip = cut.path.with_name("played.mp4")
    done = ffmpeg.run(cutting.playback_arguments(cut), 60)
    assert done.status == 0, done.log_text
    clip.write_bytes(done.output)
    return clip


@pytest.mark.parametrize("kind", PARTS)
def test_each_part_is_shown_in_its_own_shape(kind: str, tmp_path: Path) -> None:
    film, found = make_changing_film(tmp_path, kind)
    sizes = {30: (768, 576), 160: PARTS[kind][2]}
    with frame_stream.stream_frames(
        film, found, Span(0, None), width=640, max_pixels=PIXELS, limit=60
    ) as (
        some,
        _how,
    ):
        thumbnails = {frame.second: frame.picture.size for frame in some}
    assert thumbnails == dict.fromkeys(range(4), (640, 480)) | dict.fromkeys(
        range(4, 8), (640, 360)
    )
    for first, size in sizes.items():
        cut = ClipSpan(film, found, first, first + 12, PIXELS)
        for make in (export, play):
            clip = make(cut)
            shown = probing.probe(clip, PIXELS, 3600)
            assert (shown.width, shown.height) == size
            assert read_codes(clip) == numbers_at_ticks(cut)
        still = read_ppm(ffmpeg.run(cutting.still_arguments(cut), 60).output)
        assert still is not None
        assert still.size == size
        at = cut.start - 0.01
        assert decoding.still(film, found, at, max_pixels=PIXELS).size == size


@pytest.mark.parametrize("kind", PARTS)
def test_a_clip_across_a_size_change_has_exactly_its_frames(kind: str, tmp_path: Path) -> None:
    """In the shape of its first picture; the others are letterboxed."""
    film, found = make_changing_film(tmp_path, kind)
    cut = ClipSpan(film, found, 90, 115, PIXELS)
    expected = numbers_at_ticks(cut)
    before = sum(number < CHANGE for number in expected)
    assert 5 < before < 15
    for make in (export, play):
        clip = make(cut)
        shown = probing.probe(clip, PIXELS, 3600)
        assert (shown.width, shown.height) == (768, 576)
        got = read_codes(clip)
        if "same size" not in kind and "interlaced" not in kind:
            # Deinterlacing needs the next picture; it loses the last one before a size change.
            assert got[before - 1] in (expected[before - 1], expected[before - 2])
            got[before - 1] = expected[before - 1]
        assert got == expected
        grey = run_ffmpeg("-i", str(clip), "-f", "rawvideo", "-pix_fmt", "gray", "-")
        pictures = np.frombuffer(grey, np.uint8).reshape(-1, 576, 768)
        lit = (pictures.max(axis=2) > 100).sum(axis=1)
        assert set(lit[:before]) == {576}
        assert lit[before:] == pytest.approx(432, abs=2)  # 768 / 16 * 9
    moving = tmp_path / "moving.gif"
    assert ffmpeg.run(cutting.animation_arguments(cut, "gif", moving), 60).status == 0
    assert len(presentation_times(moving)) == 13


def test_a_film_of_one_size_is_scaled_once(tmp_path: Path) -> None:
    film = make_coded_film(tmp_path / "a.mkv", seconds=1, sound=())
    cut = ClipSpan(film, probing.probe(film, PIXELS, 3600), 0, 5, PIXELS)
    assert "-filter_complex" not in cutting.playback_arguments(cut)
