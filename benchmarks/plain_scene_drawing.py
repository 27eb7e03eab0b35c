"""Frames without writing that resemble credits or blank frames: drawn by seed."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter

from benchmarks.card_drawing import BLACK, WHITE, Size
from demo.concepts import CONCEPTS
from demo.pictures import draw, glyph, random_scene


def gradient(size: Size, top: tuple[float, ...], bottom: tuple[float, ...]) -> Image.Image:
    """Return colours that change from top to bottom."""
    part = np.linspace(0, 1, size[1])[:, None, None]
    rows = np.array(top) * (1 - part) + np.array(bottom) * part
    return Image.fromarray(np.broadcast_to(rows, (size[1], size[0], 3)).astype(np.uint8), "RGB")


def add_grain(picture: Image.Image, rng: Generator, strength: float) -> Image.Image:
    """Return a picture with film grain; `strength` is its standard deviation in levels."""
    pixels = np.asarray(picture, np.float32)
    grain = rng.normal(0, strength, pixels.shape[:2])[:, :, None]
    return Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8), "RGB")


def _spots(pen: ImageDraw.ImageDraw, size: Size, rng: Generator, count: int, most: float) -> None:
    for _spot in range(count):
        x, y, r = rng.uniform(0, size[0]), rng.uniform(0, size[1]), rng.uniform(0.4, most)
        light = int(rng.uniform(90, 255))
        pen.ellipse((x - r, y - r, x + r, y + r), (light, light, min(255, light + 15)))


def stars(size: Size, rng: Generator) -> Image.Image:
    """A clear night."""
    flat = rng.random() < 0.5
    picture = Image.new("RGB", size, BLACK) if flat else gradient(size, (4, 6, 20), (14, 22, 52))
    _spots(ImageDraw.Draw(picture), size, rng, int(rng.integers(12, 500)), 1.8)
    return picture


def moon(size: Size, rng: Generator) -> Image.Image:
    """A moon, full or new, on black or among stars."""
    picture = stars(size, rng) if rng.random() < 0.5 else Image.new("RGB", size, (2, 3, 8))
    pen, r = ImageDraw.Draw(picture), float(rng.uniform(6, 70))
    x, y = rng.uniform(r, size[0] - r), rng.uniform(r, size[1] - r)
    pen.ellipse((x - r, y - r, x + r, y + r), (235, 232, 215))
    if rng.random() < 0.5:
        pen.ellipse((x - r * 0.4, y - r, x + r * 1.6, y + r), (3, 4, 10))
    return picture


def fireworks(size: Size, rng: Generator) -> Image.Image:
    picture = Image.new("RGB", size, (3, 3, 8))
    pen = ImageDraw.Draw(picture)
    for _burst in range(rng.integers(1, 6)):
        x, y, r = rng.uniform(80, size[0] - 80), rng.uniform(60, size[1] - 60), rng.uniform(25, 100)
        colour = tuple(int(v) for v in rng.integers(90, 256, 3))
        rays = int(rng.integers(12, 50))
        for ray in range(rays):
            a, near = ray * 6.283 / rays, rng.uniform(0.2, 0.6)
            far = r * rng.uniform(0.7, 1)
            pen.line((x + r * near * np.cos(a), y + r * near * np.sin(a), x + far * np.cos(a), y + far * np.sin(a)), colour, 2)  # fmt: skip  # noqa: E501
    return picture


def snowfall(size: Size, rng: Generator) -> Image.Image:
    """Flakes at night, or against a grey sky."""
    grey = rng.random() < 0.5
    picture = Image.new("RGB", size, (120, 126, 136) if grey else (10, 12, 20))
    _spots(ImageDraw.Draw(picture), size, rng, int(rng.integers(150, 1500)), 4)
    return picture


def rain(size: Size, rng: Generator) -> Image.Image:
    picture = Image.new("RGB", size, (20, 24, 30))
    pen = ImageDraw.Draw(picture)
    for _drop in range(rng.integers(80, 400)):
        x, y, long = rng.uniform(0, size[0]), rng.uniform(0, size[1]), rng.uniform(8, 26)
        pen.line((x, y, x - long * 0.2, y + long), (150, 160, 175), 1)
    return picture


def face_in_the_dark(size: Size, rng: Generator) -> Image.Image:
    """Lit from one side."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    cx, cy, r = (
        rng.uniform(0.3, 0.7) * width,
        rng.uniform(0.4, 0.6) * height,
        height * rng.uniform(0.18, 0.4),
    )
    inside = ((x - cx) / (r * 0.75)) ** 2 + ((y - cy) / r) ** 2 < 1
    light = np.clip((cx + r - x) / (2 * r), 0, 1) ** 2 * inside
    pixels = light[:, :, None] * np.array([220, 170, 140])
    picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8), "RGB")
    pen = ImageDraw.Draw(picture)
    for side in (-0.3, 0.3):
        pen.ellipse(
            (cx + side * r - 6, cy - r * 0.2 - 4, cx + side * r + 6, cy - r * 0.2 + 4), (20, 10, 8)
        )
    return picture.filter(ImageFilter.GaussianBlur(1.5))


