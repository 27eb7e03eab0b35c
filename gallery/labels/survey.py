"""The distribution of shot scores under some prompts, from which staff choose a threshold.

The best shots are all known from the index. Below them, where the threshold of a common label may
lie, a sample of shots spread evenly over all films represents the rest, so that the survey is as
fast with hundreds of films.
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

MAX_NEAREST = 3000  # frames requested from the index, for all prompts together
SAMPLED_SHOTS = 800  # that represent the rest
MAX_FRAMES_PER_SHOT = 5  # of a sampled shot
BARS = 60
MAX_AGE = 300  # seconds that a survey is shown while the library grows
MIN_SUGGESTION = 1.0  # the lowest suggested threshold: closer to 0, most shots are ordinary
MAX_TAIL_SCORE = 30.0  # beyond, the tail of the normal distribution underflows


@dataclass(frozen=True, slots=True)
class ScoredShot:
    """A shot's best frame and its score; `weight` is the number of shots that it represents."""

    record: FrameRecord
    score: float
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many shots (and what percentage) and films would carry a label.

    If not `exact`, the shots are an estimate and the films a lower bound.
    """

    shots: int
    films: int
    percent: float
    exact: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of the histogram: `left` and `width` are scores, `height` is 0 to 1, logarithmic."""

    left: float
    width: float
    height: float


@dataclass(frozen=True)
class Survey:
    """Shots of the library, best first, including all that score `floor` or more."""

    levels: Levels
    shots: Sequence[ScoredShot]
    floor: float
    total: int

    @cached_property
    def _negated_scores(self) -> list[float]:
        return [-shot.score for shot in self.shots]

    def rank(self, threshold: float) -> int:
        """Return how many of `shots` score `threshold` or more."""
        return bisect_left(self._negated_scores, math.nextafter(-threshold, math.inf))

    def coverage(self, threshold: float) -> Coverage:
        """Return what would carry the label."""
        carrying = self.shots[: self.rank(threshold)]
        count = sum(shot.weight for shot in carrying)
        return Coverage(
            round(count),
            len({shot.record.film for shot in carrying}),
            100 * count / self.total if self.total else 0.0,
            threshold >= self.floor,
        )

    def around(
        self, threshold: float, count: int
    ) -> tuple[Sequence[ScoredShot], Sequence[ScoredShot]]:
        """Return `count` shots just above a threshold and `count` just below, best first."""
        rank = self.rank(threshold)
        return self.shots[max(0, rank - count) : rank], self.shots[rank : rank + count]

    def threshold_for(self, count: int) -> float:
        """Return a threshold that exactly `count` of `shots` reach, midway between two of them."""
        if not self.shots:
            return MIN_SUGGESTION
        if count <= 0:
            return self.shots[0].score + 0.01
        if count >= len(self.shots):
            return self.shots[-1].score - 0.01
        return (self.shots[count - 1].score + self.shots[count].score) / 2

    def suggestion(self) -> float:
        """Return the threshold at the most surprising gap between outstanding and ordinary shots.

        If all scores came from one normal distribution, the gaps between consecutive scores, each
        multiplied by its rank and measured on the logarithmic scale of the tail, would be
        exponential with mean 1 (Rényi, 1953, "On the theory of order statistics"). The largest such
        gap ends the part of the tail that does not belong to the distribution.
        """
        largest, reached, chosen = 0.0, 0.0, len(self.shots)
        for count, (high, low) in enumerate(pairwise(self.shots), start=1):
            if high.score + low.score < 2 * MIN_SUGGESTION:
                break
            reached += high.weight
            gap = reached / low.weight * (_log_tail(low.score) - _log_tail(high.score))
            if gap > largest:
                largest, chosen = gap, count
        return self.threshold_for(chosen)

    def bars(self) -> list[Bar]:
        """Return the histogram of shots by score, lowest first."""
        if not self.shots:
            return []
        low, high = self.shots[-1].score, self.shots[0].score
        width = max(high - low, 1e-6) / BARS
        counts = [0.0] * BARS
        for shot in self.shots:
            counts[min(BARS - 1, int((shot.score - low) / width))] += shot.weight
        highest = math.log1p(max(counts))
        return [
            Bar(low + index * width, width, math.log1p(count) / highest)
            for index, count in enumerate(counts)
        ]


