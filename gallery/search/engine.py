"""The one search of pages, API and commands: a query becomes hits, one a shot, few a film.

Pictures are ranked by the vector of `gallery.search.query_vectors`, dialogue by full text in Redis;
reciprocal rank fusion merges both.
"""

from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import NamedTuple

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import ArrayLike, NDArray

from gallery.clip import encoder, weights
from gallery.clip.types import Vector, Vectors
from gallery.core.errors import QueryError
from gallery.films import catalogue as library
from gallery.films.catalogue import Catalogue, ListedFilm
from gallery.films.shortcuts import thumbnail_url
from gallery.index import frame_index
from gallery.index.server import translate_redis_errors, version
from gallery.index.types import FrameKey, FrameRecord, Neighbour, Scope
from gallery.search import baseline, query_vectors, ranking
from gallery.search.baseline import LibraryBaseline, is_chinese
from gallery.search.query_vectors import Avoided, Term
from gallery.search.ranking import ShotKey, shot_key
from gallery.search.types import Example, Hit, Mode, Order, Query, Results
from gallery.transcripts import dialogue
from gallery.transcripts.types import SpokenLine

FRAMES_PER_HIT = 8  # asked of the index for each hit wanted: a shot has several frames
MAX_FRAMES = 10_000  # asked of the index in one query, at the most
# Frames of one shot in an answer, beyond which later queries leave that shot out: a still shot of
# four hours would fill them all.
MAX_FRAMES_PER_SHOT = 2 * FRAMES_PER_HIT
# Frames that a graph looks at for words. Vectors of words lie far from those of pictures, where a
# graph of pictures misses many: of the nearest 25 in 360,000, half at 200 and a tenth at 1600. Of
# those near a frame it misses none at 200.
CANDIDATES_FOR_WORDS = 1600
MAX_LINES = 200  # of dialogue that are ranked
MIN_PENALIZED = 2_000  # frames that are checked for what is to be avoided
FUSED = 200  # shots that are looked for at first, to be fused with the dialogue
FEW = 4  # hits of one film, in a library of many
BY_TIME = 200  # best hits that are put in the order of time
MAX_RECENT = 100  # searches whose hits are kept at hand
MAX_WORDS = 100  # of which the probability can be asked at once
CLOSE = 0.75  # of the relevance of the nearest frame, if that matches, is a match, too
PARTLY_SAID = 0.5  # the relevance of a line that holds only some of the words


@dataclass(frozen=True, slots=True)
class Candidate:
    """A shot that was found, by its pictures (`seen`, a cosine), by what is said, or both.

    `second` is that of the frame that shows it, `score` what it is ranked by.
    """

    film: int
    second: int
    shot: int
    score: float
    seen: float | None = None
    line: SpokenLine | None = None

    @property
    def key(self) -> FrameKey:
        """The frame that shows it."""
        return self.film, self.second

    def matches(self, fit: float) -> bool:
        """Whether it shows what was asked for, from the cosine `fit` on, or says all of it."""
        return (self.line is not None and self.line.complete) or (
            self.seen is not None and self.seen >= fit
        )


