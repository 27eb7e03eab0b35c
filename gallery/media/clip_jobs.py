"""Files that FFmpeg makes while somebody waits: each once, few at a time, ended when unwanted.

A making runs in a thread of its own. Whoever waits for it joins and leaves it; when the last has
left before it is done, FFmpeg is ended and nothing remains, nor when the process is told to end. A
file is in its place when it is whole and not before; what a killed server leaves lies among the
drafts, which are swept away.
"""

import atexit
import logging
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from gallery.core.disk import raise_disk_full
from gallery.core.errors import ClipBusy, DiskFull, FilmError, GalleryError
from gallery.media import ffmpeg
from gallery.media.clip_slots import acquire_slot, clip_lock, try_clip_lock
from gallery.media.store import draft_file, reserve_space

log = logging.getLogger(__name__)

MAX_SLOT_WAIT = 20.0  # seconds that a making waits for its turn, unless its order says otherwise
MAX_WAITING = 6  # makings of a process that wait for a turn
MAX_WAITING_OF_ONE = 3  # of these, for one who asks
ENDING = 5.0  # seconds at most in which all makings end when the process does
CHUNK = 1 << 16
_DONE_UNTIL = re.compile(rb"out_time_us=(\d+)")
_FRAMES = re.compile(rb"frame= *(\d+)")

IsCancelled = Callable[[], bool]
"""Whether the one who waits has gone away."""


@dataclass(frozen=True, slots=True)
class ClipOrder:
    """What is to be made: the file `path`, by FFmpeg with `arguments(draft)`.

    It `streams` to its standard output, or else writes the draft by itself. `seconds` is how long
    the clip is, for progress; `limit` is seconds of wall clock; with fewer than `frames` pictures
    it is not what was asked for. `finish(draft, whole)` makes what is kept of the draft. See
    `turns` for `patience` (seconds) and `hurried`. When `source` is deleted, nothing is kept.
    """

    path: Path
    arguments: Callable[[Path], list[str]]
    seconds: float
    limit: float
    frames: int = 0
    streams: bool = False
    patience: float = MAX_SLOT_WAIT
    has_priority: bool = False
    finish: Callable[[Path, Path], None] | None = None
    source: Path | None = None


