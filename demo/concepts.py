"""The concepts that the demo model knows: things drawn as emoji glyphs, and backgrounds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import emoji

from demo.concept_table import TABLE


@dataclass(frozen=True)
class Concept:
    """A thing that can appear in a picture; the first name in a language is its bare name."""

    slug: str
    emoji: str
    en: tuple[str, ...]
    zh: tuple[str, ...]
    kind: str


@dataclass(frozen=True)
class Background:
    """A background, with bare names ("night", "夜晚") and phrases ("at night", "夜晚的").

    ``zh_phrases`` precede the thing and end in 的 ("夜晚的" + "狗"). ``zh_places`` are only places
    or times ("夜晚", "雪地里"), for "狗在雪地里" and "雪地里有一只狗".
    """

    slug: str
    en: tuple[str, ...]
    zh: tuple[str, ...]
    en_phrases: tuple[str, ...]
    zh_phrases: tuple[str, ...]
    zh_places: tuple[str, ...]


def package_name(glyph: str, language: str) -> str:
    """Return the ``emoji`` package's name of a glyph in ``"en"`` or ``"zh"``, in lower case."""
    if language != "en":
        emoji.config.load_language(language)
    name = str(emoji.EMOJI_DATA[glyph][language]).strip(":")
    return name.replace("_", " ").replace("’", "'").lower()


def _names(own: str, package: str) -> tuple[str, ...]:
    names = [name.strip() for name in own.split(",") if name.strip()]
    return tuple(dict.fromkeys([*names, package]))


def _load() -> tuple[Concept, ...]:
    found: list[Concept] = []
    for kind, block in TABLE.items():
        for line in block.strip().splitlines():
            glyph, _, own = line.strip().partition(" ")
            own_en, _, own_zh = own.partition("|")
            en = _names(own_en, package_name(glyph, "en"))
            zh = _names(own_zh, package_name(glyph, "zh"))
            found.append(Concept(en[0].replace(" ", "-"), glyph, en, zh, kind))
    return _without_shared_names(found)


def _without_shared_names(found: list[Concept]) -> tuple[Concept, ...]:
    """Drop further names that another concept or background has, so that names are unambiguous.

    A bare name wins over a further name; among these, the first concept of the table wins.
    """
    taken = {name: "" for place in BACKGROUNDS for name in (*place.en, *place.zh)}
    for concept in found:
        for bare in (concept.en[0], concept.zh[0]):
            if bare in taken:
                raise ValueError(f"{concept.slug}: the bare name {bare} is taken")
            taken[bare] = concept.slug
    kept: list[Concept] = []
    for concept in found:
        lists: list[tuple[str, ...]] = []
        for names in (concept.en, concept.zh):
            mine = tuple(n for n in names if taken.setdefault(n, concept.slug) == concept.slug)
            lists.append(mine)
        kept.append(Concept(concept.slug, concept.emoji, lists[0], lists[1], concept.kind))
    return tuple(kept)


BACKGROUNDS: tuple[Background, ...] = (
    Background(
        "night",
        ("night", "night sky", "starry night"),
        ("夜晚", "夜里", "夜空", "星空"),
        ("at night", "in the night", "under the stars", "under a starry sky", "in the dark"),
        ("夜晚的", "夜里的", "星空下的", "夜空下的"),
        ("夜晚", "夜里", "星空下", "夜空下", "晚上"),
    ),
    Background(
        "snow",
        ("snow", "falling snow", "snowy field"),
        ("雪地", "下雪", "雪", "雪景"),
        ("in the snow", "on the snow", "in winter", "while it snows"),
        ("雪地里的", "雪中的", "雪地上的", "冬天的"),
        ("雪地里", "雪中", "雪地上", "雪里"),
    ),
    Background(
        "sea",
        ("sea", "ocean", "seaside"),
        ("大海", "海", "海边", "海洋"),
        ("by the sea", "at sea", "at the seaside", "by the ocean", "in the sea"),
        ("海边的", "大海边的", "海上的"),
        ("海边", "海上", "大海边", "大海里"),
    ),
    Background(
        "sunset",
        ("sunset", "dusk", "sundown"),
        ("日落", "夕阳", "黄昏"),
        ("at sunset", "at dusk", "in the sunset", "against the setting sun"),
        ("日落时的", "夕阳下的", "黄昏的"),
        ("夕阳下", "日落时", "黄昏", "夕阳里"),
    ),
    Background(
        "forest",
        ("forest", "woods", "trees"),
        ("森林", "树林", "林子"),
        ("in the forest", "in the woods", "in a forest", "among the trees"),
        ("森林里的", "树林里的", "林中的"),
        ("森林里", "树林里", "森林中"),
    ),
    Background(
        "desert",
        ("desert", "sand dunes", "sand"),
        ("沙漠", "沙丘", "沙子"),
        ("in the desert", "in a desert", "on the sand", "among the dunes"),
        ("沙漠里的", "沙漠中的", "沙丘上的"),
        ("沙漠里", "沙漠中", "沙丘上"),
    ),
    Background(
        "city",
        ("city", "street", "skyline"),
        ("城市", "街道", "都市", "高楼"),
        ("in the city", "in a city", "in town", "in the street"),
        ("城市里的", "街上的", "都市里的"),
        ("城市里", "街上", "城市中", "都市里"),
    ),
    Background(
        "rain",
        ("rain", "rainy day", "rainy weather"),
        ("下雨", "雨", "雨天"),
        ("in the rain", "while it rains", "on a rainy day"),
        ("雨中的", "雨里的", "雨天的"),
        ("雨中", "雨里", "雨天"),
    ),
    Background(
        "indoors",
        ("indoors", "room", "living room"),
        ("室内", "房间", "屋子"),
        ("indoors", "in a room", "in the room", "inside", "at home"),
        ("室内的", "房间里的", "屋里的"),
        ("室内", "房间里", "屋里", "家里"),
    ),
    Background(
        "meadow",
        ("meadow", "grass", "field"),
        ("草地", "草原", "田野"),
        ("on the grass", "in a meadow", "in the meadow", "in a field"),
        ("草地上的", "草原上的", "田野里的"),
        ("草地上", "草原上", "田野里"),
    ),
    Background(
        "space",
        ("space", "outer space", "nebula"),
        ("太空", "宇宙", "星云"),
        ("in space", "in outer space", "in a nebula"),
        ("太空中的", "宇宙中的", "太空里的"),
        ("太空中", "太空里", "宇宙中"),
    ),
    Background(
        "underwater",
        ("underwater", "deep water", "under the water"),
        ("水下", "水底", "海底"),
        ("underwater", "under water", "under the sea"),
        ("水下的", "水底的", "海底的"),
        ("水下", "水底", "海底"),
    ),
)

CONCEPTS: tuple[Concept, ...] = _load()
KNOWN: tuple[Concept | Background, ...] = (*CONCEPTS, *BACKGROUNDS)


@cache
def concept(slug: str) -> Concept:
    """Return the concept with this slug. Raises KeyError."""
    return {known.slug: known for known in CONCEPTS}[slug]


@cache
def place(slug: str) -> Background:
    """Return the background with this slug. Raises KeyError."""
    return {known.slug: known for known in BACKGROUNDS}[slug]
