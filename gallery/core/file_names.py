"""Readable file names for downloads that every operating system accepts."""

import re

MAX_NAME_LENGTH = 80  # characters: leaves room for a folder within Windows' path limit
# Control characters, and direction overrides, which can disguise an extension.
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
_RESERVED_NAMES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def one_line(text: str) -> str:
    """Return a text on one line, without control characters."""
    return _INVISIBLE.sub("", " ".join(text.split()))


def file_name(text: str, max_length: int = MAX_NAME_LENGTH) -> str:
    """Return a text as part of a file name; "_" for an empty text."""
    name = " ".join(_FORBIDDEN.sub(" ", one_line(text)).split())[:max_length].strip(" .")
    return f"_{name}" if not name or _RESERVED_NAMES.match(name) else name
