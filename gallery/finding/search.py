"""The one search of pages, API and commands: a query becomes hits, one a shot, few a film.

Pictures are ranked by the vector of `gallery.nearest.vectors`, dialogue by Redis full text, and
both are made one by reciprocal rank fusion.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from django.urls import reverse
from django.utils.translation import gettext as _
from numpy.typing import ArrayLike, NDArray

from gallery.embedding import encoder, weights
from gallery.errors import QueryError
from gallery.finding import ranking
from gallery.finding.ranking import ShotKey, shot_key
from gallery.models import Film
from gallery.nearest import index, library, ordinary, vectors
from gallery.nearest.ordinary import Ordinary, is_chinese
from gallery.nearest.vectors import Avoided, Term
from gallery.speech import dialogue
from gallery.types import (
    Example,
    FrameKey,
    FrameRecord,
    Hit,
    Mode,
    Neighbour,
    Order,
    Query,
    Results,
    Scope,
    Spoken,
    Vector,
    Vectors,
)

FRAMES_PER_HIT = 8  # asked of the index for each hit wanted: a shot has several frames
MOST_FRAMES = 10_000  # asked of the index in one query, at the most
MOST_LINES = 200  # of dialogue that are ranked
RANKED_ANEW = 2_000  # frames that are looked at for what is to be avoided
FUSED = 200  # shots of the picture ranking that are fused with the dialogue; the rest follow
FEW = 4  # hits of one film, in a library of many
BY_TIME = 200  # best hits that are put in the order of time
MOST_WORDS = 100  # of which the probability can be asked at once
CLOSE = 0.75  # of the relevance of the nearest frame, if that matches, is a match, too
PARTLY_SAID = 0.5  # the relevance of a line that holds only some of the words


@dataclass(frozen=True, slots=True)
class _Found:
    """A shot that was found, by its pictures (`seen`, a cosine), by what is said, or both."""

    record: FrameRecord
    score: float
    seen: float | None = None
    line: Spoken | None = None

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
    ordinary: Ordinary
    most: int | None

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


def search(query: Query) -> Results:
    """Find the shots that a query describes.

    Raises QueryError when it cannot be done as asked, and IndexUnavailable when not now.
    """
    plan = planned(query)
    first = (query.page - 1) * query.page_size
    wanted = BY_TIME if query.order is Order.TIME else first + query.page_size + 1
    films: dict[int, Film] = {}
    seen, crowded = _seen(plan, wanted, films)
    fits = _fits(plan, seen)
    said = spoken(plan, films)
    if seen and (fits or any(line.complete for line in said)):
        # Half a line is no answer to words that are seen, or said in full.
        said = [line for line in said if line.complete]
    found = _merged(seen, said) if said else [_Found(n.record, n.score, n.score) for n in seen]
    scale = plan.scale(max((one.seen for one in found if one.seen is not None), default=None))
    found.sort(key=lambda one: not one.matches(scale.fit))
    found, more = ranking.few_per_film(found, lambda one: one.record.film, plan.most)
    matching = sum(one.matches(scale.fit) for one in found)
    if query.order is Order.TIME:
        found = sorted(
            found[:BY_TIME],
            key=lambda one: (films[one.record.film].title, one.record.film, one.record.start),
        )
    page = found[first : first + query.page_size]
    is_parted = query.order is Order.RELEVANCE and 0 < matching in range(first, first + len(page))
    return Results(
        hits=[
            _hit(
                one,
                films[one.record.film],
                relevance(one.seen, one.line, scale),
                matches=one.matches(scale.fit),
                more_in_film=one.record.film in crowded | more,
            )
            for one in page
        ],
        more=len(found) > first + query.page_size,
        matches=fits or any(line.complete for line in said),
        rest=matching - first if is_parted else None,
        notices=notices(query),
    )


def planned(query: Query) -> Plan:
    """Make a query ready. Raises QueryError when it asks for nothing."""
    if query.kind is None:
        if query.avoided or query.less:
            raise QueryError(
                _("Say what to look for, too: words, a picture or a frame, not only what to avoid.")
            )
        raise QueryError(_("There is nothing to search for: give words, a picture or a frame."))
    films = library.searchable().count()
    here = ordinary.of_library(films)
    by_pictures = query if query.mode is not Mode.SAID else replace(query, words="")
    terms = vectors.terms(by_pictures, here)
    asked = any(term.weight > 0 for term in terms)
    scope = _scope(query)
    count = len(scope.films) if scope.films is not None else films
    return Plan(
        query=query,
        terms=terms,
        avoided=vectors.avoided(by_pictures, terms, here) if asked else [],
        vector=vectors.combined(terms, here) if asked else None,
        scope=scope,
        ordinary=here,
        most=query.per_film if query.per_film is not None else _few(count, query.page_size),
    )


def _few(films: int, page_size: int) -> int | None:
    """How many hits a film may have: few where there are many films, all where there is one."""
    return None if films <= 1 else max(FEW, -(-page_size // films))


def _scope(query: Query) -> Scope:
    films: tuple[int, ...] | None = query.films or None
    first, last = query.years
    if first or last:
        of_years = Film.objects.filter(year__gte=first or 0, year__lte=last or 10_000)
        if films is not None:
            of_years = of_years.filter(pk__in=films)
        films = tuple(of_years.values_list("pk", flat=True))
    own = query.own is not None
    return Scope(films=films, labels=query.labels, dull=own)


def _seen(plan: Plan, wanted: int, films: dict[int, Film]) -> tuple[list[Neighbour], set[int]]:
    """The shots whose frames lie nearest, best first, and the films that have more of them.

    Films that have given all they may are left out of the next, wider look. `films` is filled
    with those that were met.
    """
    if plan.vector is None:
        return [], set()
    here = index.current()
    if plan.query.words and plan.query.mode is Mode.BOTH:
        wanted = max(wanted, FUSED)
    count = min(MOST_FRAMES, wanted * FRAMES_PER_HIT)
    if plan.avoided:
        # Always as many: what sinks on one page must not come up on another.
        count = max(count, RANKED_ANEW)
    met: dict[FrameKey, Neighbour] = {}
    scope = plan.scope
    while True:
        some = here.nearest(plan.vector, count, scope)
        _meet({n.record.film for n in some}, films)
        met |= {n.record.key: n for n in _penalized(some, plan) if n.record.film in films}
        shots = _without_wrong(ranking.one_per_shot(list(met.values()), plan.query.own), plan)
        kept, crowded = ranking.few_per_film(shots, lambda n: n.record.film, plan.most)
        if len(kept) >= wanted or len(some) < count:
            return kept, crowded
        full = crowded - set(scope.without)
        if full:
            scope = replace(scope, without=(*scope.without, *full))
        elif count < MOST_FRAMES:
            count = min(MOST_FRAMES, count * 4)
        else:
            return kept, crowded


def _penalized(some: list[Neighbour], plan: Plan) -> list[Neighbour]:
    """The same frames, each with what its cosine has lost for showing what is to be avoided."""
    if not plan.avoided:
        return some
    keys, rows = index.current().embeddings([n.record.key for n in some])
    lost = dict(zip(keys, plan.penalties(rows).tolist(), strict=True))
    return [replace(n, score=n.score - lost.get(n.record.key, 0.0)) for n in some]


def _meet(ids: set[int], films: dict[int, Film]) -> None:
    """Look up films by their ids; those that are gone or not searchable are left out."""
    unknown = ids - films.keys()
    films.update(Film.objects.filter(searchable_run__isnull=False).in_bulk(unknown))


def _without_wrong(shots: Sequence[Neighbour], plan: Plan) -> list[Neighbour]:
    """Leave out the shots that were marked as wrong."""
    wrong = set(plan.query.less)
    return [n for n in shots if n.record.key not in wrong]


def spoken(plan: Plan, films: dict[int, Film]) -> list[Spoken]:
    """The lines that hold the words, best first, one a shot."""
    query = plan.query
    if query.mode is Mode.SEEN or not query.wanted:
        return []
    found = dialogue.find(query.wanted, plan.scope.films, MOST_LINES)
    _meet({line.record.film for line in found}, films)
    avoided = [words.casefold() for words in query.avoided]
    kept = [
        line
        for line in found
        if line.record.film in films and not any(words in line.text.casefold() for words in avoided)
    ]
    if not plan.scope.labels:
        return kept
    # Lines carry no labels: the frames do that they are heard over.
    carried = index.current().labels([line.record.key for line in kept])
    asked = set(plan.scope.labels)
    return [line for line, has in zip(kept, carried, strict=True) if asked <= has]


def _merged(seen: Sequence[Neighbour], said: Sequence[Spoken]) -> list[_Found]:
    """Both rankings as one. What lies deep in the picture ranking follows in its own order."""
    pictures = {shot_key(n): n for n in seen}
    lines: dict[ShotKey, Spoken] = {}
    for line in said:
        lines.setdefault((line.record.film, line.record.shot), line)
    top = list(pictures)[:FUSED]
    scores: Mapping[ShotKey, float] = ranking.fused(top, list(lines)) if top else {}
    scores = scores or ranking.fused(list(lines))
    picture_ranks = {key: rank for rank, key in enumerate(top)}
    found = []
    for rank, (key, line) in enumerate(lines.items()):
        near = pictures.get(key)
        record = near.record if near and picture_ranks.get(key, FUSED) < rank else line.record
        found.append(_Found(record, scores[key], near.score if near else None, line))
    found += [
        _Found(pictures[k].record, scores[k], pictures[k].score) for k in top if k not in lines
    ]
    found.sort(key=lambda one: -one.score)
    rest = [n for key, n in list(pictures.items())[FUSED:] if key not in lines]
    return found + [_Found(n.record, 0.0, n.score) for n in rest]


def relevance(seen: float | None, line: Spoken | None, scale: Scale) -> float:
    """How relevant a frame is, 0 to 1: of cosine `seen`, with a `line` that was found over it."""
    said = 0.0 if line is None else relevance_of_line(line)
    return said if seen is None else max(said, float(scale.relevance(seen)))


def relevance_of_line(line: Spoken) -> float:
    """1 for a line that holds all the words, less for one that holds some."""
    return 1.0 if line.complete else PARTLY_SAID


def _fits(plan: Plan, seen: Sequence[Neighbour]) -> bool:
    """Whether the nearest frame shows what was asked for, or is merely the nearest of all."""
    asked = [term for term in plan.terms if term.weight > 0]
    if plan.query.own or not seen:
        return bool(plan.query.own)
    if len(plan.terms) == 1:
        return seen[0].score >= asked[0].fit
    best = index.current().vector(seen[0].record.film, seen[0].record.second)
    return best is not None and any(float(best @ term.vector) >= term.fit for term in asked)


def notices(query: Query) -> list[str]:
    """What the user should know about the words of a query, as sentences."""
    if not query.wanted or query.mode is Mode.SAID:
        return []
    said = []
    if is_chinese(query.words) and not weights.current().reads_chinese:
        said.append(
            _(
                "The model in use, %(model)s, knows English only, so Chinese words mean little to "
                "it. Ask in English, or have an administrator set CLIP_MODEL to a bilingual model, "
                "for example OFA-Sys/chinese-clip-vit-base-patch16."
            )
            % {"model": weights.current().name}
        )
    if encoder.current().is_cut(query.wanted):
        said.append(_("The query is longer than the model reads; its end was left out."))
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
        raise QueryError(_("Give some words, one a line or separated by commas."))
    if len(words) > MOST_WORDS:
        raise QueryError(_("At most %(most)d words can be asked at once.") % {"most": MOST_WORDS})
    for word in words:
        vectors.check_length(word)
    odds = encoder.current().probabilities(vectors.of_frame((film, second)), words)
    return sorted(zip(words, odds, strict=True), key=lambda pair: -pair[1])


def thumbnail_address(film: Film, second: int) -> str:
    """Where a frame's small picture is served. It changes with every import: cache it for ever."""
    return reverse("thumbnail", args=[film.uid, film.searchable_run or film.run, second])


def _hit(one: _Found, film: Film, relevance: float, *, matches: bool, more_in_film: bool) -> Hit:
    record = one.record
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
        relevance=relevance,
        thumbnail=thumbnail_address(film, record.second),
        rate=film.rate,
        line=one.line,
        matches=matches,
        more_in_film=more_in_film,
    )