def silhouettes(size: Size, rng: Generator) -> Image.Image:
    """Black shapes against a plain sky."""
    sky = tuple(int(v) for v in rng.integers(110, 256, 3))
    picture = Image.new("RGB", size, sky)
    pen = ImageDraw.Draw(picture)
    ground = size[1] * rng.uniform(0.7, 0.9)
    pen.rectangle((0, ground, *size), BLACK)
    for _figure in range(rng.integers(1, 7)):
        x, tall = rng.uniform(0, size[0]), size[1] * rng.uniform(0.15, 0.5)
        pen.ellipse((x - tall * 0.1, ground - tall, x + tall * 0.1, ground - tall * 0.8), BLACK)
        pen.rectangle((x - tall * 0.12, ground - tall * 0.8, x + tall * 0.12, ground), BLACK)
    return picture


def birds(size: Size, rng: Generator) -> Image.Image:
    """A flock, small and dark against a bright sky."""
    picture = Image.new("RGB", size, (205, 222, 240))
    pen = ImageDraw.Draw(picture)
    for _bird in range(rng.integers(3, 40)):
        x, y, s = rng.uniform(0, size[0]), rng.uniform(0, size[1] * 0.8), rng.uniform(4, 14)
        pen.arc((x - s, y, x, y + s), 200, 340, (20, 20, 30), 2)
        pen.arc((x, y, x + s, y + s), 200, 340, (20, 20, 30), 2)
    return picture


def wires(size: Size, rng: Generator) -> Image.Image:
    """Birds on wires: in rows like letters."""
    picture = Image.new("RGB", size, (222, 226, 232))
    pen = ImageDraw.Draw(picture)
    for row in range(rng.integers(1, 4)):
        y = size[1] * (0.3 + 0.15 * row)
        pen.line((0, y, size[0], y), (30, 30, 30), 2)
        for x in np.sort(rng.uniform(20, size[0] - 20, int(rng.integers(4, 16)))):
            pen.ellipse((x - 5, y - 14, x + 6, y), (20, 20, 24))
            pen.ellipse((x + 2, y - 19, x + 9, y - 12), (20, 20, 24))
    return picture


def skyline(size: Size, rng: Generator) -> Image.Image:
    """A city at night, its windows lit, in rows and columns."""
    picture = Image.new("RGB", size, (5, 6, 14))
    pen, x = ImageDraw.Draw(picture), 0.0
    body = 0 if rng.random() < 0.3 else int(rng.integers(8, 30))
    while x < size[0]:
        wide, top = rng.uniform(40, 110), size[1] * rng.uniform(0.15, 0.7)
        pen.rectangle((x, top, x + wide, size[1]), (5 + body, 6 + body, 14 + body))
        for wy in np.arange(top + 8, size[1], 15):
            for wx in np.arange(x + 6, x + wide - 8, 13):
                if rng.random() < 0.5:
                    pen.rectangle((wx, wy, wx + 5, wy + 7), (250, 225, int(rng.uniform(120, 200))))
        x += wide + rng.uniform(0, 30)
    return picture


