"""Value types of a search: the query, its hits and a page of results."""

import re
from dataclasses import dataclass, field
from enum import StrEnum

from gallery.films.catalogue import ListedFilm
from gallery.index.types import FrameKey
from gallery.transcripts.phrases import QUOTED
from gallery.transcripts.types import FoundLine, LineKind


class ProbeKind(StrEnum):
    """What a query consists of."""

    WORDS = "words"
    PICTURE = "picture"
    FRAME = "frame"
    MIXED = "mixed"


class Mode(StrEnum):
    """Where words are searched for: in pictures, in dialogue, in text that pictures show, or
    everywhere.
    """

    BOTH = "both"
    SEEN = "seen"
    SAID = "said"
    WRITTEN = "written"

    @property
    def line_kind(self) -> LineKind | None:
        """The only kind of lines that is searched, and no pictures; None if there is no such."""
        return _LINE_KINDS.get(self)


_LINE_KINDS = {Mode.SAID: LineKind.SAID, Mode.WRITTEN: LineKind.WRITTEN}


class Order(StrEnum):
    """The order of hits."""

    RELEVANCE = "relevance"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Example:
    """A frame, or the token of an uploaded picture, to search for; `weight` is above 0."""

    frame: FrameKey | None = None
    picture: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Query:
    """A search. Its page's address holds all of it: see `gallery.search.address`.

    `words` are as typed: a word or quoted phrase with a minus sign in front is avoided, like those
    in `avoid`. Other phrases in quotes have to be said, unless only pictures are searched.

    `more` and `less` are hits marked as right or wrong. The filters are `films`, `years` (first and
    last, None if open) and `labels` (ids; a shot must carry all of them). `page` counts from 1, of
    `page_size` hits each. `per_film` limits the hits of one film; None adapts the limit to the size
    of the library.
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
        """What the query consists of, or None if it asks for nothing."""
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
        """The words to search for: `words` without those to avoid."""
        return " ".join(AVOIDED_PHRASE.sub(" ", self.words).split())

    @property
    def quoted(self) -> tuple[str, ...]:
        """The phrases that have to be said word for word; none if only pictures are searched."""
        if self.mode is Mode.SEEN:
            return ()
        return tuple(match[1].strip() for match in QUOTED.finditer(self.wanted))

    @property
    def described(self) -> str:
        """The words for what the picture shows: those wanted, without the `quoted` ones."""
        kept = r" \1 " if self.mode is Mode.SEEN else " "
        return " ".join(QUOTED.sub(kept, self.wanted).split())

    @property
    def avoided(self) -> tuple[str, ...]:
        """The phrases to avoid: those with a minus sign in `words`, and those listed in `avoid`."""
        marked = (match[1] or match[2] or "" for match in AVOIDED_PHRASE.finditer(self.words))
        listed = _SEPARATOR.split(self.avoid)
        return tuple(dict.fromkeys(part.strip() for part in (*marked, *listed) if part.strip()))

    @property
    def film(self) -> int | None:
        """The film that the search is limited to, if it is exactly one."""
        return self.films[0] if len(self.films) == 1 else None

    @property
    def single_frame(self) -> FrameKey | None:
        """The frame that the query consists of, or None if there is anything else in it."""
        if self.kind is ProbeKind.FRAME and len(self.examples) == 1:
            return self.examples[0].frame
        return None


WEB_ADDRESS = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)

# A minus sign before a word or a phrase in quotes; one within a word (film-noir) is part of it.
AVOIDED_PHRASE = re.compile(
    r"""(?<!\S)[-\u2212\uff0d](?:["\u201c]([^"\u201d]*)["\u201d]?|([^\s"]+))"""
)


_SEPARATOR = re.compile(r"[,;\n\uff0c\uff1b\u3001]+")


@dataclass(frozen=True, slots=True)
class Hit:
    """A shot that was found, from `start` to `end`, shown by its best frame at `time` (seconds).

    `score` is what it was ranked by. `relevance` is 1 for the best that the query finds and 0 for
    an ordinary frame of the library. `line` is the matching line, if any. `matches` is False
    for a shot that is merely among the nearest. `more_in_film`: the film has further hits that are
    not listed.
    """

    listed_film: ListedFilm
    second: int
    time: float
    shot: int
    start: float
    end: float
    score: float
    relevance: float
    line: FoundLine | None = None
    matches: bool = True
    more_in_film: bool = False

    @property
    def film(self) -> int:
        """The id of the film."""
        return self.listed_film.pk

    @property
    def key(self) -> FrameKey:
        """The frame."""
        return self.film, self.second


@dataclass(frozen=True, slots=True)
class Results:
    """One page of hits, whether there are more, and notices for the user.

    `matches` is False when nothing really matches and the hits are merely the nearest. `rest` is
    the index on this page, from 0, of the first hit that hardly matches after hits that do; None
    when it is not on this page.
    """

    hits: list[Hit] = field(default_factory=list)
    more: bool = False
    matches: bool = True
    rest: int | None = None
    notices: list[str] = field(default_factory=list)
