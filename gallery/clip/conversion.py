"""Convert a model for this machine, check it against float32, and cache it.

    MODEL_CACHE_DIR/KEY/TARGET/   spec.json, tokenizer.json, image.xml, text.xml, check.json

KEY changes with the weights, the library versions and the CPU or GPU. A target whose check
failed keeps only check.json. torch and transformers are imported only for converting.
"""

import contextlib
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import logging
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings

from gallery.clip import runtimes, selfcheck, weights
from gallery.clip.encoder import Encoder, batched
from gallery.clip.preprocessing import (
    TOKENIZER_FILE,
    ModelSpec,
    TextTokenizer,
    to_pixels,
    to_squares,
)
from gallery.clip.runtimes import (
    IMAGE_TOWER,
    TEXT_TOWER,
    OpenVINORuntime,
    Runtime,
    Target,
    TorchRuntime,
)
from gallery.clip.selfcheck import REPORT_FILE, Report
from gallery.clip.types import Vectors
from gallery.core.errors import DamagedModel, ModelError
from gallery.media.types import Picture

log = logging.getLogger(__name__)

LAYOUT = 1  # increment when the files in the cache change
LIBRARIES = ("openvino", "torch", "transformers", "tokenizers")
RETRY_SECONDS = 3600.0  # after which a failed conversion is retried
DRAFT = ".draft-"
TEXT_BATCH = 20  # texts per call in the check

ReportProgress = Callable[[str], None]


def target_folder(model: weights.Model, target: Target) -> Path:
    """Return the folder of a target of a model."""
    is_on_gpu = target.device == "cuda"
    features = runtimes.gpu_features() if is_on_gpu else runtimes.cpu_features()
    parts = [model.fingerprint, features, str(LAYOUT)]
    quantizer = ("nncf",) if target.precision == "int8" else ()
    parts += [f"{name} {importlib.metadata.version(name)}" for name in (*LIBRARIES, *quantizer)]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return settings.MODEL_CACHE_DIR / key / str(target)


def has_quantizer() -> bool:
    """Return whether NNCF, which quantizes to int8, is installed."""
    return importlib.util.find_spec("nncf") is not None


def load_report(model: weights.Model, target: Target) -> Report | None:
    """Return the report of a target's check; None when it is missing, or its files are damaged."""
    folder = target_folder(model, target)
    report = Report.load(folder)
    if report is None or (report.error and not _is_recent(folder / REPORT_FILE)):
        return None
    for name, size in (report.sizes or {}).items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != size:
            log.warning("%s is damaged; the model is converted again", path)
            return None
    return report


def _is_recent(path: Path) -> bool:
    """Return whether a file was written within RETRY_SECONDS.

    Errors such as a lack of memory may pass.
    """
    with contextlib.suppress(OSError):
        return time.time() - path.stat().st_mtime < RETRY_SECONDS
    return False


def find_passed_targets(model: weights.Model, targets: Sequence[Target]) -> list[Target]:
    """Return the targets that are cached and passed their check."""
    reports = [(target, load_report(model, target)) for target in targets]
    return [target for target, report in reports if report is not None and report.is_passed]


def is_prepared(model: weights.Model, targets: Sequence[Target]) -> bool:
    """Return whether one target passed its check, and all faster ones were tried."""
    for target in targets:
        report = load_report(model, target)
        if report is None or report.is_passed:
            return report is not None
    return True


def remove(model: weights.Model, target: Target) -> None:
    """Remove a target, so that it is converted again."""
    shutil.rmtree(target_folder(model, target), ignore_errors=True)


def load(model: weights.Model, target: Target) -> Encoder:
    """Load a target that passed its check.

    Raises DamagedModel when its files cannot be used, ModelError when those of `model` cannot, and
    RuntimeError when the GPU has no room for it.
    """
    folder = target_folder(model, target)
    if target.runtime == "torch":
        return _with_torch(model, target)
    try:
        spec = ModelSpec.load(folder)
        runtime = OpenVINORuntime(folder, target.precision, spec.uses_mask)
        tokenizer = TextTokenizer.load(folder)
        # Detects damage here, and warms the text tower up for the first query.
        runtime.embed_tokens(*tokenizer.encode(["a film"]))
    except Exception as error:  # parsers raise all sorts of errors for damaged files
        raise DamagedModel from error
    return Encoder(model, target, runtime, spec, tokenizer)


