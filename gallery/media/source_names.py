"""Names of files as people read them."""

import re

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PAIRS = re.compile(rb"(?:[\xa1-\xf7][\xa1-\xfe]){2,}")


def readable_name(name: str) -> str:
    """A file's name without undecodable bytes, which Python keeps as lone surrogates.

    Names that are not UTF-8 come from old archives and disks: they are GB 2312 where their other
    bytes come in pairs, as in Chinese words, else Windows-1252. Control characters are left out.
    """
    data = name.encode("utf-8", "surrogateescape" if _is_from_bytes(name) else "replace")
    return _UNPRINTABLE.sub("", decode(data))


def decode(data: bytes) -> str:
    """Text that is UTF-8, or in one of the encodings that old names are in: see `readable`."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _decode_old(data)


def _is_from_bytes(name: str) -> bool:
    surrogates = [ord(character) for character in name if 0xD800 <= ord(character) <= 0xDFFF]
    return all(0xDC80 <= one <= 0xDCFF for one in surrogates)


def _decode_old(data: bytes) -> str:
    if _PAIRS.sub(b"", data).isascii():
        try:
            return data.decode("gb2312")
        except UnicodeDecodeError:
            pass
    return data.decode("cp1252", "replace")
