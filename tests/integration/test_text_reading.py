"""Text in the pictures of real films: subtitles, signs, picture tracks, and the job that reads."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import LazySettings
from PIL import Image, ImageDraw, ImageFont

from gallery.films.models import Film
from gallery.index.server import connect, redis_lock
from gallery.ocr.frame_reader import FrameReader
from gallery.ocr.reader import get_reader
from gallery.transcripts import dialogue, reading
from gallery.transcripts.models import Line, Subtitles, TextReading
from gallery.transcripts.picture_tracks import read_picture_tracks
from gallery.transcripts.types import LineKind
from tests.films import H264, make_film, run_ffmpeg
from tests.picture_tracks import add_tracks, write_pgs

FONT = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
SUBTITLES = ("从来不下雪。", "你把钥匙放哪儿了？", "我们五点半出发。", "再见，船长！")
SIGN = "NORTH STATION"
CUES = [(1.2, 3.45, "It never snows here,\nand it never will."), (3.45, 5.0, "Where are the keys?")]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _reads(settings: LazySettings) -> None:
    settings.READ_TEXT = True


def draw_frames(*, has_bars: bool = False) -> Iterator[Image.Image]:
    """A frame for each second: four subtitles of two seconds with pauses, and a sign.

    With black bars, the subtitles stand in the lower one.
    """
    ground = Image.effect_noise((640, 260 if has_bars else 360), 40)
    for second in range(16):
        frame = Image.new("RGB", (640, 360))
        picture = Image.merge(
            "RGB", (ground.point(lambda v, s=second: v // 2 + 5 * s), ground, ground)
        )
        frame.paste(picture, (0, 50 if has_bars else 0))
        draw = ImageDraw.Draw(frame)
        if 4 <= second < 8:
            draw.rectangle((30, 80, 280, 150), fill="navy")
            draw.text((155, 115), SIGN, font=ImageFont.truetype(FONT, 28), anchor="mm")
        number, part = divmod(second, 4)
        if part in (1, 2):
            draw.text(
                (320, 316 if has_bars else 310), SUBTITLES[number],
                font=ImageFont.truetype(FONT, 24), anchor="ma", stroke_width=2,
                stroke_fill="black",
            )  # fmt: skip
        yield frame


def make_written_film(folder: Path, *, has_bars: bool = False) -> Path:
    """A film of 16 s, 12 frames a second."""
    for second, frame in enumerate(draw_frames(has_bars=has_bars)):
        frame.save(folder / f"{second:02d}.png")
    path = folder / "written.mp4"
    run_ffmpeg("-framerate", "1", "-i", str(folder / "%02d.png"), "-r", "12", *H264, str(path))
    return path


@pytest.fixture(scope="module")
def film_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_written_film(tmp_path_factory.mktemp("written"))


@pytest.fixture
def film(ready_film: Callable[..., Film], film_file: Path) -> Film:
    return ready_film(film_file, "Written")


def read_all() -> None:
    while reading.JOB.do_next():
        pass


def texts_of(film: Film, source: Subtitles.Source) -> list[str]:
    lines = Line.objects.filter(subtitles__film=film, subtitles__source=source)
    return list(lines.order_by("start").values_list("text", flat=True))


def test_subtitles_and_signs_of_a_film_are_read(film: Film) -> None:
    read_all()
    assert texts_of(film, Subtitles.Source.BURNED) == list(SUBTITLES)
    assert texts_of(film, Subtitles.Source.SCENE) == [SIGN]
    burned = film.subtitles.get(source=Subtitles.Source.BURNED)
    assert burned.language == "zh-Hans"
    for number, line in enumerate(burned.lines.all()):
        assert abs(line.start - (4 * number + 1)) <= 1
        assert abs(line.end - (4 * number + 3)) <= 1
    sign = Line.objects.get(text=SIGN)
    left, top, right, bottom = sign.box
    assert left == pytest.approx(0.08, abs=0.05)
    assert right == pytest.approx(0.41, abs=0.05)
    assert (top + bottom) / 2 == pytest.approx(115 / 360, abs=0.03)
    film.refresh_from_db()
    assert not TextReading.objects.exists()
    assert reading.JOB.next_film() is None


def test_lines_are_found_by_their_kind(film: Film) -> None:
    read_all()
    for kind in (LineKind.SAID, LineKind.WRITTEN, None):
        assert len(dialogue.find("钥匙", None, 10, kind=kind)) == 1
    assert dialogue.find("station", None, 10, kind=LineKind.SAID) == []
    [sign] = dialogue.find("station", None, 10, kind=LineKind.WRITTEN)
    assert (sign.text, sign.is_written) == (SIGN, True)
    assert sign.box is not None
    assert sign.record.film == film.pk
    assert dialogue.line_kinds() == {LineKind.SAID, LineKind.WRITTEN}


def test_hidden_lines_are_not_found_and_stay_hidden(film: Film) -> None:
    read_all()
    film.subtitles.filter(source=Subtitles.Source.SCENE).update(is_hidden=True)
    dialogue.put(film.pk)
    assert dialogue.find("station", None, 10) == []
    Film.objects.filter(pk=film.pk).update(text_version="older")
    read_all()
    assert film.subtitles.get(source=Subtitles.Source.SCENE).is_hidden
    assert dialogue.find("station", None, 10) == []
    assert len(dialogue.find("钥匙", None, 10)) == 1


def test_a_part_is_repeated_when_its_worker_was_killed(
    film: Film, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SEGMENT_SECONDS = 4
    assert reading.JOB.do_next()
    row = TextReading.objects.get()
    assert (row.position, row.attempts) == (4, 0)

    def die(_reader: FrameReader, _picture: Image.Image) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(FrameReader, "read", die)
        reading.JOB.do_next()
    row.refresh_from_db()
    assert (row.position, row.attempts) == (4, 1)
    read_all()
    assert texts_of(film, Subtitles.Source.BURNED) == list(SUBTITLES)
    assert texts_of(film, Subtitles.Source.SCENE) == [SIGN]


def test_a_part_that_fails_three_times_is_given_up(
    film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    film.files.source().unlink()
    film.files.run(1).thumbnail(3).write_bytes(b"damaged")
    for attempt in (1, 2, 3):
        assert not reading.JOB.do_next()
        assert TextReading.objects.get().attempts == attempt
    assert reading.JOB.next_film() is None
    monkeypatch.setattr(reading, "JOB", replace(reading.JOB, version="the next one"))
    assert reading.JOB.next_film() == film


@pytest.mark.parametrize("content", [None, b"", b"damaged"])
def test_a_missing_or_damaged_thumbnail_is_decoded_from_the_film(
    film: Film, content: bytes | None
) -> None:
    thumbnail = film.files.run(1).thumbnail(5)
    thumbnail.unlink()
    if content is not None:
        thumbnail.write_bytes(content)
    read_all()
    assert texts_of(film, Subtitles.Source.BURNED) == list(SUBTITLES)
    assert texts_of(film, Subtitles.Source.SCENE) == [SIGN]


def test_workers_read_different_films_at_once(
    film: Film, ready_film: Callable[..., Film], tmp_path: Path, settings: LazySettings
) -> None:
    settings.SEGMENT_SECONDS = 4
    other = ready_film(make_film(tmp_path / "other.mp4", seconds=3), "Other")
    first, second = sorted((film, other), key=lambda one: one.pk)
    client = connect(settings.REDIS_URL)
    keys = [f"{settings.INDEX_PREFIX}:reading:{one.pk}" for one in (first, second)]
    with redis_lock(client, keys[0], 60) as check:
        assert check is not None
        reading.JOB.do_next()
        assert not TextReading.objects.filter(film=first).exists()
        assert TextReading.objects.filter(film=second).exists()
        with redis_lock(client, keys[1], 60):
            assert reading.JOB.do_next() is False
    while reading.JOB.do_next():
        pass
    assert set(Film.objects.values_list("text_version", flat=True)) == {reading.VERSION}


def test_films_are_read_only_if_wanted(film: Film, settings: LazySettings) -> None:
    settings.READ_TEXT = False
    assert reading.JOB.next_film() is None
    settings.READ_TEXT = True
    Film.objects.filter(pk=film.pk).update(reads_text=False)
    assert reading.JOB.next_film() is None


def test_text_in_the_bars_of_a_letterboxed_film_is_read(
    ready_film: Callable[..., Film], tmp_path: Path
) -> None:
    film = ready_film(make_written_film(tmp_path, has_bars=True), "Bars")
    assert film.probe.inner is not None
    read_all()
    assert texts_of(film, Subtitles.Source.BURNED) == list(SUBTITLES)
    assert texts_of(film, Subtitles.Source.SCENE) == [SIGN]


def test_without_its_file_boxes_of_a_letterboxed_film_are_those_of_the_whole_picture(
    ready_film: Callable[..., Film], tmp_path: Path
) -> None:
    film = ready_film(make_written_film(tmp_path, has_bars=True), "Bars")
    film.files.source().unlink()
    read_all()
    left, top, _right, bottom = Line.objects.get(text=SIGN).box
    assert (top + bottom) / 2 == pytest.approx(115 / 360, abs=0.03)
    assert left == pytest.approx(0.08, abs=0.05)


# --- picture tracks -------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["copy", "dvdsub"])
def test_picture_tracks_are_read_with_their_own_times(
    film_file: Path, tmp_path: Path, codec: str
) -> None:
    sup = write_pgs(tmp_path / "a.sup", CUES, FONT)
    path = add_tracks(film_file, tmp_path / "a.mkv", sup, codec=codec, language="eng")
    found = read_picture_tracks(path, 0.0, lambda: None)
    assert found.complaints == []
    [(track, cues)] = found.lines
    assert track.language == "en"
    assert [cue.text for cue in cues] == [text for _start, _end, text in CUES]
    for cue, (start, end, _text) in zip(cues, CUES, strict=True):
        assert cue.start == pytest.approx(start, abs=0.002)
        if codec == "copy" or end != CUES[-1][1]:  # FFmpeg's encoder leaves out the last end
            assert cue.end == pytest.approx(end, abs=0.002)


def test_picture_tracks_are_subtitles_of_the_film(
    ready_film: Callable[..., Film], film_file: Path, tmp_path: Path
) -> None:
    sup = write_pgs(tmp_path / "a.sup", CUES, FONT)
    path = add_tracks(film_file, tmp_path / "a.mkv", sup, codec="copy", language="eng")
    film = ready_film(path, "Blu-ray")
    read_all()
    assert texts_of(film, Subtitles.Source.DRAWN) == [text for _start, _end, text in CUES]
    [line] = dialogue.find("snow", None, 10, kind=LineKind.SAID)
    assert (line.start, line.end) == (1.2, 3.45)


def test_a_still_picture_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = get_reader()
    calls = []
    find = reader.find
    monkeypatch.setattr(reader, "find", lambda picture: calls.append(1) or find(picture))
    frames = FrameReader(reader)
    frame = list(draw_frames())[5]
    first = frames.read(frame)
    assert [one.text for one in frames.read(frame.copy())] == [one.text for one in first]
    assert len(calls) == 1
