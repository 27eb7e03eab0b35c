"""The only room that knows torch and transformers: pictures and words become unit vectors.

Any model of the CLIP family works that transformers loads with `get_image_features` and
`get_text_features`. Paper: Radford et al., 2021, "Learning Transferable Visual Models From Natural
Language Supervision".
"""

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from django.conf import settings
from django.utils.translation import gettext as _
from PIL import Image, ImageOps

from gallery.embedding import weights
from gallery.errors import ModelError, QueryError
from gallery.types import Picture, Vector, Vectors

if TYPE_CHECKING:
    import torch

EDGES = ("squash", "pad", "tiles")
TILE_OVERLAP = 0.25  # neighbouring tiles share at least this part of their width

T = TypeVar("T")


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of up to `size` items."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def squares(picture: Picture, edges: str, side: int, resample: int) -> list[Picture]:
    """Make a picture of any shape into squares of `side` pixels that hold all of it.

    CLIP's own preparation cuts the middle out of a picture, and over half of a 2.39:1 film away.
    `squash` scales both sides to fit; `pad` adds black bars; `tiles` covers the longer side with
    overlapping squares, whose embeddings are averaged. A square picture comes out the same from
    all three.
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


def _unit(rows: "torch.Tensor") -> Vectors:
    """Scale rows to length 1, as float32. Raises ModelError for zero or non-finite rows."""
    array = np.asarray(rows.float().cpu().numpy(), dtype=np.float32)
    lengths = np.linalg.norm(array, axis=1, keepdims=True)
    if not np.isfinite(array).all() or (lengths == 0).any():
        raise ModelError(
            _("The model gave a vector that is not a direction; its weights may be damaged.")
        )
    return array / lengths


def _features(output: Any) -> "torch.Tensor":
    """The projected embedding: transformers 5 wraps it in an object, other releases do not."""
    tensor: torch.Tensor = getattr(output, "pooler_output", output)
    return tensor


class Encoder:
    """A loaded model. Thread-safe: torch's inference is, and nothing here changes after loading."""

    def __init__(self, model: weights.Model, edges: str | None = None) -> None:
        """Load `model` on a GPU when there is one. Raises ModelError when it cannot be loaded."""
        # The files are here: nothing may be asked of the hub while loading.
        os.environ["HF_HUB_OFFLINE"] = "1"
        import torch
        from transformers import AutoImageProcessor, AutoModel, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        logging.set_verbosity_error()

        self.model = model
        self.edges = edges or settings.CLIP_EDGES
        if self.edges not in EDGES:
            raise ModelError(
                _("CLIP_EDGES is %(given)s; it can be squash, pad or tiles.")
                % {"given": self.edges}
            )
        self._torch = torch
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            network = AutoModel.from_pretrained(model.folder, dtype=torch.float32)
            self._tokenizer = AutoTokenizer.from_pretrained(model.folder)
            self._processor = AutoImageProcessor.from_pretrained(model.folder, backend="pil")
            # Without its files, transformers makes a tokenizer to which all words are the same.
            if len(self._tokenizer) <= len(self._tokenizer.all_special_ids):
                raise ValueError("its tokenizer has no words")
        except Exception as error:  # transformers raises whatever the files lead it to
            raise ModelError(
                _("The model %(name)s in %(folder)s cannot be loaded: %(reason)s")
                % {
                    "name": model.name,
                    "folder": model.folder,
                    "reason": str(error).partition("\n")[0],
                }
            ) from error
        if not hasattr(network, "get_image_features") or not hasattr(network, "get_text_features"):
            raise ModelError(
                _("%(name)s is no model of the CLIP family: it does not embed pictures and words.")
                % {"name": model.name}
            )
        self._network = network.eval().to(self.device)
        size = getattr(self._processor, "crop_size", None) or self._processor.size
        self.side = int(size.get("height") or size.get("shortest_edge") or 224)
        self._resample = int(getattr(self._processor, "resample", Image.Resampling.BICUBIC))
        config = network.config
        self._text_length = int(
            getattr(getattr(config, "text_config", config), "max_position_embeddings", 77)
        )
        # SigLIP was trained on texts padded to their full length, CLIP on none.
        self._padding: str | bool = (
            "max_length" if str(config.model_type).startswith("siglip") else True
        )

    @property
    def scale(self) -> float:
        """The factor that the model learnt to multiply cosines with before a softmax."""
        learnt = getattr(self._network, "logit_scale", None)
        return float(learnt.detach().exp().reshape(-1)[0]) if learnt is not None else 100.0

    def pictures(self, pictures: Sequence[Picture]) -> Vectors:
        """Embed pictures: shape (n, width), float32, unit length."""
        if not pictures:
            return np.zeros((0, self.model.width), np.float32)
        parts = [squares(p.convert("RGB"), self.edges, self.side, self._resample) for p in pictures]
        flat = [square for part in parts for square in part]
        rows = np.concatenate(
            [self._embed_squares(batch) for batch in batched(flat, settings.CLIP_BATCH)]
        )
        if len(flat) == len(pictures):
            return rows
        starts = np.cumsum([0, *(len(part) for part in parts[:-1])])
        sums = np.add.reduceat(rows, starts, axis=0)
        return np.asarray(sums / np.linalg.norm(sums, axis=1, keepdims=True), dtype=np.float32)

    def _embed_squares(self, batch: list[Picture]) -> Vectors:
        inputs = self._processor(images=batch, return_tensors="pt").to(self.device)
        with self._torch.inference_mode():
            return _unit(_features(self._network.get_image_features(**inputs)))

    def texts(self, texts: Sequence[str]) -> Vectors:
        """Embed texts: shape (n, width), float32, unit length. What is too long is cut."""
        if not texts:
            return np.zeros((0, self.model.width), np.float32)
        inputs = self._tokenizer(
            list(texts),
            padding=self._padding,
            truncation=True,
            max_length=self._text_length,
            return_tensors="pt",
        ).to(self.device)
        with self._torch.inference_mode():
            return _unit(_features(self._network.get_text_features(**inputs)))

    def text(self, text: str) -> Vector:
        """Embed one text: shape (width,). Raises QueryError for an empty one."""
        if not text.strip():
            raise QueryError(_("There are no words to search for."))
        return self.texts([text])[0]

    def is_cut(self, text: str) -> bool:
        """Whether a text is longer than the model reads."""
        return len(self._tokenizer(text)["input_ids"]) > self._text_length

    def probabilities(self, vector: Vector, words: Sequence[str]) -> list[float]:
        """How probable each word is for a picture: softmax of scale x cosine, summing to 1."""
        logits = self.scale * (self.texts(words) @ vector)
        odds = np.exp(logits - logits.max())
        return [float(p) for p in odds / odds.sum()]


_lock = threading.Lock()


@cache
def _load(fingerprint: str) -> Encoder:  # noqa: ARG001 - the key of the cache
    return Encoder(weights.current())


def current() -> Encoder:
    """This process's encoder, loaded at the first call and kept."""
    with _lock:
        return _load(weights.current().fingerprint)
