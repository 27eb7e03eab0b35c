"""FFmpeg as a child process, hardened against files made to harm.

What is asked of it is in `probing`, `decoding` and `cutting`.
"""

import contextlib
import logging
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

from django.conf import settings

from gallery.core.errors import FFmpegStalled

log = logging.getLogger(__name__)

# None of them can name another file.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,avi,mpeg,flv,asf,ogg,mxf,"
    "dv,gif,yuv4mpegpipe,h264,hevc,m4v,mpegvideo"
)
# Methods of hardware decoding, the fastest first, and the device that each needs.
HARDWARE_DEVICES = {"cuda": "/dev/nvidiactl", "vaapi": "/dev/dri/renderD128"}
DEVICE_LIMIT = 20.0  # seconds for opening a graphics card
# The oldest that the tests pass on: clips cut by 7.0 have wrong rates and a frame too many, and 5.1
# reads text tracks in part.
MIN_VERSION = (9, 0)
_VERSION = re.compile(r"ffmpeg version n?(\d+)\.(\d+)")
STALL_LIMIT = 60.0  # seconds without any progress, after which FFmpeg is ended
SILENCE_LIMIT = 300.0  # the same without output, however much it works
WATCH_EVERY = 1.0  # seconds
MIN_WORK = 0.05  # seconds of processor time between two looks that count as progress
MICRO = 1_000_000  # films are timed in whole microseconds

Process = subprocess.Popen[bytes]


@cache
def binary() -> str:
    """The FFmpeg to run: the one that the setting FFMPEG names, else the one of imageio-ffmpeg."""
    if settings.FFMPEG:
        return str(settings.FFMPEG)
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def version() -> str:
    """The first line that FFmpeg prints about itself. Raises OSError, SubprocessError."""
    printed = subprocess.run(
        [binary(), "-version"], capture_output=True, text=True, timeout=20, check=True
    )
    return printed.stdout.partition(" Copyright")[0].strip()


def is_too_old(line: str) -> str:
    """What is wrong with the version in a line of `version`, or "".

    Builds from a snapshot of FFmpeg's repository have no version number and are not judged.
    """
    number = _VERSION.match(line)
    if number is None or (int(number[1]), int(number[2] or 0)) >= MIN_VERSION:
        return ""
    return (
        f"{binary()} is {line.removeprefix('ffmpeg ')}, "
        f"but at least {MIN_VERSION[0]}.{MIN_VERSION[1]} is needed."
    )


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


@cache
def acceleration() -> list[str]:
    """Arguments that decode on the graphics card where there is one.

    FFmpeg goes on in software for what the card does not decode. But where the device of a method
    cannot be opened it decodes nothing, and its own `-hwaccel auto` ends in an abort where a
    library is missing; so devices are opened here first.
    """
    asked = settings.FFMPEG_HWACCEL
    if asked == "auto":
        devices = HARDWARE_DEVICES.items()
        methods = [method for method, device in devices if Path(device).exists()]
    else:
        methods = [] if asked == "none" else [asked]
    method = next((one for one in methods if _opens_device(one)), None)
    return ["-hwaccel", method] if method else []


def _opens_device(method: str) -> bool:
    command = ["-v", "error", "-nostdin", "-init_hw_device", method]
    source = ("-f", "lavfi", "-i", "nullsrc", "-frames:v", "1", "-f", "null", "-")
    try:
        tried = run([*command, *source], DEVICE_LIMIT)
    except FFmpegStalled:
        log.warning("films are not decoded with %s: the driver does not answer", method)
        return False
    if tried.status != 0:
        log.warning("films are not decoded with %s: %s", method, tried.said.strip()[-300:])
    return tried.status == 0


@cache
def _ended_with_us() -> list[str]:
    """A command that has the kernel kill what follows it when the thread that started it ends.

    Python's own `preexec_fn` is not safe in a program with threads. Without setpriv (it is part of
    Linux distributions) FFmpeg goes on until it has nobody left to write to.
    """
    command = ["setpriv", "--pdeathsig", "KILL", "--"]
    try:
        tried = subprocess.run([*command, "true"], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError):
        return []
    return command if tried.returncode == 0 else []


