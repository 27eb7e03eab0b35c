"""Train the demo CLIP: ``python -m demo.train --work DIR --out demo/model --minutes 60``.

Training can be stopped at any time and continues from the last checkpoint in ``--work``.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import queue
import time
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import CLIPConfig, CLIPModel

from demo.batches import FACTS, PATCH, SIDE, Batch, Painter
from demo.concepts import BACKGROUNDS
from demo.tokens import CONTEXT, build_tokenizer, save_tokenizer

PEAK_RATE = 1e-3
MATRIX_RATE = 2.0  # times that for the matrices inside the layers, which Muon trains
WARM_UP_STEPS = 200
AVERAGE = 0.998
GROUNDS = FACTS.index("@" + BACKGROUNDS[0].slug)  # facts from here on are backgrounds
GROUND_PATCHES = 0.08  # the fraction of background patches to train on
CHECKPOINT_SECONDS = 120.0
MEAN, DEVIATION = 0.5, 0.5


def new_config() -> CLIPConfig:
    """Return the configuration: 96 pixels in patches of 12, a small text tower, 512 dimensions."""
    words = build_tokenizer().get_vocab_size()
    shared: dict[str, Any] = {"projection_dim": 512, "hidden_act": "gelu"}
    vision = {
        "hidden_size": 192, "intermediate_size": 576, "num_hidden_layers": 4,
        "num_attention_heads": 3, "image_size": SIDE, "patch_size": PATCH, **shared,
    }  # fmt: skip
    text = {
        "vocab_size": words, "hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 2,
        "num_attention_heads": 2, "max_position_embeddings": CONTEXT, "pad_token_id": 0,
        "bos_token_id": 2, "eos_token_id": 3, **shared,
    }  # fmt: skip
    return CLIPConfig(
        text_config=text, vision_config=vision, projection_dim=512, logit_scale_init_value=2.3,
        attn_implementation="eager",
    )  # fmt: skip


def embed_pictures(model: CLIPModel, pixels: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Embed pixels (B, 3, side, side): unit vectors (B, 512), and those of the wanted patches.

    ``wanted`` (B, patches) bool; the second result has shape (wanted patches, 512).
    """
    seen = model.vision_model(pixel_values=pixels)
    patches = model.vision_model.post_layernorm(seen.last_hidden_state[:, 1:][wanted])
    whole = functional.normalize(model.visual_projection(seen.pooler_output).float(), dim=-1)
    return whole, functional.normalize(model.visual_projection(patches).float(), dim=-1)


def embed_texts(model: CLIPModel, tokens: Tensor) -> Tensor:
    """Embed padded tokens (B, length): unit vectors (B, 512)."""
    mask = (tokens != 0).long()
    pooled = model.text_model(input_ids=tokens, attention_mask=mask).pooler_output
    return functional.normalize(model.text_projection(pooled).float(), dim=-1)


def _masked(logits: Tensor, target: Tensor, allowed: Tensor) -> Tensor:
    """Return the mean cross entropy of the diagonal against the ``allowed`` others."""
    keep = allowed | target
    return functional.cross_entropy(logits.masked_fill(~keep, -1e4), target.long().argmax(dim=1))


def caption_loss(
    pictures: Tensor, texts: Tensor, shown: Tensor, claimed: Tensor, scale: Tensor
) -> Tensor:
    """Return the contrastive loss, given which captions are true of which pictures.

    A caption that is true of another picture is not a negative for it. For a picture, a caption
    that says less than its own is a negative: the most specific true caption has to win.
    """
    logits = scale * pictures @ texts.T
    size = claimed.sum(dim=1)
    true = shown.float() @ claimed.float().T >= size[None, :] - 0.5
    within = claimed.float() @ claimed.float().T >= size[None, :] - 0.5
    less = within & (size[None, :] < size[:, None])
    own = torch.eye(len(logits), dtype=torch.bool)
    from_picture = _masked(logits, own, ~true | less)
    from_text = _masked(logits.T, own, ~true.T)
    return (from_picture + from_text) / 2


def name_loss(pictures: Tensor, names: Tensor, shown: Tensor, scale: Tensor) -> Tensor:
    """Return the loss of separating the true names of each picture from the others (facts, 512)."""
    logits = scale * pictures @ names.T
    false = torch.logsumexp(logits.masked_fill(shown, -1e4), dim=1, keepdim=True)
    rows = functional.softplus(false - logits)
    from_picture = (rows * shown).sum() / shown.sum()
    across = logits.T
    false = torch.logsumexp(across.masked_fill(shown.T, -1e4), dim=1, keepdim=True)
    columns = functional.softplus(false - across)
    return (from_picture + (columns * shown.T).sum() / shown.sum()) / 2


