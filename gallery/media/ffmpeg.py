"""FFmpeg as a child process, hardened against malicious files.

`probing`, `decoding` and `cutting` build on it.
"""

import contextlib
import errno
import logging
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

from django.conf import settings

from gallery.core.errors import FFmpegDied, FFmpegStalled

log = logging.getLogger(__name__)

# None of these formats can refer to another file.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,avi,mpeg,flv,asf,ogg,mxf,"
    "dv,gif,yuv4mpegpipe,h264,hevc,m4v,mpegvideo"
)
# Hardware decoding methods, fastest first, and the device that each needs.
HARDWARE_DEVICES = {"cuda": "/dev/nvidiactl", "vaapi": "/dev/dri/renderD128"}
DEVICE_LIMIT = 20.0  # seconds for opening a GPU
# The oldest version that passes the tests: 7.0 cuts clips with wrong rates and an extra frame, and
# 5.1 reads only part of the text tracks.
MIN_VERSION = (9, 0)
_VERSION = re.compile(r"ffmpeg version n?(\d+)\.(\d+)")
STALL_LIMIT = 60.0  # seconds without any progress, after which FFmpeg is killed
SILENCE_LIMIT = 300.0  # seconds without output, however much CPU time it uses
WATCH_INTERVAL = 1.0  # seconds
MIN_CPU_PROGRESS = 0.05  # seconds of CPU time between two checks that count as progress
# FFmpeg's exit statuses when it gets no memory or no threads.
OUT_OF_RESOURCES = (256 - errno.ENOMEM, 256 - errno.EAGAIN)
MICRO = 1_000_000  # times are whole microseconds

Process = subprocess.Popen[bytes]


@cache
def binary() -> str:
    """Return the FFmpeg to run: the setting FFMPEG, else the one of imageio-ffmpeg."""
    if settings.FFMPEG:
        return str(settings.FFMPEG)
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def version() -> str:
    """Return the first line that FFmpeg prints about itself. Raises OSError, SubprocessError."""
    printed = subprocess.run(
        [binary(), "-version"], capture_output=True, text=True, timeout=20, check=True
    )
    return printed.stdout.partition(" Copyright")[0].strip()


def describe_outdated_version(line: str) -> str:
    """Return why the version in a line of `version` is too old, or "".

    Snapshot builds have no version number and are accepted.
    """
    number = _VERSION.match(line)
    if number is None or (int(number[1]), int(number[2] or 0)) >= MIN_VERSION:
        return ""
    return (
        f"{binary()} is {line.removeprefix('ffmpeg ')}, "
        f"but at least {MIN_VERSION[0]}.{MIN_VERSION[1]} is needed."
    )


def input_arguments(path: Path, max_pixels: int, *before: str) -> list[str]:
    """Return arguments that open `path` and nothing else.

    The whitelists of protocols and containers keep a playlist with the name of a film from opening
    other files or network addresses.
    """
    return [
        *("-hide_banner", "-nostdin", "-protocol_whitelist", "file,pipe"),
        *("-format_whitelist", CONTAINERS, "-max_pixels", str(max_pixels)),
        *before,
        *("-i", f"file:{path.absolute()}"),
    ]


@cache
def hwaccel_arguments() -> list[str]:
    """Return arguments that decode on the GPU where there is one.

    FFmpeg falls back to software for codecs that the GPU does not decode. But when the device
    cannot be opened it decodes nothing, and `-hwaccel auto` aborts when a library is missing; so
    the device is tested first.
    """
    setting = settings.FFMPEG_HWACCEL
    if setting == "auto":
        devices = HARDWARE_DEVICES.items()
        methods = [method for method, device in devices if Path(device).exists()]
    else:
        methods = [] if setting == "none" else [setting]
    method = next((method for method in methods if _can_open_device(method)), None)
    return ["-hwaccel", method] if method else []


def _can_open_device(method: str) -> bool:
    command = ["-v", "error", "-nostdin", "-init_hw_device", method]
    source = ("-f", "lavfi", "-i", "nullsrc", "-frames:v", "1", "-f", "null", "-")
    try:
        tried = run([*command, *source], DEVICE_LIMIT)
    except FFmpegStalled:
        log.warning("films are not decoded with %s: the driver does not answer", method)
        return False
    if tried.status != 0:
        log.warning("films are not decoded with %s: %s", method, tried.log_text.strip()[-300:])
    return tried.status == 0


@cache
def _parent_death_command() -> list[str]:
    """Return a command prefix with which a child is killed when the thread that started it ends.

    Python's `preexec_fn` is unsafe in programs with threads. Without setpriv (part of util-linux)
    an orphaned FFmpeg runs on until its pipe breaks.
    """
    command = ["setpriv", "--pdeathsig", "KILL", "--"]
    try:
        tried = subprocess.run([*command, "true"], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError):
        return []
    return command if tried.returncode == 0 else []


