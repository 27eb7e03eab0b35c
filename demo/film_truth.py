"""The content of the demo film over time, with queries and the shots they must find."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from typing import Any

from demo.film_script import SHOTS
from demo.film_shots import RATE, TITLE, Shot

LEAD, TAIL = 0.25, 0.15  # seconds between a cut and the words after and before it

# Kind; required facts of a shot (slugs of things, "@" + slug of the background); English; Chinese.
QUERIES: tuple[tuple[str, str, str, str], ...] = (
    ("tutorial", "man smiling wave", "smiling man wave", "微笑男人挥手"),
    ("tutorial", "man smiling wave", "a smiling man is waving", "一个微笑的男人在挥手"),
    ("tutorial", "astronaut", "astronaut", "宇航员"),
    ("tutorial", "@night", "night", "夜晚"),
    ("tutorial", "astronaut @night", "an astronaut at night", "夜晚的宇航员"),
    ("tutorial", "dog", "a dog", "一只狗"),
    ("tutorial", "cat", "a cat", "一只猫"),
    ("background", "dog @night", "a dog at night", "夜晚的狗"),
    ("background", "dog @snow", "a dog in the snow", "雪地里的狗"),
    ("background", "cat @meadow", "a cat on the grass", "草地上的猫"),
    ("background", "cat @space", "a cat in space", "太空中的猫"),
    ("background", "@underwater", "underwater", "水下"),
    ("background", "@forest", "in the forest", "森林里"),
    ("background", "@rain", "a rainy day", "雨天"),
    ("background", "@sea", "by the sea", "海边"),
    ("background", "unicorn @sunset", "a unicorn at sunset", "夕阳下的独角兽"),
    ("background", "camel @desert", "a camel in the desert", "沙漠里的骆驼"),
    ("pair", "cat rocket", "a cat and a rocket", "猫和火箭"),
    ("pair", "dog bicycle", "a dog with a bicycle", "狗和自行车"),
    ("pair", "cat dog", "a cat and a dog", "猫和狗"),
    ("pair", "moon airplane", "an airplane and the moon", "飞机和月亮"),
    ("pair", "owl jack-o-lantern", "an owl and a pumpkin", "猫头鹰和南瓜灯"),
    ("pair", "t-rex pizza", "a t-rex and pizza", "霸王龙和披萨"),
    ("pair", "ghost steam-train", "a ghost and a steam train", "幽灵和蒸汽火车"),
    ("pair", "fox piano", "a fox and a piano", "狐狸和钢琴"),
    ("pair", "alien banana", "an alien with a banana", "外星人和香蕉"),
    ("pair", "mermaid motorcycle", "a mermaid and a motorcycle", "美人鱼和摩托车"),
    ("pair", "gorilla birthday-cake", "a gorilla with a birthday cake", "大猩猩和生日蛋糕"),
    ("pair", "stone-face planet", "a moai and a planet", "摩艾石像和行星"),
    ("pair", "robot cactus", "a robot and a cactus", "机器人和仙人掌"),
    ("thing", "octopus", "an octopus", "章鱼"),
    ("thing", "penguin", "a penguin", "企鹅"),
    ("thing", "frog", "a frog", "一只青蛙"),
    ("thing", "saxophone", "a saxophone", "萨克斯"),
    ("thing", "violin", "a violin", "小提琴"),
    ("thing", "top-hat", "a top hat", "礼帽"),
    ("thing", "helicopter", "a helicopter", "直升机"),
    ("thing", "parrot", "a parrot", "鹦鹉"),
    ("thing", "heart", "a red heart", "红心"),
    ("thing", "palm-tree", "a palm tree", "棕榈树"),
    ("thing", "telescope", "a telescope", "望远镜"),
    ("edge", "umbrella", "an umbrella", "雨伞"),
    ("edge", "elephant", "an elephant", "大象"),
    ("edge", "tiger", "a tiger", "老虎"),
    ("edge", "ship", "a ship", "轮船"),
    ("edge", "bear", "a bear", "熊"),
    ("edge", "guitar", "a guitar", "吉他"),
    ("edge", "lion", "a lion", "狮子"),
    ("edge", "car", "a red car", "红色的汽车"),
    ("edge", "rabbit", "a rabbit", "兔子"),
)


def seconds(frame: int) -> float:
    """Return the time of a frame in seconds (whole microseconds)."""
    return round(frame / RATE, 6)


def starts() -> list[int]:
    """Return the first frame of each shot, and the number of all frames at the end."""
    return [0, *accumulate(shot.frames for shot in SHOTS)]


def cut_times() -> list[float]:
    """Return the start of each shot except the first, in seconds."""
    return [seconds(frame) for frame in starts()[1:-1]]


def duration() -> float:
    """Return the film's length in seconds."""
    return seconds(starts()[-1])


def shots_with(facts: Iterable[str]) -> list[int]:
    """Return the numbers (from 1) of the shots that show all these things and backgrounds."""
    wanted = set(facts)
    return [number for number, shot in enumerate(SHOTS, 1) if wanted <= shot.facts()]


def _shot(number: int, shot: Shot, first: int) -> dict[str, Any]:
    last = first + shot.frames
    things = [
        {"slug": actor.concept, "position": actor.position(), "edge": actor.edge()}
        for actor in shot.actors
    ]
    return {
        "number": number,
        "start": seconds(first),
        "end": seconds(last),
        "start_frame": first,
        "end_frame": last,
        "background": shot.background,
        "things": things,
        "caption": {"en": shot.en, "zh": shot.zh},
    }


def _spoken(number: int, shot: Shot, first: int) -> dict[str, Any]:
    return {
        "shot": number,
        "start": round(first / RATE + LEAD, 3),
        "end": round((first + shot.frames) / RATE - TAIL, 3),
        "en": shot.line.en,
        "zh": shot.line.zh,
    }


def _queries() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for language in ("en", "zh"):
        for kind, facts, en, zh in QUERIES:
            right = shots_with(facts.split())
            if not right:
                raise ValueError(f"no shot shows {facts}")
            text = en if language == "en" else zh
            found.append({"lang": language, "text": text, "shots": right, "kind": kind})
    return found


def ground_truth() -> dict[str, Any]:
    """Return the content of ``ground_truth.json``; ``end_frame`` is the frame after a shot."""
    numbered = list(zip(range(1, len(SHOTS) + 1), SHOTS, starts(), strict=False))
    queries = _queries()
    asked = [(language, n, shot.line) for language in ("en", "zh") for n, shot, _ in numbered]
    return {
        "film": "film.mp4",
        "title": TITLE,
        "duration": duration(),
        "rate": f"{RATE}/1",
        "shots": [_shot(*one) for one in numbered],
        "queries": queries,
        "edge_queries": [query for query in queries if query["kind"] == "edge"],
        "dialogue": [_spoken(*one) for one in numbered],
        "dialogue_queries": [
            {"lang": lang, "text": line.ask_en if lang == "en" else line.ask_zh, "shot": number}
            for lang, number, line in asked
        ],
    }


def _clock(at: float) -> str:
    """Format seconds as in SubRip."""
    whole = round(at * 1000)
    return (
        f"{whole // 3600000:02}:{whole // 60000 % 60:02}:{whole // 1000 % 60:02},{whole % 1000:03}"
    )


def subtitles(language: str) -> str:
    """Return the SubRip file of a language, ``"en"`` or ``"zh"``."""
    blocks = [
        f"{line['shot']}\n{_clock(line['start'])} --> {_clock(line['end'])}\n{line[language]}\n"
        for line in ground_truth()["dialogue"]
    ]
    return "\n".join(blocks)
