"""What travels between the rooms: frozen values that know nothing of Django, Redis or torch."""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from PIL import Image

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


class FrameKind(StrEnum):
    """Whether a frame is worth offering: a picture, a blank one, or letters on a plain ground."""

    PICTURE = "picture"
    BLANK = "blank"
    CREDITS = "credits"
