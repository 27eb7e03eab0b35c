"""The measurement of `benchmarks.tutorial`. Needs Django set up for a separate installation."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from django.conf import settings
from PIL import Image

from benchmarks.beginner import Beginner
from benchmarks.common import Cost, cost, load_encoder, random_b16
from benchmarks.film import MAX_PIXELS, decoded
from benchmarks.installation import import_film, running_worker
from benchmarks.lengthen import count_twins, lengthen, small
from gallery.clip import encoder
from gallery.clip.encoder import batched
from gallery.clip.types import Vector
from gallery.films.models import Film
from gallery.index import frame_index
from gallery.media import probing
from gallery.media.types import Frame
from imgsearch.local import redis_server
from imgsearch.local.children import Children

WARM_UP = 2.0  # seconds of film
COMPARED = 64  # frames, about, whose vectors are compared

TUTORIAL, PRODUCT = "tutorial", "product"


def measure(film: Path, device: str, seconds: float, rounds: int, height: int) -> None:
    """Print all figures."""
    _describe_device(device)
    long, short = settings.VAR_DIR / "long.mp4", settings.VAR_DIR / "short.mp4"
    lengthen(film, long, seconds, height)
    lengthen(film, short, WARM_UP, height)
    frames, decoding_speed = _describe_film(long)
    model = random_b16(Path(settings.CLIP_MODEL))
    print(
        f"{PRODUCT}: {load_encoder(model).target}", flush=True
    )  # converted before the clock starts
    # Sharing of vectors by identical frames is measured separately below.
    can_share = hasattr(settings, "SHARE_VECTORS")
    with running_worker(short, **({"SHARE_VECTORS": "0"} if can_share else {})) as worker:
        children, product_loaded = worker
        started_at = time.perf_counter()
        beginner = Beginner(model.folder, device, redis_server.connect(settings.REDIS_URL))
        beginner.vector(frames[0].picture)
        tutorial_loaded = time.perf_counter() - started_at
        print(
            f"\nloaded before the clock starts: {TUTORIAL} in {tutorial_loaded:.1f} s (model and "
            f"one picture), {PRODUCT} in {product_loaded:.1f} s (worker, model and a film of "
            f"{WARM_UP:.0f} s)\n"
        )
        _run_rounds(beginner, children, long, rounds)
        _compare_vectors(beginner, frames, Film.objects.get())
    print(
        f"{PRODUCT}, decoding only: {decoding_speed:.1f} frames/s, "
        f"embedding only: {_embedding_speed(frames):.1f} frames/s",
        flush=True,
    )
    if can_share:
        with running_worker(short, SHARE_VECTORS="1") as (children, _loaded):
            Film.objects.all().delete()
            _show("1", f"{PRODUCT}, SHARE_VECTORS=1", cost(partial(_add, long, children)))


def _describe_device(device: str) -> None:
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch finds no GPU here.")
    name = torch.cuda.get_device_name() if device == "cuda" else "no GPU"
    print(f"{os.cpu_count()} CPUs, load average {os.getloadavg()[0]:.1f}, {name}", flush=True)


def _describe_film(film: Path) -> tuple[list[Frame], float]:
    """Print the properties of the film. Return some frames, and the decoding speed (frames/s)."""
    found = probing.probe(film, MAX_PIXELS, 24 * 3600)
    every = max(1, round(found.duration / COMPARED))
    smalls, kept = [], []
    started_at = time.perf_counter()
    with decoded(film, found) as (frames, _decoding):
        for frame in frames:
            smalls.append(small(frame.picture))
            if frame.second % every == 0:
                kept.append(frame)
    speed = len(smalls) / (time.perf_counter() - started_at)
    print(
        f"film: {found.duration:.0f} s, {found.width}x{found.height}, "
        f"{film.stat().st_size * 8 / found.duration / 1e6:.1f} Mbit/s, {found.video_codec}, "
        "made from the given one by varying and scaling it\n"
        f"one frame a second: {len(smalls)}; nearly the same as another: {count_twins(smalls)}",
        flush=True,
    )
    return kept, speed


def _run_rounds(beginner: Beginner, children: Children, film: Path, rounds: int) -> None:
    """Run both in turns. The film stays in the product after the last round."""
    print("| round | way | frames | seconds | frames/s | CPU seconds |\n|---|---|---|---|---|---|")
    ratios = []
    for number in range(rounds):
        Film.objects.all().delete()
        tutorial = cost(lambda: beginner.add(film))
        _show(str(number + 1), TUTORIAL, tutorial)
        beginner.remove()
        product = cost(lambda: _add(film, children))
        _show(str(number + 1), PRODUCT, product)
        ratios.append(tutorial.wall / product.wall)
    listed = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"\n{TUTORIAL} / {PRODUCT}, seconds: {listed}; median {median(ratios):.2f}", flush=True)


def _add(path: Path, children: Children) -> int:
    """Import a film and search it once. Return its number of frames."""
    film = import_film(path, children)
    last = _vectors(film)[max(_vectors(film))]
    assert frame_index.current().nearest(last, 5)[0].film == film.pk, "the query finds nothing"
    return film.frame_count


def _show(number: str, way: str, spent: Cost) -> None:
    print(
        f"| {number} | {way} | {spent.frames} | {spent.wall:.2f} | {spent.speed:.1f} "
        f"| {spent.cpu:.1f} |",
        flush=True,
    )


def _vectors(film: Film) -> dict[int, Vector]:
    """Return the stored vector of each second."""
    assert film.searchable_run is not None
    data = film.files.run(film.searchable_run).load()
    return dict(zip(data.seconds.tolist(), data.vectors.astype(np.float32), strict=True))


def _compare_vectors(beginner: Beginner, frames: list[Frame], film: Film) -> None:
    """Print the similarity of the product's vectors to those of plain transformers.

    Plain transformers crop the centre of a frame where the product squashes it, so they get
    squashed frames here.
    """
    side = (224, 224)
    stored = _vectors(film)
    ours = np.stack([stored[frame.second] for frame in frames])
    squashed = [frame.picture.resize(side, Image.Resampling.BICUBIC) for frame in frames]
    plain = np.stack([beginner.vector(picture) for picture in squashed])
    ours /= np.linalg.norm(ours, axis=1, keepdims=True)
    cosines = ours @ plain.T
    same = np.diag(cosines)
    others = cosines[~np.eye(len(frames), dtype=bool)]
    print(
        f"\nvectors of {len(frames)} frames, {PRODUCT} and plain transformers: cosine at least "
        f"{same.min():.6f}, mean {same.mean():.6f}; of different frames: mean {others.mean():.6f}",
        flush=True,
    )


def _embedding_speed(frames: list[Frame]) -> float:
    """Return how many decoded frames the product embeds per second."""
    loaded = encoder.current()
    batches = list(batched([frame.picture for frame in frames], loaded.batch))
    with ThreadPoolExecutor(loaded.streams) as pool:
        list(pool.map(loaded.embed_pictures, batches[: loaded.streams]))
        started_at = time.perf_counter()
        list(pool.map(loaded.embed_pictures, batches))
        return len(frames) / (time.perf_counter() - started_at)
