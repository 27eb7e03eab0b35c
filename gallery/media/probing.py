"""Metadata of a film file, and whether the file is complete.

Times are seconds from the film's beginning; the file's own clock, which may begin elsewhere, is
hidden here and in `decoding`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from django.utils.translation import gettext as _

from gallery.core.errors import FilmError
from gallery.media import picture_filters, sound, timeline
from gallery.media.ffmpeg import Run, check_not_killed, input_arguments, run
from gallery.media.timeline import Timeline
from gallery.media.types import Probe

PROBE_LIMIT = 120.0  # seconds of wall clock

END_SLACK = 10.0  # seconds that may be missing at the end: containers are inexact
BROADCASTS = {"mpegts", "mpeg"}  # FFmpeg's names of transport and program streams
# Most muxers count the duration of these from 0, even when the clock begins later.
COUNTED_FROM_ZERO = {"matroska,webm", "asf"}
_CONTAINER = re.compile(r"Input #0, (.+?), from ")
_TRUNCATED = re.compile("File ended prematurely|partial file")
_DURATION = re.compile(r"Duration: (?:(\d+):(\d\d):(\d\d(?:\.\d+)?)|N/A)(?:, start: (-?[\d.]+))?")
_STREAM = re.compile(r"Stream #0:\d+.*?: (Video|Audio): (\w+)(.*)")
_ROTATION = re.compile(r"rotation of (-?[\d.]+) degrees")
_TIME_BASE = re.compile(rb"#tb 0: (\d+)/(\d+)")
_SIZE = re.compile(rb"#dimensions 0: (\d+)x(\d+)")
_ASPECT = re.compile(rb"#sar 0: (\d+)/(\d+)")
_FIRST_PTS = re.compile(
    r"\[Parsed_showinfo_0 .*?config in time_base: (\d+)/(\d+).*?n: *0 pts: *(-?\d+)", re.DOTALL
)
_TIMECODE = re.compile(r"^ +timecode +: (\d\d:\d\d:\d\d[:;.]\d\d)\b", re.MULTILINE | re.IGNORECASE)


def _first_codec(log_text: str, kind: str) -> str:
    """Return the codec of the first stream of a kind, or ''. Cover pictures are not videos."""
    for match in _STREAM.finditer(log_text.partition("Output #0")[0]):
        if match[1] == kind and "(attached pic)" not in match[3]:
            return match[2]
    return ""


def describe_refusal(log_text: str) -> str:
    """Return why FFmpeg could not read a file, as a sentence."""
    if "max pixel count" in log_text or "Picture size" in log_text:
        return _("The resolution is higher than this installation allows (MAX_FILM_PIXELS).")
    # For other files that are named .mp4, FFmpeg warns of a possible misdetection.
    if "moov atom not found" in log_text and "misdetection possible" not in log_text:
        return _(
            "The file is incomplete: its index is missing, perhaps because an upload or "
            "recording was interrupted. Upload the complete file, or replace it in its library "
            "folder."
        )
    if "Input #0" in log_text and not _first_codec(log_text, "Video"):
        return _("This file has no video, only audio or data.")
    if "not on whitelist" in log_text or "not in whitelist" in log_text:
        return _("Unsupported file format. Use a video file such as MP4, MKV, WebM or AVI.")
    if "Decoder" in log_text and "not found" in log_text:
        return _("The installed FFmpeg cannot decode this film's codec.")
    return _("This file is damaged or not a video.")


@dataclass(frozen=True, slots=True)
class Inspection:
    """A film file: its metadata, when its packets are shown, and FFmpeg's name of its format.

    `container` is the name of a demuxer, such as "matroska,webm" or "mpegts". `notice` has
    sentences about parts of the file that cannot be read, one a line, or "".
    """

    probe: Probe
    timeline: Timeline
    container: str
    notice: str


def probe(path: Path, max_pixels: int, max_seconds: float) -> Probe:
    """Return the metadata of a film file. Raises what `inspect` and `reject_long_film` raise."""
    inspection = inspect(path, max_pixels)
    reject_long_film(inspection.probe, max_seconds)
    return inspection.probe


def reject_long_film(probe: Probe, max_seconds: float) -> None:
    """Raise FilmError when a film is longer than `max_seconds`."""
    if probe.duration > max_seconds:
        raise FilmError(
            _("The film is %(hours).1f hours long. The limit is %(most).1f hours.")
            % {"hours": probe.duration / 3600, "most": max_seconds / 3600}
        )


def read_rate(path: Path, max_pixels: int) -> Fraction:
    """Return a film's frames per second, 0 when unknown. Raises what `inspect` raises."""
    return _rate(_decode_first(path, max_pixels))


