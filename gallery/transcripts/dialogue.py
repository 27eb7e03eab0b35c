"""Dialogue of films: its index in Redis, full-text search, and transcripts for pages.

The database is the truth. The index is built from it film by film, and rebuilt wherever the two
differ (`reconcile`). Dialogue does not depend on the model.
"""

import hashlib
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils.text import capfirst
from django.utils.translation import get_language, ngettext, npgettext

from gallery.core.errors import IndexMissing
from gallery.films.footage import load_footage
from gallery.films.models import Film
from gallery.index import server
from gallery.index.types import FrameRecord
from gallery.transcripts import languages, line_index, phrases
from gallery.transcripts.box_path import BoxPath
from gallery.transcripts.line_index import Expression, IndexedLine, LineIndex
from gallery.transcripts.line_search import LineSearch
from gallery.transcripts.line_shots import ShotLookup
from gallery.transcripts.models import Line, Subtitles
from gallery.transcripts.subtitle_formats import Cue
from gallery.transcripts.types import FoundLine, LineKind
from gallery.transcripts.words import stem, tokenize

log = logging.getLogger(__name__)

MAX_SIMILAR = 100  # lines that are read for words similar to a misspelt one


def current() -> LineIndex:
    """Return the line index of this installation."""
    client = server.connect_index()
    return LineIndex(client, prefix=f"{settings.INDEX_PREFIX}:dialogue")


# --- indexing -------------------------------------------------------------------------------------


def put(film_id: int) -> int:
    """Index a film's lines as the database has them. Return the number of lines.

    The lines of a film that is not searchable, or has none, are removed. Raises IndexUnavailable,
    and FileNotFoundError when the film's frames are missing from the media store.
    """
    film = Film.objects.filter(pk=film_id, searchable_run__isnull=False).first()
    if film is None or film.searchable_run is None or not _states(Q(film=film_id)):
        drop(film_id)
        return 0
    footage = load_footage(film, film.searchable_run)
    return put_run(film, film.searchable_run, footage.records)


def put_run(film: Film, run: int, rows: Sequence[FrameRecord]) -> int:
    """Index a film's lines over the frames `rows` of this run. Return the number of lines.

    Raises IndexUnavailable.
    """
    index = current()
    state = _states(Q(film=film), run).get(film.pk)
    if state is None:
        index.drop(film.pk)
        return 0
    lines = list(_indexed_lines(film, rows))
    index.put(film.pk, lines, state)
    return len(lines)


def drop(film_id: int) -> None:
    """Remove a film's lines from the index. Raises IndexUnavailable."""
    current().drop(film_id)


def is_current(film_id: int) -> bool:
    """Return whether the index matches the database for a film. Raises IndexUnavailable."""
    return current().state(film_id) == _states(Q(film=film_id)).get(film_id, "")


def stale() -> list[int]:
    """Return films whose indexed lines differ from the database. Raises IndexUnavailable."""
    wanted, indexed = _states(Q()), current().states()
    return sorted(film for film in wanted | indexed if wanted.get(film) != indexed.get(film))


def reconcile(time_limit: float = float("inf")) -> int:
    """Index the lines of all films that differ from the database. Return the number of films
    changed.

    It runs periodically and repairs what a crash or an unreachable server left undone. It stops
    after `time_limit` seconds; the next run does the rest.
    """
    end = time.monotonic() + time_limit
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
    """Return a hash of what each film's lines in the index depend on, for films that have lines.

    `run` is the run that is, or is about to be, searched; without it, only searchable films count.
    """
    rows = (
        Subtitles.objects.shown()
        .filter(which)
        .order_by("film_id", "id")
        .values_list("film_id", "film__searchable_run", "id", "language", "line_count")
    )
    inputs: dict[int, list[Any]] = defaultdict(list)
    for film_id, searched, *rest in rows:
        if run is not None or searched is not None:
            inputs[film_id].append((run if run is not None else searched, *rest))
    return {
        film_id: hashlib.sha256(repr((line_index.SCHEMA, rest)).encode()).hexdigest()[:16]
        for film_id, rest in inputs.items()
    }


def _indexed_lines(film: Film, rows: Sequence[FrameRecord]) -> Iterable[IndexedLine]:
    """Yield a film's lines, except those after its end, with the frames they are heard over."""
    lookup = ShotLookup(rows)
    lines = Line.objects.filter(subtitles__film=film, subtitles__is_hidden=False)
    for line in lines.select_related("subtitles").iterator():
        if line.start < lookup.end:
            record, path = lookup.frame_for_line(line.start, line.end), line.path
            yield IndexedLine(
                subtitles=line.subtitles_id,
                number=line.number,
                language=line.subtitles.language,
                start=line.start,
                end=line.end,
                text=line.text,
                record=record,
                kinds=line.subtitles.kinds,
                box=path.box_at(record.time) if path else None,
            )


# --- searching ------------------------------------------------------------------------------------


