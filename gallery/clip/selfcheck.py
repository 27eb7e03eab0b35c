"""Compare a faster version of a model with float32, on pictures and texts.

The pictures are frames of the library, or of the demo film when there are too few, and generated
ones; the texts are typical queries.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import islice, product
from pathlib import Path

import numpy as np
from django.conf import settings
from PIL import Image

from gallery.clip.types import Vectors
from gallery.core.errors import GalleryError
from gallery.media import decoding, probing
from gallery.media.types import Picture, Span

MAX_FRAMES = 48  # of the library and the demo film
GENERATED_PICTURES = 16
MAX_TEXTS = 200
COMPARED_HITS = 10  # for each text
REPORT_FILE = "check.json"

_SUBJECTS = {
    "en": (
        *("a dog", "a cat", "a smiling man", "two women", "a child", "an astronaut", "a horse"),
        *("a red car", "a train", "a ship", "a house", "a bridge", "a crowd", "a hand", "a bird"),
        *("a clock", "a door", "a letter", "a bottle of wine", "an old telephone"),
    ),
    "zh": (
        *("一只狗", "一只猫", "微笑的男人", "两个女人", "孩子", "宇航员", "一匹马", "红色的汽车"),
        *("火车", "船", "房子", "桥", "人群", "手", "鸟", "钟", "门", "信", "酒瓶", "旧电话"),
    ),
}
_SETTINGS = {
    "en": (
        *("", "in the snow", "at night", "in the rain", "by the sea", "in a city street"),
        *("in a forest", "in a dark room", "on a table", "from above"),
    ),
    "zh": (
        *("", "在雪地里", "在夜晚", "在雨中", "在海边", "在街上", "在森林里", "在暗室里"),
        *("在桌上", "从上方看"),
    ),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a check must reach: cosines with float32, and the share of first hits that agree."""

    min_cosine: float
    mean_cosine: float = 0.0
    agreement: float = 0.0


LIMITS = {
    "fp32": Limits(0.9999),
    "bf16": Limits(0.999),
    "fp16": Limits(0.999),
    "int8": Limits(0.98, mean_cosine=0.995, agreement=0.95),
}


