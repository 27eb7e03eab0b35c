"""Whether a frame is worth offering: a picture, nothing at all, or letters on a plain ground.

A frame is blank when, bars and noise aside, nothing in it departs from one colour, or from one that
shades smoothly. It is credit-like when all that stands out from such a ground is text: see
`gallery.media.lettering`. In doubt a frame is a picture: what is hidden by mistake cannot be found.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from gallery.media.lettering import is_lettering
from gallery.media.types import FrameKind, Picture

CELLS = 160  # across the small picture that is looked at first: 4 x 4 pixels of a thumbnail each
MIN_CELLS = 4  # along a side; less is too little to judge
FLAT_STEP = 5  # levels of 255 between neighbouring cells of a flat ground, at the most
MIN_FLAT = 0.40  # of a frame that is no picture
BAR = 24  # levels; bars are no brighter,
DARKER = 8  # and so many levels darker than the ground
IN_BAR = 0.98  # of its cells
MIN_GROUND = 0.45  # of the cells lie on the ground, however dense the text
NEAR, FAR = 12, 40  # levels within which a cell lies on the ground, or may
SHADING = 64  # levels over which a ground may shade
SPECKS = 3  # cells that may stand out of a blank frame: dust
GRAIN = 6  # times the usual departure from the ground: noise, up to
MAX_GRAIN = 20  # levels

INK = 28  # levels by which text stands out from the ground, at least
INK_PART = 0.4  # of its contrast: the strokes, without the soft edges that compression gives them
MAX_SOLID = 0.06  # of the cells are in flat things, wider than strokes are
INKED = (0.0002, 0.40)  # of the pixels
MAX_OTHER_COLOUR = 0.10  # of the ink: more is no text in one colour or two, but coloured figures
HAZE = 10  # levels by which a cell away from the text departs from the ground:
MAX_HAZE = 0.01  # of the cells; more is a scene

Levels = NDArray[np.float32]
"""Cells, shape (rows, columns), or (3, rows, columns) for colours: levels from 0 to 255."""


def classify_frame(picture: Picture) -> FrameKind:
    """What a frame is: one of a film's thumbnails, or larger. It takes a few milliseconds."""
    grey = _cells(picture.convert("L"))
    if min(grey.shape) < MIN_CELLS or _flat(grey).mean() < MIN_FLAT:
        return FrameKind.PICTURE
    inner = _between_bars(picture, grey)
    colours = np.ascontiguousarray(_cells(inner).transpose(2, 0, 1))
    ground = _ground(colours)
    if ground is None:
        return FrameKind.PICTURE
    departure = np.abs(colours - ground).max(axis=0)
    if _is_blank(departure):
        return FrameKind.BLANK
    solid = _flat(colours.mean(axis=0)) & (departure[1:, 1:] > INK)
    if solid.mean() <= MAX_SOLID and _is_text(inner, ground, departure):
        return FrameKind.CREDITS
    return FrameKind.PICTURE


def _side(width: int) -> int:
    """Pixels along a cell's side in a picture so wide."""
    return max(1, round(width / CELLS))


def _cells(picture: Image.Image) -> Levels:
    return np.asarray(picture.reduce(_side(picture.width)), np.float32)


def _flat(grey: Levels) -> NDArray[np.bool_]:
    """Which cells, but for the first row and column, are like those to the left and above."""
    here = grey[1:, 1:]
    like_left = np.abs(here - grey[1:, :-1]) <= FLAT_STEP
    flat: NDArray[np.bool_] = like_left & (np.abs(here - grey[:-1, 1:]) <= FLAT_STEP)
    return flat


def _between_bars(picture: Picture, grey: Levels) -> Picture:
    """The picture without dark bars; all of it when next to nothing is left between them.

    `gallery.media.borders` is slower, and asks for straight edges; here the ground is flat anyhow.
    """
    rows, columns = grey.shape
    middle = grey[rows // 4 : -(rows // 4), columns // 4 : -(columns // 4)].astype(np.uint8)
    levels = np.bincount(middle.ravel() >> 3)
    if levels.max() < MIN_FLAT * middle.size:
        return picture
    dark = grey <= min(BAR, int(levels.argmax()) * 8 + 4 - DARKER)
    lit_rows = np.flatnonzero(dark.mean(axis=1) < IN_BAR)
    lit_columns = np.flatnonzero(dark.mean(axis=0) < IN_BAR)
    if not len(lit_rows) or not len(lit_columns):
        return picture
    left, right = lit_columns[0], lit_columns[-1] + 1
    top, bottom = lit_rows[0], lit_rows[-1] + 1
    if (right - left, bottom - top) == (columns, rows):
        return picture
    # A cell further in: the first behind a bar may be half bar.
    side = _side(picture.width)
    box = (
        int(left + 1) * side if left else 0,
        int(top + 1) * side if top else 0,
        int(right - 1) * side if right < columns else picture.width,
        int(bottom - 1) * side if bottom < rows else picture.height,
    )
    if min(box[2] - box[0], box[3] - box[1]) < 2 * MIN_CELLS * side:
        return picture
    return picture.crop(box)


@lru_cache(maxsize=16)
def _surfaces(rows: int, columns: int) -> Levels:
    """What a ground is made of, shape (6, rows, columns): a flat, slopes and curves."""
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y]).astype(np.float32)


