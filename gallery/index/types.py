"""Frames as the index knows them."""

from dataclasses import dataclass
from typing import NamedTuple

from gallery.media.types import FrameKind

FrameKey = tuple[int, int]
"""A frame by its film's id and its second."""


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """A frame as the index keeps it: shown at `time`, in a shot from `start` to `end` (seconds)."""

    film: int
    second: int
    time: float
    shot: int
    start: float
    end: float
    look: FrameKind = FrameKind.PICTURE

    @property
    def key(self) -> FrameKey:
        """The frame."""
        return self.film, self.second


@dataclass(frozen=True, slots=True)
class Scope:
    """A part of the library: these films, or all but some; shots that carry all these labels.

    `without_shots`: shots to leave out, each a film's id and the shot's number in it. `dull`: blank
    frames and credits as well.
    """

    films: tuple[int, ...] | None = None
    without: tuple[int, ...] = ()
    without_shots: tuple[tuple[int, int], ...] = ()
    labels: tuple[int, ...] = ()
    dull: bool = False


class Neighbour(NamedTuple):
    """A frame that the index found near a vector; `score` is the cosine, 1.0 for itself.

    A search makes up to thousands of them.
    """

    film: int
    second: int
    shot: int
    score: float

    @property
    def key(self) -> FrameKey:
        """The frame."""
        return self.film, self.second
