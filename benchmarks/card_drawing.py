"""Credits and title cards, in layouts and typography that vary with a random generator."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter, ImageFont

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
LINES = ("I have waited for you all night long.", "Look at that sky.", "Where did they all go?")
LINES_ZH = ("你还记得那个夜晚吗？我一直在等你。", "你看那片天空。", "他们都到哪里去了？")
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
    text = pick(rng, LINES_ZH if style.chinese else LINES)
    pen.text((width / 2, height * 0.9), text, style.ink, font(style.face, style.height), "mm")
    return picture


def intertitle(style: Style, rng: Generator) -> Image.Image:
    """An intertitle of a silent film, in a frame."""
    picture = paragraph(style, rng)
    pen = ImageDraw.Draw(picture)
    width, height = style.size
    pen.rectangle((10, 10, width - 11, height - 11), outline=style.ink, width=2)
    return picture


def spaced_title(style: Style, rng: Generator) -> Image.Image:
    """A title in widely spaced letters, glowing a little."""
    picture, pen = _card(style)
    width, height = style.size
    text = (" " if style.chinese else "  ").join(pick(rng, TITLES_ZH if style.chinese else TITLES))
    face = font(style.face, min(style.height * 2, int(width * 1.2 / len(text))))
    pen.text((width / 2, height / 2), text, style.ink, face, "mm")
    if rng.random() < 0.5:
        return picture
    return Image.blend(picture, picture.filter(ImageFilter.GaussianBlur(4)), 0.3)


def bilingual_card(style: Style, rng: Generator) -> Image.Image:
    """A sentence in Chinese, and in English below it."""
    picture, pen = _card(style)
    width, height = style.size
    y = height * float(rng.uniform(0.4, 0.6))
    above = font(CHINESE_FONTS[int(rng.integers(len(CHINESE_FONTS)))], round(style.height * 1.6))
    below = font(LATIN_FONTS[int(rng.integers(len(LATIN_FONTS)))], style.height)
    pen.text((width / 2, y), pick(rng, TITLES_ZH), style.ink, above, "mm")
    pen.text((width / 2, y + style.height * 2.2), pick(rng, TITLES), style.second, below, "mm")
    return picture


def dotted_cast(style: Style, rng: Generator) -> Image.Image:
    """Roles and names, with dots between them."""
    picture, pen = _card(style)
    width, height = style.size
    face = font(style.face, style.height)
    for y in np.arange(height * 0.1, height * 0.9, style.height * 1.7):
        role, name = random_role(rng, style.chinese), random_name(rng, style.chinese)
        left, right = width * 0.15, width * 0.85
        pen.text((left, y), role, style.second, face)
        pen.text((right, y), name, style.ink, face, "ra")
        begin = left + pen.textlength(role + " ", face)
        end = right - pen.textlength(" " + name, face)
        for x in np.arange(begin, end, style.height * 0.7):
            pen.text((x, y), ".", style.second, face)
    return picture


LAYOUTS: tuple[Callable[[Style, Generator], Image.Image], ...] = (
    rolling_credits, two_columns, three_columns, title_card, single_credit, paragraph,
    names_with_logos, vertical_text, subtitle_only, intertitle, spaced_title, bilingual_card,
    dotted_cast,
)  # fmt: skip
