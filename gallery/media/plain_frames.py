"""Find frames with a plain background, and what stands out from it.

A background is plain when, apart from bars and noise, it has one colour or shades smoothly. If
nothing stands out from it, the frame is blank. If thin strokes do, they may be text: see
`gallery.ocr.frame_kinds`.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from gallery.media.types import Picture

# Cells are averaged blocks of pixels; levels run from 0 to 255.
CELLS_ACROSS = 160  # cells are 4 x 4 pixels of a thumbnail
MIN_CELLS_PER_SIDE = 4  # smaller pictures are not judged
MAX_FLAT_STEP = 5  # levels between neighbouring cells of a flat background
MIN_FLAT_SHARE = 0.40  # of the cells; below, the frame is a picture
MAX_BAR_LEVEL = 24  # brightness of bars
MIN_BAR_DIFFERENCE = 8  # levels by which bars are darker than the background
MIN_BAR_SHARE = 0.98  # dark cells in a row or column of a bar
MIN_BACKGROUND_SHARE = 0.45  # of the cells; even dense text leaves as many
MAX_NEAR_DIFFERENCE = 12  # levels between a cell of the background and the fitted surface
MAX_FIRST_DIFFERENCE = 40  # the same, from the most common colour, for the first fit
MAX_SHADING = 64  # levels by which a background may vary
MAX_SPECKS = 3  # cells of a blank frame that may stand out: dust
MAX_DARK_LEVEL = 60  # of a background that is nearly black
NOISE_FACTOR = 6  # noise is at most the median departure from the background times this
MAX_NOISE = 20  # levels

MIN_INK_CONTRAST = 28  # levels by which text stands out from the background
MIN_INK_FRACTION = 0.4  # of the strongest contrast: strokes without their compressed soft edges
MAX_SOLID_SHARE = 0.06  # of the cells in flat areas wider than strokes
INK_SHARE_RANGE = (0.0002, 0.40)  # of the pixels
MIN_HAZE_LEVEL = 10  # levels by which a cell away from the text differs from the background
MAX_HAZE_SHARE = 0.01  # of the cells; more is a scene

Levels = NDArray[np.float32]
"""Cells, shape (rows, columns), or (3, rows, columns) for colours: levels from 0 to 255."""


@dataclass(frozen=True, slots=True, eq=False)
class PlainFrame:
    """A frame of which nothing, or only thin strokes, stand out from a plain background.

    `picture` is the part inside its bars. `ink` is a mask of the pixels that stand out, shape
    (height, width) of `picture`; a blank frame has none. `brightness` is that of the background, in
    levels.
    """

    picture: Picture
    ink: NDArray[np.bool_]
    brightness: float

    @property
    def is_blank(self) -> bool:
        """Return whether nothing stands out."""
        return not self.ink.any()

    @property
    def is_dark(self) -> bool:
        """Return whether the background is nearly black."""
        return self.brightness <= MAX_DARK_LEVEL


def find_plain_frame(picture: Picture) -> PlainFrame | None:
    """Return a frame, a thumbnail or larger, with what stands out from its plain background.

    Return None when its background is not plain, or when more than thin strokes stand out. It takes
    a few milliseconds.
    """
    grey = _to_cells(picture.convert("L"))
    if min(grey.shape) < MIN_CELLS_PER_SIDE or _find_flat_cells(grey).mean() < MIN_FLAT_SHARE:
        return None
    inner = _crop_bars(picture, grey)
    colours = np.ascontiguousarray(_to_cells(inner).transpose(2, 0, 1))
    background = _fit_background(colours)
    if background is None:
        return None
    brightness = float(background.mean(axis=(1, 2)).max())
    departure = np.abs(colours - background).max(axis=0)
    if _is_blank(departure):
        return PlainFrame(inner, np.zeros((inner.height, inner.width), np.bool_), brightness)
    solid = _find_flat_cells(colours.mean(axis=0)) & (departure[1:, 1:] > MIN_INK_CONTRAST)
    if solid.mean() > MAX_SOLID_SHARE:
        return None
    ink = _find_ink(inner, background)
    if ink is None or _is_hazy(departure, ink, inner.width):
        return None
    return PlainFrame(inner, ink, brightness)


def _cell_size(width: int) -> int:
    """Return the side of a cell, in pixels, for a picture of this width."""
    return max(1, round(width / CELLS_ACROSS))


def _to_cells(picture: Image.Image) -> Levels:
    return np.asarray(picture.reduce(_cell_size(picture.width)), np.float32)


def _find_flat_cells(grey: Levels) -> NDArray[np.bool_]:
    """Return which cells resemble their left and upper neighbours; without first row and column."""
    here = grey[1:, 1:]
    like_left = np.abs(here - grey[1:, :-1]) <= MAX_FLAT_STEP
    flat: NDArray[np.bool_] = like_left & (np.abs(here - grey[:-1, 1:]) <= MAX_FLAT_STEP)
    return flat


def _crop_bars(picture: Picture, grey: Levels) -> Picture:
    """Return the picture without dark bars; all of it when next to nothing would remain.

    `gallery.media.borders` is slower, and requires straight edges; here the background is flat
    anyway.
    """
    rows, columns = grey.shape
    middle = grey[rows // 4 : -(rows // 4), columns // 4 : -(columns // 4)].astype(np.uint8)
    levels = np.bincount(middle.ravel() >> 3)
    if levels.max() < MIN_FLAT_SHARE * middle.size:
        return picture
    dark = grey <= min(MAX_BAR_LEVEL, int(levels.argmax()) * 8 + 4 - MIN_BAR_DIFFERENCE)
    lit_rows = np.flatnonzero(dark.mean(axis=1) < MIN_BAR_SHARE)
    lit_columns = np.flatnonzero(dark.mean(axis=0) < MIN_BAR_SHARE)
    if not len(lit_rows) or not len(lit_columns):
        return picture
    left, right = lit_columns[0], lit_columns[-1] + 1
    top, bottom = lit_rows[0], lit_rows[-1] + 1
    if (right - left, bottom - top) == (columns, rows):
        return picture
    # One cell further in: the first cell inside a bar may contain some of it.
    side = _cell_size(picture.width)
    box = (
        int(left + 1) * side if left else 0,
        int(top + 1) * side if top else 0,
        int(right - 1) * side if right < columns else picture.width,
        int(bottom - 1) * side if bottom < rows else picture.height,
    )
    if min(box[2] - box[0], box[3] - box[1]) < 2 * MIN_CELLS_PER_SIDE * side:
        return picture
    return picture.crop(box)


@lru_cache(maxsize=16)
def _basis_surfaces(rows: int, columns: int) -> Levels:
    """Return the quadratic basis that backgrounds are fitted with, shape (6, rows, columns)."""
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y]).astype(np.float32)


def _fit_background(colours: Levels) -> Levels | None:
    """Fit a smooth surface to most cells; return it, or None when they fit none.

    Least squares on the cells near the most common colour, refined once.
    """
    surfaces = _basis_surfaces(*colours.shape[1:])
    # Every other cell of every other row is enough.
    cells, basis = colours[:, ::2, ::2].reshape(3, -1), surfaces[:, ::2, ::2].reshape(6, -1)
    red, green, blue = cells.astype(np.int32) >> 4
    names = red * 256 + green * 16 + blue
    commonest = cells[:, names == np.bincount(names).argmax()].mean(axis=1, keepdims=True)
    on_background = np.abs(cells - commonest).max(axis=0) <= MAX_FIRST_DIFFERENCE
    shape = np.zeros((3, 6), np.float32)
    for _round in range(2):
        if on_background.mean() < MIN_BACKGROUND_SHARE:
            return None
        under = basis[:, on_background]
        # Regularized, so that it is solvable for a picture of a single row.
        normal = under @ under.T + 1e-3 * np.eye(6, dtype=np.float32)
        shape = np.linalg.solve(normal, under @ cells[:, on_background].T).T
        on_background = np.abs(cells - shape @ basis).max(axis=0) <= MAX_NEAR_DIFFERENCE
    background: Levels = np.tensordot(shape, surfaces, 1)
    if (
        on_background.mean() < MIN_BACKGROUND_SHARE
        or np.ptp(background, axis=(1, 2)).max() > MAX_SHADING
    ):
        return None
    return background


def _is_blank(departure: Levels) -> bool:
    noise = min(
        float(MAX_NOISE),
        max(float(MAX_NEAR_DIFFERENCE), NOISE_FACTOR * float(np.median(departure))),
    )
    return int((departure > noise).sum()) <= MAX_SPECKS


def _find_ink(picture: Picture, background: Levels) -> NDArray[np.bool_] | None:
    """Return a mask of the pixels that stand out, or None when they are too few or too many."""
    surface = Image.fromarray(np.clip(background + 0.5, 0, 255).astype(np.uint8).transpose(1, 2, 0))
    surface = surface.resize(picture.size, Image.Resampling.BILINEAR)
    red, green, blue = ImageChops.difference(picture, surface).split()
    departure = np.asarray(ImageChops.lighter(ImageChops.lighter(red, green), blue))
    standing_out = departure[departure > MIN_INK_CONTRAST]
    min_share, max_share = INK_SHARE_RANGE
    if not min_share <= len(standing_out) / departure.size <= max_share + 0.05:
        return None
    ink = departure > max(
        MIN_INK_CONTRAST, MIN_INK_FRACTION * float(np.percentile(standing_out, 85))
    )
    return ink if float(ink.mean()) <= max_share else None


def _is_hazy(departure: Levels, ink: NDArray[np.bool_], width: int) -> bool:
    """Return whether there is more than background away from the ink."""
    spots = Image.fromarray(ink.astype(np.uint8) * 255).reduce(_cell_size(width))
    away = np.asarray(spots.filter(ImageFilter.MaxFilter(5))) == 0
    return float(((departure > MIN_HAZE_LEVEL) & away).mean()) > MAX_HAZE_SHARE
