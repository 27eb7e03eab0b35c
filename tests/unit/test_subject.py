"""Finding what a picture is about: drawn things at known places, also between bars."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from demo.backdrops import PAINTERS
from demo.concepts import CONCEPTS
from demo.film_drawing import still
from demo.film_shots import Actor, Line, Shot
from gallery.media.subject import find_subject
from gallery.media.types import Picture

CENTRED = ((0.5, 0.5), (0.5, 0.5))
MAX_MISS = 0.1  # of the width
REQUIRED = (
    0.8  # the part of the pictures whose subject must be found; some resemble their background
)


def draw(seed: int, x: float, height: float) -> Picture:
    """A thing of `height` (of the picture's) with its centre at `x`, on a painted background."""
    rng = np.random.default_rng([seed, 41])
    thing = CONCEPTS[int(rng.integers(len(CONCEPTS)))].slug
    place = sorted(PAINTERS)[seed % len(PAINTERS)]
    actor = Actor(thing, (x, 0.5), None, height)
    return still(
        Shot(1, place, (actor,), "", "", Line("", "", "", ""), CENTRED, (1.0, 1.0), seed), 0
    )


@pytest.mark.parametrize("x", [0.12, 0.5, 0.88])
def test_drawn_subjects_are_found_wherever_they_are(x: float) -> None:
    seeds = range(len(PAINTERS))
    found = [find_subject(draw(seed, x, height)) for seed in seeds for height in (0.3, 0.6)]
    missed = [place for place in found if abs(place[0] - x) > MAX_MISS]
    print(f"\nat {x:.2f}: {len(found) - len(missed)} of {len(found)}")
    assert len(missed) <= (1 - REQUIRED) * len(found), missed


def test_bars_do_not_move_the_subject() -> None:
    for seed in range(len(PAINTERS)):
        plain = draw(seed, 0.2, 0.5)
        x, y = find_subject(plain)
        barred = find_subject(ImageOps.expand(plain, (90, 60, 90, 60), "black"))
        expected = (
            (90 + x * plain.width) / (plain.width + 180),
            (60 + y * plain.height) / (plain.height + 120),
        )
        assert barred == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (1, 1), (3000, 2)])
def test_a_picture_without_contrast_gives_its_middle(size: tuple[int, int]) -> None:
    assert find_subject(Image.new("RGB", size, "#303030")) == (0.5, 0.5)
