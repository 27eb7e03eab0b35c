"""Files that FFmpeg renders while a user waits: each once, few at a time, cancelled when unwanted.

A job runs in its own thread. Clients that wait for it join and leave it; when the last one leaves
before it is done, or the process shuts down, FFmpeg is killed and nothing remains. A file appears
in its place only when it is complete; what a killed server leaves behind lies among the drafts,
which are swept.
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

MAX_SLOT_WAIT = 20.0  # seconds that a job waits for a slot by default
MAX_QUEUED = 6  # jobs of this process that wait for a slot
MAX_QUEUED_PER_OWNER = 3  # of these, for one client
MAX_SHUTDOWN_SECONDS = 5.0  # for all jobs together
CHUNK_BYTES = 1 << 16
_RENDERED_US = re.compile(rb"out_time_us=(\d+)")
_FRAMES = re.compile(rb"frame= *(\d+)")

IsCancelled = Callable[[], bool]
"""Returns whether the client has disconnected."""


@dataclass(frozen=True, slots=True)
class ClipOrder:
    """What to render: the file `path`, by FFmpeg with `arguments(draft)`.

    FFmpeg `streams` to its standard output, or else writes the draft. `seconds` is the length of
    the clip, for the progress; `limit` is the wall-clock limit in seconds; an output of fewer than
    `frames` pictures is an error. `finish(draft, whole)` turns the draft into the file that is
    kept. See `clip_slots.acquire_slot` for `max_wait` (seconds) and `has_priority`. When `source`
    has been deleted meanwhile, nothing is kept.
    """

    path: Path
    arguments: Callable[[Path], list[str]]
    seconds: float
    limit: float
    frames: int = 0
    streams: bool = False
    max_wait: float = MAX_SLOT_WAIT
    has_priority: bool = False
    finish: Callable[[Path, Path], None] | None = None
    source: Path | None = None


class ClipJob:
    """A running order."""

    def __init__(self, order: ClipOrder, owner: str) -> None:
        self.order = order
        self.owner = owner
        self._lock = try_clip_lock(order.path)
        # Another process renders it: there is nothing to read before the end.
        self.is_elsewhere = self._lock is None
        self.error: GalleryError | None = None
        self.done = False
        self.progress = 0.0  # 0 to 1
        self.started_at: float | None = None
        self.readers = 0
        self._changed = threading.Condition()
        self._cancelled = threading.Event()
        self._language = translation.get_language()
        self._process: ffmpeg.Process | None = None
        self._stream: IO[bytes] | None = None
        self._written = 0
        self._frames = 0

    @property
    def is_over(self) -> bool:
        """Return whether the job has finished or failed."""
        return self.done or self.error is not None

    @property
    def remaining_seconds(self) -> float | None:
        """Return the estimated seconds that remain; None while there is no estimate."""
        if self.started_at is None or self.progress < 0.02:
            return None
        return (time.monotonic() - self.started_at) * (1 - self.progress) / self.progress

    def wait(self, seconds: float) -> bool:
        """Wait for the end, at most `seconds`. Returns whether the job is over."""
        with self._changed:
            return self._changed.wait_for(lambda: self.is_over, seconds)

    def result(self) -> Path:
        """Return the file of a job that is over. Raises the error that it ended with."""
        if self.error is not None:
            raise self.error
        return self.order.path

    def read(self, sent: int) -> bytes:
        """Return more of FFmpeg's output, after the first `sent` bytes.

        It waits a short time for data, and may return b"" although more will come.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.is_over or self._written > sent, 0.5)
            ready = self._written - sent
        if not ready or self._stream is None:
            return b""
        return os.pread(self._stream.fileno(), min(ready, CHUNK_BYTES), sent)

    # --- rendering ----------------------------------------------------------------------------

    def run(self) -> None:
        """Run the job, in its own thread."""
        try:
            with (
                translation.override(self._language),
                clip_lock(self.order.path, self._lock, self._cancelled.is_set),
            ):
                if not (self.is_elsewhere and touch_if_cached(self.order.path)):
                    self._render_in_slot()
        except GalleryError as error:
            self._finish(error)
        except OSError as error:
            self._finish(FilmError(_("Could not make this clip: %(why)s") % {"why": error}))
        except Exception:
            # Clients must not wait forever.
            log.exception("%s", self.order.path.name)
            self._finish(FilmError(_("Could not make this clip. The film may be damaged here.")))
        else:
            self._finish(None)

    def _render_in_slot(self) -> None:
        order = self.order
        with acquire_slot(order.max_wait, self._cancelled.is_set, has_priority=order.has_priority):
            self.started_at = time.monotonic()
            self._render()

    def _render(self) -> None:
        with draft_file(self.order.path.suffix) as (draft, whole):
            if self.order.streams:
                # Not closed here: clients may read it more slowly than FFmpeg writes.
                self._stream = draft.open("w+b", buffering=0)
            self._run_ffmpeg(draft)
            if self.order.finish:
                self.order.finish(draft, whole)
            ready = whole if self.order.finish else draft
            with reserve_space(ready.stat().st_size, clip_cache(), settings.CLIP_CACHE_BYTES):
                self.order.path.parent.mkdir(parents=True, exist_ok=True)
                ready.replace(self.order.path)
            touch_if_cached(self.order.path)
            drop_orphan(self.order.path, self.order.source)

    def _run_ffmpeg(self, draft: Path) -> None:
        with tempfile.TemporaryFile() as stderr:
            process = self._process = ffmpeg.start(self.order.arguments(draft), stderr)
            alarm = threading.Timer(self.order.limit, ffmpeg.kill, [process])
            alarm.daemon = True
            alarm.start()
            try:
                self._follow(process)
            finally:
                alarm.cancel()
                ffmpeg.kill(process)
            stderr.seek(0)
            log_text = stderr.read().decode(errors="replace")
        self._check_result(process.returncode, draft, log_text)

    def _follow(self, process: ffmpeg.Process) -> None:
        """Store what FFmpeg writes, or its progress, until it ends."""
        assert process.stdout is not None
        while not self._cancelled.is_set() and (
            data := os.read(process.stdout.fileno(), CHUNK_BYTES)
        ):
            if self._stream is not None:
                with raise_disk_full():
                    self._stream.write(data)
                with self._changed:
                    self._written += len(data)
                    self._changed.notify_all()
            else:
                self._note_progress(data)
        if not self._cancelled.is_set():
            process.wait()

    def _note_progress(self, output: bytes) -> None:
        """Parse the output of `-progress`."""
        if until := _RENDERED_US.findall(output):
            self.progress = min(1.0, int(until[-1]) / 1e6 / self.order.seconds)
        if frames := _FRAMES.findall(output):
            self._frames = int(frames[-1])

    def _check_result(self, status: int | None, draft: Path, log_text: str) -> None:
        """Raise an error unless FFmpeg has finished well."""
        if self._cancelled.is_set():
            raise ClipBusy
        if "No space left on device" in log_text:
            raise DiskFull
        if status == 0 and draft.stat().st_size > 0 and self._frames >= self.order.frames:
            return
        if self.started_at is not None and time.monotonic() - self.started_at >= self.order.limit:
            raise FilmError(
                _("Making this clip took longer than %(limit)d seconds. Choose a shorter scene.")
                % {"limit": self.order.limit}
            )
        log.warning("%s: %s", self.order.path.name, log_text.strip()[-500:])
        raise FilmError(_("Could not make this clip. The film may be damaged here."))

    def _finish(self, error: GalleryError | None) -> None:
        with _lock:
            _running.discard(self)
            if _joinable.get(self.order.path) is self:
                del _joinable[self.order.path]
        with self._changed:
            self.error, self.done = error, error is None
            self._changed.notify_all()

    def cancel(self) -> None:
        """Kill FFmpeg: no client waits for the job."""
        self._cancelled.set()
        process = self._process
        if process is not None:
            ffmpeg.kill(process)


