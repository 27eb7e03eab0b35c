"""A film decoded: one picture a second with its time, all frames very small, and single stills."""

import contextlib
import io
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import IO

import numpy as np
from django.utils.translation import gettext as _
from PIL import Image

from gallery.core.errors import FilmError
from gallery.media import ffmpeg, picture_filters, shots
from gallery.media.ffmpeg import MICRO
from gallery.media.probing import PROBE_LIMIT, describe_refusal
from gallery.media.shots import SmallFrames
from gallery.media.types import Picture, Probe, Span

PRE_ROLL = 10.0  # seconds decoded ahead of a span, so that an inexact seek still lands before it


@dataclass(slots=True)
class Decoding:
    """A running decoder. Iterate over it first; then the rest is filled.

    `small` are all frames of the span, and those up to `shots.MARGIN` seconds around it.
    """

    pictures: Iterator[tuple[float, Picture]]
    small: SmallFrames = field(default_factory=SmallFrames.none)
    complaints: str = ""


def _told_times(pipe: int) -> list[str]:
    """Filters that write the time of each frame to a file descriptor, as `_read_time` reads it."""
    return [
        "metadata=mode=add:key=a:value=b",
        # Only this key: MPEG-2 pictures have others, such as a timecode.
        rf"metadata=mode=print:key=a:direct=1:file='pipe\:{pipe}'",
    ]


def _graph(found: Probe, span: Span, width: int, times: int, small_times: int) -> str:
    """From the film to one picture a second [second] and all frames very small [small].

    In each second the first frame whose presentation time lies in it is taken. (FFmpeg's `fps=1`
    rounds instead: it takes the frame shown at 1.46 s for second 1.)
    """
    common = [
        *picture_filters.whole_frames(found),
        f"settb=1/{MICRO}",
        f"setpts=PTS-{round(found.start * MICRO)}",  # the film's own clock
        "split[all][more]",
    ]
    second = [
        *_until(span, 0.0),
        f"select='gte(pts,{span.start * MICRO})*(isnan(prev_selected_pts)"
        f"+gt(floor(pts/{MICRO}),floor(prev_selected_pts/{MICRO})))'",
        *_told_times(times),
        *_small(found, width),
    ]
    small = [
        *_until(span, shots.MARGIN),
        f"select='gte(pts,{round((span.start - shots.MARGIN) * MICRO)})'",
        *_told_times(small_times),
        *picture_filters.filters(found, f"{shots.WIDTH}:{shots.HEIGHT}", "rgb"),
    ]
    return (
        f"[0:V:0]{','.join(common)};[all]{','.join(second)}[second];[more]{','.join(small)}[small]"
    )


def _until(span: Span, more: float) -> list[str]:
    """A filter that ends the film `more` seconds after a span."""
    return [] if span.end is None else [f"trim=end_pts={round((span.end + more) * MICRO)}"]


