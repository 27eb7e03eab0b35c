"""How fast pictures are embedded by a ViT-B/16, and how exactly: by precision and batch.

On the GPU and on the CPU of this machine. The weights are random, as fast as the real ones.
"""

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from django.conf import settings

from benchmarks.common import random_b16
from gallery.clip import conversion, encoder, runtimes
from gallery.clip.preprocessing import Pixels
from gallery.clip.runtimes import Runtime, Target

SECONDS = 2.0  # measured for each batch
GPU_BATCHES = (1, 8, 32, 64, 128, 256)
CPU_BATCHES = (8,)
SIDE = 224


def main() -> None:
    """Print a table: precision, batch, speed, memory of the GPU, and agreement with fp32."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings.MODEL_CACHE_DIR = folder / "models"
        model = random_b16(folder / "model")
        converter = conversion.Converter(model, lambda text: print(text, flush=True))
        rows = []
        for target in _targets():
            report = converter.convert(target)
            if report.error:
                continue
            runtime = conversion.load(model, target).runtime
            batches = GPU_BATCHES if target.device == "cuda" else CPU_BATCHES
            for batch, speed, megabytes in _measure(runtime, target, batches):
                rows.append(
                    f"| {target.device} | {target.precision} | {batch} | {speed:,.0f} "
                    f"| {megabytes:,.0f} | {report.min_cosine:.6f} | {report.agreement:.1%} |"
                )
    print(
        f"\n{_describe_machine()}\n\n"
        "| device | precision | batch | frames/s | MB of the GPU | least cosine | first ten agree |"
        "\n|---|---|---|---|---|---|---|"
    )
    print("\n".join(rows), flush=True)


def _targets() -> list[Target]:
    """Return all targets of the GPU, and those of the CPU that need no quantizing."""
    on_gpu = []
    if runtimes.has_gpu() and runtimes.cuda_precision() is not None:
        on_gpu = [Target("torch", "cuda", precision) for precision in ("bf16", "fp16", "fp32")]
    on_cpu = [target for target in encoder.candidate_targets() if target.runtime == "openvino"]
    return on_gpu + [target for target in on_cpu if target.precision != "int8"]


def _measure(
    runtime: Runtime, target: Target, batches: tuple[int, ...]
) -> Iterator[tuple[int, float, float]]:
    """Yield each batch size, the frames embedded per second, and the peak memory in megabytes."""
    random = np.random.default_rng(0)
    for batch in batches:
        pixels = random.integers(0, 255, (batch, SIDE, SIDE, 3), np.uint8)
        with ThreadPoolExecutor(runtime.streams) as pool:
            _run(pool, runtime, pixels, SECONDS / 3)  # warms up
            speed = _run(pool, runtime, pixels, SECONDS)
        yield batch, speed, _gpu_megabytes() if target.device == "cuda" else 0.0


def _run(pool: ThreadPoolExecutor, runtime: Runtime, pixels: Pixels, seconds: float) -> float:
    """Embed the same pixels in all streams for some seconds; return the frames per second."""
    started_at = time.perf_counter()

    def embed_until_end() -> int:
        done = 0
        while time.perf_counter() - started_at < seconds:
            runtime.embed_pixels(pixels)
            done += len(pixels)
        return done

    running = [pool.submit(embed_until_end) for _stream in range(runtime.streams)]
    return sum(one.result() for one in running) / (time.perf_counter() - started_at)


def _gpu_megabytes() -> float:
    """Return the memory in use on the GPU, by all processes, with CUDA itself."""
    import torch

    free, total = torch.cuda.mem_get_info()
    used = (total - free) / 1e6
    torch.cuda.empty_cache()
    return used


def _describe_machine() -> str:
    gpu = "no GPU"
    if runtimes.has_gpu() and runtimes.cuda_precision() is not None:
        gpu = runtimes.gpu_features()
    return f"{runtimes.available_cores()} cores, {runtimes.cpu_features()}; {gpu}"
