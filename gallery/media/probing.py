"""What a film file says of itself, and whether it is whole.

Times are seconds from the film's beginning; the file's own clock, which may begin elsewhere, is
hidden here and in `decoding`.
"""

import re
from fractions import Fraction
from pathlib import Path

from django.utils.translation import gettext as _

from gallery.errors import FilmError
from gallery.media import picture_filters, sound
from gallery.media.ffmpeg import input_arguments, run
from gallery.types import Probe

PROBE_LIMIT = 120.0  # seconds of wall clock for looking at a file

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


def refusal(said: str) -> str:
    """Why FFmpeg could not read a file, as a sentence."""
    if "max pixel count" in said or "Picture size" in said:
        return _("Its pictures are larger than this installation accepts (MAX_FILM_PIXELS).")
    # A file of another kind that is named .mp4 is taken for one by its name only.
    if "moov atom not found" in said and "misdetection possible" not in said:
        return _(
            "The file is incomplete: its table of contents is missing, as after an upload or a "
            "recording that broke off. Please upload the whole file."
        )
    if "Input #0" in said and not _first_codec(said, "Video"):
        return _("There is no video in this file, only sound or data.")
    if "not on whitelist" in said or "not in whitelist" in said:
        return _("This is not a film in a format that is accepted here (MP4, MKV, WebM, AVI...).")
    if "Decoder" in said and "not found" in said:
        return _("FFmpeg here has no decoder for this film's codec.")
    return _("FFmpeg cannot read this file as a film; it is damaged or something else.")


def probe(path: Path, max_pixels: int, max_seconds: float) -> Probe:
    """Look at a film file, decoding its first frame.

    Raises FilmError, with a sentence for the admin, when the file is no film, is broken off, is
    longer than `max_seconds` or has more than `max_pixels` pixels a picture.
    """
    if path.stat().st_size == 0:
        raise FilmError(_("The file is empty."))
    first = run(
        [
            *input_arguments(path, max_pixels, "-copyts"),
            *("-map", "0:V:0", "-vf", "showinfo", "-frames:v", "1", "-f", "framecrc", "-"),
        ],
        PROBE_LIMIT,
    )
    size, base = _SIZE.search(first.output), _TIME_BASE.search(first.output)
    if first.status != 0 or not size or not base or b"\n0, " not in first.output:
        raise FilmError(refusal(first.said))
    start, duration = _clock(path, first.said, max_pixels)
    if duration > max_seconds:
        raise FilmError(
            _("The film is %(hours).1f hours long; at most %(most).1f are accepted.")
            % {"hours": duration / 3600, "most": max_seconds / 3600}
        )
    aspect = _ASPECT.search(first.output)
    stretch = Fraction(int(aspect[1]) or 1, int(aspect[2]) or 1) if aspect else Fraction(1)
    rotation = _ROTATION.search(first.said)
    if picture_filters.needs_dolby_vision(first.said):
        raise FilmError(
            _(
                "The film is Dolby Vision profile 5, whose colours only Dolby Vision players know. "
                "Please upload a version in HDR10, HLG, SDR or another profile of Dolby Vision."
            )
        )
    sound_tracks = sound.read_tracks(first.said)
    played = sound.choose(sound_tracks)
    found = Probe(
        duration=duration,
        start=start,
        width=round(int(size[1]) * stretch),
        height=int(size[2]),
        rate=Fraction(int(base[2]), int(base[1])),
        video_codec=_first_codec(first.said, "Video"),
        audio_codec=played.codec if played else "",
        rotation=round(float(rotation[1])) if rotation else 0,
        first_frame=_first_frame(first.said, start),
        start_timecode=_start_timecode(first.said),
        picture=picture_filters.read_format(first.said),
        sound=sound_tracks,
    )
    _refuse_half_a_film(path, found, max_pixels)
    return found


def _clock(path: Path, said: str, max_pixels: int) -> tuple[float, float]:
    """When the file's own clock begins, and the film's length; both in seconds."""
    clock = _DURATION.search(said)
    start = float(clock[4] or 0) if clock else 0.0
    if clock and clock[1]:
        return start, int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3])
    return start, _last_packet(path, max_pixels) - start


def _first_frame(said: str, start: float) -> float:
    """When the first picture is shown, in seconds from the film's beginning."""
    shown = _SHOWN.search(said)
    return max(0.0, int(shown[3]) * int(shown[1]) / int(shown[2]) - start) if shown else 0.0


def _start_timecode(said: str) -> str:
    """The timecode of the first picture, hh:mm:ss:ff or hh:mm:ss;ff, or ''."""
    found = _TIMECODE.search(said.partition("Output #0")[0])
    # Some programs write the semicolon of dropped frame numbers as a full stop.
    return found[1].replace(".", ";") if found else ""


def _last_packet(path: Path, max_pixels: int) -> float:
    """When the last video packet of a file without a stated duration ends, on the file's clock."""
    copied = run(
        [
            *input_arguments(path, max_pixels),
            *("-copyts", "-map", "0:V:0", "-c", "copy", "-f", "framecrc", "-"),
        ],
        PROBE_LIMIT * 5,
    )
    end = _latest_end(copied.output)
    if end is None:
        raise FilmError(refusal(copied.said))
    return end


def _latest_end(framecrc: bytes) -> float | None:
    """When the last of the listed packets ends, in seconds; None when none is listed."""
    base = _TIME_BASE.search(framecrc)
    ends = [
        sum(int(part) for part in line.split(b",")[2:4])
        for line in framecrc.splitlines()
        if line[:1].isdigit()
    ]
    return max(ends) * int(base[1]) / int(base[2]) if base and ends else None


def _refuse_half_a_film(path: Path, found: Probe, max_pixels: int) -> None:
    """Raise FilmError when nothing can be read near the end that the file promises.

    FFmpeg reads half a file to its end and exits with 0; only the promised duration tells.
    """
    tail = max(0.0, found.duration - 10.0)
    if tail == 0.0:
        return
    played = sound.choose(found.sound)
    for stream in ("0:V:0", *([f"0:a:{played.number}"] if played else ())):
        read = run(
            [
                *("-v", "error"),
                *input_arguments(path, max_pixels, "-ss", f"{tail:.3f}"),
                *("-copyts", "-map", stream, "-c", "copy", "-f", "framecrc", "-"),
            ],
            PROBE_LIMIT,
        )
        # Where a container has lost its list of places, seeking ends up before the break.
        end = _latest_end(read.output)
        if end is not None and end - found.start >= tail:
            return
    raise FilmError(incomplete(found.duration, None))


def incomplete(promised: float, seen: float | None) -> str:
    """The sentence about a film that ends before it should. Both times are seconds."""
    if seen is None:
        return _(
            "The file is incomplete: it says that it is %(promised)d seconds long, but its end is "
            "missing. Please upload the whole file."
        ) % {"promised": round(promised)}
    return _(
        "The file is incomplete: it says that it is %(promised)d seconds long, but its pictures "
        "end after %(seen)d. Please upload the whole file."
    ) % {"promised": round(promised), "seen": round(seen)}
