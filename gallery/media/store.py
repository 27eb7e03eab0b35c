"""Where a film's files live in the media store, and their names.

    films/UID/source.EXT               the film as it was uploaded
    films/UID/working.mkv              the same pictures, where that file cannot be sought exactly
    films/UID/subtitles/ID.EXT         subtitles as they were uploaded
    films/UID/RUN/thumbs/000012.jpg    the frame of second 12, small
    films/UID/RUN/segment-00003.npz    one segment: see `SegmentData`
    films/UID/RUN/cuts.npy             all cuts of the film, where they were found again: these hold
    clips/UID/...                      scenes that were played or quoted, within a size limit
    drafts/                            such scenes while they are being made
    turns/                             locks: of clips under way, and of the folders with a limit
    probes/TOKEN.jpg                   pictures that users search with
    incoming/                          uploads on their way

A run is one import of the film. The segments hold all that is needed to fill Redis again without
decoding or embedding anything.
"""

import errno
import fcntl
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import IO
from zipfile import BadZipFile

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from gallery.core.disk import raise_disk_full, require_space
from gallery.media.types import Picture

log = logging.getLogger(__name__)

THUMBNAIL_WIDTH = 640  # pixels: two for one on the phone and in the grid
THUMBNAIL_QUALITY = 80
STILL_QUALITY = 92
MAX_EXTENSION = 8
LOOK = "<U8"  # how numpy keeps the names of `types.Look`


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file all at once: it is there complete, or not at all. Raises DiskFull."""
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
    """What one segment of a run gave, frame by frame in time order.

    `seconds` int32 (n,); `times` float64 (n,), seconds; `vectors` float16 (n, width), unit rows;
    `cuts` float64 (m,), the seconds at which a new shot begins; `looks` (n,), names of
    `types.Look`, or empty ones where an earlier version of this program did not look; `digests`
    uint64 (n,), of the pictures as the model saw them, 0 where they were not kept.
    """

    seconds: NDArray[np.int32]
    times: NDArray[np.float64]
    vectors: NDArray[np.float16]
    cuts: NDArray[np.float64]
    looks: NDArray[np.str_]
    digests: NDArray[np.uint64]

    @property
    def lacks_looks(self) -> bool:
        """Whether there are frames that nobody looked at."""
        return bool((self.looks == "").any())


COLUMNS = tuple(field.name for field in fields(SegmentData))


class FilmFiles:
    """The files of one film."""

    def __init__(self, uid: str) -> None:
        self.folder = settings.MEDIA_ROOT / "films" / uid

    def source(self) -> Path:
        """The film file. Raises FileNotFoundError when somebody took it away."""
        for path in self.folder.glob("source*"):
            return path
        raise FileNotFoundError(self.folder / "source")

    def source_size(self) -> int | None:
        """The bytes of the film file; None when it is gone."""
        try:
            return self.source().stat().st_size
        except FileNotFoundError:
            return None

    def working_copy(self) -> Path:
        """Where the copy belongs that `media.working` makes of some films."""
        return self.folder / "working.mkv"

    def playable(self) -> Path:
        """The file to decode: the working copy where there is one, else the film file.

        Raises FileNotFoundError when somebody took it away.
        """
        copy = self.working_copy()
        return copy if copy.is_file() else self.source()

    def file_source(self, path: Path, name: str) -> Path:
        """Move an uploaded file here, keeping the extension of `name`. Raises DiskFull."""
        extension = "".join(c for c in Path(name).suffix[1:].lower() if c.isascii() and c.isalnum())
        suffix = f".{extension[:MAX_EXTENSION]}" if extension else ""
        target: Path = self.folder / f"source{suffix}"
        with raise_disk_full():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, target)
        target.chmod(0o640)
        for other in self.folder.glob("source*"):
            if other != target:
                other.unlink()
        return target

    @property
    def _unfinished(self) -> Path:
        return self.folder / ".unfinished"

    def mark_unfinished(self) -> None:
        """Note that this folder may be removed: its film has no row yet. Raises DiskFull."""
        with raise_disk_full():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._unfinished.touch()

    def mark_finished(self) -> None:
        """Note that the folder's film has a row."""
        self._unfinished.unlink(missing_ok=True)

    def is_unfinished_since(self) -> float | None:
        """When an upload to this folder began (seconds since 1970) that has not ended, or None."""
        try:
            return self._unfinished.stat().st_mtime
        except FileNotFoundError:
            return None

    def run(self, run: int) -> "RunFiles":
        """The files of one import."""
        return RunFiles(self.folder / str(run))

    def new_subtitles(self, number: int, name: str) -> Path:
        """Where uploaded subtitles are to be kept, with the extension of `name`."""
        extension = Path(name).suffix.lower()
        return self.folder / "subtitles" / f"{number}{extension if _is_plain(extension) else ''}"

    def subtitles(self, number: int) -> Path:
        """The file of uploaded subtitles. Raises FileNotFoundError when somebody took it away."""
        for path in (self.folder / "subtitles").glob(f"{number}*"):
            if path.stem == str(number):
                return path
        raise FileNotFoundError(self.folder / "subtitles" / str(number))

    def remove_other_runs(self, keep: int) -> None:
        """Remove what earlier imports left."""
        for folder in self.folder.iterdir() if self.folder.is_dir() else ():
            if folder.is_dir() and folder.name.isdigit() and folder.name != str(keep):
                shutil.rmtree(folder, ignore_errors=True)

    def remove(self) -> None:
        """Remove the film and all that was made of it; no error when it is gone already."""
        # Twice: a worker that has not yet noticed may write one more file in between.
        for _attempt in range(2):
            shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(settings.MEDIA_ROOT / "clips" / self.folder.name, ignore_errors=True)


