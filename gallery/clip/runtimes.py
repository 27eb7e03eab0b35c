"""Runtimes: OpenVINO on a CPU; torch on a GPU, and where OpenVINO fails.

A runtime computes features of pixels and of tokens; the encoder scales them to unit length.
OpenVINO runs models that `gallery.clip.conversion` has converted; a process that uses it imports
neither torch nor transformers.
"""

import os
import queue
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from gallery.clip.preprocessing import Pixels, Tokens
from gallery.core.errors import DamagedModel

if TYPE_CHECKING:
    from gallery.clip.network import Network

PRECISIONS = ("auto", "fp32", "bf16", "int8")
DEVICES = ("auto", "cpu", "cuda")
CPU_BATCH, GPU_BATCH = 8, 64  # pictures per forward pass; more is no faster on a CPU
MAX_STREAMS = 4  # concurrent forward passes, each with its own activations
IMAGE_TOWER, TEXT_TOWER = "image.xml", "text.xml"
SAMPLES = {IMAGE_TOWER: "image-sample.npz", TEXT_TOWER: "text-sample.npz"}
MIN_SAMPLE_COSINE = 0.99  # of a tower with its own sample: far lower when its file is damaged

Features = NDArray[np.float32]
"""Output of a tower: shape (n, width), float32, of any length."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where, and at which precision, a model is computed.

    `runtime` is openvino or torch, `device` cpu or cuda, `precision` fp32, bf16, fp16 or int8 (the
    image tower in int8, the text tower in the best of the others).
    """

    runtime: str
    device: str
    precision: str

    def __str__(self) -> str:
        return f"{self.runtime}-{self.device}-{self.precision}"


