"""Randomly initialised models of several families, saved in the published layouts."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from tokenizers.normalizers import NFC, Lowercase, Replace
from tokenizers.normalizers import Sequence as Normalizers
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertTokenizer,
    ChineseCLIPConfig,
    ChineseCLIPImageProcessor,
    ChineseCLIPModel,
    CLIPConfig,
    CLIPModel,
    CLIPTokenizer,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
)

START, END = "<|startoftext|>", "<|endoftext|>"
CLIP_VOCABULARY = 49408
TINY = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
TINY_TEXT = {**TINY, "num_attention_heads": 2}
TINY_VISION = {**TINY, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}


def _byte_pairs(texts: Sequence[str], size: int) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """A byte-level BPE of CLIP's style, learnt from `texts`, padded to `size` tokens.

    The two special tokens come last, as in OpenAI's vocabulary: CLIP's text tower looks for the
    end of a text at the highest number.
    """
    learnt = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token=END))
    learnt.normalizer = Normalizers([NFC(), Replace(r"\s+", " "), Lowercase()])
    learnt.pre_tokenizer = pre_tokenizers.Sequence(
        [Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    learnt.decoder = decoders.ByteLevel()
    learnt.post_processor = processors.ByteLevel()
    learnt.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=600,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            end_of_word_suffix="</w>",
            special_tokens=[END],
            show_progress=False,
        ),
    )
    state = json.loads(learnt.to_str())["model"]
    pieces = [piece for piece in state["vocab"] if piece != END]
    # Each byte also as the end of a word, even if the texts do not have it.
    pieces += [f"{piece}</w>" for piece in pre_tokenizers.ByteLevel.alphabet()]
    pieces = list(dict.fromkeys(pieces))
    pieces += [f"<unused{number}>" for number in range(size - 2 - len(pieces))]
    vocabulary = {piece: number for number, piece in enumerate([*pieces, START, END])}
    return vocabulary, [(a, b) for a, b in state["merges"]]


def clip_like_openai(folder: Path, texts: Sequence[str]) -> Path:
    """A model with the configuration of openai/clip-vit-base-patch16 and random weights."""
    torch.manual_seed(16)
    config = CLIPConfig(
        text_config={"vocab_size": CLIP_VOCABULARY, "bos_token_id": 49406, "eos_token_id": 49407},
        vision_config={"patch_size": 16},
        projection_dim=512,
    )
    save_clip(CLIPModel(config), folder, texts, side=224)
    return folder


def save_clip(model: CLIPModel, folder: Path, texts: Sequence[str], side: int) -> None:
    """Write a CLIP with a tokenizer, in the layout of OpenAI's repositories."""
    model.save_pretrained(folder)
    vocabulary, merges = _byte_pairs(texts, model.config.text_config.vocab_size)
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)
    tokenizer.save_pretrained(folder)
    write_json(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "CLIPImageProcessor",
            "feature_extractor_type": "CLIPFeatureExtractor",
            "crop_size": side,
            "do_center_crop": True,
            "do_normalize": True,
            "do_resize": True,
            "image_mean": [0.48145466, 0.4578275, 0.40821073],
            "image_std": [0.26862954, 0.26130258, 0.27577711],
            "resample": 3,
            "size": side,
        },
    )


def tiny_clip(folder: Path, texts: Sequence[str] = ("a dog",), **more: Any) -> Path:
    """A CLIP small enough to load instantly; `more` is added to its config.json."""
    torch.manual_seed(1)
    config = CLIPConfig(
        text_config={
            **TINY_TEXT, "vocab_size": 1200, "max_position_embeddings": 77,
            "bos_token_id": 1198, "eos_token_id": 1199,
        },
        vision_config=TINY_VISION,
        projection_dim=24,
    )  # fmt: skip
    save_clip(CLIPModel(config), folder, texts, side=32)
    path = folder / "config.json"
    write_json(path, json.loads(path.read_text()) | more)
    return folder


def tiny_siglip(folder: Path) -> Path:
    """A SigLIP of width 32.

    Its published tokenizer needs sentencepiece, which the product does not install; a
    fast tokenizer uses the same code.
    """
    torch.manual_seed(2)
    text = {**TINY_TEXT, "vocab_size": 40, "max_position_embeddings": 16, "projection_size": 32}
    config = SiglipConfig(
        text_config={**text, "pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 3},
        vision_config=TINY_VISION,
    )
    SiglipModel(config).save_pretrained(folder)
    words = ["<unk>", "<pad>", "<s>", "</s>", *"abcdefghijklmnopqrstuvwxyz", "dog", "cat"]
    plain = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>")
    )
    plain.pre_tokenizer = Whitespace()
    plain.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 3)])
    PreTrainedTokenizerFast(
        tokenizer_object=plain, unk_token="<unk>", pad_token="<pad>", eos_token="</s>",
        model_max_length=16, model_input_names=["input_ids"],
    ).save_pretrained(folder)  # fmt: skip
    SiglipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def tiny_chinese_clip(folder: Path) -> Path:
    """A Chinese-CLIP of width 20, with a vocabulary of single characters."""
    torch.manual_seed(3)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"一只狗猫在雪地里夜晚的宇航员", "dog"]
    config = ChineseCLIPConfig(
        text_config={**TINY_TEXT, "vocab_size": len(words), "max_position_embeddings": 52},
        vision_config=TINY_VISION,
        projection_dim=20,
    )
    ChineseCLIPModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    BertTokenizer(
        vocab={word: i for i, word in enumerate(words)}, model_max_length=52
    ).save_pretrained(folder)
    ChineseCLIPImageProcessor(
        size={"height": 32, "width": 32}, crop_size={"height": 32, "width": 32}
    ).save_pretrained(folder)
    return folder


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write JSON."""
    path.write_text(json.dumps(value, indent=1))
