"""Helpers of several benchmarks: a model of realistic size, an installation's settings, costs."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from gallery.clip import conversion, encoder, weights
from gallery.clip.encoder import Encoder
from imgsearch.local.children import descendants


def random_b16(folder: Path) -> weights.Model:
    """Create a model of the exact size of openai/clip-vit-base-patch16, with random weights."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizerFast

    torch.manual_seed(0)
    tokenizer = CLIPTokenizerFast.from_pretrained(settings.DEMO_MODEL_DIR)
    config = CLIPConfig(projection_dim=512)
    config.vision_config.patch_size = 16
    # The text tower uses the vector of the end token, so it needs its id.
    config.text_config.bos_token_id = tokenizer.bos_token_id
    config.text_config.eos_token_id = tokenizer.eos_token_id
    CLIPModel(config).save_pretrained(folder)
    CLIPImageProcessor().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return weights.describe("random ViT-B/16", folder)


def load_encoder(model: weights.Model) -> Encoder:
    """Load a model as the product does, converting it first if needed."""
    target = conversion.prepare(model, encoder.candidate_targets(), print)
    if target is None:
        return conversion.load_with_torch(model)
    return conversion.load(model, target)


def find_free_port() -> int:
    """Return an unused port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_environment(folder: Path, model: Path) -> dict[str, str]:
    """Return the environment of a separate installation in `folder`: embedded Redis, SQLite."""
    empty = (
        *("REDIS_URL", "INDEX_URL", "DATABASE_URL", "CELERY_BROKER_URL", "CACHE_URL"),
        *("PUBLIC_URL", "HOST"),
    )
    return {
        **os.environ,
        **dict.fromkeys(empty, ""),
        # All requests come from one IP address, so rate limits are off.
        **dict.fromkeys(("SEARCH_RATE", "CLIP_RATE", "BOARD_RATE", "API_RATE_WITHOUT_TOKEN"), ""),
        "VAR_DIR": str(folder),
        "MEDIA_DIR": str(folder / "media"),
        "CLIP_MODEL": str(model),
        "CLIP_EDGES": "squash",
        "IMPORT_DEMO": "0",
        "PORT": str(find_free_port()),
    }


def run_in_installation(module: str, keep: Path | None, **variables: str) -> None:
    """Run a module in the environment of an installation with the demo model.

    Its argument is the installation's folder: `keep`, or a temporary one. Raises
    CalledProcessError.
    """
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environment = make_environment(folder.absolute(), settings.DEMO_MODEL_DIR)
        command = [sys.executable, "-m", module, str(folder.absolute())]
        subprocess.run(command, env={**environment, **variables}, check=True)


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a piece of work in seconds: wall time, and CPU time of all processes."""

    frames: int
    wall: float
    cpu: float

    @property
    def speed(self) -> float:
        """Return the frames per second."""
        return self.frames / self.wall


def cost(work: Callable[[], int]) -> Cost:
    """Run `work`, which returns its number of frames, and measure its cost."""
    cpu, started_at = _cpu_seconds(), time.perf_counter()
    frames = work()
    return Cost(frames, time.perf_counter() - started_at, _cpu_seconds() - cpu)


def _cpu_seconds() -> float:
    """Return the CPU time of this process and its descendants, including those that ended."""
    ticks = 0
    for pid in (os.getpid(), *descendants()):
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(
                int(field) for field in fields[11:15]
            )  # of the process and of the children it waited for
    return ticks / os.sysconf("SC_CLK_TCK")
