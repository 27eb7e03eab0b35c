"""Compare shot detectors on films with known transitions: recall, precision, CPU time.

The films are drawn; `--film FILE --truth LIST` uses another one, whose list has a line for each
transition: its kind (cut, dissolve, fade), the first frame that is not purely of the old shot, and
the first that is purely of the new one.
"""

import argparse
import os
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import shot_films
from benchmarks.common import load_encoder, random_b16
from benchmarks.film import MAX_PIXELS
from benchmarks.shot_films import KINDS, Transition
from gallery.clip import shot_network
from gallery.media import decoding, ffmpeg, probing, shots
from gallery.media.shots import SmallFrames, SmallPictures
from gallery.media.store import THUMBNAIL_WIDTH
from gallery.media.types import Span

SEEDS = (101, 102, 103)  # not those with which the limits were chosen
MAX_OFFSET = 2  # frames by which a boundary may be outside its dissolve or fade
NETWORK_STEP, NETWORK_EDGE = 50, 25  # windows of 100 pictures, as its authors use it
NETWORK_THRESHOLD = 0.5
SCDET = "scdet=threshold=10,metadata=mode=print:key=lavfi.scd.time:file=-"


@dataclass(frozen=True, slots=True)
class Film:
    """A film to measure on."""

    path: Path
    rate: float
    seconds: float
    frames: SmallFrames
    truth: Sequence[Transition]
    decoding: float  # CPU seconds that decoding takes in an import


@dataclass(slots=True)
class Tally:
    """The results of one detector on all films."""

    right: dict[str, int]
    all: dict[str, int]
    false: int = 0
    cpu: float = 0.0

    def add(self, truth: Sequence[Transition], found: Sequence[int]) -> None:
        """Add one film: `found` are the first frames of the detected shots."""
        rest = list(found)
        for one in truth:
            offset = MAX_OFFSET if one.kind != "cut" else 0
            match = next((f for f in rest if one.first - offset <= f <= one.end + offset), None)
            self.all[one.kind] += 1
            if match is not None:
                self.right[one.kind] += 1
                rest.remove(match)
        self.false += len(rest)

    def format_row(self, name: str, seconds: float, embedding: float, decoding: float) -> str:
        """Return a row of the table; the costs are CPU seconds per second of film."""
        shares = [f"{self.right[k]} of {self.all[k]}" for k in KINDS]
        right = sum(self.right.values())
        recall = right / max(1, sum(self.all.values()))
        precision = right / max(1, right + self.false)
        cost = self.cpu / seconds
        return (
            f"| {name} | {' | '.join(shares)} | {recall:.3f} | {precision:.3f} "
            f"| {cost * 1e3:.0f} | {cost / embedding:.0%} | {cost / (embedding + decoding):.0%} |"
        )


def _open(path: Path, truth: Sequence[Transition]) -> Film:
    found = probing.probe(path, MAX_PIXELS, 3600)
    cpu_before = _cpu_seconds()
    with decoding.decode(
        path, found, Span(0, None), width=THUMBNAIL_WIDTH, max_pixels=MAX_PIXELS, limit=3600
    ) as running:
        list(running.pictures)
    spent = _cpu_seconds() - cpu_before
    return Film(path, float(found.rate), found.duration, running.small, truth, spent)


def _open_drawn(seed: int, path: Path) -> Film:
    """Open a drawn film; draw it first if it does not exist."""
    if path.is_file():
        return _open(path, shot_films.list_transitions(shot_films.write_script(seed)))
    draft = path.with_suffix(".draft.mp4")
    truth = shot_films.make(seed, draft)
    return _open(draft.rename(path), truth)


def _run_scdet(film: Film) -> list[float]:
    options = ("-i", str(film.path), "-vf", SCDET, "-an", "-f", "null", "-")
    printed = ffmpeg.run(["-v", "error", "-nostdin", *options], 600).output.decode()
    return [float(t) for t in re.findall(r"lavfi\.scd\.time=([\d.]+)", printed)]


def _find_clear(film: Film) -> list[float]:
    return shots.find_cuts(film.frames, lambda some: np.zeros((len(some), 2), np.float32))


def _find_as_product(film: Film) -> list[float]:
    return shots.find_cuts(film.frames, shot_network.get_network())


def _find_adaptively(film: Film) -> list[float]:
    """Do as PySceneDetect's AdaptiveDetector with its limits, but in RGB, on the small frames."""
    jumps = np.concatenate(([0], _measure_changes(film.frames.pictures)))
    near = np.array(
        [[*jumps[max(0, k - 2) : k], *jumps[k + 1 : k + 3]] for k in range(2, len(jumps) - 2)]
    )
    ratio = jumps[2:-2] / np.maximum(near.mean(axis=1), 1e-3)
    firsts = np.flatnonzero((ratio >= 3) & (jumps[2:-2] >= 15)) + 2
    return film.frames.times[firsts].tolist()


