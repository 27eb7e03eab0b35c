"""The only room that starts a child process: FFmpeg, hardened against files made to harm.

Written for FFmpeg 5.1 to 9.0. Times are seconds from the film's beginning; the file's own clock,
which may begin elsewhere, is hidden here.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import IO

from django.utils.translation import gettext as _
from PIL import Image

from gallery.errors import FilmError
from gallery.types import Picture, Probe, Span

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,avi,mpeg,flv,asf,ogg,mxf"
PROBE_LIMIT = 120.0  # seconds of wall clock for looking at a file
PRE_ROLL = 10.0  # seconds decoded ahead of a span, so that an inexact seek still lands before it
CUT_THRESHOLD = 10.0  # of FFmpeg's scene change score, 0 to 100; its documentation suggests 8 to 14
MICRO = 1_000_000  # frames are timed in whole microseconds


@cache
def binary() -> str:
    """The FFmpeg to run: the one on PATH, else the one that imageio-ffmpeg ships."""
    found = shutil.which("ffmpeg")
    if found:
        return found
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def version() -> str:
    """The first line that FFmpeg says of itself."""
    said = subprocess.run(
        [binary(), "-version"], capture_output=True, text=True, timeout=20, check=True
    )
    return said.stdout.partition(" Copyright")[0].strip()


def input_arguments(path: Path, max_pixels: int, *before: str) -> list[str]:
    """Arguments that open `path` and nothing else.

    The protocol and container white lists keep a playlist that is named like a film from opening
    other files of this machine or of the network.
    """
    return [
        *("-hide_banner", "-nostdin", "-protocol_whitelist", "file,pipe"),
        *("-format_whitelist", CONTAINERS, "-max_pixels", str(max_pixels)),
        *before,
        *("-i", f"file:{path.absolute()}"),
    ]


def _start(arguments: list[str], stderr: IO[bytes], pass_fds: tuple[int, ...] = ()) -> "_Process":
    """Start FFmpeg in a process group of its own, so that all of it can be ended at once."""
    return subprocess.Popen(
        [binary(), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        pass_fds=pass_fds,
        start_new_session=True,
    )


_Process = subprocess.Popen[bytes]


def _kill(process: _Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@dataclass(frozen=True, slots=True)
class Run:
    """A finished FFmpeg: its exit status, what it wrote, and what it said."""

    status: int
    output: bytes
    said: str


def run(arguments: list[str], limit: float) -> Run:
    """Run FFmpeg to its end.

    Raises FilmError when it takes longer than `limit` seconds of wall clock.
    """
    with tempfile.TemporaryFile() as stderr:
        process = _start(arguments, stderr)
        try:
            output, _unused = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            raise FilmError(
                _("FFmpeg did not finish within %(limit)d seconds; the file may be damaged.")
                % {"limit": limit}
            ) from None
        finally:
            _kill(process)
        stderr.seek(0)
        return Run(process.returncode, output, stderr.read().decode(errors="replace"))


_DURATION = re.compile(r"Duration: (?:(\d+):(\d\d):(\d\d(?:\.\d+)?)|N/A)(?:, start: (-?[\d.]+))?")
_STREAM = re.compile(r"Stream #0:\d+.*?: (Video|Audio): (\w+)(.*)")
_ROTATION = re.compile(r"rotation of (-?[\d.]+) degrees")
_TIME_BASE = re.compile(rb"#tb 0: (\d+)/(\d+)")
_SIZE = re.compile(rb"#dimensions 0: (\d+)x(\d+)")
_ASPECT = re.compile(rb"#sar 0: (\d+)/(\d+)")


def _first_codec(said: str, kind: str) -> str:
    """The codec of the first stream of a kind, or '' (a cover picture is not a video)."""
    for match in _STREAM.finditer(said.partition("Output #0")[0]):
        if match[1] == kind and "(attached pic)" not in match[3]:
            return match[2]
    return ""


def _refusal(said: str) -> str:
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
            *input_arguments(path, max_pixels),
            *("-map", "0:V:0", "-frames:v", "1", "-f", "framecrc", "-"),
        ],
        PROBE_LIMIT,
    )
    size, base = _SIZE.search(first.output), _TIME_BASE.search(first.output)
    if first.status != 0 or not size or not base or b"\n0, " not in first.output:
        raise FilmError(_refusal(first.said))
    clock = _DURATION.search(first.said)
    start = float(clock[4] or 0) if clock else 0.0
    if clock and clock[1]:
        duration = int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3])
    else:
        duration = _last_packet(path, max_pixels) - start
    if duration > max_seconds:
        raise FilmError(
            _("The film is %(hours).1f hours long; at most %(most).1f are accepted.")
            % {"hours": duration / 3600, "most": max_seconds / 3600}
        )
    aspect = _ASPECT.search(first.output)
    stretch = Fraction(int(aspect[1]) or 1, int(aspect[2]) or 1) if aspect else Fraction(1)
    rotation = _ROTATION.search(first.said)
    found = Probe(
        duration=duration,
        start=start,
        width=round(int(size[1]) * stretch),
        height=int(size[2]),
        rate=Fraction(int(base[2]), int(base[1])),
        video_codec=_first_codec(first.said, "Video"),
        audio_codec=_first_codec(first.said, "Audio"),
        rotation=round(float(rotation[1])) if rotation else 0,
    )
    _refuse_half_a_film(path, found, max_pixels)
    return found


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
        raise FilmError(_refusal(copied.said))
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
    for stream, codec in (("0:V:0", found.video_codec), ("0:a:0", found.audio_codec)):
        if not codec:
            continue
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


@dataclass(slots=True)
class Decoding:
    """A running decoder. Iterate over it first; then `cuts` and `complaints` are filled.

    `cuts` are the times, in seconds, of the first frame after each cut within the span.
    """

    pictures: Iterator[tuple[float, Picture]]
    cuts: list[float] = field(default_factory=list)
    complaints: str = ""


def _filters(found: Probe, span: Span, width: int, times: int, cuts: int) -> str:
    """One chain: the film's own clock, cuts, one frame a second, square pixels, a modest size.

    In each second the first frame whose presentation time lies in it is taken. (FFmpeg's `fps=1`
    rounds instead: it takes the frame shown at 1.46 s for second 1.)
    """
    begin = span.start * MICRO
    chain = [
        f"settb=1/{MICRO}",
        f"setpts=PTS-{round(found.start * MICRO)}",
        *([f"trim=end_pts={span.end * MICRO}"] if span.end is not None else []),
        f"scdet=threshold={CUT_THRESHOLD}",
        rf"metadata=mode=print:key=lavfi.scd.time:direct=1:file='pipe\:{cuts}'",
        f"select='gte(pts,{begin})*(isnan(prev_selected_pts)"
        f"+gt(floor(pts/{MICRO}),floor(prev_selected_pts/{MICRO})))'",
        rf"metadata=mode=print:key=lavfi.scd.mafd:direct=1:file='pipe\:{times}'",
        f"scale=w='min({width},iw*sar)':h='round(ow/(iw*sar/ih)/2)*2':flags=bicubic",
        "setsar=1",
    ]
    return ",".join(chain)


@contextlib.contextmanager
def decode(
    path: Path, found: Probe, span: Span, *, width: int, max_pixels: int, limit: float
) -> Iterator[Decoding]:
    """Decode a span of film to one picture a second, at most `width` pixels wide.

    Use it as a context manager: leaving it ends FFmpeg, whatever happened. `limit` is seconds of
    wall clock, after which FFmpeg is killed and FilmError raised.
    """
    read_times, write_times = os.pipe()
    seek = max(0.0, span.start - PRE_ROLL)
    with (
        os.fdopen(read_times, "rb") as times,
        tempfile.TemporaryFile() as cuts,
        tempfile.TemporaryFile() as said,
    ):
        try:
            process = _start(
                [
                    *("-v", "error"),
                    *input_arguments(
                        path, max_pixels, "-noaccurate_seek", "-copyts", "-ss", f"{seek:.3f}"
                    ),
                    *("-map", "0:V:0", "-fps_mode", "passthrough"),
                    *("-vf", _filters(found, span, width, write_times, cuts.fileno())),
                    *("-c:v", "ppm", "-pix_fmt", "rgb24", "-f", "image2pipe", "-"),
                ],
                said,
                pass_fds=(write_times, cuts.fileno()),
            )
        finally:
            os.close(write_times)
        timed_out = threading.Event()

        def expire() -> None:
            timed_out.set()
            _kill(process)

        alarm = threading.Timer(limit, expire)
        alarm.daemon = True
        alarm.start()
        decoding = Decoding(pictures=iter(()))

        def pictures() -> Iterator[tuple[float, Picture]]:
            assert process.stdout is not None
            while (picture := _read_ppm(process.stdout)) is not None:
                yield _read_time(times), picture
            process.wait()
            if timed_out.is_set():
                raise FilmError(_("FFmpeg took too long over this film; it may be damaged."))
            cuts.seek(0)
            decoding.cuts.extend(
                time for time in _read_cuts(cuts) if time >= span.start and time > 0
            )
            said.seek(0)
            decoding.complaints = said.read().decode(errors="replace")

        decoding.pictures = pictures()
        try:
            yield decoding
        finally:
            alarm.cancel()
            _kill(process)


def _read_ppm(stream: IO[bytes]) -> Picture | None:
    """The next picture of a stream of binary PPM files, or None at its (even untimely) end."""
    if stream.readline() != b"P6\n":
        return None
    width, height = (int(part) for part in stream.readline().split())
    stream.readline()
    data = stream.read(width * height * 3)
    if len(data) < width * height * 3:
        return None
    return Image.frombytes("RGB", (width, height), data)


_PTS = re.compile(rb"pts:\s*(\d+)")


def _read_time(times: IO[bytes]) -> float:
    """The time of the next frame: one line about it, then one with the metadata."""
    line = times.readline()
    match = _PTS.search(line)
    times.readline()
    if not match:
        raise FilmError(_("FFmpeg gives no time for a picture of this film."))
    return int(match[1]) / MICRO


def _read_cuts(cuts: IO[bytes]) -> list[float]:
    return [int(match[1]) / MICRO for line in cuts if (match := _PTS.search(line))]


def still(path: Path, found: Probe, time: float, *, max_pixels: int) -> Picture:
    """The picture shown at `time` seconds, at the film's full size.

    Raises FilmError when it cannot be had.
    """
    shown = round(time * MICRO)
    seek = max(0.0, time - PRE_ROLL)
    read = run(
        [
            *("-v", "error"),
            *input_arguments(path, max_pixels, "-noaccurate_seek", "-copyts", "-ss", f"{seek:.3f}"),
            *("-map", "0:V:0", "-fps_mode", "passthrough"),
            "-vf",
            f"settb=1/{MICRO},setpts=PTS-{round(found.start * MICRO)},"
            f"select='gte(pts,{shown})',scale=w='iw*sar':h=ih,setsar=1",
            *("-frames:v", "1", "-c:v", "ppm", "-pix_fmt", "rgb24", "-f", "image2pipe", "-"),
        ],
        PROBE_LIMIT,
    )
    with tempfile.TemporaryFile() as buffer:
        buffer.write(read.output)
        buffer.seek(0)
        picture = _read_ppm(buffer)
    if picture is None:
        raise FilmError(_refusal(read.said))
    return picture