def _ground(colours: Levels) -> Levels | None:
    """The smooth surface that most cells lie on, of their shape; None when they lie on none."""
    surfaces = _surfaces(*colours.shape[1:])
    # Every other cell of every other row says as much.
    some, basis = colours[:, ::2, ::2].reshape(3, -1), surfaces[:, ::2, ::2].reshape(6, -1)
    red, green, blue = some.astype(np.int32) >> 4
    names = red * 256 + green * 16 + blue
    commonest = some[:, names == np.bincount(names).argmax()].mean(axis=1, keepdims=True)
    on_ground = np.abs(some - commonest).max(axis=0) <= FAR
    shape = np.zeros((3, 6), np.float32)
    for _round in range(2):
        if on_ground.mean() < MIN_GROUND:
            return None
        under = basis[:, on_ground]
        # The small term keeps it solvable for a picture of a single row.
        normal = under @ under.T + 1e-3 * np.eye(6, dtype=np.float32)
        shape = np.linalg.solve(normal, under @ some[:, on_ground].T).T
        on_ground = np.abs(some - shape @ basis).max(axis=0) <= NEAR
    ground: Levels = np.tensordot(shape, surfaces, 1)
    if on_ground.mean() < MIN_GROUND or np.ptp(ground, axis=(1, 2)).max() > SHADING:
        return None
    return ground


def _is_blank(departure: Levels) -> bool:
    noise = min(float(MAX_GRAIN), max(float(NEAR), GRAIN * float(np.median(departure))))
    return int((departure > noise).sum()) <= SPECKS


def _is_text(picture: Picture, ground: Levels, departure: Levels) -> bool:
    """Whether text stands out from the ground, and nothing else does."""
    ink = _ink(picture, ground)
    return (
        ink is not None
        and not _is_hazy(departure, ink, picture.width)
        and is_lettering(ink)
        and _is_of_one_colour(picture, ground, ink)
    )


def _ink(picture: Picture, ground: Levels) -> NDArray[np.bool_] | None:
    """The pixels that stand out from the ground, or None when too few or too many do."""
    surface = Image.fromarray(np.clip(ground + 0.5, 0, 255).astype(np.uint8).transpose(1, 2, 0))
    surface = surface.resize(picture.size, Image.Resampling.BILINEAR)
    red, green, blue = ImageChops.difference(picture, surface).split()
    departure = np.asarray(ImageChops.lighter(ImageChops.lighter(red, green), blue))
    standing_out = departure[departure > INK]
    least, most = INKED
    if not least <= len(standing_out) / departure.size <= most + 0.05:
        return None
    ink = departure > max(INK, INK_PART * float(np.percentile(standing_out, 85)))
    return ink if float(ink.mean()) <= most else None


def _is_hazy(departure: Levels, ink: NDArray[np.bool_], width: int) -> bool:
    """Whether there is more beside the ink than a ground."""
    spots = Image.fromarray(ink.astype(np.uint8) * 255).reduce(_side(width))
    beside = np.asarray(spots.filter(ImageFilter.MaxFilter(5))) == 0
    return float(((departure > HAZE) & beside).mean()) > MAX_HAZE


def _is_of_one_colour(picture: Picture, ground: Levels, ink: NDArray[np.bool_]) -> bool:
    """Whether the ink departs from the ground towards one colour, more or less: letters do."""
    row, column = np.nonzero(ink)
    side = _side(picture.width)
    steps = np.asarray(picture)[row, column] - ground[:, row // side, column // side].T
    mean = steps.mean(axis=0)
    towards = steps @ (mean / max(float(np.linalg.norm(mean)), 1.0))
    return float((towards**2).sum()) >= (1 - MAX_OTHER_COLOUR) * float((steps**2).sum())