def start(arguments: list[str], stderr: IO[bytes], pass_fds: tuple[int, ...] = ()) -> Process:
    """Start FFmpeg in its own process group, so that all of it can be killed at once.

    It is killed when the calling thread ends: that thread must wait for it.
    """
    return subprocess.Popen(
        [*_parent_death_command(), binary(), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        pass_fds=pass_fds,
        start_new_session=True,
    )


def kill(process: Process) -> None:
    """Kill FFmpeg and its children; no error when it has ended already."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def check_not_killed(status: int | None) -> None:
    """Raise FFmpegDied if FFmpeg was killed or lacked memory: its output is only a part then."""
    if status is not None and (status < 0 or status in OUT_OF_RESOURCES):
        raise FFmpegDied


class Watch:
    """Kill an FFmpeg that runs too long, or that makes no progress while we wait for it.

    Progress is output or CPU time: a decoder may skip much before its first picture. `timed_out`
    and `stalled` say why FFmpeg was killed.
    """

    def __init__(self, process: Process, limit: float, max_silence: float | None) -> None:
        """Watch for at most `limit` seconds, and at most `max_silence` seconds without output."""
        self._max_silence = SILENCE_LIMIT if max_silence is None else max_silence
        self.timed_out = False
        self.stalled = False
        self._stalled_after = STALL_LIMIT
        self._process = process
        self._end = time.monotonic() + limit
        self._waiting_since: float | None = time.monotonic()
        self._stopped = threading.Event()

    def resume(self) -> None:
        """Note progress: FFmpeg is waited for again."""
        self._waiting_since = time.monotonic()

    def pause(self) -> None:
        """Stop the stall clock: we are busy, and may hold FFmpeg up."""
        self._waiting_since = None

    def check(self) -> None:
        """Raise FFmpegStalled if FFmpeg was killed for lack of progress."""
        if self.stalled:
            raise FFmpegStalled(self._stalled_after)

    def run(self) -> None:
        """Check FFmpeg until `stop`, in a separate thread."""
        worked, worked_at = 0.0, time.monotonic()
        while not self._stopped.wait(WATCH_INTERVAL):
            now, since = time.monotonic(), self._waiting_since
            work = _cpu_seconds(self._process.pid)
            if work - worked >= MIN_CPU_PROGRESS or since is None:
                worked, worked_at = work, now
            self.timed_out = now > self._end
            if since is not None and now - since > self._max_silence:
                self.stalled, self._stalled_after = True, self._max_silence
            elif since is not None and now - max(since, worked_at) > STALL_LIMIT:
                self.stalled = True
            if self.timed_out or self.stalled:
                kill(self._process)
                return

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()


@contextlib.contextmanager
def watched(process: Process, limit: float, max_silence: float | None = None) -> Iterator[Watch]:
    """Watch FFmpeg; it is killed when the context is left."""
    watch = Watch(process, limit, max_silence)
    watcher = threading.Thread(target=watch.run, name="ffmpeg-watch", daemon=True)
    watcher.start()
    try:
        yield watch
    finally:
        watch.stop()
        watcher.join()
        kill(process)


def _cpu_seconds(pid: int) -> float:
    """Return the CPU time a process has used; 0 where there is no /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Run:
    """A finished FFmpeg: exit status, standard output, and what it logged to standard error.

    `frames` is the number of pictures written, where its progress was followed.
    """

    status: int
    output: bytes
    log_text: str
    frames: int = 0


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


def run_with_progress(
    arguments: list[str], limit: float, report: Callable[[float], None] = lambda _seconds: None
) -> Run:
    """Run FFmpeg to its end; its arguments must contain `-progress pipe:1`.

    `report` gets the seconds written so far, twice a second; FFmpeg is killed when it raises.
    Raises FFmpegStalled when it makes no progress, or takes longer than `limit` seconds, and
    FFmpegDied.
    """
    with tempfile.TemporaryFile() as stderr:
        process = start(arguments, stderr)
        assert process.stdout is not None
        last: dict[bytes, bytes] = {}
        with watched(process, limit) as watch:
            for line in process.stdout:
                key, _equals, value = line.strip().partition(b"=")
                # Printed even without progress.
                if key in (b"out_time_us", b"total_size") and last.get(key) != value:
                    watch.resume()
                last[key] = value
                if key == b"progress":
                    report(_whole_number(last.get(b"out_time_us")) / MICRO)
            process.wait()
        watch.check()
        if watch.timed_out:
            raise FFmpegStalled(limit)
        check_not_killed(process.returncode)
        stderr.seek(0)
        return Run(
            process.returncode,
            b"",
            stderr.read().decode(errors="replace"),
            frames=_whole_number(last.get(b"frame")),
        )


def _whole_number(text: bytes | None) -> int:
    """Parse a number of FFmpeg's progress, which is N/A at first."""
    return int(text) if text and text.isdigit() else 0
