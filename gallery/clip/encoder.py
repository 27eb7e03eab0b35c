"""The encoder of this process: pictures and words become unit vectors.

It knows no runtime: see `gallery.clip.runtimes` for what computes, and
`gallery.clip.conversion` for how a model is made ready and checked.
"""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import islice
from typing import TypeVar

import numpy as np
from django.conf import settings
from django.utils.translation import gettext as _

from gallery.clip import runtimes, weights
from gallery.clip.preprocessing import EDGES, ModelSpec, TextTokenizer, squares, to_pixels
from gallery.clip.runtimes import Features, Runtime, Target
from gallery.clip.types import Vector, Vectors
from gallery.core.errors import DamagedModel, ModelError, QueryError
from gallery.media.types import Picture

log = logging.getLogger(__name__)

PREPARE_TIMEOUT = 3600.0  # seconds; int8 of a large model takes long on few cores

T = TypeVar("T")


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of up to `size` items."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _unit(features: Features) -> Vectors:
    """Scale rows to length 1. Raises ModelError for zero or non-finite rows."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    if not np.isfinite(features).all() or (lengths == 0).any():
        raise ModelError(_("The model returned an invalid vector. Its weights may be damaged."))
    return np.asarray(features / lengths, np.float32)


class Encoder:
    """A loaded model. Thread-safe; `streams` calls at the same time keep the machine busy."""

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
        """`edges` is CLIP_EDGES by default. Raises ModelError when it is unknown."""
        self.edges = edges or settings.CLIP_EDGES
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
        """Pictures in one forward pass."""
        return self.runtime.batch

    @property
    def streams(self) -> int:
        """How many forward passes run well at the same time."""
        return self.runtime.streams

    def squares(self, picture: Picture) -> list[Picture]:
        """A picture as the model sees it: one square, or several overlapping ones."""
        spec = self.spec
        return squares(picture.convert("RGB"), self.edges, spec.side, spec.resample)

    def pictures(self, pictures: Sequence[Picture]) -> Vectors:
        """Embed pictures: shape (n, width), float32, unit length."""
        return self.prepared([self.squares(picture) for picture in pictures])

    def prepared(self, parts: Sequence[list[Picture]]) -> Vectors:
        """Embed pictures of which `squares` were taken: shape (n, width), float32, unit length."""
        if not parts:
            return np.zeros((0, self.model.width), np.float32)
        flat = [square for part in parts for square in part]
        with self._converted_again():
            features = [
                self.runtime.embed_pixels(to_pixels(batch)) for batch in batched(flat, self.batch)
            ]
        rows = _unit(np.concatenate(features))
        if len(flat) == len(parts):
            return rows
        starts = np.cumsum([0, *(len(part) for part in parts[:-1])])
        return _unit(np.add.reduceat(rows, starts, axis=0))

    def texts(self, texts: Sequence[str]) -> Vectors:
        """Embed texts: shape (n, width), float32, unit length. What is too long is cut."""
        if not texts:
            return np.zeros((0, self.model.width), np.float32)
        with self._converted_again():
            features = self.runtime.embed_tokens(*self.tokenizer.encode(texts))
        return _unit(features)

    @contextmanager
    def _converted_again(self) -> Iterator[None]:
        """Where the files turn out to be damaged: the next call of `current` converts the model."""
        from gallery.clip import conversion

        try:
            yield
        except DamagedModel:
            log.exception("%s of %s is damaged", self.target, self.model.name)
            conversion.remove(self.model, self.target)
            _load.cache_clear()
            raise

    def text(self, text: str) -> Vector:
        """Embed one text: shape (width,). Raises QueryError for an empty one."""
        if not text.strip():
            raise QueryError(_("Enter some words to search for."))
        return self.texts([text])[0]

    def is_cut(self, text: str) -> bool:
        """Whether a text is longer than the model reads."""
        return self.tokenizer.is_truncated(text)

    def probabilities(self, vector: Vector, words: Sequence[str]) -> list[float]:
        """How probable each word is for a picture: softmax of scale x cosine, summing to 1."""
        logits = self.spec.scale * (self.texts(words) @ vector)
        odds = np.exp(logits - logits.max())
        return [float(p) for p in odds / odds.sum()]


# --- the one of this process ----------------------------------------------------------------------


def targets() -> list[Target]:
    """The ways to compute the model on this machine that CLIP_PRECISION allows, fastest first.

    Those after the first are for a model whose conversion or check fails.
    """
    from gallery.clip import conversion

    asked = settings.CLIP_PRECISION
    found: list[Target] = []
    if settings.CLIP_DEVICE != "cpu" and runtimes.has_gpu():
        best = runtimes.cuda_precision()
        if best is not None:
            found += [Target("torch", "cuda", best)] if asked != "fp32" else []
            found.append(Target("torch", "cuda", "fp32"))
    if asked in ("auto", "int8") and conversion.has_quantizer():
        found.append(Target("openvino", "cpu", "int8"))
    if asked != "fp32" and runtimes.computes_bf16():
        found.append(Target("openvino", "cpu", "bf16"))
    return [*found, Target("openvino", "cpu", "fp32")]


def _load_best(model: weights.Model) -> Encoder:
    """The fastest target that passed its check; plain torch when none did. Raises ModelError."""
    from gallery.clip import conversion

    wanted = targets()
    for _attempt in range(2):
        if not conversion.is_prepared(model, wanted):
            prepare_in_own_process(model.name)
        for target in conversion.find_passed_report(model, wanted):
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


def prepare_in_own_process(name: str) -> None:
    """Convert and check what is missing in a process of its own, so that this one loads no torch.

    `name` is the model that is wanted, for the log.
    """
    keys = ("CLIP_MODEL", "CLIP_PRECISION", "CLIP_DEVICE", "CLIP_EDGES", "MODEL_CACHE_DIR")
    log.info("%s is converted for this machine, once; this may take minutes", name)
    try:
        done = subprocess.run(
            [sys.executable, str(settings.BASE_DIR / "manage.py"), "prepare_model"],
            env={**os.environ, **{key: str(getattr(settings, key)) for key in keys}},
            capture_output=True,
            text=True,
            timeout=PREPARE_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("%s could not be converted: %s", name, error)
        return
    if done.returncode:
        reason = done.stderr.strip() or f"exit code {done.returncode}"
        log.warning("%s could not be converted: %s", name, reason)


_lock = threading.Lock()


@cache
def _load(fingerprint: str) -> Encoder:  # noqa: ARG001 - the key of the cache
    return _load_best(weights.current())


def current() -> Encoder:
    """This process's encoder, loaded at the first call and kept. Raises ModelError."""
    with _lock:
        return _load(weights.current().fingerprint)
