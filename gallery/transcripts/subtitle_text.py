"""Decodes subtitle files: skips embedded fonts, detects the encoding."""

import re
import unicodedata
from typing import IO

from django.conf import settings
from django.utils.translation import gettext as _

from gallery.core.errors import SubtitlesError

# Fonts and pictures in a SubStation Alpha file are much larger than its lines.
MAX_EMBEDDED_BYTES = 200_000_000
MAX_DAMAGED_SHARE = 0.02  # of the characters: beyond, the encoding must be wrong
_MAX_LINE_BYTES = 65_536  # read at once, even if no line ends


def max_bytes() -> int:
    """Return the maximum size of a subtitle file without embedded fonts and pictures."""
    return int(settings.MAX_SUBTITLE_BYTES)


# --- file to bytes ------------------------------------------------------------------------------

# The header lines of sections in a SubStation Alpha file. Lines of an encoded font may begin with a
# bracket, too, so that only known names end a section.
_SECTIONS = re.compile(
    rb"\[(?:(fonts|graphics)|script info|v4\+{0,2} styles\+*|events|aegisub.*)\]", re.IGNORECASE
)
_STRIPPED = b" \t\r\n\xef\xbb\xbf\xff\xfe"  # white space and byte order marks


def read_file(file: IO[bytes]) -> bytes:
    """Read a subtitle file without embedded fonts and pictures, in bounded memory.

    Raises SubtitlesError when the rest exceeds MAX_SUBTITLE_BYTES.
    """
    kept, kept_bytes, skipped_bytes = [], 0, 0
    is_substation = is_skipping = False
    while line := file.readline(_MAX_LINE_BYTES):
        # In UTF-16, each of these letters has a zero byte next to it.
        if b"[" in line and (
            section := _SECTIONS.fullmatch(line.replace(b"\0", b"").strip(_STRIPPED))
        ):
            # Fonts are never the first section. In other formats the header is a line of text.
            is_skipping = is_substation and section[1] is not None
            is_substation = is_substation or section[1] is None
        if is_skipping:
            skipped_bytes += len(line)
        else:
            kept.append(line)
            kept_bytes += len(line)
        if kept_bytes > max_bytes() or skipped_bytes > MAX_EMBEDDED_BYTES:
            raise too_large_error()
    return b"".join(kept)


def too_large_error() -> SubtitlesError:
    """Return the error for a file that exceeds MAX_SUBTITLE_BYTES."""
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
# With "surrogateescape", a byte that is not UTF-8 becomes one of these.
_STRAY = re.compile("[\udc80-\udcff]")
_NOT_ASCII = re.compile("[^\x00-\x7f]")
MIN_LETTERS_PER_STRAY = 10  # letters outside ASCII that make a file UTF-8 in spite of a stray byte
# Supersets of encodings: almost always meant when the subset is detected.
_SUPERSETS = {
    "gb2312": "gb18030", "gbk": "gb18030", "big5": "big5hkscs", "euckr": "cp949",
    "shiftjis": "cp932", "iso88591": "cp1252", "ascii": "cp1252", "cp950": "big5hkscs",
}  # fmt: skip
# Times, numbers and tags are the same in all encodings and are not used for detection.
_NOT_WORDS = re.compile(rb"^[^\n]*-->[^\n]*$|^\s*\d+\s*$|<[^<>\n]{0,300}>", re.MULTILINE)


def decode(data: bytes) -> str:
    """Return the text of a file in any encoding, with uniform line ends and composed letters.

    Raises SubtitlesError when it is not text.
    """
    _check_file_type(data)
    text = _decode_bytes(data)
    _check_text(text)
    return _normalize(text)


def _decode_bytes(data: bytes) -> str:
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return data.decode(encoding, errors="replace")
    zeros = data[:4000].count(0)
    if zeros > len(data[:4000]) / 5:
        # UTF-16 without a byte order mark: the zero bytes of Latin letters are all on one side.
        is_big_endian = data[0:4000:2].count(0) > zeros / 2
        return data.decode("utf-16-be" if is_big_endian else "utf-16-le", errors="replace")
    text = data.decode(errors="surrogateescape")
    strays = len(_STRAY.findall(text))
    letters = len(_NOT_ASCII.findall(text)) - strays
    if strays * MIN_LETTERS_PER_STRAY <= letters:
        return _STRAY.sub(_decode_stray, text)
    return data.decode(_detect_encoding(data), errors="replace")


def _decode_stray(match: re.Match[str]) -> str:
    """Return the character of a byte that is not UTF-8, such as one of a pasted credit."""
    return bytes([ord(match[0]) & 0xFF]).decode("cp1252", errors="replace")


def _detect_encoding(data: bytes) -> str:
    import chardet

    found = chardet.detect(_NOT_WORDS.sub(b"", data))["encoding"] or "cp1252"
    return _SUPERSETS.get(re.sub(r"[^a-z0-9]", "", found.lower()), found)


def _check_text(text: str) -> None:
    control = sum(c < " " and c not in "\t\n\r\f\x1a" for c in text)
    if control > len(text) * MAX_DAMAGED_SHARE:
        raise SubtitlesError(_not_text_message())
    if text.count("\ufffd") > len(text) * MAX_DAMAGED_SHARE:
        raise SubtitlesError(
            _("The text encoding of this file is not recognised. Save it as UTF-8 and try again.")
        )


def _normalize(text: str) -> str:
    """Unify line ends, compose letters, and collapse empty lines."""
    text = text.replace("\x00", "").lstrip("\ufeff")
    text = re.sub(r"\r{1,4}\n", "\n", text).replace("\r", "\n")
    return re.sub(r"\n(?:[ \t]*\n){2,}", "\n\n", unicodedata.normalize("NFC", text))


def _not_text_message() -> str:
    return _(
        "This is not a text file. Image subtitles (VobSub: .sub and .idx, PGS: .sup) are not "
        "supported."
    )


def _check_file_type(data: bytes) -> None:
    if data.startswith((b"PK\x03\x04", b"Rar!", b"\x1f\x8b", b"7z\xbc\xaf")):
        raise SubtitlesError(
            _("This is an archive. Unpack it and choose the subtitle files inside.")
        )
    if data.startswith((b"\x00\x00\x01\xba", b"PG")) or b"VobSub index file" in data[:200]:
        raise SubtitlesError(_not_text_message())
