"""What several measurements need: a model of realistic size, an installation's settings, costs."""

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from gallery.clip import conversion, encoder, weights
from gallery.clip.encoder import Encoder
from imgsearch.local.children import descendants


def random_b16(folder: Path) -> weights.Model:
    """A model of the exact size of openai/clip-vit-base-patch16, with random weights."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizerFast

    torch.manual_seed(0)
    tokenizer = CLIPTokenizerFast.from_pretrained(settings.DEMO_MODEL_DIR)
    config = CLIPConfig(projection_dim=512)
    config.vision_config.patch_size = 16
    # The text tower reads the vector of the last token: it has to know which one that is.
    config.text_config.bos_token_id = tokenizer.bos_token_id
    config.text_config.eos_token_id = tokenizer.eos_token_id
    CLIPModel(config).save_pretrained(folder)
    CLIPImageProcessor().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return weights.describe("random ViT-B/16", folder)


def load_encoder(model: weights.Model) -> Encoder:
    """A model as the product computes it here, converted first where it was not."""
    target = conversion.prepare(model, encoder.targets(), print)
    if target is None:
        return conversion.load_with_torch(model)
    return conversion.load(model, target)


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def own_environment(folder: Path, model: Path) -> dict[str, str]:
    """The environment of a separate installation in `folder`, with an embedded Redis and SQLite."""
    empty = ("REDIS_URL", "DATABASE_URL", "CELERY_BROKER_URL", "CACHE_URL", "PUBLIC_URL", "HOST")
    return {
        **os.environ,
        **dict.fromkeys(empty, ""),
        # One address asks as often as all users together.
        **dict.fromkeys(("SEARCH_RATE", "CLIP_RATE", "BOARD_RATE", "API_RATE_WITHOUT_TOKEN"), ""),
        "VAR_DIR": str(folder),
        "MEDIA_DIR": str(folder / "media"),
        "CLIP_MODEL": str(model),
        "CLIP_EDGES": "squash",
        "IMPORT_DEMO": "0",
        "PORT": str(free_port()),
    }


@dataclass(frozen=True, slots=True)
class Cost:
    """What a piece of work took, in seconds: wall time, and CPU time of all processes."""

    frames: int
    wall: float
    cpu: float

    @property
    def speed(self) -> float:
        """Frames a second."""
        return self.frames / self.wall


def cost(work: Callable[[], int]) -> Cost:
    """Run `work`, which returns the number of its frames."""
    cpu, begun = _cpu_seconds(), time.perf_counter()
    frames = work()
    return Cost(frames, time.perf_counter() - begun, _cpu_seconds() - cpu)


def _cpu_seconds() -> float:
    """CPU time so far of this process and all its descendants, including those that ended."""
    ticks = 0
    for pid in (os.getpid(), *descendants()):
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])  # own and waited-for children's
    return ticks / os.sysconf("SC_CLK_TCK")
