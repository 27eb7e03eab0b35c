"""One film of many scenes: every frame in order, the sound in step, one size and rate."""

import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from gallery.media import ffmpeg, film_parts, overlays, probing
from gallery.media.cutting import ClipSpan
from gallery.media.film_parts import FilmFormat, PartSpec, TextTrack
from gallery.media.framing import find_framing
from gallery.media.overlays import TimedText
from tests.coded import find_beeps, make_coded_film, measure_durations, read_codes
from tests.films import decode_all, make_film, presentation_times, run_ffmpeg

PIXELS = 8192 * 4320
WIDE = FilmFormat(240, 80, Fraction(25))  # the shape of coded films

Scene = tuple[Path, int, int]
"""A film, the first frame of a scene, and the frame after its last."""


def make_part(scene: Scene, form: FilmFormat, folder: Path, number: int = 1) -> Path:
    path, first, last = scene
    probe = probing.probe(path, PIXELS, 3600)
    part = PartSpec(ClipSpan(path, probe, first, last, PIXELS), form)
    target = folder / f"{number:04d}.mov"
    done = ffmpeg.run_with_progress(film_parts.part_arguments(part, target), 60)
    assert done.status == 0, done.log_text
    assert done.frames == part.frames
    return target


def make_joined(
    scenes: Sequence[Scene], form: FilmFormat, folder: Path, track: TextTrack | None = None
) -> Path:
    parts = [make_part(scene, form, folder, n) for n, scene in enumerate(scenes, start=1)]
    listed, target = folder / "parts.txt", folder / "joined.mp4"
    film_parts.write_join_list(parts, listed)
    done = ffmpeg.run(film_parts.join_arguments(listed, form.rate, target, track), 60)
    assert done.status == 0, done.log_text
    return target


def read_log(path: Path) -> str:
    return ffmpeg.run(["-hide_banner", "-i", str(path)], 20).log_text


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("films")
    return {
        "25": make_coded_film(folder / "a.mp4", rate="25"),
        "24000/1001": make_coded_film(folder / "b.mkv", rate="24000/1001"),
        "30000/1001": make_coded_film(
            folder / "c.mp4", rate="30000/1001", sound=("-c:a", "ac3", "-ac", "6")
        ),
        "silent": make_coded_film(folder / "d.mp4", rate="25", sound=()),
        "23.976": make_coded_film(
            folder / "e.mp4", rate="23.976", sound=("-c:a", "aac", "-ac", "1", "-ar", "22050")
        ),
    }


@pytest.mark.parametrize("rate", ["24000/1001", "25", "30000/1001", "50", "60"])
def test_all_frames_come_in_order_at_one_rate(
    films: dict[str, Path], tmp_path: Path, rate: str
) -> None:
    form = FilmFormat(240, 80, Fraction(rate))
    scenes = [
        (films["25"], 100, 137),
        (films["24000/1001"], 24, 72),
        (films["silent"], 7, 8),
        (films["30000/1001"], 31, 90),
        (films["23.976"], 48, 72),
        (films["25"], 0, 25),
    ]
    joined = make_joined(scenes, form, tmp_path)
    expected = []
    for path, first, last in scenes:
        own = probing.probe(path, PIXELS, 3600).rate
        exact = (last - first) / own * form.rate
        count = max(1, int(exact + Fraction(1, 2)))
        if abs(own - form.rate) < Fraction(1, 1000):
            expected += range(first, last)
        else:  # at each tick the frame that is shown then
            expected += [
                min(last - 1, first + int(Fraction(tick) / form.rate * own))
                for tick in range(count)
            ]
    assert read_codes(joined) == expected
    times = presentation_times(joined)
    assert times == [tick / form.rate for tick in range(len(expected))]
    pictures, sound = measure_durations(joined)
    assert sound == pytest.approx(pictures, abs=0.022)  # one frame of AAC


def test_the_sound_keeps_in_step_over_fifty_scenes(films: dict[str, Path], tmp_path: Path) -> None:
    form = FilmFormat(240, 80, Fraction(30000, 1001))
    # The beep of second 2 is heard after 10 frames of the first film, and 8 of the other.
    scenes = [(films["25"], 40, 61) if n % 2 else (films["24000/1001"], 40, 57) for n in range(50)]
    joined = make_joined(scenes, form, tmp_path)
    expected, begin = [], Fraction(0)
    for path, first, last in scenes:
        own = probing.probe(path, PIXELS, 3600).rate
        expected.append(float(begin + 2 - first / own))
        begin += film_parts.count_frames(last - first, own, form.rate) / form.rate
    assert find_beeps(joined) == pytest.approx(expected, abs=0.005)
    assert len(read_codes(joined)) == begin * form.rate


def test_films_without_sound_are_silent(films: dict[str, Path], tmp_path: Path) -> None:
    joined = make_joined([(films["silent"], 0, 50), (films["25"], 0, 25)], WIDE, tmp_path)
    assert find_beeps(joined) == pytest.approx([2.0], abs=0.005)
    assert "48000 Hz, stereo" in read_log(joined)


