"""From a script to a film, by the commands that a user has, over the eight films of `scenes`.

    python -m benchmarks script [--keep FOLDER]

For each language, `manage.py storyboard --board` finds scenes for a script of 20 lines, and
`manage.py export_board` makes one film of them. Each frame of that film is compared with the frame
of its source that belongs there, and the sound of each scene with that of its source.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from benchmarks import scenes
from benchmarks.common import run_in_installation
from benchmarks.search import ROOT, redis_server
from gallery.media import ffmpeg

if TYPE_CHECKING:
    from gallery.boards.models import Board
    from gallery.boards.timelines import Edit

WIDTH, HEIGHT = 160, 90  # pixels of the frames compared
SAMPLE_RATE = 48_000  # Hz
MAX_SHIFT = 0.1  # seconds in which the sound is looked for, before and after its place
NEIGHBOURS = 3  # frames before and after the right one that must not fit better
MARGIN = 0.5  # levels by which another frame must fit better to count

Frames = npt.NDArray[np.int16]
Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the film lacks: counts of frames, and the sound's shifts (s) and correlations."""

    expected: int
    found: int
    wrong: int
    shifts: list[float]
    correlations: list[float]


def main(options: Sequence[str] = ()) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks script")
    parser.add_argument("--keep", type=Path, help="make the library in this folder, or reuse it")
    run_in_installation("benchmarks.script", parser.parse_args(options).keep)


def measure(folder: Path) -> None:
    """Import the films, if they are not there, and go from a script to a film in each language."""
    from django.contrib.auth import get_user_model

    from gallery.boards.models import Board

    with redis_server():
        truths = [*scenes.import_films(folder), *scenes.demo_truths()]
        shots = scenes.find_shots(truths)
        user, _made = get_user_model().objects.get_or_create(username="benchmark")
        print(
            "| script | right shot | films | frames, of | wrong frames | sound: largest shift"
            " | lowest correlation |\n|---|---|---|---|---|---|---|"
        )
        for language in scenes.LANGUAGES:
            rng = np.random.default_rng(7)
            lines = scenes.sample_lines(truths, rng)
            script = folder / f"script-{language}.txt"
            script.write_text("\n".join(scenes.describe(truths[n], language, rng) for n in lines))
            run_manage("storyboard", str(script), "--user", user.get_username(), "--board")
            board = Board.objects.latest("pk")
            result = folder / f"film-{language}.mp4"
            run_manage("export_board", board.token, str(result))
            print_row(language, board, result, [shots[n] for n in lines])


def run_manage(*arguments: str) -> None:
    """Run manage.py. Raises CalledProcessError."""
    subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
    )


def print_row(language: str, board: "Board", result: Path, wanted: Sequence[scenes.Shot]) -> None:
    """Compare the film with its sources, and print what was found."""
    from gallery.boards import exports
    from gallery.films.models import Shot

    edits = exports.edits_of(board, lambda _scene: "")
    right = 0
    for edit, (film, number) in zip(edits, wanted, strict=True):
        shot = Shot.objects.get(film=film, number=number)
        right += edit.film.pk == film and shot.start <= (edit.start + edit.end) / 2 < shot.end
    found = compare(edits, result)
    print(
        f"| {language} | {right} of {len(edits)} | {len({edit.film.pk for edit in edits})}"
        f" | {found.found}, {found.expected} | {found.wrong}"
        f" | {max(map(abs, found.shifts)) * 1000:.1f} ms | {min(found.correlations):.3f} |",
        flush=True,
    )


# --- the film -------------------------------------------------------------------------------------


def compare(edits: Sequence["Edit"], result: Path) -> Comparison:
    """Compare a film with the edits it was made of; all films have one frame rate."""
    pictures, sound = decode_frames(result), decode_sound(result)
    sources = {edit.film: decode_frames(edit.film.files.source()) for edit in edits}
    sounds = {edit.film: decode_sound(edit.film.files.source()) for edit in edits}
    position = wrong = 0
    shifts, correlations = [], []
    for edit in edits:
        clock = edit.clock
        first, last = clock.frame(edit.start), clock.frame(edit.end)
        source = sources[edit.film]
        for number, picture in enumerate(pictures[position : position + last - first], first):
            wrong += not fits_best(picture, source, number)
        rate = float(clock.grid)
        begin, end = (round(frame / rate * SAMPLE_RATE) for frame in (first, last))
        place = round(position / rate * SAMPLE_RATE)
        shift, correlation = find_shift(sounds[edit.film][begin:end], sound, place)
        shifts.append(shift)
        correlations.append(correlation)
        position += last - first
    return Comparison(position, len(pictures), wrong, shifts, correlations)


def fits_best(picture: Frames, source: Frames, number: int) -> bool:
    """Return whether no neighbour of frame `number` is more like the picture than it is."""
    near = range(max(0, number - NEIGHBOURS), min(len(source), number + NEIGHBOURS + 1))
    differences = {one: float(np.abs(source[one] - picture).mean()) for one in near}
    return differences[number] <= min(differences.values()) + MARGIN


def find_shift(wanted: Samples, sound: Samples, place: int) -> tuple[float, float]:
    """Return by how many seconds `wanted` is late in `sound`, and its correlation there."""
    reach = round(MAX_SHIFT * SAMPLE_RATE)
    padded = np.pad(sound, (reach, reach))[place : place + len(wanted) + 2 * reach]
    size = len(padded) + len(wanted)
    spectrum = np.fft.rfft(padded, size) * np.conj(np.fft.rfft(wanted, size))
    best = int(np.argmax(np.fft.irfft(spectrum, size)[: 2 * reach + 1]))
    there = padded[best : best + len(wanted)]
    return (best - reach) / SAMPLE_RATE, float(np.corrcoef(there, wanted[: len(there)])[0, 1])


def decode_frames(path: Path) -> Frames:
    """Return all frames in RGB: (frames, HEIGHT, WIDTH, 3).

    Not in grey: the brightness (Y') of a colour differs between SD and HD.
    """
    options = ("-map", "0:v:0", "-fps_mode", "passthrough", "-vf", f"scale={WIDTH}:{HEIGHT}")
    raw = decode(path, *options, "-f", "rawvideo", "-pix_fmt", "rgb24")
    return np.frombuffer(raw, np.uint8).reshape(-1, HEIGHT, WIDTH, 3).astype(np.int16)


def decode_sound(path: Path) -> Samples:
    """Return the sound, mixed to one channel: (samples,) at SAMPLE_RATE."""
    raw = decode(path, "-map", "0:a:0", "-ac", "1", "-ar", str(SAMPLE_RATE), "-f", "f32le")
    return np.frombuffer(raw, np.float32)


def decode(path: Path, *options: str) -> bytes:
    """Return what FFmpeg writes. Raises CalledProcessError."""
    command = [ffmpeg.binary(), "-v", "error", "-nostdin", "-i", str(path), *options, "-"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


if __name__ == "__main__":
    import django

    django.setup()
    measure(Path(sys.argv[1]))
