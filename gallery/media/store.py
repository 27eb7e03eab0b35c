"""The media store: the folders and names of a film's files.

    films/UID/source.EXT               the film as it was uploaded, or a link to its file in a
                                       library folder
    films/UID/working.mkv              a working copy of films without exact seeking
    films/UID/subtitles/ID.EXT         subtitles as they were uploaded
    films/UID/RUN/thumbs/000012.jpg    the thumbnail of the frame of second 12
    films/UID/RUN/thumbs-320/000012.jpg    the same, 320 pixels wide
    films/UID/RUN/segment-00003.npz    one segment: see `SegmentData`
    films/UID/RUN/cuts.npy             all cuts of the film, if they were detected again: these
                                       replace the cuts in the segments
    clips/UID/...                      clips, stills and animations, within a size limit
    drafts/                            the same while they are being rendered
    turns/                             locks: jobs of clips, folders with a size limit
    restoring/                         files that a restore is replacing
    store-id                           the id of the installation that it belongs to
    probes/TOKEN.jpg                   pictures that users search with
    incoming/                          uploads in progress

A run is one import of the film. The segments hold all that is needed to fill Redis again without
decoding or embedding.
"""

import errno
import fcntl
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from gallery.core.disk import raise_disk_full, require_space
from gallery.media.source_files import SourceFiles, safe_suffix
from gallery.media.types import Picture, Span

log = logging.getLogger(__name__)

