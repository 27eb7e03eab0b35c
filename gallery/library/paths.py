"""Converts paths for storage in the database.

File systems allow names that are not UTF-8. Python represents their bytes as lone surrogates, which
databases reject, so each such byte is stored as a character of a private use area.
"""

from pathlib import Path

from gallery.media.source_names import readable_name

_PRIVATE = 0x10F000  # plus the byte
_TO_STORED = {0xDC00 + byte: _PRIVATE + byte for byte in range(0x80, 0x100)}
_FROM_STORED = {stored: surrogate for surrogate, stored in _TO_STORED.items()}


def to_stored(path: str) -> str:
    """Return a path in a form that databases accept."""
    return path.translate(_TO_STORED)


def from_stored(stored: str) -> str:
    """Return the original path: the inverse of `to_stored`."""
    return stored.translate(_FROM_STORED)


def readable(stored: str) -> str:
    """Return a stored path in a readable form."""
    return readable_name(from_stored(stored))


def join(folder: str, relative: str = "") -> Path:
    """Return the real path of a folder, or of a file in it, from stored paths."""
    return Path(from_stored(folder), from_stored(relative))
