"""Parses the text of a subtitle file. The format is detected from the content, not the name.

pysubs2 reads SubStation Alpha, MicroDVD and MPL2. SubRip and WebVTT files deviate from both
specifications in more ways than libraries accept, and no library gives SAMI and LRC lines the end
times that players do; these are parsed here.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import pysubs2
from django.utils.translation import gettext as _

from gallery.core.errors import SubtitlesError
from gallery.transcripts import ttml

MAX_LINES = 30_000  # twelve hours with a line every second and a half
LAST_LINE_SECONDS = 4.0  # duration of the last line in a format without end times


@dataclass(frozen=True, slots=True)
class Cue:
    """A line as shown from `start` to `end` (seconds): plain text of one or more rows."""

    start: float
    end: float
    text: str


class UnknownFrameRate(SubtitlesError):  # noqa: N818 - named like the other errors
    """Times are frame numbers, and neither the file nor the film gives the frame rate."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "These subtitles count frames, and the film's frame rate is not known yet. Add "
                "them again after the import."
            )
        )


def parse(text: str, rate: Fraction | None = None) -> list[Cue]:
    """Return the cues of a subtitle file in file order, with their markup.

    `text` has uniform line ends. `rate`, in frames per second, applies where times are frame
    numbers. Raises UnknownFrameRate, and SubtitlesError for a malicious file.
    """
    for marks, read in _FORMATS:
        if marks.search(text):
            return read(text)
    return _microdvd(text, rate) if _MICRODVD.search(text) else []


# --- SubRip and WebVTT --------------------------------------------------------------------------

# Hours are optional and of any length; the fraction is optional and follows a comma, a point or a
# colon; spaces are allowed where machine translation inserts them.
_CLOCK = r"(-?)(?:(\d{1,6}) ?: ?)?(\d{1,3}) ?: ?(\d{1,2})(?: ?[.,:] ?(\d{1,9}))?"
_TIMING = re.compile(rf"[ \t]*{_CLOCK}[ \t]*--? ?>[ \t]*{_CLOCK}(?!\d)")
_COMMENT = re.compile(r"NOTE(?:[ \t]|$)")


def _timed_blocks(text: str) -> list[Cue]:
    """Parse SubRip or WebVTT: a cue is the text between two lines with times."""
    rows = text.split("\n")
    is_vtt = text.lstrip().startswith("WEBVTT")
    if is_vtt:
        rows = list(_without_comments(rows))
    timings = [(n, match) for n, row in enumerate(rows) if (match := _TIMING.match(row))]
    ends = [n for n, _match in timings[1:]] + [len(rows)]
    number = None if is_vtt or not timings else _number_above(rows[: timings[0][0]])
    cues = []
    for (begin, match), end in zip(timings, ends, strict=True):
        said = rows[begin + 1 : end]
        if is_vtt and "" in said:
            # An empty row ends the cue. The identifier of the next one may follow.
            said = said[: said.index("")]
        elif number is not None and end < len(rows):
            number += 1
            said = _without_number(said, number)
        times = match.groups()
        cues.append(Cue(_seconds(*times[:5]), _seconds(*times[5:]), "\n".join(said)))
    return cues


def _number_above(rows: list[str]) -> int | None:
    """Return the number of a SubRip file's first cue; None if its cues are not numbered."""
    said = "".join(rows[-2:]).strip()
    return int(said) if re.fullmatch(r"[0-9]{1,9}", said) else None


def _without_comments(rows: list[str]) -> Iterator[str]:
    is_comment, is_first = False, True
    for row in rows:
        is_comment = bool(_COMMENT.match(row)) if is_first else is_comment
        if not is_comment:
            yield row
        is_first = not row.strip()


def _without_number(rows: list[str], expected: int) -> list[str]:
    """Return the rows of a cue without the number of the next cue, the last row that has text.

    A number that is not directly above the next times may be text: it is removed only if expected.
    """
    last = max((n for n, row in enumerate(rows) if row.strip()), default=0)
    number = rows[last].strip() if rows else ""
    is_number = number.isdecimal() and (last == len(rows) - 1 or number == str(expected))
    return rows[:last] if is_number else rows


def _seconds(
    sign: str, hours: str | None, minutes: str, seconds: str, fraction: str | None
) -> float:
    whole = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    exact = round(whole + float(f"0.{fraction or 0}"), 3)
    return -exact if sign else exact


# --- SubStation Alpha ---------------------------------------------------------------------------

_DIALOGUE = re.compile(
    r"^Dialogue:[^,\n]*,\s*-?\d+:\d+:\d+[.,:]\d+\s*,\s*-?\d+:\d+:\d+[.,:]\d+\s*,", re.IGNORECASE
)


def _substation(text: str) -> list[Cue]:
    """Parse SubStation Alpha.

    Only complete events go to pysubs2, without styles, fonts and pictures.
    """
    kept = [line for line in text.split("\n") if _DIALOGUE.match(line)]
    kind = "ssa" if re.search(r"^Dialogue:\s*Marked=", text, re.M | re.I) else "ass"
    return _by_pysubs2("\n".join(["[Events]", *(f"Dialogue:{line[9:]}" for line in kept)]), kind)


