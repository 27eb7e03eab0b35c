"""Joins pieces of text that stand side by side to rows."""

from collections.abc import Sequence
from dataclasses import replace

import regex

from gallery.ocr.types import Text

MIN_SHARED_HEIGHT = 0.6  # of the lower of two pieces
MAX_HEIGHT_RATIO = 1.5
MAX_GAP = 1.5  # between pieces, by their height
MAX_ANGLE = 5.0  # degrees

_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}]")


def join_rows(texts: Sequence[Text], aspect: float) -> list[Text]:
    """Return rows from top to bottom; `aspect` is the width of the picture by its height."""
    rows: list[Text] = []
    for text in sorted(texts, key=lambda one: one.box.left):
        for number, row in enumerate(rows):
            if _continues(row, text, aspect):
                rows[number] = _join(row, text)
                break
        else:
            rows.append(text)
    return sorted(rows, key=lambda row: row.box.top)


def _continues(row: Text, text: Text, aspect: float) -> bool:
    low, high = sorted((row.height, text.height))
    shared = min(row.box.bottom, text.box.bottom) - max(row.box.top, text.box.top)
    gap = (text.box.left - row.box.right) * aspect
    return (
        max(row.angle, text.angle) <= MAX_ANGLE
        and high <= MAX_HEIGHT_RATIO * low
        and shared >= MIN_SHARED_HEIGHT * low
        and -low <= gap <= MAX_GAP * high
    )


def _join(row: Text, text: Text) -> Text:
    is_unspaced = _UNSPACED.match(row.text[-1:]) and _UNSPACED.match(text.text[:1])
    return replace(
        row,
        text=f"{row.text}{'' if is_unspaced else ' '}{text.text}",
        score=min(row.score, text.score),
        box=row.box.union(text.box),
        height=max(row.height, text.height),
    )
