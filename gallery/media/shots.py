"""Which neighbouring frames are one shot."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from gallery.types import Shot


def shots_from_cuts(cuts: Sequence[float], duration: float) -> list[Shot]:
    """The shots between `cuts` (times of the first frame after each), all in seconds."""
    inner = sorted({cut for cut in cuts if 0.0 < cut < duration})
    edges = [0.0, *inner, max(duration, inner[-1] if inner else 0.0)]
    return [Shot(i, a, b) for i, (a, b) in enumerate(pairwise(edges))]


def shot_of(time: float, shots: Sequence[Shot]) -> int:
    """The number of the shot that the frame shown at `time` belongs to."""
    # A microsecond of grace: a cut and the frame that begins it are the same moment.
    return max(0, bisect_right(shots, time + 1e-6, key=lambda shot: shot.start) - 1)
