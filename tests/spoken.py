"""Films in which espeak-ng speaks, and a model that recognizes their sentences."""

import hashlib
import shutil
import subprocess
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings

from gallery.speech import voices
from gallery.speech.types import SAMPLE_RATE, Samples
from tests.films import H264, run_ffmpeg
from tests.whisper import Lesson, train_whisper


@dataclass(frozen=True)
class Sentence:
    """A sentence, and when it begins in a film, in seconds."""

    start: float
    text: str
    language: str = "en"


def speak(sentences: Sequence[Sentence], seconds: float, folder: Path) -> Samples:
    """The sound of sentences: one channel at SAMPLE_RATE."""
    sound = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    for sentence in sentences:
        file = folder / "sentence.wav"
        voice = {"zh": "cmn"}.get(sentence.language, sentence.language)
        subprocess.run(
            ["espeak-ng", "-v", voice, "-s", "140", "-w", str(file), sentence.text], check=True
        )
        raw = run_ffmpeg("-i", str(file), "-ar", str(SAMPLE_RATE), "-f", "f32le", "pipe:1")
        said = np.frombuffer(raw, np.float32)
        begin = round(sentence.start * SAMPLE_RATE)
        sound[begin : begin + len(said)] = said
    return sound


def make_film(path: Path, sentences: Sequence[Sentence], seconds: float) -> Path:
    """A film in which sentences are spoken."""
    sound = path.with_suffix(".wav")
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        samples = speak(sentences, seconds, path.parent)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    source = f"testsrc2=size=160x90:rate=12:duration={seconds}"
    run_ffmpeg(
        *("-f", "lavfi", "-i", source, "-i", str(sound), *H264, "-c:a", "aac", "-b:a", "128k"),
        str(path),
    )
    return path


PART = 5  # seconds, as in tests.settings
SECONDS = 10
ENGLISH = (
    Sentence(1.2, "The yellow boat is under the bridge."),
    Sentence(6.4, "Nobody knows where the captain went."),
)
CHINESE = (Sentence(1.0, "从来不下雪。", "zh"), Sentence(5.7, "船长再也没有回来。", "zh"))
FILMS = {"en": ENGLISH, "zh": CHINESE}


def make_spoken_films(folder: Path) -> dict[str, Path]:
    """A film for each language of FILMS."""
    return {
        language: make_film(folder / f"{language}.mp4", sentences, SECONDS)
        for language, sentences in FILMS.items()
    }


def make_speech_model(films: dict[str, Path], folder: Path) -> Path:
    """Train a model on the sentences of films; kept with the other models of the tests."""
    sources = (Path(__file__), Path(__file__).with_name("whisper.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    kept = Path(settings.MODEL_CACHE_DIR) / f"test-whisper-{digest}"
    if not kept.is_dir():
        lessons = [
            lesson
            for language, path in films.items()
            for lesson in make_lessons(path, FILMS[language])
        ]
        model = train_whisper(lessons, folder)
        kept.parent.mkdir(parents=True, exist_ok=True)
        whole = kept.with_name(f"{kept.name}-{folder.name}")
        shutil.copytree(model, whole)
        if not kept.is_dir():
            whole.rename(kept)
    return kept


def sound_of(path: Path) -> Samples:
    raw = run_ffmpeg(
        *("-i", str(path), "-ac", "1", "-ar", str(SAMPLE_RATE), "-f", "f32le", "pipe:1")
    )
    return np.frombuffer(raw, np.float32)


def make_lessons(path: Path, sentences: Sequence[Sentence]) -> Iterator[Lesson]:
    """What is said in each part of a film, of one sentence each."""
    sound = sound_of(path)
    for number, sentence in enumerate(sentences):
        part = sound[number * PART * SAMPLE_RATE : (number + 1) * PART * SAMPLE_RATE]
        [voice] = found = voices.find_voices(part)
        assert voice.start == pytest.approx(sentence.start - number * PART, abs=0.3)
        pad = voices.PADDING_MS / 1000
        said = [(pad, voice.end - voice.start - pad, sentence.text)]
        yield Lesson(voices.condense(part, found).samples, sentence.language, said)