@dataclass(frozen=True, slots=True)
class Report:
    """How well a target agrees with float32.

    Cosines are those of a picture's or text's vectors in both; the mean is the lower one of
    pictures and texts. `agreement`, 0 to 1, is the mean share of the first ten pictures for a text
    that both have. `error` says why the target cannot be used at all. `sizes` are those of the
    converted files, in bytes.
    """

    precision: str
    min_cosine: float = 0.0
    mean_cosine: float = 0.0
    agreement: float = 0.0
    pictures: int = 0
    texts: int = 0
    error: str = ""
    sizes: dict[str, int] | None = None

    @property
    def is_passed(self) -> bool:
        """Return whether the target may be used."""
        limits = LIMITS[self.precision]
        return (
            not self.error
            and self.min_cosine >= limits.min_cosine
            and self.mean_cosine >= limits.mean_cosine
            and self.agreement >= limits.agreement
        )

    def __str__(self) -> str:
        if self.error:
            return f"cannot be used: {self.error}"
        return (
            f"cosine with fp32: min {self.min_cosine:.5f}, mean {self.mean_cosine:.5f}; first "
            f"{COMPARED_HITS} of {self.texts} queries: {self.agreement:.1%} agree"
            f"; {'passed' if self.is_passed else 'failed, so it is not used'}"
        )

    def save(self, folder: Path) -> None:
        """Write the report to `folder`."""
        (folder / REPORT_FILE).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Report | None":
        """Read the report from `folder`; None when it is missing or damaged."""
        try:
            return cls(**json.loads((folder / REPORT_FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None


def compare(
    precision: str,
    reference: tuple[Vectors, Vectors],
    found: tuple[Vectors, Vectors],
) -> Report:
    """Compare vectors of pictures and of texts, each of shape (n, width), unit rows."""
    cosines = [np.einsum("ij,ij->i", a, b) for a, b in zip(reference, found, strict=True)]
    first, other = (_rank_hits(*vectors) for vectors in (reference, found))
    shared = [len(set(a) & set(b)) for a, b in zip(first, other, strict=True)]
    return Report(
        precision,
        min_cosine=min(float(each.min()) for each in cosines),
        mean_cosine=min(float(each.mean()) for each in cosines),
        agreement=float(np.mean(shared)) / first.shape[1],
        pictures=len(found[0]),
        texts=len(found[1]),
    )


def _rank_hits(pictures: Vectors, texts: Vectors) -> np.ndarray:
    return np.argsort(-(texts @ pictures.T), axis=1, kind="stable")[:, :COMPARED_HITS]


def texts(languages: Sequence[str]) -> list[str]:
    """Return MAX_TEXTS queries in the languages that the model reads."""
    readable = [language for language in languages if language in _SUBJECTS] or ["en"]
    queries = [
        [" ".join(parts).strip() for parts in product(_SUBJECTS[language], _SETTINGS[language])]
        for language in readable
    ]
    step = len(readable)
    return [text for texts_of_language in queries for text in texts_of_language[::step]][:MAX_TEXTS]


def pictures(*, other: bool = False) -> list[Picture]:
    """Return frames and generated pictures, the same at each call on the same library.

    `other` gives as many different ones, for calibration on pictures that are not checked.
    """
    frames = _library_frames(other=other)
    if len(frames) < MAX_FRAMES:
        # A few similar frames would say little.
        frames += _demo_frames(other=other)[: MAX_FRAMES - len(frames)]
    return [*frames, *_generated_pictures(seed=int(other))]


def _library_frames(*, other: bool) -> list[Picture]:
    """Return thumbnails, spread over the films of the library."""
    folders = sorted((settings.MEDIA_ROOT / "films").glob("*/*/thumbs"))
    each = max(1, MAX_FRAMES // max(1, len(folders)))
    found: list[Picture] = []
    for folder in folders[:MAX_FRAMES]:
        paths = sorted(folder.glob("*.jpg"))[int(other) :: 2]
        for path in paths[:: max(1, len(paths) // each)][:each]:
            # Skip thumbnails that are damaged or are being removed.
            with suppress(OSError), Image.open(path) as picture:
                found.append(picture.convert("RGB"))
    return found


@lru_cache(maxsize=2)
def _demo_frames(*, other: bool) -> list[Picture]:
    path = settings.BASE_DIR / "demo" / "film.mp4"
    try:
        max_pixels = settings.MAX_FILM_PIXELS
        found = probing.probe(path, max_pixels, 3600)
        with decoding.decode(
            path, found, Span(0, None), width=640, max_pixels=max_pixels, limit=120
        ) as running:
            every_other = (
                picture for _time, picture in islice(running.pictures, int(other), None, 2)
            )
            return list(islice(every_other, MAX_FRAMES))
    except (OSError, GalleryError):
        return []  # without the demo film, use only generated pictures


def _generated_pictures(seed: int) -> list[Picture]:
    """Return gradients, stripes and noise of different sizes and shapes."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(GENERATED_PICTURES):
        width, height = ((320, 180), (240, 240), (180, 320), (400, 168))[number % 4]
        y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
        angle, waves = random.uniform(0, np.pi), random.uniform(0.5, 12)
        phase = np.sin(2 * np.pi * waves * (x * np.cos(angle) + y * np.sin(angle)))
        colours = random.uniform(0, 255, (2, 3))
        mixed = (phase[..., None] + 1) / 2 * (colours[1] - colours[0]) + colours[0]
        noisy = mixed + random.normal(0, (0, 8, 30, 60)[number // 4], mixed.shape)
        found.append(Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)))
    return found