def lanterns(size: Size, rng: Generator) -> Image.Image:
    """Lights on strings, in the dark."""
    picture = Image.new("RGB", size, (8, 6, 10))
    pen = ImageDraw.Draw(picture)
    for row in range(rng.integers(1, 5)):
        y = size[1] * (0.15 + 0.2 * row)
        for x in np.arange(10, size[0], float(rng.uniform(24, 60))):
            hang = y + 25 * np.sin(x / size[0] * 3.1416)
            pen.ellipse((x - 5, hang - 6, x + 5, hang + 6), (255, 190, 90))
    return picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 2))))


def bokeh(size: Size, rng: Generator) -> Image.Image:
    picture = Image.new("RGB", size, (6, 6, 10))
    pen = ImageDraw.Draw(picture, "RGBA")
    for _light in range(rng.integers(8, 50)):
        x, y, r = rng.uniform(0, size[0]), rng.uniform(0, size[1]), rng.uniform(6, 34)
        pen.ellipse(
            (x - r, y - r, x + r, y + r), (*(int(v) for v in rng.integers(90, 256, 3)), 150)
        )
    return picture


def road(size: Size, rng: Generator) -> Image.Image:
    """Headlights and the marks of a lane."""
    picture = Image.new("RGB", size, (4, 4, 6))
    pen = ImageDraw.Draw(picture)
    for step in range(8):
        y, long = size[1] * (0.5 + 0.06 * step), 4 + step * 3
        pen.rectangle(
            (size[0] / 2 - 1 - step / 2, y, size[0] / 2 + 1 + step / 2, y + long), (190, 190, 180)
        )
    for x in rng.uniform(0.2, 0.8, int(rng.integers(1, 4))) * size[0]:
        for side in (-12, 12):
            pen.ellipse(
                (x + side - 5, size[1] * 0.5 - 5, x + side + 5, size[1] * 0.5 + 5), (255, 250, 220)
            )
    return picture.filter(ImageFilter.GaussianBlur(1))


def line_drawing(size: Size, rng: Generator) -> Image.Image:
    """Ink on paper, or chalk on a board."""
    ground, ink = (
        ((250, 248, 240), (20, 20, 20)) if rng.random() < 0.7 else ((25, 40, 34), (230, 230, 225))
    )
    picture = Image.new("RGB", size, ground)
    pen = ImageDraw.Draw(picture)
    for _stroke in range(rng.integers(6, 60)):
        turn, points = rng.uniform(0, 6.28), [rng.uniform(0.15, 0.85, 2) * size]
        for _step in range(rng.integers(4, 25)):
            turn += rng.normal(0, 0.5)
            points.append(points[-1] + np.array([np.cos(turn), np.sin(turn)]) * rng.uniform(4, 16))
        pen.line([tuple(p) for p in points], ink, int(rng.integers(1, 4)))
    return picture


def house_drawing(size: Size, rng: Generator) -> Image.Image:
    """A drawing of straight lines: houses with windows, a sun."""
    picture = Image.new("RGB", size, WHITE)
    pen = ImageDraw.Draw(picture)
    for place in range(rng.integers(1, 5)):
        x, y = 40 + place * 140, size[1] * rng.uniform(0.4, 0.6)
        wide, tall = rng.uniform(70, 120), size[1] * 0.3
        pen.rectangle((x, y, x + wide, y + tall), outline=BLACK, width=2)
        pen.line((x, y, x + wide / 2, y - 40, x + wide, y), BLACK, 2)
        for window in (0.2, 0.6):
            pen.rectangle(
                (x + wide * window, y + 20, x + wide * window + 16, y + 40), outline=BLACK, width=2
            )
    pen.ellipse((size[0] - 90, 20, size[0] - 40, 70), outline=BLACK, width=2)
    return picture


