"""Finds the frame and shot of a line of dialogue."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import groupby

from gallery.index.types import FrameRecord
from gallery.media.types import FrameKind


class ShotLookup:
    """The shots of a film that have frames, in time order; at least one."""

    def __init__(self, rows: Sequence[FrameRecord]) -> None:
        self.shots = [list(group) for _number, group in groupby(rows, key=lambda row: row.shot)]
        self.starts = [shot[0].start for shot in self.shots]
        self.ends = [shot[0].end for shot in self.shots]

    @property
    def end(self) -> float:
        """The end of the last shot, in seconds."""
        return self.ends[-1]

    def frame_for_line(self, start: float, end: float) -> FrameRecord:
        """Return the frame for a line that is shown from `start` to `end` (seconds).

        It is in the shot that overlaps the line most, as close as possible to the middle of the
        overlap; a frame that is neither blank nor credits has priority. A line that overlaps no
        shot with a frame gets the nearest one.
        """
        shot = self._overlapping_shot(start, end)
        if shot is None:
            shot = self._nearest_shot(start, end)
        middle = (max(start, self.starts[shot]) + min(end, self.ends[shot])) / 2
        return min(
            self.shots[shot],
            key=lambda row: (row.look is not FrameKind.PICTURE, abs(row.time - middle)),
        )

    def _overlapping_shot(self, start: float, end: float) -> int | None:
        """Return the index of the shot with the largest overlap; None if there is no overlap."""
        first = bisect_right(self.ends, start)
        last = bisect_left(self.starts, max(end, start + 1e-6))
        return max(
            range(first, last),
            key=lambda shot: min(end, self.ends[shot]) - max(start, self.starts[shot]),
            default=None,
        )

    def _nearest_shot(self, start: float, end: float) -> int:
        """Return the index of the shot nearest to a line between, before or after all shots."""
        following = bisect_right(self.ends, start)
        neighbours = (n for n in (following - 1, following) if 0 <= n < len(self.shots))
        return min(neighbours, key=lambda n: max(self.starts[n] - end, start - self.ends[n]))
