"""A film decoded: one picture a second with its exact time, the cuts, and single stills."""

import contextlib
import io
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from django.utils.translation import gettext as _
from PIL import Image

from gallery.errors import FilmError
from gallery.media import ffmpeg, picture_filters
from gallery.media.ffmpeg import MICRO
from gallery.media.probing import PROBE_LIMIT, refusal
from gallery.types import Picture, Probe, Span

PRE_ROLL = 10.0  # seconds decoded ahead of a span, so that an inexact seek still lands before it
CUT_THRESHOLD = 10.0  # of FFmpeg's scene change score, 0 to 100; its documentation suggests 8 to 14


@dataclass(slots=True)
class Decoding:
    """A running decoder. Iterate over it first; then `cuts` and `complaints` are filled.

    `cuts` are the times, in seconds, of the first frame after each cut within the span.
    """

    pictures: Iterator[tuple[float, Picture]]
    cuts: list[float] = field(default_factory=list)
    complaints: str = ""


def _filters(found: Probe, span: Span, width: int, times: int, cuts: int) -> str:
    """One chain: whole frames, the film's own clock, cuts, one frame a second, a modest size.

    In each second the first frame whose presentation time lies in it is taken. (FFmpeg's `fps=1`
    rounds instead: it takes the frame shown at 1.46 s for second 1.)
    """
    begin = span.start * MICRO
    chain = [
        *picture_filters.whole_frames(found),
        f"settb=1/{MICRO}",
        f"setpts=PTS-{round(found.start * MICRO)}",
        *([f"trim=end_pts={span.end * MICRO}"] if span.end is not None else []),
        f"scdet=threshold={CUT_THRESHOLD}",
        rf"metadata=mode=print:key=lavfi.scd.time:direct=1:file='pipe\:{cuts}'",
        f"select='gte(pts,{begin})*(isnan(prev_selected_pts)"
        f"+gt(floor(pts/{MICRO}),floor(prev_selected_pts/{MICRO})))'",
        rf"metadata=mode=print:key=lavfi.scd.mafd:direct=1:file='pipe\:{times}'",
        *picture_filters.filters(
            found, f"w='min({width},iw*sar)':h='round(ow/(iw*sar/ih)/2)*2'", "rgb"
        ),
    ]
    return ",".join(chain)


@contextlib.contextmanager
def decode(
    path: Path,
    found: Probe,
    span: Span,
    *,
    width: int,
    max_pixels: int,
    limit: float,
    threads: int = 0,
) -> Iterator[Decoding]:
    """Decode a span of film to one picture a second, at most `width` pixels wide.

    Use it as a context manager: leaving it ends FFmpeg, whatever happened. `limit` is seconds of
    wall clock, after which FFmpeg is killed and FilmError raised; `threads` are those that decode
    (0: as many as there are cores).
    """
    read_times, write_times = os.pipe()
    seek = max(0.0, span.start - PRE_ROLL)
    with (
        os.fdopen(read_times, "rb") as times,
        tempfile.TemporaryFile() as cuts,
        tempfile.TemporaryFile() as said,
    ):
        try:
            process = ffmpeg.start(
                [
                    *("-v", "error"),
                    *ffmpeg.input_arguments(
                        path,
                        max_pixels,
                        *(*ffmpeg.acceleration(), "-threads", str(threads)),
                        *("-noaccurate_seek", "-copyts", "-ss", f"{seek:.3f}"),
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
        decoding = Decoding(pictures=iter(()))

        def pictures() -> Iterator[tuple[float, Picture]]:
            yield from _timed_pictures(process, times)
            if timed_out.is_set():
                raise FilmError(_("FFmpeg took too long over this film; it may be damaged."))
            decoding.cuts.extend(t for t in _read_cuts(cuts) if t >= span.start and t > 0)
            said.seek(0)
            decoding.complaints = said.read().decode(errors="replace")

        with _ended_after(limit, process) as timed_out:
            decoding.pictures = pictures()
            yield decoding


@contextlib.contextmanager
def _ended_after(limit: float, process: ffmpeg.Process) -> Iterator[threading.Event]:
    """End FFmpeg when this is left, or after `limit` seconds; the event says that it was so."""
    timed_out = threading.Event()

    def expire() -> None:
        timed_out.set()
        ffmpeg.kill(process)

    alarm = threading.Timer(limit, expire)
    alarm.daemon = True
    alarm.start()
    try:
        yield timed_out
    finally:
        alarm.cancel()
        ffmpeg.kill(process)


def _timed_pictures(process: ffmpeg.Process, times: IO[bytes]) -> Iterator[tuple[float, Picture]]:
    """Each picture with its time, until FFmpeg has ended."""
    assert process.stdout is not None
    while (picture := _read_ppm(process.stdout)) is not None:
        yield _read_time(times), picture
    process.wait()


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


def read_ppm(data: bytes) -> Picture | None:
    """The picture of a binary PPM file, or None when it is none or broken off."""
    return _read_ppm(io.BytesIO(data))


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
    cuts.seek(0)
    return [int(match[1]) / MICRO for line in cuts if (match := _PTS.search(line))]


def still(path: Path, found: Probe, time: float, *, max_pixels: int) -> Picture:
    """The first picture shown at or after `time` seconds, at the film's full size.

    Raises FilmError when it cannot be had.
    """
    shown = round(time * MICRO)
    seek = max(0.0, time - PRE_ROLL)
    chain = [
        *picture_filters.whole_frames(found),
        f"settb=1/{MICRO}",
        f"setpts=PTS-{round(found.start * MICRO)}",
        f"select='gte(pts,{shown})'",
        *picture_filters.filters(found, "w='iw*sar':h=ih", "rgb"),
    ]
    read = ffmpeg.run(
        [
            *("-v", "error"),
            *ffmpeg.input_arguments(
                path, max_pixels, "-noaccurate_seek", "-copyts", "-ss", f"{seek:.3f}"
            ),
            *("-map", "0:V:0", "-fps_mode", "passthrough"),
            "-vf",
            ",".join(chain),
            *("-frames:v", "1", "-c:v", "ppm", "-pix_fmt", "rgb24", "-f", "image2pipe", "-"),
        ],
        PROBE_LIMIT,
    )
    picture = read_ppm(read.output)
    if picture is None:
        raise FilmError(refusal(read.said))
    return picture
