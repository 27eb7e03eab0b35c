"""Speech of real films, spoken by espeak-ng: voices, times and words, and the job that listens.

The model is trained on the sentences of these films: see `tests.spoken`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from django.conf import LazySettings

from gallery.films.models import Film
from gallery.speech import recognizer, voices
from gallery.speech.types import SpokenLine
from gallery.transcripts import dialogue, listening, reading, reading_requests, subtitle_import
from gallery.transcripts.models import Line, Subtitles, TextReading, Transcription
from gallery.transcripts.types import LineKind
from tests.films import make_film
from tests.spoken import CHINESE, ENGLISH, PART, make_speech_model, make_spoken_films, sound_of

SPEECH = Subtitles.Source.SPEECH
SRT = "1\n00:00:01,000 --> 00:00:03,000\n{}\n"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_spoken_films(tmp_path_factory.mktemp("spoken"))


@pytest.fixture(scope="module")
def model(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_speech_model(files, tmp_path_factory.mktemp("whisper"))


@pytest.fixture(autouse=True)
def _listens(model: Path, settings: LazySettings) -> Iterator[None]:
    settings.SPEECH_MODEL = str(model)
    yield
    recognizer.release()


@pytest.fixture
def film(ready_film: Callable[..., Film], files: dict[str, Path]) -> Film:
    return ready_film(files["en"], "Boat")


def hear_all() -> None:
    while listening.JOB.do_next():
        pass


def spoken_lines(film: Film) -> list[str]:
    lines = Line.objects.filter(subtitles__film=film, subtitles__source=SPEECH)
    return list(lines.order_by("start").values_list("text", flat=True))


@pytest.mark.parametrize(("language", "tag"), [("en", "en"), ("zh", "zh-Hans")])
def test_what_is_said_becomes_subtitles(
    ready_film: Callable[..., Film], files: dict[str, Path], language: str, tag: str
) -> None:
    sentences = {"en": ENGLISH, "zh": CHINESE}[language]
    film = ready_film(files[language], "Spoken")
    hear_all()
    assert spoken_lines(film) == [sentence.text for sentence in sentences]
    row = film.subtitles.get()
    assert (row.source, row.language, row.kinds) == (SPEECH, tag, {LineKind.SAID})
    for line, voice in zip(
        row.lines.all(), voices.find_voices(sound_of(files[language])), strict=True
    ):
        assert voice.start - 0.3 <= line.start <= voice.start + 1
        assert voice.end - 1 <= line.end <= voice.end + 0.3
    assert not Transcription.objects.exists()
    assert listening.JOB.next_film() is None


def test_spoken_words_are_found(film: Film) -> None:
    hear_all()
    [line] = dialogue.find("captains", None, 10, kind=LineKind.SAID)
    assert (line.text, line.record.film) == (ENGLISH[1].text, film.pk)
    assert dialogue.find("captain", None, 10, kind=LineKind.WRITTEN) == []


def test_subtitles_in_the_spoken_language_make_it_needless(film: Film) -> None:
    subtitle_import.add_subtitles(film, "boat.en.srt", SRT.format("Under the bridge.").encode())
    hear_all()
    assert [row.source for row in film.subtitles.all()] == [Subtitles.Source.UPLOADED]
    film.refresh_from_db()
    assert film.speech_version == listening.VERSION
    assert not Transcription.objects.exists()


def test_subtitles_in_another_language_do_not(film: Film) -> None:
    subtitle_import.add_subtitles(film, "boat.zh.srt", SRT.format("桥下有一条黄船。").encode())
    hear_all()
    assert spoken_lines(film) == [sentence.text for sentence in ENGLISH]


def test_subtitles_of_few_lines_do_not(film: Film) -> None:
    Film.objects.filter(pk=film.pk).update(duration=600)
    film.refresh_from_db()
    subtitle_import.add_subtitles(film, "boat.en.srt", SRT.format("North station").encode())
    assert not listening.has_subtitles_in(film, "en")


def test_a_language_that_was_set_is_not_detected(
    film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    Film.objects.filter(pk=film.pk).update(spoken_language="en")
    monkeypatch.delattr(recognizer.Recognizer, "detect_language")
    hear_all()
    assert spoken_lines(film) == [sentence.text for sentence in ENGLISH]


@pytest.mark.parametrize("has_sound", [False, True])
def test_a_film_without_speech_needs_no_model(
    ready_film: Callable[..., Film],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    has_sound: bool,
) -> None:
    film = ready_film(make_film(tmp_path / "a.mp4", seconds=7, sound=has_sound), "Silent")
    monkeypatch.setattr(recognizer, "get_recognizer", None)
    hear_all()
    film.refresh_from_db()
    assert (film.speech_version, film.subtitles.count()) == (listening.VERSION, 0)


def test_subtitles_in_the_picture_are_read_first(film: Film, settings: LazySettings) -> None:
    settings.READ_TEXT = True
    assert listening.JOB.next_film() is None
    while reading.JOB.do_next():
        pass
    assert listening.JOB.next_film() == film
    Film.objects.filter(pk=film.pk).update(text_version="")
    TextReading.objects.create(
        film=film, run=film.searchable_run, version=reading.VERSION, attempts=3
    )
    assert listening.JOB.next_film() == film  # reading was given up


def test_a_part_is_repeated_when_its_worker_was_killed(
    film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert listening.JOB.do_next()
    row = Transcription.objects.get()
    assert (row.position, row.attempts) == (PART, 0)

    def die(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(recognizer.Recognizer, "transcribe", die)
        listening.JOB.do_next()
    row.refresh_from_db()
    assert (row.position, row.attempts) == (PART, 1)
    hear_all()
    assert spoken_lines(film) == [sentence.text for sentence in ENGLISH]


def test_a_damaged_model_delays_films_and_fails_none(
    film: Film,
    model: Path,
    settings: LazySettings,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.json"):
        (tmp_path / name).write_bytes((model / name).read_bytes()[:1000])
    settings.SPEECH_MODEL = str(tmp_path)
    for _attempt in range(4):
        assert not listening.JOB.do_next()
    assert "cannot be loaded" in caplog.text
    assert Transcription.objects.get().attempts == 0
    settings.SPEECH_MODEL = str(model)
    hear_all()
    assert spoken_lines(film) == [sentence.text for sentence in ENGLISH]


@pytest.mark.parametrize("setting", ["off", "auto", "nobody/has-this-model"])
def test_without_a_model_nothing_is_done(
    film: Film, settings: LazySettings, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gallery.speech.model.has_gpu", lambda: False)
    settings.SPEECH_MODEL = setting
    assert listening.JOB.next_film() is None


def test_staff_switch_it_off_and_on(film: Film) -> None:
    hear_all()
    reading_requests.switch_listening(film, is_on=False)
    assert film.subtitles.count() == 0
    assert listening.JOB.next_film() is None
    reading_requests.switch_listening(film, is_on=True)
    assert listening.JOB.next_film() == film


def test_hidden_and_corrected_speech_stays_so(film: Film) -> None:
    hear_all()
    Subtitles.objects.update(is_hidden=True)
    reading_requests.hear_again(film)
    hear_all()
    assert film.subtitles.get().is_hidden
    Subtitles.objects.update(is_hidden=False, original_name="corrected.vtt")
    reading_requests.hear_again(film)
    hear_all()
    rows = film.subtitles.order_by("pk")
    assert [(row.is_corrected, row.is_hidden) for row in rows] == [(True, False), (False, True)]


def test_deleted_speech_stays_deleted_until_it_is_asked_for(film: Film) -> None:
    hear_all()
    reading_requests.delete_source(film.subtitles.get())
    subtitle_import.publish(film.pk)
    assert dialogue.find("captain", None, 10) == []
    reading_requests.hear_again(film)
    hear_all()
    assert len(dialogue.find("captain", None, 10)) == 1


def test_deleted_speech_stays_hidden_for_a_new_version(film: Film) -> None:
    hear_all()
    reading_requests.delete_source(film.subtitles.get())
    Film.objects.filter(pk=film.pk).update(speech_version="an older one")
    hear_all()
    assert dialogue.find("captain", None, 10) == []


def test_a_film_that_is_deleted_meanwhile_leaves_no_files(
    film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = film.files.folder
    transcribe = recognizer.Recognizer.transcribe

    def delete(*given: Any) -> Any:
        yield from transcribe(*given)
        film.delete()

    monkeypatch.setattr(recognizer.Recognizer, "transcribe", delete)
    assert not listening.JOB.do_next()
    assert not folder.exists()


def test_a_short_chinese_line_has_its_language(
    ready_film: Callable[..., Film], files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def say(*_given: object) -> Iterator[list[SpokenLine]]:
        yield [SpokenLine(1.0, 2.0, "你好吗？")]

    monkeypatch.setattr(recognizer.Recognizer, "transcribe", say)
    film = ready_film(files["zh"], "Snow")
    hear_all()
    assert film.subtitles.get().language == "zh-Hans"


def test_the_parts_of_a_film_tell_its_language_together(film: Film, tmp_path: Path) -> None:
    run = film.files.run(film.searchable_run or 0)
    assert listening._find_language(run, "en", 4.0) == ""
    (run.folder / "speech-000000.json").write_text('["zh", 3.0, []]')
    (run.folder / "speech-000005.json").write_text('["en", 4.5, []]')
    assert listening._find_language(run, "en", 1.0) == ""
    assert listening._find_language(run, "en", 4.0) == "en"


@pytest.mark.parametrize(
    ("stored", "spoken", "has"),
    [("nb", "no", True), ("nn", "nb", True), ("zh-Hant", "zh", True), ("da", "no", False)],
)
def test_subtitles_are_compared_by_what_is_spoken(
    film: Film, stored: str, spoken: str, has: bool
) -> None:
    Subtitles.objects.create(
        film=film, language=stored, source=Subtitles.Source.UPLOADED, line_count=50
    )
    assert listening.has_subtitles_in(film, spoken) is has


def test_a_model_for_english_only_takes_all_for_english(film: Film, model: Path) -> None:
    whisper = recognizer.get_recognizer()
    whisper._whisper = SimpleNamespace(model=SimpleNamespace(is_multilingual=False))
    assert whisper.detect_language(voices.condense(np.zeros(16_000, np.float32), [])) == "en"