def start(arguments: list[str], stderr: IO[bytes], pass_fds: tuple[int, ...] = ()) -> Process:
    """Start FFmpeg in a process group of its own, so that all of it can be ended at once.

    It is killed when the thread that calls this ends: that thread must wait for it.
    """
    return subprocess.Popen(
        [*_ended_with_us(), binary(), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        pass_fds=pass_fds,
        start_new_session=True,
    )


def kill(process: Process) -> None:
    """End FFmpeg and whatever it started; no error when it has ended already."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Watch:
    """Ends an FFmpeg that runs for too long, or that makes no progress while it is waited for.

    Progress is output, or use of the processor: a decoder may skip much before it has a picture.
    `timed_out` and `stalled` say why FFmpeg was ended.
    """

    def __init__(self, process: Process, limit: float, max_silence: float | None) -> None:
        """Watch for at most `limit` seconds; without output for at most `max_silence`."""
        self._max_silence = SILENCE_LIMIT if max_silence is None else max_silence
        self.timed_out = False
        self.stalled = False
        self._stalled_after = STALL_LIMIT
        self._process = process
        self._end = time.monotonic() + limit
        self._waiting_since: float | None = time.monotonic()
        self._left = threading.Event()

    def resume(self) -> None:
        """FFmpeg has made progress and is waited for again."""
        self._waiting_since = time.monotonic()

    def pause(self) -> None:
        """Nobody waits for FFmpeg: it may be held up by us."""
        self._waiting_since = None

    def check(self) -> None:
        """Raise FFmpegStalled if that is why FFmpeg was ended."""
        if self.stalled:
            raise FFmpegStalled(self._stalled_after)

    def run(self) -> None:
        """Look at FFmpeg until it is left, in a thread of its own."""
        worked, worked_at = 0.0, time.monotonic()
        while not self._left.wait(WATCH_EVERY):
            now, since = time.monotonic(), self._waiting_since
            work = _processor_seconds(self._process.pid)
            if work - worked >= MIN_WORK or since is None:
                worked, worked_at = work, now
            self.timed_out = now > self._end
            if since is not None and now - since > self._max_silence:
                self.stalled, self._stalled_after = True, self._max_silence
            elif since is not None and now - max(since, worked_at) > STALL_LIMIT:
                self.stalled = True
            if self.timed_out or self.stalled:
                kill(self._process)
                return

    def leave(self) -> None:
        """Look no more."""
        self._left.set()


@contextlib.contextmanager
def watched(process: Process, limit: float, max_silence: float | None = None) -> Iterator[Watch]:
    """Watch FFmpeg; it is ended when this is left, whatever happened."""
    watch = Watch(process, limit, max_silence)
    watcher = threading.Thread(target=watch.run, name="ffmpeg-watch", daemon=True)
    watcher.start()
    try:
        yield watch
    finally:
        watch.leave()
        watcher.join()
        kill(process)


def _processor_seconds(pid: int) -> float:
    """Processor time that a process has used; 0 where the system does not say (not on Linux)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Run:
    """A finished FFmpeg: its exit status, what it wrote, and what it said."""

    status: int
    output: bytes
    said: str


def run(arguments: list[str], limit: float) -> Run:
    """Run FFmpeg to its end.

    Raises FFmpegStalled when it takes longer than `limit` seconds of wall clock.
    """
    with tempfile.TemporaryFile() as stderr:
        process = start(arguments, stderr)
        try:
            output, _unused = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            raise FFmpegStalled(limit) from None
        finally:
            kill(process)
        stderr.seek(0)
        return Run(process.returncode, output, stderr.read().decode(errors="replace"))


def follow(arguments: list[str], limit: float) -> Run:
    """Run FFmpeg, which has to print its progress (`-progress pipe:1`), to its end.

    Raises FFmpegStalled when it makes no progress, or takes longer than `limit` seconds.
    """
    with tempfile.TemporaryFile() as stderr:
        process = start(arguments, stderr)
        assert process.stdout is not None
        last: dict[bytes, bytes] = {}
        with watched(process, limit) as watch:
            for line in process.stdout:
                key, _equals, value = line.partition(b"=")
                # It is printed twice a second, also when nothing happens.
                if key in (b"out_time_us", b"total_size") and last.get(key) != value:
                    last[key] = value
                    watch.resume()
            process.wait()
        watch.check()
        if watch.timed_out:
            raise FFmpegStalled(limit)
        stderr.seek(0)
        return Run(process.returncode, b"", stderr.read().decode(errors="replace"))
