"""What travels between the rooms: frozen values that know nothing of Django, Redis or torch."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

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
class PictureFormat:
    """How a film's pictures are coded, in FFmpeg's names; "" where the file does not say.

    `matrix`, `primaries` and `transfer` are those of ITU-T H.273; `peak` is the luminance of the
    brightest pixel in cd/m2, 0 when unknown. `field_order` is "tff" or "bff" when the pictures were
    found to be interlaced although none is marked as such. `may_change`: size and shape are told
    by the pictures only, and may change within the film.
    """

    matrix: str = ""
    primaries: str = ""
    transfer: str = ""
    peak: float = 0.0
    field_order: str = ""
    may_change: bool = False


@dataclass(frozen=True, slots=True)
class SoundTrack:
    """A sound track: `number` counts from 0 among those of the film; `language` is as in the file.

    `is_default`: the film asks for it to be played unless another is chosen. `is_extra`: a
    commentary or a description, not the film's own sound. `is_decodable`: FFmpeg has a decoder.
    """

    number: int
    codec: str
    language: str = ""
    title: str = ""
    is_default: bool = False
    is_extra: bool = False
    is_decodable: bool = True


@dataclass(frozen=True, slots=True)
class Probe:
    """What a film file says of itself.

    `width` and `height` are in pixels as shown (turned upright, square pixels); `start` is the
    presentation time, in seconds, that the file gives its beginning; `rate` is frames per second,
    as exact as FFmpeg prints it; `duration` is in seconds. `first_frame` is when the first picture
    is shown, in seconds from the film's beginning (sound may begin earlier), `last_frame` is when
    the last one begins, 0.0 for films that were imported before it was kept; `start_timecode` is
    the timecode that a camera or an editing program gave it, hh:mm:ss:ff or hh:mm:ss;ff, or "".
    `audio_codec` is that of the sound that is played by default, "" when there is none. `picture`
    and `sound` are None and () for films that were imported before these were looked at.
    """

    duration: float
    start: float
    width: int
    height: int
    rate: Fraction
    video_codec: str
    audio_codec: str
    rotation: int = 0
    first_frame: float = 0.0
    last_frame: float = 0.0
    start_timecode: str = ""
    picture: PictureFormat | None = None
    sound: tuple[SoundTrack, ...] = ()


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


class Look(StrEnum):
    """Whether a frame is worth offering: a picture, a blank one, or letters on a plain ground."""

    PICTURE = "picture"
    BLANK = "blank"
    CREDITS = "credits"


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
    look: Look = Look.PICTURE

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
    """A search. All of it stands in the address of its page: see `gallery.finding.address`.

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
class Spoken:
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
    line: Spoken | None = None
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
