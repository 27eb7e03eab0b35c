"""Seconds, frame numbers and timecodes: the one place where they are turned into each other.

Frames are numbered from the film's beginning on a grid of its exact rate, 24000/1001 and the like.
A timecode, hh:mm:ss:ff, is that number written at the nominal rate (24 for 24000/1001) without
dropping any, as editing programs count: an hour on the wall is 00:59:56:10 at 24000/1001.
"""

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from opentimelineio import opentime

from gallery.media.types import Probe

# A frame counts as shown from a quarter of its length early: containers round the times of frames.
TOLERANCE = Fraction(1, 4)
RATE_OF_STILLS = Fraction(25)  # frames a second where a film does not say
_TYPED = re.compile(r"(?:(?:(\d{1,3}):)?(\d{1,3}):)?(\d{1,5})(\.\d{1,6})?", re.ASCII)
_WRITTEN = re.compile(r"(\d{1,3}):(\d{1,2}):(\d{1,2})[:;.](\d{1,3})", re.ASCII)
_COUNTED = re.compile(r"(\d{1,9})f", re.ASCII)


def timecode(seconds: float, rate: Fraction) -> str:
    """The timecode of the frame shown at `seconds`; hh:mm:ss where `rate` is unknown (0)."""
    return Clock(rate).timecode(seconds)


@dataclass(frozen=True, slots=True)
class Clock:
    """How the frames of one film are counted.

    `rate` is frames per second, 0 where it is unknown; `first_frame` is when the first picture is
    shown, in seconds; `start_timecode` is the timecode that the file gives it, or "".
    """

    rate: Fraction
    first_frame: float = 0.0
    start_timecode: str = ""

    @classmethod
    def of(cls, found: Probe) -> "Clock":
        """The clock of a film that was looked at."""
        return cls(found.rate, found.first_frame, found.start_timecode)

    @property
    def grid(self) -> Fraction:
        """Frames per second by which frames are numbered, never 0."""
        return self.rate or RATE_OF_STILLS

    @property
    def nominal(self) -> int:
        """Frames in a second of timecode: 24 for 24000/1001."""
        return max(1, round(self.grid))

    @property
    def phase(self) -> Fraction:
        """When frame 0 would be shown, in seconds: less than a frame from 0."""
        first = Fraction(self.first_frame).limit_denominator(1_000_000)
        return first - math.floor(first * self.grid + TOLERANCE) / self.grid

    def frame(self, seconds: float | Fraction) -> int:
        """The number of the frame that is shown at a time of the film."""
        return max(0, math.floor((Fraction(seconds) - self.phase) * self.grid + TOLERANCE))

    def frame_from(self, seconds: float | Fraction) -> int:
        """The number of the first frame that begins at or after a time of the film.

        That of a cut is the first of its shot, also where the rate varies.
        """
        return max(0, math.ceil((Fraction(seconds) - self.phase) * self.grid - TOLERANCE))

    def exact_seconds(self, frame: int) -> Fraction:
        """When a frame is shown."""
        return frame / self.grid + self.phase

    def seconds(self, frame: int) -> float:
        """When a frame is shown, in seconds of the film, not below 0."""
        return max(0.0, float(self.exact_seconds(frame)))

    def timecode(self, seconds: float | Fraction) -> str:
        """The timecode of the frame that is shown at a time of the film."""
        if not self.rate:
            return _colons(math.floor(seconds + TOLERANCE / RATE_OF_STILLS))
        return self.timecode_of(self.frame(seconds))

    def timecode_of(self, frame: int) -> str:
        """The timecode of a frame, not dropping any."""
        whole, part = divmod(frame, self.nominal)
        return f"{_colons(whole)}:{part:02d}"

    def parse(self, text: str) -> int:
        """The frame that somebody means: hh:mm:ss:ff, h:mm:ss, mm:ss, 12.5 (seconds), or 300f.

        What has no frames is a time of the film, as players show it. Raises ValueError.
        """
        text = text.strip().replace("：", ":").replace("；", ";")
        if counted := _COUNTED.fullmatch(text):
            return int(counted[1])
        if written := _WRITTEN.fullmatch(text):
            hours, minutes, seconds, part = (int(group) for group in written.groups())
            return ((hours * 60 + minutes) * 60 + seconds) * self.nominal + part
        typed = _TYPED.fullmatch(text)
        if not typed:
            raise ValueError(text)
        hours, minutes, seconds = (int(group or 0) for group in typed.groups()[:3])
        time = (hours * 60 + minutes) * 60 + seconds + Fraction(typed[4] or 0)
        return self.frame_from(time)

    # --- the timecode that a camera or an editing program gave the file ---------------------------

    @property
    def drops(self) -> bool:
        """Whether the file's own timecode leaves out numbers (10:00:00;02, at 30000/1001)."""
        return self._dropped_start() is not None

    @property
    def start_frame(self) -> int:
        """The number of frames that the file's own timecode begins with; 0 where it has none."""
        dropped = self._dropped_start()
        if dropped is not None:
            return dropped
        return self.parse(self.start_timecode) if self.start_timecode else 0

    def source_frame(self, seconds: float | Fraction) -> int:
        """The number of the frame shown at `seconds`, counted as the file's own timecode does."""
        return self.start_frame + self.frame(seconds)

    def source_timecode(self, seconds: float | Fraction) -> str:
        """The file's own timecode at a time of the film; from 00:00:00:00 where it has none.

        With ";" before the frames where it leaves out numbers, as the file does.
        """
        count = self.source_frame(seconds)
        if not self.drops:
            return self.timecode_of(count)
        rate = float(self.rate)
        return str(opentime.to_timecode(opentime.RationalTime(count, rate), rate, drop_frame=True))

    def _dropped_start(self) -> int | None:
        """What a start timecode with dropped numbers counts; None for any other."""
        if ";" not in self.start_timecode:
            return None
        try:
            return round(opentime.from_timecode(self.start_timecode, float(self.grid)).value)
        except ValueError:  # no numbers are dropped at this rate
            return None


def _colons(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