def find(
    words: str,
    films: Collection[int] | None,
    count: int,
    *,
    partly: bool = True,
    kind: LineKind | None = None,
) -> list[FoundLine]:
    """Return the lines that contain `words`, best first: at most `count`, one per shot.

    `films` are the ids of the films to search, `kind` the lines; None for all. Quoted phrases must
    match exactly. Lines with all the words come first. If `partly`, lines with some of them follow
    (`complete` is False), ordered by how much they contain. A word that occurs in no line may match
    a similar one.

    Raises IndexUnavailable when the index cannot answer now.
    """
    query = phrases.parse_phrases(words)
    if not query.units or count < 1:
        return []
    index = current()
    try:
        groups = index.groups()
    except IndexMissing:
        if Line.objects.shown().filter(subtitles__film__searchable_run__isnull=False).exists():
            raise
        return []
    return (
        LineSearch(index, query, groups, films, kind).best(count, partly=partly) if groups else []
    )


def line_kinds() -> frozenset[LineKind]:
    """Return the kinds of lines that any film has."""
    sources = Subtitles.objects.shown().order_by()
    found = sources.values_list("source", flat=True).distinct()
    return frozenset().union(*(Subtitles.KINDS[Subtitles.Source(source)] for source in found))


def count_similar_words(word: str) -> Counter[str] | None:
    """Return words of the dialogue that `word` may be a misspelling of, with how often they occur
    in a sample of lines; None if the dialogue contains the word in any form.

    Raises IndexUnavailable.
    """
    index = current()
    try:
        groups = index.groups()
    except IndexMissing:
        return Counter()
    itself, similar = Expression(), Expression()
    stems = itself.stems({stem(word, group): None for group in groups} or [word])
    if index.totals([(stems, itself)])[0]:
        return None
    [lines] = index.ask([(similar.similar(word, phrases.max_typos(word)), similar)], MAX_SIMILAR)
    forms = (token.form for found in lines for token in tokenize(found.line.text))
    return Counter(form for form in forms if phrases.is_misspelling_of(word, form))


# --- transcripts ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Transcript:
    """Lines of a film in one language and from one source; `subtitles` is the id of their row.

    `language` is a BCP 47 tag. `label` names language and source in the user's language, made
    unique within the film. `lines` are in time order, in seconds of the film; `paths` says where
    each stands in the picture, None if it does not.
    """

    subtitles: int
    language: str
    label: str
    lines: tuple[Cue, ...]
    paths: tuple[BoxPath | None, ...]
    kinds: frozenset[LineKind]


def lines(
    film: Film | int,
    start: float | None = None,
    end: float | None = None,
    tags: Collection[str] | None = None,
) -> list[Transcript]:
    """Return a film's lines from the database, one transcript for each of its subtitles.

    `start` and `end` (seconds) select lines that are shown between them, `tags` selects languages.
    The user's language comes first. Transcripts without lines are omitted.
    """
    rows = Subtitles.objects.shown().filter(film=film)
    if tags is not None:
        rows = rows.filter(language__in=tags)
    wanted = Q(subtitles__in=rows)
    if start is not None:
        wanted &= Q(end__gt=start)
    if end is not None:
        wanted &= Q(start__lt=end)
    cues: dict[int, list[Cue]] = defaultdict(list)
    paths: dict[int, list[BoxPath | None]] = defaultdict(list)
    found = Line.objects.filter(wanted).order_by("subtitles_id", "start", "number")
    columns = ("subtitles_id", "start", "end", "text", "box")
    for key, begin, until, text, box in found.values_list(*columns):
        cues[key].append(Cue(begin, until, text))
        paths[key].append(BoxPath.from_json(box))
    return [
        Transcript(
            row.pk, row.language, label, tuple(cues[row.pk]), tuple(paths[row.pk]), row.kinds
        )
        for row, label in label_subtitles(rows)
        if cues[row.pk]
    ]


def label_subtitles(rows: Iterable[Subtitles]) -> list[tuple[Subtitles, str]]:
    """Return subtitles of a film with unique labels in the user's language, which comes first.

    Text that stands in the scene comes after what is said.
    """
    listed = [(row, _name_source(row)) for row in rows]
    names = [name for _row, name in listed]
    reader = languages.base(get_language() or "en")
    with_labels = [
        (
            row,
            f"{name} · {row.original_name or format_line_count(row)}"
            if names.count(name) > 1
            else name,
        )
        for row, name in listed
    ]

    def order(pair: tuple[Subtitles, str]) -> tuple[bool, bool, bool, str, int]:
        row, label = pair
        is_foreign = languages.base(row.language) != reader
        return (
            LineKind.SAID not in row.kinds,
            is_foreign,
            row.source in Subtitles.CORRECTABLE,
            label,
            row.pk,
        )

    return sorted(with_labels, key=order)


def format_line_count(row: Subtitles) -> str:
    """Return the number of lines; Chinese has another word for text that nobody says."""
    if LineKind.SAID in row.kinds:
        said = ngettext("%(n)d line", "%(n)d lines", row.line_count)
    else:
        said = npgettext("text in the picture", "%(n)d line", "%(n)d lines", row.line_count)
    return said % {"n": row.line_count}


def _name_source(row: Subtitles) -> str:
    """Return the language, and the source if a machine read or heard the lines."""
    language = languages.name(row.language)
    if row.source not in Subtitles.CORRECTABLE:
        return language
    source = row.get_source_display()
    if row.language == languages.UNKNOWN:
        return capfirst(source)
    return f"{language} · {source}"
