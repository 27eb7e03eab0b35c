"""A synthetic library for benchmarks: films, shots, frames and dialogue."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gallery.clip.types import Vectors
from gallery.index.types import FrameRecord

FILM_SECONDS = 7200
SPOKEN_FILMS = 0.4  # of the films have subtitles
LINES = 1400  # in each of them
OTHER_WORDS = 3000  # besides the searched ones
SEARCHED = 0.03  # of the words in dialogue are searched ones; each is in one of 370 lines


def random_shots(rng: np.random.Generator, seconds: int) -> NDArray[np.int64]:
    """Return the shot of each second: int (seconds,). Shots last 3 to 10 seconds."""
    lengths = rng.integers(3, 11, seconds // 3 + 1)
    return np.repeat(np.arange(len(lengths)), lengths)[:seconds]


def random_frames(rng: np.random.Generator, shots: NDArray[np.int64], width: int) -> Vectors:
    """Return unit vectors of frames, similar within a shot and related within a film.

    The variance decreases with the dimension, so that about thirty dimensions matter, as in real
    embeddings: otherwise no graph finds neighbours.
    """
    spread = np.arange(1, width + 1) ** -0.5
    film, centres = rng.normal(size=width), rng.normal(size=(shots[-1] + 1, width))
    rows = (0.5 * film + centres[shots] + 0.4 * rng.normal(size=(len(shots), width))) * spread
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def frame_records(film: int, shots: NDArray[np.int64]) -> list[FrameRecord]:
    """Return one frame a second, as indexed."""
    starts = np.searchsorted(shots, np.arange(shots[-1] + 2))
    return [
        FrameRecord(film, second, float(second), shot, float(starts[shot]), float(starts[shot + 1]))
        for second, shot in enumerate(shots.tolist())
    ]


def random_lines(rng: np.random.Generator, words: Sequence[str]) -> Iterator[str]:
    """Yield lines of dialogue of three to nine words, some of them from `words`."""
    while True:
        count = rng.integers(3, 10)
        others = rng.zipf(1.3, count) % OTHER_WORDS
        searched = rng.random(count) < SEARCHED
        yield " ".join(
            str(rng.choice(words)) if is_searched else f"word{other}"
            for other, is_searched in zip(others, searched, strict=True)
        )


def fill(frames: int, words: Sequence[str]) -> None:
    """Create a library of about `frames` frames, in films of two hours."""
    for number in range(max(1, frames // FILM_SECONDS)):
        add_film(number, words, np.random.default_rng(number))
        print(f"\rfilm {number + 1} is in the library", end="", flush=True)
    print()


def add_film(number: int, words: Sequence[str], rng: np.random.Generator) -> None:
    """Add one film to the database and the index."""
    from django.utils import timezone

    from gallery.clip import weights
    from gallery.films.models import Film, Shot
    from gallery.index import frame_index
    from gallery.transcripts import dialogue
    from gallery.transcripts.models import Line, Subtitles

    shots, model = random_shots(rng, FILM_SECONDS), weights.current()
    film = Film.objects.create(
        title=f"Film {number}",
        year=1950 + number,
        sha256=f"made up {number}",
        state=Film.State.READY,
        searchable_run=1,
        tracks_run=1,
        frame_count=FILM_SECONDS,
        shot_count=int(shots[-1]) + 1,
        duration=FILM_SECONDS,
        rate_numerator=24,
        model=model.fingerprint,
        finished=timezone.now(),
    )
    records = frame_records(film.pk, shots)
    Shot.objects.bulk_create(
        Shot(film=film, number=one.shot, start=one.start, end=one.end, second=one.second)
        for one in {record.shot: record for record in records}.values()
    )
    if rng.random() < SPOKEN_FILMS:
        texts = random_lines(rng, words)
        said = Subtitles.objects.create(
            film=film, language="en", source=Subtitles.Source.UPLOADED, line_count=LINES
        )
        starts = np.linspace(0, FILM_SECONDS - 5, LINES).tolist()
        Line.objects.bulk_create(
            Line(subtitles=said, number=n, start=start, end=start + 3, text=next(texts))
            for n, start in enumerate(starts)
        )
    frame_index.current().put(film.pk, records, random_frames(rng, shots, model.width))
    dialogue.put_run(film, 1, records)
