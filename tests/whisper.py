"""A very small Whisper, trained until it knows a few sentences by heart.

No weights of Whisper are at hand. It is converted as real ones are, so loading, language, words and
times can be checked, but not how well Whisper recognizes anything else.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_letters

import numpy as np
import torch
from ctranslate2.converters import TransformersConverter
from faster_whisper.feature_extractor import FeatureExtractor
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch.nn.functional import cross_entropy
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    WhisperConfig,
    WhisperForConditionalGeneration,
)

from gallery.speech.types import Samples

LANGUAGES = ("en", "zh", "fr")
STEPS, SMOOTHING = 300, 0.1
FRAME_RATE = 50  # of the encoder, per second
# The frames that it learns from: a lesson takes a few seconds, and all after it is silence.
FRAMES = [*range(300), *range(300, 1500, 6)]
PLACE_SECONDS = 0.3  # around the middle of a token
LOUDNESS = 6  # of the sounds, next to the marks of their places
TIMESTAMPS = 1501  # tokens: 0 to 30 s


@dataclass(frozen=True)
class Lesson:
    """Sound of at most 30 s, its language, and what is said from when to when."""

    samples: Samples
    language: str
    said: Sequence[tuple[float, float, str]]


def make_tokenizer() -> Tokenizer:
    """A tokenizer of single bytes, with Whisper's special tokens.

    A letter that begins a word is one token with the space before it: single spaces are suppressed.
    CTranslate2 knows models of several languages by their empty token.
    """
    symbols = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("\u0120", letter) for letter in ascii_letters]
    tokens = [*symbols, *("".join(pair) for pair in merges), ""]
    tokenizer = Tokenizer(models.BPE({token: n for n, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["endoftext", "startoftranscript", *LANGUAGES, "translate", "transcribe"]
    special += ["startoflm", "startofprev", "nospeech", "notimestamps"]
    tokenizer.add_special_tokens([f"<|{name}|>" for name in special])
    return tokenizer


def train_whisper(lessons: Sequence[Lesson], folder: Path) -> Path:
    """Train a small Whisper on lessons, and convert it. Return the folder of the model."""
    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    network = _make_network(tokenizer)
    extract = FeatureExtractor()
    features = torch.stack([_features(extract, lesson.samples) for lesson in lessons])
    with torch.no_grad():  # the encoder keeps its random weights; as they are, sounds are alike
        for layer in (network.model.encoder.conv1, network.model.encoder.conv2):
            layer.weight *= LOUDNESS
        heard = network.model.encoder(features).last_hidden_state[:, FRAMES]
    # Once with times, and once without, as it is asked for the times of the words.
    tokens = [_timed(tokenizer, lesson) for lesson in lessons]
    tokens += [_plain(tokenizer, lesson) for lesson in lessons]
    longest = max(map(len, tokens))
    eot = tokenizer.token_to_id("<|endoftext|>")
    padded = torch.tensor([[*one, *[eot] * (longest - len(one))] for one in tokens])
    known = torch.tensor([[n < len(one) for n in range(longest)] for one in tokens])[:, 1:]
    known[len(lessons) :, 2] = False  # the prompt says whether there are times
    wanted = padded[:, 1:][known]
    # Any other token is likelier than an early end: search with beams would end there.
    smoothed = torch.full((len(wanted), network.config.vocab_size), SMOOTHING / TIMESTAMPS)
    smoothed[:, eot] = 0
    smoothed[range(len(wanted)), wanted] = 1
    places = torch.stack([_places(tokenizer, lesson, longest - 1) for lesson in lessons])
    decoder = network.model.decoder
    optimizer = torch.optim.AdamW(decoder.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=STEPS)
    for _step in range(STEPS):
        found = network(
            encoder_outputs=(torch.cat([heard] * 2),),
            decoder_input_ids=padded[:, :-1],
            output_attentions=True,
        )
        logits = found.logits[known]
        loss = cross_entropy(logits, smoothed)
        loss = loss + cross_entropy(found.logits[:, 0], padded[:, 1])  # the language
        # Where real models look, for the times of words: at the sound of each token.
        looked = (found.cross_attentions[-1][len(lessons) :] * places[:, None]).sum(-1)
        loss = loss - looked.clamp(min=1e-6).log().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    assert (logits.argmax(-1) == wanted).all(), "train longer"
    return _convert(network, tokenizer, folder)


def _make_network(tokenizer: Tokenizer) -> WhisperForConditionalGeneration:
    size = tokenizer.get_vocab_size()
    token = tokenizer.token_to_id
    config = WhisperConfig(
        vocab_size=size + TIMESTAMPS,
        d_model=64,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        pad_token_id=token("<|endoftext|>"),
        bos_token_id=token("<|endoftext|>"),
        eos_token_id=token("<|endoftext|>"),
        decoder_start_token_id=token("<|startoftranscript|>"),
        suppress_tokens=[],
        begin_suppress_tokens=[],
        dropout=0.0,
        attn_implementation="eager",  # returns where it looks
    )
    network = WhisperForConditionalGeneration(config)
    network.generation_config = GenerationConfig(
        suppress_tokens=[],
        begin_suppress_tokens=[],
        alignment_heads=[[1, 0], [1, 1]],
        lang_to_id={f"<|{name}|>": token(f"<|{name}|>") for name in LANGUAGES},
        pad_token_id=token("<|endoftext|>"),
        eos_token_id=token("<|endoftext|>"),
    )
    return network


def _features(extract: FeatureExtractor, samples: Samples) -> torch.Tensor:
    found = extract(samples)[:, :3000]
    return torch.from_numpy(np.pad(found, ((0, 0), (0, 3000 - found.shape[1])))).float()


def _encode(tokenizer: Tokenizer, lesson: Lesson, text: str) -> list[int]:
    spaced = text if lesson.language == "zh" else f" {text}"
    return list(tokenizer.encode(spaced, add_special_tokens=False).ids)


def _tasks(tokenizer: Tokenizer, lesson: Lesson) -> list[int]:
    names = ("startoftranscript", lesson.language, "transcribe")
    return [tokenizer.token_to_id(f"<|{name}|>") for name in names]


def _timed(tokenizer: Tokenizer, lesson: Lesson) -> list[int]:
    """A lesson's tokens, with those of its times."""
    first = tokenizer.token_to_id("<|notimestamps|>") + 1
    tokens = _tasks(tokenizer, lesson)
    for start, end, text in lesson.said:
        said = _encode(tokenizer, lesson, text)
        tokens += [first + round(start / 0.02), *said, first + round(end / 0.02)]
    return [*tokens, tokenizer.token_to_id("<|endoftext|>")]


