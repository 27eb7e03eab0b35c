"""The memory of a frame in Redis, and the recall and speed of both kinds of index."""

import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gallery.index.frame_index import FrameIndex
from gallery.index.server import connect
from gallery.index.switching_index import IndexKind
from gallery.index.types import FrameRecord
from imgsearch.local.redis_server import running

WIDTH = 512
FILMS, FRAMES = 20, 1000
SHOT = 4  # frames that look alike
QUERIES = 300
NEIGHBOURS = 10


def film_like_vectors(rng: np.random.Generator) -> NDArray[np.float32]:
    """Return unit vectors clustered in shots and films, like those of frames: (frames, 512)."""
    films = rng.normal(size=(FILMS, 1, 1, WIDTH))
    shots = rng.normal(size=(FILMS, FRAMES // SHOT, 1, WIDTH))
    noise = rng.normal(size=(FILMS, FRAMES // SHOT, SHOT, WIDTH))
    rows = (films + shots + 0.3 * noise).reshape(-1, WIDTH)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def fill(index: FrameIndex, vectors: NDArray[np.float32]) -> None:
    """Index the vectors as films."""
    for film in range(FILMS):
        rows = [
            FrameRecord(film, s, float(s), s // SHOT, s // SHOT * 4.0, s // SHOT * 4.0 + 4)
            for s in range(FRAMES)
        ]
        index.put(film, rows, vectors[film * FRAMES : (film + 1) * FRAMES])


def ask(
    index: FrameIndex, vectors: NDArray[np.float32], queries: NDArray[np.float32]
) -> tuple[float, float]:
    """Return the recall@10 against an exact search by numpy, and milliseconds per query."""
    found_right = 0
    started_at = time.perf_counter()
    answers = [index.nearest(query, NEIGHBOURS) for query in queries]
    milliseconds = (time.perf_counter() - started_at) / len(queries) * 1000
    exact = np.argsort(-(queries @ vectors.T), axis=1)[:, :NEIGHBOURS]
    for rows, answer in zip(exact, answers, strict=True):
        keys = {n.film * FRAMES + n.second for n in answer}
        found_right += len(keys & {int(row) for row in rows})
    return found_right / (NEIGHBOURS * len(queries)), milliseconds


def main() -> None:
    """Print memory, recall and time for both kinds."""
    rng = np.random.default_rng(7)
    vectors = film_like_vectors(rng)
    picked = vectors[rng.choice(len(vectors), QUERIES, replace=False)]
    rows = picked + 0.03 * rng.normal(size=picked.shape)
    queries: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(
        np.float32
    )
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as url:
        client = connect(url)
        print(f"{len(vectors)} frames of {WIDTH} FLOAT16 numbers, {QUERIES} queries\n")
        print("| index | recall@10 | milliseconds | bytes a frame in Redis |")
        print("|---|---|---|---|")
        for kind, most in ((IndexKind.FLAT, 10**9), (IndexKind.HNSW, 1)):
            client.flushall()
            before = int(client.info("memory")["used_memory"])
            index = FrameIndex(
                client, prefix=f"bench-{kind}", width=WIDTH, flat_max=most, ef_runtime=200
            )
            fill(index, vectors)
            while index.reconcile() is not None:
                time.sleep(0.2)
            used = int(client.info("memory")["used_memory"]) - before
            recall, milliseconds = ask(index, vectors, queries)
            print(
                f"| {kind.upper()} | {recall:.3f} | {milliseconds:.2f} "
                f"| {used / len(vectors):.0f} |",
                flush=True,
            )
