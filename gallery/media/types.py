"""Values shared by all packages: immutable, without Django, Redis or torch."""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from PIL import Image

Picture = Image.Image
"""A decoded picture, RGB, 8 bits per channel."""


InnerBox = tuple[float, float, float, float]
"""The part of a picture inside its bars: left, top, right and bottom, as fractions of its sides."""


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """How a film's pictures are coded, in FFmpeg's names; "" when the file does not say.

    `matrix`, `primaries` and `transfer` are those of ITU-T H.273; `peak` is the peak luminance in
    cd/m2, 0 when unknown. `field_order` is "tff" or "bff" when interlacing was detected that is not
    marked. `may_change`: size and shape may change within the film.
    """

    matrix: str = ""
    primaries: str = ""
    transfer: str = ""
    peak: float = 0.0
    field_order: str = ""
    may_change: bool = False


@dataclass(frozen=True, slots=True)
class SoundTrack:
    """A sound track: `number` counts the film's sound tracks from 0; `language` is as in the file.

    `is_default`: the file marks it as the default. `is_extra`: a commentary or audio description,
    not the film's own sound. `is_decodable`: FFmpeg has a decoder.
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
    """Metadata of a film file.

    `width` and `height` are in pixels as displayed (upright, square pixels); `start` is the
    presentation time of its beginning on the file's clock, in seconds; `rate` is the exact frames
    per second; `duration` is in seconds. `first_frame` and `last_frame` are when the first and the
    last picture are first shown, in seconds from the film's beginning (sound may begin earlier);
    `last_frame` is 0.0 for films that were imported before it was stored. `start_timecode` is the
    timecode from the camera or the editing program, hh:mm:ss:ff or hh:mm:ss;ff, or "".
    `audio_codec` is that of the default sound track, "" when there is none. `picture` and `sound`
    are None and () for films that were imported before these were probed. `inner` is the part of
    the pictures inside black bars; None when there are no bars.
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
    inner: InnerBox | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame of second `second` of a film; it is shown at `time` seconds."""

    second: int
    time: float
    picture: Picture


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a film, from `start` up to, not including, `end` (seconds; None: to its end)."""

    start: int
    end: int | None


@dataclass(frozen=True, slots=True)
class Shot:
    """A part of a film between two cuts: `number` counts from 0; `start` and `end` are seconds."""

    number: int
    start: float
    end: float


class FrameKind(StrEnum):
    """Whether a frame is a picture, blank, or credits: text on a plain background."""

    PICTURE = "picture"
    BLANK = "blank"
    CREDITS = "credits"