THUMBNAIL_WIDTH = 640  # pixels: twice the displayed width, for dense screens
THUMBNAIL_QUALITY = 80
STILL_QUALITY = 92
FRAME_KIND_DTYPE = "<U8"  # of the names of `types.FrameKind`


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file atomically: it is complete, or does not exist. Raises DiskFull."""
    with raise_disk_full():
        require_space()
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".draft-")
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
            Path(draft).replace(path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise


def save_jpeg(picture: Picture, path: Path, quality: int) -> None:
    """Write a picture as JPEG. Raises DiskFull."""
    write_atomically(path, lambda file: picture.save(file, "JPEG", quality=quality))


@dataclass(frozen=True, slots=True)
class SegmentData:
    """The result of one segment of a run, frame by frame in time order.

    `seconds` int32 (n,); `times` float64 (n,), seconds; `vectors` float16 (n, width), unit rows;
    `cuts` float64 (m,), the seconds at which a new shot begins; `looks` (n,), names of
    `types.FrameKind`; `digests` uint64 (n,), of the pictures as the model saw them, 0 when unknown.
    """

    seconds: NDArray[np.int32]
    times: NDArray[np.float64]
    vectors: NDArray[np.float16]
    cuts: NDArray[np.float64]
    looks: NDArray[np.str_]
    digests: NDArray[np.uint64]


COLUMNS = tuple(field.name for field in fields(SegmentData))


class FilmFiles(SourceFiles):
    """The files of one film."""

    def __init__(self, uid: str) -> None:
        super().__init__(settings.MEDIA_ROOT / "films" / uid)

    def working_copy(self) -> Path:
        """Return the path of the working copy, which few films have: see `media.working_copy`."""
        return self.folder / "working.mkv"

    def playable(self) -> Path:
        """Return the file to decode: the working copy if there is one, else the film file.

        Raises FileNotFoundError when it is missing, SourceAway when it is away.
        """
        copy = self.working_copy()
        return copy if copy.is_file() else self.source()

    @property
    def _unfinished(self) -> Path:
        return self.folder / ".unfinished"

    def mark_unfinished(self) -> None:
        """Mark the folder as removable: its film has no row yet. Raises DiskFull."""
        with raise_disk_full():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._unfinished.touch()

    def mark_finished(self) -> None:
        """Remove the mark: the folder's film has a row."""
        self._unfinished.unlink(missing_ok=True)

    def unfinished_since(self) -> float | None:
        """Return when an unfinished upload to this folder began (seconds since 1970), or None."""
        try:
            return self._unfinished.stat().st_mtime
        except FileNotFoundError:
            return None

    @property
    def _lost_copy(self) -> Path:
        return self.folder / ".lost-working-copy"

    def mark_working_copy_lost(self) -> None:
        """Record that the film needs a working copy but has none, as after a restore."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lost_copy.touch()

    def mark_working_copy_made(self) -> None:
        """Record that the film has the working copy that it needs, or needs none."""
        self._lost_copy.unlink(missing_ok=True)

    @property
    def has_lost_working_copy(self) -> bool:
        """Whether the film needs a working copy but has none."""
        return self._lost_copy.exists()

    def run(self, run: int) -> "RunFiles":
        """Return the files of one import."""
        return RunFiles(self.folder / str(run))

    def new_subtitles_path(self, number: int, name: str) -> Path:
        """Return where to store uploaded subtitles, with the extension of `name`."""
        return self.folder / "subtitles" / f"{number}{safe_suffix(name)}"

    def subtitles(self, number: int) -> Path:
        """Return the file of uploaded subtitles. Raises FileNotFoundError when it is missing."""
        for path in (self.folder / "subtitles").glob(f"{number}*"):
            if path.stem == str(number):
                return path
        raise FileNotFoundError(self.folder / "subtitles" / str(number))

    def remove_other_runs(self, keep: int) -> None:
        """Remove the files of earlier imports."""
        for folder in self.folder.iterdir() if self.folder.is_dir() else ():
            if folder.is_dir() and folder.name.isdigit() and folder.name != str(keep):
                shutil.rmtree(folder, ignore_errors=True)

    def remove(self) -> None:
        """Remove the film and everything derived from it; no error when it does not exist."""
        # Twice: a worker that has not noticed yet may write one more file in between.
        for _attempt in range(2):
            shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(settings.MEDIA_ROOT / "clips" / self.folder.name, ignore_errors=True)


class RunFiles:
    """The files of one import of a film."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def thumbnail(self, second: int) -> Path:
        """Return the path of a frame's thumbnail."""
        return self.folder / "thumbs" / f"{second:06d}.jpg"

    def small_thumbnail(self, second: int, width: int) -> Path:
        """Return the path of a frame's thumbnail that is `width` pixels wide."""
        return self.folder / f"thumbs-{width}" / f"{second:06d}.jpg"

    def save_thumbnail(self, second: int, picture: Picture) -> None:
        """Write a frame's thumbnail. Raises DiskFull."""
        save_jpeg(picture, self.thumbnail(second), THUMBNAIL_QUALITY)

    def count_thumbnails(self) -> int:
        """Return the number of thumbnails. A power failure may leave empty files: none are."""
        folder = self.folder / "thumbs"
        return sum(path.stat().st_size > 0 for path in folder.glob("*.jpg"))

    def segment(self, number: int) -> Path:
        """Return the path of one segment."""
        return self.folder / f"segment-{number:05d}.npz"

    def save_segment(self, number: int, data: SegmentData) -> None:
        """Write a segment. Raises DiskFull."""
        columns = {name: getattr(data, name) for name in COLUMNS}
        write_atomically(self.segment(number), lambda file: np.savez(file, **columns))

    def segments(self) -> list[int]:
        """Return the numbers of the stored segments, in ascending order."""
        names = (path.stem.rpartition("-")[2] for path in self.folder.glob("segment-*.npz"))
        return sorted(int(name) for name in names)

    def load_segment(self, number: int) -> SegmentData:
        """Load one segment. Raises FileNotFoundError when its file is missing or damaged."""
        return SegmentData(**self._load_columns(number, COLUMNS))

    def _load_columns(self, number: int, names: Sequence[str]) -> dict[str, Any]:
        path = self.segment(number)
        try:
            with np.load(path) as data:
                return {name: data[name] for name in names}
        except (ValueError, KeyError, EOFError, BadZipFile) as error:
            raise FileNotFoundError(errno.ENOENT, "damaged", str(path)) from error

    def count_frames(self, number: int | None = None) -> int:
        """Return the number of frames in one segment, or in all readable segments."""
        numbers = self.segments() if number is None else [number]
        count = 0
        for segment in numbers:
            with suppress(FileNotFoundError):
                count += len(self.load_segment(segment).seconds)
        return count

    def load(self, load_segment: Callable[[int], SegmentData] | None = None) -> SegmentData:
        """Load all segments of the run, joined in time order, skipping damaged ones.

        `load_segment` replaces the method of that name. Raises FileNotFoundError if there is none.
        """
        parts = []
        for number in self.segments():
            with suppress(FileNotFoundError):
                parts.append((load_segment or self.load_segment)(number))
        if not parts:
            raise FileNotFoundError(self.folder)
        data = SegmentData(
            *(np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS)
        )
        try:
            return replace(data, cuts=self._load_cuts())
        except FileNotFoundError:
            return data
        except ValueError:
            log.warning(
                "%s is damaged: the cuts that the import found are used. "
                "manage.py rebuild_index makes workers detect the shots again.",
                self._cuts,
            )
            return data

    def load_times(self, span: Span) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Load the seconds and times of a span's frames, and nothing else: shape (n,) each.

        Damaged segments are skipped. Raises FileNotFoundError when there is no segment.
        """
        numbers = self.segments()
        if not numbers:
            raise FileNotFoundError(self.folder)
        end = np.inf if span.end is None else span.end
        found = [(np.zeros(0, np.int32), np.zeros(0))]
        for number in numbers:
            with suppress(FileNotFoundError):
                columns = self._load_columns(number, ("seconds", "times"))
                seconds, times = columns["seconds"], columns["times"]
                inside = (seconds >= span.start) & (seconds < end)
                found.append((seconds[inside], times[inside]))
                if len(seconds) and seconds[-1] >= end:
                    break
        seconds, times = (np.concatenate(columns) for columns in zip(*found, strict=True))
        return seconds, times

    def has_damaged_cuts(self) -> bool:
        """Return whether cuts were detected again after the import but can no longer be read."""
        try:
            self._load_cuts()
        except FileNotFoundError:
            return False
        except ValueError:
            return True
        return False

    def save_cuts(self, cuts: NDArray[np.float64]) -> None:
        """Replace the cuts of the whole film atomically: shape (m,), seconds. Raises DiskFull."""
        write_atomically(self._cuts, lambda file: np.save(file, cuts))

    @property
    def _cuts(self) -> Path:
        return self.folder / "cuts.npy"

    def _load_cuts(self) -> NDArray[np.float64]:
        """Return the cuts that were detected again: shape (m,), seconds.

        Raises FileNotFoundError when there are none, ValueError when their file is damaged.
        """
        try:
            cuts = np.load(self._cuts)
        except FileNotFoundError:
            raise
        except (OSError, EOFError, BadZipFile) as error:
            raise ValueError(str(error)) from error
        if cuts.dtype != np.float64 or cuts.ndim != 1:
            raise ValueError(f"not a list of times: {cuts.dtype}, shape {cuts.shape}")
        return np.asarray(cuts, np.float64)

    def remove_drafts(self) -> None:
        """Remove half-written files of a killed worker."""
        for folder in (self.folder, *self.folder.glob("thumbs*")):
            for path in folder.glob(".draft-*"):
                path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the run."""
        shutil.rmtree(self.folder, ignore_errors=True)