class ClipJob:
    """One order under way."""

    def __init__(self, order: ClipOrder, owner: str) -> None:
        self.order = order
        self.owner = owner
        self._lock = try_clip_lock(order.path)
        # Another process makes it: there is nothing to read before the end.
        self.is_elsewhere = self._lock is None
        self.error: GalleryError | None = None
        self.done = False
        self.part = 0.0  # of the clip, 0 to 1
        self.begun: float | None = None
        self.readers = 0
        self._news = threading.Condition()
        self._unwanted = threading.Event()
        self._language = translation.get_language()
        self._process: ffmpeg.Process | None = None
        self._stream: IO[bytes] | None = None
        self._written = 0
        self._frames = 0

    @property
    def ended(self) -> bool:
        """Whether it is over, well or not."""
        return self.done or self.error is not None

    @property
    def left(self) -> float | None:
        """About how many seconds it still takes; None as long as nobody can say."""
        if self.begun is None or self.part < 0.02:
            return None
        return (time.monotonic() - self.begun) * (1 - self.part) / self.part

    def wait(self, seconds: float) -> bool:
        """Wait for the end, or so many seconds. True when it is over."""
        with self._news:
            return self._news.wait_for(lambda: self.ended, seconds)

    def result(self) -> Path:
        """The file, once it is over. Raises what went wrong."""
        if self.error is not None:
            raise self.error
        return self.order.path

    def read(self, sent: int) -> bytes:
        """More of what FFmpeg has written, after the first `sent` bytes.

        It waits for some, not for long: it may give nothing although more will come.
        """
        with self._news:
            self._news.wait_for(lambda: self.ended or self._written > sent, 0.5)
            ready = self._written - sent
        if not ready or self._stream is None:
            return b""
        return os.pread(self._stream.fileno(), min(ready, CHUNK), sent)

    # --- the work -----------------------------------------------------------------------------

    def run(self) -> None:
        """Do it, in a thread of its own."""
        try:
            with (
                translation.override(self._language),
                clip_lock(self.order.path, self._lock, self._unwanted.is_set),
            ):
                if not (self.is_elsewhere and touch_if_cached(self.order.path)):
                    self._take_turn()
        except GalleryError as error:
            self._end(error)
        except OSError as error:
            self._end(FilmError(_("Could not make this clip: %(why)s") % {"why": error}))
        except Exception:
            # Nobody may wait for ever.
            log.exception("%s", self.order.path.name)
            self._end(FilmError(_("Could not make this clip. The film may be damaged here.")))
        else:
            self._end(None)

    def _take_turn(self) -> None:
        order = self.order
        with acquire_slot(order.patience, self._unwanted.is_set, has_priority=order.has_priority):
            self.begun = time.monotonic()
            self._make()

    def _make(self) -> None:
        with draft_file(self.order.path.suffix) as (draft, whole):
            if self.order.streams:
                # Not closed here: those who are sent it may be slower than FFmpeg.
                self._stream = draft.open("w+b", buffering=0)
            with tempfile.TemporaryFile() as said:
                process = self._process = ffmpeg.start(self.order.arguments(draft), said)
                alarm = threading.Timer(self.order.limit, ffmpeg.kill, [process])
                alarm.daemon = True
                alarm.start()
                try:
                    self._follow(process)
                finally:
                    alarm.cancel()
                    ffmpeg.kill(process)
                said.seek(0)
                self._judge(process.returncode, draft, said.read().decode(errors="replace"))
            if self.order.finish:
                self.order.finish(draft, whole)
            ready = whole if self.order.finish else draft
            with reserve_space(ready.stat().st_size, clip_cache(), settings.CLIP_CACHE_BYTES):
                self.order.path.parent.mkdir(parents=True, exist_ok=True)
                ready.replace(self.order.path)
            touch_if_cached(self.order.path)
            drop_orphan(self.order.path, self.order.source)

    def _follow(self, process: ffmpeg.Process) -> None:
        """Keep what FFmpeg writes, or note how far it is, until it ends."""
        assert process.stdout is not None
        while not self._unwanted.is_set() and (data := os.read(process.stdout.fileno(), CHUNK)):
            if self._stream is not None:
                with raise_disk_full():
                    self._stream.write(data)
                with self._news:
                    self._written += len(data)
                    self._news.notify_all()
            else:
                self._note_progress(data)
        if not self._unwanted.is_set():
            process.wait()

    def _note_progress(self, said: bytes) -> None:
        if until := _DONE_UNTIL.findall(said):
            self.part = min(1.0, int(until[-1]) / 1e6 / self.order.seconds)
        if frames := _FRAMES.findall(said):
            self._frames = int(frames[-1])

    def _judge(self, status: int | None, draft: Path, said: str) -> None:
        """Raise what went wrong with a finished FFmpeg, when something did."""
        if self._unwanted.is_set():
            raise ClipBusy
        if "No space left on device" in said:
            raise DiskFull
        if status == 0 and draft.stat().st_size > 0 and self._frames >= self.order.frames:
            return
        if self.begun is not None and time.monotonic() - self.begun >= self.order.limit:
            raise FilmError(
                _("Making this clip took longer than %(limit)d seconds. Choose a shorter scene.")
                % {"limit": self.order.limit}
            )
        log.warning("%s: %s", self.order.path.name, said.strip()[-500:])
        raise FilmError(_("Could not make this clip. The film may be damaged here."))

    def _end(self, error: GalleryError | None) -> None:
        with _lock:
            _all.discard(self)
            if _under_way.get(self.order.path) is self:
                del _under_way[self.order.path]
        with self._news:
            self.error, self.done = error, error is None
            self._news.notify_all()

    def give_up(self) -> None:
        """End FFmpeg: nobody waits for it any more."""
        self._unwanted.set()
        process = self._process
        if process is not None:
            ffmpeg.kill(process)


