"""Values of recognizing speech."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000  # samples per second, as Whisper and the detector of voices take them

Samples = NDArray[np.float32]
"""Sound of one channel, shape (samples,), float32, -1 to 1, SAMPLE_RATE."""


class Voice(NamedTuple):
    """A stretch of sound with speech, in seconds."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Word:
    """A recognized word, with the space before it, from `start` to `end` (seconds)."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class SpokenLine:
    """What is said from `start` to `end` (seconds)."""

    start: float
    end: float
    text: str