def remove_older(folder: Path, seconds: float) -> None:
    """Remove files and folders in `folder` that were last modified more than `seconds` ago."""
    limit = time.time() - seconds
    for path in folder.iterdir() if folder.is_dir() else ():
        with suppress(OSError):
            if path.stat().st_mtime >= limit:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


@contextmanager
def draft_file(suffix: str) -> Iterator[tuple[Path, Path]]:
    """Yield two temporary paths; files there are removed afterwards. Raises DiskFull."""
    folder = settings.MEDIA_ROOT / "drafts"
    with raise_disk_full():
        require_space()
        folder.mkdir(parents=True, exist_ok=True)
        draft_folder = Path(tempfile.mkdtemp(dir=folder))
    try:
        yield draft_folder / f"draft{suffix}", draft_folder / f"whole{suffix}"
    finally:
        shutil.rmtree(draft_folder, ignore_errors=True)


@contextmanager
def reserve_space(size: int, folder: Path, max_bytes: int) -> Iterator[None]:
    """Make room to add a file of `size` bytes, so that `folder` holds at most `max_bytes`.

    The least recently used files are removed. The folder is locked across processes while the body
    runs, so that files added at the same time count together. Raises DiskFull.
    """
    with raise_disk_full(), file_lock(folder.name):
        shrink_to(folder, max_bytes - size)
        yield


@contextmanager
def file_lock(name: str) -> Iterator[None]:
    """Hold the lock on the folder of that name, across processes."""
    locks = settings.MEDIA_ROOT / "turns"
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / f"room-{name}").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_within_limit(folder: Path, max_bytes: int, path: Path, data: bytes) -> None:
    """Write a file below `folder`, which holds at most `max_bytes`. Raises DiskFull."""
    with reserve_space(len(data), folder, max_bytes):
        write_atomically(path, lambda file: file.write(data))


def shrink_to(folder: Path, max_bytes: int) -> None:
    """Remove the least recently used files below `folder` until `max_bytes` remain."""
    files = []
    # Unlike Path.rglob, os.walk continues when a folder is removed meanwhile.
    for parent, _folders, names in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            with suppress(OSError):
                # The access time is the last use: see `clip_jobs.touch_if_cached`.
                files.append((path.stat().st_atime_ns, path.stat().st_size, path))
    total = sum(size for _used, size, _path in files)
    for used, size, path in sorted(files):
        if total <= max_bytes:
            break
        with suppress(OSError):
            if path.stat().st_atime_ns > used:
                continue  # It has just been used.
            path.unlink()
        total -= size