# --- who waits for what -----------------------------------------------------------------------

_lock = threading.Lock()
_under_way: dict[Path, ClipJob] = {}
_all: set[ClipJob] = set()  # those of `_under_way`, and what was given up and has not ended yet


def clip_cache() -> Path:
    """Where clips, stills and animations are kept, within CLIP_CACHE_BYTES."""
    return Path(settings.MEDIA_ROOT) / "clips"


def touch_if_cached(path: Path) -> bool:
    """Whether a file is there already. It was used now: it stays longer than what nobody uses."""
    try:
        # Its time of change stays: browsers know the file by it.
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
    except FileNotFoundError:
        return False
    return True


def drop_orphan(path: Path, source: Path | None) -> None:
    """Remove what was made of a film that was deleted meanwhile, and raise FilmError then.

    Whoever deletes a film removes the film first and then what was made of it: either they find
    the file at `path`, or `source` is gone by now.
    """
    if source is None or source.exists():
        return
    path.unlink(missing_ok=True)
    for folder in (path.parent, path.parent.parent):
        with suppress(OSError):
            folder.rmdir()
    raise FilmError(_("The film file is missing from the media store."))


def join_job(order: ClipOrder, owner: str = "") -> ClipJob:
    """Wait with others for what is under way already, or begin it. Raises ClipBusy.

    `owner`: who asks for it; nobody takes all places in the queue.

    Whoever joins must `leave`; closing a `Stream` does.
    """
    with _lock:
        making = _under_way.get(order.path)
        if making is None:
            waiting = [one.owner for one in _under_way.values() if one.begun is None]
            if len(waiting) >= MAX_WAITING or (
                owner and waiting.count(owner) >= MAX_WAITING_OF_ONE
            ):
                raise ClipBusy
            making = _under_way[order.path] = ClipJob(order, owner)
            _all.add(making)
            threading.Thread(target=making.run, name="making", daemon=True).start()
        making.readers += 1
        return making


def leave_job(making: ClipJob) -> None:
    """Wait no longer. The last who leaves ends the work."""
    with _lock:
        making.readers -= 1
        if making.readers or making.ended:
            return
        if _under_way.get(making.order.path) is making:
            del _under_way[making.order.path]
    making.give_up()


@atexit.register
def end_all_jobs() -> None:
    """Give up all that is being made, and wait until nothing remains of it: the process ends."""
    with _lock:
        makings = list(_all)
    for making in makings:
        making.give_up()
    end = time.monotonic() + ENDING
    for making in makings:
        making.wait(end - time.monotonic())


def get_or_render(order: ClipOrder, is_gone: IsCancelled = lambda: False, owner: str = "") -> Path:
    """The file, made now when it is not kept. `owner`: see `join`.

    Raises what went wrong, and ClipBusy when the one who waits has gone.
    """
    if touch_if_cached(order.path):
        return order.path
    making = join_job(order, owner)
    try:
        while not making.wait(0.25):
            if is_gone():
                raise ClipBusy
        return making.result()
    finally:
        leave_job(making)


class ClipStream:
    """What FFmpeg writes, from its beginning, as it comes, for one who has joined.

    It ends early when FFmpeg fails: what was sent cannot be taken back. Close it.
    """

    def __init__(self, making: ClipJob, is_gone: IsCancelled) -> None:
        self.making = making
        self.is_gone = is_gone
        self.sent = 0
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        """More of it."""
        while not self.closed and not self.is_gone():
            ended = self.making.ended
            data = self.making.read(self.sent)
            if data:
                self.sent += len(data)
                return data
            if ended:
                break
        raise StopIteration

    def close(self) -> None:
        """Leave; once."""
        if not self.closed:
            self.closed = True
            leave_job(self.making)
