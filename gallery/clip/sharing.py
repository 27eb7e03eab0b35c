"""Frames that are the same picture share a vector: held shots, titles, slides, a film again.

Pixels are compared, as the model sees them, never vectors. Within a span a frame is the same
picture as an earlier one when they differ by no more than what a codec adds to a still: MAX_MEAN
levels of 255 on average, and in no block of the picture by more than MAX_BLOCK. A frame is always
compared with the one that was embedded, so that slow changes do not add up. Frames of an earlier
import of the film are known by a digest: there they must be the same to the bit.
"""

import hashlib
from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gallery.clip.preprocessing import to_pixels
from gallery.media.types import Picture

MAX_MEAN = 0.6  # levels of 255
MAX_BLOCK = 2.5  # levels, on average over a block
BLOCKS = 14  # along each side of a square: 16 x 16 pixels each for a side of 224
REMEMBERED = 16  # embedded pictures that a frame is compared with


def digest(squares: Sequence[Picture]) -> int:
    """A 64-bit digest of a picture as the model sees it; never 0."""
    hashed = hashlib.blake2b(digest_size=8)
    for square in squares:
        hashed.update(square.tobytes())
    return int.from_bytes(hashed.digest(), "big") or 1


class SharedPictures:
    """Finds, for each frame of a span in turn, an earlier one that is the same picture."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, NDArray[np.int16], NDArray[np.float32]]] = deque(
            maxlen=REMEMBERED
        )

    def find(self, number: int, squares: Sequence[Picture]) -> int | None:
        """The number of an earlier frame that is the same picture as frame `number`, or None.

        None: the frame is to be embedded, and later ones are compared with it.
        """
        pixels = to_pixels(squares).astype(np.int16)
        means = _block_means(pixels)
        for earlier, other, other_means in reversed(self._seen):
            if (
                other.shape == pixels.shape
                and float(np.abs(other_means - means).max()) <= MAX_BLOCK
                and _is_same(np.abs(other - pixels))
            ):
                return earlier
        self._seen.append((number, pixels, means))
        return None


def _is_same(difference: NDArray[np.int16]) -> bool:
    return bool(
        difference.mean() <= MAX_MEAN and float(_block_means(difference).max()) <= MAX_BLOCK
    )


def _block_means(pixels: NDArray[np.int16]) -> NDArray[np.float32]:
    """The mean of each block and channel of squares of shape (n, side, side, 3)."""
    count, side = pixels.shape[:2]
    block = max(1, side // BLOCKS)
    whole = side // block
    inner = pixels[:, : whole * block, : whole * block]
    blocks = inner.reshape(count, whole, block, whole, block, 3)
    return np.asarray(blocks.mean(axis=(2, 4), dtype=np.float32))


KnownVectors = Mapping[int, NDArray[np.float16]]
"""Vectors of an earlier import of a film, by the digest of the frame: shape (width,) each."""
