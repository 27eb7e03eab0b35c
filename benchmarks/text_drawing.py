"""Draw text as films show it: subtitles, signs, newspapers, title cards and credits."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from demo.concepts import CONCEPTS
from demo.film_shots import Point
from demo.pictures import Scene, draw, random_things

ENGLISH, CHINESE = "en", "zh-Hans"
# Debian packages by the first word of a family.
PACKAGES = {"DejaVu": "fonts-dejavu-core", "Noto": "fonts-noto-cjk"}
SUPERSAMPLING = 3  # signs are drawn larger and reduced, so that slanted edges are smooth

Box = tuple[float, float, float, float]
Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Label:
    """A text in a sprite; `box` is in pixels from the sprite's centre."""

    kind: str
    text: str
    language: str
    style: str
    box: Box


@dataclass(frozen=True, slots=True)
class Sprite:
    """A picture with transparency (RGBA), and what is written in it."""

    image: Image.Image
    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """How subtitles are drawn. Sizes are shares of the picture's height."""

    style: str
    fill: str = "#ffffff"
    outline: float = 0.0055
    shadow: bool = False
    ground: int = 0  # opacity of the box behind the text, 0 to 255
    top: bool = False
    bold: bool = True
    sizes: tuple[float, float] = (0.058, 0.067)  # English, Chinese
    family: str = "DejaVu Sans"  # of English


@lru_cache
def font(family: str, bold: bool, pixels: int) -> ImageFont.FreeTypeFont:
    """Return a font that fontconfig knows. Raises RuntimeError if it is not installed."""
    path, index = _find_font(family, bold)
    return ImageFont.truetype(path, pixels, index=index)


@lru_cache
def _find_font(family: str, bold: bool) -> tuple[str, int]:
    pattern = f"{family}:{'bold' if bold else 'regular'}"
    command = ["fc-match", "-f", "%{file}|%{index}|%{family}", pattern]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise RuntimeError(
            "fc-match is needed to find the fonts. On Debian: apt-get install fontconfig"
        ) from error
    path, index, found = done.stdout.split("|")
    # fontconfig offers another font for a missing one.
    if family not in found.split(","):
        package = PACKAGES[family.partition(" ")[0]]
        raise RuntimeError(
            f"The font {family} is not installed. On Debian: apt-get install {package}"
        )
    return path, int(index)


def _family(language: str, english: str) -> str:
    if language == ENGLISH:
        return english
    return "Noto Serif CJK SC" if "Serif" in english else "Noto Sans CJK SC"


def _union(boxes: Sequence[Box]) -> Box:
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _move(box: Box, centre: Point) -> Box:
    (x, y), (left, top, right, bottom) = centre, box
    return left - x, top - y, right - x, bottom - y


# --- subtitles --------------------------------------------------------------------------------


def draw_subtitle(rows: Sequence[tuple[str, str]], look: Look, size: Size) -> tuple[Sprite, Point]:
    """Draw the rows (text, language) of a subtitle; return it, and where its centre belongs.

    Rows in different languages are texts of their own.
    """
    width, height = size
    base = "#000000" if look.outline else look.fill
    image = Image.new("RGBA", size, base + "00")
    pen = ImageDraw.Draw(image)
    stroke = max(1, round(look.outline * height)) if look.outline else 0
    fonts = [
        font(
            _family(language, look.family),
            look.bold,
            round(look.sizes[language == CHINESE] * height),
        )
        for _text, language in rows
    ]
    steps = [round(one.size * 1.3) for one in fonts]
    baseline = round(height * 0.05) + fonts[0].size if look.top else round(height * 0.935)
    if not look.top:
        baseline -= sum(steps[1:])
    boxes: list[Box] = []
    places: list[Point] = []
    for number, ((text, _language), one) in enumerate(zip(rows, fonts, strict=True)):
        baseline += steps[number] if number else 0
        places.append((width / 2, baseline))
        boxes.append(pen.textbbox(places[-1], text, one, "ms", stroke_width=stroke))
    if look.ground:
        left, top, right, bottom = _union(boxes)
        pad = height * 0.015
        pen.rectangle((left - pad, top - pad, right + pad, bottom + pad), (0, 0, 0, look.ground))
    for (text, _language), one, (x, y) in zip(rows, fonts, places, strict=True):
        if look.shadow:
            far = max(1, round(height * 0.005))
            pen.text((x + far, y + far), text, "#000000c0", one, "ms")
        pen.text((x, y), text, look.fill, one, "ms", stroke_width=stroke, stroke_fill="#000000")
    area = image.getbbox()
    assert area is not None
    centre = ((area[0] + area[2]) / 2, (area[1] + area[3]) / 2)
    labels = _label_rows(rows, [_move(box, centre) for box in boxes], look.style)
    return Sprite(image.crop(area), labels), centre


