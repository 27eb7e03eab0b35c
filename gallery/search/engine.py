"""The search engine behind pages, API and commands: a query becomes hits, at most one per shot.

Pictures are ranked by vector similarity (`gallery.search.query_vectors`), dialogue by full-text
search in Redis. Reciprocal rank fusion merges both.
"""

from collections import OrderedDict
from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gallery.clip import encoder, weights
from gallery.core.errors import QueryError
from gallery.films import catalogue as library
from gallery.films.catalogue import Catalogue
from gallery.index import frame_index
from gallery.index.server import translate_redis_errors, version
from gallery.index.types import FrameKey, FrameRecord, Neighbour
from gallery.search import query_vectors, ranking
from gallery.search.baseline import is_chinese
from gallery.search.fusion import FUSION_DEPTH, Candidate, fuse
from gallery.search.plan import Plan, Scale, build_plan
from gallery.search.types import WEB_ADDRESS, Example, Hit, Mode, Order, Query, Results
from gallery.transcripts import dialogue
from gallery.transcripts.types import FoundLine

FRAMES_PER_HIT = 8  # requested from the index for each hit: a shot has several frames
MAX_FRAMES = 10_000  # requested from the index in one query
# Shots with more frames than this in a reply are excluded from the next queries: a still shot of
# four hours would fill the whole reply.
MAX_FRAMES_PER_SHOT = 2 * FRAMES_PER_HIT
MAX_LINES = 200  # of dialogue that are ranked
MIN_PENALIZED_FRAMES = 2_000  # checked for what is to be avoided
MAX_HITS_BY_TIME = 200  # the best hits that are put in order of time
MAX_CACHED_SEARCHES = 100
MAX_WORDS = 100  # in one query for probabilities


@dataclass(frozen=True, slots=True)
class SearchRun:
    """A plan and the shots that were found by it, best first.

    `lines` are the matching lines of dialogue, at most one per shot. `is_match`: the nearest frame
    shows what was asked for. `truncated_films` have more shots than `max_per_film` in the ranking.
    """

    plan: Plan
    candidates: list[Candidate]
    lines: list[FoundLine]
    is_match: bool
    scale: Scale
    truncated_films: frozenset[int]

    def results(self) -> Results:
        """Return the page of hits that the query asks for."""
        query = self.plan.query
        first = (query.page - 1) * query.page_size
        ranked = self.candidates
        matching = sum(candidate.matches(self.scale.threshold) for candidate in ranked)
        if query.order is Order.TIME:
            ranked = sorted(ranked[:MAX_HITS_BY_TIME], key=self._time_key)
        page = ranked[first : first + query.page_size]
        is_split = query.order is Order.RELEVANCE and 0 < matching in range(
            first, first + len(page)
        )
        return Results(
            hits=self._load_hits(page),
            more=len(ranked) > first + query.page_size,
            matches=self.is_match or any(line.complete for line in self.lines),
            rest=matching - first if is_split else None,
            notices=notices(self.plan),
        )

    def _time_key(self, candidate: Candidate) -> tuple[str, int, int]:
        title = self.plan.catalogue.films[candidate.film].title
        return title, candidate.film, candidate.shot

    def _load_hits(self, page: Sequence[Candidate]) -> list[Hit]:
        """Return candidates as hits; those whose frames are gone from the index are left out."""
        records = {c.line.record.key: c.line.record for c in page if c.line}
        records |= frame_index.current().records(c.key for c in page if c.key not in records)
        return [self._hit(c, records[c.key]) for c in page if c.key in records]

    def _hit(self, candidate: Candidate, record: FrameRecord) -> Hit:
        film = self.plan.catalogue.films[candidate.film]
        return Hit(
            listed_film=film,
            second=record.second,
            time=record.time,
            shot=record.shot,
            start=record.start,
            end=record.end,
            score=candidate.score,
            relevance=self.scale.relevance_of(candidate.cosine, candidate.line),
            line=candidate.line,
            matches=candidate.matches(self.scale.threshold),
            more_in_film=film.pk in self.truncated_films or self.plan.may_have_more(film),
        )


# --- searching ------------------------------------------------------------------------------------


def search(query: Query, catalogue: Catalogue | None = None) -> Results:
    """Return one page of the shots that a query describes.

    `catalogue`: the films, if already loaded. Raises QueryError when the query cannot be answered,
    and IndexUnavailable when the index cannot answer now.
    """
    key = _cache_key(query)
    results = rank_shots(query, catalogue).results()
    with _recent_lock:
        _recent[key] = results.hits
        while len(_recent) > MAX_CACHED_SEARCHES:
            _recent.popitem(last=False)
    return results


def recent_hits(query: Query) -> list[Hit]:
    """Return the hits of `search`, from the cache if the index has not changed since."""
    return _recent.get(_cache_key(query)) or search(query).hits


_recent: OrderedDict[Hashable, list[Hit]] = OrderedDict()
_recent_lock = Lock()


