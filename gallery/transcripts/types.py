"""A line of dialogue that a search found."""

from dataclasses import dataclass

from gallery.index.types import FrameRecord


@dataclass(frozen=True, slots=True)
class SpokenLine:
    """A line of dialogue that was found, shown from `start` to `end` (seconds).

    `record` is the frame, with its shot, that it is heard over. `parts` is the text in pieces, each
    with whether it matched. `language` is a BCP 47 tag. `complete`: it contains all the words, not
    only some.
    """

    record: FrameRecord
    start: float
    end: float
    language: str
    parts: tuple[tuple[str, bool], ...]
    complete: bool = True

    @property
    def text(self) -> str:
        """The whole text of the line."""
        return "".join(text for text, _marked in self.parts)
