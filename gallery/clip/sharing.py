"""Reuse vectors of identical pictures: held shots, titles, slides, films imported again.

Pixels are compared, as the model sees them, never vectors. Within a span, a frame is the same
picture as an earlier one when they differ by no more than the noise that a codec adds to a still:
MAX_MEAN_DIFFERENCE levels of 255 on average, and MAX_BLOCK_DIFFERENCE in any block. A frame is
always compared with one that was embedded, so that slow changes do not add up. Frames of an earlier
import of the film are found by a digest: they must be identical.
"""

import hashlib
from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gallery.clip.preprocessing import to_pixels
from gallery.media.types import Picture

MAX_MEAN_DIFFERENCE = 0.6  # levels of 255
MAX_BLOCK_DIFFERENCE = 2.5  # levels, on average over a block
BLOCKS_PER_SIDE = 14  # 16 x 16 pixels each, for squares of 224 pixels
MAX_REMEMBERED = 16  # embedded pictures to compare a frame with


def digest(squares: Sequence[Picture]) -> int:
    """Return a 64-bit digest of a picture as the model sees it; never 0."""
    hashed = hashlib.blake2b(digest_size=8)
    for square in squares:
        hashed.update(square.tobytes())
    return int.from_bytes(hashed.digest(), "big") or 1


class SharedPictures:
    """Finds, for each frame of a span in turn, an earlier frame that is the same picture."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, NDArray[np.int16], NDArray[np.float32]]] = deque(
            maxlen=MAX_REMEMBERED
        )

    def find(self, number: int, squares: Sequence[Picture]) -> int | None:
        """Return the number of an earlier frame that is the same picture, or None.

        None: the frame has to be embedded, and later ones are compared with it.
        """
        pixels = to_pixels(squares).astype(np.int16)
        means = _block_means(pixels)
        for earlier, other, other_means in reversed(self._seen):
            if (
                other.shape == pixels.shape
                and float(np.abs(other_means - means).max()) <= MAX_BLOCK_DIFFERENCE
                and _is_same(np.abs(other - pixels))
            ):
                return earlier
        self._seen.append((number, pixels, means))
        return None


def _is_same(difference: NDArray[np.int16]) -> bool:
    return bool(
        difference.mean() <= MAX_MEAN_DIFFERENCE
        and float(_block_means(difference).max()) <= MAX_BLOCK_DIFFERENCE
    )


def _block_means(pixels: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return the mean of each block and channel of squares of shape (n, side, side, 3)."""
    count, side = pixels.shape[:2]
    block = max(1, side // BLOCKS_PER_SIDE)
    whole = side // block
    inner = pixels[:, : whole * block, : whole * block]
    blocks = inner.reshape(count, whole, block, whole, block, 3)
    return np.asarray(blocks.mean(axis=(2, 4), dtype=np.float32))


KnownVectors = Mapping[int, NDArray[np.float16]]
"""Vectors of an earlier import of a film, by the digest of the frame: shape (width,) each."""