def _cache_key(query: Query) -> Hashable:
    frames, lines = frame_index.current(), dialogue.current()
    with translate_redis_errors():
        state = version(frames.client, frames.version_key, lines.version_key)
    return query, frames.prefix, state


def rank_shots(query: Query, catalogue: Catalogue | None = None) -> SearchRun:
    """Rank the shots that a query describes, as far as its page needs them.

    Parameters and errors are those of `search`.
    """
    plan = build_plan(query, catalogue or library.load_catalogue())
    if plan.query.quoted and plan.vector is not None:
        lines = _find_lines(plan, partly=False)
        return _finish(plan, _rank_lines_by_picture(plan, lines), lines, is_match=bool(lines))
    query = plan.query
    wanted = MAX_HITS_BY_TIME if query.order is Order.TIME else query.page * query.page_size + 1
    # Lines that contain only some of the words are expensive and seldom needed: see below.
    found = _find_lines(plan, partly=False) if plan.vector is not None else []
    lines = [line for line in found if line.complete]
    # Without lines to fuse, the ranking of pictures is only needed as far as it is shown. Penalties
    # may change its order, so that more of it is needed.
    is_fused = bool(lines) or (bool(plan.avoided) and bool(query.words) and query.mode is Mode.BOTH)
    pictures = _find_pictures(plan, wanted, FUSION_DEPTH if is_fused else wanted)
    is_match = _is_match(plan, pictures.shots)
    # Part of a line is no answer to words that are shown, or said completely.
    if not (pictures.shots and (is_match or lines)):
        lines = _find_lines(plan, partly=True)
        if pictures.shots and lines:
            pictures = _find_pictures(plan, wanted, FUSION_DEPTH)
    candidates = fuse(pictures.shots, lines, min(FUSION_DEPTH, pictures.first_count))
    return _finish(plan, candidates, lines, is_match=is_match, truncated=pictures.truncated_films)


def _finish(
    plan: Plan,
    candidates: list[Candidate],
    lines: list[FoundLine],
    *,
    is_match: bool,
    truncated: Collection[int] = (),
) -> SearchRun:
    """Put the candidates that match first, and limit those of each film."""
    best = max((c.cosine for c in candidates if c.cosine is not None), default=None)
    scale = plan.scale(best)
    candidates.sort(key=lambda candidate: not candidate.matches(scale.threshold))
    candidates, with_more = ranking.limit_per_film(
        candidates, lambda candidate: candidate.film, plan.max_per_film
    )
    truncated_films = frozenset(with_more.union(truncated))
    return SearchRun(plan, candidates, lines, is_match, scale, truncated_films)


# --- pictures -------------------------------------------------------------------------------------


class _Pictures(NamedTuple):
    """Shots near a plan's vector, best first, and the films with more shots than `max_per_film`.

    `first_count` is how many shots the first query to the index found: the same for all pages.
    """

    shots: list[Neighbour]
    truncated_films: set[int]
    first_count: int


def _find_pictures(plan: Plan, wanted: int, first_wanted: int) -> _Pictures:
    """Return at least `wanted` shots, or all there are; the first query asks for `first_wanted`."""
    found = _Pictures([], set(), 0)
    for found in _widening_queries(plan, min(MAX_FRAMES, first_wanted * FRAMES_PER_HIT)):
        if len(found.shots) >= wanted:
            break
    return found


def _widening_queries(plan: Plan, count: int) -> Iterator[_Pictures]:
    """Yield the results of ever wider queries to the index, the first for `count` frames.

    Each query excludes films that have reached `max_per_film`, and shots that fill the reply with
    their frames. When there are none to exclude, it asks for more frames.
    """
    if plan.vector is None:
        return
    index, scope = frame_index.current(), plan.scope
    if plan.avoided:
        # A constant number: a frame that drops out of one page must not reappear on another.
        count = max(count, MIN_PENALIZED_FRAMES)
    first_count = 0
    frames: dict[FrameKey, Neighbour] = {}
    while True:
        found = index.nearest(plan.vector, count, scope)
        known = [frame for frame in found if frame.film in plan.catalogue.films]
        frames |= {frame.key: frame for frame in _apply_penalties(known, plan)}
        shots = ranking.best_per_shot(list(frames.values()), plan.query.single_frame)
        shots = [shot for shot in shots if shot.key not in plan.query.less]
        kept, truncated = ranking.limit_per_film(shots, lambda shot: shot.film, plan.max_per_film)
        first_count = first_count or len(kept)
        yield _Pictures(kept, truncated, first_count)
        if len(found) < count:
            return
        full_films = truncated - set(scope.excluded_films)
        long_shots = [
            (film, shot)
            for film, shot in ranking.long_shots(found, MAX_FRAMES_PER_SHOT)
            if film not in full_films
        ]
        if full_films or long_shots:
            scope = replace(
                scope,
                excluded_films=(*scope.excluded_films, *full_films),
                excluded_shots=(*scope.excluded_shots, *long_shots),
            )
        elif count < MAX_FRAMES:
            count = min(MAX_FRAMES, count * 4)
        else:
            return