def _by_pysubs2(text: str, kind: str, fps: float | None = None) -> list[Cue]:
    events = pysubs2.SSAFile.from_string(text, format_=kind, fps=fps).events
    return [Cue(event.start / 1000, event.end / 1000, event.text) for event in events]


# --- MicroDVD and MPL2 --------------------------------------------------------------------------

_MICRODVD = re.compile(r"^ *\{ *\d{1,9} *\} *\{ *\d{1,9} *\}", re.MULTILINE)
_RATE_OF_FILE = re.compile(r"\A\s*\{[01]\}\{[01]\} *(\d{1,3}(?:[.,]\d{1,9})?) *$", re.MULTILINE)
_MPL2 = re.compile(r"^ *\[\d{1,9}\] *\[\d{1,9}\]", re.MULTILINE)


def _microdvd(text: str, rate: Fraction | None) -> list[Cue]:
    """Parse MicroDVD. A frame rate in the first line has priority over the film's."""
    own_rate = _RATE_OF_FILE.search(text)
    fps = float(own_rate[1].replace(",", ".")) if own_rate else float(rate or 0)
    if own_rate:
        text = text[own_rate.end() :]
    if not fps:
        raise UnknownFrameRate
    return _by_pysubs2(text, "microdvd", fps)


def _mpl2(text: str) -> list[Cue]:
    return _by_pysubs2(text, "mpl2")


# --- formats without end times ------------------------------------------------------------------


def _add_ends(begun: list[tuple[float, str]]) -> list[Cue]:
    """Return lines that are shown until the next one, which may be empty, begins."""
    begun.sort(key=lambda line: line[0])
    times = [time for time, _text in begun]
    cues = []
    for time, text in begun:
        after = bisect_right(times, time)
        end = times[after] if after < len(times) else time + LAST_LINE_SECONDS
        cues.append(Cue(time, end, text))
    return cues


_LRC_TIME = re.compile(r"\[(\d{1,5}):(\d{1,2})(?:[.:](\d{1,3}))?\]")
_LRC_TIMES = re.compile(rf"\s*(?:{_LRC_TIME.pattern}\s*)+")
_LRC = re.compile(rf"^[ \t]*{_LRC_TIME.pattern}", re.MULTILINE)
_LRC_OFFSET = re.compile(r"^\s*\[offset: *([+-]?\d{1,9}) *\]", re.MULTILINE | re.IGNORECASE)


def _lrc(text: str) -> list[Cue]:
    """Parse LRC lyrics: one or more [minutes:seconds.hundredths] before each line."""
    # A positive offset (milliseconds) shows all lines earlier.
    offset = _LRC_OFFSET.search(text)
    earlier = int(offset[1]) / 1000 if offset else 0.0
    begun = []
    for row in text.split("\n"):
        if stamps := _LRC_TIMES.match(row):
            for minutes, seconds, fraction in _LRC_TIME.findall(stamps[0]):
                time = _seconds("", None, minutes, seconds, fraction) - earlier
                begun.append((round(time, 3), row[stamps.end() :]))
    return _add_ends(begun)


_SAMI_TAG = re.compile(r"<(sync|p|br)\b([^<>]{0,300})>", re.IGNORECASE)
_SAMI_START = re.compile(r"start\s*=\s*[\"']?\s*(\d{1,12})", re.IGNORECASE)
_SAMI_CLASS = re.compile(r"class\s*=\s*[\"']?\s*([\w-]{1,60})", re.IGNORECASE)


def _sami(text: str) -> list[Cue]:
    """Parse SAMI. A file may have several languages, each in its own class."""
    by_class: dict[str, list[tuple[float, str]]] = {}
    time, kind, said = None, "", ""
    pieces = _SAMI_TAG.split(text)
    for tag, attributes, after in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        if tag.lower() == "br":
            said += "\n"
        else:
            if time is not None:
                by_class.setdefault(kind, []).append((time, said))
            if tag.lower() == "sync":
                start = _SAMI_START.search(attributes)
                time = int(start[1]) / 1000 if start else None
            found = _SAMI_CLASS.search(attributes)
            kind, said = found[1].casefold() if found else "", ""
        said += after.replace("\n", " ")
    if time is not None:
        by_class.setdefault(kind, []).append((time, said))
    if len(by_class) > 1:
        by_class.pop("", None)  # text between a time and its paragraphs
    return [cue for begun in by_class.values() for cue in _add_ends(begun)]


# --- TTML ---------------------------------------------------------------------------------------


def _ttml(text: str) -> list[Cue]:
    return [Cue(*paragraph) for paragraph in ttml.paragraphs(text)]


_FORMATS: tuple[tuple[re.Pattern[str], Callable[[str], list[Cue]]], ...] = (
    (
        re.compile(r"^[ \t]*\[(?:Script Info|V4\+? Styles|Events)\][ \t]*$", re.I | re.M),
        _substation,
    ),
    (re.compile(r"\A.{0,1000}<SAMI\b", re.IGNORECASE | re.DOTALL), _sami),
    (re.compile(r"\A\s*<(?:!--|\?xml\b|(?:\w{1,30}:)?tt\b)"), _ttml),
    (re.compile(rf"^{_TIMING.pattern}", re.MULTILINE), _timed_blocks),
    (_MPL2, _mpl2),
    (_LRC, _lrc),
)
