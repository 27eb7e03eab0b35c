"""The lines on a film's page: one language and source, page by page."""

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
from gallery.transcripts.types import FoundLine, LineKind

LINES_PER_PART = 80
MAX_FOUND = 200  # lines that are marked

TextParts = tuple[tuple[str, bool], ...]
"""A text in pieces, each with whether it matches the query."""


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line of a transcript; `frame` is the URL of the frame it is heard over, or "".

    `is_written`: it was read in the picture.
    """

    start: float
    end: float
    language: str
    frame: str
    parts: TextParts
    is_found: bool
    is_written: bool


@dataclass(frozen=True, slots=True)
class TranscriptPart:
    """A part of a film's lines in one language; `before` and `after` are URLs or "".

    `choices` are the available languages and sources; `is_recognized`: a machine read or heard the
    chosen one, `is_heard`: it heard it. `kinds` are those of all choices. `found` are the lines,
    in any language, that contain the words of the query. `place` is the URL of the page with the
    lines only, `file` that of the lines as WebVTT.
    """

    choices: list[Choice]
    language: str
    is_recognized: bool
    is_heard: bool
    kinds: frozenset[LineKind]
    lines: list[ShownLine]
    found: list[ShownLine]
    before: str
    after: str
    place: str
    file: str


def build_transcript(
    film: Film, query: Query, given: Mapping[str, str], spoken: Sequence[FoundLine] | None = None
) -> TranscriptPart | None:
    """Return the part of a film's lines that an address asks for; None when the film has none.

    lines=ID selects the language and source by its subtitles, part=NUMBER the part, at=SECONDS the
    part spoken at that time. `spoken` are the lines that contain the query's words; None: search
    for them.
    """
    rows = dialogue.label_subtitles(film.subtitles.shown())
    if not rows:
        return None
    chosen = next((row for row, _label in rows if str(row.pk) == given.get("lines")), rows[0][0])
    if spoken is None:
        spoken = _find_spoken(film, query)
    part, last = _parse_part(chosen, given)
    lines = chosen.lines.order_by("start", "number")
    lines = lines[(part - 1) * LINES_PER_PART : part * LINES_PER_PART]
    parameters = to_parameters(replace(query, page=1))
    place = f"{reverse('film_lines', args=[film.pk])}?"
    place += urlencode([*parameters, ("lines", str(chosen.pk))])
    return TranscriptPart(
        choices=_language_choices(film, rows, chosen, parameters),
        language=chosen.language,
        is_recognized=chosen.is_recognized,
        is_heard=chosen.is_heard,
        kinds=frozenset().union(*(row.kinds for row, _label in rows)),
        lines=_mark_lines(film, lines, spoken, parameters),
        found=[
            ShownLine(
                line.start,
                line.end,
                line.language,
                _frame_url(film, line.record.time, parameters),
                line.parts,
                is_found=True,
                is_written=line.is_written,
            )
            for line in spoken
        ],
        before=f"{place}&part={part - 1}" if part > 1 else "",
        after=f"{place}&part={part + 1}" if part < last else "",
        place=place,
        file=reverse("subtitles", args=[film.pk, chosen.pk]),
    )


def _mark_lines(
    film: Film,
    lines: Iterable[Line],
    spoken: Sequence[FoundLine],
    parameters: Sequence[tuple[str, str]],
) -> list[ShownLine]:
    """Return lines of one language, with the query's words marked in lines that were found."""
    marks = {(line.start, line.text): line.parts for line in spoken}
    return [
        ShownLine(
            line.start,
            line.end,
            line.subtitles.language,
            _frame_url(film, (line.start + line.end) / 2, parameters),
            marks.get((line.start, line.text), ((line.text, False),)),
            (line.start, line.text) in marks,
            line.subtitles.is_read,
        )
        for line in lines
    ]


def _frame_url(film: Film, time: float, parameters: Sequence[tuple[str, str]]) -> str:
    """Return the URL of the frame shown at a time, with the query; "" if there is none."""
    second = nearest_frame(film, time)
    if second is None:
        return ""
    page = reverse("frame", args=[film.pk, second])
    return f"{page}?{urlencode(parameters)}" if parameters else page


def _find_spoken(film: Film, query: Query) -> Sequence[FoundLine]:
    """Return the lines that contain the query's words; none while the index is unavailable."""
    if not query.wanted or query.mode is Mode.SEEN:
        return ()
    try:
        found = dialogue.find(query.wanted, (film.pk,), MAX_FOUND, kind=query.mode.line_kind)
    except GalleryError:
        return ()
    return sorted(found, key=lambda line: line.start)


def _parse_part(chosen: Subtitles, given: Mapping[str, str]) -> tuple[int, int]:
    """Return the requested part and the number of parts, counted from 1."""
    count = Line.objects.filter(subtitles=chosen).count()
    last = max(1, -(-count // LINES_PER_PART))
    at, part = given.get("at", ""), given.get("part", "")
    if at.isdecimal():
        before = Line.objects.filter(subtitles=chosen, start__lte=int(at[:9])).count()
        return min(last, max(0, before - 1) // LINES_PER_PART + 1), last
    return (min(last, max(1, int(part[:9]))) if part.isdecimal() else 1), last


def _language_choices(
    film: Film,
    rows: Sequence[tuple[Subtitles, str]],
    chosen: Subtitles,
    parameters: list[tuple[str, str]],
) -> list[Choice]:
    page = film.get_absolute_url()
    return [
        Choice(
            str(row.pk),
            label,
            f"{page}?{urlencode([*parameters, ('lines', str(row.pk))])}",
            row.pk == chosen.pk,
        )
        for row, label in rows
    ]