def _apply_penalties(frames: list[Neighbour], plan: Plan) -> list[Neighbour]:
    """Return the frames with their scores reduced for showing what is to be avoided."""
    if not plan.avoided:
        return frames
    keys, rows = frame_index.current().embeddings([frame.key for frame in frames])
    lost = dict(zip(keys, plan.penalties(rows).tolist(), strict=True))
    return [frame._replace(score=frame.score - lost.get(frame.key, 0.0)) for frame in frames]


def _is_match(plan: Plan, shots: Sequence[Neighbour]) -> bool:
    """Return whether the nearest frame shows what was asked for, or is merely the nearest."""
    if plan.query.single_frame:
        return True
    if not shots:
        return False
    positive = [term for term in plan.terms if term.weight > 0]
    if len(plan.terms) == 1:
        return shots[0].score >= positive[0].threshold
    best = frame_index.current().vector(*shots[0].key)
    return best is not None and any(
        float(best @ term.vector) >= term.threshold for term in positive
    )


# --- dialogue -------------------------------------------------------------------------------------


def _find_lines(plan: Plan, *, partly: bool) -> list[FoundLine]:
    """Return the lines that contain the words (or, if `partly`, some), best first, one per shot."""
    query = plan.query
    if query.mode is Mode.SEEN or not query.wanted:
        return []
    # Beside quoted phrases, other words describe the picture, unless only lines are searched.
    words = query.wanted
    if query.quoted and query.mode is Mode.BOTH:
        words = " ".join(f'"{phrase}"' for phrase in query.quoted)
    found = dialogue.find(
        words, plan.scope.films, MAX_LINES, partly=partly, kind=query.mode.line_kind
    )
    avoided = [words.casefold() for words in query.avoided]
    kept = [
        line
        for line in found
        if line.record.film in plan.catalogue.films
        and not any(words in line.text.casefold() for words in avoided)
    ]
    if not plan.scope.labels:
        return kept
    # Lines have no labels of their own: the frames do that they are spoken over.
    labels_of_lines = frame_index.current().labels([line.record.key for line in kept])
    wanted = set(plan.scope.labels)
    return [line for line, labels in zip(kept, labels_of_lines, strict=True) if wanted <= labels]


def _rank_lines_by_picture(plan: Plan, lines: Sequence[FoundLine]) -> list[Candidate]:
    """Return the shots of lines, ranked by how well their frames match the rest of the query."""
    vector = plan.vector
    if vector is None or not lines:
        return []
    keys, rows = frame_index.current().embeddings([line.record.key for line in lines])
    cosines = dict(zip(keys, (rows @ vector - plan.penalties(rows)).tolist(), strict=True))
    found = [
        Candidate(*line.record.key, line.record.shot, cosines[key], cosines[key], line)
        for line in lines
        if (key := line.record.key) in cosines and key not in plan.query.less
    ]
    return sorted(found, key=lambda candidate: -candidate.score)


# --- notices, similar frames, probabilities -------------------------------------------------------


def notices(plan: Plan) -> list[str]:
    """Return what the user should know about a search, as sentences."""
    query = plan.query
    found = []
    if any(query.years) and not query.films:
        without = sum(film.year is None for film in plan.catalogue.searchable)
        if without:
            text = ngettext(
                "%(n)d film without a year is left out.",
                "%(n)d films without a year are left out.",
                without,
            )
            found.append(text % {"n": without})
    if not query.wanted or query.mode.line_kind is not None:
        return found
    if is_chinese(query.words) and not weights.current().reads_chinese:
        found.append(
            _(
                "The current model, %(model)s, understands only English, so Chinese words mean "
                "little to it. Search in English, or ask an administrator to set CLIP_MODEL to "
                "a bilingual model such as OFA-Sys/chinese-clip-vit-base-patch16."
            )
            % {"model": weights.current().name}
        )
    if WEB_ADDRESS.search(query.wanted):
        found.append(
            _(
                "A web address is searched as words. To search with a picture, paste or drop the "
                "picture itself."
            )
        )
    elif encoder.current().is_truncated(query.described):
        found.append(_("The query is too long for the model; the end was ignored."))
    return found


def similar(film: int, second: int, count: int) -> list[Hit]:
    """Return shots that look like a frame, without its own shot."""
    found = search(Query(examples=(Example((film, second)),), page_size=count + 1))
    return [hit for hit in found.hits if hit.key != (film, second)][:count]


def probabilities(film: int, second: int, words: Sequence[str]) -> list[tuple[str, float]]:
    """Return the probability of each word for a frame, highest first; they sum to 1.

    Raises QueryError for no words, too many, or one that is too long.
    """
    if not words:
        raise QueryError(_("Enter some words, one per line or separated by commas."))
    if len(words) > MAX_WORDS:
        raise QueryError(_("Enter at most %(most)d words.") % {"most": MAX_WORDS})
    for word in words:
        query_vectors.check_length(word)
    vector = query_vectors.load_frame_vector((film, second))
    found = encoder.current().probabilities(vector, words)
    return sorted(zip(words, found, strict=True), key=lambda pair: -pair[1])
