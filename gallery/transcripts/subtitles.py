"""The bytes of a subtitle file to lines of plain text, in time order, each once.

`subtitle_text` reads the encoding and `subtitle_formats` the format. Markup is removed here, by
expressions that stay quick on files made to harm.
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
from gallery.transcripts.subtitle_text import decoded, max_bytes, read_file, too_large

__all__ = ["EXTENSIONS", "Cue", "plain", "read", "read_file", "shifted", "webvtt"]

# What is looked for beside a film. A file that is given may have any name.
EXTENSIONS = (
    *(".srt", ".vtt", ".ass", ".ssa", ".ttml", ".dfxp", ".smi", ".sami", ".lrc"),
    *(".sub", ".mpl"),
)
MAX_TEXT = 2_000  # characters of one line; what is longer is no dialogue
JOIN_WITHIN = 0.05  # seconds between two lines of the same text that are one
MIN_ROLLING_PART = 0.25  # of the lines that repeat rows of the line before, in rolling captions


def read(data: bytes, rate: Fraction | None = None) -> list[Cue]:
    """The lines of a subtitle file, in time order.

    `rate` is the film's frame rate, for formats that count frames. Raises SubtitlesError with a
    sentence that says what is wrong with the file; UnknownFrameRate when the rate is needed.
    """
    if not data.strip():
        raise SubtitlesError(_("The file is empty."))
    if len(data) > max_bytes():
        raise too_large()
    cues = _cleaned(parse(decoded(data), rate))
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


def shifted(cues: Sequence[Cue], seconds: float) -> list[Cue]:
    """Lines so much later (or, below 0, earlier); what ends before the beginning goes."""
    moved = (
        replace(
            cue,
            start=max(0.0, round(cue.start + seconds, 3)),
            end=round(cue.end + seconds, 3),
        )
        for cue in cues
    )
    return [cue for cue in moved if cue.end > 0]


def webvtt(cues: Iterable[Cue]) -> str:
    """The lines as a WebVTT file, for browsers and other players."""
    blocks = ["WEBVTT\n"]
    for cue in cues:
        # Escaped, no text can be taken for a mark or for the line with the times.
        text = html.escape(cue.text, quote=False)
        blocks.append(f"{_clock(cue.start)} --> {_clock(max(cue.end, cue.start))}\n{text}\n")
    return "\n".join(blocks)


def _clock(seconds: float) -> str:
    thousandths = round(seconds * 1000)
    minutes, thousandths = divmod(thousandths, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{thousandths / 1000:06.3f}"


# --- markup to plain text -----------------------------------------------------------------------

# Between \p1 and \p0 stand the coordinates of a drawing.
_DRAWING = re.compile(r"\{[^{}]{0,200}\\p[1-9][^{}]{0,200}\}[^{}]*")
_OVERRIDE = re.compile(r"\{[^{}]{0,1000}\}")
_MARK = re.compile(r"</?[A-Za-z][^<>]{0,300}>")
_SPACE = re.compile(r"[^\S\n]+|\\h")
# Characters that nobody sees: zero width, direction marks, soft hyphens. (Joiners are spelling.)
_INVISIBLE = re.compile(r"[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\xad]")
# Within rolling captions, when each word appears: <00:00:01.000>, and in LRC <00:01.00>.
_INLINE_TIME = re.compile(r"<\d[\d:.,]{3,20}>")


def plain(text: str) -> str:
    """The text of a line without overrides, tags, drawings and invisible characters."""
    text = text[: MAX_TEXT * 5].replace("\\N", "\n").replace("\\n", "\n")
    text = _OVERRIDE.sub("", _DRAWING.sub("", text))
    text = html.unescape(_MARK.sub("", _INLINE_TIME.sub("", text)))
    text = _INVISIBLE.sub("", _SPACE.sub(" ", text))
    text = "".join(c for c in text if c == "\n" or unicodedata.category(c) not in ("Cc", "Cs"))
    rows = (row.strip() for row in text.split("\n"))
    return "\n".join(row for row in rows if row)[:MAX_TEXT]


def _cleaned(found: Iterable[Cue]) -> list[Cue]:
    """Lines with text, in time order; the same text shown on without a gap is one line."""
    cues: list[Cue] = []
    last: dict[str, int] = {}
    for cue in _without_repeated_rows(_with_text(found)):
        before = last.get(cue.text)
        if before is not None and cue.start <= cues[before].end + JOIN_WITHIN:
            cues[before] = replace(cues[before], end=max(cues[before].end, cue.end))
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
    """Rolling captions with each row once; other subtitles as they are.

    Rolling captions, such as YouTube makes, show the row before above each new row, and in between,
    for some 10 ms, the old row alone. A line then is what is new, until the next new row.
    """
    repeated = [_repeated_rows(before, cue) for before, cue in pairwise(cues)]
    rolled = sum(
        0 < count <= cue.text.count("\n") for count, cue in zip(repeated, cues[1:], strict=True)
    )
    if rolled < max(2, len(cues) * MIN_ROLLING_PART):
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
    """How many rows at the top of a line were at the bottom of the line before, without a gap."""
    if cue.start > before.end + JOIN_WITHIN:
        return 0
    old, new = before.text.split("\n"), cue.text.split("\n")
    most = min(len(old), len(new))
    return next((n for n in range(most, 0, -1) if old[-n:] == new[:n]), 0)
