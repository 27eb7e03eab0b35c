"""Value types of storyboards."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScriptLine:
    """A line of a script; `seconds` is the length that it asks for, None if it names none."""

    text: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class SceneCandidate:
    """A shot of `film` (id), from `start` to `end` seconds, shown by frame `second` at `time`.

    `relevance` is 0 to 1, as of a hit. `matches` is False for a shot that is merely the nearest.
    """

    film: int
    shot: int
    second: int
    time: float
    start: float
    end: float
    relevance: float
    matches: bool

    @property
    def key(self) -> tuple[int, int]:
        """The film and the number of the shot."""
        return self.film, self.shot