def _log_tail(score: float) -> float:
    """Return the logarithm of the share of a normal distribution above a score."""
    return math.log(0.5 * math.erfc(min(score, MAX_TAIL_SCORE) / math.sqrt(2)))


def survey(prompts: Sequence[str], levels: Levels | None = None) -> Survey | None:
    """Survey the library for prompts; return None while it has no frames.

    `levels` are those of a label measured before. Raises IndexUnavailable.
    """
    known = levels if levels is not None and set(levels) == set(prompts) else None
    measured = known or scoring.measure_levels(prompts)
    if not measured:
        return None
    state = searchable().aggregate(films=Count("pk"), last=Max("finished"))
    return _survey(
        tuple(measured.items()),
        weights.current().fingerprint,
        (state["films"], state["last"], int(time.monotonic() / MAX_AGE)),
    )


@lru_cache(maxsize=32)
def _survey(
    levels: tuple[tuple[str, tuple[float, float]], ...],
    fingerprint: str,  # noqa: ARG001 - part of the key
    library: tuple[object, ...],  # noqa: ARG001 - part of the key
) -> Survey:
    measured = dict(levels)
    total = Shot.objects.filter(film__in=searchable()).count()
    nearest, floor = _nearest_frames(measured)
    shots = [shot for shot in _score_shots(nearest, measured) if shot.score >= floor]
    if floor > -math.inf:
        sampled = _score_shots(_sample_frames(total), measured)
        rest = [shot for shot in sampled if shot.score < floor]
        weight = max(1.0, (total - len(shots)) / max(1, len(rest)))
        shots += [ScoredShot(shot.record, shot.score, weight) for shot in rest]
    return Survey(measured, shots, floor, total)


def _nearest_frames(levels: Levels) -> tuple[dict[FrameKey, FrameRecord], float]:
    """Return the frames nearest to any prompt, and the score above which they are complete."""
    index = frame_index.current()
    frames = int(searchable().aggregate(all=Sum("frame_count"))["all"] or 0)
    count = max(1, min(frames, MAX_NEAREST // len(levels)))
    records: dict[FrameKey, FrameRecord] = {}
    floor = -math.inf
    for prompt, (mean, spread) in levels.items():
        found = index.nearest(query_vectors.embed_words(prompt), count, Scope())
        records |= index.records(frame.key for frame in found)
        if len(found) == count < frames:
            floor = max(floor, (found[-1].score - mean) / spread)
    return records, floor


def _sample_frames(total: int) -> dict[FrameKey, FrameRecord]:
    """Return frames of shots sampled evenly from all films; the sample is deterministic."""
    every = max(1, total // SAMPLED_SHOTS)
    shots = (
        Shot.objects.filter(film__in=searchable())
        .annotate(remainder=Mod("pk", every))
        .filter(remainder=0)
        .values_list("film_id", "number", "start", "end", "second")
    )
    records: dict[FrameKey, FrameRecord] = {}
    for film, number, start, end, middle in shots:
        seconds = range(math.ceil(start), max(math.ceil(start) + 1, math.ceil(end)))
        step = max(1, -(-len(seconds) // MAX_FRAMES_PER_SHOT))
        for second in (*seconds[::step], middle):
            records[film, second] = FrameRecord(film, second, float(second), number, start, end)
    return records


def _score_shots(records: Mapping[FrameKey, FrameRecord], levels: Levels) -> list[ScoredShot]:
    """Return the best of these frames of each shot, best first.

    Frames that the index excludes (blank ones and credits) do not count.
    """
    keys, embeddings = frame_index.current().embeddings(list(records))
    best: dict[tuple[int, int], ScoredShot] = {}
    for key, score in zip(keys, scoring.score_frames(embeddings, levels), strict=True):
        record = records[key]
        shot = (record.film, record.shot)
        if shot not in best or score > best[shot].score:
            best[shot] = ScoredShot(record, float(score))
    return sorted(best.values(), key=lambda shot: -shot.score)
