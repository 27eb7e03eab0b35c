"""What a film file says of itself, and whether it is whole.

Times are seconds from the film's beginning; the file's own clock, which may begin elsewhere, is
hidden here and in `decoding`.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from django.utils.translation import gettext as _

from gallery.core.errors import FilmError
from gallery.media import picture_filters, sound, timeline
from gallery.media.ffmpeg import Run, input_arguments, run
from gallery.media.timeline import Timeline
from gallery.media.types import Probe

PROBE_LIMIT = 120.0  # seconds of wall clock for looking at a file

END_SLACK = 10.0  # seconds that may be missing at the end: containers are not exact
BROADCASTS = {"mpegts", "mpeg"}  # FFmpeg's names of transport and program streams
# Their duration is counted from 0, by most programs, even when the clock begins later.
COUNTED_FROM_ZERO = {"matroska,webm", "asf"}
_CONTAINER = re.compile(r"Input #0, (.+?), from ")
_BROKEN_OFF = re.compile("File ended prematurely")
_DURATION = re.compile(r"Duration: (?:(\d+):(\d\d):(\d\d(?:\.\d+)?)|N/A)(?:, start: (-?[\d.]+))?")
_STREAM = re.compile(r"Stream #0:\d+.*?: (Video|Audio): (\w+)(.*)")
_ROTATION = re.compile(r"rotation of (-?[\d.]+) degrees")
_TIME_BASE = re.compile(rb"#tb 0: (\d+)/(\d+)")
_SIZE = re.compile(rb"#dimensions 0: (\d+)x(\d+)")
_ASPECT = re.compile(rb"#sar 0: (\d+)/(\d+)")
_SHOWN = re.compile(
    r"\[Parsed_showinfo_0 .*?config in time_base: (\d+)/(\d+).*?n: *0 pts: *(-?\d+)", re.DOTALL
)
_TIMECODE = re.compile(r"^ +timecode +: (\d\d:\d\d:\d\d[:;.]\d\d)\b", re.MULTILINE | re.IGNORECASE)


def _first_codec(said: str, kind: str) -> str:
    """The codec of the first stream of a kind, or '' (a cover picture is not a video)."""
    for match in _STREAM.finditer(said.partition("Output #0")[0]):
        if match[1] == kind and "(attached pic)" not in match[3]:
            return match[2]
    return ""


def describe_refusal(said: str) -> str:
    """Why FFmpeg could not read a file, as a sentence."""
    if "max pixel count" in said or "Picture size" in said:
        return _("The resolution is higher than this installation allows (MAX_FILM_PIXELS).")
    # A file of another kind that is named .mp4 is taken for one by its name only.
    if "moov atom not found" in said and "misdetection possible" not in said:
        return _(
            "The file is incomplete: its index is missing, perhaps because an upload or "
            "recording was interrupted. Please upload the complete file."
        )
    if "Input #0" in said and not _first_codec(said, "Video"):
        return _("This file has no video, only audio or data.")
    if "not on whitelist" in said or "not in whitelist" in said:
        return _("Unsupported file format. Use a video file such as MP4, MKV, WebM or AVI.")
    if "Decoder" in said and "not found" in said:
        return _("The installed FFmpeg cannot decode this film's codec.")
    return _("This file is damaged or not a video.")


@dataclass(frozen=True, slots=True)
class Examined:
    """A film file: what it says of itself, when its packets are shown, FFmpeg's name of its format.

    `container` is that of a demuxer, such as "matroska,webm" or "mpegts".
    """

    found: Probe
    timeline: Timeline
    container: str


def probe(path: Path, max_pixels: int, max_seconds: float) -> Probe:
    """What a film file says of itself. Raises what `examine` and `refuse_long` do."""
    found = examine(path, max_pixels).found
    refuse_long(found, max_seconds)
    return found


def refuse_long(found: Probe, max_seconds: float) -> None:
    """Raise FilmError when a film is longer than `max_seconds`."""
    if found.duration > max_seconds:
        raise FilmError(
            _("The film is %(hours).1f hours long. The limit is %(most).1f hours.")
            % {"hours": found.duration / 3600, "most": max_seconds / 3600}
        )


def read_rate(path: Path, max_pixels: int) -> Fraction:
    """Frames a second of a film, 0 where it does not say. Raises what `examine` does."""
    return _rate(_decode_first(path, max_pixels))


def examine(path: Path, max_pixels: int) -> Examined:
    """Look at a film file, decoding its first frame and reading all its packets.

    Raises FilmError, with a sentence for the admin, when the file is no film, is broken off or
    has more than `max_pixels` pixels a picture. Raises FFmpegStalled.
    """
    first = _decode_first(path, max_pixels)
    size, rate = _SIZE.search(first.output), _rate(first)
    assert size is not None
    line = timeline.read(path, max_pixels, float(1 / rate) if rate else 0.0)
    clock = _DURATION.search(first.said)
    start = float(clock[4] or 0) if clock else 0.0
    aspect = _ASPECT.search(first.output)
    stretch = Fraction(int(aspect[1]) or 1, int(aspect[2]) or 1) if aspect else Fraction(1)
    rotation = _ROTATION.search(first.said)
    if picture_filters.needs_dolby_vision(first.said):
        raise FilmError(
            _(
                "This film uses Dolby Vision profile 5, which only Dolby Vision players can "
                "show correctly. Please upload an SDR, HDR10 or HLG version, or another Dolby "
                "Vision profile."
            )
        )
    sound_tracks = sound.read_tracks(first.said)
    played = sound.choose_track(sound_tracks)
    found = Probe(
        duration=line.end - start,
        start=start,
        width=round(int(size[1]) * stretch),
        height=int(size[2]),
        rate=rate,
        video_codec=_first_codec(first.said, "Video"),
        audio_codec=played.codec if played else "",
        rotation=round(float(rotation[1])) if rotation else 0,
        first_frame=_first_frame(first.said, start),
        last_frame=line.last - start,
        start_timecode=_start_timecode(first.said),
        picture=picture_filters.read_format(first.said),
        sound=sound_tracks,
    )
    named = _CONTAINER.search(first.said)
    examined = Examined(found, line, named[1] if named else "")
    _refuse_half_a_film(examined, first.said)
    return examined


def _decode_first(path: Path, max_pixels: int) -> Run:
    """What FFmpeg says of a film and its first picture. Raises FilmError, FFmpegStalled."""
    if path.stat().st_size == 0:
        raise FilmError(_("The file is empty."))
    first = run(
        [
            *input_arguments(path, max_pixels, "-copyts"),
            *("-map", "0:V:0", "-vf", "showinfo", "-frames:v", "1", "-f", "framecrc", "-"),
        ],
        PROBE_LIMIT,
    )
    known = _SIZE.search(first.output) and _TIME_BASE.search(first.output)
    if first.status != 0 or not known or b"\n0, " not in first.output:
        raise FilmError(describe_refusal(first.said))
    return first


def _rate(first: Run) -> Fraction:
    base = _TIME_BASE.search(first.output)
    assert base is not None
    return Fraction(int(base[2]), int(base[1]))


def _first_frame(said: str, start: float) -> float:
    """When the first picture is shown, in seconds from the film's beginning."""
    shown = _SHOWN.search(said)
    return max(0.0, int(shown[3]) * int(shown[1]) / int(shown[2]) - start) if shown else 0.0


