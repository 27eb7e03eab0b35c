"""Decode a film: one picture a second with its time, all frames very small, and single stills."""

import contextlib
import io
import os
import re
import tempfile
from collections.abc import Iterator
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

PRE_ROLL_SECONDS = 10.0  # decoded before a span, because seeking is inexact


def _print_time_filters(pipe: int) -> list[str]:
    """Return filters that print the time of each frame to a file descriptor, for `_read_time`."""
    return [
        "metadata=mode=add:key=a:value=b",
        # Print only this key: MPEG-2 pictures have others, such as a timecode.
        rf"metadata=mode=print:key=a:direct=1:file='pipe\:{pipe}'",
    ]


def _filter_graph(probe: Probe, span: Span, width: int, times: int, small_times: int) -> str:
    """Return the graph from the film to one picture a second [second] and all frames, tiny [small].

    For each second it selects the first frame whose presentation time is in it. (FFmpeg's `fps=1`
    rounds instead: for second 1 it takes the frame shown at 1.46 s.)
    """
    common = [
        *picture_filters.source_filters(probe),
        f"settb=1/{MICRO}",
        f"setpts=PTS-{round(probe.start * MICRO)}",  # 0 at the film's beginning
        "split[all][more]",
    ]
    second = [
        *_trim_filters(span, 0.0),
        f"select='gte(pts,{span.start * MICRO})*(isnan(prev_selected_pts)"
        f"+gt(floor(pts/{MICRO}),floor(prev_selected_pts/{MICRO})))'",
        *_print_time_filters(times),
        *_scale_filters(probe, width),
    ]
    small = [
        *_trim_filters(span, shots.MARGIN),
        f"select='gte(pts,{round((span.start - shots.MARGIN) * MICRO)})'",
        *_print_time_filters(small_times),
        *picture_filters.display_filters(probe, f"{shots.WIDTH}:{shots.HEIGHT}", "rgb"),
    ]
    return (
        f"[0:V:0]{','.join(common)};[all]{','.join(second)}[second];[more]{','.join(small)}[small]"
    )


def _trim_filters(span: Span, margin: float) -> list[str]:
    """Return a filter that ends the film `margin` seconds after a span."""
    return [] if span.end is None else [f"trim=end_pts={round((span.end + margin) * MICRO)}"]


def _scale_filters(probe: Probe, width: int) -> list[str]:
    """Return filters to RGB, at most `width` pixels wide; to a common RGBA size if shapes vary.

    FFmpeg writes pictures of a single size: smaller ones are placed opaque at the top left.
    """
    if not picture_filters.may_change(probe):
        size = f"w='min({width},iw*sar)':h='round(ow/(iw*sar/ih)/2)*2'"
        return picture_filters.display_filters(probe, size, "rgb")
    height = width * 3 // 4
    scale = f"min(1,min({width}/(iw*sar),{height}/ih))"
    size = f"w='round(iw*sar*{scale})':h='2*round(ih*{scale}/2)'"
    return [
        *picture_filters.display_filters(probe, size, "rgb"),
        # A scaler that FFmpeg inserts would give all pictures the size of the first one.
        "scale=iw:ih:eval=frame",
        "format=rgba",
        f"pad={width}:{height}:0:0:black@0:eval=frame",
    ]


class Decoding:
    """A running decoder.

    Iterate over `pictures` (times and pictures) first; at its end, `small` and `complaints` are
    set. `small` are all frames of the span, and those up to `shots.MARGIN` seconds around it;
    `complaints` is what FFmpeg printed.
    """

    def __init__(
        self,
        process: ffmpeg.Process,
        watch: ffmpeg.Watch,
        *,
        times: IO[bytes],
        small: IO[bytes],
        small_times: IO[bytes],
        stderr: IO[bytes],
    ) -> None:
        self.small = SmallFrames.empty()
        self.complaints = ""
        self.pictures = self._read_all()
        self._process = process
        self._watch = watch
        self._times = times
        self._small = small
        self._small_times = small_times
        self._stderr = stderr

    def _read_all(self) -> Iterator[tuple[float, Picture]]:
        yield from self._read_pictures()
        self._watch.check()
        if self._watch.timed_out:
            raise FilmError(_("FFmpeg took too long to read this film. It may be damaged."))
        ffmpeg.check_not_killed(self._process.returncode)
        self.small = _read_small(self._small, self._small_times)
        self._stderr.seek(0)
        self.complaints = self._stderr.read().decode(errors="replace")

    def _read_pictures(self) -> Iterator[tuple[float, Picture]]:
        """Yield each picture with its time, until FFmpeg has ended."""
        assert self._process.stdout is not None
        last = -1.0
        while True:
            self._watch.resume()
            picture = _read_picture(self._process.stdout)
            if picture is None:
                break
            time = _read_time(self._times)
            self._watch.pause()
            # When the size of the pictures changes, FFmpeg restarts the filter that selects them.
            if int(time) > int(last):
                yield time, picture
            last = time
        self._process.wait()