# --- clients --------------------------------------------------------------------------------------

_lock = threading.Lock()
_joinable: dict[Path, ClipJob] = {}
# The jobs in `_joinable`, and cancelled jobs that have not ended yet.
_running: set[ClipJob] = set()


def clip_cache() -> Path:
    """Return the folder of clips, stills and animations, limited to CLIP_CACHE_BYTES."""
    return Path(settings.MEDIA_ROOT) / "clips"


def touch_if_cached(path: Path) -> bool:
    """Return whether a file exists, and mark it as used now, for the eviction of unused files."""
    try:
        # Its modification time stays: it is part of the ETag.
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
    except FileNotFoundError:
        return False
    return True


def drop_orphan(path: Path, source: Path | None) -> None:
    """Remove a file whose film was deleted meanwhile, and raise FilmError then.

    Deleting a film removes first the film and then its clips: either that finds the file at `path`,
    or `source` no longer exists.
    """
    if source is None or os.path.lexists(source):  # a film that is away still has its link
        return
    path.unlink(missing_ok=True)
    for folder in (path.parent, path.parent.parent):
        with suppress(OSError):
            folder.rmdir()
    raise FilmError(_("The film file is missing from the media store."))


def join_job(order: ClipOrder, owner: str = "") -> ClipJob:
    """Join the job for an order, or start it. Raises ClipBusy.

    `owner`: the client, so that none takes all places in the queue. Call `leave_job` afterwards;
    closing a `ClipStream` does.
    """
    with _lock:
        job = _joinable.get(order.path)
        if job is None:
            waiting = [other.owner for other in _joinable.values() if other.started_at is None]
            if len(waiting) >= MAX_QUEUED or (
                owner and waiting.count(owner) >= MAX_QUEUED_PER_OWNER
            ):
                raise ClipBusy
            job = _joinable[order.path] = ClipJob(order, owner)
            _running.add(job)
            threading.Thread(target=job.run, name="clip-job", daemon=True).start()
        job.readers += 1
        return job


