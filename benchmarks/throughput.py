"""How fast frames are imported: decoded, embedded, and stored as thumbnails and vectors.

With the demo model and with a ViT-B/16 with random weights, as fast as the real one.
"""

import tempfile
import time
from pathlib import Path

from django.conf import settings

from benchmarks import film
from benchmarks.common import load_encoder, random_b16
from gallery.clip import weights
from gallery.importing import ingest
from gallery.media import probing
from gallery.media.store import RunFiles

COPIES = 3  # how often the demo film goes through
COPIES_B16 = 1


def import_speed(model: weights.Model, copies: int) -> float:
    """Return the frames imported per second, with the model loaded already."""
    loaded = load_encoder(model)
    probe = probing.probe(film.FILM, film.MAX_PIXELS, 3600)
    loaded.embed_pictures([frame.picture for frame in film.film_frames()[0][:2]])
    done = 0
    started_at = time.perf_counter()
    for _copy in range(copies):
        with (
            tempfile.TemporaryDirectory() as folder,
            film.decoded(film.FILM, probe) as (some, _decoding),
        ):
            run = RunFiles(Path(folder))
            embedder = ingest.SpanEmbedder(loaded, run.save_thumbnail, shares=False)
            data = embedder.embed(some, lambda _done: None)
            run.save_segment(0, data)
            done += len(data.seconds)
    return done / (time.perf_counter() - started_at)


def main() -> None:
    """Print both speeds and their ratio."""
    demo = import_speed(weights.describe("demo", settings.DEMO_MODEL_DIR), COPIES)
    print(f"demo model: {demo:.1f} frames a second", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        b16 = import_speed(random_b16(Path(folder)), COPIES_B16)
    print(f"ViT-B/16, random weights: {b16:.1f} frames a second ({demo / b16:.1f} times slower)")
    print(f"An hour of film takes {3600 / demo:.0f} s and {3600 / b16:.0f} s, on one worker.")
