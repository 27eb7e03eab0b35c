"""What travels between the rooms: frozen values that know nothing of Django, Redis or torch."""

from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Vector = NDArray[np.float32]
"""One embedding: unit length, shape (width,), float32."""

Vectors = NDArray[np.float32]
"""Embeddings, one a row: unit length, shape (n, width), float32."""

Picture = Image.Image
"""A decoded picture, RGB, 8 bits a channel."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a film file says of itself.

    `width` and `height` are in pixels as shown (turned upright, square pixels); `start` is the
    presentation time, in seconds, that the file gives its beginning; `rate` is frames per second,
    as exact as FFmpeg prints it; `duration` is in seconds.
    """

    duration: float
    start: float
    width: int
    height: int
    rate: Fraction
    video_codec: str
    audio_codec: str
    rotation: int = 0


@dataclass(frozen=True, slots=True)
class Frame:
    """The picture that stands for second `second` of a film; it is shown at `time` seconds."""

    second: int
    time: float
    picture: Picture


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of film, from `start` up to but not including `end` (seconds; None: to its end)."""

    start: int
    end: int | None


@dataclass(frozen=True, slots=True)
class Shot:
    """What lies between two cuts: `number` counts from 0; `start` and `end` are seconds."""

    number: int
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """A frame as the index keeps it: shown at `time`, in a shot from `start` to `end` (seconds)."""

    film: int
    second: int
    time: float
    shot: int
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A frame that the index found near a vector; `score` is the cosine, 1.0 for itself."""

    record: FrameRecord
    score: float


class ProbeKind(StrEnum):
    """What a query is made of."""

    WORDS = "words"
    PICTURE = "picture"
    FRAME = "frame"


@dataclass(frozen=True, slots=True)
class Query:
    """A search: words, or an uploaded picture's token, or a frame (film id, second).

    `film` keeps to one film. `page` counts from 1, of `page_size` hits each.
    """

    words: str = ""
    picture: str = ""
    frame: tuple[int, int] | None = None
    film: int | None = None
    page: int = 1
    page_size: int = 24

    @property
    def kind(self) -> ProbeKind | None:
        """What it is made of, or None when it is empty."""
        if self.frame is not None:
            return ProbeKind.FRAME
        if self.picture:
            return ProbeKind.PICTURE
        return ProbeKind.WORDS if self.words.strip() else None


@dataclass(frozen=True, slots=True)
class Hit:
    """One shot that was found, from `start` to `end`, shown by its best frame at `time` (seconds).

    `score` is a cosine; `thumbnail` is an address on this site; `rate` is frames per second.
    """

    film: int
    title: str
    year: int | None
    second: int
    time: float
    shot: int
    start: float
    end: float
    score: float
    thumbnail: str
    rate: Fraction


@dataclass(frozen=True, slots=True)
class Results:
    """One page of hits, whether there are more, and what the user should know about them."""

    hits: list[Hit] = field(default_factory=list)
    more: bool = False
    notices: list[str] = field(default_factory=list)
