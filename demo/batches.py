"""Training batches: pictures drawn on the fly, in groups that are hard to tell apart."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from demo.backdrops import background
from demo.captions import DOING, FIGURES, Caption, caption, scene_facts
from demo.concepts import BACKGROUNDS, CONCEPTS, KNOWN
from demo.pictures import ASPECTS, Scene, draw, glyph, random_things
from demo.splits import TRAINING_SEEDS, is_trainable
from demo.tokens import CONTEXT, build_tokenizer

SIDE = 96  # pixels: the model's square input
PATCH = 12  # pixels: the side of the patches into which the model cuts its input
BANK = 48  # drawings of each background; a picture uses a part of one
FACTS = (*(known.slug for known in CONCEPTS), *("@" + known.slug for known in BACKGROUNDS))
FACT_INDEX = {fact: number for number, fact in enumerate(FACTS)}
SLUGS = tuple(known.slug for known in CONCEPTS)
PLACES = tuple(known.slug for known in BACKGROUNDS)
BACKDROP_SEEDS = range(TRAINING_SEEDS.start, TRAINING_SEEDS.start + 1_000_000)
SCENE_SEEDS = range(BACKDROP_SEEDS.stop, TRAINING_SEEDS.stop)


@dataclass
class Batch:
    """A batch of B pictures with one caption each per language, and all names.

    ``pictures`` (B, SIDE, SIDE, 3) uint8; ``shown`` (B, facts) bool. The triple of each language
    begins with the tokens (B, length) int64 and the facts that each caption claims (B, facts) bool.
    ``names`` (facts, length) int64: the tokens of a name of every concept and background.
    ``patches`` (B, patches) int64: the fact that fills each patch of the picture, -1 for none.
    """

    pictures: NDArray[np.uint8]
    shown: NDArray[np.bool_]
    tokens: dict[str, NDArray[np.int64]]
    claimed: dict[str, NDArray[np.bool_]]
    names: NDArray[np.int64]
    patches: NDArray[np.int64]


def patch_facts(scene: Scene, aspect: float, boxed: bool) -> NDArray[np.int64]:
    """Return the fact that fills each patch: (patches,) indices of ``FACTS``, -1 for none."""
    centres = (np.arange(SIDE // PATCH) + 0.5) * PATCH / SIDE
    across, down = np.meshgrid(centres, centres)
    if boxed:
        down = (down - 0.5) * aspect + 0.5
    found = np.full(across.shape, FACT_INDEX["@" + scene.background], dtype=np.int64)
    for thing in scene.things:
        far = np.maximum(np.abs(across - thing.x) * aspect, np.abs(down - thing.y)) / thing.height
        found[far < 0.55] = -1
        found[(far < 0.4) | (far <= far.min())] = FACT_INDEX[thing.concept]
    found[(down < 0) | (down > 1)] = -1
    return found.ravel()


@cache
def look_alikes() -> dict[str, tuple[str, ...]]:
    """Return the eight concepts with the most similar glyphs of each concept."""
    flat: list[NDArray[np.float32]] = []
    for known in CONCEPTS:
        pixels = np.asarray(glyph(known.emoji, 16), dtype=np.float32)
        flat.append((pixels[..., :3] - np.float32(128)) * (pixels[..., 3:] / np.float32(255)))
    straight = np.stack([one.ravel() for one in flat])
    mirrored = np.stack([one[:, ::-1].ravel() for one in flat])
    lengths = np.linalg.norm(straight, axis=1)
    close = np.maximum(straight @ straight.T, mirrored @ straight.T)
    close /= lengths[:, None] * lengths[None, :]
    np.fill_diagonal(close, -1)
    order = np.argsort(-close, axis=1)[:, :8]
    return {SLUGS[i]: tuple(SLUGS[int(j)] for j in row) for i, row in enumerate(order)}


class Painter:
    """Draws training batches; batch ``number`` is always the same."""

    def __init__(self) -> None:
        self.tokenizer = build_tokenizer()
        self.tokenizer.enable_truncation(CONTEXT)
        self.tokenizer.enable_padding(pad_id=0, pad_token="<|pad|>")
        self.bank: dict[str, list[Image.Image]] = {slug: [] for slug in PLACES}
        self.figures = [known.slug for known in CONCEPTS if known.kind in FIGURES]
        self.people = [known.slug for known in CONCEPTS if known.kind == "person"]

    def fill_bank(self) -> None:
        """Draw the backgrounds, which takes about ten seconds."""
        seed = BACKDROP_SEEDS.start
        for slug in PLACES:
            for _ in range(BANK):
                rng = np.random.default_rng(seed)
                self.bank[slug].append(background(slug, (316, 132), rng))
                seed += 1

    def _backdrop(self, slug: str, size: tuple[int, int], rng: Generator) -> Image.Image:
        large = self.bank[slug][int(rng.integers(len(self.bank[slug])))]
        aspect = size[0] / size[1]
        tall = 132 * rng.uniform(0.88, 1.0)
        wide = min(316.0, tall * aspect)
        tall = wide / aspect
        left, top = rng.uniform(0, 316 - wide), rng.uniform(0, 132 - tall)
        box = (left, top, left + wide, top + tall)
        part = large.resize(size, Image.Resampling.BILINEAR, box)
        return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else part

    def _picture(
        self, scene: Scene, aspect: float, boxed: bool, rng: Generator
    ) -> NDArray[np.uint8]:
        height = int(rng.integers(84, 124))
        size = (round(height * aspect), height)
        image = draw(scene, size, self._backdrop(scene.background, size, rng))
        if boxed:
            square = Image.new("RGB", (size[0], size[0]))
            square.paste(image, (0, (size[0] - size[1]) // 2))
            image = square
        if rng.random() < 0.12:
            kept = io.BytesIO()
            image.save(kept, "JPEG", quality=int(rng.integers(35, 85)))
            image = Image.open(kept)
        if rng.random() < 0.1:
            image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.2)))
        return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC))

    def _random_slugs(self, progress: float, rng: Generator) -> tuple[str, ...]:
        shares = (0.7, 0.2, 0.08, 0.02) if progress < 0.05 else (0.36, 0.3, 0.24, 0.1)
        number = int(rng.choice(4, p=shares)) + 1
        while True:
            slugs = tuple(SLUGS[int(i)] for i in rng.choice(len(SLUGS), number, replace=False))
            if is_trainable(slugs):
                return (slugs[0], slugs[0]) if number == 2 and rng.random() < 0.06 else slugs

    def _group(self, progress: float, rng: Generator) -> list[tuple[tuple[str, ...], str, float]]:
        """Return four scenes: things, background, how often captions name the background."""
        places = [PLACES[int(i)] for i in rng.choice(len(PLACES), 4, replace=False)]
        kind = rng.random()
        if kind < 0.06:
            slugs = self._random_slugs(progress, rng)
            return [(slugs, place, 0.85) for place in places]
        if kind < 0.22 and progress > 0.05:
            return self._pairs(places, rng)
        if kind < 0.31 and progress > 0.05:
            return self._figure(places, rng)
        if kind < 0.46:
            first = SLUGS[int(rng.integers(len(SLUGS)))]
            alike = look_alikes()[first]
            others = [alike[int(i)] for i in rng.choice(len(alike), 3, replace=False)]
            return [
                ((slug,), place, 0.25) for slug, place in zip([first, *others], places, strict=True)
            ]
        sets = [self._random_slugs(progress, rng) for _ in range(4)]
        if rng.random() < 0.12:
            sets[0] = ()
        return [(slugs, place, 0.4) for slugs, place in zip(sets, places, strict=True)]

    def _pairs(self, places: list[str], rng: Generator) -> list[tuple[tuple[str, ...], str, float]]:
        while True:
            a, b, c = (SLUGS[int(i)] for i in rng.choice(len(SLUGS), 3, replace=False))
            if is_trainable((a, b)) and is_trainable((a, c)):
                break
        same = rng.random() < 0.5
        sets: list[tuple[str, ...]] = [(a, b), (a,), (b,), (a, c)]
        return [
            (slugs, places[0] if same else place, 0.15)
            for slugs, place in zip(sets, places, strict=True)
        ]

    def _figure(
        self, places: list[str], rng: Generator
    ) -> list[tuple[tuple[str, ...], str, float]]:
        chance = rng.random()
        pool = self.people if chance < 0.7 else self.figures
        who = "man" if chance < 0.3 else pool[int(rng.integers(len(pool)))]
        doing = tuple(DOING)
        one, two = (doing[int(i)] for i in rng.choice(len(doing), 2, replace=False))
        if rng.random() < 0.6:
            one, two = "smiling", "wave"
        sets: list[tuple[str, ...]] = [(who, one, two), (who, one), (who, two)]
        sets.append(((who,), (one,), (two,), (one, two))[int(rng.integers(4))])
        sets = [slugs if is_trainable(slugs) else slugs[:1] for slugs in sets]
        return [(slugs, place, 0.15) for slugs, place in zip(sets, places, strict=True)]

    def _encode(self, texts: list[str]) -> NDArray[np.int64]:
        encoded = self.tokenizer.encode_batch(texts)
        return np.array([one.ids for one in encoded], dtype=np.int64)

    def _names(self, rng: Generator) -> NDArray[np.int64]:
        language = int(rng.integers(2))
        texts: list[str] = []
        for known in KNOWN:
            names = (known.en, known.zh)[language]
            texts.append(names[0] if rng.random() < 0.7 else names[int(rng.integers(len(names)))])
        return self._encode(texts)

    def batch(self, number: int, size: int, progress: float) -> Batch:
        """Return batch ``number`` of ``size`` pictures; ``progress`` (0 to 1) makes them harder."""
        rng = np.random.default_rng([2, number])
        ease = max(0.0, 1 - progress / 0.25) * 0.7
        pictures: list[NDArray[np.uint8]] = []
        patches: list[NDArray[np.int64]] = []
        scenes: list[Scene] = []
        captions: dict[str, list[Caption]] = {"en": [], "zh": []}
        while len(scenes) < size:
            for slugs, place, share in self._group(progress, rng):
                aspect = ASPECTS[int(rng.integers(len(ASPECTS)))]
                seed = SCENE_SEEDS.start + number * size + len(scenes)
                things = random_things(slugs, aspect, rng, ease) if slugs else ()
                scene = Scene(place, things, seed)
                boxed = aspect > 1 and rng.random() < 0.1
                pictures.append(self._picture(scene, aspect, boxed, rng))
                patches.append(patch_facts(scene, aspect, boxed))
                scenes.append(scene)
                for language, kept in captions.items():
                    kept.append(caption(scene, language, rng, share))
        captions = {language: kept[:size] for language, kept in captions.items()}
        return Batch(
            pictures=vary(np.stack(pictures[:size]), rng),
            shown=_table([scene_facts(scene) for scene in scenes[:size]]),
            tokens={lang: self._encode([c.text for c in kept]) for lang, kept in captions.items()},
            claimed={lang: _table([c.facts for c in kept]) for lang, kept in captions.items()},
            names=self._names(rng),
            patches=np.stack(patches[:size]),
        )


def _table(facts: list[frozenset[str]]) -> NDArray[np.bool_]:
    table = np.zeros((len(facts), len(FACTS)), dtype=np.bool_)
    for row, some in enumerate(facts):
        table[row, [FACT_INDEX[fact] for fact in some]] = True
    return table


def vary(pictures: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
    """Vary brightness, contrast, colour and noise of (B, side, side, 3) uint8 pictures."""
    number = len(pictures)
    shape = (number, 1, 1, 1)
    pixels = pictures.astype(np.float32)
    contrast = rng.uniform(0.78, 1.2, shape).astype(np.float32)
    tint = rng.uniform(0.94, 1.06, (number, 1, 1, 3)).astype(np.float32)
    light = rng.uniform(-20, 20, shape).astype(np.float32)
    pixels = (pixels - 128) * (contrast * tint) + (128 + light)
    noisy = rng.random(number) < 0.3
    grain = rng.standard_normal(pixels[noisy].shape, dtype=np.float32)
    pixels[noisy] += grain * rng.uniform(1, 7)
    return np.clip(pixels, 0, 255).astype(np.uint8)
