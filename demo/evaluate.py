"""Print what the demo CLIP can do, and fail if it misses a required score.

``python -m demo.evaluate [--model DIR]``
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

from demo.batches import BACKDROP_SEEDS, FACTS, SCENE_SEEDS, Painter
from demo.captions import LANGUAGES, article, scene_facts
from demo.concepts import BACKGROUNDS, CONCEPTS, KNOWN, Background, Concept, concept
from demo.pictures import Scene, draw, random_scene
from demo.splits import (
    EVALUATION_SEEDS,
    FILM_SEEDS,
    TRAINING_SEEDS,
    is_held_out_pair,
    is_trainable,
)

SIZE = (284, 160)  # pixels: a 16:9 frame, which the model squashes to a square
GALLERIES = 3
PAIRS = 400
ROUNDS = 25
REPLAYED = 24  # training batches drawn again to search them for held-out pairs
TUTORIAL: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("dog", "狗", ("dog",)),
    ("cat", "猫", ("cat",)),
    ("night", "夜晚", ()),
    ("astronaut", "宇航员", ("astronaut",)),
    ("man", "男人", ("man",)),
    ("smiling", "微笑", ("smiling",)),
    ("wave", "挥手", ("wave",)),
    ("smiling man wave", "微笑男人挥手", ("man", "smiling", "wave")),
)
Vectors = NDArray[np.float32]


@dataclass
class UsedData:
    """The seeds and pairs that the evaluation has used."""

    seeds: set[int] = field(default_factory=set)
    pairs: set[tuple[str, str]] = field(default_factory=set)
    last_seed: int = EVALUATION_SEEDS.start

    def next_seed(self) -> int:
        """Return a seed that was not used before."""
        self.last_seed += 1
        self.seeds.add(self.last_seed)
        return self.last_seed

    def new_rng(self) -> np.random.Generator:
        """Return a generator with a new seed."""
        return np.random.default_rng([self.next_seed(), 9])


class TestedModel:
    """The model under test; all vectors have length 1 and shape (512,)."""

    def __init__(self, folder: Path) -> None:
        self.model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.images = AutoImageProcessor.from_pretrained(folder)

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of texts: (n, 512)."""
        parts = []
        for start in range(0, len(texts), 256):
            given = self.tokenizer(
                list(texts[start : start + 256]), padding=True, truncation=True, return_tensors="pt"
            )
            with torch.inference_mode():
                pooled = self.model.text_model(**given).pooler_output
                parts.append(functional.normalize(self.model.text_projection(pooled), dim=-1))
        return np.asarray(torch.cat(parts).numpy(), dtype=np.float32)

    def embed_scenes(self, scenes: Sequence[Scene]) -> Vectors:
        """Return the vectors of scenes drawn at ``SIZE``: (n, 512)."""
        parts = []
        for start in range(0, len(scenes), 64):
            drawn = [draw(scene, SIZE) for scene in scenes[start : start + 64]]
            pixels = self.images(images=drawn, return_tensors="pt")["pixel_values"]
            with torch.inference_mode():
                pooled = self.model.vision_model(pixel_values=pixels).pooler_output
                parts.append(functional.normalize(self.model.visual_projection(pooled), dim=-1))
        return np.asarray(torch.cat(parts).numpy(), dtype=np.float32)


def bare(known: Concept | Background, language: str) -> str:
    """Return the bare name."""
    return (known.en if language == "en" else known.zh)[0]


def counted(slug: str) -> str:
    """Return an English name with its article."""
    known = concept(slug)
    name = known.en[0]
    plural = name.endswith("s") and not name.endswith("ss")
    return name if plural or known.kind in ("face", "hand") else f"{article(name)} {name}"


