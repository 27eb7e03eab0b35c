"""Check a drawn film against its script: streams, size, cuts, beeps, held-out pairs."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from demo.film import ffmpeg, texts
from demo.film_script import SHOTS
from demo.film_shots import RATE
from demo.film_sound import BEEP_LENGTH, BEEP_LEVEL, BEEP_PITCH, SAMPLE_RATE, Samples
from demo.film_truth import cut_times, duration, ground_truth
from demo.splits import ALWAYS_TRAINED, FILM_SEEDS, TRAINING_SEEDS, is_held_out_pair

MAX_FILM_BYTES = 6_000_000
CUT_THRESHOLD = 10  # of FFmpeg's scene change score, 0 to 100
BEEP_TOLERANCE = 0.012  # seconds; AAC smears the onset of a beep


def _stderr(*arguments: str) -> str:
    command = [ffmpeg(), "-hide_banner", "-nostdin", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return run.stderr


def describe(film: Path) -> str:
    """Return FFmpeg's description of the film after reading all of it."""
    return _stderr("-i", str(film), "-map", "0", "-c", "copy", "-f", "null", "-")


def found_cuts(film: Path, threshold: float = CUT_THRESHOLD) -> list[float]:
    """Return the times of hard cuts in seconds, as detected by FFmpeg's ``scdet``."""
    said = _stderr("-i", str(film), "-an", "-vf", f"scdet=threshold={threshold}", "-f", "null", "-")
    return [float(time) for time in re.findall(r"lavfi\.scd\.time: *([\d.]+)", said)]


def frame_count(film: Path) -> int:
    """Return the number of decoded frames."""
    said = _stderr("-i", str(film), "-an", "-fps_mode", "passthrough", "-f", "null", "-")
    return int(re.findall(r"frame= *(\d+)", said)[-1])


def key_frames(film: Path) -> list[float]:
    """Return the times of the key frames in seconds."""
    said = _stderr(
        *("-skip_frame", "nokey", "-i", str(film), "-an", "-fps_mode", "passthrough"),
        *("-vf", "showinfo", "-f", "null", "-"),
    )
    return [float(time) for time in re.findall(r"pts_time:([\d.]+)", said)]


def sound(film: Path) -> Samples:
    """Return the decoded sound: mono, ``SAMPLE_RATE`` samples a second."""
    command = [
        *(ffmpeg(), "-hide_banner", "-loglevel", "error", "-nostdin", "-i", str(film), "-vn"),
        *("-ac", "1", "-ar", str(SAMPLE_RATE), "-f", "f32le", "pipe:1"),
    ]
    run = subprocess.run(command, capture_output=True, check=True, timeout=120)
    return np.frombuffer(run.stdout, dtype="<f4")


def beep_times(film: Path) -> list[float]:
    """Return the times at which beeps begin: where the level at the beep's pitch reaches half.

    The level is a moving average over a quarter of a beep, so it reaches half an eighth of the
    beep's length after it began.
    """
    heard = sound(film)
    turned = heard * np.exp(-2j * np.pi * BEEP_PITCH * np.arange(len(heard)) / SAMPLE_RATE)
    window = round(BEEP_LENGTH / 4 * SAMPLE_RATE)
    summed = np.concatenate([[0], np.cumsum(turned)])
    level = 2 * np.abs(summed[window:] - summed[:-window]) / window  # from sample i to i + window
    loud = level > BEEP_LEVEL / 2
    onsets = (np.flatnonzero(loud[1:] & ~loud[:-1]) + 1 + window / 2) / SAMPLE_RATE
    apart = np.diff(onsets, prepend=-np.inf) > 2 * BEEP_LENGTH  # otherwise it is the same beep
    return [float(onset) for onset in onsets[apart]]


def _far(name: str, found: Sequence[float], wanted: Sequence[float], slack: float) -> list[str]:
    missing = [one for one in wanted if not any(abs(one - other) <= slack for other in found)]
    extra = [one for one in found if not any(abs(one - other) <= slack for other in wanted)]
    said = [f"{name}: {one:.3f} s is missing" for one in missing]
    return said + [f"{name}: {one:.3f} s is too many" for one in extra]


