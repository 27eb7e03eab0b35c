"""How well credits and blank frames are told from pictures: precision, recall and time.

The frames are drawn. `--fonts` sets credits in further fonts, such as handwriting; `--real` adds
films (a frame per second) and pictures of your own. They are taken for pictures, except what a list
names, with a line for each: the file's name, then "credits" or "blank", and for a film the first
and the last second before it.

    python -m benchmarks frame_kinds [--fonts FOLDER] [--real FILE... [--labels LIST]]
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from benchmarks.card_drawing import LAYOUTS
from benchmarks.film import MAX_PIXELS, decoded
from benchmarks.frame_drawing import BLANK_KINDS, SCENES, draw_blank, draw_credits, draw_scene
from gallery.media import probing
from gallery.media.store import THUMBNAIL_WIDTH
from gallery.media.types import FrameKind, Picture
from gallery.ocr.frame_kinds import classify_frame

FIRST_SEED = 30_000  # not those with which limits were chosen (below 10,000), nor those of tests
PER_KIND = 12  # frames of each layout, and of each kind of blank frame and of scene
PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png"}

Labelled = tuple[str, Picture, FrameKind]
"""A frame: its name, whose first word is what it is counted under; the picture; its kind."""


@dataclass(slots=True)
class Result:
    """What a classifier said."""

    said: Counter[tuple[FrameKind, FrameKind]] = field(default_factory=Counter)
    wrong: dict[FrameKind, list[str]] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, name: str, truth: FrameKind, kind: FrameKind) -> None:
        """Count a frame."""
        self.said[truth, kind] += 1
        if kind is not truth:
            self.wrong.setdefault(truth, []).append(f"{name} -> {kind}")

    def describe(self, kind: FrameKind) -> str:
        """Return the precision and the recall of a kind, as columns of a table."""
        right = self.said[kind, kind]
        found = sum(count for (_truth, said), count in self.said.items() if said is kind)
        there = sum(count for (truth, _said), count in self.said.items() if truth is kind)
        precision = f"{right / found:.3f} ({right} of {found})" if found else "-"
        recall = f"{right / there:.3f} ({right} of {there})" if there else "-"
        return f"{precision} | {recall}"


def main(options: Sequence[str] = ()) -> None:
    """Print the table, and what was wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks frame_kinds")
    parser.add_argument("--fonts", type=Path, help="a folder of fonts with Latin letters")
    parser.add_argument("--real", type=Path, nargs="*", default=[], help="films and pictures")
    parser.add_argument("--labels", type=Path, help="which of these frames are not pictures")
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="the first seed")
    chosen = parser.parse_args(options)
    print("| frames | credits: precision | recall | blank: precision | recall | ms a frame |")
    print("|---|---|---|---|---|---|")
    wrong = [measure("drawn", draw_all(chosen.first))]
    if chosen.fonts:
        faces = sorted(str(path) for path in chosen.fonts.rglob("*.[to]tf"))
        cards = draw_each(lambda seed: draw_credits(seed, faces), len(LAYOUTS), chosen.first)
        wrong.append(measure("drawn, other fonts", with_kind(cards, FrameKind.CREDITS)))
    if chosen.real:
        labels = chosen.labels.read_text().splitlines() if chosen.labels else []
        wrong.append(measure("real", load_real(chosen.real, labels)))
    print("\n".join(line for lines in wrong for line in lines))


def measure(title: str, frames: Iterable[Labelled]) -> list[str]:
    """Classify frames and print a row of the table; return lines that say what was wrong."""
    result, count = Result(), 0
    for name, picture, truth in frames:
        began = time.process_time()
        kind = classify_frame(picture)
        result.seconds += time.process_time() - began
        result.add(name, truth, kind)
        count += 1
    columns = " | ".join(result.describe(kind) for kind in (FrameKind.CREDITS, FrameKind.BLANK))
    print(f"| {title} ({count}) | {columns} | {1000 * result.seconds / count:.0f} |", flush=True)
    return [f"\n{title}, {truth}: {', '.join(names)}" for truth, names in result.wrong.items()]


# --- frames ---------------------------------------------------------------------------------------


def draw_all(first: int) -> Iterator[Labelled]:
    """Yield all drawn frames."""
    yield from with_kind(draw_each(draw_credits, len(LAYOUTS), first), FrameKind.CREDITS)
    yield from with_kind(draw_each(draw_blank, len(BLANK_KINDS), first), FrameKind.BLANK)
    yield from with_kind(draw_each(draw_scene, len(SCENES), first), FrameKind.PICTURE)


def draw_each(
    draw: Callable[[int], tuple[str, Picture]], kinds: int, first: int
) -> Iterator[tuple[str, Picture]]:
    """Yield PER_KIND frames of each of the kinds that seeds choose in turn."""
    yield from map(draw, range(first, first + PER_KIND * kinds))


def with_kind(frames: Iterable[tuple[str, Picture]], kind: FrameKind) -> Iterator[Labelled]:
    """Yield frames with their kind."""
    for name, picture in frames:
        yield name, picture, kind


def load_real(paths: Sequence[Path], labels: Sequence[str]) -> Iterator[Labelled]:
    """Yield real frames with their kinds: see the module's description."""
    kinds: dict[tuple[str, int], FrameKind] = {}
    for line in labels:
        name, *seconds, kind = line.split()
        first, last = map(int, seconds or (0, 0))
        kinds.update({(name, second): FrameKind(kind) for second in range(first, last + 1)})
    for path in paths:
        for second, picture in load_frames(path):
            known = kinds.get((path.name, second), FrameKind.PICTURE)
            yield f"{path.name} {second}", picture, known


def load_frames(path: Path) -> Iterator[tuple[int, Picture]]:
    """Yield the frames of a film with their seconds, or a picture, as large as thumbnails."""
    if path.suffix.lower() in PICTURE_SUFFIXES:
        with Image.open(path) as picture:
            whole = picture.convert("RGB")
        height = round(whole.height * THUMBNAIL_WIDTH / whole.width)
        yield 0, whole.resize((THUMBNAIL_WIDTH, height), Image.Resampling.LANCZOS)
        return
    with decoded(path, probing.probe(path, MAX_PIXELS, 3600)) as (frames, _decoding):
        yield from ((frame.second, frame.picture) for frame in frames)
