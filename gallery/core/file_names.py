"""Names of files that people save: readable, and allowed on every system."""

import re

MAX_LENGTH = 80  # characters, so that a folder's name still fits in front of it on Windows
# Control characters, and those that turn the direction of writing, so that an extension can hide.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def one_line(text: str) -> str:
    """A text on one line, without control characters."""
    return _UNSEEN.sub("", " ".join(text.split()))


def file_name(text: str, most: int = MAX_LENGTH) -> str:
    """A part of a file's name, made of any text; "_" of nothing."""
    name = " ".join(_FORBIDDEN.sub(" ", one_line(text)).split())[:most].strip(" .")
    return f"_{name}" if not name or _DEVICES.match(name) else name
