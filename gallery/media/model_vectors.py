"""The vectors of a run by a model other than the one that imported the film.

    films/UID/RUN/vectors-MODEL-00003.npz   for segment-00003.npz, in the same order

The segments keep the vectors of the model that imported the film.
"""

import errno
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from gallery.media.store import RunFiles, SegmentData, write_atomically


class ModelVectors:
    """The vector files of one run for one other model, given by its fingerprint."""

    def __init__(self, run: RunFiles, model: str) -> None:
        self._run = run
        self._model = model

    def _path(self, number: int) -> Path:
        return self._run.folder / f"vectors-{self._model}-{number:05d}.npz"

    def save(self, number: int, seconds: NDArray[np.int32], vectors: NDArray[np.float16]) -> None:
        """Store the vectors of a segment: shape (n, width), unit rows. Raises DiskFull."""
        write_atomically(
            self._path(number), lambda file: np.savez(file, seconds=seconds, vectors=vectors)
        )

    def next_missing(self) -> int | None:
        """Return the first segment without a vector file; None if all have one."""
        numbers = self._run.segments()
        return next((number for number in numbers if not self._path(number).is_file()), None)

    def load_segment(self, number: int) -> SegmentData:
        """Load a segment with these vectors in place of its own.

        Raises FileNotFoundError if a file is missing, damaged, or for other frames.
        """
        segment = self._run.load_segment(number)
        path = self._path(number)
        try:
            with np.load(path) as data:
                seconds, vectors = data["seconds"], data["vectors"]
        except (ValueError, KeyError, EOFError, BadZipFile) as error:
            raise FileNotFoundError(errno.ENOENT, "damaged", str(path)) from error
        if not np.array_equal(seconds, segment.seconds) or len(vectors) != len(seconds):
            raise FileNotFoundError(errno.ENOENT, "for other frames", str(path))
        return replace(segment, vectors=vectors)

    def load(self) -> SegmentData:
        """Load the run with these vectors: see `RunFiles.load`."""
        return self._run.load(self.load_segment)

    def count_frames(self) -> int:
        """Return how many frames have a vector."""
        count = 0
        for number in self._run.segments():
            with suppress(FileNotFoundError):
                count += len(self.load_segment(number).seconds)
        return count

    def remove_damaged(self) -> bool:
        """Remove unusable files, so that they are made again. Return whether there were any."""
        removed = False
        for number in self._run.segments():
            try:
                self.load_segment(number)
            except FileNotFoundError:
                removed = removed or self._path(number).is_file()
                self._path(number).unlink(missing_ok=True)
        return removed

    def move_into_segments(self, check: Callable[[], None]) -> None:
        """Replace the segments' own vectors with these. Can be repeated after a crash.

        `check` is called before each write. Raises FileNotFoundError as `load_segment` does.
        """
        for number in self._run.segments():
            segment = self.load_segment(number)
            check()
            self._run.save_segment(number, segment)

    def remove(self) -> None:
        """Remove these vectors."""
        for path in self._run.folder.glob(f"vectors-{self._model}-*.npz"):
            path.unlink(missing_ok=True)
