"""Recognize text: whether there is only text on a plain background.

Text consists of thin strokes in small pieces of varying shape, arranged in lines, horizontal or (in
Chinese) vertical. Lit windows and lanterns are as wide as high; figures in a row are all alike;
stars, snow and the sparks of fireworks form no lines; a drawing has few, long strokes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gallery.media.connected_parts import Numbers, Parts, bridge_gaps, find_parts, find_runs

MAX_RUNS = 25_000  # more is noise
MIN_PIECE_AREA = 5  # pixels; smaller pieces are dust and compression artefacts
MAX_WORD_GAP = 1.1  # by letter height; wider gaps separate lines
MIN_BRIDGED_GAP = 3.0  # pixels

# Lines. Shares and ratios, unless a unit is given.
FILL_RANGE = (0.12, 0.65)  # ink by area of the line's bounding box
MIN_ALIGNED_INK = 0.6  # share of ink in pieces that cross the middle of the line
MAX_LINE_HEIGHT = 1.9  # by letter height; more is a heap of pieces
LETTER_HEIGHT_RANGE = (5, 0.30)  # pixels at least, share of the frame's height at most

# Letters of an alphabet.
MIN_LETTERS_PER_LINE = 3
STROKE_RANGE = (0.035, 0.28)  # width of strokes by letter height
MIN_COMPLEXITY = 38.0  # outline squared by area: 12.6 for a disc, 16 for a square
MIN_WIDTH_VARIATION = 0.08  # of letter widths: standard deviation by mean
MAX_UNEVENNESS = 0.3  # of tops or feet: standard deviation by letter height
MIN_ASPECT = 1.4  # width of a line by its height

# Chinese characters: one piece each or merged, as wide as high, with many strokes.
MIN_CJK_COMPLEXITY = 60.0
MAX_CJK_STROKE = 0.20
MIN_CJK_FILL = 0.25
MIN_CJK_ASPECT = 1.2
MAX_CJK_HEIGHT = 0.15

# The whole frame.
MIN_TEXT_SHARE = 0.75  # of the ink
MAX_UNMATCHED_PARTS = 0.35  # share of pieces outside text lines
MIN_LETTERS = 5
# Many lines of names may be above logos: less of the ink has to be text.
MIN_CREDIT_LINES, MIN_CREDIT_LETTERS, MIN_CREDIT_TEXT_SHARE = 8, 40, 0.35
SUBTITLE_TOP = 0.7  # of the frame's height; text that is all below may belong to a scene
MAX_STRAY_SHARE = 0.01  # of the ink above a subtitle: a moon, a lit window
MAX_ALIKE_SHARE = 0.3  # of the pairs of pieces; more are figures in a row
MAX_COMPARED_PIECES = 300
MIN_COMPARED_HEIGHT = 12  # pixels; smaller letters are hard to distinguish

Measures = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Lines:
    """Measures of lines, shape (n,) each, made of pieces side by side. 0 for a line without pieces.

    `ink` is the area of the pieces in pixels, `height` that of the tallest. The rest are ratios,
    described at their limits above.
    """

    top: Numbers
    number: Numbers
    ink: Measures
    height: Numbers
    fill: Measures
    aligned_ink: Measures
    line_height: Measures
    stroke: Measures
    complexity: Measures
    width_variation: Measures
    unevenness: Measures
    aspect: Measures

    def are_text(self, rows: int) -> NDArray[np.bool_]:
        """Return which lines are text, given the height of the frame in rows."""
        in_line = (
            _is_within(self.fill, FILL_RANGE)
            & (self.aligned_ink >= MIN_ALIGNED_INK)
            & (self.line_height <= MAX_LINE_HEIGHT)
            & (self.height >= LETTER_HEIGHT_RANGE[0])
            & (self.height <= LETTER_HEIGHT_RANGE[1] * rows)
        )
        return in_line & (self._are_letters() | self._are_cjk(rows))

    def _are_letters(self) -> NDArray[np.bool_]:
        """Return which lines look like letters of an alphabet."""
        return (
            (self.number >= MIN_LETTERS_PER_LINE)
            & _is_within(self.stroke, STROKE_RANGE)
            & (self.complexity >= MIN_COMPLEXITY)
            & (self.width_variation >= MIN_WIDTH_VARIATION)
            & (self.unevenness <= MAX_UNEVENNESS)
            & (self.aspect >= MIN_ASPECT)
        )

    def _are_cjk(self, rows: int) -> NDArray[np.bool_]:
        """Return which lines look like Chinese characters."""
        return (
            (self.number >= 1)
            & (self.complexity >= MIN_CJK_COMPLEXITY)
            & (self.stroke <= MAX_CJK_STROKE)
            & (self.fill >= MIN_CJK_FILL)
            & (self.aspect >= MIN_CJK_ASPECT)
            & (self.height <= MAX_CJK_HEIGHT * rows)
        )


def _is_within(values: Measures, limits: tuple[float, float]) -> NDArray[np.bool_]:
    return (values >= limits[0]) & (values <= limits[1])


def is_lettering(ink: NDArray[np.bool_]) -> bool:
    """Return whether the foreground, a mask of shape (rows, columns), is only text."""
    return _is_lettering_across(ink) or _is_lettering_across(ink.T)


def _is_lettering_across(ink: NDArray[np.bool_]) -> bool:
    runs = find_runs(ink)
    if not MIN_LETTERS_PER_LINE <= len(runs) <= MAX_RUNS:
        return False
    all_parts, piece_of_run = find_parts(runs)
    rows, columns = ink.shape
    # Neither dust, nor a frame drawn around the whole card.
    around = (all_parts.width > 0.6 * columns) & (all_parts.height > 0.6 * rows)
    is_kept = (all_parts.area >= MIN_PIECE_AREA) & ~(
        around & (all_parts.area < 0.1 * all_parts.box)
    )
    if not is_kept.any():
        return False
    pieces = all_parts.select(is_kept)
    gap = max(MIN_BRIDGED_GAP, MAX_WORD_GAP * float(np.percentile(pieces.height, 70)))
    joined, joined_from = bridge_gaps(runs, gap)
    boxes, line_of_joined = find_parts(joined)
    line = np.zeros(len(all_parts), np.int64)
    line[piece_of_run] = line_of_joined[joined_from]
    lines = _measure_lines(pieces, line[is_kept], boxes)
    is_text = lines.are_text(rows)
    if not is_text.any() or _has_scene_above(all_parts, lines, is_text, rows):
        return False
    return _is_nearly_all_text(pieces, lines, is_text, line[is_kept])


def _measure_lines(pieces: Parts, line: Numbers, boxes: Parts) -> _Lines:
    """Measure lines: `line` is the line of each piece, `boxes` the bounding boxes of the lines."""
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
        aligned_ink=total(pieces.area * reaches_across) / ink_or_one,
        line_height=boxes.height / height,
        stroke=2 * ink / np.maximum(total(pieces.outline), 1) / height,
        complexity=total(pieces.outline**2 / pieces.area) / pieces_or_one,
        width_variation=width_spread / width,
        unevenness=np.maximum(scatter(pieces.top), scatter(pieces.bottom)),
        aspect=boxes.width / boxes.height,
    )


def _has_scene_above(
    all_parts: Parts, lines: _Lines, is_text: NDArray[np.bool_], rows: int
) -> bool:
    """Return whether the text is a subtitle below something else: a moon, a lit window, stars."""
    top = int(lines.top[is_text].min())
    if top < SUBTITLE_TOP * rows:
        return False
    above = all_parts.bottom < top - int(lines.height[is_text].max())
    return float(all_parts.area[above].sum()) > MAX_STRAY_SHARE * float(all_parts.area.sum())


def _is_nearly_all_text(
    pieces: Parts, lines: _Lines, is_text: NDArray[np.bool_], line: Numbers
) -> bool:
    """Return whether text lines hold nearly all ink, and are not rows of identical figures."""
    letters = int(lines.number[is_text].sum())
    part = float(lines.ink[is_text].sum() / pieces.area.sum())
    are_many = int(is_text.sum()) >= MIN_CREDIT_LINES and letters >= MIN_CREDIT_LETTERS
    return (
        letters >= MIN_LETTERS
        and 1 - letters / len(pieces) <= MAX_UNMATCHED_PARTS
        and part >= (MIN_CREDIT_TEXT_SHARE if are_many else MIN_TEXT_SHARE)
        and not _are_alike(pieces.select(is_text[line]))
    )


def _are_alike(pieces: Parts) -> bool:
    """Return whether pieces repeat the same few figures."""
    tall = np.flatnonzero(pieces.height >= MIN_COMPARED_HEIGHT)
    if len(tall) < max(MIN_LETTERS_PER_LINE, len(pieces) / 2):
        return False
    sample = pieces.select(tall[:MAX_COMPARED_PIECES])
    is_alike = np.ones((len(sample), len(sample)), bool)
    for values, slack in (
        (sample.width, 1.0),
        (sample.height, 1.0),
        (sample.area, 0.1 * sample.area),
        (sample.outline, 0.1 * sample.outline),
    ):
        is_alike &= np.abs(values[:, None] - values[None, :]) <= slack
    pairs = len(sample) * (len(sample) - 1)
    return bool((is_alike.sum() - len(sample)) / pairs > MAX_ALIKE_SHARE)
