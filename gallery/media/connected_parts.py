"""Connected components of a mask: area, outline and bounding box. Pure numpy, no pixel loops.

A mask is split into runs, stretches of set pixels within a row; runs that touch, also diagonally,
belong to one component.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs in reading order: `row`, `start` and `end` (exclusive), shape (n,) each."""

    row: Numbers
    start: Numbers
    end: Numbers
    width: int

    def __len__(self) -> int:
        return len(self.row)

    @property
    def lengths(self) -> Numbers:
        """Return the pixels of each run."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Parts:
    """Components of a mask, shape (n,) each: pixels, length of the outline, bounding box."""

    area: Numbers
    outline: Numbers
    left: Numbers
    top: Numbers
    right: Numbers
    bottom: Numbers

    def __len__(self) -> int:
        return len(self.area)

    def select(self, chosen: NDArray[np.generic]) -> "Parts":
        """Return some of the parts: by a mask of shape (n,), or by index."""
        return Parts(*(getattr(self, field.name)[chosen] for field in fields(self)))

    @property
    def box(self) -> Numbers:
        """Return the area of each bounding box in pixels."""
        return self.width * self.height

    @property
    def width(self) -> Numbers:
        """Return the width of each bounding box in pixels."""
        return self.right - self.left

    @property
    def height(self) -> Numbers:
        """Return the height of each bounding box in pixels."""
        return self.bottom - self.top


def find_runs(mask: NDArray[np.bool_]) -> Runs:
    """Return the runs of a mask, shape (rows, columns)."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), np.int8)
    padded[:, 1:-1] = mask
    steps = np.diff(padded, axis=1)
    row, start = np.nonzero(steps == 1)
    _row, end = np.nonzero(steps == -1)
    return Runs(row, start, end, mask.shape[1])


def bridge_gaps(runs: Runs, gap: float) -> tuple[Runs, Numbers]:
    """Join runs over gaps of up to `gap` pixels; also return the new run of each old one."""
    is_new = (runs.row[1:] != runs.row[:-1]) | (runs.start[1:] - runs.end[:-1] > gap)
    first = np.flatnonzero(np.concatenate([[True], is_new]))
    last = np.append(first[1:], len(runs)) - 1
    number = np.cumsum(np.concatenate([[0], is_new]))
    return Runs(runs.row[first], runs.start[first], runs.end[last], runs.width), number


def _find_touching_runs(runs: Runs) -> tuple[Numbers, Numbers]:
    """Return pairs of runs, upper and lower, that touch in neighbouring rows."""
    stride = runs.width + 4  # so that runs at the ends of adjacent rows do not touch
    starts, ends = runs.row * stride + runs.start, runs.row * stride + runs.end
    first = np.searchsorted(ends, starts + stride, "left")
    behind = np.searchsorted(starts, ends + stride, "right")
    count = np.maximum(behind - first, 0)
    upper = np.repeat(np.arange(len(runs)), count)
    offset = np.arange(len(upper)) - np.repeat(np.cumsum(count) - count, count)
    return upper, np.repeat(first, count) + offset


def find_parts(runs: Runs) -> tuple[Parts, Numbers]:
    """Return the components that runs form, and for each run the number of its component."""
    upper, lower = _find_touching_runs(runs)
    label = np.arange(len(runs))
    # Propagate the smallest label over touching runs until nothing changes.
    while True:
        before = label
        label = label.copy()
        smallest = np.minimum(label[upper], label[lower])
        np.minimum.at(label, before[upper], smallest)
        np.minimum.at(label, before[lower], smallest)
        label = label[label]
        if np.array_equal(label, before):
            break
    _roots, label = np.unique(label, return_inverse=True)
    return _measure_parts(runs, label, upper, lower), label


def _measure_parts(runs: Runs, label: Numbers, upper: Numbers, lower: Numbers) -> Parts:
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
