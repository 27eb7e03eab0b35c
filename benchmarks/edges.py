"""Compare ways to fit wide pictures into the model's square, on ground truth with the demo model.

Three ways that keep the whole picture, and CLIP's usual centre crop: on the demo film (16:9), and
on drawn pictures of 2.39:1 with one thing at the far left or right.
"""

import numpy as np
from django.conf import settings
from numpy.typing import NDArray
from PIL import Image, ImageOps

from benchmarks import film
from demo.concepts import CONCEPTS
from demo.pictures import Scene, Thing, draw
from demo.splits import EVALUATION_SEEDS
from gallery.clip import conversion, weights
from gallery.clip.preprocessing import EDGES
from gallery.media.types import Picture

WIDE = (860, 360)  # pixels: 2.39:1
WAYS = ("crop", *EDGES)


def _centre(picture: Picture) -> Picture:
    side = min(picture.size)
    return ImageOps.fit(picture, (side, side), method=Image.Resampling.BICUBIC)


def _embed(pictures: list[Picture], way: str) -> NDArray[np.float32]:
    model = weights.describe("demo", settings.DEMO_MODEL_DIR)
    loaded = conversion.load_with_torch(model, "squash" if way == "crop" else way)
    return loaded.embed_pictures([_centre(p) for p in pictures] if way == "crop" else pictures)


def _texts(texts: list[str]) -> NDArray[np.float32]:
    model = weights.describe("demo", settings.DEMO_MODEL_DIR)
    return conversion.load_with_torch(model, "squash").embed_texts(texts)


def wide_pictures() -> list[Picture]:
    """Draw one picture per concept, with the thing alone at the far left or right."""
    pictures = []
    for number, concept in enumerate(CONCEPTS):
        rng = np.random.default_rng(EVALUATION_SEEDS[number + 70_000])
        x = 0.11 if number % 2 else 0.89
        thing = Thing(concept.slug, x, 0.55, float(rng.uniform(0.45, 0.6)))
        places = ("night", "snow", "sea", "sunset", "forest", "desert", "city")
        ground = places[number % len(places)]
        if ground == concept.slug:
            ground = "meadow"
        pictures.append(draw(Scene(ground, (thing,), EVALUATION_SEEDS[number + 70_000]), WIDE))
    return pictures


def main() -> None:
    """Print the table."""
    truth = film.truth()
    frames, shot_numbers = film.film_frames()
    queries, edge_queries = truth["queries"], truth["edge_queries"]
    texts, edge_texts = (_texts([q["text"] for q in some]) for some in (queries, edge_queries))
    wide = wide_pictures()
    names = _texts([concept.en[0] for concept in CONCEPTS])
    print(
        "| edges | film: first | film: first 5 | at the edge: first | 2.39:1, at the edge: hit@1 |"
    )
    print("|---|---|---|---|---|")
    for way in WAYS:
        pictures = _embed([frame.picture for frame in frames], way)
        on_film = film.score(queries, texts, pictures, shot_numbers)
        at_edge = film.score(edge_queries, edge_texts, pictures, shot_numbers)
        scores = names @ _embed(wide, way).T
        hit = float((scores.argmax(axis=1) == np.arange(len(CONCEPTS))).mean())
        print(
            f"| {way} | {on_film.first:.2f} | {on_film.first_five:.2f} "
            f"| {at_edge.first:.2f} | {hit:.2f} |",
            flush=True,
        )
    print(
        f"\n{len(queries)} queries on the film, {len(edge_queries)} of things at its edge, "
        f"{len(CONCEPTS)} drawn pictures of {WIDE[0]} x {WIDE[1]}. Demo model only."
    )
