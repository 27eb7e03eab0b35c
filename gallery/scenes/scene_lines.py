"""The lines of a scene: what is said in it, and what is written in its pictures."""

from collections.abc import Iterator
from dataclasses import dataclass

from gallery.core.errors import GalleryError
from gallery.films.models import Film
from gallery.films.shortcuts import nearest_frame
from gallery.ocr.types import Box
from gallery.search.types import Mode, Query
from gallery.transcripts import dialogue
from gallery.transcripts.box_path import BoxPath
from gallery.transcripts.dialogue import Transcript
from gallery.transcripts.phrases import LineMatcher, LineText, parse_phrases
from gallery.transcripts.subtitle_formats import Cue
from gallery.transcripts.types import LineKind

MAX_LINES = 60  # from each source
MIN_CONTAINED = 0.6  # of the words of a search, in a line that is marked


@dataclass(frozen=True, slots=True)
class SceneLine:
    """A line from `start` to `end` (seconds of the film).

    `parts` is its text in pieces, each with whether it matches the search; `is_found`: enough of
    it matches. `path` is where it stands in the picture, if it does. `second` is that of the frame
    in its middle, None if there is no such frame.
    """

    start: float
    end: float
    parts: tuple[tuple[str, bool], ...]
    is_found: bool
    path: BoxPath | None
    second: int | None

    @property
    def seek_time(self) -> float:
        """The time to show, in seconds: one at which text in the picture is surely there."""
        return self.start if self.path is None else (self.start + self.end) / 2

    @property
    def path_text(self) -> str:
        """The path for scripts: time, left, top, right and bottom of each point."""
        points = self.path.points if self.path else ()
        return "; ".join(
            " ".join(f"{value:.10g}" for value in (time, *box)) for time, box in points
        )


@dataclass(frozen=True, slots=True)
class TextBox:
    """Where a line stands in the picture at some time, as CSS; `is_found`: it is marked."""

    style: str
    is_found: bool


@dataclass(frozen=True, slots=True)
class LineGroup:
    """The lines of a scene in one language and from one source."""

    language: str
    label: str
    is_said: bool
    lines: tuple[SceneLine, ...]


def list_lines(film: Film, start: float, end: float, query: Query) -> list[LineGroup]:
    """Return the lines between two times (seconds), with the words of the query marked."""
    return [
        LineGroup(
            transcript.language,
            transcript.label,
            LineKind.SAID in transcript.kinds,
            tuple(_mark_lines(film, transcript, _matcher_for(transcript, query))),
        )
        for transcript in dialogue.lines(film, start, end)
    ]


def boxes_at(groups: list[LineGroup], time: float) -> list[TextBox]:
    """Return the boxes of the lines that stand in the picture at a time (seconds)."""
    return [
        TextBox(_to_css(line.path.box_at(time)), line.is_found)
        for group in groups
        for line in group.lines
        if line.path is not None and line.start <= time < line.end
    ]


def _to_css(box: Box) -> str:
    left, top, right, bottom = (100 * edge for edge in box)
    return (
        f"left: {left:.2f}%; top: {top:.2f}%; "
        f"width: {right - left:.2f}%; height: {bottom - top:.2f}%"
    )


def _matcher_for(transcript: Transcript, query: Query) -> LineMatcher | None:
    """Return what finds the query in these lines; None if it is not searched for there."""
    if not query.wanted or query.mode is Mode.SEEN:
        return None
    if query.mode.line_kind not in {None, *transcript.kinds}:
        return None
    words = query.wanted
    if query.quoted and query.mode is Mode.BOTH:
        words = " ".join(f'"{phrase}"' for phrase in query.quoted)
    return LineMatcher(parse_phrases(words))


def _mark_lines(
    film: Film, transcript: Transcript, matcher: LineMatcher | None
) -> Iterator[SceneLine]:
    for cue, path in list(zip(transcript.lines, transcript.paths, strict=True))[:MAX_LINES]:
        line = LineText(cue.text, transcript.language)
        match = None if matcher is None else matcher.match(line)
        is_found = match is not None and match.contained >= MIN_CONTAINED
        yield SceneLine(
            start=cue.start,
            end=cue.end,
            parts=match.parts if match and is_found else ((cue.text, False),),
            is_found=is_found,
            path=path,
            second=_frame_of(film, cue),
        )


def _frame_of(film: Film, cue: Cue) -> int | None:
    try:
        return nearest_frame(film, (cue.start + cue.end) / 2)
    except GalleryError:
        return None
