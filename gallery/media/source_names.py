"""Readable names of uploaded files."""

import re

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DOUBLE_BYTES = re.compile(rb"(?:[\xa1-\xf7][\xa1-\xfe]){2,}")


def readable_name(name: str) -> str:
    """Return a file's name without undecodable bytes, which Python stores as lone surrogates.

    Names that are not UTF-8 come from old archives and disks: they are decoded as GB 2312 where the
    non-ASCII bytes come in pairs, as in Chinese words, else as Windows-1252. Control characters are
    removed.
    """
    data = name.encode("utf-8", "surrogateescape" if _is_from_bytes(name) else "replace")
    return _UNPRINTABLE.sub("", decode(data))


def decode(data: bytes) -> str:
    """Return text that is UTF-8 or in one of the older encodings: see `readable_name`."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _decode_legacy(data)


def _is_from_bytes(name: str) -> bool:
    surrogates = [ord(character) for character in name if 0xD800 <= ord(character) <= 0xDFFF]
    return all(0xDC80 <= code <= 0xDCFF for code in surrogates)


def _decode_legacy(data: bytes) -> str:
    if _DOUBLE_BYTES.sub(b"", data).isascii():
        try:
            return data.decode("gb2312")
        except UnicodeDecodeError:
            pass
    return data.decode("cp1252", "replace")
