"""Text over pictures, and subtitle tracks, as SubStation Alpha, which FFmpeg draws with libass."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
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

    Unlike libass, it takes braces as they are, but for a backslash after one. Its times are whole
    centiseconds.
    """
    file = SSAFile()
    apart = f"{{{WORD_JOINER}\\"
    file.events = [_event(one, _escape(one.text).replace("{\\", apart)) for one in texts]
    return file.to_string("ass")


def _event(one: TimedText, text: str) -> SSAEvent:
    start, end = _milliseconds(one.start), _milliseconds(one.end)
    return SSAEvent(start=start, end=end, text=text, style=one.style)


def _milliseconds(seconds: float) -> int:
    return int(seconds * 100 + 1e-6) * 10


def _escape(text: str) -> str:
    """Escape line breaks, and backslashes: with some letters, they would be commands."""
    return "\\N".join(text.replace("\\", f"\\{WORD_JOINER}").splitlines())