def batch_loss(model: CLIPModel, batch: Batch) -> dict[str, Tensor]:
    """Return the losses of one batch, by part.

    Besides the whole picture, each patch is trained with the fact that fills it, which makes a
    small tower learn several times faster.
    """
    pixels = torch.from_numpy(batch.pictures).permute(0, 3, 1, 2).float()
    pixels = ((pixels / 255 - MEAN) / DEVIATION).contiguous()
    shown = torch.from_numpy(batch.shown)
    filled = torch.from_numpy(batch.patches)
    ground = (filled >= GROUNDS) & (torch.rand(filled.shape) < GROUND_PATCHES)
    wanted = ((filled >= 0) & (filled < GROUNDS)) | ground
    with torch.autocast("cpu", torch.bfloat16):
        pictures, patches = embed_pictures(model, pixels, wanted)
        texts = {lang: embed_texts(model, torch.from_numpy(t)) for lang, t in batch.tokens.items()}
        names = embed_texts(model, torch.from_numpy(batch.names))
    scale = model.logit_scale.exp()
    losses = {"names": name_loss(pictures, names, shown, scale)}
    losses["patches"] = functional.cross_entropy(scale * patches @ names.T, filled[wanted])
    for language, vectors in texts.items():
        claimed = torch.from_numpy(batch.claimed[language])
        losses[language] = caption_loss(pictures, vectors, shown, claimed, scale)
    return losses


@dataclass
class State:
    """The contents of a checkpoint."""

    model: CLIPModel
    average: CLIPModel
    optimisers: tuple[torch.optim.Optimizer, ...]
    step: int = 0
    pictures: int = 0
    seconds: float = 0.0

    def save(self, path: Path) -> None:
        """Write the checkpoint atomically."""
        part = path.with_suffix(".part")
        torch.save(
            {
                "model": self.model.state_dict(),
                "average": self.average.state_dict(),
                "optimisers": [one.state_dict() for one in self.optimisers],
                "numbers": (self.step, self.pictures, self.seconds),
            },
            part,
        )
        part.replace(path)

    def load(self, path: Path) -> None:
        """Continue from a checkpoint."""
        kept = torch.load(path, weights_only=True)
        self.model.load_state_dict(kept["model"])
        self.average.load_state_dict(kept["average"])
        for one, held in zip(self.optimisers, kept["optimisers"], strict=True):
            one.load_state_dict(held)
        self.step, self.pictures, self.seconds = kept["numbers"]


def new_state(seed: int) -> State:
    """Create a model with its running average and its optimisers."""
    torch.manual_seed(seed)
    model = CLIPModel(new_config())
    inner = [p for name, p in model.named_parameters() if p.ndim == 2 and ".layers." in name]
    matrices = {id(p) for p in inner}
    outer = [p for p in model.parameters() if p.ndim > 1 and id(p) not in matrices]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": outer, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}]
    optimisers = (
        torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.98), fused=True),
        torch.optim.Muon(inner, lr=PEAK_RATE, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
    )
    average = deepcopy(model).requires_grad_(False)
    return State(model.train(), average, optimisers)


def rate(step: int, progress: float) -> float:
    """Return the learning rate: a short warm-up, then half a cosine over the training time."""
    fall = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return PEAK_RATE * fall * min(1.0, (step + 1) / WARM_UP_STEPS)


def one_step(state: State, batch: Batch, progress: float) -> dict[str, float]:
    """Train on one batch. Return the losses."""
    for optimiser, factor in zip(state.optimisers, (1.0, MATRIX_RATE), strict=True):
        for group in optimiser.param_groups:
            group["lr"] = factor * rate(state.step, progress)
    losses = batch_loss(state.model, batch)
    total = losses["names"] + losses["patches"] + (losses["en"] + losses["zh"]) / 2
    state.model.zero_grad(set_to_none=True)
    total.backward()
    torch.nn.utils.clip_grad_norm_(state.model.parameters(), 1.0)
    for optimiser in state.optimisers:
        optimiser.step()
    with torch.no_grad():
        state.model.logit_scale.clamp_(0.0, math.log(60))
        keep = min(AVERAGE, (1 + state.step) / (10 + state.step))
        pairs = zip(state.average.parameters(), state.model.parameters(), strict=True)
        for slow, fast in pairs:
            slow.lerp_(fast, 1 - keep)
    state.step += 1
    state.pictures += len(batch.pictures)
    return {name: float(value.detach()) for name, value in losses.items()}