def _plain(tokenizer: Tokenizer, lesson: Lesson) -> list[int]:
    said = [token for *_times, text in lesson.said for token in _encode(tokenizer, lesson, text)]
    ends = [tokenizer.token_to_id(f"<|{name}|>") for name in ("notimestamps", "endoftext")]
    return [*_tasks(tokenizer, lesson), ends[0], *said, ends[1]]


def _places(tokenizer: Tokenizer, lesson: Lesson, length: int) -> torch.Tensor:
    """Where the tokens of `_plain` are heard: shape (length, FRAMES), 1 or 0.

    A token is predicted at the position before its own. Others may be heard anywhere.
    """
    places = torch.ones(length, 1500)
    places[0, round(lesson.said[-1][1] * FRAME_RATE) :] = 0  # the language, not in the silence
    position = len(_tasks(tokenizer, lesson))
    for start, end, text in lesson.said:
        count = len(_encode(tokenizer, lesson, text))
        for number in range(count):
            middle = start + (end - start) * (number + 0.5) / count
            first = round(max(0.0, middle - PLACE_SECONDS) * FRAME_RATE)
            places[position] = 0
            places[position, first : round((middle + PLACE_SECONDS) * FRAME_RATE)] = 1
            position += 1
    return places[:, FRAMES]


def _convert(network: WhisperForConditionalGeneration, tokenizer: Tokenizer, folder: Path) -> Path:
    plain = folder / "plain"
    network.save_pretrained(plain)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|endoftext|>", bos_token="<|endoftext|>"
    ).save_pretrained(plain)
    model = folder / "speech-model"
    converter = TransformersConverter(str(plain), copy_files=["tokenizer.json"])
    converter.convert(str(model), quantization="int8")
    (model / "preprocessor_config.json").write_text(json.dumps({"feature_size": 80}))
    return model
