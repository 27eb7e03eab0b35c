"""Identifies the content of a film file: by samples at first, by a full hash later."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

SAMPLE_BYTES = 128 * 1024  # of each of three samples: enough for headers and indexes to differ
CHUNK_BYTES = 4 * 1024 * 1024


def quick_fingerprint(path: Path) -> str:
    """Hash a file's size, and samples from its beginning, middle and end. Raises OSError."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        digest = hashlib.blake2b(str(size).encode(), digest_size=20)
        for start in (0, (size - SAMPLE_BYTES) // 2, size - SAMPLE_BYTES):
            file.seek(max(0, start))
            digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()


def whole_sha256(path: Path, check: Callable[[], None]) -> str:
    """Return the SHA-256 of a file, as for uploads. `check` may raise to stop. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            check()
    return digest.hexdigest()