def names_test(model: TestedModel, used: UsedData) -> dict[str, tuple[float, float]]:
    """Search bare names among one picture of each concept: (hit@1, hit@5) by language.

    A thing is on a random background; a background is empty, among those with things on them.
    """
    hits: dict[str, list[tuple[bool, bool]]] = {language: [] for language in LANGUAGES}
    facts = [*(known.slug for known in CONCEPTS), *("@" + known.slug for known in BACKGROUNDS)]
    queries = {lang: model.embed_texts([bare(k, lang) for k in KNOWN]) for lang in hits}
    for _ in range(GALLERIES):
        scenes = [random_scene(used.next_seed(), (known.slug,)) for known in CONCEPTS]
        scenes += [random_scene(used.next_seed(), (), known.slug) for known in BACKGROUNDS]
        gallery = model.embed_scenes(scenes)
        shown = [scene_facts(scene) for scene in scenes]
        for language, vectors in queries.items():
            ranked = np.argsort(-(vectors @ gallery.T), axis=1)[:, :5]
            for fact, row in zip(facts, ranked, strict=True):
                right = [fact in shown[int(i)] for i in row]
                hits[language].append((right[0], any(right)))
    return {
        language: (float(np.mean([a for a, _ in kept])), float(np.mean([b for _, b in kept])))
        for language, kept in hits.items()
    }


def grounds_test(model: TestedModel, used: UsedData) -> dict[str, float]:
    """Search "a dog at night" among the same dog, at the same place, on each background."""
    right: dict[str, list[bool]] = {language: [] for language in LANGUAGES}
    truth = np.arange(len(BACKGROUNDS))
    for known in CONCEPTS:
        first = random_scene(used.next_seed(), (known.slug,), BACKGROUNDS[0].slug)
        scenes = [
            replace(first, background=place.slug, seed=used.next_seed()) for place in BACKGROUNDS
        ]
        gallery = model.embed_scenes(scenes)
        asked = {
            "en": [f"{counted(known.slug)} {place.en_phrases[0]}" for place in BACKGROUNDS],
            "zh": [place.zh_phrases[0] + known.zh[0] for place in BACKGROUNDS],
        }
        for language, texts in asked.items():
            best = (model.embed_texts(texts) @ gallery.T).argmax(axis=1)
            right[language] += list(best == truth)
    return {language: float(np.mean(kept)) for language, kept in right.items()}


def _held_out_pairs(used: UsedData) -> list[tuple[str, str]]:
    slugs = [known.slug for known in CONCEPTS]
    pairs = [(a, b) for i, a in enumerate(slugs) for b in slugs[i + 1 :] if is_held_out_pair(a, b)]
    chosen = used.new_rng().choice(len(pairs), PAIRS - 1, replace=False)
    return [("cat", "rocket"), *(pairs[int(i)] for i in chosen)]


def pairs_test(model: TestedModel, used: UsedData) -> dict[str, float]:
    """Search "a cat and a rocket" among pictures with only one of the two and with others."""
    right: dict[str, list[bool]] = {language: [] for language in LANGUAGES}
    rng = used.new_rng()
    for a, b in _held_out_pairs(used):
        used.pairs.add((a, b))
        others = [CONCEPTS[int(i)].slug for i in rng.choice(len(CONCEPTS), 8, replace=False)]
        c, d = [other for other in others if other not in (a, b)][:2]
        sets: list[tuple[str, ...]] = [(a, b), (a,), (b,), (a, c), (b, d)]
        gallery = model.embed_scenes([random_scene(used.next_seed(), slugs) for slugs in sets])
        asked = {
            "en": f"{counted(a)} and {counted(b)}",
            "zh": f"{concept(a).zh[0]}和{concept(b).zh[0]}",
        }
        for language, text in asked.items():
            right[language].append(int((model.embed_texts([text]) @ gallery.T).argmax()) == 0)
    return {language: float(np.mean(kept)) for language, kept in right.items()}


