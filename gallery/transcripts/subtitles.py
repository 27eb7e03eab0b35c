"""Reads subtitle files into cues of plain text, in time order and without duplicates.

`subtitle_text` decodes the file and `subtitle_formats` parses it. Markup is removed here, by
regular expressions that take linear time on malicious files.
"""

import html
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from django.utils.translation import gettext as _

from gallery.core.errors import SubtitlesError
from gallery.transcripts.subtitle_formats import MAX_LINES, Cue, parse
from gallery.transcripts.subtitle_text import decode, max_bytes, read_file, too_large_error

__all__ = ["EXTENSIONS", "Cue", "cut", "plain", "read", "read_file", "shift", "webvtt"]

# Extensions of files next to a film. Uploaded files may have any name.
EXTENSIONS = (
    *(".srt", ".vtt", ".ass", ".ssa", ".ttml", ".dfxp", ".smi", ".sami", ".lrc"),
    *(".sub", ".mpl"),
)
MAX_TEXT_LENGTH = 2_000  # characters of one line: longer text is not dialogue
MAX_MERGED_GAP = 0.05  # seconds between two cues of the same text that are merged
MIN_ROLLING_SHARE = 0.25  # of the cues that repeat rows of the previous one, in rolling captions


def read(data: bytes, rate: Fraction | None = None) -> list[Cue]:
    """Return the cues of a subtitle file, in time order.

    `rate` is the film's frame rate, for formats that count frames. Raises SubtitlesError with a
    sentence about what is wrong with the file, and UnknownFrameRate when the rate is needed.
    """
    if not data.strip():
        raise SubtitlesError(_("The file is empty."))
    if len(data) > max_bytes():
        raise too_large_error()
    cues = _clean(parse(decode(data), rate))
    if not cues:
        raise SubtitlesError(
            _(
                "No timed lines were found in this file. Supported formats are SubRip (.srt), "
                "WebVTT (.vtt), SubStation Alpha (.ass, .ssa), TTML (.ttml, .dfxp), SAMI "
                "(.smi), LRC (.lrc), MicroDVD (.sub) and MPL2 (.mpl)."
            )
        )
    if len(cues) > MAX_LINES:
        raise SubtitlesError(
            _("This file has %(n)d lines. The limit is %(most)d.")
            % {"n": len(cues), "most": MAX_LINES}
        )
    return cues


def shift(cues: Sequence[Cue], seconds: float) -> list[Cue]:
    """Return the cues moved by `seconds`, without those that then end before 0."""
    moved = (
        replace(
            cue,
            start=max(0.0, round(cue.start + seconds, 3)),
            end=round(cue.end + seconds, 3),
        )
        for cue in cues
    )
    return [cue for cue in moved if cue.end > 0]


def cut(cues: Iterable[Cue], start: float, end: float) -> list[Cue]:
    """Return what is shown of the cues between two times (seconds), with `start` as time 0."""
    shown = (
        replace(
            cue,
            start=round(max(cue.start, start) - start, 3),
            end=round(min(cue.end, end) - start, 3),
        )
        for cue in cues
    )
    return [cue for cue in shown if cue.start < cue.end]


def webvtt(cues: Iterable[Cue], note: str = "") -> str:
    """Return the cues as a WebVTT file; `note` is a comment in front of them, of one line."""
    blocks = ["WEBVTT\n"]
    if note:
        blocks.append(f"NOTE {note}\n")
    for cue in cues:
        # Escaped text cannot be mistaken for a tag or for the line with the times.
        text = html.escape(cue.text, quote=False)
        end = max(cue.end, cue.start)
        blocks.append(f"{_format_time(cue.start)} --> {_format_time(end)}\n{text}\n")
    return "\n".join(blocks)


def _format_time(seconds: float) -> str:
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{milliseconds / 1000:06.3f}"


# --- markup to plain text -----------------------------------------------------------------------

# The text between \p1 and \p0 is the coordinates of a drawing.
_DRAWING = re.compile(r"\{[^{}]{0,200}\\p[1-9][^{}]{0,200}\}[^{}]*")
_OVERRIDE = re.compile(r"\{[^{}]{0,1000}\}")
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,300}>")
_SPACE = re.compile(r"[^\S\n]+|\\h")
# Zero-width spaces, direction marks, soft hyphens. (Joiners are part of the spelling.)
_INVISIBLE = re.compile(r"[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\xad]")
# When each word of a rolling caption appears: <00:00:01.000>, in LRC <00:01.00>.
_INLINE_TIME = re.compile(r"<\d[\d:.,]{3,20}>")


def plain(text: str) -> str:
    """Return the text of a cue without overrides, tags, drawings and invisible characters."""
    text = text[: MAX_TEXT_LENGTH * 5].replace("\\N", "\n").replace("\\n", "\n")
    text = _OVERRIDE.sub("", _DRAWING.sub("", text))
    text = html.unescape(_TAG.sub("", _INLINE_TIME.sub("", text)))
    text = _INVISIBLE.sub("", _SPACE.sub(" ", text))
    text = "".join(c for c in text if c == "\n" or unicodedata.category(c) not in ("Cc", "Cs"))
    rows = (row.strip() for row in text.split("\n"))
    return "\n".join(row for row in rows if row)[:MAX_TEXT_LENGTH]


def _clean(found: Iterable[Cue]) -> list[Cue]:
    """Return cues with text, in time order. Repetitions without a gap are merged."""
    cues: list[Cue] = []
    last: dict[str, int] = {}
    for cue in _without_repeated_rows(_with_text(found)):
        previous = last.get(cue.text)
        if previous is not None and cue.start <= cues[previous].end + MAX_MERGED_GAP:
            cues[previous] = replace(cues[previous], end=max(cues[previous].end, cue.end))
            continue
        last[cue.text] = len(cues)
        cues.append(cue)
    return cues


def _with_text(found: Iterable[Cue]) -> list[Cue]:
    cues = []
    for raw in sorted(found, key=lambda cue: (cue.start, cue.end)):
        text = plain(raw.text)
        if text and raw.end >= 0:
            start = max(0.0, raw.start)
            cues.append(Cue(start, max(start, raw.end), text))
    return cues


# --- rolling captions ---------------------------------------------------------------------------


def _without_repeated_rows(cues: list[Cue]) -> list[Cue]:
    """Return rolling captions with each row only once; other subtitles unchanged.

    Rolling captions, as YouTube makes them, repeat the previous row above each new one, and in
    between show the old row alone for some 10 ms. A cue then is the new row, shown until the next
    one.
    """
    repeated = [_repeated_rows(before, cue) for before, cue in pairwise(cues)]
    rolled = sum(
        0 < count <= cue.text.count("\n") for count, cue in zip(repeated, cues[1:], strict=True)
    )
    if rolled < max(2, len(cues) * MIN_ROLLING_SHARE):
        return cues
    lines: list[Cue] = []
    for cue, count in zip(cues, [0, *repeated], strict=True):
        rows = cue.text.split("\n")[count:]
        if rows:
            lines.append(replace(cue, text="\n".join(rows)))
        else:
            lines[-1] = replace(lines[-1], end=max(lines[-1].end, cue.end))
    return lines


def _repeated_rows(before: Cue, cue: Cue) -> int:
    """Return how many rows at the top of a cue repeat the bottom of the previous one.

    Cues with a gap between them repeat none.
    """
    if cue.start > before.end + MAX_MERGED_GAP:
        return 0
    old, new = before.text.split("\n"), cue.text.split("\n")
    longest = min(len(old), len(new))
    return next((n for n in range(longest, 0, -1) if old[-n:] == new[:n]), 0)
