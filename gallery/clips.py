"""Short clips of a film, cut when they are asked for and kept within a size limit.

Whatever codec the film has, a clip is H.264 and AAC in MP4, which every browser plays. It begins
with the frame shown at its start and ends before its end, to the frame, with the sound in step.
"""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from gallery import ffmpeg
from gallery.errors import ClipBusy, FilmError, QueryError
from gallery.models import Film
from gallery.storage import shrink_to, telling_full_disk

LONGEST = 120.0  # seconds
SHORTEST = 0.04  # seconds: a frame
WIDEST = 1280  # pixels
CUT_LIMIT = 120.0  # seconds of wall clock for making one
PATIENCE = 20.0  # seconds that a request waits for its turn
RATE_OF_STILLS = 25  # frames a second of a film that does not say

_turns = threading.BoundedSemaphore(settings.CLIPS_AT_ONCE)
_same = defaultdict[Path, threading.Lock](threading.Lock)


def clip(film: Film, start: float, end: float) -> Path:
    """The file of the clip from `start` up to, not including, `end` (seconds of the film).

    Raises QueryError for a span that makes no sense, ClipBusy when too many are being made, and
    FilmError or DiskFull when it cannot be made.
    """
    end = min(end, film.duration)
    if not 0 <= start < end or end - start > LONGEST:
        raise QueryError(
            _("A clip lies within its film and is at most %(most)d seconds long.")
            % {"most": LONGEST}
        )
    folder = settings.MEDIA_ROOT / "clips" / film.uid
    path: Path = folder / f"{round(start * 1000):09d}-{round(end * 1000):09d}.mp4"
    with _same[path]:
        if path.is_file():
            # Used now: it stays longer than what nobody asks for.
            path.touch()
            return path
        with _turn():
            _cut(film, start, max(end - start, SHORTEST), path)
    shrink_to(settings.MEDIA_ROOT / "clips", settings.CLIP_CACHE_BYTES)
    return path


@contextmanager
def _turn() -> Iterator[None]:
    """At most so many FFmpegs at once: searching must stay quick."""
    if not _turns.acquire(timeout=PATIENCE):
        raise ClipBusy
    try:
        yield
    finally:
        _turns.release()


def _cut(film: Film, start: float, length: float, path: Path) -> None:
    """Cut a clip: a little early at both ends, so that rounded times move neither by a frame.

    FFmpeg counts the length from where it seeks to or from the first frame, a quarter of a frame
    later: half a frame less suits both.
    """
    grace = 0.25 / float(film.rate or RATE_OF_STILLS)
    begin = max(0.0, start - grace)
    draft = path.with_suffix(".part")
    with telling_full_disk():
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        done = ffmpeg.run(
            [
                *("-v", "error", "-y"),
                *ffmpeg.input_arguments(
                    film.files.source(), settings.MAX_FILM_PIXELS, "-ss", f"{begin:.6f}"
                ),
                *("-t", f"{length - 2 * grace:.6f}"),
                *("-map", "0:V:0", "-map", "0:a:0?", "-sn", "-dn", "-map_metadata", "-1"),
                *("-vf", f"scale=w='trunc(min({WIDEST},iw*sar)/2)*2':h=-2,setsar=1"),
                *("-c:v", "libx264", "-preset", "veryfast", "-crf", "21", "-pix_fmt", "yuv420p"),
                *("-c:a", "aac", "-b:a", "160k", "-ac", "2", "-movflags", "+faststart"),
                *("-f", "mp4", str(draft)),
            ],
            CUT_LIMIT,
        )
        if done.status != 0 or not draft.is_file() or draft.stat().st_size == 0:
            raise FilmError(_("This scene cannot be played: FFmpeg could not cut it out."))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
