"""Classify frames: pictures, blank frames, and credits (nothing but text on a plain background).

Where strokes stand out from a plain background (`gallery.media.plain_frames`), rows of text are
looked for. It is credits when the strokes lie in these rows, and what the largest rows say can be
read. In doubt a frame is a picture: a frame hidden by mistake cannot be found.
"""

import logging
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from gallery.media.plain_frames import PlainFrame, find_plain_frame
from gallery.media.types import FrameKind, Picture
from gallery.ocr.reader import MIN_SCORE, Corners, Pixels, get_reader

log = logging.getLogger(__name__)

MAX_ROW_HEIGHT = 0.30  # of the frame's; higher ones are figures, windows, branches
MARGIN = 0.15  # around a row, by its height: strokes that the reader cut off
MAX_SLOPE = 0.3  # rise of a row from end to end, by its height; more is written in a scene
READ_ROWS = 3  # of the most ink: enough to tell whether they are text, at 20 ms each
MIN_MEAN_SCORE = 0.80  # weighted by ink
MIN_CHARACTERS = 2  # of a row: a moon or a lit window is read as one letter
MIN_TEXT_SHARE = 0.98  # of the ink; the rest may be stars
# There may be logos or a frame beside many rows, or a long text: less of the ink has to be text.
MANY_ROWS, MANY_CHARACTERS, MIN_LONG_TEXT_SHARE = 8, 40, 0.50
# Text that begins lower, and not on black, is a subtitle of a scene: of a sky, for example.
SUBTITLE_TOP = 0.7  # of the frame's height


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """A row of text, across or downwards; `ink` is the number of strokes' pixels in it."""

    corners: Corners
    pixels: Pixels
    ink: int

    @property
    def height(self) -> float:
        """Return its shorter side in pixels."""
        return min(_measure_sides(self.corners))

    @property
    def slope(self) -> float:
        """Return by how much of its height a row rises or falls, or a column leans."""
        across, down = self.corners[1] - self.corners[0], self.corners[3] - self.corners[0]
        width, height = _measure_sides(self.corners)
        along = across if width >= height else down
        return float(np.abs(along).min()) / max(1.0, self.height)


def classify_frame(picture: Picture) -> FrameKind:
    """Return the kind of a frame, a thumbnail or larger.

    It takes a few milliseconds, and some 100 ms where strokes stand out from a plain background. If
    the reader fails, credits are pictures, and the reason is logged.
    """
    plain = find_plain_frame(picture)
    if plain is None:
        return FrameKind.PICTURE
    if plain.is_blank:
        return FrameKind.BLANK
    try:
        return FrameKind.CREDITS if _is_only_text(plain) else FrameKind.PICTURE
    except Exception as error:  # OpenVINO raises RuntimeError for whatever it cannot load or run
        _log_failure(f"{type(error).__name__}: {error}")
        return FrameKind.PICTURE


@cache
def _log_failure(reason: str) -> None:
    """Log a reason, but not for each frame."""
    log.warning("the reader of text fails, so credits count as pictures: %s", reason)


def _is_only_text(plain: PlainFrame) -> bool:
    rows, outside = _find_rows(plain)
    inside = sum(row.ink for row in rows)
    if inside < MIN_LONG_TEXT_SHARE * (inside + outside) or not rows:
        return False
    top = min(float(row.corners[:, 1].min()) for row in rows)
    if top > SUBTITLE_TOP * plain.picture.height and not plain.is_dark:
        return False
    largest = sorted(rows, key=lambda row: -row.ink)[:READ_ROWS]
    weights = [row.ink for row in largest]
    if np.average([row.slope for row in largest], weights=weights) > MAX_SLOPE:
        return False
    texts = get_reader().recognize([row.pixels for row in largest])
    if np.average([score for _text, score in texts], weights=weights) < MIN_MEAN_SCORE:
        return False
    unread = sum(row.ink for row, text in zip(largest, texts, strict=True) if not _is_text(*text))
    is_long = len(rows) >= MANY_ROWS or sum(len(text) for text, _score in texts) >= MANY_CHARACTERS
    share = (inside - unread) / (inside + outside)
    return share >= (MIN_LONG_TEXT_SHARE if is_long else MIN_TEXT_SHARE)


def _is_text(text: str, score: float) -> bool:
    return score >= MIN_SCORE and sum(map(str.isalnum, text)) >= MIN_CHARACTERS


def _find_rows(plain: PlainFrame) -> tuple[list[_Row], int]:
    """Return what may be rows of text, and the ink outside them.

    Ink at the upper and the lower edge is not counted: rows of rolling credits are cut off there.
    """
    found = get_reader().find(plain.picture)
    height, width = plain.ink.shape
    numbers = Image.new("I", (width, height))
    pen = ImageDraw.Draw(numbers)
    for number, (corners, _pixels) in enumerate(found, 1):
        pen.polygon([(float(x), float(y)) for x, y in _widen(corners)], fill=number)
    of_pixel = np.where(plain.ink, np.asarray(numbers), -1)
    rows = []
    for number, row in enumerate(found, 1):
        of_row = of_pixel == number
        one = _Row(*row, int(of_row.sum()))
        if one.ink and one.height <= MAX_ROW_HEIGHT * height:
            rows.append(one)
        else:
            of_pixel[of_row] = 0
    edge = round(float(np.median([row.height for row in rows]))) if rows else 0
    return rows, int((of_pixel[edge : height - edge] == 0).sum())


def _widen(corners: Corners) -> Corners:
    """Return the corners of a row with a margin."""
    width, height = _measure_sides(corners)
    margin = MARGIN * min(width, height)
    across = (corners[1] - corners[0]) * (margin / max(1.0, width))
    down = (corners[3] - corners[0]) * (margin / max(1.0, height))
    return corners + np.stack([-across - down, across - down, across + down, down - across])


def _measure_sides(corners: Corners) -> tuple[float, float]:
    """Return the width and the height of a row in pixels."""
    across, down = corners[1] - corners[0], corners[3] - corners[0]
    return float(np.hypot(*across)), float(np.hypot(*down))
