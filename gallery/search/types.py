"""A query, and what it finds: frozen values."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

from gallery.index.types import FrameKey
from gallery.transcripts.types import SpokenLine


class ProbeKind(StrEnum):
    """What a query is made of."""

    WORDS = "words"
    PICTURE = "picture"
    FRAME = "frame"
    MIXED = "mixed"


class Mode(StrEnum):
    """Where words are looked for: in the pictures, in the dialogue, or in both."""

    BOTH = "both"
    SEEN = "seen"
    SAID = "said"


class Order(StrEnum):
    """How hits are ordered."""

    RELEVANCE = "relevance"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Example:
    """A frame, or an uploaded picture's token, to look like; `weight` over 0, 1 by default."""

    frame: FrameKey | None = None
    picture: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Query:
    """A search. All of it stands in the address of its page: see `gallery.search.address`.

    `words` are as typed: one that begins with a minus sign, or "-" and a phrase in quotes, is
    avoided like those in `avoid`. `more` and `less` are hits marked as right or wrong.
    `films`, `years` (first and last, each None when open) and `labels` (ids, all of them) keep to a
    part of the library. `page` counts from 1, of `page_size` hits each. `per_film`: how many hits a
    film may have, None for what suits the size of the library.
    """

    words: str = ""
    words_weight: float = 1.0
    avoid: str = ""
    examples: tuple[Example, ...] = ()
    more: tuple[FrameKey, ...] = ()
    less: tuple[FrameKey, ...] = ()
    mode: Mode = Mode.BOTH
    order: Order = Order.RELEVANCE
    films: tuple[int, ...] = ()
    years: tuple[int | None, int | None] = (None, None)
    labels: tuple[int, ...] = ()
    page: int = 1
    page_size: int = 24
    per_film: int | None = None

    @property
    def kind(self) -> ProbeKind | None:
        """What it is made of, or None when it asks for nothing."""
        kinds = {ProbeKind.FRAME if e.frame else ProbeKind.PICTURE for e in self.examples}
        if self.wanted:
            kinds.add(ProbeKind.WORDS)
        if self.more:
            kinds.add(ProbeKind.FRAME)
        if len(kinds) > 1 or len(self.examples) > 1:
            return ProbeKind.MIXED
        return kinds.pop() if kinds else None

    @property
    def wanted(self) -> str:
        """The words that are asked for: `words` without those to avoid."""
        return " ".join(AVOIDED.sub(" ", self.words).split())

    @property
    def avoided(self) -> tuple[str, ...]:
        """What is to be avoided: words with a minus sign, and those of `avoid`, a phrase each."""
        marked = (match[1] or match[2] or "" for match in AVOIDED.finditer(self.words))
        listed = _LIST.split(self.avoid)
        return tuple(dict.fromkeys(part.strip() for part in (*marked, *listed) if part.strip()))

    @property
    def film(self) -> int | None:
        """The film that it keeps to, when it is one."""
        return self.films[0] if len(self.films) == 1 else None

    @property
    def own(self) -> FrameKey | None:
        """The frame that it looks for and nothing else, or None."""
        if self.kind is ProbeKind.FRAME and len(self.examples) == 1:
            return self.examples[0].frame
        return None


# A minus sign before a word or a phrase in quotes; one within a word (film-noir) is part of it.
AVOIDED = re.compile(r"""(?<!\S)[-\u2212\uff0d](?:["\u201c]([^"\u201d]*)["\u201d]?|([^\s"]+))""")


_LIST = re.compile(r"[,;\n\uff0c\uff1b\u3001]+")


@dataclass(frozen=True, slots=True)
class Hit:
    """One shot that was found, from `start` to `end`, shown by its best frame at `time` (seconds).

    `score` is what it was ranked by; `relevance`, 0 to 1, says how it compares with the best that
    this query finds (1) and with an ordinary frame of the library (0). `line` is the dialogue that
    was found in it. `matches` is False when it is merely among the nearest, and hardly what was
    asked for. `more_in_film` says that the film has further hits that are not listed.
    `thumbnail` is an address on this site; `rate` is frames per second.
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
    relevance: float
    thumbnail: str
    rate: Fraction
    line: SpokenLine | None = None
    matches: bool = True
    more_in_film: bool = False

    @property
    def key(self) -> FrameKey:
        """Its frame."""
        return self.film, self.second


@dataclass(frozen=True, slots=True)
class Results:
    """One page of hits, whether there are more, and what the user should know about them.

    `matches` is False when nothing really matches and the hits are merely the nearest. `rest` is
    the place on this page, from 0, from which on hits hardly match while those before do; None when
    it is not on this page.
    """

    hits: list[Hit] = field(default_factory=list)
    more: bool = False
    matches: bool = True
    rest: int | None = None
    notices: list[str] = field(default_factory=list)
