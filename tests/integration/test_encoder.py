"""The encoder agrees with transformers, and keeps all of a picture."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModel, AutoTokenizer, CLIPModel, CLIPProcessor

from gallery.clip import conversion, encoder, preprocessing, weights
from gallery.clip.encoder import Encoder
from gallery.clip.preprocessing import EDGES, to_squares
from gallery.clip.runtimes import TorchRuntime
from gallery.core.errors import ModelError, QueryError
from tests.films import noise
from tests.networks import clip_like_openai, tiny_chinese_clip, tiny_clip, tiny_siglip

PICTURES = 12  # more than a batch
TEXTS = (
    *("dog", "a cat", "at night", "an astronaut", "smiling man wave", "two dogs in the snow"),
    *("a red car in the rain", "Umbrella!", "it's 1984", "a man who is smiling and waving"),
    *("一只狗", "夜晚的宇航员", "naïve café", "a", "black & white film", "word " * 120),
)


def load(folder: Path, edges: str = "squash") -> Encoder:
    return conversion.load_with_torch(weights.describe(folder.name, folder), edges)


def features(output: Any) -> torch.Tensor:
    return torch.nn.functional.normalize(getattr(output, "pooler_output", output), dim=-1)


# --- agreement with transformers ------------------------------------------------------------------


@pytest.fixture(scope="module")
def base_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """ViT-B/16 in its real size: 600 MB, removed after the tests."""
    folder = tmp_path_factory.mktemp("models") / "clip-vit-base-patch16"
    threads = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    yield clip_like_openai(folder, TEXTS)
    torch.set_num_threads(threads)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def reference(base_model: Path) -> tuple[CLIPModel, CLIPProcessor]:
    """The model and processor as in the documentation of transformers."""
    model = CLIPModel.from_pretrained(base_model, dtype=torch.float32).eval()
    return model, CLIPProcessor.from_pretrained(base_model)


@pytest.fixture(scope="module")
def our_encoder(base_model: Path) -> Encoder:
    return load(base_model)


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    """Square pictures, smaller and larger than the input of the model."""
    sides = (64, 224, 360, 500)
    return [noise(n, (sides[n % 4], sides[n % 4])) for n in range(PICTURES)]


@pytest.fixture(scope="module")
def picture_vectors(our_encoder: Encoder, pictures: list[Image.Image]) -> np.ndarray:
    return our_encoder.embed_pictures(pictures)


def test_the_model_is_the_published_configuration(base_model: Path) -> None:
    config = CLIPModel.config_class.from_pretrained(base_model)
    vision, text = config.vision_config, config.text_config
    assert (vision.hidden_size, vision.num_hidden_layers, vision.num_attention_heads) == (
        768, 12, 12,
    )  # fmt: skip
    assert (vision.image_size, vision.patch_size, config.projection_dim) == (224, 16, 512)
    assert (text.hidden_size, text.num_hidden_layers, text.num_attention_heads) == (512, 12, 8)
    assert (text.vocab_size, text.max_position_embeddings) == (49408, 77)


def test_square_pictures_are_embedded_as_transformers_does(
    reference: tuple[CLIPModel, CLIPProcessor],
    our_encoder: Encoder,
    picture_vectors: np.ndarray,
    pictures: list[Image.Image],
) -> None:
    model, processor = reference
    with torch.inference_mode():
        inputs = processor(images=pictures, return_tensors="pt")
        expected = features(model.get_image_features(**inputs)).numpy()

    one_by_one = np.concatenate([our_encoder.embed_pictures([picture]) for picture in pictures])

    assert picture_vectors.shape == (PICTURES, 512)
    assert picture_vectors.dtype == np.float32
    assert float((picture_vectors * expected).sum(axis=1).min()) >= 0.9999
    assert float((one_by_one * expected).sum(axis=1).min()) >= 0.9999
    # The random model distinguishes these pictures, so the comparison is meaningful.
    others = expected @ expected.T - np.eye(PICTURES)
    assert float(others.max()) < 0.99995


def test_texts_are_embedded_as_transformers_does(
    reference: tuple[CLIPModel, CLIPProcessor], our_encoder: Encoder
) -> None:
    model, processor = reference
    with torch.inference_mode():
        inputs = processor(text=list(TEXTS), padding=True, truncation=True, return_tensors="pt")
        expected = features(model.get_text_features(**inputs)).numpy()
    assert inputs["input_ids"].shape[1] == 77
    assert inputs["input_ids"].max() == 49407

    together = our_encoder.embed_texts(TEXTS)
    one_by_one = np.stack([our_encoder.embed_text(text) for text in TEXTS])

    assert together.shape == (16, 512)
    for rows in (together, one_by_one):
        assert float((rows * expected).sum(axis=1).min()) >= 0.9999
    assert float((expected @ expected.T - np.eye(16)).max()) < 0.9999


def test_probabilities_agree_with_transformers(
    reference: tuple[CLIPModel, CLIPProcessor],
    our_encoder: Encoder,
    picture_vectors: np.ndarray,
    pictures: list[Image.Image],
) -> None:
    model, processor = reference
    words = ["dog", "cat", "night", "astronaut", "man", "smiling", "wave", "smiling man wave"]
    with torch.inference_mode():
        inputs = processor(text=words, images=pictures[:4], padding=True, return_tensors="pt")
        expected = model(**inputs).logits_per_image.softmax(dim=1).numpy()

    found = np.array([our_encoder.probabilities(row, words) for row in picture_vectors[:4]])

    assert found.sum(axis=1) == pytest.approx([1.0] * 4, abs=1e-6)
    assert np.allclose(found, expected, atol=1e-4)
    assert found.max() - found.min() > 0.001


# --- edges ---------------------------------------------------------------------------------------

BICUBIC = int(Image.Resampling.BICUBIC)


@pytest.mark.parametrize("side", [31, 64, 200])
def test_a_square_picture_is_the_same_in_all_modes(side: int) -> None:
    picture = noise(5, (side, side))
    found = [to_squares(picture, edges, 64, BICUBIC) for edges in EDGES]
    assert [len(parts) for parts in found] == [1, 1, 1]
    assert len({parts[0].tobytes() for parts in found}) == 1


@pytest.mark.parametrize("edges", EDGES)
@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_things_at_the_edge_are_kept(edges: str, side: str) -> None:
    wide = (956, 400)
    picture = Image.new("RGB", wide if side in ("left", "right") else wide[::-1], "blue")
    width, height = picture.size
    stripe = {
        "left": (0, 0, 20, height),
        "right": (width - 20, 0, width, height),
        "top": (0, 0, width, 20),
        "bottom": (0, height - 20, width, height),
    }[side]
    picture.paste("red", stripe)

    parts = to_squares(picture, edges, 224, BICUBIC)

    assert all(part.size == (224, 224) for part in parts)
    red = [np.asarray(part)[..., 0] > 180 for part in parts]
    part = red[0] if side in ("left", "top") else red[-1]
    assert part.any()
    # CLIP's preprocessing would have cropped it.
    cut = Image.Image.crop(picture, ((width - height) // 2, 0, (width + height) // 2, height))
    assert side in ("top", "bottom") or not (np.asarray(cut)[..., 0] > 180).any()


def test_padding_keeps_proportions() -> None:
    bars = np.asarray(to_squares(Image.new("RGB", (200, 100), "white"), "pad", 100, BICUBIC)[0])
    assert (bars[:20] == 0).all()
    assert (bars[-20:] == 0).all()
    assert (bars[30:70] == 255).all()


@pytest.mark.parametrize("size", [(300, 100), (101, 100), (100, 239), (1000, 10)])
def test_tiles_cover_the_picture_and_overlap(size: tuple[int, int]) -> None:
    """Every column is in a tile, and neighbouring tiles share a quarter of their width."""
    long, short = max(size), min(size)
    ramp = np.linspace(0, 255, long).astype(np.uint8)
    grey = np.tile(ramp, (short, 1)) if size[0] > size[1] else np.tile(ramp[:, None], (1, short))
    picture = Image.fromarray(grey).convert("RGB")
    assert picture.size == size

    tiles = [
        np.asarray(tile, float)[..., 0] for tile in to_squares(picture, "tiles", short, BICUBIC)
    ]

    across = [tile.mean(axis=0 if size[0] > size[1] else 1) for tile in tiles]
    slack = 2 * 255 / long + 1
    assert across[0][0] <= slack
    assert across[-1][-1] >= 255 - slack
    for one, other in pairwise(across):
        assert (
            other[0] <= one[-1] - (one[-1] - one[0]) * (preprocessing.TILE_OVERLAP - 0.02) + slack
        )


def test_tiles_of_a_wide_picture_are_averaged(tmp_path: Path) -> None:
    model = load(tiny_clip(tmp_path / "m"), "tiles")
    wide = noise(3, (300, 100))
    tiles = to_squares(wide, "tiles", model.spec.side, BICUBIC)
    alone = model.embed_pictures(tiles).sum(axis=0)
    found = model.embed_pictures([noise(1), wide, noise(2)])
    assert found.shape == (3, 24)
    assert np.allclose(found[1], alone / np.linalg.norm(alone), atol=1e-5)
    assert np.allclose(found[[0, 2]], model.embed_pictures([noise(1), noise(2)]), atol=1e-5)


# --- families, and damaged models ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "width", "texts"),
    [
        (tiny_clip, 24, ["a dog", "a cat and a dog"]),
        (tiny_siglip, 32, ["dog", "cat dog"]),
        (tiny_chinese_clip, 20, ["一只狗", "雪地里的猫 dog"]),
    ],
)
def test_other_model_families_load(make: Any, width: int, texts: list[str], tmp_path: Path) -> None:
    model = load(make(tmp_path / "model"))
    assert model.model.width == width
    pictures = model.embed_pictures([noise(1, (90, 40)), noise(2), Image.new("L", (7, 90), 90)])
    words = model.embed_texts(texts)
    assert pictures.shape == (3, width)
    assert words.shape == (2, width)
    lengths = np.linalg.norm(np.concatenate([pictures, words]), axis=1)
    assert lengths == pytest.approx([1.0] * 5, abs=1e-5)
    assert abs(float(words[0] @ words[1])) < 0.99999
    odds = model.probabilities(pictures[0], texts)
    assert sum(odds) == pytest.approx(1.0)
    assert np.allclose(model.embed_text(texts[0]), words[0], atol=1e-5)


def test_siglip_texts_are_padded_to_their_full_length(tmp_path: Path) -> None:
    folder = tiny_siglip(tmp_path / "m")
    network = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    tokens = AutoTokenizer.from_pretrained(folder)(
        ["dog"], padding="max_length", max_length=16, return_tensors="pt"
    )
    with torch.inference_mode():
        expected = features(network.get_text_features(input_ids=tokens["input_ids"]))[0].numpy()
    assert float(load(folder).embed_text("dog") @ expected) >= 0.9999


def test_a_long_text_is_truncated_and_reported(tmp_path: Path) -> None:
    model = load(tiny_clip(tmp_path / "m"))
    assert np.isfinite(model.embed_text("dog " * 500)).all()
    assert model.is_truncated("dog " * 500)
    assert not model.is_truncated("a dog")


def test_an_empty_text_is_refused(tmp_path: Path) -> None:
    model = load(tiny_clip(tmp_path / "m"))
    with pytest.raises(QueryError, match="Enter some words"):
        model.embed_text("  \n")
    assert model.embed_texts([]).shape == (0, 24)
    assert model.embed_pictures([]).shape == (0, 24)


def damage(folder: Path, how: str) -> None:
    if how == "half the weights":
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif how == "no tokenizer":
        for path in folder.glob("tokenizer*"):
            path.unlink()
        for name in ("vocab.json", "merges.txt"):
            (folder / name).unlink(missing_ok=True)
    elif how == "unknown family":
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"model_type": "zebra"}))
    elif how == "no pictures' settings":
        (folder / "preprocessor_config.json").write_text("{")
    elif how == "no weights":
        (folder / "model.safetensors").unlink()


@pytest.mark.parametrize(
    "how",
    ["half the weights", "no weights", "no tokenizer", "unknown family", "no pictures' settings"],
)
def test_a_damaged_model_folder_is_reported(how: str, tmp_path: Path) -> None:
    folder = tiny_clip(tmp_path / "broken")
    damage(folder, how)
    with pytest.raises(ModelError, match=r"Could not load the model broken from .*: .+") as caught:
        load(folder)
    assert "\n" not in str(caught.value)


def test_an_unsupported_model_is_refused(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    folder = tiny_clip(tmp_path / "m")
    (folder / "model.safetensors").unlink()
    BertModel(
        BertConfig(
            vocab_size=1200, hidden_size=32, num_hidden_layers=1,
            num_attention_heads=2, intermediate_size=32,
        )
    ).save_pretrained(folder)  # fmt: skip
    with pytest.raises(ModelError, match="is not a CLIP model"):
        load(folder)


def test_weights_that_are_not_numbers_are_noticed(tmp_path: Path) -> None:
    folder = tiny_clip(tmp_path / "m")
    model = CLIPModel.from_pretrained(folder)
    with torch.no_grad():
        model.visual_projection.weight.fill_(float("nan"))
        model.text_projection.weight.zero_()
    model.save_pretrained(folder)
    loaded = load(folder)
    with pytest.raises(ModelError, match="an invalid vector"):
        loaded.embed_pictures([noise(1)])
    with pytest.raises(ModelError, match="an invalid vector"):
        loaded.embed_text("a dog")


def test_an_unknown_edge_mode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="squash, pad or tiles"):
        load(tiny_clip(tmp_path / "m"), "crop")


def test_half_precision_weights_are_computed_in_full_precision(tmp_path: Path) -> None:
    folder = tiny_clip(tmp_path / "m")
    CLIPModel.from_pretrained(folder).half().save_pretrained(folder)
    loaded = load(folder)
    assert isinstance(loaded.runtime, TorchRuntime)
    assert {p.dtype for p in loaded.runtime._image.parameters()} == {torch.float32}


def test_threads_share_one_model(tmp_path: Path) -> None:
    """Eight threads of a web server embed at once, and each gets its own result."""
    from concurrent.futures import ThreadPoolExecutor

    model = load(tiny_clip(tmp_path / "m"))
    texts = [f"a dog {number}" for number in range(64)]
    expected = [model.embed_text(text) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(model.embed_text, texts))
    for one, other in zip(found, expected, strict=True):
        assert np.allclose(one, other, atol=1e-6)


def test_a_process_loads_its_model_once(clip: Encoder) -> None:
    assert encoder.current() is clip


def test_subprocess_import_is_light() -> None:
    """Importing models, pages and tasks does not import torch."""
    from tests.processes import run_python

    done: subprocess.CompletedProcess[str] = run_python(
        "-c",
        "import sys, django; django.setup(); import gallery.models, gallery.urls, gallery.tasks;"
        "print(sorted({'torch', 'transformers'} & set(sys.modules)))",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
