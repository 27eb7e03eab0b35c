"""Value types of storyboards."""

from dataclasses import dataclass, replace

from gallery.core.errors import BoardError


@dataclass(frozen=True, slots=True)
class ScriptLine:
    """A line of a script; `seconds` is the length that it asks for, None if it names none."""

    text: str
    seconds: float | None = None

    def with_length(self, seconds: float | None) -> "ScriptLine":
        """Return the line with another length; None keeps its own."""
        return self if seconds is None else replace(self, seconds=seconds)


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

    @property
    def scene_id(self) -> str:
        """The key as text, for forms."""
        return f"{self.film}-{self.shot}"


class StaleRow(BoardError):  # noqa: N818 - the name states the problem
    """A row is not as the user saw it: it was changed meanwhile, perhaps in another tab."""
