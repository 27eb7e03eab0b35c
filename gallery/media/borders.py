"""Uniform bars around a picture, found and cut off: letterbox, pillarbox, window-box.

A bar is a stretch of whole rows (or columns) of one colour that ends in a straight edge. What only
resembles one, a dark sky over a street or the flat ground of a cartoon, ends in outlines instead:
row by row a little more of the picture shows. Where the two cannot be told apart, nothing is cut.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gallery.media.types import Picture

# Levels of 255 by which a bar's pixels may stray from its colour: in a clean picture, so that a
# night scene stands out from black, and in a compressed one.
STRAYS = (12, 30)
BARE = 0.98  # of a bar's row has its colour
TEXT_ROW = 0.35  # the same where a subtitle or a clock stands in the bar
TEXT_BAR = 0.80  # the same of all rows of such a bar together
STRAIGHT = 0.55  # of the row's pixels change at once where a bar ends beyond doubt
STRAIGHT_PAIR = 0.25  # where the opposite bar is alike: a dark scene between dark bars
SMEAR = 9  # rows over which scaling and JPEG's blocks smear a bar's end
DARK = 40  # levels; bars that are brighter must come in pairs
CHROMA = 17  # rows into which JPEG at a low quality smears colours
MIN_THICKNESS = 2  # rows
MIN_REMAINING = 0.10  # of a side: less is no picture any more

Pixels = NDArray[np.uint8]
"""A picture's pixels, shape (rows, columns, 3)."""


@dataclass(frozen=True, slots=True)
class Box:
    """The part of a picture that is left, in its pixels, as Pillow counts them."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class _Bar:
    """So many rows of one colour at the top; behind them `change` of the row differs, 0 to 1."""

    rows: int
    colour: tuple[int, int, int]
    change: float

    @property
    def is_dark(self) -> bool:
        return max(self.colour) <= DARK

    @property
    def is_sure(self) -> bool:
        """Whether it is a bar even if the other side has none that is alike."""
        return self.is_dark and self.change >= STRAIGHT

    def pairs_with(self, other: "_Bar") -> bool:
        """Whether both are bars, of about the same colour and thickness."""
        apart = max(abs(a - b) for a, b in zip(self.colour, other.colour, strict=True))
        thick, thin = max(self.rows, other.rows), min(self.rows, other.rows)
        enough = STRAIGHT_PAIR if self.is_dark else STRAIGHT
        return (
            thin > 0
            and thick - thin <= max(SMEAR, thick // 8)
            and apart <= max(STRAYS)
            and min(self.change, other.change) >= enough
        )


_NONE = _Bar(0, (0, 0, 0), 0.0)


def trim_borders(picture: Picture) -> Picture:
    """The picture without bars; the very same object when it has none."""
    box = inner_box(picture)
    if box == Box(0, 0, *picture.size):
        return picture
    return picture.crop((box.left, box.top, box.right, box.bottom))


def inner_box(picture: Picture) -> Box:
    """What lies between a picture's bars; all of it when there are none, or nothing else."""
    pixels: Pixels = np.asarray(picture.convert("RGB"))
    rows, columns = pixels.shape[:2]
    above, below = _pair(pixels)
    inner = pixels[above : rows - below]
    before, behind = _pair(inner.transpose(1, 0, 2))
    if (before or behind) and not (above or below):
        # Around a picture in a window, the bars at the sides may have hidden the others.
        above, below = _pair(pixels[:, before : columns - behind])
    box = Box(before, above, columns - behind, rows - below)
    left = min((box.bottom - box.top) / rows, (box.right - box.left) / columns)
    return box if left >= MIN_REMAINING else Box(0, 0, columns, rows)


def _pair(pixels: Pixels) -> tuple[int, int]:
    """How many rows the bars at the top and at the bottom have."""
    strict, lenient = (_pair_of(pixels, stray) for stray in STRAYS)
    if not any(strict):
        return lenient
    top, bottom = (
        large if small <= large <= small + CHROMA else small
        for small, large in zip(strict, lenient, strict=True)
    )
    return top, bottom


def _pair_of(pixels: Pixels, stray: int) -> tuple[int, int]:
    """The same for bars whose pixels stray by so many levels."""
    upside_down = pixels[::-1]
    top, bottom = _bar(pixels, stray), _bar(upside_down, stray)
    if top.pairs_with(bottom):
        return top.rows, bottom.rows
    if top.is_sure and _continues(upside_down, top, stray):
        return top.rows, top.rows
    if bottom.is_sure and _continues(pixels, bottom, stray):
        return bottom.rows, bottom.rows
    return top.rows * top.is_sure, bottom.rows * bottom.is_sure


def _shares(pixels: Pixels, colour: tuple[int, int, int], stray: int) -> NDArray[np.float64]:
    """Which part of each row has the colour, give or take `stray` levels."""
    lower = np.clip(np.array(colour) - stray, 0, 255).astype(np.uint8)
    upper = np.clip(np.array(colour) + stray, 0, 255).astype(np.uint8)
    same: NDArray[np.float64] = ((pixels >= lower) & (pixels <= upper)).all(axis=2).mean(axis=1)
    return same


def _bar(pixels: Pixels, stray: int) -> _Bar:
    """The bar at the top, also one with a line of text in it."""
    red, green, blue = np.median(pixels[:MIN_THICKNESS].reshape(-1, 3), axis=0)
    colour = (int(red), int(green), int(blue))
    if _shares(pixels[:MIN_THICKNESS], colour, stray).min() < BARE:
        return _NONE
    shares = _shares(pixels, colour, stray)
    touched = np.flatnonzero(shares < BARE)
    if not len(touched):
        return _NONE
    end = int(touched[0])
    if max(colour) <= DARK:
        end = _end_behind_text(shares, end)
    behind = pixels[end : end + SMEAR].astype(np.int16)
    # Beside the row before the end, not beside the colour: a sky darkens by and by.
    steps = (
        np.abs(behind - pixels[end - MIN_THICKNESS].astype(np.int16)).max(axis=2) > stray
    ).mean(1)
    change = float(steps.max())
    # Rows that belong half to the bar and half to the picture go, too.
    smeared = int((steps >= min(change, STRAIGHT)).argmax()) if change >= STRAIGHT_PAIR else 0
    return _Bar(end + smeared, colour, change)


def _end_behind_text(shares: NDArray[np.float64], end: int) -> int:
    """Where a bar ends whose bare rows are interrupted at row `end` by text, or else `end`.

    After the text come bare rows again, and then the picture, in a straight edge.
    """
    bare = shares >= BARE
    for row in np.flatnonzero(bare[:-1] & ~bare[1:])[::-1] + 1:
        is_straight = shares[row : row + SMEAR].min() <= 1.0 - STRAIGHT
        if row > end and is_straight and _holds_text(shares[:row]):
            return int(row)
    return end


def _holds_text(shares: NDArray[np.float64]) -> bool:
    """Whether rows may be those of a bar with a line of text in it."""
    return bool(shares.min() >= TEXT_ROW and shares.mean() >= TEXT_BAR)


def _continues(pixels: Pixels, bar: _Bar, stray: int) -> bool:
    """Whether the opposite bar is at the top here, too, with text that reaches to its end."""
    return _holds_text(_shares(pixels[: bar.rows], bar.colour, stray))
