"""Draw the demo film's frames: glyphs that move smoothly over a wider painted background."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from demo.backdrops import background
from demo.concepts import concept
from demo.film_shots import HEIGHT, RATE, WIDTH, Actor, Shot
from demo.pictures import glyph

CANVAS = (960, 420)  # pixels: the painted background, of which the camera sees a part
SPRITE_MARGIN = 2  # pixels of transparency around a sprite, for smooth edges when it is turned


@dataclass(frozen=True)
class Grain:
    """A flake, a streak or a bubble: its start (pixels) and its speed (pixels a second)."""

    x: float
    y: float
    across: float
    down: float
    scale: float
    sway: float


def _between(ends: tuple[float, float], at: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * at


def stamp(
    picture: Image.Image, sprite: Image.Image, x: float, y: float, *, scale: float, turn: float
) -> None:
    """Paste a sprite (RGBA), scaled and rotated, with its centre at x, y (fractional pixels)."""
    radians = math.radians(turn)
    cos, sin = math.cos(radians) / scale, math.sin(radians) / scale
    half = math.hypot(*sprite.size) * scale / 2 if turn else max(sprite.size) * scale / 2
    left, top, side = math.floor(x - half) - 1, math.floor(y - half) - 1, math.ceil(2 * half) + 3
    from_x, from_y = x - left, y - top
    coefficients = (
        *(cos, -sin, sprite.width / 2 - cos * from_x + sin * from_y),
        *(sin, cos, sprite.height / 2 - sin * from_x - cos * from_y),
    )
    patch = sprite.transform(
        (side, side), Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC
    )
    picture.paste(patch, (left, top), patch)


@lru_cache(maxsize=64)
def _sprite(slug: str, side: int, mirrored: bool) -> Image.Image:
    whole = side + 2 * SPRITE_MARGIN
    image = Image.new("RGBA", (whole, whole), (0, 0, 0, 0))
    drawn = glyph(concept(slug).emoji, side)
    if mirrored:
        drawn = drawn.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image.paste(drawn, (SPRITE_MARGIN, SPRITE_MARGIN))
    return image


@lru_cache(maxsize=64)
def _shadow(width: int) -> Image.Image:
    """Draw a soft dark ellipse about ``width`` pixels wide and a fifth as high."""
    tall, blur = max(4, width // 6), max(2, width // 24)
    image = Image.new("RGBA", (width + 6 * blur, tall + 6 * blur), (20, 16, 32, 0))
    mask = Image.new("L", image.size, 0)
    ImageDraw.Draw(mask).ellipse([3 * blur, 3 * blur, 3 * blur + width, 3 * blur + tall], fill=88)
    image.putalpha(mask.filter(ImageFilter.GaussianBlur(blur)))
    return image


@lru_cache(maxsize=4)
def _grain_sprite(place: str) -> Image.Image:
    """Draw a flake (snow), a streak (rain) or a bubble (underwater), large and then reduced."""
    large = Image.new("RGBA", (96, 96), (255, 255, 255, 0))
    pen = ImageDraw.Draw(large)
    if place == "snow":
        pen.ellipse([20, 20, 76, 76], fill=(255, 255, 255, 235))
    elif place == "rain":
        pen.line([44, 4, 52, 92], fill=(214, 226, 240, 190), width=7)
    else:
        pen.ellipse(
            [14, 14, 82, 82], fill=(200, 240, 245, 40), outline=(206, 240, 246, 220), width=8
        )
        pen.ellipse([30, 28, 44, 42], fill=(255, 255, 255, 220))
    return large.resize((24, 24), Image.Resampling.LANCZOS)


def _grains(shot: Shot) -> list[Grain]:
    rng = np.random.default_rng([shot.film_seed(), 3])
    number, down, scale = {
        "snow": (34, (38.0, 90.0), (0.22, 0.55)),
        "rain": (44, (420.0, 620.0), (0.8, 1.5)),
        "underwater": (16, (-70.0, -30.0), (0.35, 0.9)),
    }.get(shot.background, (0, (0.0, 0.0), (1.0, 1.0)))
    return [
        Grain(
            rng.uniform(-20, WIDTH + 20),
            rng.uniform(0, HEIGHT),
            rng.uniform(-8, 8) if number != 44 else 40.0,
            rng.uniform(*down),
            rng.uniform(*scale),
            rng.uniform(3, 10) if number != 44 else 0.0,
        )
        for _ in range(number)
    ]


def _weather(picture: Image.Image, shot: Shot, grains: list[Grain], seconds: float) -> None:
    for grain in grains:
        sprite = _grain_sprite(shot.background)
        sway = grain.sway * math.sin(seconds * 1.7 + grain.x)
        x = (grain.x + grain.across * seconds + 20) % (WIDTH + 40) - 20 + sway
        y = (grain.y + grain.down * seconds + 20) % (HEIGHT + 40) - 20
        stamp(picture, sprite, x, y, scale=grain.scale, turn=0)


def _look(canvas: Image.Image, shot: Shot, at: float) -> Image.Image:
    """Return the part of the background that the camera sees ``at`` (0 to 1) of the shot."""
    zoom = _between(shot.zoom, at)
    across = _between((shot.pan[0][0], shot.pan[1][0]), at)
    down = _between((shot.pan[0][1], shot.pan[1][1]), at)
    left = across * (canvas.width - WIDTH) + (WIDTH - WIDTH / zoom) / 2
    top = down * (canvas.height - HEIGHT) + (HEIGHT - HEIGHT / zoom) / 2
    return canvas.transform(
        (WIDTH, HEIGHT),
        Image.Transform.AFFINE,
        (1 / zoom, 0, left, 0, 1 / zoom, top),
        Image.Resampling.BICUBIC,
    )


def _ease(at: float) -> float:
    """Ease in and out."""
    return at * at * (3 - 2 * at)


def _put(picture: Image.Image, actor: Actor, at: float, seconds: float) -> None:
    """Draw one thing ``at`` (0 to 1) of its path, ``seconds`` after the cut."""
    end = actor.end or actor.start
    x = _between((actor.start[0], end[0]), _ease(at)) * WIDTH
    ground = _between((actor.start[1], end[1]), _ease(at)) * HEIGHT
    beat = math.sin(2 * math.pi * actor.pace * seconds)
    lift = actor.bob * beat + actor.hop * abs(math.sin(math.pi * actor.pace * seconds))
    grown = _between((1.0, actor.grow), at)
    largest = round(actor.height * HEIGHT * max(1.0, actor.grow))
    scale = actor.height * HEIGHT * grown / largest
    if not actor.floats:
        stamp(
            picture, _shadow(round(largest * 0.7)), x, ground + largest * 0.455, scale=1.0, turn=0
        )
    turn = actor.turn + actor.swing * math.sin(2 * math.pi * actor.pace * seconds + 0.6)
    sprite = _sprite(actor.concept, largest, actor.mirrored)
    stamp(picture, sprite, x, ground - lift * HEIGHT, scale=scale, turn=turn)


def draw_shot(shot: Shot, rate: int = RATE) -> Iterator[Image.Image]:
    """Yield the frames of a shot, RGB, ``WIDTH`` by ``HEIGHT`` pixels, ``rate`` a second."""
    canvas = background(shot.background, CANVAS, np.random.default_rng(shot.film_seed()))
    grains = _grains(shot)
    for number in range(shot.frames * rate // RATE):
        yield draw_frame(shot, number * RATE / rate, canvas, grains)


def draw_frame(shot: Shot, number: float, canvas: Image.Image, grains: list[Grain]) -> Image.Image:
    """Draw frame ``number`` of a shot (from 0) over its painted background.

    A fraction is a time between two frames.
    """
    at, seconds = number / max(1, shot.frames - 1), number / RATE
    picture = _look(canvas, shot, at)
    for actor in shot.actors:
        _put(picture, actor, at, seconds)
    _weather(picture, shot, grains, seconds)
    return picture


def still(shot: Shot, number: int) -> Image.Image:
    """Draw one frame of a shot."""
    canvas = background(shot.background, CANVAS, np.random.default_rng(shot.film_seed()))
    return draw_frame(shot, number, canvas, _grains(shot))