def _label_rows(
    rows: Sequence[tuple[str, str]], boxes: Sequence[Box], style: str
) -> tuple[Label, ...]:
    languages = dict.fromkeys(language for _text, language in rows)
    labels = []
    for language in languages:
        own = [number for number, row in enumerate(rows) if row[1] == language]
        text = "\n".join(rows[number][0] for number in own)
        box = _union([boxes[number] for number in own])
        labels.append(Label("subtitle", text, language, style, box))
    return tuple(labels)


# --- signs ------------------------------------------------------------------------------------

# The colours of a board and of its text.
BOARDS = (
    ("#0b5d2a", "#ffffff"), ("#12408c", "#ffffff"), ("#b3121d", "#ffffff"), ("#f2c318", "#111111"),
    ("#f4f0e4", "#1c2a5c"), ("#5b3a20", "#f3dfae"), ("#f5f5f5", "#b3121d"), ("#20242a", "#ffd34d"),
)  # fmt: skip


def draw_sign(
    text: str, language: str, size: Size, rng: Generator, *, turn: int, post: bool
) -> Sprite:
    """Draw a board that is rotated by `turn` degrees and seen a little from the side."""
    height = size[1]
    letters = round(height * float(rng.uniform(0.068, 0.095))) * SUPERSAMPLING
    board = _draw_board(text, language, letters, rng)
    corners = _slant(board.size, turn, rng)
    wide, tall = corners.max(axis=0) - corners.min(axis=0)
    corners -= corners.min(axis=0)
    whole = (int(np.ceil(wide)), int(np.ceil(tall)))
    homography = _perspective(corners, board.size)
    flat = board.transform(
        whole, Image.Transform.PERSPECTIVE, tuple(homography.ravel()[:8]), Image.Resampling.BICUBIC
    )
    box = _bound_text(board.size, letters * 0.55, homography)
    post_length = height * SUPERSAMPLING if post else 0
    image = Image.new("RGBA", (whole[0], whole[1] + post_length), (0, 0, 0, 0))
    if post:
        half = letters * 0.16
        middle = whole[0] / 2
        pen = ImageDraw.Draw(image)
        pen.rectangle((middle - half, tall / 2, middle + half, image.height), "#5d6166ff")
        pen.rectangle((middle - half, tall / 2, middle - half * 0.3, image.height), "#84898fff")
    image.alpha_composite(flat)
    image = image.reduce(SUPERSAMPLING)
    left, top, right, bottom = (edge / SUPERSAMPLING for edge in box)
    centre = (image.width / 2, image.height / 2)
    box = _move((left, top, right, bottom), centre)
    return Sprite(image, (Label("sign", text, language, f"angle {abs(turn)}", box),))


def _draw_board(text: str, language: str, letters: int, rng: Generator) -> Image.Image:
    english = str(rng.choice(["DejaVu Sans", "DejaVu Serif", "Noto Sans CJK SC"]))
    face = font(_family(language, english), True, letters)
    ground, ink = BOARDS[int(rng.integers(len(BOARDS)))]
    left, top, right, bottom = (round(edge) for edge in face.getbbox(text))
    pad = round(letters * 0.55)
    board = Image.new("RGBA", (right - left + 2 * pad, bottom - top + 2 * pad), (0, 0, 0, 0))
    pen = ImageDraw.Draw(board)
    far = (board.width - 1, board.height - 1)
    radius, line = round(letters * 0.2), max(2, round(letters * 0.06))
    pen.rounded_rectangle((0, 0, *far), radius, ground)
    inset = round(letters * 0.12)
    frame = (inset, inset, far[0] - inset, far[1] - inset)
    pen.rounded_rectangle(frame, radius, outline=ink, width=line)
    pen.text((pad - left, pad - top), text, ink, face)
    return board


def _slant(size: Size, turn: int, rng: Generator) -> np.ndarray:
    """Return where the corners of a board of `size` appear (4x2, clockwise from the top left)."""
    width, height = size
    near, far = sorted(rng.uniform(0.84, 1.0, 2))[::-1]
    squeeze = float(rng.uniform(0.86, 1.0))  # seen from the side, it is narrower
    left, right = (near, far) if rng.random() < 0.5 else (far, near)
    half = width * squeeze / 2
    corners = np.array(
        [
            (-half, -height * left / 2),
            (half, -height * right / 2),
            (half, height * right / 2),
            (-half, height * left / 2),
        ]
    )
    angle = np.deg2rad(turn)
    cos, sin = np.cos(angle), np.sin(angle)
    return corners @ np.array([(cos, sin), (-sin, cos)]).T


def _perspective(corners: np.ndarray, size: Size) -> np.ndarray:
    """Return the homography (3x3) from the picture to a board of `size` seen at `corners`."""
    width, height = size
    rows, right = [], []
    board = ((0, 0), (width, 0), (width, height), (0, height))
    for (x, y), (u, v) in zip(corners, board, strict=True):
        rows += [(x, y, 1, 0, 0, 0, -u * x, -u * y), (0, 0, 0, x, y, 1, -v * x, -v * y)]
        right += [u, v]
    return np.append(np.linalg.solve(np.array(rows), np.array(right)), 1).reshape(3, 3)


