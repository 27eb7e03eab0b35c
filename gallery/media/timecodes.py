"""Conversion between seconds, frame numbers and timecodes. The only place that does this.

Frames are numbered from the film's beginning on a grid of its exact rate, such as 24000/1001. A
timecode, hh:mm:ss:ff, is that number written at the nominal rate (24 for 24000/1001) without
dropping any, as editing programs do: an hour of wall clock is 00:59:56:10 at 24000/1001.
"""

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from opentimelineio import opentime

from gallery.media.types import Probe

# A frame counts as shown from a quarter of its length early: containers round times.
TOLERANCE = Fraction(1, 4)
DEFAULT_RATE = Fraction(25)  # frames per second when the rate is unknown
_TYPED = re.compile(r"(?:(?:(\d{1,3}):)?(\d{1,3}):)?(\d{1,5})(\.\d{1,6})?", re.ASCII)
_WRITTEN = re.compile(r"(\d{1,3}):(\d{1,2}):(\d{1,2})[:;.](\d{1,3})", re.ASCII)
_COUNTED = re.compile(r"(\d{1,9})f", re.ASCII)


def timecode(seconds: float, rate: Fraction) -> str:
    """Return the timecode of the frame shown at `seconds`; hh:mm:ss when `rate` is unknown (0)."""
    return Clock(rate).timecode(seconds)


@dataclass(frozen=True, slots=True)
class Clock:
    """How the frames of one film are counted.

    `rate` is frames per second, 0 when unknown; `first_frame` is when the first picture is shown,
    in seconds; `start_timecode` is the file's own timecode of it, or "".
    """

    rate: Fraction
    first_frame: float = 0.0
    start_timecode: str = ""

    @classmethod
    def of(cls, probe: Probe) -> "Clock":
        """Return the clock of a probed film."""
        return cls(probe.rate, probe.first_frame, probe.start_timecode)

    @property
    def grid(self) -> Fraction:
        """Return the frames per second that frames are numbered by, never 0."""
        return self.rate or DEFAULT_RATE

    @property
    def nominal(self) -> int:
        """Return the frames in a second of timecode: 24 for 24000/1001."""
        return max(1, round(self.grid))

    @property
    def phase(self) -> Fraction:
        """Return when frame 0 would be shown, in seconds: within a frame of 0."""
        first = Fraction(self.first_frame).limit_denominator(1_000_000)
        return first - math.floor(first * self.grid + TOLERANCE) / self.grid

    def frame(self, seconds: float | Fraction) -> int:
        """Return the number of the frame shown at a time of the film."""
        return max(0, math.floor((Fraction(seconds) - self.phase) * self.grid + TOLERANCE))

    def frame_from(self, seconds: float | Fraction) -> int:
        """Return the number of the first frame that begins at or after a time of the film.

        For the time of a cut, this is the first frame of the new shot, also at a variable rate.
        """
        return max(0, math.ceil((Fraction(seconds) - self.phase) * self.grid - TOLERANCE))

    def exact_seconds(self, frame: int) -> Fraction:
        """Return when a frame is shown."""
        return frame / self.grid + self.phase

    def seconds(self, frame: int) -> float:
        """Return when a frame is shown, in seconds of the film, not below 0."""
        return max(0.0, float(self.exact_seconds(frame)))

    def timecode(self, seconds: float | Fraction) -> str:
        """Return the timecode of the frame shown at a time of the film."""
        if not self.rate:
            return _format_hms(math.floor(seconds + TOLERANCE / DEFAULT_RATE))
        return self.timecode_of(self.frame(seconds))

    def timecode_of(self, frame: int) -> str:
        """Return the timecode of a frame, without dropping numbers."""
        whole, part = divmod(frame, self.nominal)
        return f"{_format_hms(whole)}:{part:02d}"

    def parse(self, text: str) -> int:
        """Return the frame for hh:mm:ss:ff, h:mm:ss, mm:ss, 12.5 (seconds) or 300f (frames).

        Input without frames is a time of the film, as players show it. Raises ValueError.
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

    # --- the timecode from the camera or the editing program ----------------------------------

    @property
    def drops_frames(self) -> bool:
        """Return whether the file's own timecode drops numbers (10:00:00;02, at 30000/1001)."""
        return self._dropped_start() is not None

    @property
    def start_frame(self) -> int:
        """Return the frame count of the file's own start timecode; 0 when it has none."""
        dropped = self._dropped_start()
        if dropped is not None:
            return dropped
        return self.parse(self.start_timecode) if self.start_timecode else 0

    def source_frame(self, seconds: float | Fraction) -> int:
        """Return the number of the frame shown at `seconds`, counted as in the file's timecode."""
        return self.start_frame + self.frame(seconds)

    def source_timecode(self, seconds: float | Fraction) -> str:
        """Return the file's own timecode at a time of the film; from 00:00:00:00 when it has none.

        Drop-frame timecodes have ";" before the frames, as in the file.
        """
        count = self.source_frame(seconds)
        if not self.drops_frames:
            return self.timecode_of(count)
        rate = float(self.rate)
        return str(opentime.to_timecode(opentime.RationalTime(count, rate), rate, drop_frame=True))

    def _dropped_start(self) -> int | None:
        """Return the frame count of a drop-frame start timecode; None for any other."""
        if ";" not in self.start_timecode:
            return None
        try:
            return round(opentime.from_timecode(self.start_timecode, float(self.grid)).value)
        except ValueError:  # this rate has no drop-frame timecode
            return None


def _format_hms(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
