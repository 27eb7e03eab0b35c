"""Text over pictures, and subtitle tracks, as SubStation Alpha, which FFmpeg draws with libass."""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pysubs2 import Alignment, Color, SSAEvent, SSAFile, SSAStyle

FONT, MONOSPACED_FONT = "sans-serif", "monospace"
LINE, SOURCE, TIMECODE = "Line", "Source", "Timecode"  # styles
# Sizes as shares of the short side of the picture.
LINE_SIZE, SMALL_SIZE, MARGIN = 0.062, 0.036, 0.045
SHADE = Color(0, 0, 0, 96)
BOX = 3  # the border style with a box behind the text
WORD_JOINER = "\u2060"  # invisible

_BRACE = re.compile(r"[{}]")


@dataclass(frozen=True, slots=True)
class TimedText:
    """A text that is shown from `start` to `end` (seconds), in a style."""

    start: float
    end: float
    text: str
    style: str = LINE


def write_overlay(texts: Iterable[TimedText], width: int, height: int) -> str:
    """Return texts as a file of SubStation Alpha for pictures of `width` times `height` pixels.

    Its times are whole centiseconds, rounded down, so that no text is shown a frame late.
    """
    file = SSAFile()
    file.info.update(PlayResX=str(width), PlayResY=str(height), ScaledBorderAndShadow="yes")
    short = min(width, height)
    margin = round(short * MARGIN)
    common: dict[str, Any] = {
        **{"marginl": margin, "marginr": margin, "marginv": margin},
        **{"outlinecolor": Color(0, 0, 0), "shadow": 0.0},
    }
    small = common | {
        **{"fontsize": short * SMALL_SIZE, "outline": short * 0.006},
        **{"borderstyle": BOX, "outlinecolor": SHADE},
    }
    file.styles = {
        LINE: SSAStyle(fontname=FONT, fontsize=short * LINE_SIZE, outline=short * 0.004, **common),
        SOURCE: SSAStyle(fontname=FONT, alignment=Alignment.TOP_LEFT, **small),
        TIMECODE: SSAStyle(fontname=MONOSPACED_FONT, alignment=Alignment.TOP_RIGHT, **small),
    }
    file.events = [_event(one, _BRACE.sub(r"\\\g<0>", _escape(one.text))) for one in texts]
    return file.to_string("ass")


def write_track(texts: Iterable[TimedText]) -> str:
    """Return texts as a file of SubStation Alpha for a subtitle track, which FFmpeg converts.

    A track in an MP4 shows one text at a time: while texts overlap, one has them all, in the order
    in which they begin. Unlike libass, FFmpeg takes braces as they are, but for a backslash after
    one. Times are whole centiseconds.
    """
    file = SSAFile()  # with the style of an event by default; without it, texts are invisible
    apart = f"{{{WORD_JOINER}\\"
    for start, end, shown in _split_overlaps(texts):
        text = _escape("\n".join(one.text for one in shown)).replace("{\\", apart)
        file.events.append(SSAEvent(start=start, end=end, text=text))
    return file.to_string("ass")


def _split_overlaps(texts: Iterable[TimedText]) -> Iterator[tuple[int, int, list[TimedText]]]:
    """Yield spans (milliseconds) that do not overlap, each with all texts shown in it."""
    timed = [(_milliseconds(one.start), _milliseconds(one.end), one) for one in texts]
    timed.sort(key=lambda each: each[:2])
    times = sorted({time for start, end, _one in timed for time in (start, end)})
    waiting = deque(timed)
    shown: list[tuple[int, int, TimedText]] = []
    for start, end in pairwise(times):
        while waiting and waiting[0][0] <= start:
            shown.append(waiting.popleft())
        shown = [each for each in shown if each[1] > start]
        if shown:
            yield start, end, [one for _start, _end, one in shown]


def _event(one: TimedText, text: str) -> SSAEvent:
    start, end = _milliseconds(one.start), _milliseconds(one.end)
    return SSAEvent(start=start, end=end, text=text, style=one.style)


def _milliseconds(seconds: float) -> int:
    return int(seconds * 100 + 1e-6) * 10


def _escape(text: str) -> str:
    """Escape line breaks, and backslashes: with some letters, they would be commands."""
    return "\\N".join(text.replace("\\", f"\\{WORD_JOINER}").splitlines())
