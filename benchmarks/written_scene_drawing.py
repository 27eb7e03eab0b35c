"""Frames in which something is written but which are scenes, not credits: drawn by seed."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter

from benchmarks.card_drawing import (
    BLACK,
    CHINESE_FONTS,
    LATIN_FONTS,
    LEGAL,
    LINES,
    LINES_ZH,
    TITLES,
    WHITE,
    Colour,
    Size,
    font,
    pick,
    random_name,
    random_role,
)
from benchmarks.plain_scene_drawing import (
    add_grain,
    drawn_scene,
    face_in_the_dark,
    gradient,
    moon,
    silhouettes,
    skyline,
)

SIGNS = ("EXIT", "BAKERY", "NO PARKING", "ROOM 204", "POLICE", "HOTEL", "CLOSED", "PLATFORM 9")
SIGNS_ZH = ("出口", "小心地滑", "茶馆", "禁止停车", "医院", "三号楼", "欢迎光临", "售票处")


def _subtitle(picture: Image.Image, rng: Generator) -> None:
    chinese = rng.random() < 0.5
    face = font((CHINESE_FONTS if chinese else LATIN_FONTS)[0], 20)
    ImageDraw.Draw(picture).text(
        (picture.width / 2, picture.height - 26), pick(rng, LINES_ZH if chinese else LINES),
        WHITE, face, "mm", stroke_width=1, stroke_fill=BLACK,
    )  # fmt: skip


def subtitled_scene(size: Size, rng: Generator) -> Image.Image:
    """A scene, often a dark one, with a line of dialogue."""
    scenes = (drawn_scene, face_in_the_dark, skyline, moon, silhouettes)
    picture = scenes[int(rng.integers(5))](size, rng)
    _subtitle(picture, rng)
    return picture


def subtitled_sky(size: Size, rng: Generator) -> Image.Image:
    """Nothing but the sky, with a line of dialogue."""
    top = tuple(float(v) for v in rng.uniform((50, 90, 150), (110, 150, 230)))
    picture = gradient(size, top, tuple(min(255.0, level + 50) for level in top))
    if rng.random() < 0.5:
        clouds = Image.fromarray(rng.integers(0, 256, (5, 9), dtype=np.uint8), "L")
        mask = clouds.resize(size, Image.Resampling.BICUBIC).point(
            lambda level: max(0, level - 120) // 2
        )
        picture.paste(WHITE, (0, 0), mask)
    _subtitle(picture, rng)
    return picture


def signs(size: Size, rng: Generator) -> Image.Image:
    """A shop's sign, a letter on a table, a poster: text within a scene."""
    picture = drawn_scene(size, rng)
    pen = ImageDraw.Draw(picture)
    x, y = rng.uniform(0.1, 0.4) * size[0], rng.uniform(0.1, 0.4) * size[1]
    wide, tall = size[0] * rng.uniform(0.3, 0.5), size[1] * rng.uniform(0.2, 0.5)
    pen.rectangle((x, y, x + wide, y + tall), (240, 235, 215))
    face = font(CHINESE_FONTS[1], 16)
    for row in range(int(tall // 24)):
        pen.text((x + 10, y + 4 + row * 24), "GRAND HOTEL 酒店 1942", (60, 20, 20), face)
    return picture


def sign_on_wall(size: Size, rng: Generator) -> Image.Image:
    """A board, or letters painted, on a plain wall that is lit from one side."""
    shade = tuple(float(v) for v in rng.uniform(90, 220, 3))
    light = gradient((size[1], size[0]), shade, tuple(level * 0.75 for level in shade))
    picture = add_grain(light.transpose(Image.Transpose.ROTATE_90), rng, 5)
    pen = ImageDraw.Draw(picture)
    chinese = rng.random() < 0.4
    text = pick(rng, SIGNS_ZH if chinese else SIGNS)
    face = font(pick(rng, CHINESE_FONTS if chinese else LATIN_FONTS), int(rng.integers(22, 44)))
    x, y = rng.uniform(0.3, 0.7) * size[0], rng.uniform(0.25, 0.6) * size[1]
    left, top, right, bottom = pen.textbbox((x, y), text, face, "mm")
    if rng.random() < 0.6:
        board: Colour = ((10, 90, 40), (180, 20, 30), (245, 245, 240))[int(rng.integers(3))]
        box = (left - 16, top - 12, right + 16, bottom + 12)
        pen.rectangle((box[0] + 3, box[1] + 4, box[2] + 3, box[3] + 4), (60, 60, 60))
        pen.rectangle(box, board)
        pen.text((x, y), text, WHITE if board[0] < 200 else BLACK, face, "mm")
    else:
        pen.text((x, y), text, (40, 30, 30), face, "mm")
    if rng.random() < 0.6:  # a door frame, a pipe, the floor
        pen.rectangle((size[0] * 0.86, 0, size[0] * 0.88, size[1]), (70, 60, 50))
    if rng.random() < 0.6:
        pen.rectangle((0, size[1] * 0.9, *size), (80, 70, 60))
    return picture


def _lay(paper: Image.Image, size: Size, rng: Generator, turn: float) -> Image.Image:
    """Lay a paper on a table: turned, larger than the picture or with a margin, lit from above."""
    table = tuple(int(v) for v in rng.integers(30, 110, 3))
    rotated = paper.convert("RGBA").rotate(turn, Image.Resampling.BICUBIC, expand=True)
    picture = Image.new("RGB", size, table)
    place = ((size[0] - rotated.width) // 2, (size[1] - rotated.height) // 2)
    picture.paste(rotated, place, rotated)
    shade = gradient(size, (255, 255, 255), (205, 200, 190))
    return Image.composite(picture, Image.new("RGB", size), shade.convert("L"))


def newspaper(size: Size, rng: Generator) -> Image.Image:
    """A front page, close: a headline, a photo, columns."""
    width, height = int(size[0] * rng.uniform(0.85, 1.3)), int(size[1] * rng.uniform(0.9, 1.4))
    paper = Image.new("RGB", (width, height), (228, 222, 205))
    pen = ImageDraw.Draw(paper)
    ink = (35, 32, 30)
    pen.text((width / 2, 34), "THE DAILY CHRONICLE", ink, font(LATIN_FONTS[3], 30), "mm")
    pen.line((20, 58, width - 20, 58), ink, 2)
    pen.text((width / 2, 84), pick(rng, TITLES), ink, font(LATIN_FONTS[1], 26), "mm")
    photo = drawn_scene((width // 3, height // 3), rng).convert("L").convert("RGB")
    paper.paste(photo, (20, 112))
    column, words = (width - 60) // 3, LEGAL.split()
    for number in range(3):
        x, y = 20 + number * (column + 10), 112 + (height // 3 + 10 if number == 0 else 0)
        word = int(rng.integers(len(words)))
        while y < height - 16:
            row = ""
            while pen.textlength(row + words[word % len(words)], font(LATIN_FONTS[2], 10)) < column:
                row += words[word % len(words)] + " "
                word += 1
            pen.text((x, y), row, ink, font(LATIN_FONTS[2], 10))
            y += 13
    return _lay(paper, size, rng, float(rng.uniform(-12, 12)))


def letter(size: Size, rng: Generator) -> Image.Image:
    """A typed letter or a form in somebody's hands, close."""
    width, height = int(size[0] * rng.uniform(0.6, 1.2)), int(size[1] * rng.uniform(0.8, 1.3))
    paper = Image.new("RGB", (width, height), (240, 236, 224))
    pen = ImageDraw.Draw(paper)
    chinese = rng.random() < 0.4
    face = font(pick(rng, CHINESE_FONTS if chinese else LATIN_FONTS), int(rng.integers(12, 20)))
    y = 24.0
    while y < height - 40:
        row = " ".join(
            f"{random_role(rng, chinese)} {random_name(rng, chinese)}" for _part in range(2)
        )
        pen.text((30, y), row[: int(width / face.size * (0.8 if chinese else 1.4))], (30, 30, 60), face)  # fmt: skip  # noqa: E501
        y += face.size * (1.6 if rng.random() < 0.85 else 3)
    picture = _lay(paper, size, rng, float(rng.uniform(-9, 9)))
    thumb = ImageDraw.Draw(picture)
    for side in (0.0, 1.0):
        x, y = size[0] * side, size[1] * rng.uniform(0.5, 0.8)
        thumb.ellipse((x - 44, y - 24, x + 44, y + 24), (214, 160, 130))
    return picture


def neon(size: Size, rng: Generator) -> Image.Image:
    """A neon sign in the dark: letters that glow, and what they light."""
    chinese = rng.random() < 0.5
    text = pick(rng, SIGNS_ZH if chinese else SIGNS)
    face = font((CHINESE_FONTS if chinese else LATIN_FONTS)[1], int(rng.integers(30, 60)))
    colour = tuple(int(v) for v in rng.integers(120, 256, 3))
    lit = Image.new("RGB", size, (6, 5, 10))
    x, y = rng.uniform(0.35, 0.65) * size[0], rng.uniform(0.25, 0.5) * size[1]
    ImageDraw.Draw(lit).text((x, y), text, colour, face, "mm")
    glow = np.asarray(lit.filter(ImageFilter.GaussianBlur(14)), np.float32) * 1.6
    pixels = np.asarray(lit, np.float32) + glow
    picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8), "RGB")
    pen = ImageDraw.Draw(picture)
    pen.rectangle((x - 30, size[1] * 0.7, x + 30, size[1]), (26, 20, 24))  # a door
    pen.ellipse((x + 60, size[1] * 0.68, x + 84, size[1] * 0.75), (60, 40, 40))  # a person
    pen.rectangle((x + 60, size[1] * 0.75, x + 84, size[1]), (40, 30, 34))
    return picture


def glowing_screen(size: Size, rng: Generator) -> Image.Image:
    """A phone read in the dark: text, and a hand."""
    picture = Image.new("RGB", size, (5, 5, 8))
    pen = ImageDraw.Draw(picture)
    x, y = size[0] * rng.uniform(0.3, 0.5), size[1] * 0.15
    pen.ellipse((x - 60, y + 120, x + 60, y + 300), (120, 80, 62))
    pen.rounded_rectangle((x, y, x + 130, y + 230), 12, (215, 225, 240))
    for row in range(8):
        text = "Where are you?"[: int(rng.integers(5, 15))]
        pen.text((x + 10, y + 14 + row * 24), text, (20, 20, 30), font(LATIN_FONTS[0], 12))
    return picture


def clock(size: Size, rng: Generator) -> Image.Image:
    """A clock on a wall: numbers in a circle."""
    wall = tuple(int(v) for v in rng.integers(60, 230, 3))
    picture = add_grain(Image.new("RGB", size, wall), rng, 3)
    pen = ImageDraw.Draw(picture)
    r = size[1] * rng.uniform(0.2, 0.42)
    x, y = size[0] * rng.uniform(0.35, 0.65), size[1] * 0.5
    pen.ellipse((x - r, y - r, x + r, y + r), (245, 243, 235), (40, 30, 20), 4)
    for hour in range(1, 13):
        a = hour * np.pi / 6
        place = (x + r * 0.8 * np.sin(a), y - r * 0.8 * np.cos(a))
        pen.text(place, str(hour), BLACK, font(LATIN_FONTS[3], max(9, int(r * 0.16))), "mm")
    for long, a in ((0.5, rng.uniform(0, 6.28)), (0.72, rng.uniform(0, 6.28))):
        pen.line((x, y, x + r * long * np.sin(a), y - r * long * np.cos(a)), BLACK, 3)
    return picture


def blackboard(size: Size, rng: Generator) -> Image.Image:
    """Chalk on a board that was wiped, and a pupil before it."""
    picture = Image.new("RGB", size, (34, 58, 48))
    smears = Image.fromarray(rng.integers(0, 40, (12, 20), dtype=np.uint8), "L")
    picture.paste((190, 200, 195), (0, 0), smears.resize(size, Image.Resampling.BICUBIC))
    pen = ImageDraw.Draw(picture)
    for row in range(int(rng.integers(2, 5))):
        text = f"{rng.integers(2, 90)} x + {rng.integers(2, 9)} = {rng.integers(10, 99)}"
        pen.text((60, 40 + row * 56), text, (225, 228, 222), font(LATIN_FONTS[2], 30))
    pen.ellipse((size[0] * 0.7, size[1] * 0.45, size[0] * 0.82, size[1] * 0.7), (70, 45, 35))
    pen.rectangle((size[0] * 0.66, size[1] * 0.7, size[0] * 0.86, size[1]), (120, 40, 40))
    return picture


WRITTEN_SCENES: tuple[Callable[[Size, Generator], Image.Image], ...] = (
    subtitled_scene, subtitled_sky, signs, sign_on_wall, newspaper, letter, neon, glowing_screen,
    clock, blackboard,
)  # fmt: skip