def _measure_changes(pictures: SmallPictures) -> NDArray[np.float64]:
    """Return the mean difference of each picture from the previous one: shape (n - 1,)."""
    return np.abs(np.diff(pictures.astype(np.int16), axis=0)).mean(axis=(1, 2, 3))


def _run_network(film: Film, rate: float) -> list[float]:
    """Run TransNetV2 on `rate` pictures a second: the middle of each transition that it marks."""
    network, times = shot_network.get_network(), film.frames.times
    moments = np.arange(times[0], times[-1], 1 / rate) + 1e-6
    shown = np.unique(np.searchsorted(times, moments, side="right") - 1)
    count = len(shown)
    middle = np.zeros(count, np.float32)
    for start in range(0, count, NETWORK_STEP):
        window = np.arange(start - NETWORK_EDGE, start + NETWORK_STEP + NETWORK_EDGE)
        pictures = film.frames.pictures[shown[window.clip(0, count - 1)]]
        rows = network(pictures)[NETWORK_EDGE:-NETWORK_EDGE, 0]
        middle[start : start + NETWORK_STEP] = rows[: count - start]
    marked = np.concatenate(([0], middle > NETWORK_THRESHOLD, [0]))
    edges = np.flatnonzero(np.diff(marked.astype(np.int8))).reshape(-1, 2)
    found = []
    for start, end in edges.tolist():
        # It marks the last picture of the old shot; the new shot begins at the largest change.
        last = (start + end - 1) // 2
        old, new = shown[last], shown[min(last + 1, count - 1)]
        if old < new:
            first = old + 1 + _measure_changes(film.frames.pictures[old : new + 1]).argmax()
            found.append(float(times[first]))
    return found


DETECTORS: dict[str, Callable[[Film], list[float]]] = {
    "FFmpeg's scdet (decoding included)": _run_scdet,
    "adaptive threshold": _find_adaptively,
    "TransNetV2 on all frames": lambda film: _run_network(film, film.rate),
    "TransNetV2 at 12 pictures a second": lambda film: _run_network(film, shots.NETWORK_RATE),
    "the product without TransNetV2": _find_clear,
    "the product: TransNetV2 where in doubt": _find_as_product,
}


def _measure_embedding() -> float:
    """Return the CPU seconds that embedding one frame takes with a ViT-B/16."""
    with tempfile.TemporaryDirectory() as folder:
        encoder = load_encoder(random_b16(Path(folder)))
        pictures = np.random.default_rng(0).integers(0, 256, (16, 224, 224, 3), np.uint8)
        encoder.runtime.embed_pixels(pictures[:8])
        cpu_before = time.process_time()
        encoder.runtime.embed_pixels(pictures[:8])
        encoder.runtime.embed_pixels(pictures[8:])
        return (time.process_time() - cpu_before) / len(pictures)


def _read_truth(path: Path) -> list[Transition]:
    lines = (line.split() for line in path.read_text(encoding="utf-8").splitlines() if line)
    return [Transition(kind, int(first), int(end)) for kind, first, end in lines]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--film", type=Path, help="a film instead of the drawn ones")
    parser.add_argument("--truth", type=Path, help="the list of its transitions")
    parser.add_argument("--keep", type=Path, help="make the drawn films in this folder, or reuse")


def main(options: argparse.Namespace) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        if options.film:
            films = [_open(options.film, _read_truth(options.truth))]
        else:
            keep = options.keep or Path(folder)
            films = [_open_drawn(seed, keep / f"{seed}.mp4") for seed in SEEDS]
        _find_as_product(films[0])  # load the network
        seconds = sum(film.seconds for film in films)
        decoded = sum(film.decoding for film in films) / seconds
        embedding = _measure_embedding()
        print(
            f"A second of film: embedding {embedding * 1e3:.0f} ms, decoding {decoded * 1e3:.0f} ms"
        )
        kinds = " | ".join(f"{kind}s" for kind in KINDS)
        print(f"| | {kinds} | recall | precision | CPU ms/s of film | of embedding | of import |")
        print("|---|---|---|---|---|---|---|---|---|")
        for name, detect in DETECTORS.items():
            tally = Tally(dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0))
            for film in films:
                cpu_before = _cpu_seconds()
                found = detect(film)
                tally.cpu += _cpu_seconds() - cpu_before
                tally.add(film.truth, [round(cut * film.rate) for cut in found])
            print(tally.format_row(name, seconds, embedding, decoded), flush=True)


def _cpu_seconds() -> float:
    """Return the CPU time of this process and of its children that have ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system