def _small(found: Probe, width: int) -> list[str]:
    """Filters: RGB, at most `width` pixels wide; pictures that differ in shape in one of RGBA.

    FFmpeg writes pictures of one size only: the smaller ones lie at the top left, opaque.
    """
    if not picture_filters.may_change(found):
        size = f"w='min({width},iw*sar)':h='round(ow/(iw*sar/ih)/2)*2'"
        return picture_filters.filters(found, size, "rgb")
    height = width * 3 // 4
    scale = f"min(1,min({width}/(iw*sar),{height}/ih))"
    size = f"w='round(iw*sar*{scale})':h='2*round(ih*{scale}/2)'"
    return [
        *picture_filters.filters(found, size, "rgb"),
        # One that FFmpeg adds to convert pixels would give all pictures the size of the first.
        "scale=iw:ih:eval=frame",
        "format=rgba",
        f"pad={width}:{height}:0:0:black@0:eval=frame",
    ]


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
    wall clock, after which FFmpeg is killed and FilmError raised (FFmpegStalled, when it makes no
    progress); `threads` are those that decode
    (0: as many as there are cores).
    """
    read_times, write_times = os.pipe()
    with (
        os.fdopen(read_times, "rb") as times,
        tempfile.TemporaryFile() as small,
        tempfile.TemporaryFile() as small_times,
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
                        *picture_filters.input_options(found, span.start - PRE_ROLL),
                    ),
                    "-filter_complex",
                    _graph(found, span, width, write_times, small_times.fileno()),
                    *("-map", "[second]", "-fps_mode", "passthrough"),
                    *("-c:v", "pam", "-f", "image2pipe", "-"),
                    *("-map", "[small]", "-fps_mode", "passthrough"),
                    *("-pix_fmt", "rgb24", "-f", "rawvideo", f"pipe:{small.fileno()}"),
                ],
                said,
                pass_fds=(write_times, small.fileno(), small_times.fileno()),
            )
        finally:
            os.close(write_times)
        decoding = Decoding(pictures=iter(()))

        def pictures() -> Iterator[tuple[float, Picture]]:
            yield from _timed_pictures(process, times, watch)
            watch.check()
            if watch.timed_out:
                raise FilmError(_("FFmpeg took too long to read this film. It may be damaged."))
            decoding.small = _read_small(small, small_times)
            said.seek(0)
            decoding.complaints = said.read().decode(errors="replace")

        with ffmpeg.watched(process, limit) as watch:
            decoding.pictures = pictures()
            yield decoding


def _timed_pictures(
    process: ffmpeg.Process, times: IO[bytes], watch: ffmpeg.Watch
) -> Iterator[tuple[float, Picture]]:
    """Each picture with its time, until FFmpeg has ended."""
    assert process.stdout is not None
    last = -1.0
    while True:
        watch.resume()
        picture = _read_picture(process.stdout)
        if picture is None:
            break
        time = _read_time(times)
        watch.pause()
        # Where the size of the pictures changes, FFmpeg begins to select them afresh.
        if int(time) > int(last):
            yield time, picture
        last = time
    process.wait()


def _read_picture(stream: IO[bytes]) -> Picture | None:
    """The next picture of a stream of PPM or PAM files, or None at its (even untimely) end.

    Of an RGBA picture, what is opaque.
    """
    kind = stream.readline()
    if kind == b"P6\n":
        width, height = (int(part) for part in stream.readline().split())
        stream.readline()
        channels = 3
    elif kind == b"P7\n":
        lines = takewhile(lambda line: line not in (b"ENDHDR\n", b""), stream)
        header = {key: value for key, _space, value in (line.partition(b" ") for line in lines)}
        if not {b"WIDTH", b"HEIGHT", b"DEPTH"} <= header.keys():
            return None
        width, height, channels = (int(header[key]) for key in (b"WIDTH", b"HEIGHT", b"DEPTH"))
    else:
        return None
    data = stream.read(width * height * channels)
    if len(data) < width * height * channels:
        return None
    if channels == 3:
        return Image.frombytes("RGB", (width, height), data)
    picture = Image.frombytes("RGBA", (width, height), data)
    return picture.crop(picture.getchannel("A").getbbox()).convert("RGB")


def read_ppm(data: bytes) -> Picture | None:
    """The picture of a binary PPM file, or None when it is none or broken off."""
    return _read_picture(io.BytesIO(data))


_PTS = re.compile(rb"pts:\s*(-?\d+)")


def _read_time(times: IO[bytes]) -> float:
    """The time of the next frame: one line about it, then one with the metadata."""
    line = times.readline()
    match = _PTS.search(line)
    times.readline()
    if not match:
        raise FilmError(_("A frame of this film has no timestamp."))
    return int(match[1]) / MICRO


def _read_small(small: IO[bytes], times: IO[bytes]) -> SmallFrames:
    times.seek(0)
    shown = [int(match[1]) / MICRO for line in times if (match := _PTS.search(line))]
    size = shots.HEIGHT * shots.WIDTH * 3
    count = min(len(shown), os.fstat(small.fileno()).st_size // size)
    if not count:
        return SmallFrames.none()
    # Not read into memory: a span of 240 frames a second has 120 MB.
    pictures = np.memmap(small, np.uint8, "r", shape=(count, shots.HEIGHT, shots.WIDTH, 3))
    return SmallFrames(np.array(shown[:count]), pictures)


def still(path: Path, found: Probe, time: float, *, max_pixels: int) -> Picture:
    """The first picture shown at or after `time` seconds, at the film's full size.

    Raises FilmError when it cannot be had.
    """
    shown = round(time * MICRO)
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
                path, max_pixels, *picture_filters.input_options(found, time - PRE_ROLL)
            ),
            *("-map", "0:V:0", "-fps_mode", "passthrough", "-noautoscale"),
            "-vf",
            ",".join(chain),
            *("-frames:v", "1", "-c:v", "ppm", "-pix_fmt", "rgb24", "-f", "image2pipe", "-"),
        ],
        PROBE_LIMIT,
    )
    picture = read_ppm(read.output)
    if picture is None:
        raise FilmError(describe_refusal(read.said))
    return picture
