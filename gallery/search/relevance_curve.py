"""A film at a glance: how relevant a query finds each moment of it, from its stored vectors.

The measure is the search's own, so a curve and the hits beside it agree.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gallery.films import footage
from gallery.films.models import Film
from gallery.index.types import FrameRecord
from gallery.media.store import FilmFiles
from gallery.media.types import FrameKind
from gallery.search import engine
from gallery.search.types import Query, Results
from gallery.transcripts.types import SpokenLine

MAX_POINTS = 1000  # of a curve, at the most: more than a window has pixels to tell them apart
MAX_PEAKS = 8  # at the most
MIN_PEAK_DISTANCE = 1 / 30  # of the film: peaks nearer to each other are one
MIN_RELEVANCE = 0.4  # relevance of a peak
MAX_CACHED_FILMS = 4  # whose vectors are kept at hand: 11 MB for three hours


@dataclass(frozen=True, slots=True)
class Peak:
    """A moment that stands out: its frame, and the line that was found over it."""

    record: FrameRecord
    relevance: float
    line: SpokenLine | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """How relevant a film is to a query, from its beginning to its end.

    `seconds` int32 (n,), the frames that stand for the points; `times` float64 (n,), when they are
    shown (seconds); `relevance` float32 (n,), each in 0..1. `lines` are those in which the words
    are said, in time order. `results` are the hits in this film, `peaks` in time order.
    """

    seconds: NDArray[np.int32]
    times: NDArray[np.float64]
    relevance: NDArray[np.float32]
    peaks: tuple[Peak, ...]
    lines: tuple[SpokenLine, ...]
    results: Results


@dataclass(frozen=True, slots=True)
class _Footage:
    """A film's frames in time order: `vectors` has shape (n, width), float16, unit rows."""

    records: tuple[FrameRecord, ...]
    seconds: NDArray[np.int32]
    times: NDArray[np.float64]
    vectors: NDArray[np.float16]
    offered: NDArray[np.bool_]


@lru_cache(maxsize=MAX_CACHED_FILMS)
def _footage(
    film: int,
    uid: str,
    run: int,
    duration: float,
    shots_version: str,  # noqa: ARG001 - part of the key
) -> _Footage:
    data = FilmFiles(uid).run(run).load()
    records, _shots = footage.build_records(film, data, duration)
    offered = np.array([record.look is FrameKind.PICTURE for record in records], bool)
    return _Footage(tuple(records), data.seconds, data.times, data.vectors, offered)


def curve(film: Film, query: Query, hits: int = 12) -> Curve:
    """How relevant `film` is to a query over its whole length, and its best `hits`.

    Raises QueryError and IndexUnavailable as the search does, and FileNotFoundError when the film's
    vectors are gone from the media store.
    """
    here = replace(query, films=(film.pk,), page=1, page_size=hits)
    run = engine.run(here)
    results, plan, lines = run.results(), run.plan, run.lines
    run_number = film.searchable_run or film.run
    footage = _footage(film.pk, film.uid, run_number, film.duration, film.shots_version)
    if plan.vector is not None and results.matches:
        lines = [line for line in lines if line.complete]  # as the search tells them
    relevance = _heard(_seen(footage, plan), footage, lines)
    points = _points(relevance)
    return Curve(
        footage.seconds[points],
        footage.times[points],
        relevance[points],
        tuple(_peaks(footage, relevance, lines, film.duration)),
        tuple(sorted(lines, key=lambda line: line.start)),
        results,
    )


def _seen(footage: _Footage, plan: engine.Plan) -> NDArray[np.float32]:
    """How relevant the pictures are; blank ones and credits are not, they are never offered."""
    found = np.zeros(len(footage.records), np.float32)
    if plan.vector is None or not len(found):
        return found
    rows = footage.vectors.astype(np.float32)
    cosines = rows @ plan.vector - plan.penalties(rows)
    offered = footage.offered if not plan.scope.dull else np.ones_like(footage.offered)
    if offered.any():
        found[offered] = plan.scale(float(cosines[offered].max())).relevance(cosines[offered])
    return found


def _heard(
    seen: NDArray[np.float32], footage: _Footage, lines: list[SpokenLine]
) -> NDArray[np.float32]:
    """The same with what is said: a line counts for as long as it is shown."""
    found = seen.copy()
    for line in lines:
        over = (footage.times >= line.start) & (footage.times < line.end)
        over |= footage.seconds == line.record.second
        found[over] = np.maximum(found[over], engine.relevance_of_line(line))
    return found


def _points(relevance: NDArray[np.float32]) -> NDArray[np.intp]:
    """At most POINTS of the frames, in order: of each stretch the most relevant one."""
    count = len(relevance)
    if count <= MAX_POINTS:
        return np.arange(count)
    edges = np.linspace(0, count, MAX_POINTS + 1).astype(int)
    best = [a + int(relevance[a:b].argmax()) for a, b in pairwise(edges)]
    return np.array(best, np.intp)


def _peaks(
    footage: _Footage, relevance: NDArray[np.float32], lines: list[SpokenLine], duration: float
) -> list[Peak]:
    """The moments that stand out, one of a shot and apart from each other, in time order."""
    over = {line.record.shot: line for line in reversed(lines)}
    shots: set[int] = set()
    found: list[Peak] = []
    for at in np.argsort(-relevance, kind="stable").tolist():
        record = footage.records[at]
        if relevance[at] < MIN_RELEVANCE or len(found) == MAX_PEAKS:
            break
        if record.shot in shots:
            continue
        shots.add(record.shot)
        if all(
            abs(record.time - peak.record.time) >= duration * MIN_PEAK_DISTANCE for peak in found
        ):
            found.append(Peak(record, float(relevance[at]), over.get(record.shot)))
    return sorted(found, key=lambda peak: peak.record.time)
