"""Compare ways to place a 9:16 crop in a wide picture, on drawn things at known places.

`text` and `picture` choose the window that is closest, for the demo model, to the words of the
thing, or to the whole picture.
"""

import time
from collections.abc import Callable

import numpy as np

from demo.backdrops import PAINTERS
from demo.concepts import CONCEPTS
from demo.pictures import Scene, Thing, draw
from demo.splits import EVALUATION_SEEDS
from gallery.clip import encoder
from gallery.media.subject import find_subject
from gallery.media.types import Picture

SIZE = (640, 360)
PICTURES = 240
WINDOW = 9 / 16 / (16 / 9)  # of the width of a picture
MIN_INSIDE = 0.8  # part of the thing's width that the crop must contain
STEPS = 9  # windows that the model compares

Way = Callable[[Picture, str], float]
"""Returns the centre of the crop, as a fraction of the width, for a picture and the words of it."""


def _window_centres() -> list[float]:
    return [float(at) for at in np.linspace(WINDOW / 2, 1 - WINDOW / 2, STEPS)]


def _windows(picture: Picture) -> list[Picture]:
    width, height = picture.size
    half = WINDOW / 2
    return [
        picture.crop((round((at - half) * width), 0, round((at + half) * width), height))
        for at in _window_centres()
    ]


def _by_text(picture: Picture, words: str) -> float:
    model = encoder.current()
    near = model.embed_pictures(_windows(picture)) @ model.embed_text(words)
    return _window_centres()[int(near.argmax())]


def _by_picture(picture: Picture, _words: str) -> float:
    model = encoder.current()
    near = model.embed_pictures(_windows(picture)) @ model.embed_pictures([picture])[0]
    return _window_centres()[int(near.argmax())]


WAYS: dict[str, Way] = {
    "middle": lambda _picture, _words: 0.5,
    "find_subject": lambda picture, _words: find_subject(picture)[0],
    "text": _by_text,
    "picture": _by_picture,
}


def main() -> None:
    """Print the table."""
    kept = dict.fromkeys(WAYS, 0)
    seconds = dict.fromkeys(WAYS, 0.0)
    for number in range(PICTURES):
        rng = np.random.default_rng(EVALUATION_SEEDS[number + 71_000])
        concept = CONCEPTS[int(rng.integers(len(CONCEPTS)))]
        x, height = float(rng.uniform(0.1, 0.9)), float(rng.uniform(0.25, 0.6))
        ground = sorted(PAINTERS)[number % len(PAINTERS)]
        thing = Thing(concept.slug, x, 0.55, height)
        picture = draw(Scene(ground, (thing,), EVALUATION_SEEDS[number + 71_000]), SIZE)
        half = height * SIZE[1] / SIZE[0] / 2
        for name, way in WAYS.items():
            begun = time.perf_counter()
            centre = min(max(way(picture, concept.en[0]), WINDOW / 2), 1 - WINDOW / 2)
            seconds[name] += time.perf_counter() - begun
            left, right = centre - WINDOW / 2, centre + WINDOW / 2
            inside = max(0.0, min(right, x + half) - max(left, x - half))
            kept[name] += inside >= MIN_INSIDE * 2 * half
    print("| crop | keeps the thing | ms |\n|---|---|---|")
    for name in WAYS:
        print(f"| {name} | {kept[name]} of {PICTURES} | {seconds[name] / PICTURES * 1000:.0f} |")