@dataclass(frozen=True, slots=True)
class Scale:
    """What cosines mean within a query: that of an `ordinary` frame, and of the `best`.

    A frame shows what was asked for from the cosine `fit` on.
    """

    ordinary: float
    best: float
    fit: float

    def relevance(self, cosines: ArrayLike) -> NDArray[np.float64]:
        """0 for an ordinary frame, 1 for the best: an array of the same shape."""
        if self.best <= self.ordinary:
            return np.zeros_like(cosines, float)
        part = (np.asarray(cosines, float) - self.ordinary) / (self.best - self.ordinary)
        return np.clip(part, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Plan:
    """A query made ready: its terms, the vector they make, and where it looks."""

    query: Query
    terms: list[Term]
    avoided: list[Avoided]
    vector: Vector | None
    scope: Scope
    ordinary: LibraryBaseline
    max_per_film: int | None
    catalogue: Catalogue

    def may_give_more(self, film: ListedFilm) -> bool:
        """Whether a film has more shots than hits that it may have: all are ranked in the end."""
        return (
            self.vector is not None
            and not self.scope.labels
            and self.max_per_film is not None
            and film.shot_count > self.max_per_film
        )

    def penalties(self, rows: Vectors) -> Vector:
        """What frames, of shape (n, width), lose of their cosines: shape (n,)."""
        lost = np.zeros(len(rows), np.float32)
        if self.vector is not None:
            spread = self.ordinary.level(self.vector)[1]
            for one in self.avoided:
                lost += spread * one.penalties(rows)
        return lost

    def scale(self, nearest: float | None) -> Scale:
        """What cosines mean, when that of the `nearest` frame is known.

        What hardly matches is no full match for being the nearest; when it matches, so does what
        comes close to it. Of a query of several terms it is not known what matches: then all counts
        that is found (-1).
        """
        if self.vector is None or nearest is None:
            return Scale(0.0, 0.0, -1.0)
        ordinary = self.ordinary.level(self.vector)[0]
        if len(self.terms) != 1:
            return Scale(ordinary, nearest, -1.0)
        fit = self.terms[0].fit
        if nearest >= fit:
            fit = min(fit, ordinary + CLOSE * (nearest - ordinary))
        return Scale(ordinary, max(fit, nearest), fit)


@dataclass(frozen=True, slots=True)
class SearchRun:
    """A query and all that was found for it, the best first.

    `lines` are those in which the words are said, one a shot. `fits`: the nearest frame shows what
    was asked for. `crowded` are the films that have more shots than they may give.
    """

    plan: Plan
    candidates: list[Candidate]
    lines: list[SpokenLine]
    fits: bool
    scale: Scale
    crowded: frozenset[int]

    def results(self) -> Results:
        """The page of hits that the query asks for."""
        query, fit = self.plan.query, self.scale.fit
        first = (query.page - 1) * query.page_size
        ranked = self.candidates
        matching = sum(one.matches(fit) for one in ranked)
        if query.order is Order.TIME:
            ranked = sorted(ranked[:BY_TIME], key=self._by_time)
        page = ranked[first : first + query.page_size]
        is_split = query.order is Order.RELEVANCE and 0 < matching in range(
            first, first + len(page)
        )
        return Results(
            hits=self._hits(page),
            more=len(ranked) > first + query.page_size,
            matches=self.fits or any(line.complete for line in self.lines),
            rest=matching - first if is_split else None,
            notices=notices(query),
        )

    def _by_time(self, one: Candidate) -> tuple[str, int, int]:
        return self.plan.catalogue.films[one.film].title, one.film, one.shot

    def _hits(self, page: Sequence[Candidate]) -> list[Hit]:
        """Candidates with all that a page shows of them; frames that are gone are left out."""
        records = {one.line.record.key: one.line.record for one in page if one.line}
        records |= frame_index.current().records(one.key for one in page if one.key not in records)
        return [self._hit(one, records[one.key]) for one in page if one.key in records]

    def _hit(self, one: Candidate, record: FrameRecord) -> Hit:
        film = self.plan.catalogue.films[one.film]
        return Hit(
            film=film.pk,
            title=film.title,
            year=film.year,
            second=record.second,
            time=record.time,
            shot=record.shot,
            start=record.start,
            end=record.end,
            score=one.score,
            relevance=relevance(one.seen, one.line, self.scale),
            thumbnail=thumbnail_url(film, record.second),
            rate=film.rate,
            line=one.line,
            matches=one.matches(self.scale.fit),
            more_in_film=film.pk in self.crowded or self.plan.may_give_more(film),
        )


def search(query: Query, catalogue: Catalogue | None = None) -> Results:
    """Find the shots that a query describes: one page of them.

    Raises QueryError when it cannot be done as asked, and IndexUnavailable when not now.
    """
    key = _recent_key(query)
    results = run(query, catalogue).results()
    with _recent_lock:
        _recent[key] = results.hits
        while len(_recent) > MAX_RECENT:
            _recent.popitem(last=False)
    return results


def recent_hits(query: Query) -> list[Hit]:
    """The hits that `search` gives, kept from a recent search unless the index has changed."""
    return _recent.get(_recent_key(query)) or search(query).hits


_recent: OrderedDict[Hashable, list[Hit]] = OrderedDict()
_recent_lock = Lock()


def _recent_key(query: Query) -> Hashable:
    frames, lines = frame_index.current(), dialogue.current()
    with translate_redis_errors():
        return query, version(frames.client, frames.version_key, lines.version_key)


def run(query: Query, catalogue: Catalogue | None = None) -> SearchRun:
    """Rank the shots that a query describes, as far as its page needs them.

    `catalogue`: the films of now, if they have been read already. Raises as `search` does.
    """
    plan = build_plan(query, catalogue or library.load_catalogue())
    wanted = BY_TIME if query.order is Order.TIME else query.page * query.page_size + 1
    # Lines that hold only some of the words cost much and are seldom needed: see below.
    found_lines = _spoken(plan, partly=False) if plan.vector is not None else []
    lines = [line for line in found_lines if line.complete]
    # Where no line is fused with the pictures, their ranking is only needed as far as it is shown.
    # What is avoided may change their order, so that more of it is.
    is_reordered = bool(plan.avoided) and bool(query.words) and query.mode is Mode.BOTH
    seen = _seen(plan, wanted, FUSED if lines or is_reordered else wanted)
    fits = _fits(plan, seen.shots)
    # Half a line is no answer to words that are seen, or said in full.
    if not (seen.shots and (fits or lines)):
        lines = _spoken(plan, partly=True)
        seen = _seen(plan, wanted, FUSED) if seen.shots and lines else seen
    found = fuse(seen.shots, lines, min(FUSED, seen.first))
    scale = plan.scale(max((one.seen for one in found if one.seen is not None), default=None))
    found.sort(key=lambda one: not one.matches(scale.fit))
    found, more = ranking.few_per_film(found, lambda one: one.film, plan.max_per_film)
    return SearchRun(plan, found, lines, fits, scale, frozenset(seen.crowded | more))


def build_plan(query: Query, catalogue: Catalogue) -> Plan:
    """Make a query ready. Raises QueryError when it asks for nothing."""
    if query.kind is None:
        if query.avoided or query.less:
            raise QueryError(
                _(
                    "Add something to search for: words, a picture or a frame. Words to avoid are "
                    "not enough."
                )
            )
        raise QueryError(_("Nothing to search for. Enter words, or add a picture or a frame."))
    films = len(catalogue.searchable)
    here = baseline.get_baseline(films)
    by_pictures = query if query.mode is not Mode.SAID else replace(query, words="")
    terms = query_vectors.build_terms(by_pictures, here)
    asked = any(term.weight > 0 for term in terms)
    scope = _scope(query, catalogue)
    count = len(scope.films) if scope.films is not None else films
    return Plan(
        query=query,
        terms=terms,
        avoided=query_vectors.build_penalty(by_pictures, terms, here) if asked else [],
        vector=query_vectors.combine(terms, here) if asked else None,
        scope=scope,
        ordinary=here,
        max_per_film=query.per_film if query.per_film is not None else _few(count, query.page_size),
        catalogue=catalogue,
    )


def _few(films: int, page_size: int) -> int | None:
    """How many hits a film may have: few where there are many films, all where there is one."""
    return None if films <= 1 else max(FEW, -(-page_size // films))


def _scope(query: Query, catalogue: Catalogue) -> Scope:
    films: tuple[int, ...] | None = query.films or None
    first, last = query.years
    if first or last:
        of_years = [
            film.pk
            for film in catalogue.films.values()
            if film.year is not None and (first or 0) <= film.year <= (last or film.year)
        ]
        films = tuple(pk for pk in of_years if films is None or pk in films)
    return Scope(films=films, labels=query.labels, dull=query.own is not None)


class _Seen(NamedTuple):
    """Shots near a plan's vector, best first, and the films that have more than they may give.

    `first` is how many of the shots the first look found, which is the same for all pages.
    """

    shots: list[Neighbour]
    crowded: set[int]
    first: int


def _seen(plan: Plan, wanted: int, first_wanted: int) -> _Seen:
    """At least `wanted` shots, or all that there are; the first look is for `first_wanted`."""
    found = _Seen([], set(), 0)
    for found in _widening(plan, min(MAX_FRAMES, first_wanted * FRAMES_PER_HIT)):
        if len(found.shots) >= wanted:
            break
    return found


def _widening(plan: Plan, count: int) -> Iterator[_Seen]:
    """What wider and wider looks find, the first of them at `count` frames.

    Each look leaves out the films that have given all they may, and the shots that fill the answer
    with their frames; when there are none of these, it takes in more frames.
    """
    if plan.vector is None:
        return
    here, scope = frame_index.current(), plan.scope
    if plan.avoided:
        # Always as many: what sinks on one page must not come up on another.
        count = max(count, MIN_PENALIZED)
    candidates = CANDIDATES_FOR_WORDS if plan.query.wanted else 0
    first = 0
    met: dict[FrameKey, Neighbour] = {}
    while True:
        found = here.nearest(plan.vector, count, scope, candidates)
        known = [n for n in found if n.film in plan.catalogue.films]
        met |= {n.key: n for n in _penalized(known, plan)}
        shots = _without_wrong(ranking.one_per_shot(list(met.values()), plan.query.own), plan)
        kept, crowded = ranking.few_per_film(shots, lambda n: n.film, plan.max_per_film)
        first = first or len(kept)
        yield _Seen(kept, crowded, first)
        if len(found) < count:
            return
        full = crowded - set(scope.without)
        long = [n for n in ranking.long_shots(found, MAX_FRAMES_PER_SHOT) if n[0] not in full]
        if full or long:
            scope = replace(
                scope,
                without=(*scope.without, *full),
                without_shots=(*scope.without_shots, *long),
            )
        elif count < MAX_FRAMES:
            count = min(MAX_FRAMES, count * 4)
        else:
            return


def _penalized(some: list[Neighbour], plan: Plan) -> list[Neighbour]:
    """The same frames, each with what its cosine has lost for showing what is to be avoided."""
    if not plan.avoided:
        return some
    keys, rows = frame_index.current().embeddings([n.key for n in some])
    lost = dict(zip(keys, plan.penalties(rows).tolist(), strict=True))
    return [n._replace(score=n.score - lost.get(n.key, 0.0)) for n in some]


def _without_wrong(shots: Sequence[Neighbour], plan: Plan) -> list[Neighbour]:
    """Leave out the shots that were marked as wrong."""
    wrong = set(plan.query.less)
    return [n for n in shots if n.key not in wrong]


def _spoken(plan: Plan, *, partly: bool) -> list[SpokenLine]:
    """The lines that hold the words, or `partly` do, best first, one a shot."""
    query = plan.query
    if query.mode is Mode.SEEN or not query.wanted:
        return []
    found = dialogue.find(query.wanted, plan.scope.films, MAX_LINES, partly=partly)
    avoided = [words.casefold() for words in query.avoided]
    kept = [
        line
        for line in found
        if line.record.film in plan.catalogue.films
        and not any(words in line.text.casefold() for words in avoided)
    ]
    if not plan.scope.labels:
        return kept
    # Lines carry no labels: the frames do that they are heard over.
    carried = frame_index.current().labels([line.record.key for line in kept])
    asked = set(plan.scope.labels)
    return [line for line, has in zip(kept, carried, strict=True) if asked <= has]


def fuse(
    pictures: Sequence[Neighbour], lines: Sequence[SpokenLine], count: int = FUSED
) -> list[Candidate]:
    """Two rankings of shots as one, by reciprocal rank fusion.

    The first `count` pictures are fused; those after them follow in their own order.
    """
    if not lines:
        return [Candidate(n.film, n.second, n.shot, n.score, n.score) for n in pictures]
    seen = {shot_key(n): n for n in pictures}
    said: dict[ShotKey, SpokenLine] = {}
    for spoken in lines:
        said.setdefault((spoken.record.film, spoken.record.shot), spoken)
    ranks = {key: rank for rank, key in enumerate(list(seen)[:count])}
    line_ranks = {key: rank for rank, key in enumerate(said)}
    found = []
    # At equal scores, a line comes before a picture.
    for key, score in ranking.fuse_rankings(list(said), list(ranks)).items():
        near, line = seen.get(key), said.get(key)
        is_by_line = line is not None and ranks.get(key, MAX_LINES) >= line_ranks[key]
        film, second = line.record.key if line is not None and is_by_line else seen[key].key
        found.append(Candidate(film, second, key[1], score, near.score if near else None, line))
    rest = [n for key, n in list(seen.items())[count:] if key not in said]
    return found + [Candidate(n.film, n.second, n.shot, 0.0, n.score) for n in rest]


def relevance(seen: float | None, line: SpokenLine | None, scale: Scale) -> float:
    """How relevant a frame is, 0 to 1: of cosine `seen`, with a `line` that was found over it."""
    said = 0.0 if line is None else relevance_of_line(line)
    return said if seen is None else max(said, float(scale.relevance(seen)))


def relevance_of_line(line: SpokenLine) -> float:
    """1 for a line that holds all the words, less for one that holds some."""
    return 1.0 if line.complete else PARTLY_SAID


def _fits(plan: Plan, seen: Sequence[Neighbour]) -> bool:
    """Whether the nearest frame shows what was asked for, or is merely the nearest of all."""
    asked = [term for term in plan.terms if term.weight > 0]
    if plan.query.own or not seen:
        return bool(plan.query.own)
    if len(plan.terms) == 1:
        return seen[0].score >= asked[0].fit
    best = frame_index.current().vector(*seen[0].key)
    return best is not None and any(float(best @ term.vector) >= term.fit for term in asked)


def notices(query: Query) -> list[str]:
    """What the user should know about the words of a query, as sentences."""
    if not query.wanted or query.mode is Mode.SAID:
        return []
    said = []
    if is_chinese(query.words) and not weights.current().reads_chinese:
        said.append(
            _(
                "The current model, %(model)s, understands only English, so Chinese words mean "
                "little to it. Search in English, or ask an administrator to set CLIP_MODEL to "
                "a bilingual model such as OFA-Sys/chinese-clip-vit-base-patch16."
            )
            % {"model": weights.current().name}
        )
    if encoder.current().is_cut(query.wanted):
        said.append(_("The query is too long for the model; the end was ignored."))
    return said


def similar(film: int, second: int, count: int) -> list[Hit]:
    """Shots that look like a frame, its own left out."""
    found = search(Query(examples=(Example((film, second)),), page_size=count + 1))
    return [hit for hit in found.hits if hit.key != (film, second)][:count]


def probabilities(film: int, second: int, words: Sequence[str]) -> list[tuple[str, float]]:
    """How probable each word is for a frame, most probable first; they sum to 1.

    Raises QueryError for no words, too many, or one that is too long.
    """
    if not words:
        raise QueryError(_("Enter some words, one per line or separated by commas."))
    if len(words) > MAX_WORDS:
        raise QueryError(_("Enter at most %(most)d words.") % {"most": MAX_WORDS})
    for word in words:
        query_vectors.check_length(word)
    odds = encoder.current().probabilities(query_vectors.load_frame_vector((film, second)), words)
    return sorted(zip(words, odds, strict=True), key=lambda pair: -pair[1])
