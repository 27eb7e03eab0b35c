"""Draw pictures of known scenes: emoji glyphs as things on backgrounds, at any size."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont, features

from demo.backdrops import background
from demo.concepts import BACKGROUNDS, CONCEPTS, concept

__all__ = ["Scene", "Thing", "background", "draw", "glyph", "random_scene", "random_things"]

FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
EM = 136  # pixels: the side of a glyph in the only size (109) of the font
ASPECTS = (1.0, 4 / 3, 16 / 9, 16 / 9, 16 / 9, 2.0, 2.39)


@dataclass(frozen=True)
class Thing:
    """A glyph in a picture; x and y are its centre, as fractions of the width and the height."""

    concept: str
    x: float
    y: float
    height: float
    rotation: float = 0.0
    mirrored: bool = False


@dataclass(frozen=True)
class Scene:
    """Everything that determines a picture: background, things from back to front, seed."""

    background: str
    things: tuple[Thing, ...]
    seed: int

    def slugs(self) -> frozenset[str]:
        """Return the slugs of the things in the picture."""
        return frozenset(thing.concept for thing in self.things)


@lru_cache(maxsize=1024)
def _master(emoji: str) -> Image.Image:
    if not features.check("raqm"):
        raise RuntimeError("Pillow lacks raqm, without which joined glyphs fall apart")
    font = ImageFont.truetype(FONT, 109, layout_engine=ImageFont.Layout.RAQM)
    image = Image.new("RGBA", (EM, EM), (0, 0, 0, 0))
    ImageDraw.Draw(image).text((EM / 2, EM / 2), emoji, font=font, embedded_color=True, anchor="mm")
    return image


@lru_cache(maxsize=2048)
def glyph(emoji: str, height: int) -> Image.Image:
    """Return the glyph in a transparent square of ``height`` pixels (RGBA); do not modify it."""
    return _master(emoji).resize((height, height), Image.Resampling.BICUBIC)


def _stamp(picture: Image.Image, thing: Thing) -> None:
    width, height = picture.size
    side = max(4, round(thing.height * height))
    image = glyph(concept(thing.concept).emoji, side)
    if thing.mirrored:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if thing.rotation:
        image = image.rotate(thing.rotation, Image.Resampling.BICUBIC, expand=True)
    left = round(thing.x * width - image.width / 2)
    top = round(thing.y * height - image.height / 2)
    picture.paste(image, (left, top), image)


def draw(scene: Scene, size: tuple[int, int], backdrop: Image.Image | None = None) -> Image.Image:
    """Draw a scene, RGB, at ``size`` = (width, height) pixels, over ``backdrop``.

    Without a backdrop, the scene's background is drawn from its seed.
    """
    if backdrop is None:
        backdrop = background(scene.background, size, np.random.default_rng(scene.seed))
    picture = backdrop.copy() if backdrop.size == size else backdrop.resize(size)
    for thing in scene.things:
        _stamp(picture, thing)
    return picture


def random_things(
    slugs: tuple[str, ...], aspect: float, rng: Generator, ease: float = 0.0
) -> tuple[Thing, ...]:
    """Place one to four things side by side without overlap, in random order.

    ``aspect`` is the picture's width over its height. With ``ease`` 1 the things are large and
    upright; with 0 they have 25 % to 90 % of the height, are rotated by up to 30 degrees, and half
    of them are mirrored.
    """
    number = len(slugs)
    order = rng.permutation(number)
    tallest = min((0.9, 0.75, 0.62, 0.55)[number - 1], 1.08 * aspect / number)
    smallest = (0.27, 0.26, 0.25, 0.25)[number - 1]
    smallest += ease * max(0.0, tallest - smallest - 0.1)
    middle = rng.uniform(0.5 / number, 1 - 0.5 / number) if number == 1 else 0.5
    things: list[Thing] = []
    for place, index in enumerate(order):
        height = rng.uniform(smallest, max(smallest, tallest))
        wide = height / aspect
        slot = 1 / number
        room = max(0.0, slot - wide) / 2
        centre = (place + 0.5) * slot + rng.uniform(-1, 1) * room
        if number == 1:
            edge = min(0.5, wide / 2 - 0.02)
            centre = rng.uniform(edge, 1 - edge) if rng.random() < 0.6 else middle
        rise = max(0.0, 1 - height) / 2
        down = 0.5 + rise * rng.uniform(-1, 1)
        turn = 0.0 if rng.random() < 0.35 else float(np.clip(rng.normal(0, 12), -30, 30))
        mirrored = bool(rng.random() < 0.5)
        things.append(
            Thing(
                slugs[int(index)],
                float(centre),
                float(down),
                float(height),
                turn * (1 - ease),
                mirrored,
            )
        )
    return tuple(things)


def random_scene(
    seed: int,
    slugs: tuple[str, ...] | None = None,
    place: str | None = None,
    aspect: float = 16 / 9,
    ease: float = 0.0,
) -> Scene:
    """Return a random scene for this seed; things and background are random unless given.

    The caller decides which things may appear together (``demo.splits``).
    """
    rng = np.random.default_rng([seed, 7])
    if slugs is None:
        number = int(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15]))
        chosen = rng.choice(len(CONCEPTS), number, replace=False)
        slugs = tuple(CONCEPTS[int(i)].slug for i in chosen)
    if place is None:
        place = BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))].slug
    scene = Scene(place, (), seed)
    return replace(scene, things=random_things(slugs, aspect, rng, ease) if slugs else ())
