"""Open untrusted pictures: decoded one at a time, in a process with limited memory.

A few kilobytes can declare a picture of gigabytes, and decoders may crash. Both kill the process of
`picture_decoder`, not the web server.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj
from typing import IO, Any

from django.conf import settings
from django.utils.translation import gettext as _
from PIL import Image

from gallery.core.errors import PicturesBusy, QueryError
from gallery.media import picture_decoder
from gallery.media.types import Picture

log = logging.getLogger(__name__)

MAX_SIDE = 640  # pixels; the model sees fewer
MAX_WAIT = 5.0  # seconds; meanwhile a thread of the web server is blocked
MAX_CPU_SECONDS = 20
MAX_SECONDS = 60.0  # of wall clock
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "TMPDIR")  # no secrets

_one_at_a_time = threading.Lock()


def open_picture(file: IO[bytes]) -> Picture:
    """Decode an untrusted picture: upright, RGB, no side longer than MAX_SIDE pixels.

    Raises QueryError, with a sentence for the user, when it cannot be decoded, and PicturesBusy
    when too many others are being opened.
    """
    with _open_descriptor(file) as readable:
        if not _one_at_a_time.acquire(timeout=MAX_WAIT):
            raise PicturesBusy
        try:
            answered = _run_decoder(readable)
        finally:
            _one_at_a_time.release()
    if answered.returncode < 0:
        raise QueryError(_describe_signal(-answered.returncode))
    line, _newline, pixels = answered.stdout.partition(b"\n")
    try:
        answer = json.loads(line)
    except ValueError as error:
        # The decoder could not even start: its error is in the web server's log.
        log.error("the picture decoder ended with status %d", answered.returncode)
        raise QueryError(_("The picture is damaged or incomplete.")) from error
    if "error" in answer:
        log.info("a picture was refused: %s", answer)
        raise QueryError(_describe_error(answer))
    return Image.frombytes("RGB", tuple(answer["size"]), pixels)


@contextmanager
def _open_descriptor(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """Yield a file that has a descriptor, at its beginning."""
    try:
        os.lseek(file.fileno(), 0, os.SEEK_SET)
    except (AttributeError, OSError):
        with tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR) as copy:
            file.seek(0)
            copyfileobj(file, copy)
            copy.flush()
            os.lseek(copy.fileno(), 0, os.SEEK_SET)
            yield copy
    else:
        yield file


def _run_decoder(file: IO[bytes]) -> subprocess.CompletedProcess[bytes]:
    limits = (settings.MAX_PICTURE_PIXELS, MAX_SIDE, settings.MAX_PICTURE_MEMORY, MAX_CPU_SECONDS)
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    try:
        return subprocess.run(
            [sys.executable, "-I", str(Path(picture_decoder.__file__)), *map(str, limits)],
            stdin=file.fileno(),
            stdout=subprocess.PIPE,
            # Several heaps would reserve address space, which is limited.
            env={**environment, "MALLOC_ARENA_MAX": "1"},
            timeout=MAX_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise QueryError(_describe_signal(signal.SIGKILL)) from error


def _describe_signal(number: int) -> str:
    if number in (signal.SIGKILL, signal.SIGXCPU):
        return _("This picture took too long to open. Try a smaller one.")
    return _("The picture is damaged or incomplete.")


def _describe_error(answer: dict[str, Any]) -> str:
    if answer["error"] == "too many pixels":
        width, height = answer["size"]
        return _("The picture is too large: %(width)d x %(height)d pixels. Try a smaller one.") % {
            "width": width,
            "height": height,
        }
    if answer["error"] == "too much memory":
        return _("This picture needs too much memory. Make it smaller, or save it as JPEG or PNG.")
    if answer["error"] == "damaged or large":
        return _(
            "The picture is damaged or needs too much memory. Make it smaller, or save it as "
            "JPEG or PNG."
        )
    if answer["error"] == "unknown format":
        return _("This picture cannot be read. Use JPEG, PNG, WebP, GIF, AVIF, HEIC, TIFF or BMP.")
    return _("The picture is damaged or incomplete.")