@contextlib.contextmanager
def decode(
    path: Path,
    probe: Probe,
    span: Span,
    *,
    width: int,
    max_pixels: int,
    limit: float,
    threads: int = 0,
) -> Iterator[Decoding]:
    """Decode a span of film to one picture a second, at most `width` pixels wide.

    A context manager: leaving it ends FFmpeg in any case. After `limit` seconds of wall clock
    FFmpeg is killed and FilmError raised (FFmpegStalled, when it makes no progress; FFmpegDied,
    when the system killed it). `threads` is
    the number of decoding threads (0: one per core).
    """
    read_times, write_times = os.pipe()
    with (
        os.fdopen(read_times, "rb") as times,
        tempfile.TemporaryFile() as small,
        tempfile.TemporaryFile() as small_times,
        tempfile.TemporaryFile() as stderr,
    ):
        graph = _filter_graph(probe, span, width, write_times, small_times.fileno())
        try:
            process = ffmpeg.start(
                [
                    *("-v", "error"),
                    *ffmpeg.input_arguments(
                        path,
                        max_pixels,
                        *(*ffmpeg.hwaccel_arguments(), "-threads", str(threads)),
                        *picture_filters.input_options(probe, span.start - PRE_ROLL_SECONDS),
                    ),
                    *("-filter_complex", graph),
                    *("-map", "[second]", "-fps_mode", "passthrough"),
                    *("-c:v", "pam", "-f", "image2pipe", "-"),
                    *("-map", "[small]", "-fps_mode", "passthrough"),
                    *("-pix_fmt", "rgb24", "-f", "rawvideo", f"pipe:{small.fileno()}"),
                ],
                stderr,
                pass_fds=(write_times, small.fileno(), small_times.fileno()),
            )
        finally:
            os.close(write_times)
        with ffmpeg.watched(process, limit) as watch:
            yield Decoding(
                process,
                watch,
                times=times,
                small=small,
                small_times=small_times,
                stderr=stderr,
            )


def _read_picture(stream: IO[bytes]) -> Picture | None:
    """Return the next picture of a stream of PPM or PAM files, or None at its (possibly early) end.

    RGBA pictures are cropped to their opaque part.
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
    """Return the picture of a binary PPM file, or None when it is empty or truncated."""
    return _read_picture(io.BytesIO(data))


_PTS = re.compile(rb"pts:\s*(-?\d+)")


def _read_time(times: IO[bytes]) -> float:
    """Return the time of the next frame: a line about the frame precedes its metadata line."""
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
        return SmallFrames.empty()
    # Mapped, not read: at 240 frames a second a span has 120 MB.
    pictures = np.memmap(small, np.uint8, "r", shape=(count, shots.HEIGHT, shots.WIDTH, 3))
    return SmallFrames(np.array(shown[:count]), pictures)


def still(path: Path, probe: Probe, time: float, *, max_pixels: int) -> Picture:
    """Return the first picture shown at or after `time` seconds, at the film's full size.

    Raises FilmError when there is none.
    """
    shown = round(time * MICRO)
    chain = [
        *picture_filters.source_filters(probe),
        f"settb=1/{MICRO}",
        f"setpts=PTS-{round(probe.start * MICRO)}",
        f"select='gte(pts,{shown})'",
        *picture_filters.display_filters(probe, "w='iw*sar':h=ih", "rgb"),
    ]
    read = ffmpeg.run(
        [
            *("-v", "error"),
            *ffmpeg.input_arguments(
                path, max_pixels, *picture_filters.input_options(probe, time - PRE_ROLL_SECONDS)
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
        raise FilmError(describe_refusal(read.log_text))
    return picture