def _bound_text(size: Size, pad: float, homography: np.ndarray) -> Box:
    """Return the box in the picture of all that is `pad` pixels or more from a board's edges."""
    right, bottom = size[0] - pad, size[1] - pad
    inverse = np.linalg.inv(homography)
    board = ((pad, pad), (right, pad), (right, bottom), (pad, bottom))
    corners = [_project(inverse, point) for point in board]
    return _union([(x, y, x, y) for x, y in corners])


def _project(homography: np.ndarray, point: Point) -> Point:
    x, y, depth = homography @ (*point, 1)
    return float(x / depth), float(y / depth)


# --- newspapers, cards, credits ---------------------------------------------------------------


def draw_newspaper(
    headline: str, below: str, body: Sequence[str], size: Size, rng: Generator
) -> Sprite:
    """Draw a page that is a little larger than the picture, with a photograph beside the text."""
    width, height = (round(side * 1.25) for side in size)
    noise = rng.normal(0, 3, (height, width, 1)) + np.array([226, 220, 204])
    page = Image.fromarray(noise.clip(0, 255).astype(np.uint8)).convert("RGBA")
    pen = ImageDraw.Draw(page)
    unit = size[1]
    left, top = width / 2 - size[0] * 0.43, height / 2 - unit * 0.36
    ink = "#1d1b19"
    labels = []

    def write(style: str, text: str, place: Point, share: float) -> float:
        """Write a row whose left top is at `place`; return where the next one can begin."""
        face = font("DejaVu Serif", style == "headline", round(unit * share))
        pen.text(place, text, ink, face, "la")
        box = _move(pen.textbbox(place, text, face, "la"), (width / 2, height / 2))
        kind = "body" if style == "body" else "headline"
        labels.append(Label(kind, text, ENGLISH, style, box))
        return place[1] + face.size * 1.32

    share = 0.098
    while font("DejaVu Serif", True, round(unit * share)).getlength(headline) > size[0] * 0.86:
        share -= 0.002
    y = write("headline", headline, (left, top), share)
    y = write("sub-headline", below, (left, y), 0.06)
    pen.line((left, y + unit * 0.015, width - left, y + unit * 0.015), ink, max(1, unit // 240))
    y += unit * 0.045
    photograph = _draw_photograph((round(size[0] * 0.26), round(unit * 0.4)), rng)
    page.paste(photograph, (round(left), round(y)))
    for row in body:
        y = write("body", row, (left + size[0] * 0.3, y), 0.05)
    return Sprite(page, tuple(labels))


def _draw_photograph(size: Size, rng: Generator) -> Image.Image:
    animals = [one.slug for one in CONCEPTS if one.kind == "animal"]
    things = random_things((str(rng.choice(animals)),), size[0] / size[1], rng)
    scene = Scene("sea", things, int(rng.integers(1000)))
    return draw(scene, size).convert("L").filter(ImageFilter.GaussianBlur(0.5))


def draw_card(text: str, language: str, ink: str, style: str, size: Size) -> Sprite:
    """Draw the text of a title card, for the middle of a plain picture."""
    face = font(_family(language, "DejaVu Serif"), True, round(size[1] * 0.105))
    left, top, right, bottom = (round(edge) for edge in face.getbbox(text))
    image = Image.new("RGBA", (right - left + 4, bottom - top + 4), ink + "00")
    ImageDraw.Draw(image).text((2 - left, 2 - top), text, ink, face)
    half = ((right - left) / 2, (bottom - top) / 2)
    return Sprite(image, (Label("card", text, language, style, (-half[0], -half[1], *half)),))


def draw_credits(credits: Sequence[tuple[str, str, str]], size: Size) -> Sprite:
    """Draw the rows (language, role, name) of rolling credits, roles left and names right."""
    width, unit = size
    step, letters = round(unit * 0.095), round(unit * 0.058)
    image = Image.new("RGBA", (width, step * len(credits)), "#ffffff00")
    pen = ImageDraw.Draw(image)
    gap = letters * 0.5
    labels = []
    for number, (language, role, name) in enumerate(credits):
        y = (number + 0.7) * step
        family = _family(language, "DejaVu Sans")
        places = (
            (role, (width / 2 - gap, y), "rs", False, "#c4c4c4"),
            (name, (width / 2 + gap, y), "ls", True, "#ffffff"),
        )
        boxes: list[Box] = []
        for text, place, anchor, bold, ink in places:
            face = font(family, bold, letters)
            pen.text(place, text, ink, face, anchor)
            boxes.append(pen.textbbox(place, text, face, anchor))
        box = _move(_union(boxes), (width / 2, image.height / 2))
        labels.append(Label("credits", f"{role} {name}", language, "rolling", box))
    return Sprite(image, tuple(labels))
