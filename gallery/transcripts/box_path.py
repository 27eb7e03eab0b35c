"""Where a line stands in the picture, which may move, as credits do that roll."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gallery.ocr.types import Box

MIN_MOVE = 0.02  # shares of the width or height of the picture: less is noise of reading


@dataclass(frozen=True, slots=True)
class BoxPath:
    """The box of a line at some times (seconds of the film), in time order; at least one.

    Between them it moves evenly. A line that stays in its place has one.
    """

    points: tuple[tuple[float, Box], ...]

    def box_at(self, time: float) -> Box:
        """Return the box at a time; before the first and after the last point, theirs."""
        after = bisect_right(self.points, time, key=lambda point: point[0])
        if after == 0 or after == len(self.points):
            return self.points[max(0, after - 1)][1]
        (start, first), (end, second) = self.points[after - 1 : after + 1]
        share = (time - start) / (end - start)
        return Box(*(round(a + (b - a) * share, 4) for a, b in zip(first, second, strict=True)))

    def to_json(self) -> list[Any]:
        """Return it for the database: the four edges, or a time and the edges of each point."""
        if len(self.points) == 1:
            return list(self.points[0][1])
        return [[time, *box] for time, box in self.points]

    @classmethod
    def from_json(cls, value: list[Any] | None) -> "BoxPath | None":
        """Return what `to_json` made; None for a line that does not stand in the picture."""
        if not value:
            return None
        if isinstance(value[0], list):
            return cls(tuple((time, Box(*edges)) for time, *edges in value))
        return cls(((0.0, Box(*value)),))


def build_path(points: Sequence[tuple[float, Box]]) -> BoxPath:
    """Return the path through boxes at times; if they are all in one place, the middle one."""
    middles = zip(*(box.center for _time, box in points), strict=True)
    if any(max(values) - min(values) > MIN_MOVE for values in middles):
        return BoxPath(tuple(points))
    return BoxPath((points[len(points) // 2],))
