"""Whether what stands out from a plain ground is text, and nothing but text.

Text is thin strokes in small pieces of varying shape, set in lines, across or (in Chinese) down.
Lit windows and lanterns are no thinner than they are high; figures in a row are all alike; stars,
snow and the sparks of fireworks stand in no line; a drawing's strokes are long and few.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gallery.media.connected_parts import Numbers, Parts, bridge_gaps, find_parts, find_runs

MAX_RUNS = 25_000  # more is no text but noise
SPECK = 5  # pixels; smaller pieces are dust and what compression leaves
WORD_GAP = 1.1  # of the letters' height: wider gaps part two lines
MIN_GAP = 3.0  # pixels

FILL = (0.12, 0.65)  # of the box around a line
MIN_ALIGNED_INK = 0.6  # of a line's ink is in pieces that reach across its middle
MAX_HEIGHT = 1.9  # a line by its letters; more is a heap of pieces
HEIGHT = (5, 0.30)  # letters: pixels at least, and part of the frame at the most

MIN_LETTERS = 3  # in a line
STROKE = (0.035, 0.28)  # their strokes' width by their height
RAGGED = 38.0  # their outline squared by their area: 12.6 for a disc, 16 for a square
VARIED = 0.08  # their widths: standard deviation by mean
UNEVEN = 0.3  # their tops or feet: standard deviation by height
LONG = 1.4  # a line's width by its height

# Chinese signs: a piece each, or grown together, as wide as high, and of many strokes.
SIGNS_RAGGED = 60.0
SIGNS_STROKE = 0.20
SIGNS_FILL = 0.25
SIGNS_LONG = 1.2
SIGNS_HEIGHT = 0.15

MIN_TEXT = 0.75  # of the ink
MAX_UNMATCHED_PARTS = 0.35  # of the pieces
MANY_LINES, MANY_LETTERS, LEAST_AMONG_MANY = 8, 40, 0.35  # names above the logos of those who paid
MIN_LETTERS_ACROSS = 5
SUBTITLE = 0.7  # of the frame's height: text that is all below may belong to a scene
STRAY = 0.01  # of the ink: a moon, a lit window
ALIKE = 0.3  # of the pairs of pieces: figures in a row
COMPARED = 300  # pieces
COMPARED_HEIGHT = 12  # pixels; smaller letters are hard to tell apart


Measures = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Lines:
    """Pieces side by side, measured line by line: shape (n,) each. 0 where a line has no piece.

    `ink` is the pieces' pixels, `height` that of the tallest; the others are described where their
    limits stand.
    """

    top: Numbers
    number: Numbers
    ink: Measures
    height: Numbers
    fill: Measures
    abreast: Measures
    tallness: Measures
    stroke: Measures
    ragged: Measures
    varied: Measures
    uneven: Measures
    long: Measures

    def are_text(self, rows: int) -> NDArray[np.bool_]:
        """Which of them are text in a frame of so many rows."""
        in_line = (
            _within(self.fill, FILL)
            & (self.abreast >= MIN_ALIGNED_INK)
            & (self.tallness <= MAX_HEIGHT)
            & (self.height >= HEIGHT[0])
            & (self.height <= HEIGHT[1] * rows)
        )
        return in_line & (self._are_letters() | self._are_signs(rows))

    def _are_letters(self) -> NDArray[np.bool_]:
        return (
            (self.number >= MIN_LETTERS)
            & _within(self.stroke, STROKE)
            & (self.ragged >= RAGGED)
            & (self.varied >= VARIED)
            & (self.uneven <= UNEVEN)
            & (self.long >= LONG)
        )

    def _are_signs(self, rows: int) -> NDArray[np.bool_]:
        return (
            (self.number >= 1)
            & (self.ragged >= SIGNS_RAGGED)
            & (self.stroke <= SIGNS_STROKE)
            & (self.fill >= SIGNS_FILL)
            & (self.long >= SIGNS_LONG)
            & (self.height <= SIGNS_HEIGHT * rows)
        )


def _within(values: Measures, limits: tuple[float, float]) -> NDArray[np.bool_]:
    return (values >= limits[0]) & (values <= limits[1])


def is_lettering(ink: NDArray[np.bool_]) -> bool:
    """Whether a mask of what stands out, shape (rows, columns), shows text and nothing else."""
    return _is_lettering_across(ink) or _is_lettering_across(ink.T)


def _is_lettering_across(ink: NDArray[np.bool_]) -> bool:
    runs = find_runs(ink)
    if not MIN_LETTERS <= len(runs) <= MAX_RUNS:
        return False
    everything, piece_of_run = find_parts(runs)
    rows, columns = ink.shape
    # Not the dust, nor a line drawn around the whole card.
    around = (everything.width > 0.6 * columns) & (everything.height > 0.6 * rows)
    kept = (everything.area >= SPECK) & ~(around & (everything.area < 0.1 * everything.box))
    if not kept.any():
        return False
    pieces = everything.only(kept)
    gap = max(MIN_GAP, WORD_GAP * float(np.percentile(pieces.height, 70)))
    joined, joined_from = bridge_gaps(runs, gap)
    boxes, line_of_joined = find_parts(joined)
    line = np.zeros(len(everything), np.int64)
    line[piece_of_run] = line_of_joined[joined_from]
    lines = _measured(pieces, line[kept], boxes)
    is_text = lines.are_text(rows)
    if not is_text.any() or _has_a_scene_above(everything, lines, is_text, rows):
        return False
    return _is_nearly_all_text(pieces, lines, is_text, line[kept])


def _measured(pieces: Parts, line: Numbers, boxes: Parts) -> _Lines:
    """Measure lines: `line` is the number of each piece's, `boxes` are around each line's all."""
    count = len(boxes)

    def total(values: NDArray[np.generic]) -> Measures:
        return np.asarray(np.bincount(line, values, count), np.float64)

    number = np.bincount(line, minlength=count)
    ink, pieces_or_one = total(pieces.area), np.maximum(number, 1)
    ink_or_one = np.maximum(ink, 1)
    height = np.ones(count, np.int64)
    np.maximum.at(height, line, pieces.height)

    def scatter(places: Numbers) -> Measures:
        mean = total(pieces.area * places) / ink_or_one
        return np.sqrt(total(pieces.area * (places - mean[line]) ** 2) / ink_or_one) / height

    middle = (boxes.top + boxes.bottom)[line] / 2
    reaches_across = (pieces.top < middle) & (pieces.bottom > middle)
    width = np.maximum(total(pieces.width) / pieces_or_one, 1)
    width_spread = np.sqrt(total((pieces.width - width[line]) ** 2) / pieces_or_one)
    return _Lines(
        top=boxes.top,
        number=number,
        ink=ink,
        height=height,
        fill=ink / boxes.box,
        abreast=total(pieces.area * reaches_across) / ink_or_one,
        tallness=boxes.height / height,
        stroke=2 * ink / np.maximum(total(pieces.outline), 1) / height,
        ragged=total(pieces.outline**2 / pieces.area) / pieces_or_one,
        varied=width_spread / width,
        uneven=np.maximum(scatter(pieces.top), scatter(pieces.bottom)),
        long=boxes.width / boxes.height,
    )


def _has_a_scene_above(
    everything: Parts, lines: _Lines, is_text: NDArray[np.bool_], rows: int
) -> bool:
    """Whether the text is a subtitle and there is more than it: a moon, a lit window, stars."""
    top = int(lines.top[is_text].min())
    if top < SUBTITLE * rows:
        return False
    above = everything.bottom < top - int(lines.height[is_text].max())
    return float(everything.area[above].sum()) > STRAY * float(everything.area.sum())


def _is_nearly_all_text(
    pieces: Parts, lines: _Lines, is_text: NDArray[np.bool_], line: Numbers
) -> bool:
    """Whether the lines that are text hold nearly all there is, and are no rows of figures."""
    letters = int(lines.number[is_text].sum())
    part = float(lines.ink[is_text].sum() / pieces.area.sum())
    are_many = int(is_text.sum()) >= MANY_LINES and letters >= MANY_LETTERS
    return (
        letters >= MIN_LETTERS_ACROSS
        and 1 - letters / len(pieces) <= MAX_UNMATCHED_PARTS
        and part >= (LEAST_AMONG_MANY if are_many else MIN_TEXT)
        and not _are_alike(pieces.only(is_text[line]))
    )


def _are_alike(pieces: Parts) -> bool:
    """Whether pieces are the same few figures again and again."""
    tall = np.flatnonzero(pieces.height >= COMPARED_HEIGHT)
    if len(tall) < max(MIN_LETTERS, len(pieces) / 2):
        return False
    some = pieces.only(tall[:COMPARED])
    same = np.ones((len(some), len(some)), bool)
    for values, slack in (
        (some.width, 1.0),
        (some.height, 1.0),
        (some.area, 0.1 * some.area),
        (some.outline, 0.1 * some.outline),
    ):
        same &= np.abs(values[:, None] - values[None, :]) <= slack
    others = len(some) * (len(some) - 1)
    return bool((same.sum() - len(some)) / others > ALIKE)
