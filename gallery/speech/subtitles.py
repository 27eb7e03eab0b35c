"""The bytes of a subtitle file to lines: SubRip, WebVTT and SubStation Alpha, in any encoding.

pysubs2 reads the formats. What it takes for text though it is none (comments, identifiers and
settings of WebVTT, damaged lines of SubStation Alpha) is taken out before; marks within the text
are taken out afterwards, by expressions that stay quick on files made to harm.
"""

import html
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pysubs2
from django.conf import settings
from django.utils.translation import gettext as _

from gallery.errors import SubtitlesError

EXTENSIONS = (".srt", ".vtt", ".ass", ".ssa")
MOST_LINES = 30_000  # twelve hours with a line every second and a half
LONGEST_TEXT = 2_000  # characters of one line; what is longer is no dialogue
JOIN_WITHIN = 0.05  # seconds between two lines of the same text that are one
DAMAGED_PART = 0.02  # of the characters that may be unreadable before the encoding is wrong


@dataclass(frozen=True, slots=True)
class Cue:
    """A line as it is shown, from `start` up to `end` (seconds): plain text, maybe of some rows."""

    start: float
    end: float
    text: str


def most_bytes() -> int:
    """How large a subtitle file may be."""
    return int(settings.MAX_SUBTITLE_BYTES)