def leave_job(job: ClipJob) -> None:
    """Stop waiting for a job. The last client to leave cancels it."""
    with _lock:
        job.readers -= 1
        if job.readers or job.is_over:
            return
        if _joinable.get(job.order.path) is job:
            del _joinable[job.order.path]
    job.cancel()


@atexit.register
def end_all_jobs() -> None:
    """Cancel all jobs and wait until they have cleaned up: the process is exiting."""
    with _lock:
        jobs = list(_running)
    for job in jobs:
        job.cancel()
    end = time.monotonic() + MAX_SHUTDOWN_SECONDS
    for job in jobs:
        job.wait(end - time.monotonic())


def get_or_render(
    order: ClipOrder, is_cancelled: IsCancelled = lambda: False, owner: str = ""
) -> Path:
    """Return the file of an order, rendered now unless it is cached. `owner`: see `join_job`.

    Raises the error that rendering ended with, and ClipBusy when the client has gone.
    """
    if touch_if_cached(order.path):
        return order.path
    job = join_job(order, owner)
    try:
        while not job.wait(0.25):
            if is_cancelled():
                raise ClipBusy
        return job.result()
    finally:
        leave_job(job)


class ClipStream:
    """FFmpeg's output as an iterator of bytes, from the beginning, for a client that has joined.

    It ends early when FFmpeg fails: what was sent cannot be taken back. Close it after use.
    """

    def __init__(self, job: ClipJob, is_cancelled: IsCancelled) -> None:
        self.job = job
        self.is_cancelled = is_cancelled
        self.sent = 0
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        """Return the next bytes."""
        while not self.closed and not self.is_cancelled():
            is_over = self.job.is_over
            data = self.job.read(self.sent)
            if data:
                self.sent += len(data)
                return data
            if is_over:
                break
        raise StopIteration

    def close(self) -> None:
        """Leave the job, once."""
        if not self.closed:
            self.closed = True
            leave_job(self.job)
