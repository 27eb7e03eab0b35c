"""The sound of a span as numbers, for what listens to it."""

import numpy as np
from numpy.typing import NDArray

from gallery.core.errors import FilmError
from gallery.media.cutting import SAMPLE_RATE, ClipSpan, open_arguments, sound_arguments
from gallery.media.ffmpeg import check_not_killed, run


def read_samples(clip: ClipSpan, rate: int, limit: float) -> NDArray[np.float32]:
    """Return the sound of a span as one channel, float32, -1 to 1, `rate` samples per second.

    It is as long as the span, with silence where there is no sound; empty if the film has no sound
    that can be decoded. Raises FilmError, and FFmpegStalled after `limit` seconds of wall clock.
    """
    arguments = sound_arguments(clip, round(clip.seconds * SAMPLE_RATE))
    if not arguments:
        return np.empty(0, np.float32)
    decoded = run(
        [
            *open_arguments(clip, with_sound=True),
            *arguments,
            *("-ac", "1", "-ar", str(rate), "-f", "f32le", "pipe:1"),
        ],
        limit,
    )
    check_not_killed(decoded.status)
    if decoded.status != 0:
        # This message is only logged.
        raise FilmError(f"the sound cannot be decoded: {decoded.log_text.strip()[-300:]}")
    return np.frombuffer(decoded.output, np.float32)
