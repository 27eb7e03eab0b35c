"""Draw the backgrounds with a random generator, at any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[float, float, float]
Floats = NDArray[np.float32]
Size = tuple[int, int]


def _gradient(size: Size, stops: Sequence[tuple[float, Colour]], rng: Generator) -> Floats:
    """Return a vertical gradient with slightly shifted colours: (height, width, 3), 0 to 255."""
    width, height = size
    rows = np.linspace(0, 1, height)
    at = [stop[0] for stop in stops]
    shift = rng.normal(0, 7, 3)
    columns = [
        np.interp(rows, at, [stop[1][c] for stop in stops]) + shift[c] + rng.normal(0, 3)
        for c in range(3)
    ]
    one = np.stack(columns, axis=1).astype(np.float32)
    return np.repeat(one[:, None, :], width, axis=1)


def _noise(size: Size, rng: Generator, cells: int, stretch: float = 1.0) -> Floats:
    """Return smooth noise, about -1 to 1, with ``cells`` bumps over the height: (height, width)."""
    width, height = size
    down = max(2, cells)
    across = max(2, int(cells * width / height / stretch))
    small = rng.uniform(-1, 1, (down, across)).astype(np.float32)
    image = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(image, dtype=np.float32)


def _fractal(size: Size, rng: Generator, cells: int, stretch: float = 1.0) -> Floats:
    return (
        _noise(size, rng, cells, stretch)
        + 0.5 * _noise(size, rng, cells * 2, stretch)
        + 0.25 * _noise(size, rng, cells * 5, stretch)
    )


def _image(pixels: Floats) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8), "RGB")


def _ridge(size: Size, rng: Generator, level: float, rough: float) -> Floats:
    """Return a hilly horizon: the row, as a fraction of the height, of each column."""
    across = np.linspace(0, 1, size[0])
    line = np.full(size[0], level)
    for k in (1, 2, 4, 7):
        line += (
            rough / k * np.sin(across * 2 * np.pi * k * rng.uniform(0.5, 1.3) + rng.uniform(0, 7))
        )
    return line.astype(np.float32)


def _below(pixels: Floats, ridge: Floats, fill: Floats) -> None:
    """Copy ``fill`` (height, width, 3) below the ridge, in place."""
    rows = np.arange(pixels.shape[0])[:, None] / pixels.shape[0]
    mask = rows > ridge[None, :]
    pixels[mask] = fill[mask]


def _textured(
    size: Size, stops: Sequence[tuple[float, Colour]], rng: Generator, depth: float, cells: int
) -> Floats:
    return _gradient(size, stops, rng) + depth * _fractal(size, rng, cells, 2.5)[..., None]


def _stars(image: Image.Image, rng: Generator, number: int, lowest: float) -> None:
    pen = ImageDraw.Draw(image)
    width, height = image.size
    for _ in range(number):
        x, y = rng.uniform(0, width), rng.uniform(0, height * lowest)
        bright = int(rng.uniform(130, 255))
        r = height * rng.choice([0.0015, 0.003, 0.005], p=[0.6, 0.3, 0.1])
        pen.ellipse([x - r, y - r, x + r, y + r], fill=(bright, bright, min(255, bright + 15)))


def _night(size: Size, rng: Generator) -> Image.Image:
    sky: list[tuple[float, Colour]] = [(0, (4, 7, 28)), (0.7, (16, 26, 72)), (1, (34, 46, 100))]
    pixels = _gradient(size, sky, rng) + 5 * _fractal(size, rng, 4)[..., None]
    image = _image(pixels)
    _stars(image, rng, int(rng.integers(60, 170)), 0.85)
    pixels = np.asarray(image, dtype=np.float32).copy()
    ground = _textured(size, [(0, (8, 14, 26)), (1, (4, 7, 16))], rng, 3, 6)
    _below(pixels, _ridge(size, rng, rng.uniform(0.78, 0.93), 0.025), ground)
    return _image(pixels)


def _snow(size: Size, rng: Generator) -> Image.Image:
    sky: list[tuple[float, Colour]] = [(0, (158, 178, 204)), (0.7, (206, 218, 232))]
    pixels = _textured(size, sky, rng, 7, 4)
    far = _textured(size, [(0, (214, 224, 238)), (1, (226, 234, 245))], rng, 4, 5)
    near = _textured(size, [(0.4, (234, 240, 248)), (1, (248, 250, 254))], rng, 6, 6)
    _below(pixels, _ridge(size, rng, rng.uniform(0.5, 0.62), 0.05), far)
    _below(pixels, _ridge(size, rng, rng.uniform(0.64, 0.76), 0.03), near)
    image = _image(pixels)
    pen = ImageDraw.Draw(image)
    width, height = size
    for _ in range(int(rng.integers(90, 260))):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        r = height * rng.uniform(0.003, 0.013)
        pen.ellipse([x - r, y - r, x + r, y + r], fill=(255, 255, 255))
    return image


def _sea(size: Size, rng: Generator) -> Image.Image:
    sky: list[tuple[float, Colour]] = [(0, (92, 172, 232)), (0.5, (186, 224, 246))]
    pixels = _textured(size, sky, rng, 8, 3)
    horizon = rng.uniform(0.36, 0.52)
    water = _gradient(size, [(horizon, (18, 92, 150)), (1, (30, 150, 186))], rng)
    rows = np.linspace(0, 1, size[1])[:, None]
    depth = np.clip((rows - horizon) / (1 - horizon), 0.01, 1)
    wobble = _noise(size, rng, 9, 3.0)
    waves = np.sin(26 * np.sqrt(depth) + 2.2 * wobble + rng.uniform(0, 7))
    water += (16 * waves * (0.4 + depth) + 34 * (waves > 0.93))[..., None]
    _below(pixels, np.full(size[0], horizon, dtype=np.float32), water)
    if rng.random() < 0.6:
        beach = _textured(size, [(0.7, (226, 204, 150)), (1, (238, 216, 168))], rng, 8, 12)
        _below(pixels, _ridge(size, rng, rng.uniform(0.84, 0.94), 0.012), beach)
    return _image(pixels)


def _sunset(size: Size, rng: Generator) -> Image.Image:
    horizon = rng.uniform(0.62, 0.76)
    sky: list[tuple[float, Colour]] = [
        (0, (86, 44, 110)),
        (horizon * 0.5, (220, 88, 84)),
        (horizon, (255, 190, 84)),
    ]
    pixels = _gradient(size, sky, rng) + 12 * _fractal(size, rng, 5, 5)[..., None]
    image = _image(pixels)
    width, height = size
    x, y, r = width * rng.uniform(0.15, 0.85), height * horizon, height * rng.uniform(0.1, 0.17)
    pen = ImageDraw.Draw(image)
    for grow, colour in ((1.35, (255, 206, 104)), (1.0, (255, 238, 160))):
        pen.ellipse([x - r * grow, y - r * grow, x + r * grow, y + r * grow], fill=colour)
    image = image.filter(ImageFilter.GaussianBlur(height * 0.006))
    pixels = np.asarray(image, dtype=np.float32).copy()
    ground = _textured(size, [(horizon, (112, 46, 58)), (1, (40, 18, 40))], rng, 9, 8)
    _below(pixels, _ridge(size, rng, horizon, 0.008), ground)
    return _image(pixels)


def _tree(pen: ImageDraw.ImageDraw, x: float, foot: float, tall: float, colour: Colour) -> None:
    trunk = tall * 0.05
    pen.rectangle([x - trunk, foot - tall * 0.3, x + trunk, foot], fill=(62, 42, 28))
    fill = (int(colour[0]), int(colour[1]), int(colour[2]))
    for step in range(3):
        wide, base = tall * (0.3 - 0.07 * step), foot - tall * (0.18 + 0.24 * step)
        pen.polygon([(x - wide, base), (x + wide, base), (x, base - tall * 0.38)], fill=fill)


def _forest(size: Size, rng: Generator) -> Image.Image:
    stops: list[tuple[float, Colour]] = [(0, (128, 168, 132)), (1, (84, 128, 88))]
    pixels = _textured(size, stops, rng, 10, 5)
    floor = _textured(size, [(0.7, (52, 78, 34)), (1, (40, 58, 26))], rng, 12, 14)
    _below(pixels, _ridge(size, rng, rng.uniform(0.74, 0.86), 0.015), floor)
    image = _image(pixels)
    pen = ImageDraw.Draw(image)
    width, height = size
    for layer, tint in enumerate(((74, 122, 82), (48, 96, 58), (26, 70, 40))):
        for _ in range(int(rng.integers(7, 14) * width / height / 1.6) - 2 * layer):
            foot = height * (0.78 + 0.07 * layer + rng.uniform(-0.03, 0.03))
            shade = rng.uniform(-12, 12)
            colour = (tint[0] + shade, tint[1] + shade, tint[2] + shade)
            _tree(pen, rng.uniform(0, width), foot, height * rng.uniform(0.4, 0.95), colour)
    return image


def _desert(size: Size, rng: Generator) -> Image.Image:
    sky: list[tuple[float, Colour]] = [(0, (122, 186, 226)), (0.5, (244, 222, 176))]
    pixels = _textured(size, sky, rng, 5, 3)
    level = rng.uniform(0.42, 0.55)
    for step in range(4):
        light = 1 - 0.09 * step + rng.uniform(-0.03, 0.03)
        top: Colour = (236 * light, 188 * light, 112 * light)
        low: Colour = (214 * light, 158 * light, 86 * light)
        dune = _textured(size, [(level, top), (1, low)], rng, 6, 10)
        dune += (5 * np.sin(np.linspace(0, 160, size[1])[:, None] + 5 * _noise(size, rng, 6)))[
            ..., None
        ]
        _below(pixels, _ridge(size, rng, level, 0.045), dune)
        level += rng.uniform(0.1, 0.16)
    return _image(pixels)


def _building(
    pen: ImageDraw.ImageDraw, box: tuple[float, float, float, float], rng: Generator, dark: bool
) -> None:
    left, top, right, bottom = box
    grey = rng.uniform(38, 74) if dark else rng.uniform(96, 172)
    wall = tuple(int(grey + rng.uniform(-10, 10)) for _ in range(3))
    pen.rectangle([left, top, right, bottom], fill=(wall[0], wall[1], wall[2]))
    columns = max(2, int(rng.integers(2, 6)))
    cell = (right - left) / columns
    rows = int((bottom - top) / cell * 0.8)
    for row in range(rows):
        for column in range(columns):
            x, y = left + (column + 0.25) * cell, top + (row + 0.3) * cell * 1.25
            lit = rng.random() < 0.4
            colour = (250, 214, 128) if lit else (int(grey * 0.6), int(grey * 0.7), int(grey * 0.8))
            pen.rectangle([x, y, x + cell * 0.5, y + cell * 0.65], fill=colour)


def _city(size: Size, rng: Generator) -> Image.Image:
    sky: list[tuple[float, Colour]] = [(0, (150, 170, 196)), (0.8, (216, 212, 206))]
    image = _image(_textured(size, sky, rng, 7, 4))
    pen = ImageDraw.Draw(image)
    width, height = size
    street = rng.uniform(0.84, 0.92)
    for dark, least, most in ((False, 0.1, 0.45), (True, 0.3, 0.65)):
        x = -width * rng.uniform(0, 0.1)
        while x < width:
            wide = height * rng.uniform(0.14, 0.3)
            _building(
                pen, (x, height * rng.uniform(least, most), x + wide, height * street), rng, dark
            )
            x += wide * rng.uniform(1.0, 1.35)
    pixels = np.asarray(image, dtype=np.float32).copy()
    road = _textured(size, [(0.8, (92, 92, 96)), (1, (70, 70, 74))], rng, 5, 12)
    _below(pixels, np.full(width, street, dtype=np.float32), road)
    return _image(pixels)


def _rain(size: Size, rng: Generator) -> Image.Image:
    sky: list[tuple[float, Colour]] = [
        (0, (74, 84, 98)),
        (0.7, (128, 138, 150)),
        (1, (98, 108, 120)),
    ]
    pixels = _gradient(size, sky, rng) + 14 * _fractal(size, rng, 4, 2)[..., None]
    ground = _textured(size, [(0.7, (78, 88, 98)), (1, (92, 102, 112))], rng, 9, 12)
    _below(pixels, _ridge(size, rng, rng.uniform(0.76, 0.88), 0.01), ground)
    image = _image(pixels)
    pen = ImageDraw.Draw(image)
    width, height = size
    slant = rng.uniform(-0.35, 0.35)
    for _ in range(int(rng.integers(170, 330) * width / height / 1.6)):
        x, y = rng.uniform(-0.1, 1.1) * width, rng.uniform(-0.1, 1) * height
        long = height * rng.uniform(0.05, 0.13)
        bright = int(rng.uniform(176, 226))
        line = max(1, round(height * 0.004))
        pen.line(
            [x, y, x + slant * long, y + long],
            fill=(bright, bright, min(255, bright + 8)),
            width=line,
        )
    return image


def _indoors(size: Size, rng: Generator) -> Image.Image:
    walls: list[Colour] = [
        (222, 196, 160), (196, 206, 182), (212, 178, 164), (228, 216, 190), (186, 170, 150),
    ]  # fmt: skip
    wall = walls[int(rng.integers(len(walls)))]
    pixels = _gradient(size, [(0, wall), (1, wall)], rng) + 3 * _fractal(size, rng, 8)[..., None]
    width, height = size
    stripe = width / rng.integers(10, 22)
    pixels += 5 * (np.arange(width) // stripe % 2)[None, :, None]
    level = rng.uniform(0.72, 0.82)
    floor = _gradient(size, [(level, (150, 98, 56)), (1, (124, 78, 44))], rng)
    floor += 8 * _noise(size, rng, 18, 8)[..., None]
    _below(pixels, np.full(width, level, dtype=np.float32), floor)
    image = _image(pixels)
    pen = ImageDraw.Draw(image)
    edge = height * level
    pen.rectangle([0, edge - height * 0.03, width, edge], fill=(240, 236, 226))
    for row in range(4):
        y = edge + (height - edge) * (row / 4) ** 1.4
        pen.line([0, y, width, y], fill=(104, 64, 36), width=max(1, round(height * 0.004)))
    wide, tall = height * rng.uniform(0.3, 0.42), height * rng.uniform(0.32, 0.44)
    x, y = rng.uniform(0.02, 0.98) * (width - wide), height * rng.uniform(0.1, 0.2)
    frame = height * 0.018
    pen.rectangle([x - frame, y - frame, x + wide + frame, y + tall + frame], fill=(250, 248, 242))
    pen.rectangle([x, y, x + wide, y + tall], fill=(176, 214, 236))
    pen.rectangle(
        [x + wide / 2 - frame / 2, y, x + wide / 2 + frame / 2, y + tall], fill=(250, 248, 242)
    )
    pen.rectangle(
        [x, y + tall / 2 - frame / 2, x + wide, y + tall / 2 + frame / 2], fill=(250, 248, 242)
    )
    return image


def _meadow(size: Size, rng: Generator) -> Image.Image:
    sky: list[tuple[float, Colour]] = [(0, (110, 186, 242)), (0.6, (200, 232, 250))]
    pixels = _textured(size, sky, rng, 6, 3)
    far = _textured(size, [(0.3, (138, 196, 92)), (1, (120, 184, 74))], rng, 6, 5)
    near = _textured(size, [(0.5, (112, 182, 62)), (1, (74, 146, 40))], rng, 9, 10)
    _below(pixels, _ridge(size, rng, rng.uniform(0.42, 0.54), 0.04), far)
    level = rng.uniform(0.58, 0.7)
    _below(pixels, _ridge(size, rng, level, 0.02), near)
    image = _image(pixels)
    pen = ImageDraw.Draw(image)
    width, height = size
    for _ in range(int(300 * width / height / 1.6)):
        x, y = rng.uniform(0, width), height * rng.uniform(level + 0.04, 1.04)
        long = height * rng.uniform(0.02, 0.05)
        green = int(rng.uniform(110, 190))
        line = max(1, round(height * 0.004))
        tip = x + rng.uniform(-0.4, 0.4) * long
        pen.line([x, y, tip, y - long], fill=(green // 2, green, green // 4), width=line)
    return image


def _space(size: Size, rng: Generator) -> Image.Image:
    pixels = _gradient(size, [(0, (20, 6, 34)), (1, (30, 8, 44))], rng)
    tints: tuple[Colour, ...] = ((150, 30, 120), (92, 36, 168), (190, 70, 110))
    for tint in tints:
        cloud = np.clip(_fractal(size, rng, 3) - rng.uniform(-0.1, 0.3), 0, 1.5)
        pixels += cloud[..., None] * np.asarray(tint, dtype=np.float32)
    image = _image(pixels)
    _stars(image, rng, int(rng.integers(90, 200)), 1.0)
    return image


def _underwater(size: Size, rng: Generator) -> Image.Image:
    water: list[tuple[float, Colour]] = [
        (0, (54, 184, 196)),
        (0.5, (12, 110, 140)),
        (1, (4, 50, 84)),
    ]
    pixels = _gradient(size, water, rng)
    across, down = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    lean = rng.uniform(-0.4, 0.4)
    rays = np.sin((across + lean * down) * rng.uniform(18, 30) + 2 * _noise(size, rng, 2))
    pixels += (22 * np.clip(rays, 0, 1) * (1 - down) ** 1.5)[..., None]
    pixels += 6 * _fractal(size, rng, 6, 3)[..., None]
    bed = _textured(size, [(0.8, (92, 116, 106)), (1, (112, 122, 98))], rng, 8, 12)
    _below(pixels, _ridge(size, rng, rng.uniform(0.84, 0.95), 0.015), bed)
    image = _image(pixels)
    pen = ImageDraw.Draw(image)
    width, height = size
    for _ in range(int(rng.integers(12, 34))):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        r = height * rng.uniform(0.005, 0.018)
        line = max(1, round(height * 0.004))
        pen.ellipse([x - r, y - r, x + r, y + r], outline=(178, 226, 232), width=line)
    return image


PAINTERS: dict[str, Callable[[Size, Generator], Image.Image]] = {
    "night": _night,
    "snow": _snow,
    "sea": _sea,
    "sunset": _sunset,
    "forest": _forest,
    "desert": _desert,
    "city": _city,
    "rain": _rain,
    "indoors": _indoors,
    "meadow": _meadow,
    "space": _space,
    "underwater": _underwater,
}


def background(slug: str, size: Size, rng: Generator) -> Image.Image:
    """Draw the background ``slug``, RGB, ``size`` = (width, height) in pixels.

    The same generator state gives the same picture. It is drawn with at least 180 rows and
    reduced, so that thin strokes keep their weight in small pictures.
    """
    width, height = size
    scale = max(1.0, 180 / height)
    large = (max(8, round(width * scale)), max(8, round(height * scale)))
    drawn = PAINTERS[slug](large, rng)
    return drawn if large == size else drawn.resize(size, Image.Resampling.BICUBIC)
