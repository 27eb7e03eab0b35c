"""Reads the frames of a film, and nothing twice that has not changed since the frame before."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gallery.media.types import Picture
from gallery.ocr.reader import MIN_SCORE, Corners, Pixels, Reader, to_text
from gallery.ocr.rows import join_rows
from gallery.ocr.types import Text

CELL = 4  # pixels, of the blocks in which frames are compared
MAX_STILL_CHANGE = 14  # levels that a cell of an unchanged frame may differ: compression
ROW_SIZE = (96, 12)  # pixels of the small pictures in which rows are compared
MAX_ROW_CHANGE = 6.0  # levels, the mean difference of an unchanged row
MAX_HEIGHT = 0.3  # of a row, as a share of the frame's
MIN_ROW_OVERLAP = 0.7  # intersection over union of an unchanged row


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of the last frame: its text, and a small picture of it."""

    text: Text
    small: NDArray[np.float32]


class FrameReader:
    """Reads frames in time order."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._cells: NDArray[np.int16] | None = None
        self._rows: list[_Row] = []

    def read(self, picture: Picture) -> list[Text]:
        """Return the rows of text in the next frame, from top to bottom."""
        cells = np.asarray(picture.convert("L").reduce(CELL), np.int16)
        if not self._is_still(cells):
            self._cells = cells
            self._rows = self._read_rows(picture)
        texts = [row.text for row in self._rows if _is_text(row.text)]
        return join_rows(texts, picture.width / picture.height)

    def _is_still(self, cells: NDArray[np.int16]) -> bool:
        before = self._cells
        if before is None or before.shape != cells.shape:
            return False
        return bool(np.abs(cells - before).max() <= MAX_STILL_CHANGE)

    def _read_rows(self, picture: Picture) -> list[_Row]:
        found = self._reader.find(picture)
        rows: list[_Row | None] = []
        changed: list[tuple[int, Corners, Pixels, NDArray[np.float32]]] = []
        for number, (corners, pixels) in enumerate(found):
            small = _shrink(pixels)
            place = to_text(corners, "", 0.0, picture.size)
            rows.append(self._find_unchanged(place, small))
            if rows[-1] is None:
                changed.append((number, corners, pixels, small))
        texts = self._reader.recognize([pixels for _n, _corners, pixels, _small in changed])
        for (number, corners, _pixels, small), (text, score) in zip(changed, texts, strict=True):
            rows[number] = _Row(to_text(corners, text, score, picture.size), small)
        return [row for row in rows if row is not None]

    def _find_unchanged(self, place: Text, small: NDArray[np.float32]) -> _Row | None:
        """Return the row of the last frame that is still there; None if there is none."""
        for row in self._rows:
            is_there = row.text.box.overlap(place.box) >= MIN_ROW_OVERLAP
            if is_there and float(np.abs(row.small - small).mean()) <= MAX_ROW_CHANGE:
                return row
        return None


def _is_text(row: Text) -> bool:
    """Return whether a row is text: branches, windows and stripes resemble a few large letters."""
    return bool(row.text) and row.score >= MIN_SCORE and row.height <= MAX_HEIGHT


def _shrink(pixels: Pixels) -> NDArray[np.float32]:
    grey = Image.fromarray(pixels).convert("L").resize(ROW_SIZE, Image.Resampling.BOX)
    return np.asarray(grey, np.float32)
