"""When the packets of a film file are shown: one pass over the whole file without decoding.

The duration that a container states is not enough: that of a Matroska file is the end of the last
packet of any track, counted from 0 even when the clock begins later; that of a transport stream is
wrong when its clock jumps; and half a file still states the whole duration.
"""

import tempfile
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from django.utils.translation import gettext as _

from gallery.core.errors import FilmError
from gallery.media import ffmpeg

READ_TIMEOUT = 7200.0  # seconds of wall clock for reading a whole file
MAX_GAP_SECONDS = 10.0  # in a broadcast, FFmpeg treats longer gaps as jumps of the clock
NO_TIME = b"-9223372036854775808"  # what framecrc prints for a packet without a time


@dataclass(frozen=True, slots=True)
class Timeline:
    """The packets of a film file; times are seconds on the file's own clock.

    `first` and `last`: when the first and the last picture are shown; `end`: until when the last
    one is. `last_end`: the latest end of any packet of any track. Of `pictures` packets, `untimed`
    have no presentation time, and `repeated` have that of another packet. `held_back`: the longest
    run of packets whose clock did not increase; `gaps`: pauses of more than `MAX_GAP_SECONDS`.
    `complaints`: what FFmpeg printed.
    """

    first: float
    last: float
    end: float
    last_end: float
    pictures: int
    untimed: int
    repeated: int
    held_back: int
    gaps: int
    complaints: str


class _Track:
    """Running measures of a track while its packets are read; times in its time base."""

    def __init__(self, base: Fraction) -> None:
        self.base = base
        self.first = self.last = self.end = 0
        self.shown = array("q")
        self.packets = self.untimed = self.held_back = self.gaps = 0
        self._last: int | None = None
        self._in_a_row = 0
        self._delay: int | None = None

    def add(self, decoded: int, shown: int | None, length: int) -> None:
        """Add a packet: its decoding time, presentation time and length."""
        if shown is not None and self._delay is None:
            # In films whose pictures are stored out of order, all are decoded this much earlier.
            self._delay = shown - decoded
        time = decoded + (self._delay or 0) if shown is None else shown
        self.first = min(self.first, time) if self.packets else time
        self.last = max(self.last, time) if self.packets else time
        self.end = max(self.end, time + length) if self.packets else time + length
        self.packets += 1
        self.untimed += shown is None
        if self._last is not None:
            # FFmpeg holds back decoding times that would decrease.
            self._in_a_row = self._in_a_row + 1 if decoded <= self._last else 0
            self.held_back = max(self.held_back, self._in_a_row)
            self.gaps += (decoded - self._last) * self.base > MAX_GAP_SECONDS
        self._last = decoded


def read(
    path: Path, max_pixels: int, frame_length: float, check: Callable[[], None] = lambda: None
) -> Timeline:
    """Read all packets of a film. `frame_length` (seconds) is for pictures without a length.

    `check` is called for each packet, and may raise to stop. Raises FilmError when there is no
    picture or the file takes too long, FFmpegStalled, FFmpegDied.
    """
    arguments = [
        *("-v", "error"),
        *ffmpeg.input_arguments(path, max_pixels, "-copyts"),
        *("-map", "0:V:0", "-map", "0:a?", "-map", "0:s?", "-map", "0:d?", "-copy_unknown"),
        *("-c", "copy", "-f", "framecrc", "-"),
    ]
    tracks: dict[int, _Track] = {}
    with tempfile.TemporaryFile() as stderr:
        process = ffmpeg.start(arguments, stderr)
        assert process.stdout is not None
        with ffmpeg.watched(process, READ_TIMEOUT) as watch:
            for line in process.stdout:
                check()
                watch.resume()
                _add_packet(line, tracks, frame_length)
            process.wait()
        stderr.seek(0)
        complaints = stderr.read(100_000).decode(errors="replace")
    watch.check()
    if not watch.timed_out:
        ffmpeg.check_not_killed(process.returncode)
    video = tracks.get(0)
    if video is None or not video.packets or watch.timed_out:
        raise FilmError(_("This file is damaged or not a video."))
    end = float(video.end * video.base)
    return Timeline(
        first=float(video.first * video.base),
        last=float(video.last * video.base),
        end=end,
        last_end=max(end, *(float(t.end * t.base) for t in tracks.values() if t.packets)),
        pictures=video.packets,
        untimed=video.untimed,
        repeated=len(video.shown) - len(np.unique(video.shown)),
        held_back=video.held_back,
        gaps=video.gaps,
        complaints=complaints,
    )


def _add_packet(line: bytes, tracks: dict[int, _Track], frame_length: float) -> None:
    """Parse a line of framecrc: "#tb 0: 1/12288", or "0, 512, 1024, 512, 10213, 0x..."."""
    if line.startswith(b"#tb "):
        number, _colon, base = line.removeprefix(b"#tb ").partition(b": ")
        tracks[int(number)] = _Track(Fraction(base.decode().strip()))
    elif line[:1].isdigit():
        number, decoded, shown, length = line.split(b",", 4)[:4]
        track, time = tracks[int(number)], shown.strip()
        at = None if time == NO_TIME else int(time)
        if int(number) == 0 and at is not None:
            track.shown.append(at)
        lasts = int(length) or (round(frame_length / track.base) if int(number) == 0 else 0)
        track.add(int(decoded), at, lasts)
