"""The encoder of this process: embeds pictures and texts as unit vectors.

It is independent of the runtime: see `gallery.clip.runtimes` for the computation, and
`gallery.clip.conversion` for how a model is converted and checked.
"""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

import numpy as np
from django.conf import settings
from django.utils.translation import gettext as _

from gallery.clip import runtimes, weights
from gallery.clip.preprocessing import EDGES, ModelSpec, TextTokenizer, to_pixels, to_squares
from gallery.clip.runtimes import Features, Runtime, Target
from gallery.clip.types import Vector, Vectors
from gallery.core.errors import DamagedModel, ModelError, QueryError
from gallery.media.types import Picture

log = logging.getLogger(__name__)

CONVERSION_TIMEOUT = 3600.0  # seconds; int8 of a large model takes long on few cores

T = TypeVar("T")


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of up to `size` items."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _normalize(features: Features) -> Vectors:
    """Scale rows to length 1. Raises ModelError for zero or non-finite rows."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    if not np.isfinite(features).all() or (lengths == 0).any():
        raise ModelError(_("The model returned an invalid vector. Its weights may be damaged."))
    return np.asarray(features / lengths, np.float32)


class Encoder:
    """A loaded model. Thread-safe; `streams` concurrent calls use the machine fully."""

    def __init__(
        self,
        model: weights.Model,
        target: Target,
        runtime: Runtime,
        spec: ModelSpec,
        tokenizer: TextTokenizer,
        *,
        edges: str | None = None,
    ) -> None:
        """Use the model's edges unless `edges` is given. Raises ModelError for an unknown value."""
        self.edges = edges or model.edges
        if self.edges not in EDGES:
            raise ModelError(
                _("CLIP_EDGES is %(given)s; it must be squash, pad or tiles.")
                % {"given": self.edges}
            )
        self.model = model
        self.target = target
        self.runtime = runtime
        self.spec = spec
        self.tokenizer = tokenizer

    @property
    def batch(self) -> int:
        """Return the number of pictures per forward pass."""
        return self.runtime.batch

    @property
    def streams(self) -> int:
        """Return how many forward passes should run concurrently."""
        return self.runtime.streams

    def to_squares(self, picture: Picture) -> list[Picture]:
        """Return a picture as the model sees it: one square, or several overlapping ones."""
        spec = self.spec
        return to_squares(picture.convert("RGB"), self.edges, spec.side, spec.resample)

    def embed_pictures(self, pictures: Sequence[Picture]) -> Vectors:
        """Embed pictures: shape (n, width), float32, unit length."""
        return self.embed_squares([self.to_squares(picture) for picture in pictures])

    def embed_squares(self, parts: Sequence[list[Picture]]) -> Vectors:
        """Embed pictures given as lists of squares: shape (n, width), float32, unit length."""
        if not parts:
            return np.zeros((0, self.model.width), np.float32)
        flat = [square for part in parts for square in part]
        with self._discard_if_damaged():
            features = [
                self.runtime.embed_pixels(to_pixels(batch)) for batch in batched(flat, self.batch)
            ]
        rows = _normalize(np.concatenate(features))
        if len(flat) == len(parts):
            return rows
        starts = np.cumsum([0, *(len(part) for part in parts[:-1])])
        return _normalize(np.add.reduceat(rows, starts, axis=0))

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Embed texts: shape (n, width), float32, unit length. Long texts are truncated."""
        if not texts:
            return np.zeros((0, self.model.width), np.float32)
        with self._discard_if_damaged():
            features = self.runtime.embed_tokens(*self.tokenizer.encode(texts))
        return _normalize(features)

    @contextmanager
    def _discard_if_damaged(self) -> Iterator[None]:
        """Remove a model whose files are damaged, so that `current` converts it again."""
        from gallery.clip import conversion

        try:
            yield
        except DamagedModel:
            log.exception("%s of %s is damaged", self.target, self.model.name)
            conversion.remove(self.model, self.target)
            release(self.model.fingerprint)
            raise

    def embed_text(self, text: str) -> Vector:
        """Embed one text: shape (width,). Raises QueryError for an empty one."""
        if not text.strip():
            raise QueryError(_("Enter some words to search for."))
        return self.embed_texts([text])[0]

    def is_truncated(self, text: str) -> bool:
        """Return whether a text is longer than the model reads."""
        return self.tokenizer.is_truncated(text)

    def probabilities(self, vector: Vector, words: Sequence[str]) -> list[float]:
        """Return the probability of each word for a picture: softmax of scale x cosine."""
        logits = self.spec.scale * (self.embed_texts(words) @ vector)
        odds = np.exp(logits - logits.max())
        return [float(p) for p in odds / odds.sum()]


# --- the encoder of this process ------------------------------------------------------------------


def candidate_targets() -> list[Target]:
    """Return the targets that CLIP_PRECISION allows on this machine, fastest first.

    The first one is used unless its conversion or check fails.
    """
    from gallery.clip import conversion

    setting = settings.CLIP_PRECISION
    targets: list[Target] = []
    if settings.CLIP_DEVICE != "cpu" and runtimes.has_gpu():
        best = runtimes.cuda_precision()
        if best is not None:
            targets += [Target("torch", "cuda", best)] if setting != "fp32" else []
            targets.append(Target("torch", "cuda", "fp32"))
    if setting in ("auto", "int8") and conversion.has_quantizer():
        targets.append(Target("openvino", "cpu", "int8"))
    if setting != "fp32" and runtimes.computes_bf16():
        targets.append(Target("openvino", "cpu", "bf16"))
    return [*targets, Target("openvino", "cpu", "fp32")]


def _load_best(model: weights.Model) -> Encoder:
    """Load the fastest target that passed its check; plain torch if none did. Raises ModelError."""
    from gallery.clip import conversion

    targets = candidate_targets()
    for _attempt in range(2):
        if not conversion.is_prepared(model, targets):
            prepare_in_own_process(model.name, model)
        for target in conversion.find_passed_targets(model, targets):
            try:
                return conversion.load(model, target)
            except DamagedModel as error:
                log.warning("%s is damaged, and is converted again: %s", target, error.__cause__)
                conversion.remove(model, target)
                break
            except RuntimeError as error:
                log.warning("%s cannot be used now: %s", target, error)
        else:
            break
    log.warning("%s: no converted model can be used; it runs with torch", model.name)
    return conversion.load_with_torch(model)


def prepare_in_own_process(name: str, model: weights.Model | None = None) -> None:
    """Convert and check missing targets in a subprocess, so that this process does not load torch.

    `name` is what is converted, for the log; `model` is the model, CLIP_MODEL by default.
    """
    keys = ("CLIP_MODEL", "CLIP_PRECISION", "CLIP_DEVICE", "CLIP_EDGES", "MODEL_CACHE_DIR")
    environment = {key: str(getattr(settings, key)) for key in keys}
    if model is not None:
        environment |= {"CLIP_MODEL": str(model.folder), "CLIP_EDGES": model.edges}
    log.info("%s is converted for this machine, once; this may take minutes", name)
    try:
        done = subprocess.run(
            [sys.executable, str(settings.BASE_DIR / "manage.py"), "prepare_model"],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=CONVERSION_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("%s could not be converted: %s", name, error)
        return
    if done.returncode:
        reason = done.stderr.strip() or f"exit code {done.returncode}"
        log.warning("%s could not be converted: %s", name, reason)


# By fingerprint. Loading one model does not delay searches with another.
_encoders: dict[str, Encoder] = {}
_locks: dict[str, threading.Lock] = {}


def current() -> Encoder:
    """Return the encoder of the model to use, loaded at the first call. Raises ModelError."""
    model = weights.current()
    found = _encoders.get(model.fingerprint)
    if found is not None:
        return found
    with _locks.setdefault(model.fingerprint, threading.Lock()):
        found = _encoders.get(model.fingerprint)
        if found is None:
            found = _encoders[model.fingerprint] = _load_best(model)
        return found


def loaded() -> set[str]:
    """Return the fingerprints of the models that this process has loaded."""
    return set(_encoders)


def release(*fingerprints: str) -> None:
    """Free the memory of models that are not needed any more, once no call uses them."""
    for fingerprint in fingerprints:
        _encoders.pop(fingerprint, None)
