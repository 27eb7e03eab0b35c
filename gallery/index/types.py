"""Frames as the index stores them."""

from dataclasses import dataclass
from typing import NamedTuple

from gallery.media.types import FrameKind

FrameKey = tuple[int, int]
"""A frame: its film's id and its second."""


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """A frame in the index, shown at `time`, in a shot from `start` to `end` (seconds)."""

    film: int
    second: int
    time: float
    shot: int
    start: float
    end: float
    look: FrameKind = FrameKind.PICTURE

    @property
    def key(self) -> FrameKey:
        """Return the frame's film and second."""
        return self.film, self.second


@dataclass(frozen=True, slots=True)
class Scope:
    """A part of the library: these films, or all but some; shots that have all these labels.

    `excluded_shots`: film ids and shot numbers. `include_dull`: blank frames and credits as well.
    """

    films: tuple[int, ...] | None = None
    excluded_films: tuple[int, ...] = ()
    excluded_shots: tuple[tuple[int, int], ...] = ()
    labels: tuple[int, ...] = ()
    include_dull: bool = False


class Neighbour(NamedTuple):
    """A frame near a query vector; `score` is the cosine, 1.0 for an identical vector.

    A named tuple, because a search creates up to thousands of them.
    """

    film: int
    second: int
    shot: int
    score: float

    @property
    def key(self) -> FrameKey:
        """Return the frame's film and second."""
        return self.film, self.second
