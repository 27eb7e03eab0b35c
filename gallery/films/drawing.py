"""Drawing of a film's length: curves, scales and bands, relative to its width and height."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 1000, 100  # units of a drawing, whatever its size on the page
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)  # seconds between marks
MAX_MARKS = 8  # on a scale
MAX_BANDS = 400  # links in a band: more would be too narrow to click


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a film, represented by frame `second`; `left` and `width` are in percent."""

    left: float
    width: float
    start: float
    second: int


def curve_path(
    times: NDArray[np.float64], heights: NDArray[np.float32], duration: float, *, closed: bool
) -> str:
    """Return a curve as an SVG path within WIDTH x HEIGHT.

    `heights` are 0 to 1; `closed` adds the sides and the bottom.
    """
    if not len(times) or duration <= 0:
        return ""
    x = np.clip(times / duration, 0, 1) * WIDTH
    # Keeps the line's width inside the drawing at both ends of the scale.
    y = HEIGHT - 1 - np.clip(heights, 0, 1) * (HEIGHT - 3)
    points = [f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True)]
    line = f"M0 {y[0]:.1f}L{'L'.join(points)}L{WIDTH} {y[-1]:.1f}"
    return f"{line}L{WIDTH} {HEIGHT}L0 {HEIGHT}Z" if closed else line


def cuts_path(starts: Sequence[float], duration: float) -> str:
    """Return an SVG path with a vertical line at the beginning of each shot but the first."""
    if duration <= 0:
        return ""
    return "".join(f"M{start / duration * WIDTH:.1f} 0V{HEIGHT}" for start in starts[1:])


def scale(duration: float) -> list[tuple[float, int]]:
    """Return round times along a film: position in percent, and seconds."""
    step = next((step for step in STEPS if duration / step <= MAX_MARKS), STEPS[-1])
    marks = range(0, int(duration) + 1, step)
    return [(at / duration * 100, at) for at in marks] if duration > 0 else []


def bands(shots: Sequence[tuple[float, float, int]], duration: float) -> list[Stretch]:
    """Return shots (start, end, second) as at most MAX_BANDS parts; neighbours are merged."""
    if not shots or duration <= 0:
        return []
    edges = np.linspace(0, len(shots), min(MAX_BANDS, len(shots)) + 1).astype(int)
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
