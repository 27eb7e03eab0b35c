"""The bytes of a subtitle file to its text: fonts left out, the encoding recognised."""

import re
import unicodedata
from typing import IO

from django.conf import settings
from django.utils.translation import gettext as _

from gallery.core.errors import SubtitlesError

# Fonts and pictures embedded in a SubStation Alpha file are much larger than its lines.
MAX_EMBEDDED_BYTES = 200_000_000
MAX_DAMAGED_PART = 0.02  # of the characters that may be unreadable before the encoding is wrong
_LINE_BYTES = 65_536  # read at once, whether or not a line ends


def max_bytes() -> int:
    """How large a subtitle file may be, without embedded fonts and pictures."""
    return int(settings.MAX_SUBTITLE_BYTES)


# --- file to bytes ------------------------------------------------------------------------------

# Each section of a SubStation Alpha file begins with a line of its own. A line of an encoded font
# may begin with a bracket, too, so only known names end a section.
_SECTIONS = re.compile(
    rb"\[(?:(fonts|graphics)|script info|v4\+{0,2} styles\+*|events|aegisub.*)\]", re.IGNORECASE
)
_AROUND = b" \t\r\n\xef\xbb\xbf\xff\xfe"  # white space, and marks of the encoding


def read_file(file: IO[bytes]) -> bytes:
    """The content of a subtitle file without embedded fonts and pictures, in bounded memory.

    Raises SubtitlesError when the rest is larger than MAX_SUBTITLE_BYTES.
    """
    kept, kept_bytes, skipped_bytes = [], 0, 0
    is_substation = is_skipping = False
    while line := file.readline(_LINE_BYTES):
        # UTF-16 has a zero beside each of these letters.
        if b"[" in line and (
            section := _SECTIONS.fullmatch(line.replace(b"\0", b"").strip(_AROUND))
        ):
            # The first section is never fonts: there, the words are a line of other subtitles.
            is_skipping = is_substation and section[1] is not None
            is_substation = is_substation or section[1] is None
        if is_skipping:
            skipped_bytes += len(line)
        else:
            kept.append(line)
            kept_bytes += len(line)
        if kept_bytes > max_bytes() or skipped_bytes > MAX_EMBEDDED_BYTES:
            raise too_large()
    return b"".join(kept)


def too_large() -> SubtitlesError:
    """The error for a file that is larger than MAX_SUBTITLE_BYTES."""
    return SubtitlesError(
        _(
            "This file is larger than %(most)d kB, which is too large for subtitles. Is it the "
            "right file?"
        )
        % {"most": max_bytes() // 1000}
    )


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
# Times, numbers and tags are the same in all encodings: only the words tell.
_NOT_WORDS = re.compile(rb"^[^\n]*-->[^\n]*$|^\s*\d+\s*$|<[^<>\n]{0,300}>", re.MULTILINE)


def decoded(data: bytes) -> str:
    """The text of a file in whatever encoding, with line ends of one kind and composed letters.

    Raises SubtitlesError when it is not text.
    """
    _refuse_other_kinds(data)
    return _normalized(_checked(_decoded(data)))


def _decoded(data: bytes) -> str:
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return data.decode(encoding, errors="replace")
    zeros = data[:4000].count(0)
    if zeros > len(data[:4000]) / 5:
        # UTF-16 without its mark: the zero bytes of Latin letters and digits are all on one side.
        big = data[0:4000:2].count(0) > zeros / 2
        return data.decode("utf-16-be" if big else "utf-16-le", errors="replace")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode(_guessed_encoding(data), errors="replace")


def _guessed_encoding(data: bytes) -> str:
    import chardet

    found = chardet.detect(_NOT_WORDS.sub(b"", data))["encoding"] or "cp1252"
    return _WIDER.get(re.sub(r"[^a-z0-9]", "", found.lower()), found)


def _checked(text: str) -> str:
    control = sum(c < " " and c not in "\t\n\r\f\x1a" for c in text)
    if control > len(text) * MAX_DAMAGED_PART:
        raise SubtitlesError(_pictures_or_binary())
    if text.count("\ufffd") > len(text) * MAX_DAMAGED_PART:
        raise SubtitlesError(
            _("The text encoding of this file is not recognised. Save it as UTF-8 and try again.")
        )
    return text


def _normalized(text: str) -> str:
    """One kind of line end, composed letters, no more than one empty line in a row."""
    text = text.replace("\x00", "").lstrip("\ufeff")
    text = re.sub(r"\r{1,4}\n", "\n", text).replace("\r", "\n")
    return re.sub(r"\n(?:[ \t]*\n){2,}", "\n\n", unicodedata.normalize("NFC", text))


def _pictures_or_binary() -> str:
    return _(
        "This is not a text file. Image subtitles (VobSub: .sub and .idx, PGS: .sup) are not "
        "supported."
    )


def _refuse_other_kinds(data: bytes) -> None:
    if data.startswith((b"PK\x03\x04", b"Rar!", b"\x1f\x8b", b"7z\xbc\xaf")):
        raise SubtitlesError(
            _("This is an archive. Unpack it and choose the subtitle files inside.")
        )
    if data.startswith((b"\x00\x00\x01\xba", b"PG")) or b"VobSub index file" in data[:200]:
        raise SubtitlesError(_pictures_or_binary())