def _paint(out: Any, permits: Any, progress: Any, numbers: tuple[int, int, int]) -> None:
    """Run the drawing process: put a batch into ``out`` for each permit.

    ``numbers`` are the first batch, the stride to the next one, and the pictures per batch.
    """
    number, stride, size = numbers
    torch.set_num_threads(1)
    painter = Painter()
    painter.fill_bank()
    while True:
        permits.acquire()
        out.put(painter.batch(number, size, progress.value))
        number += stride


def export(model: CLIPModel, folder: Path) -> None:
    """Write the model in float16, its tokenizer and its image processor to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    small = deepcopy(model).half()
    small.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    save_tokenizer(folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"languages": ["en", "zh"], "demo": True}
    config.pop("_attn_implementation_autoset", None)
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    pictures = {
        "image_processor_type": "CLIPImageProcessor", "processor_class": "CLIPProcessor",
        "do_resize": True, "size": {"height": SIDE, "width": SIDE}, "resample": 3,
        "do_center_crop": False, "do_convert_rgb": True, "do_rescale": True,
        "rescale_factor": 1 / 255, "do_normalize": True,
        "image_mean": [MEAN] * 3, "image_std": [DEVIATION] * 3,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(pictures, indent=2) + "\n")


def _report(state: State, means: dict[str, float], speed: float, seconds_left: float) -> None:
    parts = " ".join(f"{name} {value:.3f}" for name, value in means.items())
    scale = float(state.model.logit_scale.detach().exp())
    print(
        f"step {state.step} pictures {state.pictures} {parts} scale {scale:.1f} "
        f"{speed:.0f} pictures/s, {seconds_left / 60:.0f} min left",
        flush=True,
    )


class Painters:
    """Processes that draw batches while training pauses, so that neither slows the other."""

    def __init__(self, number: int, first: int, size: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.drawn = context.Queue()
        self.permits = context.Semaphore(0)
        self.progress = context.Value("d", 0.0)
        self.round = 6 * number
        for painter in range(number):
            arguments = (self.drawn, self.permits, self.progress, (first + painter, number, size))
            context.Process(target=_paint, args=arguments, daemon=True).start()

    def batches(self, progress: float) -> list[Batch]:
        """Return the next round of batches."""
        self.progress.value = progress
        for _ in range(self.round):
            self.permits.release()
        try:
            return [self.drawn.get(timeout=180) for _ in range(self.round)]
        except queue.Empty as error:
            raise RuntimeError("a drawing process has stopped") from error


def train(state: State, painters: Painters, minutes: float, checkpoint: Path) -> None:
    """Train until the time is up, writing checkpoints."""
    started_at, before = time.monotonic(), state.seconds
    saved_at = reported_at = started_at
    sums: dict[str, float] = {}
    count = drawn = 0
    while state.seconds < minutes * 60:
        progress = state.seconds / (minutes * 60)
        for batch in painters.batches(progress):
            for name, value in one_step(state, batch, progress).items():
                sums[name] = sums.get(name, 0.0) + value
            count, drawn = count + 1, drawn + len(batch.pictures)
        now = time.monotonic()
        state.seconds = before + now - started_at
        if now - reported_at > 20:
            means = {name: value / count for name, value in sums.items()}
            _report(state, means, drawn / (now - reported_at), minutes * 60 - state.seconds)
            reported_at, sums, count, drawn = now, {}, 0, 0
        if now - saved_at > CHECKPOINT_SECONDS:
            state.save(checkpoint)
            saved_at = now
    state.save(checkpoint)


def main() -> None:
    """Train, or continue training, and write the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints")
    parser.add_argument("--out", type=Path, default=Path("demo/model"))
    parser.add_argument("--minutes", type=float, default=60, help="all training time together")
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--painters", type=int, default=2)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(given.threads)
    state = new_state(seed=5)
    checkpoint = given.work / "checkpoint.pt"
    if checkpoint.exists():
        state.load(checkpoint)
        print(f"going on after {state.pictures} pictures", flush=True)
    painters = Painters(given.painters, state.step, given.batch)
    train(state, painters, given.minutes, checkpoint)
    export(state.average, given.out)
    print(f"trained on {state.pictures} pictures in {state.seconds / 60:.0f} minutes", flush=True)


if __name__ == "__main__":
    main()
