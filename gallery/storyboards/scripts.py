"""Scripts: one shot a line, with list markers and lengths as people write them."""

import re
from collections.abc import Collection

import regex
from django.utils.translation import gettext as _

from gallery.core.errors import BoardError
from gallery.storyboards.types import ScriptLine

MAX_ROWS = 200
MAX_LINE_CHARACTERS = 500
MIN_SECONDS, MAX_SECONDS = 0.5, 60.0  # of a row
WORDS_PER_SECOND = 2.5  # read aloud: 150 words a minute
CHINESE_CHARACTERS_PER_SECOND = 4.0  # 240 a minute
MIN_READING_SECONDS = 1.5

_BULLET = re.compile(r"\s*[-*\u2022\u00b7\u2013\u2014]+\s+")
_NUMBER = re.compile(r"\s*#?(\d{1,3})(?:[.):]\s+|[\u3001\uff0e\uff1a]\s*)")
# Punctuation, box-drawing characters and what else divides one part of a script from the next.
_SEPARATOR = regex.compile(r"[\p{P}\p{Z}=+|~\u2500-\u257f\s]+")
_LENGTH = re.compile(
    r"\s*[\[(\uff08\u3010]\s*(\d{1,9}(?:[.,]\d{1,9})?)\s*"
    r"(?:s|sec|secs|second|seconds|\u79d2)\s*[\])\uff09\u3011]\s*$",
    re.IGNORECASE,
)
_CHINESE = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")


def parse_script(text: str) -> list[ScriptLine]:
    """Return the lines of a script, without empty lines, separators, and markers such as `1.`.

    A line may end in its length: `a cat sleeps (3 s)`. Raises BoardError for a script without
    lines, with more than MAX_ROWS, or with a line that is too long.
    """
    given = text.splitlines()
    numbers = {int(found[1]) for found in map(_NUMBER.match, given) if found}
    lines = [line for one in given if (line := parse_line(one, numbers)).text]
    if not lines:
        raise BoardError(_("The script is empty. Write one shot a line."))
    if len(lines) > MAX_ROWS:
        raise BoardError(
            _("The script has %(given)d lines (limit: %(most)d). Split it in two.")
            % {"given": len(lines), "most": MAX_ROWS}
        )
    for number, line in enumerate(lines, start=1):
        if len(line.text) > MAX_LINE_CHARACTERS:
            raise BoardError(too_long_message(number, line.text))
    return lines


def too_long_message(number: int, text: str) -> str:
    """Explain that a line is too long to search for."""
    return _("Line %(number)d is too long: %(given)d characters (limit: %(most)d).") % {
        "number": number,
        "given": len(text),
        "most": MAX_LINE_CHARACTERS,
    }


def parse_line(line: str, numbers: Collection[int] = ()) -> ScriptLine:
    """Return one line without its marker and its length; a separator has no text.

    `numbers` are those at the beginning of all lines, to tell list markers from titles.
    """
    line = line.replace("\0", "")
    if _SEPARATOR.fullmatch(line):
        return ScriptLine("")
    marker = _find_marker(line, numbers)
    text = line[marker.end() :].strip() if marker else line.strip()
    found = _LENGTH.search(text)
    if found is None:
        return ScriptLine(text)
    seconds = float(found[1].replace(",", "."))
    return ScriptLine(text[: found.start()].strip(), clamp_seconds(seconds))


def _find_marker(line: str, numbers: Collection[int]) -> re.Match[str] | None:
    """Return the list marker of a line.

    A number above MAX_ROWS is one only beside its neighbour, as in a part of a longer script.
    """
    if bullet := _BULLET.match(line):
        return bullet
    found = _NUMBER.match(line)
    if found is None:
        return None
    number = int(found[1])
    is_listed = number <= MAX_ROWS or number - 1 in numbers or number + 1 in numbers
    return found if is_listed else None


def clamp_seconds(seconds: float) -> float:
    """Return a length within the limits of a row."""
    return min(MAX_SECONDS, max(MIN_SECONDS, seconds))


def reading_seconds(text: str) -> float:
    """Return how long it takes to read a text aloud, in seconds, to a tenth."""
    chinese = len(_CHINESE.findall(text))
    words = len(_WORD.findall(_CHINESE.sub(" ", text)))
    seconds = words / WORDS_PER_SECOND + chinese / CHINESE_CHARACTERS_PER_SECOND
    return round(min(MAX_SECONDS, max(MIN_READING_SECONDS, seconds)), 1)