def script_faults() -> list[str]:
    """Return faults of the script: pairs or seeds of the training, lengths, numbers."""
    faults: list[str] = []
    for number, shot in enumerate(SHOTS, 1):
        slugs = {actor.concept for actor in shot.actors}
        if not slugs <= ALWAYS_TRAINED:
            pairs = combinations(sorted(slugs), 2)
            faults += [f"shot {number}: {a}, {b}" for a, b in pairs if not is_held_out_pair(a, b)]
        if shot.film_seed() not in FILM_SEEDS or shot.film_seed() in TRAINING_SEEDS:
            faults.append(f"shot {number}: its seed is no film seed")
        if not 2.5 <= shot.frames / RATE <= 5:
            faults.append(f"shot {number} lasts {shot.frames / RATE:.2f} s")
    if len({shot.film_seed() for shot in SHOTS}) < len(SHOTS):
        faults.append("two shots share a seed")
    if len(SHOTS) < 25 or not 90 <= duration() <= 120:
        faults.append(f"{len(SHOTS)} shots, {duration():.2f} s")
    return faults + _query_faults()


def _query_faults() -> list[str]:
    truth = ground_truth()
    faults: list[str] = []
    least = {"queries": 25, "edge_queries": 6, "dialogue_queries": 24}
    for language in ("en", "zh"):
        for part, number in least.items():
            asked = [one["text"] for one in truth[part] if one["lang"] == language]
            if len(set(asked)) < max(number, len(asked)):
                faults.append(f"{part} in {language}: {len(set(asked))} different ones")
    for query in truth["edge_queries"]:
        seen = [thing for n in query["shots"] for thing in truth["shots"][n - 1]["things"]]
        if not any(thing["edge"] for thing in seen):
            faults.append(f"{query['text']}: nothing stands at an edge")
    return faults


def stream_faults(film: Path) -> list[str]:
    """Return faults of the size, length, picture and sound."""
    said, size = describe(film), film.stat().st_size
    wanted = {
        "H.264 High": r"Video: h264 \(High\)",
        "yuv420p": r"yuv420p",
        "640x360": r"640x360",
        "24 fps": r" 24 fps",
        "AAC, mono": r"Audio: aac \(LC\).*mono",
    }
    faults = [f"not {name}" for name, pattern in wanted.items() if not re.search(pattern, said)]
    if size > MAX_FILM_BYTES:
        faults.append(f"{size} bytes are too many")
    if frame_count(film) != round(duration() * RATE):
        faults.append(f"{frame_count(film)} frames")
    return faults


def time_faults(film: Path) -> list[str]:
    """Return faults of the cuts, beeps and key frames."""
    cuts, keys = cut_times(), key_frames(film)
    faults = _far("cut", found_cuts(film), cuts, 0.001)
    faults += _far("beep", beep_times(film), cuts, BEEP_TOLERANCE)
    faults += [
        f"no key frame at {cut:.3f} s" for cut in cuts if min(abs(cut - k) for k in keys) > 0.001
    ]
    apart = np.diff([*keys, duration()])
    if float(apart.max()) > 2.001:
        faults.append(f"key frames are {apart.max():.2f} s apart")
    return faults


def text_faults(folder: Path) -> list[str]:
    """Return the text files that differ from the script."""
    return [
        f"{name} is not what the script gives"
        for name, text in texts().items()
        if (folder / name).read_text(encoding="utf-8") != text
    ]


def report(folder: Path) -> int:
    """Check the film in a folder and print the result. Return 0 without faults."""
    film = folder / "film.mp4"
    faults = script_faults() + stream_faults(film) + time_faults(film) + text_faults(folder)
    print(f"{len(SHOTS)} shots, {duration():.3f} s, {film.stat().st_size} bytes")
    print("\n".join(faults) or "all is as the script says")
    return 1 if faults else 0
