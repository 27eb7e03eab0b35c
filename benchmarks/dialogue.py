"""Compare ways to find Chinese inside sentences, and measure the search among many lines."""

import random
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path

import jieba
import redis
from django.conf import settings
from django.utils.translation import trans_real

from gallery.index.server import connect
from gallery.index.types import FrameRecord
from gallery.transcripts import phrases
from gallery.transcripts.line_index import IndexedLine, LineIndex
from gallery.transcripts.line_search import LineSearch
from imgsearch.local.redis_server import running

FILMS, LINES = 300, 1400  # for each of two languages
SHOTS = 700
PARTS = 200  # queries of a kind
HAN = re.compile(r"[\u4e00-\u9fff]+")

Ask = Callable[[str], set[int]]


# --- Chinese ------------------------------------------------------------------------------------


def sentences() -> list[str]:
    """Return Chinese sentences of Django's translations and of the demo film."""
    catalogue = trans_real.DjangoTranslation("zh-hans")._catalog  # type: ignore[attr-defined]
    texts = {text for _key, text in catalogue.items() if isinstance(text, str) and len(text) >= 8}
    demo = (settings.BASE_DIR / "demo" / "film.zh.srt").read_text("utf-8").splitlines()
    plain = {re.sub(r"%\(\w+\)s|%\w|<[^>]*>", "", text) for text in (*texts, *demo)}
    return sorted(text for text in plain if HAN.search(text))


def ways(client: redis.Redis, texts: Sequence[str]) -> dict[str, Ask]:
    """Index the sentences in three ways. Return a search function for each."""
    run = client.execute_command
    schemas = {
        "native": ["LANGUAGE_FIELD", "language", "SCHEMA", "native", "TEXT"],
        "words": ["SCHEMA", "jieba", "TEXT", "NOSTEM", "characters", "TEXT", "NOSTEM"],
    }
    for name, schema in schemas.items():
        run("FT.CREATE", name, "ON", "HASH", "PREFIX", 1, "s:", "STOPWORDS", 0, *schema)
    for number, text in enumerate(texts):
        cut = " ".join(word for word in jieba.cut_for_search(text) if HAN.match(word))
        fields = {"language": "chinese", "native": text, "jieba": cut}
        characters = " ".join(c for c in text if HAN.match(c))
        client.hset(f"s:{number}", mapping={**fields, "characters": characters})

    def ask(name: str, query: str, values: Sequence[str], *more: str) -> set[int]:
        named = [part for number, value in enumerate(values) for part in (f"p{number}", value)]
        found = run(
            *("FT.SEARCH", name, query, *more, "NOCONTENT", "LIMIT", 0, 10_000),
            *("PARAMS", len(named), *named, "DIALECT", 2),
        )
        return {int(key[2:]) for key in found[1:]}

    def all_of(values: Sequence[str]) -> str:
        return " ".join(f"$p{number}" for number in range(len(values)))

    def by_words(part: str) -> set[int]:
        cut = [word for word in jieba.cut(part) if HAN.match(word)]
        return ask("words", f"@jieba:({all_of(cut)})", cut)

    def by_characters(part: str) -> set[int]:
        side_by_side = "=>{$slop: 0; $inorder: true;}"
        return ask("words", f"(@characters:({all_of(part)})){side_by_side}", part)

    return {
        "LANGUAGE chinese": lambda part: ask(
            "native", "@native:($p0)", [part], "LANGUAGE", "chinese"
        ),
        "jieba on both sides": by_words,
        "characters": by_characters,
    }


def part_of(texts: Sequence[str], length: int) -> str:
    """Return consecutive characters of a random sentence."""
    while True:
        run = random.choice(HAN.findall(random.choice(texts)))
        if len(run) >= length:
            at = random.randrange(len(run) - length + 1)
            return str(run[at : at + length])


def words_of(texts: Sequence[str], count: int) -> str:
    """Return consecutive whole words of a random sentence."""
    while True:
        cut = list(jieba.cut(random.choice(HAN.findall(random.choice(texts)))))
        if len(cut) >= count:
            at = random.randrange(len(cut) - count + 1)
            return "".join(cut[at : at + count])


