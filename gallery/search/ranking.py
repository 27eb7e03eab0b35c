"""Operations on rankings: best frame of each shot, limit per film, reciprocal rank fusion."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from gallery.index.types import FrameKey, Neighbour

# From Cormack et al., 2009, "Reciprocal rank fusion outperforms Condorcet and individual rank
# learning methods". It keeps a single first place from outweighing two good ones.
RRF_CONSTANT = 60

ShotKey = tuple[int, int]
"""A shot by its film's id and its number."""

T = TypeVar("T")


def shot_key(neighbour: Neighbour) -> ShotKey:
    """Return the key of a frame's shot."""
    return neighbour.film, neighbour.shot


def best_per_shot(
    neighbours: Sequence[Neighbour], single_frame: FrameKey | None = None
) -> list[Neighbour]:
    """Return the best frame of each shot, best first.

    `single_frame` is the frame that was searched with; it comes first even if others score the
    same. Ties are broken by film and second, so that consecutive pages neither repeat nor skip a
    hit.
    """

    def rank(neighbour: Neighbour) -> tuple[bool, float, FrameKey]:
        key = neighbour.key
        return (key != single_frame, -neighbour.score, key)

    best: dict[ShotKey, Neighbour] = {}
    for neighbour in sorted(neighbours, key=rank):
        best.setdefault(shot_key(neighbour), neighbour)
    return list(best.values())


def long_shots(neighbours: Iterable[Neighbour], max_frames: int) -> list[ShotKey]:
    """Return the shots that contain more than `max_frames` of the frames."""
    counts = Counter(map(shot_key, neighbours))
    return [key for key, count in counts.items() if count > max_frames]


def limit_per_film(
    ranked: Iterable[T], film_of: Callable[[T], int], limit: int | None
) -> tuple[list[T], set[int]]:
    """Return the first `limit` items of each film in order (None: all), and the films with more."""
    kept: list[T] = []
    truncated: set[int] = set()
    counts: Counter[int] = Counter()
    for item in ranked:
        film = film_of(item)
        if limit is not None and counts[film] >= limit:
            truncated.add(film)
            continue
        counts[film] += 1
        kept.append(item)
    return kept, truncated


def fuse_rankings(*rankings: Sequence[ShotKey]) -> Mapping[ShotKey, float]:
    """Return each shot's reciprocal rank fusion score, the sum of 1 / (60 + rank), best first."""
    scores: dict[ShotKey, float] = {}
    for ranking in rankings:
        for rank, key in enumerate(ranking, start=1):
            scores[key] = scores.get(key, 0.0) + 1 / (RRF_CONSTANT + rank)
    return dict(sorted(scores.items(), key=lambda item: -item[1]))