def cartoon(size: Size, rng: Generator) -> Image.Image:
    """Figures on one flat colour."""
    flat = (BLACK, WHITE, tuple(int(v) for v in rng.integers(0, 256, 3)))[int(rng.integers(3))]
    picture = Image.new("RGB", size, flat)
    for _figure in range(rng.integers(1, 4)):
        side = int(size[1] * rng.uniform(0.1, 0.7))
        one = glyph(CONCEPTS[int(rng.integers(len(CONCEPTS)))].emoji, side)
        x, y = rng.uniform(0, 0.8, 2) * size
        picture.paste(one, (int(x), int(y)), one)
    return picture


def row_of_figures(size: Size, rng: Generator) -> Image.Image:
    """The same small figure, many times in a row, on one flat colour."""
    picture = Image.new("RGB", size, (BLACK, WHITE, (120, 190, 240))[int(rng.integers(3))])
    side = int(size[1] * rng.uniform(0.06, 0.2))
    one = glyph(CONCEPTS[int(rng.integers(len(CONCEPTS)))].emoji, side)
    for row in range(rng.integers(1, 4)):
        for x in range(side, size[0] - side, int(side * rng.uniform(1.1, 1.8))):
            picture.paste(one, (x, int(size[1] * 0.2 + row * side * 1.6)), one)
    return picture


def drawn_scene(size: Size, rng: Generator) -> Image.Image:
    """A scene like those of the demo film."""
    scene = random_scene(int(rng.integers(1 << 51, 1 << 52)), aspect=size[0] / size[1])
    return draw(scene, size)


def lit_window(size: Size, rng: Generator) -> Image.Image:
    """One window in the dark, with a person in it."""
    picture = Image.new("RGB", size, (3, 3, 6))
    pen = ImageDraw.Draw(picture)
    x, y = rng.uniform(0.2, 0.7) * size[0], rng.uniform(0.2, 0.5) * size[1]
    pen.rectangle((x, y, x + 70, y + 90), (245, 215, 140))
    pen.ellipse((x + 26, y + 30, x + 46, y + 52), (40, 25, 20))
    pen.rectangle((x + 18, y + 52, x + 54, y + 90), (40, 25, 20))
    pen.line((x + 35, y, x + 35, y + 90), (60, 40, 30), 3)
    return picture


def chessboard(size: Size, rng: Generator) -> Image.Image:
    picture = Image.new("RGB", size, (235, 230, 215))
    pen, side = ImageDraw.Draw(picture), int(rng.integers(24, 60))
    for row in range(size[1] // side + 1):
        for column in range(row % 2, size[0] // side + 1, 2):
            pen.rectangle(
                (column * side, row * side, column * side + side - 1, row * side + side - 1),
                (40, 30, 30),
            )
    return picture


def bars(size: Size, rng: Generator) -> Image.Image:
    """A fence, a cage, blinds: light between them."""
    picture = Image.new("RGB", size, (230, 205, 150))
    pen, step = ImageDraw.Draw(picture), float(rng.uniform(12, 40))
    upright = rng.random() < 0.5
    for at in np.arange(0, max(size), step):
        box = (at, 0, at + step / 3, size[1]) if upright else (0, at, size[0], at + step / 3)
        pen.rectangle(box, (30, 22, 20))
    return picture


def lightning(size: Size, rng: Generator) -> Image.Image:
    picture = Image.new("RGB", size, (12, 12, 26))
    pen = ImageDraw.Draw(picture)
    for _bolt in range(rng.integers(1, 4)):
        x, y = rng.uniform(0.2, 0.8) * size[0], 0.0
        while y < size[1] * 0.8:
            to_x, to_y = x + rng.normal(0, 18), y + rng.uniform(8, 26)
            pen.line((x, y, to_x, to_y), (240, 240, 255), 3)
            x, y = to_x, to_y
    return picture


def candle(size: Size, rng: Generator) -> Image.Image:
    picture = Image.new("RGB", size, (6, 3, 2))
    pen = ImageDraw.Draw(picture)
    for place in rng.uniform(0.1, 0.9, int(rng.integers(1, 9))):
        x, y = place * size[0], size[1] * rng.uniform(0.4, 0.7)
        pen.ellipse((x - 6, y - 22, x + 6, y), (255, 200, 90))
        pen.rectangle((x - 8, y + 2, x + 8, y + 60), (150, 110, 80))
    return picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(1, 3))))


