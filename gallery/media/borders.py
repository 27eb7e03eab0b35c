"""Detect and crop uniform bars around a picture: letterbox, pillarbox, windowbox.

A bar is a block of whole rows (or columns) of one colour that ends in a straight edge. Similar
regions, such as a dark sky over a street or the flat background of a cartoon, end in outlines
instead: each row shows a little more of the picture. In doubt nothing is cropped.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gallery.media.types import Picture

# Levels of 255 by which a bar's pixels may differ from its colour: in a clean picture, strict
# enough to tell a night scene from black, and in a compressed one.
COLOUR_TOLERANCES = (12, 30)
MIN_BAR_SHARE = 0.98  # share of a row with the bar's colour
MIN_TEXT_ROW_SHARE = 0.35  # the same, for a row with a subtitle or a clock in the bar
MIN_TEXT_BAR_SHARE = 0.80  # the same, over all rows of a bar with text
MIN_EDGE_CHANGE = 0.55  # share of pixels that change at the end of a single bar
MIN_PAIRED_EDGE_CHANGE = 0.25  # the same, for a pair of bars: a dark scene between dark bars
MAX_EDGE_BLUR = 9  # rows over which scaling and JPEG blocks blur the edge
MAX_DARK_LEVEL = 40  # levels; brighter bars must come in pairs
MAX_CHROMA_BLUR = 17  # rows into which low-quality JPEG spreads colours
MIN_THICKNESS = 2  # rows
MIN_REMAINING = 0.10  # of a side, after cropping

Pixels = NDArray[np.uint8]
"""A picture's pixels, shape (rows, columns, 3)."""


@dataclass(frozen=True, slots=True)
class Box:
    """The part of a picture inside the bars, in pixels, as Pillow counts them."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class _Bar:
    """`rows` of one colour at the top; below them a share `change` (0 to 1) of the row differs."""

    rows: int
    colour: tuple[int, int, int]
    change: float

    @property
    def is_dark(self) -> bool:
        return max(self.colour) <= MAX_DARK_LEVEL

    @property
    def is_certain(self) -> bool:
        """Return whether this is a bar even without a matching one on the opposite side."""
        return self.is_dark and self.change >= MIN_EDGE_CHANGE

    def matches(self, other: "_Bar") -> bool:
        """Return whether both are bars of about the same colour and thickness."""
        colour_difference = max(abs(a - b) for a, b in zip(self.colour, other.colour, strict=True))
        thick, thin = max(self.rows, other.rows), min(self.rows, other.rows)
        min_change = MIN_PAIRED_EDGE_CHANGE if self.is_dark else MIN_EDGE_CHANGE
        return (
            thin > 0
            and thick - thin <= max(MAX_EDGE_BLUR, thick // 8)
            and colour_difference <= max(COLOUR_TOLERANCES)
            and min(self.change, other.change) >= min_change
        )


_NO_BAR = _Bar(0, (0, 0, 0), 0.0)


def trim_borders(picture: Picture) -> Picture:
    """Return the picture without bars; the same object when it has none."""
    box = inner_box(picture)
    if box == Box(0, 0, *picture.size):
        return picture
    return picture.crop((box.left, box.top, box.right, box.bottom))


def inner_box(picture: Picture) -> Box:
    """Return the box inside a picture's bars; the whole picture when it has no bars."""
    pixels: Pixels = np.asarray(picture.convert("RGB"))
    rows, columns = pixels.shape[:2]
    above, below = _bar_heights(pixels)
    inner = pixels[above : rows - below]
    before, behind = _bar_heights(inner.transpose(1, 0, 2))
    if (before or behind) and not (above or below):
        # Of a windowbox, the bars at the sides may have hidden the other two.
        above, below = _bar_heights(pixels[:, before : columns - behind])
    box = Box(before, above, columns - behind, rows - below)
    left = min((box.bottom - box.top) / rows, (box.right - box.left) / columns)
    return box if left >= MIN_REMAINING else Box(0, 0, columns, rows)


