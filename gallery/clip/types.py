"""Embeddings as arrays."""

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
"""One embedding: unit length, shape (width,), float32."""


Vectors = NDArray[np.float32]
"""Embeddings, one a row: unit length, shape (n, width), float32."""
