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
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

from django.conf import settings
from django.utils.translation import gettext as _

from gallery.errors import FilmError

log = logging.getLogger(__name__)

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,avi,mpeg,flv,asf,ogg,mxf"
# Methods of hardware decoding, the fastest first, and the device that each needs.
HARDWARE_DEVICES = {"cuda": "/dev/nvidiactl", "vaapi": "/dev/dri/renderD128"}
DEVICE_LIMIT = 20.0  # seconds for opening a graphics card
MIN_VERSION = (7, 0)  # see "Settings" in README.md
_VERSION = re.compile(r"ffmpeg version n?(\d+)\.(\d+)")
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


def too_old(line: str) -> str:
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
    except FilmError:
        log.warning("films are not decoded with %s: the driver does not answer", method)
        return False
    if tried.status != 0:
        log.warning("films are not decoded with %s: %s", method, tried.said.strip()[-300:])
    return tried.status == 0


def start(arguments: list[str], stderr: IO[bytes], pass_fds: tuple[int, ...] = ()) -> Process:
    """Start FFmpeg in a process group of its own, so that all of it can be ended at once."""
    return subprocess.Popen(
        [binary(), *arguments],
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
        process = start(arguments, stderr)
        try:
            output, _unused = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            raise FilmError(
                _("FFmpeg did not finish within %(limit)d seconds; the file may be damaged.")
                % {"limit": limit}
            ) from None
        finally:
            kill(process)
        stderr.seek(0)
        return Run(process.returncode, output, stderr.read().decode(errors="replace"))
