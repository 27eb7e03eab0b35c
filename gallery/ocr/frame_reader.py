"""Reads the frames of a film, and nothing twice that has not changed since the frame before."""

import numpy as np
from numpy.typing import NDArray

from gallery.media.types import Picture
from gallery.ocr.reader import MIN_SCORE, Corners, Pixels, Reader, to_text
from gallery.ocr.rows import join_rows
from gallery.ocr.types import Box, Text

CELL = 4  # pixels, of the blocks in which frames are compared
MAX_STILL_CHANGE = 14  # levels that a cell of an unchanged frame may differ: compression
MAX_HEIGHT = 0.3  # of a row, as a share of the frame's
MIN_ROW_OVERLAP = 0.5  # intersection over union of a row with the one that was there before
# Correlation of the edges in a row with those before. Of 200 rows before moving pictures, the same
# text has a median of 0.7, and different sentences have at most 0.46.
MIN_SAME_EDGES = 0.6
MIN_KEPT_SCORE = 0.95  # of a reading that is not tried again in the next frame

Levels = NDArray[np.float32]
"""A picture in grey: shape (height, width), 0 to 255."""


class FrameReader:
    """Reads frames in time order."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._cells: NDArray[np.int16] | None = None
        self._grey: Levels = np.zeros((0, 0), np.float32)
        self._rows: list[Text] = []

    def read(self, picture: Picture) -> list[Text]:
        """Return the rows of text in the next frame, from top to bottom."""
        grey = picture.convert("L")
        cells = np.asarray(grey.reduce(CELL), np.int16)
        if not self._is_still(cells):
            levels = np.asarray(grey, np.float32)
            self._rows = self._read_rows(picture, levels)
            self._cells, self._grey = cells, levels
        texts = [row for row in self._rows if _is_text(row)]
        return join_rows(texts, picture.width / picture.height)

    def _is_still(self, cells: NDArray[np.int16]) -> bool:
        before = self._cells
        if before is None or before.shape != cells.shape:
            return False
        return bool(np.abs(cells - before).max() <= MAX_STILL_CHANGE)

    def _read_rows(self, picture: Picture, grey: Levels) -> list[Text]:
        kept = [row for row in self._rows if self._is_still_there(row, grey)]
        rows: list[Text] = []
        changed: list[tuple[Corners, Pixels]] = []
        for corners, pixels in self._reader.find(picture):
            place = to_text(corners, "", 0.0, picture.size)
            same = [row for row in kept if row.box.overlap(place.box) >= MIN_ROW_OVERLAP]
            if same:
                rows += [row for row in same if row not in rows]
            else:
                changed.append((corners, pixels))
        texts = self._reader.recognize([pixels for _corners, pixels in changed])
        for (corners, _pixels), (text, score) in zip(changed, texts, strict=True):
            rows.append(to_text(corners, text, score, picture.size))
        return rows

    def _is_still_there(self, row: Text, grey: Levels) -> bool:
        """Return whether a row of the last frame is in this one, whatever moves behind it."""
        if row.score < MIN_KEPT_SCORE or grey.shape != self._grey.shape:
            return False
        before, now = _edges(self._grey, row.box), _edges(grey, row.box)
        return before.size > 1 and _correlate(before, now) >= MIN_SAME_EDGES


def _is_text(row: Text) -> bool:
    """Return whether a row is text: branches, windows and stripes resemble a few large letters."""
    return bool(row.text) and row.score >= MIN_SCORE and row.height <= MAX_HEIGHT


def _edges(grey: Levels, box: Box) -> Levels:
    height, width = grey.shape
    part = grey[
        round(box.top * height) : round(box.bottom * height),
        round(box.left * width) : round(box.right * width),
    ]
    if min(part.shape) < 2:
        return part[:0]
    edges: Levels = np.abs(np.diff(part, axis=0))[:, 1:] + np.abs(np.diff(part, axis=1))[1:]
    return edges


def _correlate(one: Levels, other: Levels) -> float:
    one, other = one - one.mean(), other - other.mean()
    size = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / size if size else 1.0
