"""The model in transformers. The only module that imports transformers.

It supports any model of the CLIP family that transformers loads with `get_image_features` and
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
CLASS_TOKEN_FAMILIES = ("clip", "chinese_clip", "altclip")


def _features(output: Any) -> torch.Tensor:
    """Return the projected embedding, which transformers 5 wraps in an object."""
    tensor: torch.Tensor = getattr(output, "pooler_output", output)
    return tensor


class ImageTower(torch.nn.Module):
    """Pixels to image features; includes the normalization, so that it runs on the device."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: Any, spec: ModelSpec) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(spec.std).view(1, 3, 1, 1))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Map pixels, uint8 (n, side, side, 3), to features (n, width)."""
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
        """Map token ids and mask, int64 (n, length), to features (n, width)."""
        more = {} if attention_mask is None else {"attention_mask": attention_mask}
        return _features(self.network.get_text_features(input_ids=input_ids, **more))


class ClassTokenLayer(torch.nn.Module):
    """The last layer of a CLIP vision tower, computed for the class token only.

    CLIP pools only this token, so the queries and the MLP of the other tokens, 7 % of a ViT-B/16's
    arithmetic, are wasted. Keys and values are still computed for all tokens: the result is the
    same.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, hidden_states: torch.Tensor, *_args: Any, **_kwargs: Any) -> torch.Tensor:
        """Map hidden states (n, tokens, size) to that of the class token, (n, 1, size)."""
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
    """Compute the vision tower's last layer for the class token only, within the context.

    Only for families that pool the class token. `gallery.clip.selfcheck` compares the converted
    model with the whole network.
    """
    if network.config.model_type not in CLASS_TOKEN_FAMILIES:
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
        """Load `model`. Raises ModelError."""
        # The files are local: do not contact the hub while loading.
        os.environ["HF_HUB_OFFLINE"] = "1"
        logging.disable_progress_bar()
        logging.set_verbosity_error()
        try:
            network = AutoModel.from_pretrained(model.folder, dtype=torch.float32).eval()
            processor = AutoImageProcessor.from_pretrained(model.folder, backend="pil")
            tokenizer = AutoTokenizer.from_pretrained(model.folder)
            # Without its files, transformers creates a tokenizer without a vocabulary.
            if len(tokenizer) <= len(tokenizer.all_special_ids):
                raise ValueError("its tokenizer has no words")
        except Exception as error:  # transformers raises all sorts of errors for damaged files
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
        self.spec = _read_spec(network, processor, tokenizer)
        self.tokenizer = _serialize_tokenizer(tokenizer, str(network.config.model_type), self.spec)
        self.image = ImageTower(network, self.spec).eval()
        self.text = TextTower(network).eval()


def _read_spec(network: Any, processor: Any, tokenizer: Any) -> ModelSpec:
    crops = bool(getattr(processor, "do_center_crop", False))
    size = processor.crop_size if crops else processor.size
    factor = float(processor.rescale_factor) if getattr(processor, "do_rescale", True) else 1.0
    normalizes = bool(getattr(processor, "do_normalize", True))
    mean = processor.image_mean if normalizes else (0.0, 0.0, 0.0)
    std = processor.image_std if normalizes else (1.0, 1.0, 1.0)
    config = network.config
    length = getattr(getattr(config, "text_config", config), "max_position_embeddings", None)
    logit_scale = getattr(network, "logit_scale", None)
    return ModelSpec(
        side=int(size.get("height") or size.get("shortest_edge") or 224),
        resample=int(getattr(processor, "resample", None) or Image.Resampling.BICUBIC),
        mean=tuple(float(one) / factor for one in mean),  # type: ignore[arg-type]
        std=tuple(float(one) / factor for one in std),  # type: ignore[arg-type]
        text_length=int(length or DEFAULT_TEXT_LENGTH),
        uses_mask=not _is_siglip(config) and "attention_mask" in tokenizer.model_input_names,
        scale=(
            float(logit_scale.detach().exp().reshape(-1)[0])
            if logit_scale is not None
            else DEFAULT_SCALE
        ),
    )


def _is_siglip(config: Any) -> bool:
    return str(config.model_type).startswith("siglip")


def _serialize_tokenizer(tokenizer: Any, family: str, spec: ModelSpec) -> str:
    """Return the tokenizer as JSON, with truncation and padding configured.

    SigLIP (Zhai et al., 2023) and SigLIP 2 (Tschannen et al., 2025) were trained on lower-case
    texts, padded on the right to full length and without a mask; not all published tokenizers do
    so. CLIP needs no padding.
    """
    from tokenizers import Tokenizer, normalizers

    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelError(_("This model has no fast tokenizer, so it cannot be used."))
    fast = Tokenizer.from_str(backend.to_str())
    is_siglip = family.startswith("siglip")
    if is_siglip:
        existing = [fast.normalizer] if fast.normalizer is not None else []
        fast.normalizer = normalizers.Sequence([normalizers.Lowercase(), *existing])
    fast.enable_truncation(max_length=spec.text_length)
    fast.enable_padding(
        direction="right",
        pad_id=tokenizer.pad_token_id or 0,
        pad_token=tokenizer.pad_token or "[PAD]",
        length=spec.text_length if is_siglip else None,
    )
    return str(fast.to_str())
