"""The model as transformers loads it. The only module that imports transformers.

Any model of the CLIP family works that transformers loads with `get_image_features` and
`get_text_features`. Paper: Radford et al., 2021, "Learning Transferable Visual Models From Natural
Language Supervision".
"""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import torch
from django.utils.translation import gettext as _
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer
from transformers.utils import logging

from gallery.clip import weights
from gallery.clip.preprocessing import ModelSpec
from gallery.core.errors import ModelError

DEFAULT_TEXT_LENGTH = 77
DEFAULT_SCALE = 100.0
POOLS_CLASS_TOKEN = ("clip", "chinese_clip", "altclip")


def _features(output: Any) -> torch.Tensor:
    """The projected embedding: transformers 5 wraps it in an object, other releases do not."""
    tensor: torch.Tensor = getattr(output, "pooler_output", output)
    return tensor


class ImageTower(torch.nn.Module):
    """Pixels to image features; normalization is part of it, so that it runs on the device."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: Any, spec: ModelSpec) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(spec.std).view(1, 3, 1, 1))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels, uint8 (n, side, side, 3), to features (n, width)."""
        levels = pixels.permute(0, 3, 1, 2).float()
        normalized = ((levels - self.mean) / self.std).to(self.network.dtype)
        return _features(self.network.get_image_features(pixel_values=normalized))


class TextTower(torch.nn.Module):
    """Tokens to text features."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Token ids and mask, int64 (n, length), to features (n, width)."""
        more = {} if attention_mask is None else {"attention_mask": attention_mask}
        return _features(self.network.get_text_features(input_ids=input_ids, **more))


class ClassTokenLayer(torch.nn.Module):
    """The last layer of a CLIP vision tower, computed for the class token only.

    CLIP pools nothing else, so that the other tokens' queries and MLP, 7 % of a ViT-B/16's
    arithmetic, are wasted. Keys and values are still those of all tokens: the result is the same.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, hidden_states: torch.Tensor, *_args: Any, **_kwargs: Any) -> torch.Tensor:
        """Hidden states (n, tokens, size) to that of the class token, (n, 1, size)."""
        attention = self.layer.self_attn
        normed = self.layer.layer_norm1(hidden_states)

        def heads(projected: torch.Tensor) -> torch.Tensor:
            return projected.unflatten(-1, (-1, attention.head_dim)).transpose(1, 2)

        attended = torch.nn.functional.scaled_dot_product_attention(
            heads(attention.q_proj(normed[:, :1])),
            heads(attention.k_proj(normed)),
            heads(attention.v_proj(normed)),
            scale=attention.scale,
        )
        first = hidden_states[:, :1] + attention.out_proj(attended.transpose(1, 2).flatten(2))
        result: torch.Tensor = first + self.layer.mlp(self.layer.layer_norm2(first))
        return result


@contextlib.contextmanager
def only_class_token(network: Any) -> Iterator[None]:
    """While this is open, the vision tower computes its last layer for the class token only.

    For families that pool the class token; others are left as they are. What is converted then is
    compared with the whole network by `gallery.clip.selfcheck`.
    """
    if network.config.model_type not in POOLS_CLASS_TOKEN:
        yield
        return
    layers = network.vision_model.encoder.layers
    last = layers[-1]
    layers[-1] = ClassTokenLayer(last)
    try:
        yield
    finally:
        layers[-1] = last


class Network:
    """A model in memory: its towers in float32 on the CPU, its spec, its serialized tokenizer."""

    def __init__(self, model: weights.Model) -> None:
        """Load `model`. Raises ModelError when it cannot be loaded."""
        # The files are here: nothing may be asked of the hub while loading.
        os.environ["HF_HUB_OFFLINE"] = "1"
        logging.disable_progress_bar()
        logging.set_verbosity_error()
        try:
            network = AutoModel.from_pretrained(model.folder, dtype=torch.float32).eval()
            processor = AutoImageProcessor.from_pretrained(model.folder, backend="pil")
            tokenizer = AutoTokenizer.from_pretrained(model.folder)
            # Without its files, transformers makes a tokenizer to which all words are the same.
            if len(tokenizer) <= len(tokenizer.all_special_ids):
                raise ValueError("its tokenizer has no words")
        except Exception as error:  # transformers raises whatever the files lead it to
            raise ModelError(
                _("Could not load the model %(name)s from %(folder)s: %(reason)s")
                % {
                    "name": model.name,
                    "folder": model.folder,
                    "reason": str(error).partition("\n")[0],
                }
            ) from error
        if not hasattr(network, "get_image_features") or not hasattr(network, "get_text_features"):
            raise ModelError(
                _("%(name)s is not a CLIP model: it cannot embed both images and text.")
                % {"name": model.name}
            )
        self.spec = _spec(network, processor, tokenizer)
        self.tokenizer = _serialized(tokenizer, str(network.config.model_type), self.spec)
        self.image = ImageTower(network, self.spec).eval()
        self.text = TextTower(network).eval()


def _spec(network: Any, processor: Any, tokenizer: Any) -> ModelSpec:
    crops = bool(getattr(processor, "do_center_crop", False))
    size = processor.crop_size if crops else processor.size
    factor = float(processor.rescale_factor) if getattr(processor, "do_rescale", True) else 1.0
    normalizes = bool(getattr(processor, "do_normalize", True))
    mean = processor.image_mean if normalizes else (0.0, 0.0, 0.0)
    std = processor.image_std if normalizes else (1.0, 1.0, 1.0)
    config = network.config
    length = getattr(getattr(config, "text_config", config), "max_position_embeddings", None)
    learnt = getattr(network, "logit_scale", None)
    return ModelSpec(
        side=int(size.get("height") or size.get("shortest_edge") or 224),
        resample=int(getattr(processor, "resample", None) or Image.Resampling.BICUBIC),
        mean=tuple(float(one) / factor for one in mean),  # type: ignore[arg-type]
        std=tuple(float(one) / factor for one in std),  # type: ignore[arg-type]
        text_length=int(length or DEFAULT_TEXT_LENGTH),
        uses_mask=not _is_siglip(config) and "attention_mask" in tokenizer.model_input_names,
        scale=(
            float(learnt.detach().exp().reshape(-1)[0]) if learnt is not None else DEFAULT_SCALE
        ),
    )


def _is_siglip(config: Any) -> bool:
    return str(config.model_type).startswith("siglip")


def _serialized(tokenizer: Any, family: str, spec: ModelSpec) -> str:
    """The tokenizer as JSON, with truncation and padding set once and for all.

    SigLIP (Zhai et al., 2023) and SigLIP 2 (Tschannen et al., 2025) were trained on texts in lower
    case, padded on the right to their full length and without a mask; published tokenizers do not
    all do so by themselves. CLIP's texts need no padding.
    """
    from tokenizers import Tokenizer, normalizers

    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelError(_("This model has no fast tokenizer, so it cannot be used."))
    fast = Tokenizer.from_str(backend.to_str())
    is_siglip = family.startswith("siglip")
    if is_siglip:
        own = [fast.normalizer] if fast.normalizer is not None else []
        fast.normalizer = normalizers.Sequence([normalizers.Lowercase(), *own])
    fast.enable_truncation(max_length=spec.text_length)
    fast.enable_padding(
        direction="right",
        pad_id=tokenizer.pad_token_id or 0,
        pad_token=tokenizer.pad_token or "[PAD]",
        length=spec.text_length if is_siglip else None,
    )
    return str(fast.to_str())
