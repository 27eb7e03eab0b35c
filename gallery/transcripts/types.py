"""Lines of dialogue that a search found."""

from dataclasses import dataclass

from gallery.index.types import FrameRecord


@dataclass(frozen=True, slots=True)
class SpokenLine:
    """A line of dialogue that was found, shown from `start` up to `end` (seconds).

    `record` is the frame and the shot that it is heard over; `parts` is the text in pieces, each
    with whether its words were asked for; `language` is a BCP 47 tag. `complete`: it holds all the
    words that were asked for, not only some.
    """

    record: FrameRecord
    start: float
    end: float
    language: str
    parts: tuple[tuple[str, bool], ...]
    complete: bool = True

    @property
    def text(self) -> str:
        """The line as it is said."""
        return "".join(text for text, _marked in self.parts)
