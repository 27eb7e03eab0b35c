"""A line that a search found."""

from dataclasses import dataclass
from enum import StrEnum

from gallery.index.types import FrameRecord
from gallery.ocr.types import Box


class LineKind(StrEnum):
    """What a line is: dialogue, text in the picture, or, as a subtitle in the picture, both."""

    SAID = "said"
    WRITTEN = "written"


@dataclass(frozen=True, slots=True)
class FoundLine:
    """A line that was found, spoken or shown from `start` to `end` (seconds).

    `record` is the frame, with its shot, that it is heard over. `parts` is the text in pieces, each
    with whether it matched. `language` is a BCP 47 tag. `complete`: it contains all the words, not
    only some. `box` is where it stands in that frame, if it does.
    """

    record: FrameRecord
    start: float
    end: float
    language: str
    parts: tuple[tuple[str, bool], ...]
    complete: bool = True
    kinds: frozenset[LineKind] = frozenset({LineKind.SAID})
    box: Box | None = None

    @property
    def is_written(self) -> bool:
        """Whether it was read in the picture."""
        return LineKind.WRITTEN in self.kinds

    @property
    def text(self) -> str:
        """The whole text of the line."""
        return "".join(text for text, _marked in self.parts)
