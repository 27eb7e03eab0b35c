"""What is said in films: kept in Redis for searching, and listed for pages.

The rows of the database are what is true; the index is made from them, film by film, and made anew
wherever the two disagree (`tend`). What is said does not depend on the model.
"""

import hashlib
import logging
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils.translation import get_language

from gallery.core.errors import IndexMissing
from gallery.films import footage
from gallery.films.models import Film
from gallery.index import server
from gallery.index.types import FrameRecord
from gallery.transcripts import languages, line_index, phrases
from gallery.transcripts.line_index import HeardLine, LineIndex
from gallery.transcripts.line_search import LineSearch
from gallery.transcripts.line_shots import ShotLookup
from gallery.transcripts.models import Line, Subtitles
from gallery.transcripts.subtitle_formats import Cue
from gallery.transcripts.types import SpokenLine

log = logging.getLogger(__name__)


def current() -> LineIndex:
    """The index of this installation."""
    client = server.connect(settings.REDIS_URL)
    return LineIndex(client, prefix=f"{settings.INDEX_PREFIX}:dialogue")


# --- keeping --------------------------------------------------------------------------------------


def put(film_id: int) -> int:
    """Make the index hold a film's lines as the database has them. Returns how many it holds.

    A film that is not searchable, or has no lines, is taken out. Raises IndexUnavailable, and
    FileNotFoundError when the film's frames are gone from the media store.
    """
    film = Film.objects.filter(pk=film_id, searchable_run__isnull=False).first()
    if film is None or film.searchable_run is None or not _states(Q(film=film_id)):
        drop(film_id)
        return 0
    data = film.files.run(film.searchable_run).load()
    rows, _found = footage.build_records(film.pk, data, film.duration)
    return put_run(film, film.searchable_run, rows)


def put_run(film: Film, run: int, rows: Sequence[FrameRecord]) -> int:
    """Make the index hold a film's lines, heard over the frames `rows` of this run.

    Returns how many it holds. Raises IndexUnavailable.
    """
    here = current()
    state = _states(Q(film=film), run).get(film.pk)
    if state is None:
        here.drop(film.pk)
        return 0
    heard = list(_heard(film, rows))
    here.put(film.pk, heard, state)
    return len(heard)


def drop(film_id: int) -> None:
    """Take a film's lines out of the index. Raises IndexUnavailable."""
    current().drop(film_id)


def is_current(film_id: int) -> bool:
    """Whether the index holds a film's lines as the database has them. Raises IndexUnavailable."""
    return current().state(film_id) == _states(Q(film=film_id)).get(film_id, "")


def stale() -> list[int]:
    """Films whose lines in the index are not what the database has. Raises IndexUnavailable."""
    wanted, there = _states(Q()), current().states()
    return sorted(film for film in wanted | there if wanted.get(film) != there.get(film))


def reconcile(patience: float = float("inf")) -> int:
    """Make the index hold what the database has, where it does not. Returns how many films changed.

    Call it now and then: it mends what a crash, or a server that was away, left undone. After
    `patience` seconds the rest is left for the next time.
    """
    end = time.monotonic() + patience
    current().ensure()
    changed = 0
    for film_id in stale():
        try:
            put(film_id)
            changed += 1
        except FileNotFoundError:
            log.warning("film %s: its lines cannot be searched, its frames are gone", film_id)
        if time.monotonic() > end:
            break
    return changed


def _states(which: Q, run: int | None = None) -> dict[int, str]:
    """For each film that has lines, what those in the index are to be made of.

    `run` is the one that is searched, or is about to be; without it, searchable films only.
    """
    rows = (
        Subtitles.objects.filter(which, line_count__gt=0)
        .order_by("film_id", "id")
        .values_list("film_id", "film__searchable_run", "id", "language", "line_count")
    )
    made_of: dict[int, list[Any]] = defaultdict(list)
    for film_id, searched, *rest in rows:
        if run is not None or searched is not None:
            made_of[film_id].append((run if run is not None else searched, *rest))
    return {
        film_id: hashlib.sha256(repr((line_index.SCHEMA, rest)).encode()).hexdigest()[:16]
        for film_id, rest in made_of.items()
    }


def _heard(film: Film, rows: Sequence[FrameRecord]) -> Iterable[HeardLine]:
    """A film's lines with the frames they are heard over; lines after the film's end are left."""
    hearing = ShotLookup(rows)
    for line in Line.objects.filter(subtitles__film=film).select_related("subtitles").iterator():
        if line.start < hearing.end:
            yield HeardLine(
                subtitles=line.subtitles_id,
                number=line.number,
                language=line.subtitles.language,
                start=line.start,
                end=line.end,
                text=line.text,
                record=hearing.over(line.start, line.end),
            )


# --- finding --------------------------------------------------------------------------------------


def find(
    words: str, films: Collection[int] | None, count: int, *, partly: bool = True
) -> list[SpokenLine]:
    """The lines in which `words` are said, best first: at most `count`, one of each shot.

    `films` are the ids of those that are looked through, None for all. What stands in quotes is
    found word for word. Lines that hold all the words come first, then those that hold some of
    them (`complete` is False), by how much they hold, unless not `partly`; a word that no line
    holds may be misspelt.

    Raises IndexUnavailable when the index cannot answer now.
    """
    asked = phrases.parse_phrases(words)
    if not asked.units or count < 1:
        return []
    here = current()
    try:
        groups = here.groups()
    except IndexMissing:
        if Line.objects.filter(subtitles__film__searchable_run__isnull=False).exists():
            raise
        return []
    return LineSearch(here, asked, groups, films).best(count, partly=partly) if groups else []


# --- listing --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Transcript:
    """Lines of a film in one language: `subtitles` is the id of their row.

    `language` is a BCP 47 tag, `label` what the reader calls it, told apart from others of the same
    film in the same language. `lines` are in time order, in seconds of the film.
    """

    subtitles: int
    language: str
    label: str
    lines: tuple[Cue, ...]


def lines(
    film: Film | int,
    start: float | None = None,
    end: float | None = None,
    tags: Collection[str] | None = None,
) -> list[Transcript]:
    """What is said in a film, one transcript for each of its subtitles, from the database.

    `start` and `end` (seconds) keep to lines that are heard between them; `tags` keeps to these
    languages. The reader's own comes first. Transcripts without lines there are left out.
    """
    rows = Subtitles.objects.filter(film=film)
    if tags is not None:
        rows = rows.filter(language__in=tags)
    heard = Q(subtitles__in=rows)
    if start is not None:
        heard &= Q(end__gt=start)
    if end is not None:
        heard &= Q(start__lt=end)
    cues: dict[int, list[Cue]] = defaultdict(list)
    found = Line.objects.filter(heard).order_by("subtitles_id", "start", "number")
    for key, from_, to, text in found.values_list("subtitles_id", "start", "end", "text"):
        cues[key].append(Cue(from_, to, text))
    return [
        Transcript(row.pk, row.language, label, tuple(cues[row.pk]))
        for row, label in labelled(rows)
        if cues[row.pk]
    ]


def labelled(rows: Iterable[Subtitles]) -> list[tuple[Subtitles, str]]:
    """Subtitles of a film with what the reader calls each, the reader's own language first."""
    listed = [(row, languages.name(row.language)) for row in rows]
    names = [name for _row, name in listed]
    own = languages.base(get_language() or "en")
    with_labels = [
        (row, f"{name} · {row.original_name or row.pk}" if names.count(name) > 1 else name)
        for row, name in listed
    ]
    return sorted(
        with_labels, key=lambda pair: (languages.base(pair[0].language) != own, pair[1], pair[0].pk)
    )