def _with_torch(model: weights.Model, target: Target, edges: str | None = None) -> Encoder:
    from gallery.clip.network import Network

    network = Network(model)
    runtime = TorchRuntime(network, target.device, target.precision)
    tokenizer = TextTokenizer(network.tokenizer)
    return Encoder(model, target, runtime, network.spec, tokenizer, edges=edges)


def load_with_torch(model: weights.Model, edges: str | None = None) -> Encoder:
    """Load the reference: plain torch in float32 on the CPU. Raises ModelError."""
    return _with_torch(model, Target("torch", "cpu", "fp32"), edges)


# --- conversion -----------------------------------------------------------------------------------


@contextlib.contextmanager
def lock() -> Iterator[None]:
    """Hold the lock on conversions, across processes."""
    folder = settings.MODEL_CACHE_DIR
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def prepare(
    model: weights.Model, targets: Sequence[Target], report_progress: ReportProgress
) -> Target | None:
    """Convert the first target that passes its check, unless it is cached; None when none does.

    Targets that ended in an error are retried. Raises ModelError when the model cannot be loaded,
    and OSError when the cache cannot be written.
    """
    reports = [load_report(model, target) for target in targets]
    if is_prepared(model, targets) and not any(report and report.error for report in reports):
        return next(iter(find_passed_targets(model, targets)), None)
    with lock():
        converter: Converter | None = None
        for target in targets:
            report = load_report(model, target)
            if report is None or report.error:
                converter = converter or Converter(model, report_progress)
                report = converter.convert(target)
            if report.is_passed:
                return target
    return None