def _start_timecode(said: str) -> str:
    """The timecode of the first picture, hh:mm:ss:ff or hh:mm:ss;ff, or ''."""
    found = _TIMECODE.search(said.partition("Output #0")[0])
    # Some programs write the semicolon of dropped frame numbers as a full stop.
    return found[1].replace(".", ";") if found else ""


def _refuse_half_a_film(examined: Examined, said: str) -> None:
    """Raise FilmError when all tracks end well before the file says that it does.

    FFmpeg reads half a file to its end and exits with 0. A broadcast says nothing of its length:
    its duration is that of what there is.
    """
    clock = _DURATION.search(said)
    if not clock or not clock[1] or "Estimating duration from bitrate" in said:
        return
    promised = int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3])
    line, start = examined.timeline, examined.found.start
    ends = line.last_end - start
    if examined.container in COUNTED_FROM_ZERO and not _BROKEN_OFF.search(line.complaints):
        ends = max(ends, line.last_end)
    if examined.container not in BROADCASTS and ends < promised - END_SLACK:
        raise FilmError(incomplete_error(promised, line.end - start))


def incomplete_error(promised: float, seen: float) -> str:
    """The sentence about a film that ends before it should. Both times are seconds."""
    return _(
        "The file is incomplete: it should be %(promised)d seconds long, but the video ends "
        "after %(seen)d. Please upload the complete file."
    ) % {"promised": round(promised), "seen": round(seen)}