def _bar_heights(pixels: Pixels) -> tuple[int, int]:
    """Return the number of rows of the top bar and the bottom bar."""
    if not pixels.size:  # text on black may count as two bars that leave nothing between them
        return 0, 0
    strict, lenient = (_bar_heights_within(pixels, tolerance) for tolerance in COLOUR_TOLERANCES)
    if not any(strict):
        return lenient
    top, bottom = (
        large if small <= large <= small + MAX_CHROMA_BLUR else small
        for small, large in zip(strict, lenient, strict=True)
    )
    return top, bottom


def _bar_heights_within(pixels: Pixels, tolerance: int) -> tuple[int, int]:
    """Return the rows of both bars, for a colour tolerance in levels."""
    upside_down = pixels[::-1]
    top, bottom = _find_bar(pixels, tolerance), _find_bar(upside_down, tolerance)
    if top.matches(bottom):
        return top.rows, bottom.rows
    if top.is_certain and _is_bar_with_text(upside_down, top, tolerance):
        return top.rows, top.rows
    if bottom.is_certain and _is_bar_with_text(pixels, bottom, tolerance):
        return bottom.rows, bottom.rows
    return top.rows * top.is_certain, bottom.rows * bottom.is_certain


def _colour_shares(
    pixels: Pixels, colour: tuple[int, int, int], tolerance: int
) -> NDArray[np.float64]:
    """Return the share of each row that has the colour, within `tolerance` levels."""
    lower = np.clip(np.array(colour) - tolerance, 0, 255).astype(np.uint8)
    upper = np.clip(np.array(colour) + tolerance, 0, 255).astype(np.uint8)
    same: NDArray[np.float64] = ((pixels >= lower) & (pixels <= upper)).all(axis=2).mean(axis=1)
    return same


def _find_bar(pixels: Pixels, tolerance: int) -> _Bar:
    """Return the bar at the top; it may contain a line of text."""
    red, green, blue = np.median(pixels[:MIN_THICKNESS].reshape(-1, 3), axis=0)
    colour = (int(red), int(green), int(blue))
    if _colour_shares(pixels[:MIN_THICKNESS], colour, tolerance).min() < MIN_BAR_SHARE:
        return _NO_BAR
    shares = _colour_shares(pixels, colour, tolerance)
    touched = np.flatnonzero(shares < MIN_BAR_SHARE)
    if not len(touched):
        return _NO_BAR
    end = int(touched[0])
    if max(colour) <= MAX_DARK_LEVEL:
        end = _end_after_text(shares, end)
    behind = pixels[end : end + MAX_EDGE_BLUR].astype(np.int16)
    # Compared with the row before the end, not with the colour: a sky darkens gradually.
    steps = (
        np.abs(behind - pixels[end - MIN_THICKNESS].astype(np.int16)).max(axis=2) > tolerance
    ).mean(1)
    change = float(steps.max())
    # Crop the rows that mix the bar and the picture, too.
    smeared = (
        int((steps >= min(change, MIN_EDGE_CHANGE)).argmax())
        if change >= MIN_PAIRED_EDGE_CHANGE
        else 0
    )
    return _Bar(end + smeared, colour, change)


def _end_after_text(shares: NDArray[np.float64], end: int) -> int:
    """Return where a bar ends that is interrupted by text at row `end`, else `end`.

    The text is followed by more rows of the bar, and then by the picture, at a straight edge.
    """
    bare = shares >= MIN_BAR_SHARE
    for row in np.flatnonzero(bare[:-1] & ~bare[1:])[::-1] + 1:
        is_straight = shares[row : row + MAX_EDGE_BLUR].min() <= 1.0 - MIN_EDGE_CHANGE
        if row > end and is_straight and _holds_text(shares[:row]):
            return int(row)
    return end


def _holds_text(shares: NDArray[np.float64]) -> bool:
    """Return whether rows may be a bar with a line of text in it."""
    return bool(shares.min() >= MIN_TEXT_ROW_SHARE and shares.mean() >= MIN_TEXT_BAR_SHARE)


def _is_bar_with_text(pixels: Pixels, bar: _Bar, tolerance: int) -> bool:
    """Return whether the opposite bar is also here at the top, with text that reaches its end."""
    return _holds_text(_colour_shares(pixels[: bar.rows], bar.colour, tolerance))
