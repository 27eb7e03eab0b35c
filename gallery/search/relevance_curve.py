"""The relevance of a query over the whole length of a film, computed from its stored vectors.

It uses the plan and the scale of the search, so that a curve and the hits beside it agree.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gallery.films.footage import Footage, find_other_model, load_run
from gallery.films.models import Film
from gallery.index.types import FrameRecord
from gallery.search import engine
from gallery.search.plan import Plan, line_relevance
from gallery.search.types import Query, Results
from gallery.transcripts.types import FoundLine

MAX_POINTS = 1000  # of a curve: no window has more pixels to tell them apart
MAX_PEAKS = 8
MIN_PEAK_DISTANCE = 1 / 30  # of the film's length
MIN_PEAK_RELEVANCE = 0.4
MAX_CACHED_FILMS = 4  # whose vectors are cached: 11 MB for three hours


@dataclass(frozen=True, slots=True)
class Peak:
    """A peak of the curve: its frame, and the matching line spoken over it, if any."""

    record: FrameRecord
    relevance: float
    line: FoundLine | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """The relevance of a film to a query over time.

    `seconds` int32 (n,) are the frames that represent the points; `times` float64 (n,), when they
    are shown, in seconds; `relevance` float32 (n,), each 0 to 1. `lines` are the matching lines of
    dialogue and `peaks` the most relevant moments, both in time order. `results` are the hits in
    this film.
    """

    seconds: NDArray[np.int32]
    times: NDArray[np.float64]
    relevance: NDArray[np.float32]
    peaks: tuple[Peak, ...]
    lines: tuple[FoundLine, ...]
    results: Results


@lru_cache(maxsize=MAX_CACHED_FILMS)
def _load_run(
    film_id: int,
    uid: str,
    run: int,
    duration: float,
    shots_version: str,  # noqa: ARG001 - part of the key
    *,
    other_model: str,
) -> Footage:
    return load_run(film_id, uid, run, duration, other_model)


def curve(film: Film, query: Query, hits: int = 12) -> Curve:
    """Return the relevance of `film` to a query over its whole length, and its best `hits`.

    Raises QueryError and IndexUnavailable as the search does, and FileNotFoundError when the film's
    vectors are missing from the media store.
    """
    search = engine.rank_shots(replace(query, films=(film.pk,), page=1, page_size=hits))
    results, plan, lines = search.results(), search.plan, search.lines
    run = film.searchable_run or film.run
    other_model = find_other_model(film)
    footage = _load_run(
        film.pk, film.uid, run, film.duration, film.shots_version, other_model=other_model
    )
    if plan.vector is not None and results.matches:
        lines = [line for line in lines if line.complete]  # only these count as matches
    relevance = _picture_relevance(footage, plan)
    _add_dialogue(relevance, footage, lines)
    points = _representative_points(relevance)
    return Curve(
        seconds=footage.seconds[points],
        times=footage.times[points],
        relevance=relevance[points],
        peaks=tuple(_find_peaks(footage, relevance, lines)),
        lines=tuple(sorted(lines, key=lambda line: line.start)),
        results=results,
    )


def _picture_relevance(footage: Footage, plan: Plan) -> NDArray[np.float32]:
    """Return the relevance of the pictures; that of blank frames and credits is 0.

    A query with a quoted phrase finds lines only.
    """
    found = np.zeros(len(footage.records), np.float32)
    if plan.vector is None or plan.query.quoted or not len(found):
        return found
    rows = footage.vectors.astype(np.float32)
    cosines = rows @ plan.vector - plan.penalties(rows)
    counted = footage.is_picture if not plan.scope.include_dull else np.ones(len(found), bool)
    if counted.any():
        found[counted] = plan.scale(float(cosines[counted].max())).relevance(cosines[counted])
    return found


def _add_dialogue(
    relevance: NDArray[np.float32], footage: Footage, lines: Sequence[FoundLine]
) -> None:
    """Raise the relevance of frames over which a line is shown to that of the line."""
    seconds, times = footage.seconds, footage.times
    for line in lines:
        over = (times >= line.start) & (times < line.end)
        over |= seconds == line.record.second
        relevance[over] = np.maximum(relevance[over], line_relevance(line))


def _representative_points(relevance: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return the indices of at most MAX_POINTS frames: the most relevant of each interval."""
    count = len(relevance)
    if count <= MAX_POINTS:
        return np.arange(count)
    edges = np.linspace(0, count, MAX_POINTS + 1).astype(int)
    best = [a + int(relevance[a:b].argmax()) for a, b in pairwise(edges)]
    return np.array(best, np.intp)


def _find_peaks(
    footage: Footage, relevance: NDArray[np.float32], lines: Sequence[FoundLine]
) -> list[Peak]:
    """Return the peaks, at most one per shot and at a minimum distance, in time order."""
    min_distance = footage.duration * MIN_PEAK_DISTANCE
    line_of_shot = {line.record.shot: line for line in reversed(lines)}
    shots: set[int] = set()
    found: list[Peak] = []
    for index in np.argsort(-relevance, kind="stable").tolist():
        record = footage.records[index]
        if relevance[index] < MIN_PEAK_RELEVANCE or len(found) == MAX_PEAKS:
            break
        if record.shot in shots:
            continue
        shots.add(record.shot)
        if all(abs(record.time - peak.record.time) >= min_distance for peak in found):
            found.append(Peak(record, float(relevance[index]), line_of_shot.get(record.shot)))
    return sorted(found, key=lambda peak: peak.record.time)