def _is_plain(extension: str) -> bool:
    return extension[1:].isascii() and extension[1:].isalnum() and len(extension) <= MAX_EXTENSION


class RunFiles:
    """The files of one import of a film."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def thumbnail(self, second: int) -> Path:
        """The small picture of a frame."""
        return self.folder / "thumbs" / f"{second:06d}.jpg"

    def save_thumbnail(self, second: int, picture: Picture) -> None:
        """Keep a frame's small picture. Raises DiskFull."""
        save_jpeg(picture, self.thumbnail(second), THUMBNAIL_QUALITY)

    def thumbnails(self) -> int:
        """How many small pictures there are."""
        folder = self.folder / "thumbs"
        return sum(1 for _path in folder.glob("*.jpg")) if folder.is_dir() else 0

    def segment(self, number: int) -> Path:
        """The file of one segment."""
        return self.folder / f"segment-{number:05d}.npz"

    def save_segment(self, number: int, data: SegmentData) -> None:
        """Keep a segment. Raises DiskFull."""
        columns = {name: getattr(data, name) for name in COLUMNS}
        write_atomically(self.segment(number), lambda file: np.savez(file, **columns))

    def segments(self) -> list[int]:
        """The numbers of the segments that are kept, in ascending order."""
        names = (path.stem.rpartition("-")[2] for path in self.folder.glob("segment-*.npz"))
        return sorted(int(name) for name in names)

    def load_segment(self, number: int) -> SegmentData:
        """One segment. Raises FileNotFoundError when its file is gone or damaged."""
        path = self.segment(number)
        try:
            with np.load(path) as data:
                columns = {name: data[name] for name in COLUMNS if name in data}
            count = len(columns["seconds"])
        except (ValueError, KeyError, EOFError, BadZipFile) as error:
            raise FileNotFoundError(errno.ENOENT, "damaged", str(path)) from error
        columns.setdefault("looks", np.full(count, "", LOOK))
        columns.setdefault("digests", np.zeros(count, np.uint64))
        return SegmentData(**columns)

    def stored_frames(self, number: int | None = None) -> int:
        """How many frames there are in one segment, or in all that can be read."""
        numbers = self.segments() if number is None else [number]
        count = 0
        for one in numbers:
            with suppress(FileNotFoundError):
                count += len(self.load_segment(one).seconds)
        return count

    def load(self) -> SegmentData:
        """All segments of the run, joined in time order; those that are damaged are left out.

        Raises FileNotFoundError when there is none.
        """
        parts = []
        for number in self.segments():
            with suppress(FileNotFoundError):
                parts.append(self.load_segment(number))
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

    def has_damaged_cuts(self) -> bool:
        """Whether cuts were detected again after the import, and cannot be read any more."""
        try:
            self._load_cuts()
        except FileNotFoundError:
            return False
        except ValueError:
            return True
        return False

    def save_cuts(self, cuts: NDArray[np.float64]) -> None:
        """Keep other cuts for the whole film, all at once: shape (m,), seconds. Raises DiskFull."""
        write_atomically(self._cuts, lambda file: np.save(file, cuts))

    @property
    def _cuts(self) -> Path:
        return self.folder / "cuts.npy"

    def _load_cuts(self) -> NDArray[np.float64]:
        """The cuts that were detected again: shape (m,), seconds.

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
        """Remove what a worker that was killed left half-written."""
        for folder in (self.folder, self.folder / "thumbs"):
            for path in folder.glob(".draft-*"):
                path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the run."""
        shutil.rmtree(self.folder, ignore_errors=True)


def remove_older(folder: Path, seconds: float) -> None:
    """Remove files and folders in `folder` that were last touched more than `seconds` ago."""
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
    """Two new names for what is being made: nothing remains there afterwards. Raises DiskFull."""
    folder = settings.MEDIA_ROOT / "drafts"
    with raise_disk_full():
        require_space()
        folder.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=folder))
    try:
        yield made / f"draft{suffix}", made / f"whole{suffix}"
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def reserve_space(size: int, folder: Path, most: int) -> Iterator[None]:
    """Add a file of `size` bytes below `folder`, so that at most `most` bytes lie there.

    The files that were not used for longest make room first. One at a time, in all processes:
    files that are added at the same time count together. Raises DiskFull.
    """
    with raise_disk_full(), file_lock(folder.name):
        shrink_to(folder, most - size)
        yield


@contextmanager
def file_lock(name: str) -> Iterator[None]:
    """Let one at a time, in all processes, add to the folder of that name."""
    locks = settings.MEDIA_ROOT / "turns"
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / f"room-{name}").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_within_limit(folder: Path, most: int, path: Path, data: bytes) -> None:
    """Write a file below `folder`, where at most `most` bytes are kept. Raises DiskFull."""
    with reserve_space(len(data), folder, most):
        write_atomically(path, lambda file: file.write(data))


def shrink_to(folder: Path, most: int) -> None:
    """Remove the files below `folder` that were not used for longest, until `most` bytes remain."""
    files = []
    # Unlike Path.rglob, it goes on when a folder is removed meanwhile.
    for place, _folders, names in os.walk(folder):
        for path in (Path(place, name) for name in names):
            with suppress(OSError):
                # The time of its last use: see `making.kept`.
                files.append((path.stat().st_atime_ns, path.stat().st_size, path))
    total = sum(size for _used, size, _path in files)
    for used, size, path in sorted(files):
        if total <= most:
            break
        with suppress(OSError):
            if path.stat().st_atime_ns > used:
                continue  # Somebody wants it just now.
            path.unlink()
        total -= size
