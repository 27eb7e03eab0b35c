"""Prepare pictures and texts for a model, as squares of pixels and tokens. Runtime-independent."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from gallery.media.types import Picture

EDGES = ("squash", "pad", "tiles")
TILE_OVERLAP = 0.25  # neighbouring tiles share at least this part of their width
SPEC_FILE, TOKENIZER_FILE = "spec.json", "tokenizer.json"

Pixels = NDArray[np.uint8]
"""Square pictures, RGB: shape (n, side, side, 3), uint8."""

Tokens = NDArray[np.int64]
"""Token ids of texts, or their attention mask: shape (n, length), int64."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """The parameters of a model besides its weights.

    Pictures are squares of `side` pixels, scaled with Pillow's filter `resample`; the model reads
    (level - mean) / std for each channel, levels from 0 to 255. Texts have at most `text_length`
    tokens; `uses_mask`: the text tower takes an attention mask. `scale` is the learnt factor of
    cosines before a softmax.
    """

    side: int
    resample: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    text_length: int
    uses_mask: bool
    scale: float

    def save(self, folder: Path) -> None:
        """Write the spec to `folder`."""
        (folder / SPEC_FILE).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "ModelSpec":
        """Read the spec from `folder`. Raises OSError, ValueError, TypeError when it is damaged."""
        given = json.loads((folder / SPEC_FILE).read_text(encoding="utf-8"))
        return cls(**{**given, "mean": tuple(given["mean"]), "std": tuple(given["std"])})


def to_squares(picture: Picture, edges: str, side: int, resample: int) -> list[Picture]:
    """Return squares of `side` pixels that contain all of a picture of any shape.

    CLIP's own preprocessing crops the centre, which loses over half of a 2.39:1 film. `squash`
    scales both sides to fit; `pad` adds black bars; `tiles` covers the longer side with overlapping
    squares, whose embeddings are averaged. For a square picture all three give the same result.
    """
    filter_ = Image.Resampling(resample)
    width, height = picture.size
    if edges == "pad":
        return [ImageOps.pad(picture, (side, side), method=filter_, color=0)]
    short, long = sorted((width, height))
    if edges == "tiles" and long > short:
        step = short * (1 - TILE_OVERLAP)
        count = 1 + int(np.ceil((long - short) / step))
        offsets = [round(i * (long - short) / (count - 1)) for i in range(count)]
        boxes = [
            (o, 0, o + short, short) if width > height else (0, o, short, o + short)
            for o in offsets
        ]
        return [picture.resize((side, side), filter_, box=box) for box in boxes]
    return [picture.resize((side, side), filter_)]


def to_pixels(pictures: Sequence[Picture]) -> Pixels:
    """Return square pictures of one size as an array."""
    return np.stack([np.asarray(picture.convert("RGB")) for picture in pictures])


class TextTokenizer:
    """A thread-safe tokenizer: padding and truncation are part of the saved tokenizer.

    Setting them at each call, as transformers does, changes the tokenizer that all threads share:
    under load, long texts came back untruncated and short ones unpadded.
    """

    def __init__(self, serialized: str) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_str(serialized)

    @classmethod
    def load(cls, folder: Path) -> "TextTokenizer":
        """Read the tokenizer from `folder`. Raises OSError, and Exception when it is damaged."""
        return cls((folder / TOKENIZER_FILE).read_text(encoding="utf-8"))

    def encode(self, texts: Sequence[str]) -> tuple[Tokens, Tokens]:
        """Return ids and attention mask of texts, truncated and padded to one length."""
        encoded = self._tokenizer.encode_batch(list(texts))
        ids = np.array([encoding.ids for encoding in encoded], np.int64)
        return ids, np.array([encoding.attention_mask for encoding in encoded], np.int64)

    def is_truncated(self, text: str) -> bool:
        """Return whether a text has more tokens than the model reads."""
        return bool(self._tokenizer.encode(text).overflowing)
