"""Finds where somebody speaks, with Silero VAD, whose weights faster-whisper ships."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gallery.speech.types import SAMPLE_RATE, Samples, Voice

MIN_SPEECH_MS = 250  # shorter sounds are no words
MIN_SILENCE_MS = 500  # shorter pauses do not end a stretch
PADDING_MS = 200
GAP = 0.5  # seconds between two stretches when the silence is left out


def find_voices(samples: Samples) -> list[Voice]:
    """Return the stretches of sound in which somebody speaks, in time order."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(
        min_speech_duration_ms=MIN_SPEECH_MS,
        min_silence_duration_ms=MIN_SILENCE_MS,
        speech_pad_ms=PADDING_MS,
    )
    found = get_speech_timestamps(samples, options)
    return [Voice(one["start"] / SAMPLE_RATE, one["end"] / SAMPLE_RATE) for one in found]


def find_pause(voices: Sequence[Voice], earliest: int, latest: int) -> int:
    """Return the last full second at which nobody speaks, to cut the sound there.

    It is after `earliest`, and at most `latest`, which it is when there is no pause.
    """
    for second in range(latest, earliest, -1):
        if not any(voice.start < second < voice.end for voice in voices):
            return second
    return latest


@dataclass(frozen=True, slots=True)
class Condensed:
    """Sound without its silence. `starts`: where in it each of the stretches begins (seconds)."""

    samples: Samples
    voices: Sequence[Voice]
    starts: Sequence[float]

    def original_span(self, start: float, end: float) -> tuple[float, float]:
        """Return when in the whole sound a word is said that is said from `start` to `end` here.

        Recognized times are inexact: a word belongs to the stretch that it shares most with.
        """
        shares = [
            min(end, begin + voice.end - voice.start) - max(start, begin)
            for voice, begin in zip(self.voices, self.starts, strict=True)
        ]
        best = int(np.argmax(shares))
        voice, offset = self.voices[best], self.voices[best].start - self.starts[best]
        return (
            min(max(start + offset, voice.start), voice.end),
            min(max(end + offset, voice.start), voice.end),
        )


def condense(samples: Samples, voices: Sequence[Voice]) -> Condensed:
    """Leave out what is between the stretches with speech, but for short gaps."""
    gap = np.zeros(round(GAP * SAMPLE_RATE), np.float32)
    pieces: list[Samples] = []
    starts: list[float] = []
    for voice in voices:
        if pieces:
            pieces.append(gap)
        starts.append(sum(map(len, pieces)) / SAMPLE_RATE)
        pieces.append(samples[round(voice.start * SAMPLE_RATE) : round(voice.end * SAMPLE_RATE)])
    joined = np.concatenate(pieces) if pieces else np.empty(0, np.float32)
    return Condensed(joined, voices, starts)