def read(data: bytes, name: str = "") -> list[Cue]:
    """The lines of a subtitle file, in time order; `name` helps where the content leaves it open.

    Raises SubtitlesError with a sentence that says what is wrong with the file.
    """
    if not data.strip():
        raise SubtitlesError(_("The file is empty."))
    if len(data) > most_bytes():
        raise SubtitlesError(
            _(
                "The file is larger than %(most)d kB. Subtitles are text and much smaller: is it "
                "the right file?"
            )
            % {"most": most_bytes() // 1000}
        )
    _refuse_other_kinds(data)
    text = _normal(decoded(data))
    cues = _cleaned(_events(text, name), is_vtt=_is_vtt(text, name))
    if not cues:
        raise SubtitlesError(
            _(
                "There are no lines with times in this file. Subtitles have to be SubRip (.srt), "
                "WebVTT (.vtt) or SubStation Alpha (.ass, .ssa)."
            )
        )
    if len(cues) > MOST_LINES:
        raise SubtitlesError(
            _("There are %(n)d lines in this file; at most %(most)d are accepted.")
            % {"n": len(cues), "most": MOST_LINES}
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


# --- bytes to text ------------------------------------------------------------------------------

_BOMS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
# Encodings that hold others: what is almost always meant when the smaller one is guessed.
_WIDER = {
    "gb2312": "gb18030", "gbk": "gb18030", "big5": "big5hkscs", "euckr": "cp949",
    "shiftjis": "cp932", "iso88591": "cp1252", "ascii": "cp1252", "cp950": "big5hkscs",
}  # fmt: skip
_TIMES = re.compile(rb"^[^\n]*-->[^\n]*$|^\s*\d+\s*$", re.MULTILINE)


def decoded(data: bytes) -> str:
    """The text of a file in whatever encoding. Raises SubtitlesError when it is none."""
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return _checked(data.decode(encoding, errors="replace"))
    zeros = data[:4000].count(0)
    if zeros > len(data[:4000]) / 5:
        # UTF-16 without its mark: the zero bytes of Latin letters and digits are all on one side.
        big = data[0:4000:2].count(0) > zeros / 2
        return _checked(data.decode("utf-16-be" if big else "utf-16-le", errors="replace"))
    try:
        return _checked(data.decode())
    except UnicodeDecodeError:
        return _checked(data.decode(_guessed_encoding(data), errors="replace"))


def _guessed_encoding(data: bytes) -> str:
    import chardet

    # Times and numbers are the same in all encodings: only the words tell.
    found = chardet.detect(_TIMES.sub(b"", data))["encoding"] or "cp1252"
    return _WIDER.get(re.sub(r"[^a-z0-9]", "", found.lower()), found)


def _checked(text: str) -> str:
    control = sum(c < " " and c not in "\t\n\r\f\x1a" for c in text)
    if control > len(text) * DAMAGED_PART:
        raise SubtitlesError(_not_text())
    if text.count("\ufffd") > len(text) * DAMAGED_PART:
        raise SubtitlesError(
            _("The encoding of this file is not recognised. Please save it as UTF-8, then retry.")
        )
    return text


def _not_text() -> str:
    return _(
        "This is not a text file. Subtitles that are pictures (.sub and .idx, .sup) cannot be "
        "read; subtitles that are text (.srt, .vtt, .ass) can."
    )


def _refuse_other_kinds(data: bytes) -> None:
    if data.startswith((b"PK\x03\x04", b"Rar!", b"\x1f\x8b", b"7z\xbc\xaf")):
        raise SubtitlesError(
            _("This is an archive. Please unpack it, and give the subtitle files inside.")
        )
    if data.startswith((b"\x00\x00\x01\xba", b"PG")) or b"VobSub index file" in data[:200]:
        raise SubtitlesError(_not_text())


# --- text to events -----------------------------------------------------------------------------

_DIALOGUE = re.compile(
    r"^Dialogue:[^,\n]*,\s*-?\d+:\d+:\d+[.,:]\d+\s*,\s*-?\d+:\d+:\d+[.,:]\d+\s*,", re.IGNORECASE
)
_INLINE_TIME = re.compile(r"<\d[\d:.]{3,20}>")


def _normal(text: str) -> str:
    """One kind of line end, composed letters, no more than one empty line in a row."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "").lstrip("\ufeff")
    return re.sub(r"\n(?:[ \t]*\n){2,}", "\n\n", unicodedata.normalize("NFC", text))


def _is_vtt(text: str, name: str) -> bool:
    return text.lstrip().startswith("WEBVTT") or name.lower().endswith(".vtt")


def _events(text: str, name: str) -> list[pysubs2.SSAEvent]:
    if re.search(r"^\s*\[Script Info\]|^\[V4\+? Styles\]|^\[Events\]", text, re.I | re.M):
        kept = [line for line in text.split("\n") if _DIALOGUE.match(line)]
        kind = "ssa" if re.search(r"^Dialogue:\s*Marked=", text, re.M | re.I) else "ass"
        # What pysubs2 sets apart as styles, fonts and pictures is not needed.
        text = "\n".join(["[Events]", *(f"Dialogue:{line[9:]}" for line in kept)])
        return pysubs2.SSAFile.from_string(text, format_=kind).events
    kind = "srt"
    if _is_vtt(text, name):
        kind, text = "vtt", _cues_only(text)
    # Marks are taken out below: pysubs2's expressions are slow on text that is made to harm.
    return pysubs2.SSAFile.from_string(text, format_=kind, keep_html_tags=True).events


def _cues_only(text: str) -> str:
    """A WebVTT file without comments, styles, regions, identifiers, and times within the text."""
    kept = []
    for block in text.split("\n\n"):
        rows = block.split("\n")
        first = next((n for n, row in enumerate(rows) if "-->" in row), None)
        if first is not None and not rows[0].startswith("NOTE"):
            said = (_INLINE_TIME.sub("", row) for row in rows[first + 1 :])
            kept.append("\n".join([rows[first], *said]))
    return "\n\n".join(kept)


# --- events to lines ----------------------------------------------------------------------------

# Between \p1 and \p0 stand the coordinates of a drawing.
_DRAWING = re.compile(r"\{[^{}]{0,200}\\p[1-9][^{}]{0,200}\}[^{}]*")
_OVERRIDE = re.compile(r"\{[^{}]{0,1000}\}")
_MARK = re.compile(r"</?[A-Za-z][^<>]{0,300}>")
_SPACE = re.compile(r"[^\S\n]+|\\h")
# Characters that nobody sees: zero width, direction marks, soft hyphens. (Joiners are spelling.)
_INVISIBLE = re.compile(r"[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\xad]")


def plain(text: str, *, is_vtt: bool = False) -> str:
    """The text of a line without overrides, marks, drawings and what nobody sees."""
    text = text[: LONGEST_TEXT * 5].replace("\\N", "\n").replace("\\n", "\n")
    text = _OVERRIDE.sub("", _DRAWING.sub("", text))
    text = _MARK.sub("", text)
    if is_vtt:
        text = html.unescape(text)
    text = _INVISIBLE.sub("", _SPACE.sub(" ", text))
    text = "".join(c for c in text if c == "\n" or unicodedata.category(c) not in ("Cc", "Cs"))
    rows = (row.strip() for row in text.split("\n"))
    return "\n".join(row for row in rows if row)[:LONGEST_TEXT]


def _cleaned(events: Iterable[pysubs2.SSAEvent], *, is_vtt: bool) -> list[Cue]:
    """Lines with text, in time order; the same text shown on without a gap is one line."""
    cues: list[Cue] = []
    last: dict[str, int] = {}
    for event in sorted(events, key=lambda e: (e.start, e.end)):
        text = plain(event.text, is_vtt=is_vtt)
        start, end = max(0.0, event.start / 1000), event.end / 1000
        if not text or end < 0:
            continue
        cue = Cue(start, max(start, end), text)
        before = last.get(text)
        if before is not None and cue.start <= cues[before].end + JOIN_WITHIN:
            cues[before] = replace(cues[before], end=max(cues[before].end, cue.end))
            continue
        last[text] = len(cues)
        cues.append(cue)
    return cues