def test_a_span_after_the_end_of_the_sound_is_silent(tmp_path: Path) -> None:
    film = tmp_path / "short.mkv"
    run_ffmpeg(
        *("-f", "lavfi", "-t", "3", "-i", "testsrc2=s=240x80:r=25"),
        *("-f", "lavfi", "-t", "1", "-i", "sine=f=440"),
        *("-c:v", "libx264", "-c:a", "aac", str(film)),
    )
    part = make_part((film, 50, 75), WIDE, tmp_path)
    assert measure_durations(part) == (pytest.approx(1.0), pytest.approx(1.0))


def test_a_damaged_scene_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    film = make_film(tmp_path / "a.mkv", seconds=6, rate="25", size="240x80")
    data = film.read_bytes()
    probe = probing.probe(film, PIXELS, 3600)
    film.write_bytes(data[: len(data) // 2])
    part = PartSpec(ClipSpan(film, probe, 50, 140, PIXELS), WIDE)
    done = ffmpeg.run_with_progress(film_parts.part_arguments(part, tmp_path / "a.mov"), 60)
    assert done.frames < part.frames


def test_ffmpeg_is_killed_when_the_report_of_its_progress_raises(tmp_path: Path) -> None:
    film = make_film(tmp_path / "a.mkv", seconds=30, rate="25", size="1280x720")
    part = PartSpec(
        ClipSpan(film, probing.probe(film, PIXELS, 3600), 0, 700, PIXELS),
        FilmFormat(1920, 1080, Fraction(25)),
    )
    target = tmp_path / "a.mov"

    def cancel(_seconds: float) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        ffmpeg.run_with_progress(film_parts.part_arguments(part, target), 60, cancel)
    # The table of contents is written last.
    assert not target.exists() or b"moov" not in target.read_bytes()


# --- shapes ---------------------------------------------------------------------------------------

RED, GREEN, BLUE = "red", "0x00ff00", "blue"


def make_striped_film(path: Path, size: str = "320x180") -> Path:
    """A film that is red in its left third, green in the middle and blue in the right third."""
    stripes = f"color={RED}:s={size}:r=25:d=2"
    for colour, left in ((GREEN, "iw/3"), (BLUE, "iw*2/3")):
        stripes += f",drawbox=x={left}:w=iw/3:h=ih:t=fill:color={colour}"
    return make_film(path, picture=stripes)


def colours(picture: np.ndarray, row: int, columns: Sequence[int]) -> list[str]:
    names = []
    for column in columns:
        level = picture[row, column].astype(int)
        names.append("-" if level.max() < 40 else "rgb"[int(level.argmax())])
    return names


def test_scenes_of_another_shape_get_bars(tmp_path: Path) -> None:
    film = make_striped_film(tmp_path / "a.mp4")
    [*_frames, last] = decode_all(
        make_part((film, 0, 10), FilmFormat(180, 320, Fraction(25)), tmp_path), 180, 320
    )
    assert colours(last, 160, [10, 90, 170]) == ["r", "g", "b"]
    assert colours(last, 100, [10, 90, 170]) == ["-", "-", "-"]
    assert colours(last, 225, [10, 90, 170]) == ["-", "-", "-"]


def test_scenes_of_another_shape_are_cropped_around_a_point(tmp_path: Path) -> None:
    film = make_striped_film(tmp_path / "a.mp4")
    span = ClipSpan(film, probing.probe(film, PIXELS, 3600), 0, 10, PIXELS)
    form = FilmFormat(90, 160, Fraction(25), crops=True)
    for across, colour in ((0.0, "r"), (0.5, "g"), (1.0, "b")):
        part = PartSpec(span, form, focus=(across, 0.5))
        target = tmp_path / "a.mov"
        assert ffmpeg.run(film_parts.part_arguments(part, target), 60).status == 0
        [first, *_frames] = decode_all(target, 90, 160)
        assert colours(first, 80, [3, 45, 86]) == [colour] * 3


@pytest.mark.parametrize(
    ("size", "options", "expected"),
    [
        ("160x180", ("-vf", "setsar=2"), ["r", "g", "b"]),
        ("320x180", ("-c", "copy"), ["b", "g", "r"]),
    ],
    ids=["wide pixels", "upside down"],
)
def test_odd_sources_keep_their_shape(
    tmp_path: Path, size: str, options: Sequence[str], expected: list[str]
) -> None:
    striped = make_striped_film(tmp_path / "a.mp4", size)
    film = tmp_path / "b.mp4"
    turned = ("-display_rotation", "180") if "copy" in options else ()
    run_ffmpeg(*turned, "-i", str(striped), *options, str(film))
    part = make_part((film, 0, 10), FilmFormat(320, 180, Fraction(25)), tmp_path)
    [first, *_frames] = decode_all(part, 320, 180)
    assert colours(first, 90, [10, 160, 310]) == expected
    assert "SAR 1:1" in read_log(part)


@pytest.mark.parametrize("across", [0.12, 0.5, 0.88])
@pytest.mark.parametrize("bars", [0, 60])
def test_a_crop_contains_the_subject(tmp_path: Path, across: float, bars: int) -> None:
    """The subject is a red box before a sky; the film may have black bars of its own."""
    left = round(640 * across) - 40
    drawn = (
        "gradients=s=640x360:c0=0x305070:c1=0x90b0d0:x0=0:y0=0:x1=0:y1=360:r=25:d=2:speed=0.00001"
        f",drawbox=x={left}:y=140:w=80:h=100:t=fill:color=0xd02020"
    )
    if bars:
        drawn += f",crop=640:{360 - 2 * bars},pad=640:360:0:{bars}"
    film = make_film(tmp_path / "a.mp4", picture=drawn)
    span = ClipSpan(film, probing.probe(film, PIXELS, 3600), 5, 45, PIXELS)
    framing = find_framing(span)
    form = FilmFormat(180, 320, Fraction(25), crops=True)
    part = PartSpec(span, form, inner=framing.inner, focus=framing.focus)
    target = tmp_path / "a.mov"
    assert ffmpeg.run(film_parts.part_arguments(part, target), 60).status == 0
    [first, *_frames] = decode_all(target, 180, 320)
    red = (first[..., 0] > 150) & (first[..., 1] < 90) & (first[..., 2] < 90)
    scale = 320 / (360 - 2 * bars)
    assert red.sum() == pytest.approx(80 * 100 * scale**2, rel=0.1)
    # The film's own bars are gone.
    assert first[2].max() > 40
    assert first[-3].max() > 40


# --- texts ----------------------------------------------------------------------------------------


def test_texts_are_drawn_for_their_time_only(tmp_path: Path) -> None:
    film = make_film(tmp_path / "a.mp4", picture="color=gray:s=320x180:r=25:d=3")
    texts = [TimedText(0.4, 1.0, "{\\b1}Hello\\N 夜晚"), TimedText(0.0, 2.0, "S", overlays.SOURCE)]
    folder = tmp_path / "odd 'name' [x],; y: z"
    folder.mkdir()
    overlay = folder / "a.ass"
    overlay.write_text(overlays.write_overlay(texts, 320, 180), encoding="utf-8")
    span = ClipSpan(film, probing.probe(film, PIXELS, 3600), 10, 60, PIXELS)
    part = PartSpec(span, FilmFormat(320, 180, Fraction(25)), overlay=overlay)
    target = tmp_path / "a.mov"
    done = ffmpeg.run(film_parts.part_arguments(part, target), 60)
    assert done.status == 0, done.log_text
    frames = decode_all(target, 320, 180)
    below = [bool(frame[120:].max() > 200) for frame in frames]
    assert below == [10 <= n < 25 for n in range(50)]
    assert all(frame[:40, :40].max() > 150 for frame in frames)


def test_subtitles_become_a_track(films: dict[str, Path], tmp_path: Path) -> None:
    texts = [TimedText(0.5, 1.5, "One {x} \\N {\\b1}\nline"), TimedText(2.0, 2.75, "第二")]
    file = tmp_path / "a.ass"
    file.write_text(overlays.write_track(texts), encoding="utf-8")
    scenes = [(films["25"], 0, 50), (films["25"], 100, 125)]
    joined = make_joined(scenes, WIDE, tmp_path, TextTrack(file, "zho"))
    log = read_log(joined)
    assert "(zho): Subtitle: mov_text" in log
    listed = run_ffmpeg("-i", str(joined), "-map", "0:s", "-f", "srt", "-").decode()
    assert "00:00:00,500 --> 00:00:01,500" in listed
    assert "00:00:02,000 --> 00:00:02,750" in listed
    assert "One {x} \\\u2060N {\u2060\\\u2060b1}\nline" in listed
    assert "第二" in listed


def test_a_track_shows_all_lines_and_those_that_overlap_together(
    films: dict[str, Path], tmp_path: Path
) -> None:
    texts = [
        *(TimedText(1.0, 2.5, "Long"), TimedText(2.0, 3.5, "Late {"), TimedText(2.2, 2.4, "Short")),
        TimedText(4.0, 4.5, "Alone"),
    ]
    file = tmp_path / "a.ass"
    file.write_text(overlays.write_track(texts), encoding="utf-8")
    scenes = [(films["25"], 0, 125)]
    joined = make_joined(scenes, WIDE, tmp_path, TextTrack(file, "eng"))
    listed = run_ffmpeg("-i", str(joined), "-map", "0:s", "-f", "ass", "-").decode()
    # Text that is transparent, or of size 0, is in the track but nobody sees it.
    assert not re.search(r"\\fs0|\\[1234]?a&H[^0]", listed)
    events = re.findall(r"Dialogue: [^,]*,0:00:(\S+?),0:00:(\S+?),(?:[^,]*,){6}(.*?)\r?\n", listed)
    assert events == [
        ("01.00", "02.00", "Long"),
        ("02.00", "02.20", "Long\\NLate {"),
        ("02.20", "02.40", f"Long\\NLate {{{overlays.WORD_JOINER}\\NShort"),
        ("02.40", "02.50", "Long\\NLate {"),
        ("02.50", "03.50", "Late {"),
        ("04.00", "04.50", "Alone"),
    ]
