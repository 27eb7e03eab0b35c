"""Orders of hits: one a shot, few a film, and two rankings made one."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from gallery.index.types import FrameKey, Neighbour

# Cormack et al., 2009, "Reciprocal rank fusion outperforms Condorcet and individual rank learning
# methods": the constant that keeps a single first place from outweighing two good ones.
RRF_CONSTANT = 60

ShotKey = tuple[int, int]
"""A shot by its film's id and its number."""

T = TypeVar("T")


def shot_key(neighbour: Neighbour) -> ShotKey:
    """The shot that a frame lies in."""
    return neighbour.film, neighbour.shot


def one_per_shot(neighbours: Sequence[Neighbour], own: FrameKey | None = None) -> list[Neighbour]:
    """Keep the best frame of each shot, best first.

    `own` is the frame that was searched with: it comes first, also when frames that look the same
    score the same. Those are told apart by film and second, so that a page of hits goes on where
    the page before it ended.
    """

    def rank(neighbour: Neighbour) -> tuple[bool, float, FrameKey]:
        key = neighbour.key
        return (key != own, -neighbour.score, key)

    best: dict[ShotKey, Neighbour] = {}
    for neighbour in sorted(neighbours, key=rank):
        best.setdefault(shot_key(neighbour), neighbour)
    return list(best.values())


def long_shots(neighbours: Iterable[Neighbour], most: int) -> list[ShotKey]:
    """The shots that more than `most` of the frames lie in."""
    counts = Counter(map(shot_key, neighbours))
    return [key for key, count in counts.items() if count > most]


def few_per_film(
    ranked: Iterable[T], film_of: Callable[[T], int], most: int | None
) -> tuple[list[T], set[int]]:
    """The first `most` of each film (None: all), in their order, and the films that have more."""
    kept: list[T] = []
    more: set[int] = set()
    counts: Counter[int] = Counter()
    for one in ranked:
        film = film_of(one)
        if most is not None and counts[film] >= most:
            more.add(film)
            continue
        counts[film] += 1
        kept.append(one)
    return kept, more


def fuse_rankings(*rankings: Sequence[ShotKey]) -> Mapping[ShotKey, float]:
    """Reciprocal rank fusion: each shot's score, the sum of 1 / (60 + rank) over the rankings."""
    scores: dict[ShotKey, float] = {}
    for ranking in rankings:
        for rank, key in enumerate(ranking, start=1):
            scores[key] = scores.get(key, 0.0) + 1 / (RRF_CONSTANT + rank)
    return dict(sorted(scores.items(), key=lambda item: -item[1]))
