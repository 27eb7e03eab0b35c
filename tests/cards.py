"""Frames that a search must leave out, drawn by seed: credits, title cards, blank frames."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from io import BytesIO

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Size = tuple[int, int]

WIDE, SCOPE, OLD = (640, 360), (640, 268), (640, 480)
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
LATIN_FONTS = tuple(
    f"/usr/share/fonts/truetype/dejavu/{name}.ttf"
    for name in ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSerif-Bold")
)
CHINESE_FONTS = tuple(
    f"/usr/share/fonts/opentype/noto/{name}.ttc"
    for name in ("NotoSansCJK-Regular", "NotoSansCJK-Bold", "NotoSerifCJK-Regular")
)
FIRST = (
    "Anna", "Boris", "Carla", "Daniel", "Eva", "Fumiko", "Georg", "Hana", "Igor", "Jean", "Karl",
    "Lin", "Maria", "Nils", "Olga", "Paul",
)  # fmt: skip
LAST = (
    "Berg", "Castillo", "Dvorak", "Endo", "Fischer", "Garcia", "Huang", "Ivanova", "Jansen", "Kim",
    "Lopez", "Meyer", "Novak", "Okafor",
)  # fmt: skip
ROLES = (
    "Director of Photography", "Edited by", "Music", "Gaffer", "Best Boy", "Key Grip", "Casting",
    "Sound Mixer", "Costume Design", "Script Supervisor", "First Assistant Director", "Stunts",
)  # fmt: skip
TITLES = (
    "THE LONG NIGHT", "PART TWO", "Directed by", "A FILM BY ANNA BERG", "Paris, 1942", "THE END",
    "Three years later", "Based on a true story", "STARRING",
)  # fmt: skip
LEGAL = (
    "The characters and events depicted in this photoplay are fictitious and any similarity to "
    "persons living or dead is purely coincidental. Ownership of this motion picture is protected "
    "under the laws of all countries and any unauthorized duplication may result in prosecution. "
)
FAMILY, GIVEN = "王李张刘陈杨赵黄周吴徐孙", "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平"
ROLES_ZH = (
    "导演",
    "编剧",
    "摄影指导",
    "剪辑",
    "美术",
    "录音",
    "作曲",
    "服装设计",
    "制片人",
    "灯光",
    "场记",
)
TITLES_ZH = (
    "漫长的夜晚",
    "三年以后",
    "剧终",
    "第二章",
    "本片根据真实事件改编",
    "领衔主演",
    "出品人",
)


@cache
def font(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


@dataclass(frozen=True)
class Style:
    """The typography of a card."""

    ground: Colour = BLACK
    ink: Colour = WHITE
    second: Colour = (200, 200, 200)
    size: Size = WIDE
    face: str = LATIN_FONTS[0]
    height: int = 16
    chinese: bool = False


def pick(rng: Generator, some: tuple[str, ...] | list[str] | str) -> str:
    return some[int(rng.integers(len(some)))]


def random_name(rng: Generator, chinese: bool) -> str:
    if chinese:
        return pick(rng, FAMILY) + "".join(pick(rng, GIVEN) for _ in range(rng.integers(1, 3)))
    return f"{pick(rng, FIRST)} {pick(rng, LAST)}"


def random_role(rng: Generator, chinese: bool) -> str:
    return pick(rng, ROLES_ZH if chinese else ROLES)


def _card(style: Style) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new("RGB", style.size, style.ground)
    return picture, ImageDraw.Draw(picture)


def rolling_credits(style: Style, rng: Generator) -> Image.Image:
    """Roles and names, centred, rolling: cut off at the top and at the bottom."""
    picture, pen = _card(style)
    width, height = style.size
    y = -float(rng.uniform(0, 3 * style.height))
    small = font(style.face, max(9, style.height * 3 // 4))
    while y < height:
        pen.text((width / 2, y), random_role(rng, style.chinese), style.second, small, "ma")
        y += style.height * 1.2
        for _name in range(rng.integers(1, 5)):
            text = random_name(rng, style.chinese)
            pen.text((width / 2, y), text, style.ink, font(style.face, style.height), "ma")
            y += style.height * 1.45
        y += style.height * float(rng.uniform(0.8, 2))
    return picture


def two_columns(style: Style, rng: Generator) -> Image.Image:
    """Roles flush right, names flush left, as in most end credits."""
    picture, pen = _card(style)
    width, height = style.size
    middle = width * float(rng.uniform(0.42, 0.55))
    y = -float(rng.uniform(0, style.height))
    face = font(style.face, style.height)
    while y < height:
        pen.text((middle - 12, y), random_role(rng, style.chinese), style.second, face, "ra")
        pen.text((middle + 12, y), random_name(rng, style.chinese), style.ink, face, "la")
        y += style.height * (1.5 if rng.random() < 0.85 else 3)
    return picture


def three_columns(style: Style, rng: Generator) -> Image.Image:
    """Extras: names side by side."""
    picture, pen = _card(style)
    width, height = style.size
    face = font(style.face, style.height)
    for row in range(int(height / style.height / 1.5) + 1):
        for column in (0.2, 0.5, 0.8):
            place = (width * column, row * style.height * 1.5 - 5)
            pen.text(place, random_name(rng, style.chinese), style.ink, face, "ma")
    return picture


def title_card(style: Style, rng: Generator) -> Image.Image:
    """A few large words in the middle."""
    picture, pen = _card(style)
    width, height = style.size
    text = pick(rng, TITLES_ZH if style.chinese else TITLES)
    size = min(style.height * 3, int(width * 0.8 / len(text) * (1 if style.chinese else 1.5)))
    place = (width / 2, height * float(rng.uniform(0.4, 0.6)))
    pen.text(place, text, style.ink, font(style.face, size), "mm")
    return picture


def single_credit(style: Style, rng: Generator) -> Image.Image:
    """A role and a name, small, somewhere."""
    picture, pen = _card(style)
    width, height = style.size
    x, y = width * float(rng.uniform(0.35, 0.65)), height * float(rng.uniform(0.3, 0.7))
    pen.text(
        (x, y), random_role(rng, style.chinese), style.second, font(style.face, style.height), "mm"
    )
    big = font(style.face, round(style.height * 1.5))
    pen.text((x, y + style.height * 2), random_name(rng, style.chinese), style.ink, big, "mm")
    return picture


def paragraph(style: Style, rng: Generator) -> Image.Image:
    """A block of text: a prologue, or the small print at the end."""
    picture, pen = _card(style)
    width, height = style.size
    face = font(style.face, style.height)
    words = (
        [
            "".join(random_name(rng, True) + random_role(rng, True) for _ in range(3))
            for _ in range(20)
        ]
        if style.chinese
        else LEGAL.split()
    )
    lines, line = [], ""
    for word in words * 2:
        longer = f"{line} {word}".strip()
        if pen.textlength(longer, face) > width * 0.8:
            lines.append(line)
            longer = word
        line = longer
    shown = lines[: int(rng.integers(3, max(4, int(height * 0.8 / style.height / 1.4))))]
    y = (height - len(shown) * style.height * 1.4) / 2
    centred = rng.random() < 0.5
    for row in shown:
        place = (width / 2, y) if centred else (width * 0.1, y)
        pen.text(place, row, style.ink, face, "ma" if centred else "la")
        y += style.height * 1.4
    return picture


def names_with_logos(style: Style, rng: Generator) -> Image.Image:
    """Names, and small logos of sponsors."""
    picture = two_columns(style, rng)
    pen = ImageDraw.Draw(picture)
    width, height = style.size
    top = height * 0.68
    pen.rectangle((0, top, width, height), style.ground)
    for place in (0.2, 0.4, 0.6, 0.8):
        x, side = width * place, float(rng.uniform(12, 20))
        box = (x - side, top + 30 - side, x + side, top + 30 + side)
        if rng.random() < 0.5:
            pen.ellipse(box, outline=style.ink, width=3)
        else:
            pen.rectangle(box, outline=style.ink, width=2)
        pen.text((x, top + 30), pick(rng, LAST)[:2].upper(), style.ink, font(style.face, 14), "mm")
        pen.text((x, top + 66), pick(rng, LAST).upper(), style.ink, font(style.face, 10), "mm")
    return picture


def vertical_text(style: Style, rng: Generator) -> Image.Image:
    """Chinese from top to bottom, as in titles."""
    picture, pen = _card(style)
    width, height = style.size
    size = style.height * 2
    columns = [pick(rng, TITLES_ZH), random_name(rng, True) + pick(rng, ROLES_ZH)]
    for number, text in enumerate(columns):
        face = font(style.face, size if number == 0 else style.height)
        step = (size if number == 0 else style.height) * 1.15
        x = width * 0.55 - number * size * 1.6
        y = (height - step * len(text)) / 2
        for sign in text:
            pen.text((x, y), sign, style.ink, face, "ma")
            y += step
    return picture


def subtitle_only(style: Style, rng: Generator) -> Image.Image:
    """Nothing but a subtitle."""
    picture, pen = _card(style)
    width, height = style.size
    text = (
        "你还记得那个夜晚吗？我一直在等你。"
        if style.chinese
        else "I have waited for you all night long."
    )
    pen.text((width / 2, height * 0.9), text, style.ink, font(style.face, style.height), "mm")
    return picture


def intertitle(style: Style, rng: Generator) -> Image.Image:
    """An intertitle of a silent film, in a frame."""
    picture = paragraph(style, rng)
    pen = ImageDraw.Draw(picture)
    width, height = style.size
    pen.rectangle((10, 10, width - 11, height - 11), outline=style.ink, width=2)
    return picture


LAYOUTS: tuple[Callable[[Style, Generator], Image.Image], ...] = (
    rolling_credits, two_columns, three_columns, title_card, single_credit, paragraph,
    names_with_logos, vertical_text, subtitle_only, intertitle,
)  # fmt: skip
GROUNDS: tuple[tuple[Colour, Colour], ...] = (
    (BLACK, WHITE), (BLACK, WHITE), (BLACK, WHITE), (BLACK, (255, 220, 60)), (BLACK, (230, 60, 50)),
    (BLACK, (90, 200, 255)), ((34, 34, 36), (230, 230, 230)), ((12, 20, 60), WHITE),
    (WHITE, BLACK), ((240, 235, 220), (70, 20, 20)), ((120, 10, 16), (250, 240, 200)),
    (BLACK, (120, 120, 120)),
)  # fmt: skip


def compress(picture: Image.Image, quality: int) -> Image.Image:
    """The picture after JPEG compression."""
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def add_grain(picture: Image.Image, rng: Generator, strength: float) -> Image.Image:
    """Add film grain."""
    pixels = np.asarray(picture, np.float32)
    grain = rng.normal(0, strength, pixels.shape[:2])[:, :, None]
    return Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8), "RGB")


def add_letterbox(picture: Image.Image, rows: int) -> Image.Image:
    """Add black bars above and below."""
    width, height = picture.size
    boxed = Image.new("RGB", (width, height + 2 * rows))
    boxed.paste(picture, (0, rows))
    return boxed


def add_vignette(picture: Image.Image, rng: Generator, ground: Colour) -> Image.Image:
    """Darken the background towards the edges."""
    width, height = picture.size
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    light = (1 - 0.5 * (x * x + y * y)).clip(0, 1)[:, :, None] * 45
    pixels = np.asarray(picture, np.float32)
    near = np.abs(pixels - np.array(ground)).max(axis=2, keepdims=True) / 255
    return Image.fromarray(np.clip(pixels + light * (1 - near), 0, 255).astype(np.uint8), "RGB")


def draw_credits(seed: int) -> tuple[str, Image.Image]:
    """A credit-like frame and its name: all layouts in turn, in varying styles."""
    rng = np.random.default_rng([seed, 1])
    layout = LAYOUTS[seed % len(LAYOUTS)]
    chinese = layout is vertical_text or bool(rng.random() < 0.35)
    ground, ink = GROUNDS[int(rng.integers(len(GROUNDS)))]
    second = ink if rng.random() < 0.5 else (ink[0] * 2 // 3, ink[1] * 2 // 3, ink[2] * 2 // 3)
    size = (WIDE, WIDE, SCOPE, OLD)[int(rng.integers(4))]
    face = pick(rng, CHINESE_FONTS if chinese else LATIN_FONTS)
    style = Style(ground, ink, second, size, face, int(rng.integers(10, 23)), chinese)
    picture = layout(style, rng)
    dress = int(rng.integers(7))
    if dress == 1:
        picture = add_grain(picture, rng, 6)
    elif dress == 2:
        picture = add_letterbox(picture, 44)
    elif dress == 3 and max(ground) < 100:
        picture = add_vignette(picture, rng, ground)
    elif dress == 4:
        picture = Image.blend(picture, Image.new("RGB", picture.size, ground), 0.5)
    return f"{layout.__name__} {seed}", compress(picture, (80, 80, 60, 30)[int(rng.integers(4))])


def draw_blank(seed: int) -> tuple[str, Image.Image]:
    """A blank frame and its name: one colour, noise, a fade, a flash between bars."""
    rng = np.random.default_rng([seed, 2])
    kinds = ("black", "white", "colour", "grain", "fade", "bars", "soft")
    kind = kinds[seed % len(kinds)]
    colour = tuple(int(v) for v in rng.integers(0, 256, 3))
    ground = {"black": BLACK, "white": WHITE, "fade": BLACK}.get(kind, colour)
    size = (WIDE, SCOPE, OLD)[int(rng.integers(3))]
    picture = Image.new("RGB", size, ground)
    if kind == "grain":
        picture = add_grain(Image.new("RGB", size, (20, 20, 22)), rng, float(rng.uniform(3, 9)))
    elif kind == "bars":
        picture = add_letterbox(picture, int(rng.integers(20, 70)))
    elif kind == "fade":
        scene = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
        picture = Image.fromarray(scene, "RGB").resize(size, Image.Resampling.BICUBIC)
        picture = Image.blend(picture, Image.new("RGB", size), 0.96)
    elif kind == "soft":
        picture = add_vignette(Image.new("RGB", size, (8, 8, 10)), rng, (8, 8, 10))
    return f"{kind} {seed}", compress(picture, (90, 60, 30)[int(rng.integers(3))])