def bubbles(size: Size, rng: Generator) -> Image.Image:
    picture = Image.new("RGB", size, (10, 60, 90))
    pen = ImageDraw.Draw(picture)
    for _bubble in range(rng.integers(10, 90)):
        x, y, r = rng.uniform(0, size[0]), rng.uniform(0, size[1]), rng.uniform(2, 14)
        pen.ellipse((x - r, y - r, x + r, y + r), outline=(200, 235, 245), width=2)
    return picture


def confetti(size: Size, rng: Generator) -> Image.Image:
    picture = Image.new("RGB", size, (BLACK, WHITE, (250, 210, 220))[int(rng.integers(3))])
    pen = ImageDraw.Draw(picture)
    for _piece in range(rng.integers(40, 400)):
        x, y = rng.uniform(0, size[0]), rng.uniform(0, size[1])
        pen.rectangle((x, y, x + rng.uniform(2, 9), y + rng.uniform(2, 9)), tuple(int(v) for v in rng.integers(0, 256, 3)))  # fmt: skip  # noqa: E501
    return picture


def dim_room(size: Size, rng: Generator) -> Image.Image:
    """A scene in very little light."""
    dark = Image.new("RGB", size)
    return Image.blend(drawn_scene(size, rng), dark, float(rng.uniform(0.6, 0.8)))


def film_static(size: Size, rng: Generator) -> Image.Image:
    """Television static."""
    small = rng.integers(0, 256, (size[1] // 2, size[0] // 2), dtype=np.uint8)
    return Image.fromarray(small, "L").resize(size, Image.Resampling.NEAREST).convert("RGB")


def face_on_plain(size: Size, rng: Generator) -> Image.Image:
    """A face before a plain wall, as in an interview."""
    wall = tuple(int(v) for v in rng.integers(20, 240, 3))
    picture = Image.new("RGB", size, wall)
    pen = ImageDraw.Draw(picture)
    skin = ((224, 172, 140), (141, 85, 60), (250, 214, 190))[int(rng.integers(3))]
    x, y, r = size[0] * rng.uniform(0.3, 0.7), size[1] * 0.45, size[1] * rng.uniform(0.1, 0.24)
    pen.rectangle((x - r * 1.6, y + r * 1.2, x + r * 1.6, size[1]), (60, 70, 110))
    pen.ellipse((x - r * 0.75, y - r, x + r * 0.75, y + r), skin)
    for side in (-0.3, 0.3):
        pen.ellipse((x + side * r - 3, y - 4, x + side * r + 3, y + 3), (20, 20, 20))
    pen.arc((x - r * 0.3, y + r * 0.2, x + r * 0.3, y + r * 0.6), 20, 160, (120, 40, 40), 2)
    return picture.filter(ImageFilter.GaussianBlur(1))


def sheet_music(size: Size, rng: Generator) -> Image.Image:
    """Notes on staves."""
    picture = Image.new("RGB", size, (246, 242, 230))
    pen = ImageDraw.Draw(picture)
    for stave in range(3):
        top = size[1] * (0.1 + 0.3 * stave)
        for line in range(5):
            pen.line((20, top + line * 8, size[0] - 20, top + line * 8), BLACK, 1)
        for x in np.arange(50, size[0] - 30, float(rng.uniform(18, 34))):
            y = top + float(rng.integers(0, 9)) * 4
            pen.ellipse((x - 5, y - 4, x + 5, y + 4), BLACK)
            pen.line((x + 5, y, x + 5, y - 26), BLACK, 2)
    return picture


PLAIN_SCENES: tuple[Callable[[Size, Generator], Image.Image], ...] = (
    stars, moon, fireworks, snowfall, rain, face_in_the_dark, silhouettes, birds, wires, skyline,
    lanterns, bokeh, road, line_drawing, house_drawing, cartoon, row_of_figures, drawn_scene,
    lit_window, chessboard, bars, lightning, candle, bubbles, confetti, dim_room, film_static,
    face_on_plain, sheet_music,
)  # fmt: skip
