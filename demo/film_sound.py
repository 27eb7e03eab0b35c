"""The demo film's sound: soft chords of sines, and a short beep at each cut."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 48_000  # samples a second, a whole number per frame
BEEP_PITCH = 880.0  # Hz; the music stays below 700 Hz
BEEP_LENGTH = 0.08  # seconds
BEEP_LEVEL = 0.22  # of full scale
CHORD_LENGTH = 3.2  # seconds
MUSIC_LEVEL = 0.05  # of full scale, for each voice

Samples = NDArray[np.float32]

# Semitones above the A of 110 Hz: A minor 7, F major 7, C major, G.
CHORDS: tuple[tuple[int, ...], ...] = (
    (0, 12, 15, 19, 22),
    (-4, 8, 15, 19, 24),
    (3, 10, 15, 19, 27),
    (-2, 10, 14, 17, 22),
)


def _tone(pitch: float, length: float, attack: float, release: float) -> Samples:
    """Return a sine of ``pitch`` Hz and ``length`` seconds that fades in and out."""
    at = np.arange(round(length * SAMPLE_RATE)) / SAMPLE_RATE
    swell = np.clip(at / attack, 0, 1) * np.clip((length - at) / release, 0, 1)
    return (np.sin(2 * np.pi * pitch * at) * np.sin(swell * np.pi / 2) ** 2).astype(np.float32)


def _add(track: Samples, sound: Samples, start: float, level: float) -> None:
    """Mix a sound into the track at ``start`` seconds, clipped at the end."""
    first = round(start * SAMPLE_RATE)
    last = min(len(track), first + len(sound))
    if last > first:
        track[first:last] += level * sound[: last - first]


def _music(track: Samples, duration: float) -> None:
    for number in range(int(duration / CHORD_LENGTH) + 1):
        chord = CHORDS[number % len(CHORDS)]
        start = number * CHORD_LENGTH
        pitches = [110 * 2 ** (step / 12) for step in chord]
        for pitch in pitches:
            _add(track, _tone(pitch, CHORD_LENGTH * 1.3, 1.0, 1.4), start, MUSIC_LEVEL)
        for beat, which in enumerate((1, 2, 3, 4, 3, 2, 3, 2)):
            pluck = _tone(pitches[which], 0.9, 0.02, 0.85)
            _add(track, pluck, start + beat * CHORD_LENGTH / 8, MUSIC_LEVEL)


def soundtrack(duration: float, cuts: Sequence[float]) -> Samples:
    """Return the film's sound, mono, -1 to 1; ``duration`` and ``cuts`` are in seconds."""
    track: Samples = np.zeros(round(duration * SAMPLE_RATE), dtype=np.float32)
    _music(track, duration)
    fade = np.clip(np.arange(len(track))[::-1] / (1.5 * SAMPLE_RATE), 0, 1)
    track *= fade.astype(np.float32)
    beep = _tone(BEEP_PITCH, BEEP_LENGTH, 0.004, 0.02)
    for cut in cuts:
        _add(track, beep, cut, BEEP_LEVEL)
    return np.clip(track, -1, 1)


def write_wave(path: Path, track: Samples) -> None:
    """Write a track as 16-bit mono WAV."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes((track * 32767).round().astype("<i2").tobytes())
