"""Compares embedding the stored thumbnails with decoding the film again: accuracy and speed.

`manage.py reembed` embeds thumbnails (640 pixels wide, JPEG) unless --exact is given. Accuracy is
measured with the demo model and its ground truth; a ViT-B/16 of random weights is as fast as a
trained one.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from django.conf import settings

from benchmarks import film
from benchmarks.common import Cost, cost, load_encoder, random_b16
from benchmarks.lengthen import lengthen
from gallery.clip import weights
from gallery.clip.encoder import Encoder
from gallery.clip.types import Vectors
from gallery.importing import ingest
from gallery.importing.reembedding import embed_thumbnails
from gallery.media import probing
from gallery.media.store import RunFiles, SegmentData
from gallery.media.types import Picture

VARIED_SECONDS = 60
HEIGHTS = (480, 1080)
NEAREST = 10


@dataclass(frozen=True, slots=True)
class Both:
    """The vectors of a film from its thumbnails and from decoding it again, with their costs."""

    thumbnails: Vectors
    decoded: Vectors
    thumbnails_cost: Cost
    decoded_cost: Cost

    def cosines(self) -> str:
        """Describe the cosines between the two."""
        found = (self.thumbnails * self.decoded).sum(axis=1)
        return (
            f"cosine at least {found.min():.4f}, mean {found.mean():.4f}, "
            f"1 % below {np.quantile(found, 0.01):.4f}"
        )

    def costs(self) -> str:
        """Describe the speeds of the two."""
        fast, slow = self.thumbnails_cost, self.decoded_cost
        return (
            f"{fast.speed:.1f} frames/s, {fast.cpu / fast.frames * 1000:.0f} ms of CPU each; "
            f"decoding {slow.speed:.1f}, {slow.cpu / slow.frames * 1000:.0f} ms: "
            f"{fast.speed / slow.speed:.1f} times as fast"
        )


def embed_both(loaded: Encoder, path: Path) -> Both:
    """Import a film into a temporary folder, then embed it both ways."""
    probe = probing.probe(path, film.MAX_PIXELS, 3600)
    with tempfile.TemporaryDirectory() as folder:
        run = RunFiles(Path(folder))

        def decode(save: Callable[[int, Picture], None]) -> SegmentData:
            with film.decoded(path, probe) as (frames, _decoding):
                embedder = ingest.SpanEmbedder(loaded, save, shares=False, inner=probe.inner)
                return embedder.embed(frames, lambda _done: None)

        data = decode(run.save_thumbnail)
        results: list[Vectors] = []

        def from_thumbnails() -> int:
            found = embed_thumbnails(loaded, run, data, lambda: None)
            results.append(found.astype(np.float32))
            return len(found)

        def from_film() -> int:
            found = decode(lambda _second, _picture: None).vectors
            results.append(found.astype(np.float32))
            return len(found)

        costs = [cost(from_thumbnails), cost(from_film)]
    return Both(results[0], results[1], costs[0], costs[1])


def main() -> None:
    """Print the loss on the demo film, and the speed on films of two sizes."""
    started_at = time.monotonic()
    demo = load_encoder(weights.describe("demo", settings.DEMO_MODEL_DIR))
    both = embed_both(demo, film.FILM)
    print(f"demo film, demo model: {both.cosines()}")
    truth, (_frames, shot_numbers) = film.truth(), film.film_frames()
    for name in ("queries", "edge_queries"):
        texts = demo.embed_texts([query["text"] for query in truth[name]])
        ways = {"decoded": both.decoded, "thumbnails": both.thumbnails}
        for way, rows in ways.items():
            found = film.score(truth[name], texts, rows, shot_numbers)
            print(f"  {name}, {way}: first {found.first:.3f}, first 5 {found.first_five:.3f}")
        print(f"  {name}: {agreement(texts, both):.1%} of the nearest {NEAREST} frames agree")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        large = load_encoder(random_b16(folder / "model"))
        for height in HEIGHTS:
            path = folder / f"{height}.mp4"
            lengthen(film.FILM, path, VARIED_SECONDS, height)
            for title, loaded in (("demo model", demo), ("ViT-B/16, random weights", large)):
                both = embed_both(loaded, path)
                print(f"{height}p, {title}: {both.costs()}; {both.cosines()}", flush=True)
    print(f"({time.monotonic() - started_at:.0f} s)")


def agreement(texts: Vectors, both: Both) -> float:
    """Return the fraction of the frames nearest to each text that both ways have in common."""
    nearest = [
        np.argsort(-(texts @ rows.T), axis=1)[:, :NEAREST]
        for rows in (both.thumbnails, both.decoded)
    ]
    common = [len(set(a) & set(b)) for a, b in zip(*(n.tolist() for n in nearest), strict=True)]
    return float(np.mean(common)) / NEAREST
