"""Which frame and shot a line of dialogue is heard over."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import groupby

from gallery.index.types import FrameRecord
from gallery.media.types import FrameKind


class ShotLookup:
    """The frames of a film, in time order; at least one."""

    def __init__(self, rows: Sequence[FrameRecord]) -> None:
        self.shots = [list(group) for _number, group in groupby(rows, key=lambda row: row.shot)]
        self.starts = [shot[0].start for shot in self.shots]
        self.ends = [shot[0].end for shot in self.shots]

    @property
    def end(self) -> float:
        """When the last shot ends, in seconds."""
        return self.ends[-1]

    def over(self, start: float, end: float) -> FrameRecord:
        """The frame over which a line is heard that is said from `start` up to `end` (seconds).

        It lies in the shot that most of the line is heard over, as near as can be to the middle of
        what is heard there. Shots without a frame of their own are passed over.
        """
        first = bisect_right(self.ends, start)
        last = bisect_left(self.starts, max(end, start + 1e-6))
        touched = range(first, last) or range(max(0, min(first, len(self.shots)) - 1), first + 1)
        chosen = max(
            (at for at in touched if at < len(self.shots)),
            key=lambda at: (self._overlap(at, start, end), -self._distance(at, start, end)),
        )
        heard = (max(start, self.starts[chosen]) + min(end, self.ends[chosen])) / 2
        # A blank frame is a poor picture of a shot that has others.
        return min(
            self.shots[chosen],
            key=lambda row: (row.look is not FrameKind.PICTURE, abs(row.time - heard)),
        )

    def _overlap(self, at: int, start: float, end: float) -> float:
        return max(0.0, min(end, self.ends[at]) - max(start, self.starts[at]))

    def _distance(self, at: int, start: float, end: float) -> float:
        return max(self.starts[at] - end, start - self.ends[at], 0.0)
