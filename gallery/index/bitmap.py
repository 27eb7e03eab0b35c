"""The seconds of a film that have a frame, as a bitmap in Redis."""

from collections.abc import Collection

import numpy as np


def pack_seconds(seconds: Collection[int]) -> bytes:
    """Return a bitmap of seconds as Redis counts its bits: the first is the highest of a byte."""
    bits = np.zeros(max(seconds, default=-1) + 1, np.uint8)
    bits[list(seconds)] = 1
    return np.packbits(bits).tobytes()


def unpack_seconds(bitmap: bytes) -> set[int]:
    """Return the seconds in a bitmap."""
    return set(np.flatnonzero(np.unpackbits(np.frombuffer(bitmap, np.uint8))).tolist())
