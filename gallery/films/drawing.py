"""A film's length as pages draw it: curves, scales and bands, in parts of its width and height."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 1000, 100  # units of a drawing, whatever its size on the page
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)  # seconds between marks
MARKS = 8  # on a scale, at the most
BANDS = 400  # links in a band, at the most: more would be narrower than a pointer can hit


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of a film: from `left` for `width`, in percent of it; frame `second` shows it."""

    left: float
    width: float
    start: float
    second: int


def curve_path(
    times: NDArray[np.float64], heights: NDArray[np.float32], duration: float, *, closed: bool
) -> str:
    """A curve as an SVG path within WIDTH x HEIGHT; heights 0..1; `closed`: down to the ground."""
    if not len(times) or duration <= 0:
        return ""
    x = np.clip(times / duration, 0, 1) * WIDTH
    # The line itself stays inside the drawing at both ends of the scale.
    y = HEIGHT - 1 - np.clip(heights, 0, 1) * (HEIGHT - 3)
    points = [f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True)]
    line = f"M0 {y[0]:.1f}L{'L'.join(points)}L{WIDTH} {y[-1]:.1f}"
    return f"{line}L{WIDTH} {HEIGHT}L0 {HEIGHT}Z" if closed else line


def cuts_path(starts: Sequence[float], duration: float) -> str:
    """Cuts as an SVG path: a vertical line where each shot but the first begins."""
    if duration <= 0:
        return ""
    return "".join(f"M{start / duration * WIDTH:.1f} 0V{HEIGHT}" for start in starts[1:])


def scale(duration: float) -> list[tuple[float, int]]:
    """Round times along a film: percent of its length, and seconds."""
    step = next((one for one in STEPS if duration / one <= MARKS), STEPS[-1])
    marks = range(0, int(duration) + 1, step)
    return [(at / duration * 100, at) for at in marks] if duration > 0 else []


def bands(shots: Sequence[tuple[float, float, int]], duration: float) -> list[Stretch]:
    """Shots (start, end, second) as stretches; in a film of very many, some neighbours together."""
    if not shots or duration <= 0:
        return []
    edges = np.linspace(0, len(shots), min(BANDS, len(shots)) + 1).astype(int)
    groups = [shots[a:b] for a, b in pairwise(edges.tolist())]
    return [
        Stretch(
            left=group[0][0] / duration * 100,
            width=(group[-1][1] - group[0][0]) / duration * 100,
            start=group[0][0],
            second=group[len(group) // 2][2],
        )
        for group in groups
    ]
