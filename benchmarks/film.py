"""The demo film, its ground truth, and the score of an embedding on it."""

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gallery.clip import shot_network
from gallery.media import frame_stream, probing, shots
from gallery.media.decoding import Decoding
from gallery.media.store import THUMBNAIL_WIDTH
from gallery.media.types import Frame, Probe, Span

DEMO = Path(__file__).resolve().parent.parent / "demo"
FILM = DEMO / "film.mp4"
MAX_PIXELS = 100_000_000


def truth() -> dict[str, Any]:
    """Return the ground truth."""
    found: dict[str, Any] = json.loads((DEMO / "ground_truth.json").read_text(encoding="utf-8"))
    return found


def decoded(path: Path, found: Probe) -> AbstractContextManager[tuple[Iterator[Frame], Decoding]]:
    """Decode the frames of a whole film, one a second, as the import does."""
    return frame_stream.stream_frames(
        path, found, Span(0, None), width=THUMBNAIL_WIDTH, max_pixels=MAX_PIXELS, limit=600
    )


def film_frames() -> tuple[list[Frame], list[int]]:
    """Return the film's frames, one a second, and the number of each frame's shot, from 1."""
    probe = probing.probe(FILM, MAX_PIXELS, 3600)
    with decoded(FILM, probe) as (some, decoding):
        all_frames = list(some)
    cuts = shots.find_cuts(decoding.small, shot_network.get_network())
    found = shots.split_into_shots(cuts, probe.duration)
    # The ground truth counts shots from 1.
    return all_frames, [shots.find_shot(frame.time, found) + 1 for frame in all_frames]


@dataclass(frozen=True, slots=True)
class Score:
    """The fractions of queries with a right shot first, and among the first five."""

    first: float
    first_five: float
    queries: int


def score(
    queries: Sequence[dict[str, Any]],
    texts: NDArray[np.float32],
    pictures: NDArray[np.float32],
    shot_of_picture: Sequence[int],
) -> Score:
    """Rank shots by their best frame: `texts` (queries, width), `pictures` (frames, width)."""
    numbers = np.array(shot_of_picture)
    first = five = 0
    for query, row in zip(queries, texts @ pictures.T, strict=True):
        best = {int(shot): row[numbers == shot].max() for shot in np.unique(numbers)}
        ranked = sorted(best, key=lambda shot: -best[shot])
        right = set(query["shots"])
        first += ranked[0] in right
        five += bool(right & set(ranked[:5]))
    return Score(first / len(queries), five / len(queries), len(queries))