def tutorial_test(model: TestedModel, used: UsedData) -> dict[str, float]:
    """Classify pictures by the tutorial's eight labels; the most specific true one is right."""
    rng = used.new_rng()
    lit = [place.slug for place in BACKGROUNDS if place.slug not in ("night", "space")]
    scenes: list[Scene] = []
    for _ in range(ROUNDS):
        for _, _, slugs in TUTORIAL:
            place = lit[int(rng.integers(len(lit)))] if slugs else "night"
            scenes.append(random_scene(used.next_seed(), slugs, place))
    gallery = model.embed_scenes(scenes)
    truth = np.tile(np.arange(len(TUTORIAL)), ROUNDS)
    found: dict[str, float] = {}
    for number, language in enumerate(LANGUAGES):
        labels = model.embed_texts([(english, chinese)[number] for english, chinese, _ in TUTORIAL])
        found[language] = float(np.mean((gallery @ labels.T).argmax(axis=1) == truth))
    return found


def check_disjoint(used: UsedData) -> list[str]:
    """Check that training and evaluation are disjoint. Return a line for each check.

    Raises RuntimeError if they are not.
    """
    ranges = (TRAINING_SEEDS, EVALUATION_SEEDS, FILM_SEEDS)
    apart = all(a.stop <= b.start for a, b in pairwise(ranges))
    parts = all(part[0] in TRAINING_SEEDS and part[-1] in TRAINING_SEEDS
                for part in (BACKDROP_SEEDS, SCENE_SEEDS))  # fmt: skip
    overlapping = [seed for seed in used.seeds if seed in TRAINING_SEEDS]
    if not apart or not parts or overlapping:
        raise RuntimeError(f"the seeds meet: {overlapping[:5]}")
    known = [pair for pair in used.pairs if is_trainable(pair)]
    if known:
        raise RuntimeError(f"trainable pairs were asked for: {known[:5]}")
    painter = Painter()
    painter.fill_bank()
    seen = 0
    for number in range(REPLAYED):
        shown = painter.batch(number * 211, 128, number / REPLAYED).shown
        for row in shown:
            slugs = [
                FACTS[int(i)] for i in np.flatnonzero(row) if not FACTS[int(i)].startswith("@")
            ]
            seen += 1
            if not is_trainable(slugs):
                raise RuntimeError(f"training shows a held-out pair: {slugs}")
    return [
        f"{len(used.seeds)} seeds evaluated, none of them among the training's",
        f"{len(used.pairs)} pairs evaluated, none of them may be trained on",
        f"{seen} training pictures drawn again, none shows a held-out pair",
    ]


def table(model: TestedModel, used: UsedData) -> list[tuple[str, float, dict[str, float]]]:
    """Return all results: the name of the test, the required score, and the score by language."""
    names = names_test(model, used)
    count = len(CONCEPTS) + len(BACKGROUNDS)
    return [
        (f"bare name, {count} concepts, hit@1", 0.85, {k: v[0] for k, v in names.items()}),
        (f"bare name, {count} concepts, hit@5", 0.97, {k: v[1] for k, v in names.items()}),
        ("thing on a background, 1 of 12", 0.9, grounds_test(model, used)),
        ("pair, against one of the two, 1 of 5", 0.75, pairs_test(model, used)),
        ("tutorial's labels, 1 of 8", 0.9, tutorial_test(model, used)),
    ]


def main() -> int:
    """Print the table. Return 0 if all required scores are reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path(__file__).parent / "model")
    model = TestedModel(parser.parse_args().model)
    used = UsedData()
    rows = table(model, used)
    print(f"{'':38}{'min':>7}{'en':>8}{'zh':>8}")
    short = 0
    for what, minimum, figures in rows:
        missed = [language for language in LANGUAGES if figures[language] < minimum]
        short += len(missed)
        note = f"  short in {', '.join(missed)}" if missed else ""
        print(f"{what:38}{minimum:7.2f}{figures['en']:8.3f}{figures['zh']:8.3f}{note}")
    for line in check_disjoint(used):
        print(line)
    print("training and evaluation do not meet")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
