"""Films with dialogue only: rows and lines, no pictures."""

from collections.abc import Sequence

from gallery.clip import weights
from gallery.films.models import Film
from gallery.index.types import FrameRecord
from gallery.transcripts import dialogue
from gallery.transcripts.models import Line, Subtitles
from gallery.transcripts.types import FoundLine

SHOT = 4  # seconds (and frames) in each shot


def make_frames(film: int, shots: int) -> list[FrameRecord]:
    """A frame a second, in shots of SHOT seconds each."""
    return [
        FrameRecord(
            film, second, float(second), second // SHOT,
            float(second // SHOT * SHOT), float((second // SHOT + 1) * SHOT),
        )
        for second in range(shots * SHOT)
    ]  # fmt: skip


def make_spoken_film(title: str = "Film", **said: Sequence[str]) -> Film:
    """A searchable film in which, in each language, line n is spoken in shot n.

    A language may be written with an underscore: zh_Hans.
    """
    shots = max((len(lines) for lines in said.values()), default=1)
    film = Film.objects.create(
        title=title, sha256=f"{title}-{Film.objects.count()}", state=Film.State.READY,
        searchable_run=1, tracks_run=1, model=weights.current().fingerprint,
        duration=float(shots * SHOT), frame_count=shots * SHOT, shot_count=shots,
    )  # fmt: skip
    for language, lines in said.items():
        add_lines(film, language.replace("_", "-"), lines)
    dialogue.put_run(film, 1, make_frames(film.pk, shots))
    return film


def add_lines(film: Film, language: str, lines: Sequence[str]) -> Subtitles:
    row = Subtitles.objects.create(
        film=film, language=language, source=Subtitles.Source.UPLOADED, line_count=len(lines)
    )
    Line.objects.bulk_create(
        Line(subtitles=row, number=n, start=n * SHOT + 0.5, end=n * SHOT + 3.0, text=text)
        for n, text in enumerate(lines)
    )
    return row


def find_texts(words: str, count: int = 50, film: Film | None = None) -> list[str]:
    """The texts of the lines found, best first."""
    return [line.text for line in find_lines(words, count, film)]


def find_lines(words: str, count: int = 50, film: Film | None = None) -> list[FoundLine]:
    return dialogue.find(words, [film.pk] if film else None, count)


def find_highlights(line: FoundLine) -> list[str]:
    """The highlighted parts of a line."""
    return [text for text, is_marked in line.parts if is_marked]
