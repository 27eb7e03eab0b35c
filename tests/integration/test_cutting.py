"""Cutting with FFmpeg: exactly the requested frames, with the sound in sync.

Every picture of these films shows its own number, and every second of sound begins with a beep.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from gallery.media import cutting, ffmpeg, probing
from gallery.media.cutting import ClipSpan
from gallery.media.decoding import read_ppm
from gallery.media.types import Probe
from tests.coded import find_beeps, make_coded_film, measure_durations, read_codes
from tests.films import H264, make_film, make_scenes, presentation_times, run_ffmpeg

PIXELS = 8192 * 4320
OUT_OF_ORDER = (
    *("-c:v", "libx264", "-preset", "fast", "-bf", "3", "-g", "250", "-pix_fmt", "yuv420p"),
)
MPEG2 = ("-c:v", "mpeg2video", "-q:v", "3", "-bf", "2", "-g", "15")
HEVC = (
    *("-c:v", "libx265", "-preset", "ultrafast"),
    *("-x265-params", "log-level=error:keyint=250:bframes=4"),
)
UNEVEN = "select='lt(n,50)+between(n,50,120)*not(mod(n,7))+gt(n,150)'"

FILMS: dict[str, Callable[[Path], Path]] = {
    "24000/1001, frames out of order, MKV": lambda f: make_coded_film(
        f / "a.mkv", rate="24000/1001", codec=OUT_OF_ORDER
    ),
    "open groups of pictures, MP4": lambda f: make_coded_film(
        f / "a.mp4", rate="25", codec=(*OUT_OF_ORDER, "-g", "25", "-x264-params", "open-gop=1")
    ),
    "no key frames after the first, MP4": lambda f: make_coded_film(
        f / "a.mp4", rate="25", codec=(*OUT_OF_ORDER, "-x264-params", "intra-refresh=1")
    ),
    "starts at 3.7 s, MP4": lambda f: make_coded_film(
        f / "a.mp4",
        rate="25",
        codec=OUT_OF_ORDER,
        options=("-output_ts_offset", "3.7", "-avoid_negative_ts", "0"),
    ),
    "MPEG-2, 30000/1001, starts at 90.3 s, transport stream": lambda f: make_coded_film(
        f / "a.ts",
        rate="30000/1001",
        codec=MPEG2,
        sound=("-c:a", "mp2"),
        options=("-output_ts_offset", "90.3"),
    ),
    "MPEG-2 and AC-3 in MKV": lambda f: make_coded_film(
        f / "a.mkv", rate="24000/1001", codec=MPEG2, sound=("-c:a", "ac3")
    ),
    "HEVC in MKV": lambda f: make_coded_film(f / "a.mkv", codec=HEVC),
    "MPEG-4 in AVI, which keeps no presentation times": lambda f: make_coded_film(
        f / "a.avi", rate="25", codec=("-c:v", "mpeg4", "-bf", "2"), sound=("-c:a", "mp2")
    ),
    "VP9 and Opus in WebM": lambda f: make_coded_film(
        f / "a.webm",
        rate="25",
        codec=("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"),
        sound=("-c:a", "libopus"),
    ),
    "varying rate, MP4": lambda f: make_coded_film(
        f / "a.mp4", filters=UNEVEN, options=("-fps_mode", "vfr")
    ),
    "varying rate, MKV": lambda f: make_coded_film(
        f / "a.mkv", filters=UNEVEN, options=("-fps_mode", "vfr")
    ),
    "sound half a second earlier, MKV": lambda f: make_coded_film(
        f / "a.mkv", rate="25", codec=OUT_OF_ORDER, delay=0.51
    ),
    "60 frames a second, silent": lambda f: make_coded_film(
        f / "a.mp4", rate="60", seconds=4, codec=OUT_OF_ORDER, sound=()
    ),
}


def probe(path: Path) -> Probe:
    return probing.probe(path, PIXELS, 3600)


def make_cut(path: Path, first: int, last: int) -> ClipSpan:
    return ClipSpan(path, probe(path), first, last, PIXELS)


def play(cut: ClipSpan, folder: Path) -> Path:
    """The clip as it is streamed."""
    done = ffmpeg.run(cutting.playback_arguments(cut), 60)
    assert done.status == 0, done.log_text
    path = folder / "played.mp4"
    path.write_bytes(done.output)
    return path


def export(cut: ClipSpan, folder: Path) -> Path:
    path = folder / "exported.mp4"
    done = ffmpeg.run(cutting.export_arguments(cut, path), 60)
    assert done.status == 0, done.log_text
    return path


def numbers_at_ticks(cut: ClipSpan) -> list[int]:
    """The numbers in the pictures that a player shows at each frame of a span."""
    times = [float(time) - cut.probe.start for time in presentation_times(cut.path)]
    numbers = read_codes(cut.path)
    quarter = Fraction(1, 4) / cut.clock.grid
    return [
        numbers[max(i for i, time in enumerate(times) if time <= cut.clock.seconds(n) + quarter)]
        for n in range(cut.first, cut.last)
    ]


def test_the_numbers_in_the_pictures_can_be_read(tmp_path: Path) -> None:
    film = make_coded_film(tmp_path / "a.mp4", seconds=3)
    assert read_codes(film) == list(range(72))
    assert find_beeps(film) == pytest.approx([0, 1, 2], abs=0.001)
    assert measure_durations(film) == pytest.approx((3, 3), abs=0.03)


@pytest.mark.parametrize("kind", FILMS)
def test_clips_are_exact(kind: str, tmp_path: Path) -> None:
    """All pictures are the requested ones; the sound is in sync within 10 ms."""
    film = FILMS[kind](tmp_path)
    found = probe(film)
    heard = find_beeps(film, found.start) if found.audio_codec else []
    for make, first, last in ((export, 31, 75), (play, 100, 148), (export, 100, 148)):
        cut = ClipSpan(film, found, first, last, PIXELS)
        clip = make(cut, tmp_path)
        expected = numbers_at_ticks(cut)
        assert read_codes(clip) == expected
        if "varying" not in kind and "half a second" not in kind:
            # The k-th picture of the film has the number k, counted from its first.
            offset = cut.clock.frame(found.first_frame)
            assert expected == list(range(first - offset, last - offset))
        pictures, sound = measure_durations(clip)
        assert pictures == pytest.approx(cut.seconds, abs=0.001)
        assert (sound is None) == (not found.audio_codec)
        if sound is not None:
            assert sound == pytest.approx(cut.seconds, abs=0.001)
            inside = [t - cut.start for t in heard if 0 <= t - cut.start < cut.seconds - 0.1]
            assert inside
            # A beep that has started before the clip is heard at its start.
            got = [t for t in find_beeps(clip) if t > 0.01 or inside[0] < 0.01]
            assert got == pytest.approx(inside, abs=0.010)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_spans_at_the_start_and_end_of_a_film_are_exact(name: str, tmp_path: Path) -> None:
    film = make_coded_film(tmp_path / name, rate="25", seconds=4, codec=OUT_OF_ORDER)
    assert probe(film).duration == pytest.approx(4, abs=0.03)
    for first, last in ((0, 1), (0, 7), (99, 100), (90, 100)):
        cut = make_cut(film, first, last)
        assert read_codes(play(cut, tmp_path)) == list(range(first, last))
        assert read_codes(export(cut, tmp_path)) == list(range(first, last))


def test_the_last_picture_is_held_as_long_as_it_is_shown(tmp_path: Path) -> None:
    """As in a screen recording in which nothing moved at the end."""
    moving = make_coded_film(tmp_path / "moving.mkv", rate="25", seconds=4, codec=H264, sound=())
    film = tmp_path / "film.mp4"
    longer = "setts=duration=if(eq(N\\,99)\\,3/TB\\,DURATION)"
    run_ffmpeg("-i", str(moving), "-c", "copy", "-bsf:v", longer, str(film))
    assert probe(film).duration == pytest.approx(6.96, abs=0.01)
    for first, last in ((95, 105), (110, 120), (173, 174)):
        cut = make_cut(film, first, last)
        expected = [min(number, 99) for number in range(first, last)]
        assert read_codes(play(cut, tmp_path)) == expected
        assert read_codes(export(cut, tmp_path)) == expected
        assert read_still_number(cut) == expected[0]


def test_decoding_begins_at_a_key_frame_just_at_the_span(tmp_path: Path) -> None:
    """FFmpeg seeks too early where frames are stored out of order, which costs seconds."""
    film = make_coded_film(
        tmp_path / "a.mkv", rate="25", codec=(*OUT_OF_ORDER, "-force_key_frames", "1.96,4")
    )
    arguments = cutting.playback_arguments(make_cut(film, 100, 110))
    seek = float(arguments[arguments.index("-ss") + 1])
    begun = run_ffmpeg(
        *("-copyts", "-ss", str(seek), "-noaccurate_seek", "-i", str(film)),
        *("-map", "0:v", "-frames:v", "1", "-enc_time_base:v", "demux", "-f", "framecrc", "-"),
    )
    assert b"\n0,       4000, " in begun


def test_missing_sound_at_the_end_becomes_silence(tmp_path: Path) -> None:
    pictures = make_coded_film(tmp_path / "v.mkv", rate="25", seconds=6, sound=())
    film = tmp_path / "film.mkv"
    run_ffmpeg(
        *("-i", str(pictures), "-f", "lavfi", "-t", "2", "-i", "sine=sample_rate=48000"),
        *("-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac", str(film)),
    )
    for first, last in ((40, 70), (100, 120)):
        cut = make_cut(film, first, last)
        for make in (play, export):
            clip = make(cut, tmp_path)
            assert read_codes(clip) == list(range(first, last))
            assert measure_durations(clip) == pytest.approx((cut.seconds, cut.seconds), abs=0.001)


# --- the picture's shape --------------------------------------------------------------------------


@pytest.mark.parametrize("turn", [90, 270])
def test_rotated_films_become_upright(turn: int, tmp_path: Path) -> None:
    flat = make_coded_film(tmp_path / "flat.mp4", seconds=3, sound=())
    film = tmp_path / "turned.mp4"
    # Its pictures are stored sideways; when played, the bars are horizontal.
    run_ffmpeg("-display_rotation", str(turn), "-i", str(flat), "-c", "copy", str(film))
    for make in (play, export):
        clip = make(make_cut(film, 10, 20), tmp_path)
        found = probe(clip)
        assert (found.width, found.height, found.rotation) == (80, 240, 0)
        bars = [f"{number:012b}" for number in read_codes(clip, turned=True)]
        upright = bars if turn == 90 else [bar[::-1] for bar in bars]
        assert [int(bar, 2) for bar in upright] in (
            list(range(10, 20)),
            [int(f"{n:012b}"[::-1], 2) for n in range(10, 20)],
        )


def test_anamorphic_pixels_become_square(tmp_path: Path) -> None:
    film = make_coded_film(tmp_path / "a.mp4", seconds=2, filters="scale=720:576,setsar=64/45")
    for make in (play, export):
        clip = make(make_cut(film, 5, 10), tmp_path)
        found = probe(clip)
        assert (found.width, found.height) == (1024, 576)
        assert read_codes(clip) == [5, 6, 7, 8, 9]


@pytest.mark.parametrize("size", ["161x91", "853x357", "18x10"])
def test_odd_sizes_become_even(size: str, tmp_path: Path) -> None:
    film = make_film(tmp_path / "a.mkv", seconds=1, size=size, codec=("-c:v", "ffv1"))
    width, height = (int(part) for part in size.split("x"))
    for make in (play, export):
        found = probe(make(make_cut(film, 0, 5), tmp_path))
        assert abs(found.width - width) <= 1
        assert abs(found.height - height) <= 1


def test_a_clip_for_playing_is_small_and_an_exact_one_is_not(tmp_path: Path) -> None:
    film = make_film(tmp_path / "a.mp4", seconds=1, size="1920x800", rate="24")
    cut = make_cut(film, 0, 4)
    assert probe(play(cut, tmp_path)).width == 1280
    assert probe(export(cut, tmp_path)).width == 1920


def test_interlaced_pictures_are_deinterlaced(tmp_path: Path) -> None:
    """A fast bar has combed edges in an interlaced film, but not in its clip."""
    film = tmp_path / "a.mkv"
    run_ffmpeg(
        *("-f", "lavfi", "-i", "color=black:s=160x96:r=50:d=2,format=yuv420p"),
        *("-f", "lavfi", "-i", "color=white:s=24x96:r=50:d=2,format=yuv420p"),
        *("-filter_complex", "[0][1]overlay=x='mod(n*12,160)',interlace=lowpass=0"),
        *("-c:v", "mpeg2video", "-q:v", "2", "-flags", "+ilme+ildct", str(film)),
    )

    def measure_combing(path: Path) -> float:
        data = run_ffmpeg("-i", str(path), "-f", "rawvideo", "-pix_fmt", "gray", "-")
        rows = np.frombuffer(data, np.uint8).reshape(-1, 96, 160).astype(float)
        return float(np.abs(rows[:, 2:] - 2 * rows[:, 1:-1] + rows[:, :-2]).mean())

    clip = export(make_cut(film, 5, 30), tmp_path)
    assert probe(clip).rate == 25
    assert measure_combing(clip) < measure_combing(film) / 4


# --- metadata -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "expected"), [("", "00:00:00:20"), ("10:00:00;02", "10:00:00;22")]
)
def test_an_exact_clip_has_the_timecode_of_the_film(
    written: str, expected: str, tmp_path: Path
) -> None:
    options: Sequence[str] = ("-timecode", written) if written else ()
    film = make_coded_film(tmp_path / "a.mp4", rate="30000/1001", seconds=2, options=options)
    clip = export(make_cut(film, 20, 30), tmp_path)
    assert probe(clip).start_timecode == expected
    assert probe(clip).rate == Fraction(30000, 1001)


def test_a_clip_has_no_metadata_of_the_film(tmp_path: Path) -> None:
    film = make_film(
        tmp_path / "a.mp4", seconds=1, options=("-metadata", "comment=a secret of its owner")
    )
    for make in (play, export):
        assert b"a secret" not in make(make_cut(film, 0, 10), tmp_path).read_bytes()


# --- pictures -------------------------------------------------------------------------------------


def read_still_number(cut: ClipSpan) -> int:
    done = ffmpeg.run(cutting.still_arguments(cut), 60)
    picture = read_ppm(done.output)
    assert picture is not None, done.log_text
    bars = np.asarray(picture.convert("L").resize((12, 1), Image.Resampling.BOX))[0] > 128
    return int(bars @ (1 << np.arange(12)))


@pytest.mark.parametrize("kind", [k for k in FILMS if "varying" in k or "order" in k or "TS" in k])
def test_a_still_is_the_requested_frame(kind: str, tmp_path: Path) -> None:
    film = FILMS[kind](tmp_path)
    for number in (0, 1, 47, 100, 147):
        cut = make_cut(film, number, number + 1)
        assert read_still_number(cut) == numbers_at_ticks(cut)[0]


def test_stills_have_the_display_size_of_the_film(tmp_path: Path) -> None:
    film = make_film(tmp_path / "a.mp4", seconds=1, size="720x576", filters="setsar=64/45")
    picture = read_ppm(ffmpeg.run(cutting.still_arguments(make_cut(film, 3, 4)), 60).output)
    assert picture is not None
    assert picture.size == (1024, 576)


@pytest.mark.parametrize(("kind", "rate"), [("gif", Fraction(25, 2)), ("webp", Fraction(24))])
def test_an_animation_loops_forever(kind: str, rate: Fraction, tmp_path: Path) -> None:
    film = make_coded_film(tmp_path / "a.mp4", seconds=4)
    path = tmp_path / f"a.{kind}"
    cut = make_cut(film, 24, 72)
    done = ffmpeg.run(cutting.animation_arguments(cut, kind, path), 60)
    assert done.status == 0, done.log_text
    with Image.open(path) as picture:
        assert picture.info["loop"] == 0
        frames = [
            (frame.convert("L").resize((12, 1), Image.Resampling.BOX), frame.info["duration"])
            for frame in ImageSequence.Iterator(picture)
        ]
    numbers = [int((np.asarray(f)[0] > 128) @ (1 << np.arange(12))) for f, _time in frames]
    assert len(numbers) == pytest.approx(2 * rate, abs=1)
    assert numbers[0] == 24
    assert 71 - 24 / rate < numbers[-1] <= 71
    assert numbers == sorted(set(numbers))
    assert sum(time for _frame, time in frames) == pytest.approx(2000, abs=float(1000 / rate))


def test_an_animation_is_small(tmp_path: Path) -> None:
    film = make_film(tmp_path / "a.mp4", seconds=1, size="1280x720")
    for kind in ("gif", "webp"):
        path = tmp_path / f"a.{kind}"
        ffmpeg.run(cutting.animation_arguments(make_cut(film, 0, 6), kind, path), 60)
        with Image.open(path) as picture:
            assert picture.size == (cutting.MAX_ANIMATION_WIDTH[kind], picture.width * 9 // 16)


# --- malicious files ------------------------------------------------------------------------------


def test_a_playlist_named_like_a_film_opens_no_other_file(tmp_path: Path) -> None:
    secret = make_scenes(tmp_path / "secret.mp4", ["red"], frames=48)
    film = tmp_path / "film.mp4"
    film.write_text(f"#EXTM3U\n#EXTINF:2.0,\n{secret}\n#EXT-X-ENDLIST\n")
    made_up = Probe(2, 0, 160, 90, Fraction(24), "h264", "")
    cut = ClipSpan(film, made_up, 0, 24, PIXELS)
    for arguments in (cutting.playback_arguments(cut), cutting.still_arguments(cut)):
        done = ffmpeg.run(arguments, 20)
        assert done.status != 0
        assert done.output == b""


def test_a_film_of_many_codecs_can_be_cut(tmp_path: Path) -> None:
    """Raw formats, which no browser plays."""
    for name, codec in (("a.avi", "mjpeg"), ("b.mkv", "ffv1"), ("c.flv", "flv"), ("d.asf", "wmv2")):
        film = make_coded_film(
            tmp_path / name, rate="25", seconds=2, codec=("-c:v", codec), sound=()
        )
        cut = make_cut(film, 10, 20)
        assert read_codes(play(cut, tmp_path)) == numbers_at_ticks(cut), name


def test_ten_bit_h264_is_played_in_eight_bits(tmp_path: Path) -> None:
    film = make_coded_film(
        tmp_path / "a.mkv", seconds=1, codec=(*H264[:-4], "-pix_fmt", "yuv420p10le"), sound=()
    )
    clip = play(make_cut(film, 0, 5), tmp_path)
    log_text = ffmpeg.run(["-nostdin", "-i", str(clip)], 20).log_text
    assert "yuv420p(" in log_text or "yuv420p," in log_text
