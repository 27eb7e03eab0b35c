"""Corrects what a machine read or heard in a film, with a file made of a download of its lines.

Staff choose what a file corrects, or its first comment says it. Lines keep their places in the
picture.
"""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import partial
from heapq import nlargest

from django.utils.translation import gettext as _

from gallery.core.errors import SubtitlesError
from gallery.films.models import Film
from gallery.transcripts import languages
from gallery.transcripts.box_path import BoxPath
from gallery.transcripts.models import Line, Subtitles, SubtitlesQuerySet
from gallery.transcripts.subtitle_formats import Cue

# Comparing texts takes the product of their lengths, and the database is locked meanwhile.
MAX_COMPARED_LINES, MAX_COMPARED = 5, 60  # lines at the time of a cue, and their characters

_NOTES = {
    Subtitles.Source.DRAWN: "picture subtitles",
    Subtitles.Source.BURNED: "subtitles in the picture",
    Subtitles.Source.SCENE: "text in the picture",
    Subtitles.Source.SPEECH: "recognized speech",
}
_CHOICES = "|".join(f"(?P<{source}>{source}: {_NOTES[source]})" for source in Subtitles.CORRECTABLE)
_NOTE = re.compile(rf"WEBVTT[^\n]*\n\s*NOTE (?:{_CHOICES}), ")


def describe_source(row: Subtitles) -> str:
    """Return the comment for a file of subtitles; "" if no machine read or heard them."""
    if row.source not in Subtitles.RECOGNIZED:
        return ""
    if row.is_corrected:
        about = "corrected"
    elif row.source == Subtitles.Source.SPEECH:
        about = "by machine, words may be wrong"
    else:
        about = "read by machine, letters may be wrong"
    return f"{row.source}: {_NOTES[Subtitles.Source(row.source)]}, {about}"


def list_correctable(film: Film) -> SubtitlesQuerySet:
    """Return what a machine read or heard in a film, hidden or not."""
    return film.subtitles.filter(source__in=Subtitles.CORRECTABLE, line_count__gt=0)


def find_source(text: str) -> Subtitles.Source | None:
    """Return what a machine read or heard of which a file, by its comment, has the lines."""
    match = _NOTE.match(text)
    return None if match is None else Subtitles.Source(str(match.lastgroup))


def check_choice(row: Subtitles, source: Subtitles.Source) -> None:
    """Raise SubtitlesError if a file has the lines of another source than the chosen one."""
    if source != row.source:
        said = _("It has the lines of another source: %(source)s.")
        raise SubtitlesError(said % {"source": source.label})


def find_corrected(film: Film, name: str, source: Subtitles.Source) -> Subtitles | None:
    """Return what a file with the lines of a source corrects, or None."""
    rows = list(list_correctable(film).filter(source=source))
    if len(rows) > 1:
        language = languages.from_file_name(name)
        rows = [row for row in rows if row.language == language]
    return rows[0] if rows else None


def find_paths(row: Subtitles, cues: Sequence[Cue]) -> list[BoxPath | None]:
    """Return where corrected lines stand: where the line is that each was, None for new ones."""
    lines = [line for line in row.lines.all() if line.box]
    paths: list[BoxPath | None] = []
    for cue in cues:
        at_its_time = [line for line in lines if _overlap(cue, line) > 0]
        nearest = nlargest(MAX_COMPARED_LINES, at_its_time, partial(_overlap, cue))
        before = max(nearest, key=partial(_likeness, cue), default=None)
        paths.append(before.path if before is not None else None)
        if before is not None:
            lines.remove(before)
    return paths


def _overlap(cue: Cue, line: Line) -> float:
    return min(line.end, cue.end) - max(line.start, cue.start)


def _likeness(cue: Cue, line: Line) -> tuple[float, float]:
    said, corrected = line.text[:MAX_COMPARED], cue.text[:MAX_COMPARED]
    similarity = SequenceMatcher(None, said, corrected, autojunk=False).ratio()
    return similarity, _overlap(cue, line)