def inspect(path: Path, max_pixels: int, check: Callable[[], None] = lambda: None) -> Inspection:
    """Inspect a film file: decode its first frame and read all its packets.

    `check` may raise to stop. Raises FilmError, with a sentence for the admin, when the file is no
    film, is truncated or has more than `max_pixels` pixels per picture. Raises FFmpegStalled.
    """
    first = _decode_first(path, max_pixels)
    size, rate = _SIZE.search(first.output), _rate(first)
    assert size is not None
    packets = timeline.read(path, max_pixels, float(1 / rate) if rate else 0.0, check)
    clock = _DURATION.search(first.log_text)
    start = float(clock[4] or 0) if clock else 0.0
    aspect = _ASPECT.search(first.output)
    stretch = Fraction(int(aspect[1]) or 1, int(aspect[2]) or 1) if aspect else Fraction(1)
    rotation = _ROTATION.search(first.log_text)
    if picture_filters.needs_dolby_vision(first.log_text):
        raise FilmError(
            _(
                "This film uses Dolby Vision profile 5, which only Dolby Vision players can "
                "show correctly. Please upload an SDR, HDR10 or HLG version, or another Dolby "
                "Vision profile."
            )
        )
    sound_tracks = sound.read_tracks(first.log_text)
    played = sound.choose_track(sound_tracks)
    metadata = Probe(
        duration=packets.end - start,
        start=start,
        width=round(int(size[1]) * stretch),
        height=int(size[2]),
        rate=rate,
        video_codec=_first_codec(first.log_text, "Video"),
        audio_codec=played.codec if played else "",
        rotation=round(float(rotation[1])) if rotation else 0,
        first_frame=_first_frame(first.log_text, start),
        last_frame=packets.last - start,
        start_timecode=_start_timecode(first.log_text),
        picture=picture_filters.read_format(first.log_text),
        sound=sound_tracks,
    )
    named = _CONTAINER.search(first.log_text)
    notice = _describe_unread_parts(first.log_text, packets.complaints)
    inspection = Inspection(metadata, packets, named[1] if named else "", notice)
    _reject_incomplete_film(inspection, first.log_text)
    return inspection


def _describe_unread_parts(log_text: str, complaints: str) -> str:
    """Describe what FFmpeg skips without an error, in sentences, one a line; "" when nothing."""
    notices = []
    if "Found duplicated MOOV" in log_text:
        notices.append(
            _(
                "This file is several MP4 files joined end to end, and only the first can be "
                "read. Join them with a video editor, then upload the film again."
            )
        )
    if _TRUNCATED.search(complaints):
        notices.append(
            _(
                "The end of this file is missing, perhaps because an upload or recording was "
                "interrupted. If you have the complete file, upload it, or replace this one in "
                "its library folder."
            )
        )
    return "\n".join(notices)


def _decode_first(path: Path, max_pixels: int) -> Run:
    """Return FFmpeg's log of a film and its first picture. Raises FilmError, FFmpegStalled."""
    if path.stat().st_size == 0:
        raise FilmError(_("The file is empty."))
    first = run(
        [
            *input_arguments(path, max_pixels, "-copyts"),
            *("-map", "0:V:0", "-vf", "showinfo", "-frames:v", "1", "-f", "framecrc", "-"),
        ],
        PROBE_LIMIT,
    )
    check_not_killed(first.status)
    known = _SIZE.search(first.output) and _TIME_BASE.search(first.output)
    if first.status != 0 or not known or b"\n0, " not in first.output:
        raise FilmError(describe_refusal(first.log_text))
    return first


def _rate(first: Run) -> Fraction:
    base = _TIME_BASE.search(first.output)
    assert base is not None
    return Fraction(int(base[2]), int(base[1]))


def _first_frame(log_text: str, start: float) -> float:
    """Return when the first picture is shown, in seconds from the film's beginning."""
    shown = _FIRST_PTS.search(log_text)
    return max(0.0, int(shown[3]) * int(shown[1]) / int(shown[2]) - start) if shown else 0.0


def _start_timecode(log_text: str) -> str:
    """Return the timecode of the first picture, hh:mm:ss:ff or hh:mm:ss;ff, or ''."""
    match = _TIMECODE.search(log_text.partition("Output #0")[0])
    # Some programs write the semicolon of drop-frame timecodes as a full stop.
    return match[1].replace(".", ";") if match else ""


def _reject_incomplete_film(inspection: Inspection, log_text: str) -> None:
    """Raise FilmError when all tracks end well before the duration that the file states.

    FFmpeg reads half a file to its end and exits with 0. Broadcasts state no duration: FFmpeg
    derives it from what is there.
    """
    clock = _DURATION.search(log_text)
    if not clock or not clock[1] or "Estimating duration from bitrate" in log_text:
        return
    promised = int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3])
    packets, start = inspection.timeline, inspection.probe.start
    ends = packets.last_end - start
    if inspection.container in COUNTED_FROM_ZERO and not _TRUNCATED.search(packets.complaints):
        ends = max(ends, packets.last_end)
    if inspection.container not in BROADCASTS and ends < promised - END_SLACK:
        raise FilmError(incomplete_error(promised, packets.end - start))


def incomplete_error(promised: float, seen: float) -> str:
    """Return the message about a film that ends too early. Both times are seconds."""
    return _(
        "The file is incomplete: it should be %(promised)d s long, but the video ends after "
        "%(seen)d s. Upload the complete file, or replace it in its library folder."
    ) % {"promised": round(promised), "seen": round(seen)}
