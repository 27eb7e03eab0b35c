"""The types of the demo film's script: shots, the things that move in them, and dialogue.

Positions are fractions of the picture (0 is left or top, 1 is right or bottom), heights fractions
of the picture's height, angles degrees counterclockwise, durations frames at ``RATE`` a second.
"""

from __future__ import annotations

from dataclasses import dataclass

from demo.splits import FILM_SEEDS

WIDTH, HEIGHT = 640, 360  # pixels
RATE = 24  # frames a second
TITLE = {"en": "The Cat Who Borrowed a Rocket", "zh": "借火箭的猫"}
EDGE = 0.16  # a thing whose centre stays within this distance of a side is at the edge

Point = tuple[float, float]


@dataclass(frozen=True)
class Actor:
    """A thing and its path through a shot, from ``start`` to ``end`` (None: it stays).

    ``bob`` and ``hop`` (fractions of the height) move it up and down, smoothly or in jumps, and
    ``swing`` (degrees) rotates it to and fro, ``pace`` times a second. ``grow`` is its size at the
    end relative to ``height``. ``floats`` omits the shadow on the ground.
    """

    concept: str
    start: Point
    end: Point | None = None
    height: float = 0.6
    grow: float = 1.0
    turn: float = 0.0
    swing: float = 0.0
    bob: float = 0.0
    hop: float = 0.0
    pace: float = 1.0
    mirrored: bool = False
    floats: bool = False

    def edge(self) -> str | None:
        """Return ``"left"`` or ``"right"`` if it stays at that edge."""
        ways = [self.start[0], (self.end or self.start)[0]]
        if max(ways) <= EDGE:
            return "left"
        return "right" if min(ways) >= 1 - EDGE else None

    def position(self) -> str:
        """Return its average position: ``"left"``, ``"centre"`` or ``"right"``."""
        middle = (self.start[0] + (self.end or self.start)[0]) / 2
        return "left" if middle < 0.4 else "right" if middle > 0.6 else "centre"


@dataclass(frozen=True)
class Line:
    """The dialogue of a shot, and two searches for it with words that a viewer would remember."""

    en: str
    zh: str
    ask_en: str
    ask_zh: str


@dataclass(frozen=True)
class Shot:
    """A shot. ``pan`` is where the camera looks in the wider background at the start and the end,
    across and down (0 to 1 each); ``zoom`` is the magnification at the start and the end.
    """

    frames: int
    background: str
    actors: tuple[Actor, ...]
    en: str
    zh: str
    line: Line
    pan: tuple[Point, Point] = ((0.5, 0.5), (0.5, 0.5))
    zoom: Point = (1.0, 1.0)
    seed: int = 0

    def facts(self) -> frozenset[str]:
        """Return the slugs of the things in the shot, and ``"@" + slug`` of the background."""
        return frozenset(a.concept for a in self.actors) | {"@" + self.background}

    def film_seed(self) -> int:
        """Return the seed of the background, which is never a training seed."""
        return FILM_SEEDS.start + self.seed