class Converter:
    """Converts targets of one model; what several targets need is computed once."""

    def __init__(self, model: weights.Model, report_progress: ReportProgress) -> None:
        """Load the model with torch. Raises ModelError."""
        from gallery.clip.network import Network

        self._model = model
        self._report_progress = report_progress
        report_progress(f"Converting {model.name} for this machine; this happens only once")
        self._network = Network(model)
        self._tokenizer = TextTokenizer(self._network.tokenizer)
        self._reference: tuple[Vectors, Vectors] | None = None

    def convert(self, target: Target) -> Report:
        """Convert and check a target, and keep it if it passed. Failures are recorded, too."""
        folder = target_folder(self._model, target)
        folder.parent.mkdir(parents=True, exist_ok=True)
        for leftover in folder.parent.glob(f"{DRAFT}*"):
            shutil.rmtree(leftover, ignore_errors=True)  # of a killed conversion
        draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=DRAFT))
        draft.chmod(0o755)  # other users of the cache may read it
        try:
            try:
                report = self._convert_and_compare(target, draft)
            except Exception as error:  # converters and quantizers raise all sorts of errors
                log.debug("%s cannot be made of %s", target, self._model.name, exc_info=True)
                reason = " ".join(str(error).split())[:300]
                report = Report(target.precision, error=f"{type(error).__name__}: {reason}")
            if not report.is_passed:
                shutil.rmtree(draft)
                draft.mkdir()
                report = replace(report, sizes=None)
            report.save(draft)
            shutil.rmtree(folder, ignore_errors=True)
            draft.replace(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        self._report_progress(f"{target.precision}: {report}")
        return report

    def _convert_and_compare(self, target: Target, draft: Path) -> Report:
        spec = self._network.spec
        if target.runtime == "torch":
            from gallery.clip.network import Network

            reference = self._reference_vectors()
            self._report_progress(f"Checking {target.precision} ({target.device})")
            # A separate copy: the weights of the reference must not be rounded.
            runtime: Runtime = TorchRuntime(Network(self._model), target.device, target.precision)
            return selfcheck.compare(target.precision, reference, self._embed(runtime))
        self._report_progress(f"Converting for {target.precision} (OpenVINO)")
        self._write_towers(target.precision, draft)
        spec.save(draft)
        (draft / TOKENIZER_FILE).write_text(self._network.tokenizer, encoding="utf-8")
        reference = self._reference_vectors()
        self._report_progress(f"Checking {target.precision}")
        runtime = OpenVINORuntime(draft, target.precision, spec.uses_mask)
        report = selfcheck.compare(target.precision, reference, self._embed(runtime))
        ids, mask = self._tokenizer.encode(["a film"])
        tokens = [ids, mask] if spec.uses_mask else [ids]
        pixels = to_pixels(self._check_squares[-1:])
        runtime.save_samples({IMAGE_TOWER: [pixels], TEXT_TOWER: tokens})
        sizes = {path.name: path.stat().st_size for path in draft.iterdir()}
        return replace(report, sizes=sizes)

    def _write_towers(self, precision: str, draft: Path) -> None:
        """Write both towers; as float16 where they are computed in bfloat16 anyway."""
        import torch

        from gallery.clip.network import only_class_token

        openvino = runtimes.import_openvino()
        in_half = runtimes.openvino_precision(precision) != "f32"
        side = self._network.spec.side
        ids, mask = (torch.from_numpy(a) for a in self._tokenizer.encode(["a", "a film of a dog"]))
        any_text = openvino.PartialShape([-1, ids.shape[1] if self._has_fixed_length else -1])
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with only_class_token(self._network.image.network):
                image = openvino.convert_model(
                    self._network.image,
                    example_input=torch.zeros(2, side, side, 3, dtype=torch.uint8),
                    input=[openvino.PartialShape([-1, side, side, 3])],
                )
            inputs = (ids, mask) if self._network.spec.uses_mask else (ids,)
            text = openvino.convert_model(
                self._network.text, example_input=inputs, input=[any_text] * len(inputs)
            )
        if precision == "int8":
            image = self._quantize(image)
        openvino.save_model(image, draft / IMAGE_TOWER, compress_to_fp16=in_half)
        openvino.save_model(text, draft / TEXT_TOWER, compress_to_fp16=in_half)

    @property
    def _has_fixed_length(self) -> bool:
        return self._tokenizer.encode(["a"])[0].shape[1] == self._network.spec.text_length

    def _quantize(self, image: Any) -> Any:
        """Return the image tower with 8-bit weights and activations, calibrated on pictures."""
        runtimes.import_openvino()
        import nncf
        from nncf.quantization.advanced_parameters import (
            AdvancedQuantizationParameters,
            OverflowFix,
        )

        # Without VNNI, sums of 8-bit products overflow their 16-bit accumulators; 7-bit weights
        # leave headroom.
        overflow_fix = None if runtimes.has_vnni() else OverflowFix.ENABLE
        pixels = to_pixels(self._to_squares(selfcheck.pictures(other=True)))
        self._report_progress(
            f"Quantizing with NNCF on {len(pixels)} pictures; this takes a few minutes"
        )
        return nncf.quantize(
            image,
            nncf.Dataset([pixels[n : n + 1] for n in range(len(pixels))]),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(pixels),
            advanced_parameters=AdvancedQuantizationParameters(overflow_fix=overflow_fix),
        )

    # --- the check ----------------------------------------------------------------------------

    @cached_property
    def _check_squares(self) -> list[Picture]:
        return self._to_squares(selfcheck.pictures())

    def _to_squares(self, pictures: Sequence[Picture]) -> list[Picture]:
        spec = self._network.spec
        return [
            square
            for picture in pictures
            for square in to_squares(picture, "squash", spec.side, spec.resample)
        ]

    def _reference_vectors(self) -> tuple[Vectors, Vectors]:
        """Return the vectors of the check's pictures and texts in float32, from the CPU.

        A reference from the GPU would hide errors of the GPU.
        """
        if self._reference is None:
            self._report_progress("Computing the reference in fp32 (PyTorch, CPU)")
            self._reference = self._embed(TorchRuntime(self._network))
        return self._reference

    def _embed(self, runtime: Runtime) -> tuple[Vectors, Vectors]:
        """Return unit vectors of the check's pictures and texts."""
        texts = selfcheck.texts(self._model.languages)
        rows = [
            runtime.embed_pixels(to_pixels(part))
            for part in batched(self._check_squares, runtime.batch)
        ]
        words = [
            runtime.embed_tokens(*self._tokenizer.encode(part))
            for part in batched(texts, TEXT_BATCH)
        ]
        return _normalize(np.concatenate(rows)), _normalize(np.concatenate(words))


def _normalize(rows: Vectors) -> Vectors:
    if not np.isfinite(rows).all():
        raise ModelError("the vectors are not finite")
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
