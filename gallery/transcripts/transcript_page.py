"""What is said in a film as its page lists it: in one language, part by part."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from django.urls import reverse
from django.utils.http import urlencode

from gallery.core.errors import GalleryError
from gallery.films.models import Film
from gallery.films.shortcuts import nearest_frame
from gallery.search.address import to_parameters
from gallery.search.search_page import Choice
from gallery.search.types import Mode, Query
from gallery.transcripts import dialogue
from gallery.transcripts.models import Line, Subtitles
from gallery.transcripts.types import SpokenLine

LINES_PER_PART = 80  # lines in a part
MAX_FOUND = 200  # lines that are marked

TextParts = tuple[tuple[str, bool], ...]
"""A text in pieces, each with whether it was asked for."""


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line of a transcript; `frame` is the address of what is seen while it is said, or ""."""

    start: float
    end: float
    language: str
    frame: str
    parts: TextParts
    is_found: bool


@dataclass(frozen=True, slots=True)
class Transcript:
    """A part of a film's lines in one language; `before` and `after` are addresses or "".

    `choices` are the languages there are; `found` the lines that hold the words of the query, in
    whichever language; `place` is the address of the lines' own page.
    """

    choices: list[Choice]
    language: str
    lines: list[ShownLine]
    found: list[ShownLine]
    before: str
    after: str
    place: str


def transcript(
    film: Film, query: Query, given: Mapping[str, str], spoken: Sequence[SpokenLine] | None = None
) -> Transcript | None:
    """The part of a film's lines that an address asks for; None when the film has none.

    lines=ID chooses the language by its subtitles, part=NUMBER the part, at=SECONDS the part that
    is said then. `spoken` are the lines that hold the query's words; None: they are looked for.
    """
    rows = dialogue.labelled(film.subtitles.filter(line_count__gt=0))
    if not rows:
        return None
    chosen = next((row for row, _label in rows if str(row.pk) == given.get("lines")), rows[0][0])
    if spoken is None:
        spoken = _spoken(film, query)
    part, last = _part(chosen, given)
    lines = chosen.lines.order_by("start", "number")
    asked = to_parameters(replace(query, page=1))
    place = f"{reverse('film_lines', args=[film.pk])}?"
    place += urlencode([*asked, ("lines", str(chosen.pk))])
    return Transcript(
        choices=_choices(film, rows, chosen, asked),
        language=chosen.language,
        lines=_shown(
            film, lines[(part - 1) * LINES_PER_PART : part * LINES_PER_PART], spoken, asked
        ),
        found=[
            ShownLine(
                one.start,
                one.end,
                one.language,
                _frame_at(film, one.record.time, asked),
                one.parts,
                is_found=True,
            )
            for one in spoken
        ],
        before=f"{place}&part={part - 1}" if part > 1 else "",
        after=f"{place}&part={part + 1}" if part < last else "",
        place=place,
    )


def _shown(
    film: Film,
    lines: Iterable[Line],
    spoken: Sequence[SpokenLine],
    asked: Sequence[tuple[str, str]],
) -> list[ShownLine]:
    """Lines of one language, those of them that were found with their words marked."""
    marks = {(one.start, one.text): one.parts for one in spoken}
    return [
        ShownLine(
            line.start,
            line.end,
            line.subtitles.language,
            _frame_at(film, (line.start + line.end) / 2, asked),
            marks.get((line.start, line.text), ((line.text, False),)),
            (line.start, line.text) in marks,
        )
        for line in lines
    ]


def _frame_at(film: Film, time: float, asked: Sequence[tuple[str, str]]) -> str:
    """The page of the frame shown at a time, with the query that led to it; "" when none is."""
    second = nearest_frame(film, time)
    if second is None:
        return ""
    page = reverse("frame", args=[film.pk, second])
    return f"{page}?{urlencode(asked)}" if asked else page


def _spoken(film: Film, query: Query) -> Sequence[SpokenLine]:
    """The lines that hold the words; none when the index cannot answer: they are only marked."""
    if not query.wanted or query.mode is Mode.SEEN:
        return ()
    try:
        found = dialogue.find(query.wanted, (film.pk,), MAX_FOUND)
    except GalleryError:
        return ()
    return sorted(found, key=lambda line: line.start)


def _part(chosen: Subtitles, given: Mapping[str, str]) -> tuple[int, int]:
    """The part that is asked for, and the last one there is; parts count from 1."""
    count = Line.objects.filter(subtitles=chosen).count()
    last = max(1, -(-count // LINES_PER_PART))
    at, part = given.get("at", ""), given.get("part", "")
    if at.isdecimal():
        before = Line.objects.filter(subtitles=chosen, start__lte=int(at[:9])).count()
        return min(last, max(0, before - 1) // LINES_PER_PART + 1), last
    return (min(last, max(1, int(part[:9]))) if part.isdecimal() else 1), last


def _choices(
    film: Film,
    rows: Sequence[tuple[Subtitles, str]],
    chosen: Subtitles,
    asked: list[tuple[str, str]],
) -> list[Choice]:
    here = film.get_absolute_url()
    return [
        Choice(
            str(row.pk),
            label,
            f"{here}?{urlencode([*asked, ('lines', str(row.pk))])}",
            row.pk == chosen.pk,
        )
        for row, label in rows
    ]
