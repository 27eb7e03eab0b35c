"""Connected parts of a mask: how large, how long their outlines, where. Numpy only, no loops.

A mask is cut into runs, stretches of set pixels within a row; runs that touch, also at a corner,
belong to one part.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs in reading order: `row`, `start` and `end` (behind the last pixel), shape (n,) each."""

    row: Numbers
    start: Numbers
    end: Numbers
    width: int

    def __len__(self) -> int:
        return len(self.row)

    @property
    def lengths(self) -> Numbers:
        """Pixels of each run."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Parts:
    """Parts of a mask, shape (n,) each: pixels, length of the outline, and the box around them."""

    area: Numbers
    outline: Numbers
    left: Numbers
    top: Numbers
    right: Numbers
    bottom: Numbers

    def __len__(self) -> int:
        return len(self.area)

    def only(self, chosen: NDArray[np.generic]) -> "Parts":
        """Some of the parts: by a mask of shape (n,), or by their numbers."""
        return Parts(*(getattr(self, field.name)[chosen] for field in fields(self)))

    @property
    def box(self) -> Numbers:
        """Pixels of the box around each."""
        return self.width * self.height

    @property
    def width(self) -> Numbers:
        """Pixels from left to right."""
        return self.right - self.left

    @property
    def height(self) -> Numbers:
        """Pixels from top to bottom."""
        return self.bottom - self.top


def find_runs(mask: NDArray[np.bool_]) -> Runs:
    """The runs of a mask, shape (rows, columns)."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), np.int8)
    padded[:, 1:-1] = mask
    steps = np.diff(padded, axis=1)
    row, start = np.nonzero(steps == 1)
    _row, end = np.nonzero(steps == -1)
    return Runs(row, start, end, mask.shape[1])


def bridge_gaps(runs: Runs, gap: float) -> tuple[Runs, Numbers]:
    """Runs joined over gaps of up to `gap` pixels, and for each old run the number of its new."""
    apart = (runs.row[1:] != runs.row[:-1]) | (runs.start[1:] - runs.end[:-1] > gap)
    first = np.flatnonzero(np.concatenate([[True], apart]))
    last = np.append(first[1:], len(runs)) - 1
    number = np.cumsum(np.concatenate([[0], apart]))
    return Runs(runs.row[first], runs.start[first], runs.end[last], runs.width), number


def _touching(runs: Runs) -> tuple[Numbers, Numbers]:
    """Pairs of runs, the upper and the lower one, that touch in neighbouring rows."""
    stride = runs.width + 4  # so that no run touches one at the far end of the row before
    starts, ends = runs.row * stride + runs.start, runs.row * stride + runs.end
    first = np.searchsorted(ends, starts + stride, "left")
    behind = np.searchsorted(starts, ends + stride, "right")
    count = np.maximum(behind - first, 0)
    upper = np.repeat(np.arange(len(runs)), count)
    offset = np.arange(len(upper)) - np.repeat(np.cumsum(count) - count, count)
    return upper, np.repeat(first, count) + offset


def find_parts(runs: Runs) -> tuple[Parts, Numbers]:
    """The parts that runs make, and for each run the number of its part."""
    upper, lower = _touching(runs)
    label = np.arange(len(runs))
    while True:
        before = label
        label = label.copy()
        least = np.minimum(label[upper], label[lower])
        np.minimum.at(label, before[upper], least)
        np.minimum.at(label, before[lower], least)
        label = label[label]
        if np.array_equal(label, before):
            break
    _roots, label = np.unique(label, return_inverse=True)
    return _measured(runs, label, upper, lower), label


def _measured(runs: Runs, label: Numbers, upper: Numbers, lower: Numbers) -> Parts:
    count = int(label.max()) + 1 if len(label) else 0
    area = np.bincount(label, runs.lengths, count).astype(np.int64)
    shared = np.minimum(runs.end[upper], runs.end[lower]) - np.maximum(
        runs.start[upper], runs.start[lower]
    )
    inner = np.bincount(label[upper], np.maximum(shared, 0), count).astype(np.int64)
    outline = 2 * np.bincount(label, minlength=count) + 2 * area - 2 * inner
    left = np.full(count, runs.width, np.int64)
    right = np.zeros(count, np.int64)
    top = np.full(count, np.iinfo(np.int64).max)
    bottom = np.zeros(count, np.int64)
    np.minimum.at(left, label, runs.start)
    np.maximum.at(right, label, runs.end)
    np.minimum.at(top, label, runs.row)
    np.maximum.at(bottom, label, runs.row + 1)
    return Parts(area, outline, left, top, right, bottom)
