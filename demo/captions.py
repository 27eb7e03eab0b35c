"""Captions in English and Chinese for scenes with known content, and what they claim."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from numpy.random import Generator

from demo.concepts import Concept, concept, place
from demo.pictures import Scene

LANGUAGES = ("en", "zh")
# With a face or a hand, each of these can be described as one figure: "a smiling man waves".
FIGURES = frozenset({"person", "animal"})
DOING = {
    "smiling": (("smiling", "smiles", "is smiling"), ("微笑的", "在微笑", "微笑", "笑")),
    "laughing": (("laughing", "laughs", "is laughing"), ("大笑的", "在大笑", "大笑")),
    "crying": (("crying", "cries", "is crying"), ("哭泣的", "在哭泣", "哭泣", "哭")),
    "sleeping": (("sleeping", "sleeps", "is sleeping"), ("睡觉的", "在睡觉", "睡觉")),
    "screaming": (("screaming", "screams", "is screaming"), ("尖叫的", "在尖叫", "尖叫")),
    "wave": (
        ("waving", "waves", "is waving", "waves his hand", "wave", "waving hello"),
        ("挥手的", "在挥手", "挥手", "招手"),
    ),
}
MANY_EN = ("two {}s", "{}s", "many {}s", "some {}s", "several {}s")
MANY_ZH = ("两{m}{n}", "很多{n}", "几{m}{n}", "一些{n}")
FRAMES_EN = (
    "a photo of {}", "a picture of {}", "a picture with {}", "there is {}", "this is {}",
    "an image of {}", "a scene with {}", "{} can be seen", "we see {}", "show me {}", "look, {}!",
)  # fmt: skip
FRAMES_ZH = (
    "{}的照片", "一张{}的照片", "{}的图片", "一幅{}的画面", "画面里有{}", "这是{}", "有{}",
    "这里有{}", "看到{}", "图中有{}", "{}出现了", "找{}",
)  # fmt: skip


@dataclass(frozen=True)
class Caption:
    """A text and the facts that it claims: slugs of things, ``"@" + slug`` of the background."""

    text: str
    facts: frozenset[str]


def scene_facts(scene: Scene) -> frozenset[str]:
    """Return all facts that are true of a scene, as in ``Caption.facts``."""
    return scene.slugs() | {"@" + scene.background}


def _pick(rng: Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]


def _name(known: Concept, language: str, rng: Generator) -> str:
    names = known.en if language == "en" else known.zh
    return names[0] if rng.random() < 0.6 else _pick(rng, names)


def article(name: str) -> str:
    """Return ``a`` or ``an`` for an English name."""
    return "an" if name[0] in "aeio" or name.startswith("um") else "a"


def measure(known: Concept, rng: Generator) -> str:
    """Return a measure word for a Chinese name."""
    if known.kind == "animal":
        return _pick(rng, ("只", "只", "个", "头"))
    if known.kind == "person":
        return _pick(rng, ("个", "个", "位", "名"))
    if known.kind == "vehicle":
        return _pick(rng, ("辆", "个", "艘", "架"))
    return _pick(rng, ("个", "个", "个", "只", "把", "件", "块"))


def _determined(name: str, known: Concept, rng: Generator) -> str:
    """Return an English name with or without an article."""
    if known.kind in ("face", "hand") or rng.random() < 0.3:
        return name
    if rng.random() < 0.2:
        return f"the {name}"
    if name.endswith("s") and not name.endswith("ss"):
        return f"some {name}" if rng.random() < 0.5 else name
    return f"{article(name)} {name}"


def _figure_en(known: Concept, doings: Sequence[str], rng: Generator) -> str:
    name = _name(known, "en", rng)
    if not doings:
        return _determined(name, known, rng)
    first, *rest = [DOING[doing][0] for doing in doings]
    if not rest and rng.random() < 0.5:
        return f"{_determined(name, known, rng)} {_pick(rng, first)}"
    whole = f"{first[0]} {name}"
    if rng.random() < 0.7:
        whole = f"{article(whole)} {whole}" if rng.random() < 0.75 else f"the {whole}"
    for forms in rest:
        whole += (" and " if rng.random() < 0.15 else " ") + _pick(rng, forms)
    return whole


def _figure_zh(known: Concept, doings: Sequence[str], rng: Generator) -> str:
    name = _name(known, "zh", rng)
    counted = f"一{measure(known, rng)}" if rng.random() < 0.35 else ""
    if not doings:
        return counted + name
    first, *rest = [DOING[doing][1] for doing in doings]
    if not rest and rng.random() < 0.5:
        return counted + name + ("正" if rng.random() < 0.2 else "") + _pick(rng, first[1:])
    link = first[0] if rng.random() < 0.75 else first[2]
    whole = counted + link + name
    for forms in rest:
        whole += _pick(rng, forms[1:])
    return whole


def _many(known: Concept, language: str, rng: Generator) -> str:
    name = _name(known, language, rng)
    if language == "zh":
        return _pick(rng, MANY_ZH).format(m=measure(known, rng), n=name)
    return _pick(rng, MANY_EN).format(name.removesuffix("s"))


def _phrases(slugs: list[str], many: frozenset[str], language: str, rng: Generator) -> list[str]:
    """Return one phrase per figure or thing; a face or a hand may join a figure."""
    known = [concept(slug) for slug in slugs]
    figures = [one for one in known if one.kind in FIGURES and one.slug not in many]
    doings: list[str] = []
    if figures and rng.random() < 0.85:
        doings = [one.slug for one in known if one.slug in DOING]
    build: Callable[[Concept, Sequence[str], Generator], str]
    build = _figure_en if language == "en" else _figure_zh
    phrases: list[str] = []
    for one in known:
        if one.slug in doings:
            continue
        if one.slug in many and rng.random() < 0.8:
            phrases.append(_many(one, language, rng))
        elif figures and one is figures[0]:
            phrases.append(build(one, doings, rng))
        else:
            phrases.append(build(one, (), rng))
    return phrases


def _join(phrases: list[str], language: str, rng: Generator) -> str:
    if language == "en":
        if len(phrases) > 2 and rng.random() < 0.6:
            return ", ".join(phrases[:-1]) + " and " + phrases[-1]
        return _pick(rng, (" and ", " and ", " and ", " with ", ", ", " next to ", " ")).join(
            phrases
        )
    if len(phrases) > 2 and rng.random() < 0.6:
        return "、".join(phrases[:-1]) + "和" + phrases[-1]
    joined = _pick(rng, ("和", "和", "和", "与", "跟", "、", "，", "还有", "")).join(phrases)
    return joined + "在一起" if rng.random() < 0.05 else joined


def _placed_en(text: str, slug: str, rng: Generator) -> str:
    where = place(slug)
    way = rng.random()
    if way < 0.7:
        return f"{text} {_pick(rng, where.en_phrases)}"
    if way < 0.82:
        return f"{_pick(rng, where.en_phrases)}, {text}"
    return f"{text}{_pick(rng, (' ', ', ', ' and the '))}{_pick(rng, where.en)}"


def _placed_zh(text: str, slug: str, rng: Generator) -> str:
    where = place(slug)
    spot = _pick(rng, where.zh_places)
    way = rng.random()
    if way < 0.35:
        return _pick(rng, where.zh_phrases) + text
    if way < 0.65:
        return f"{text}在{spot}"
    if way < 0.85:
        return _pick(rng, ("{0}有{1}", "在{0}的{1}", "{0}{1}", "{0}的{1}")).format(spot, text)
    return text + _pick(rng, ("，", "和", "")) + _pick(rng, where.zh)


def _ground(slug: str, language: str, rng: Generator) -> str:
    where = place(slug)
    names = where.en if language == "en" else where.zh
    if rng.random() < 0.55:
        return names[0]
    if rng.random() < 0.5:
        return _pick(rng, names)
    return _pick(rng, where.en_phrases if language == "en" else where.zh_places)


def compose(
    slugs: Sequence[str],
    ground: str | None,
    language: str,
    rng: Generator,
    many: frozenset[str] = frozenset(),
) -> Caption:
    """Return a caption in ``"en"`` or ``"zh"`` that claims these things and this background.

    ``many`` are things that appear more than once in the picture.
    """
    facts = frozenset(slugs) | ({"@" + ground} if ground else frozenset())
    if not slugs:
        text = _ground(ground or "", language, rng)
    else:
        order = [slugs[int(i)] for i in rng.permutation(len(slugs))]
        text = _join(_phrases(order, many, language, rng), language, rng)
        if ground:
            text = (_placed_en if language == "en" else _placed_zh)(text, ground, rng)
    if rng.random() < 0.25:
        text = _pick(rng, FRAMES_EN if language == "en" else FRAMES_ZH).format(text)
    return Caption(text, facts)


def caption(
    scene: Scene, language: str, rng: Generator, ground_share: float = 0.4, whole_share: float = 0.8
) -> Caption:
    """Return a random caption of a scene.

    A fraction ``ground_share`` of the captions name the background, and ``whole_share`` name all
    things; the others omit some.
    """
    shown = [thing.concept for thing in scene.things]
    slugs = sorted(set(shown))
    many = frozenset(slug for slug in slugs if shown.count(slug) > 1)
    if not slugs:
        return compose((), scene.background, language, rng)
    if len(slugs) > 1 and rng.random() > whole_share:
        number = int(rng.integers(1, len(slugs)))
        slugs = [slugs[int(i)] for i in rng.permutation(len(slugs))[:number]]
    ground = scene.background if rng.random() < ground_share else None
    if ground and rng.random() < 0.08:
        slugs = []
    return compose(slugs, ground, language, rng, many)
