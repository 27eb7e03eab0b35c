"""How a library's shots score under some prompts: what staff look at to choose a threshold.

The best shots are all known, from the index. Below them, where a common label may well have its
threshold, shots drawn evenly from all films stand for the rest: that is as quick with hundreds of
films.
"""

import math
import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

from django.db.models import Count, Max, Sum
from django.db.models.functions import Mod

from gallery.clip import weights
from gallery.films.catalogue import searchable
from gallery.films.models import Shot
from gallery.index import frame_index
from gallery.index.types import FrameKey, FrameRecord, Scope
from gallery.labels import scoring
from gallery.labels.scoring import Levels
from gallery.search import query_vectors

LOOKED_AT = 3000  # frames asked of the index, for all prompts together
DRAWN = 800  # shots that stand for the rest
FRAMES_OF_DRAWN = 5  # looked at of each, at the most
BARS = 60
KEPT = 300  # seconds: how long a survey of a growing library is shown
MIN_SHOTS = 1.0  # the lowest threshold that is suggested: nearer to 0, most shots are ordinary
FARTHEST = 30.0  # the score from which on the logarithm of a normal tail is not reckoned any more


@dataclass(frozen=True, slots=True)
class Scored:
    """A shot's best frame and its score; `weight`: for how many shots it stands."""

    record: FrameRecord
    score: float
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Carried:
    """How many shots (of a hundred, too) and films would carry a label.

    When it is not `exact`, about so many shots and at least so many films.
    """

    shots: int
    films: int
    percent: float
    exact: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of the histogram: `left` and `width` in scores, `height` 0 to 1, logarithmic."""

    left: float
    width: float
    height: float


@dataclass(frozen=True)
class Survey:
    """Shots of the library, best first; all that score `floor` or more are among them."""

    levels: Levels
    shots: Sequence[Scored]
    floor: float
    total: int

    @cached_property
    def _rising(self) -> list[float]:
        return [-one.score for one in self.shots]

    def rank(self, threshold: float) -> int:
        """How many of `shots` score `threshold` or more."""
        return bisect_left(self._rising, math.nextafter(-threshold, math.inf))

    def carried(self, threshold: float) -> Carried:
        """What would carry the label."""
        some = self.shots[: self.rank(threshold)]
        count = sum(one.weight for one in some)
        return Carried(
            round(count),
            len({one.record.film for one in some}),
            100 * count / self.total if self.total else 0.0,
            threshold >= self.floor,
        )

    def around(self, threshold: float, count: int) -> tuple[Sequence[Scored], Sequence[Scored]]:
        """The `count` shots just above a threshold and the `count` just below, best first."""
        rank = self.rank(threshold)
        return self.shots[max(0, rank - count) : rank], self.shots[rank : rank + count]

    def cut(self, at: int) -> float:
        """The threshold that just `at` of `shots` reach: halfway from the last of them down."""
        if not self.shots:
            return MIN_SHOTS
        if at <= 0:
            return self.shots[0].score + 0.01
        if at >= len(self.shots):
            return self.shots[-1].score - 0.01
        return (self.shots[at - 1].score + self.shots[at].score) / 2

    def suggestion(self) -> float:
        """Where the most surprising gap is, between what stands out and what is ordinary.

        If all scores came from one normal distribution, the gaps below the best, the second best
        and so on would, each times its rank and on the scale of the tail's logarithm, all be alike:
        exponential with mean 1 (Rényi, 1953, "On the theory of order statistics"). The largest is
        where the tail ends that is not of that distribution.
        """
        best, reached, chosen = 0.0, 0.0, len(self.shots)
        for at, (high, low) in enumerate(pairwise(self.shots), start=1):
            if high.score + low.score < 2 * MIN_SHOTS:
                break
            reached += high.weight
            gap = reached / low.weight * (_log_tail(low.score) - _log_tail(high.score))
            if gap > best:
                best, chosen = gap, at
        return self.cut(chosen)

    def bars(self) -> list[Bar]:
        """How many shots score how much, lowest first."""
        if not self.shots:
            return []
        low, high = self.shots[-1].score, self.shots[0].score
        width = max(high - low, 1e-6) / BARS
        counts = [0.0] * BARS
        for one in self.shots:
            counts[min(BARS - 1, int((one.score - low) / width))] += one.weight
        most = math.log1p(max(counts))
        return [
            Bar(low + place * width, width, math.log1p(count) / most)
            for place, count in enumerate(counts)
        ]


def _log_tail(score: float) -> float:
    """The logarithm of the part of a normal distribution that lies above a score."""
    return math.log(0.5 * math.erfc(min(score, FARTHEST) / math.sqrt(2)))


def survey(prompts: Sequence[str], levels: Levels | None = None) -> Survey | None:
    """Look through the library for prompts; None while it has no frames.

    `levels`: those of a label that was measured already. Raises IndexUnavailable.
    """
    known = levels if levels is not None and set(levels) == set(prompts) else None
    measured = known or scoring.measure(prompts)
    if not measured:
        return None
    state = searchable().aggregate(films=Count("pk"), last=Max("finished"))
    return _survey(
        tuple(measured.items()),
        weights.current().fingerprint,
        (state["films"], state["last"], int(time.monotonic() / KEPT)),
    )


@lru_cache(maxsize=32)
def _survey(
    levels: tuple[tuple[str, tuple[float, float]], ...],
    fingerprint: str,  # noqa: ARG001 - part of the key
    library: tuple[object, ...],  # noqa: ARG001 - part of the key
) -> Survey:
    measured = dict(levels)
    total = Shot.objects.filter(film__in=searchable()).count()
    nearest, floor = _nearest(measured)
    best = [one for one in _best(nearest, measured) if one.score >= floor]
    if floor > -math.inf:
        left = [one for one in _best(_drawn(total), measured) if one.score < floor]
        weight = max(1.0, (total - len(best)) / max(1, len(left)))
        best += [Scored(one.record, one.score, weight) for one in left]
    return Survey(measured, best, floor, total)


def _nearest(levels: Levels) -> tuple[dict[FrameKey, FrameRecord], float]:
    """The frames nearest to any of the prompts, and the score from which on they are all there."""
    frames = int(searchable().aggregate(all=Sum("frame_count"))["all"] or 0)
    count = max(1, min(frames, LOOKED_AT // len(levels)))
    records: dict[FrameKey, FrameRecord] = {}
    floor = -math.inf
    for prompt, (mean, spread) in levels.items():
        found = frame_index.current().nearest(query_vectors.embed_words(prompt), count, Scope())
        records |= frame_index.current().records(n.key for n in found)
        if len(found) == count < frames:
            floor = max(floor, (found[-1].score - mean) / spread)
    return records, floor


def _drawn(total: int) -> dict[FrameKey, FrameRecord]:
    """Frames of shots drawn evenly from all films; the same ones as long as the shots are."""
    every = max(1, total // DRAWN)
    shots = (
        Shot.objects.filter(film__in=searchable())
        .annotate(place=Mod("pk", every))
        .filter(place=0)
        .values_list("film_id", "number", "start", "end", "second")
    )
    records: dict[FrameKey, FrameRecord] = {}
    for film, number, start, end, middle in shots:
        seconds = range(math.ceil(start), max(math.ceil(start) + 1, math.ceil(end)))
        some = seconds[:: max(1, -(-len(seconds) // FRAMES_OF_DRAWN))]
        for second in (*some, middle):
            records[film, second] = FrameRecord(film, second, float(second), number, start, end)
    return records


def _best(records: Mapping[FrameKey, FrameRecord], levels: Levels) -> list[Scored]:
    """The best of these frames of each shot, best first; blank frames and credits do not count."""
    keys, embeddings = frame_index.current().embeddings(list(records))
    best: dict[tuple[int, int], Scored] = {}
    for key, score in zip(keys, scoring.scores(embeddings, levels), strict=True):
        record = records[key]
        shot = (record.film, record.shot)
        if shot not in best or score > best[shot].score:
            best[shot] = Scored(record, float(score))
    return sorted(best.values(), key=lambda one: -one.score)