def chinese(client: redis.Redis) -> None:
    """Print the recall of each way."""
    random.seed(3)
    texts = sentences()
    asks = ways(client, texts)
    kinds: list[tuple[str, Callable[[Sequence[str], int], str], int]]
    kinds = [(f"{n} characters", part_of, n) for n in (1, 2, 3, 4, 6)]
    kinds += [(f"{n} words", words_of, n) for n in (1, 2, 3)]
    print(f"{PARTS} parts of each kind of {len(texts)} sentences: found, of those that hold it\n")
    print(f"| part | {' | '.join(asks)} |")
    print(f"|---|{'---|' * len(asks)}")
    for kind, take, length in kinds:
        parts = [take(texts, length) for _ in range(PARTS)]
        held = [{n for n, text in enumerate(texts) if part in text} for part in parts]
        shares = []
        for ask in asks.values():
            found = [len(ask(p) & right) / len(right) for p, right in zip(parts, held, strict=True)]
            shares.append(f"{sum(found) / len(found):.2f}")
        print(f"| {kind} | {' | '.join(shares)} |")


# --- many lines -----------------------------------------------------------------------------------


def vocabulary() -> dict[str, tuple[list[str], list[float]]]:
    """Return words of two languages and their cumulative frequencies."""
    syllables = [a + b for a in "bcdfghklmnprstvw" for b in ("a", "e", "i", "o", "u", "ar", "en")]
    made = ["".join(random.choices(syllables, k=random.randint(1, 4))) for _ in range(30_000)]
    listed = [line.split() for line in jieba.get_dict_file().read().decode().splitlines()]
    return {
        "en": (made, list(accumulate(1 / (rank + 3) for rank in range(len(made))))),
        "zh": ([row[0] for row in listed], list(accumulate(float(row[1]) for row in listed))),
    }


def fill(here: LineIndex) -> list[tuple[str, str]]:
    """Index the lines of many films. Return each line with its language."""
    words = vocabulary()
    said: list[tuple[str, str]] = []
    for film in range(1, FILMS + 1):
        lines = []
        for key, (language, (forms, sums)) in enumerate(words.items()):
            space = " " if language == "en" else ""
            for number in range(LINES):
                text = space.join(random.choices(forms, cum_weights=sums, k=random.randint(2, 10)))
                shot = number * SHOTS // LINES
                record = FrameRecord(film, shot * 8, shot * 8.0, shot, shot * 8.0, shot * 8.0 + 8)
                start = number * 4.0
                lines.append(IndexedLine(key + 1, number, language, start, start + 3, text, record))
                said.append((language, text))
        here.put(film, lines, "bench")
    return said


def asked(said: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Return queries of several kinds about the lines."""
    english = [text.split() for language, text in said if language == "en"]
    english = [line for line in random.sample(english, 3000) if len(line) >= 4]
    chinese = random.sample([text for language, text in said if language == "zh"], PARTS)
    typo = [[*line[:2], line[2][:-1] + "x"] for line in english if len(line[2]) >= 5]
    return {
        "3 words of a line": [" ".join(line[1:4]) for line in english[:PARTS]],
        "1 frequent word": [random.choice(line) for line in english[:PARTS]],
        "6 words of two lines": [
            " ".join([*a[:3], *b[:3]])
            for a, b in zip(english[:PARTS], english[PARTS : 2 * PARTS], strict=True)
        ],
        "a misspelt word": [" ".join(line) for line in typo[:PARTS]],
        "part of a Chinese line": [line[1:7] for line in chinese],
    }


def many(client: redis.Redis) -> None:
    """Print memory and times."""
    random.seed(5)
    client.flushall()
    here = LineIndex(client, "bench:dialogue")
    before = int(client.info("memory")["used_memory"])
    started_at = time.perf_counter()
    said = fill(here)
    seconds = time.perf_counter() - started_at
    used = int(client.info("memory")["used_memory"]) - before
    phrases.parse_phrases("先把词典读进来")
    print(
        f"\n{len(said)} lines of {FILMS} films, {used / len(said):.0f} bytes of Redis each, "
        f"{len(said) / seconds:.0f} a second put in\n"
    )
    print("| query | milliseconds, median | slowest of 20 |")
    print("|---|---|---|")
    for kind, queries in asked(said).items():
        times = []
        for query in queries:
            started_at = time.perf_counter()
            LineSearch(here, phrases.parse_phrases(query), here.groups(), None).best(200)
            times.append((time.perf_counter() - started_at) * 1000)
        times.sort()
        print(f"| {kind} | {times[len(times) // 2]:.0f} | {times[-len(times) // 20]:.0f} |")


def main() -> None:
    """Run both benchmarks."""
    jieba.setLogLevel(60)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as url:
        client = connect(url)
        chinese(client)
        many(client)