class Runtime(Protocol):
    """A loaded model. Thread-safe. `streams` concurrent calls use the machine fully."""

    batch: int
    streams: int

    def embed_pixels(self, pixels: Pixels) -> Features:
        """Return features of square pictures."""
        ...

    def embed_tokens(self, ids: Tokens, mask: Tokens) -> Features:
        """Return features of texts."""
        ...


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def inference_threads() -> int:
    """Return the number of inference threads: CLIP_THREADS, or a fair share of the cores."""
    shared = max(1, available_cores() // max(1, settings.WORKERS))
    return int(settings.CLIP_THREADS) if settings.CLIP_THREADS > 0 else shared


def batch_size(default: int) -> int:
    """Return the number of pictures per forward pass: CLIP_BATCH, or the default."""
    return int(settings.CLIP_BATCH) if settings.CLIP_BATCH > 0 else default


def has_gpu() -> bool:
    """Return whether there may be a GPU that torch can use, without importing torch."""
    return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/kfd"))


# --- OpenVINO -------------------------------------------------------------------------------------


def import_openvino() -> Any:
    """Import openvino without its telemetry: nothing is sent from this machine.

    OpenVINO and NNCF work without the package openvino_telemetry.
    """
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino

    return openvino


def compile_for_cpu(path: Path, precision: str, threads: int, streams: int = 1) -> Any:
    """Return OpenVINO's compiled model of a file. Raises RuntimeError if it is damaged.

    Threads are not pinned: OpenVINO pins those of each process to the first cores, so that two
    workers with one thread each would share one core.
    """
    properties = {
        "INFERENCE_PRECISION_HINT": openvino_precision(precision),
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": streams,
        "ENABLE_CPU_PINNING": False,
    }
    return import_openvino().Core().compile_model(path, "CPU", properties)


class OpenVINORuntime:
    """A converted model in `folder`. Each tower is compiled when it is first used."""

    def __init__(self, folder: Path, precision: str, uses_mask: bool) -> None:
        self._folder = folder
        self._precision = precision
        self._uses_mask = uses_mask
        self._threads = inference_threads()
        self._towers: dict[str, _CompiledTower] = {}
        self._locks = {IMAGE_TOWER: threading.Lock(), TEXT_TOWER: threading.Lock()}
        self._release_lock = threading.Lock()
        self._release: threading.Timer | None = None
        self.batch = batch_size(CPU_BATCH)
        self.streams = min(self._threads, MAX_STREAMS)

    def embed_pixels(self, pixels: Pixels) -> Features:
        """Return features of square pictures."""
        features = self._tower(IMAGE_TOWER).infer([pixels])
        if settings.CLIP_IDLE_SECONDS:
            self._release_later(settings.CLIP_IDLE_SECONDS)
        return features

    def embed_tokens(self, ids: Tokens, mask: Tokens) -> Features:
        """Return features of texts."""
        return self._tower(TEXT_TOWER).infer([ids, mask] if self._uses_mask else [ids])

    def _release_later(self, seconds: float) -> None:
        """Free the memory of the image tower when it has not been used for `seconds`."""
        with self._release_lock:
            if self._release is not None:
                self._release.cancel()
            self._release = threading.Timer(seconds, self._towers.pop, (IMAGE_TOWER, None))
            self._release.daemon = True
            self._release.start()

    def _tower(self, name: str) -> "_CompiledTower":
        with self._locks[name]:
            tower = self._towers.get(name)
            if tower is None:
                tower = self._towers[name] = self._compile(name)
            return tower

    def _compile(self, name: str) -> "_CompiledTower":
        """Compile a tower and test it. Raises DamagedModel when its output has changed."""
        try:
            tower = _CompiledTower(
                compile_for_cpu(self._folder / name, self._precision, self._threads, self.streams)
            )
            sample = self._folder / SAMPLES[name]
            if sample.is_file():  # it is written last
                _compare_with_sample(tower, sample)
        except Exception as error:  # OpenVINO raises RuntimeError for all kinds of damage
            raise DamagedModel from error
        return tower

    def save_samples(self, inputs: Mapping[str, Sequence[NDArray[Any]]]) -> None:
        """Store the output of each tower for `inputs`, to detect damaged files."""
        for name, given in inputs.items():
            features = self._tower(name).infer(given)
            np.savez(self._folder / SAMPLES[name], features, *given)


def _compare_with_sample(tower: "_CompiledTower", sample: Path) -> None:
    with np.load(sample) as kept:
        expected, *given = (kept[name] for name in kept.files)
    found = tower.infer(given)
    cosine = float(
        (found * expected).sum() / (np.linalg.norm(found) * np.linalg.norm(expected) + 1e-12)
    )
    if not cosine > MIN_SAMPLE_COSINE:
        raise ValueError(f"cosine {cosine:.3f} with what it gave when it was converted")


class _CompiledTower:
    """A tower and its infer requests, each used by one thread at a time."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()

    @contextmanager
    def _request(self) -> Iterator[Any]:
        try:
            request = self._idle.get_nowait()
        except queue.Empty:
            request = self._compiled.create_infer_request()
        try:
            yield request
        finally:
            self._idle.put(request)

    def infer(self, inputs: Sequence[NDArray[Any]]) -> Features:
        with self._request() as request:
            request.infer(list(inputs), share_inputs=True)
            # The next call overwrites the request's memory.
            return np.array(request.get_output_tensor().data, np.float32)


def computes_bf16() -> bool:
    """Return whether this CPU computes bfloat16 natively (AVX512_BF16 or AMX)."""
    return "BF16" in _cpu_property("OPTIMIZATION_CAPABILITIES")


def has_vnni() -> bool:
    """Return whether this CPU adds products of 8-bit numbers in 32 bits (VNNI)."""
    import torch

    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_vnni") or found.get("avx_vnni"))


def cpu_features() -> str:
    """Return the features of this CPU that a compiled model depends on, as text."""
    capabilities = sorted(_cpu_property("OPTIMIZATION_CAPABILITIES"))
    return f"{_cpu_property('FULL_DEVICE_NAME')} {' '.join(capabilities)}"


@cache
def _cpu_property(name: str) -> Any:
    return import_openvino().Core().get_property("CPU", name)


def openvino_precision(precision: str) -> str:
    """Return OpenVINO's name of the precision of all that is not quantized."""
    if precision == "int8":
        return "bf16" if computes_bf16() else "f32"
    return {"fp32": "f32"}.get(precision, precision)


# --- torch ----------------------------------------------------------------------------------------


class TorchRuntime:
    """A model computed by torch, in `precision`, on `device`."""

    def __init__(self, network: "Network", device: str = "cpu", precision: str = "fp32") -> None:
        import torch

        self._torch = torch
        self._device = torch.device(device)
        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
        self._uses_mask = network.spec.uses_mask
        self._image = network.image.to(self._device)
        self._text = network.text.to(self._device)
        # Mean and deviation of the pixels stay in float32.
        network.image.network.to(dtype)
        is_cpu = self._device.type == "cpu"
        if is_cpu:
            torch.set_num_threads(inference_threads())
        self.batch = batch_size(CPU_BATCH if is_cpu else GPU_BATCH)
        self.streams = 1

    def embed_pixels(self, pixels: Pixels) -> Features:
        """Return features of square pictures."""
        with self._torch.inference_mode():
            return self._to_numpy(self._image(self._to_device(pixels)))

    def embed_tokens(self, ids: Tokens, mask: Tokens) -> Features:
        """Return features of texts."""
        with self._torch.inference_mode():
            arrays = [ids, mask] if self._uses_mask else [ids]
            inputs = [self._to_device(array) for array in arrays]
            return self._to_numpy(self._text(*inputs))

    def _to_device(self, array: NDArray[Any]) -> Any:
        tensor = self._torch.from_numpy(array)
        if self._device.type == "cpu":
            return tensor
        return tensor.pin_memory().to(self._device, non_blocking=True)

    @staticmethod
    def _to_numpy(features: Any) -> Features:
        return np.asarray(features.float().cpu().numpy(), np.float32)


def cuda_precision() -> str | None:
    """Return the fastest precision of the GPU; None when torch finds no GPU."""
    import torch

    if not torch.cuda.is_available():
        return None
    # Older GPUs emulate bfloat16, which is slower than their float16.
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def gpu_features() -> str:
    """Return what computes a model on the GPU, as text: its name, its architecture and CUDA.

    Raises RuntimeError when torch finds no GPU.
    """
    import torch

    major, minor = torch.cuda.get_device_capability()
    library = f"ROCm {torch.version.hip}" if torch.version.hip else f"CUDA {torch.version.cuda}"
    return f"{torch.cuda.get_device_name()} {major}.{minor} {library}"
