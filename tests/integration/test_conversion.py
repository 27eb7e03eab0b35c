"""Converted models: precision, cache, repair, targets, threads."""

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings as project

from gallery.clip import conversion, encoder, runtimes, selfcheck, weights
from gallery.clip.encoder import Encoder
from gallery.clip.preprocessing import TextTokenizer
from gallery.clip.runtimes import OpenVINORuntime, Target
from gallery.clip.selfcheck import Report
from gallery.core.errors import DamagedModel
from tests.films import noise
from tests.networks import tiny_chinese_clip, tiny_clip, tiny_siglip
from tests.processes import run_manage, run_python, wait_for

FP32 = Target("openvino", "cpu", "fp32")
BF16 = Target("openvino", "cpu", "bf16")
INT8 = Target("openvino", "cpu", "int8")
ON_GPU = Target("torch", "cuda", "fp32")
PICTURES = [noise(n, (120, 68)) for n in range(6)]


def ignore_progress(_text: str) -> None:
    """Discard progress messages."""


@pytest.fixture
def cache_dir(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of converted models."""
    settings.MODEL_CACHE_DIR = tmp_path / "converted_model"
    # No library, in the process that converts neither: the check takes frames of the demo film.
    settings.MEDIA_ROOT = tmp_path / "media"
    monkeypatch.setenv("MEDIA_DIR", str(settings.MEDIA_ROOT))
    folder: Path = settings.MODEL_CACHE_DIR
    return folder


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", one, other)


# --- precision ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "texts"),
    [
        (tiny_clip, ["a dog", "a cat and a dog in the snow", "a " * 200]),
        (tiny_siglip, ["dog", "cat dog", "dog " * 30]),
        (tiny_chinese_clip, ["一只狗", "雪地里的猫 dog", "狗" * 80]),
    ],
)
def test_converted_models_agree_with_torch(
    make: Any, texts: list[str], cache_dir: Path, tmp_path: Path
) -> None:
    """Also for batch sizes and text lengths that the towers were not traced with."""
    model = weights.describe("m", make(tmp_path / "model"))
    plain = conversion.load_with_torch(model)
    assert conversion.prepare(model, [FP32], ignore_progress) == FP32
    converted_model = conversion.load(model, FP32)

    assert (
        float(
            cosines(converted_model.embed_pictures(PICTURES), plain.embed_pictures(PICTURES)).min()
        )
        >= 0.9999
    )
    assert (
        float(cosines(converted_model.embed_texts(texts), plain.embed_texts(texts)).min()) >= 0.9999
    )
    one_by_one = np.stack([converted_model.embed_text(text) for text in texts])
    assert float(cosines(one_by_one, plain.embed_texts(texts)).min()) >= 0.9999
    assert converted_model.spec == plain.spec
    assert [converted_model.is_truncated(text) for text in texts] == [False, False, True]
    # The random model distinguishes these, so the comparison is meaningful.
    apart = plain.embed_pictures(PICTURES) @ plain.embed_pictures(PICTURES).T - np.eye(
        len(PICTURES)
    )
    assert float(apart.max()) < 0.9999


@pytest.mark.parametrize("make", [tiny_clip, tiny_chinese_clip, tiny_siglip])
def test_the_last_layer_computes_the_class_token_only(make: Any, tmp_path: Path) -> None:
    import torch

    from gallery.clip.network import ClassTokenLayer, Network, only_class_token

    network = Network(weights.describe("m", make(tmp_path / "m")))
    pixels = torch.from_numpy(np.stack([np.asarray(noise(n, (32, 32))) for n in range(3)]))
    layers = network.image.network.vision_model.encoder.layers
    with torch.no_grad():
        expected = network.image(pixels)
        with only_class_token(network.image.network):
            assert isinstance(layers[-1], ClassTokenLayer) is (make is not tiny_siglip)
            found = network.image(pixels)
        again = network.image(pixels)
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.equal(again, expected)


@pytest.fixture(scope="module")
def demo_model() -> weights.Model:
    """The demo model: trained weights, small enough to quantize in a test."""
    return weights.describe("demo_model", project.DEMO_MODEL_DIR)


def test_damaged_thumbnails_are_left_out_of_the_check(tmp_path: Path, settings: Any) -> None:
    settings.MEDIA_ROOT = tmp_path
    folder = tmp_path / "films" / "0123" / "1" / "thumbs"
    folder.mkdir(parents=True)
    for number in range(4):
        noise(number, (64, 36)).save(folder / f"{number:06d}.jpg")
    assert selfcheck.pictures()[0].size == (64, 36)
    (folder / "000000.jpg").write_bytes(b"no picture")
    (folder / "000002.jpg").write_bytes((folder / "000002.jpg").read_bytes()[:300])
    found = selfcheck.pictures()
    assert len(found) == selfcheck.MAX_FRAMES + selfcheck.GENERATED_PICTURES
    assert found[0].size != (64, 36)


@pytest.mark.parametrize("target", [BF16, INT8], ids=["bf16", "int8"])
def test_faster_precisions_pass_their_check(
    target: Target, demo_model: weights.Model, cache_dir: Path
) -> None:
    if target is BF16 and not runtimes.computes_bf16():
        assert BF16 not in encoder.candidate_targets()
        return
    assert conversion.prepare(demo_model, [target], ignore_progress) == target
    report = conversion.load_report(demo_model, target)
    limits = selfcheck.LIMITS[target.precision]
    assert report is not None
    assert report.is_passed
    assert report.pictures == selfcheck.MAX_FRAMES + selfcheck.GENERATED_PICTURES
    assert report.texts == selfcheck.MAX_TEXTS
    converted_model, plain = (
        conversion.load(demo_model, target),
        conversion.load_with_torch(demo_model),
    )
    measured = cosines(converted_model.embed_pictures(PICTURES), plain.embed_pictures(PICTURES))
    # Noise, unlike the calibration pictures of int8.
    assert float(measured.min()) >= limits.min_cosine - 0.02
    assert (
        float(cosines(converted_model.embed_texts(["a dog"]), plain.embed_texts(["a dog"])).min())
        >= 0.999
    )
    assert not (cache_dir / "digests").exists()  # small weights are hashed each time


def test_a_model_whose_check_fails_falls_back(
    demo_model: weights.Model, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is changed, because no model fails the check on demand."""
    never = selfcheck.Limits(1.1)
    monkeypatch.setattr(selfcheck, "LIMITS", {**selfcheck.LIMITS, "bf16": never})
    said: list[str] = []
    assert conversion.prepare(demo_model, [BF16, FP32], said.append) == FP32
    assert any("failed, so it is not used" in line for line in said)
    folder = conversion.target_folder(demo_model, BF16)
    assert [path.name for path in folder.iterdir()] == [selfcheck.REPORT_FILE]
    assert conversion.find_passed_targets(demo_model, [BF16, FP32]) == [FP32]
    assert conversion.is_prepared(demo_model, [BF16, FP32])


def test_a_faster_target_that_was_never_tried_is_made(converted_model: weights.Model) -> None:
    """As after `make int8`, or when CLIP_PRECISION changes: another target is needed."""
    assert conversion.is_prepared(converted_model, [FP32])
    assert not conversion.is_prepared(converted_model, [INT8, FP32])
    assert conversion.find_passed_targets(converted_model, [INT8, FP32]) == [FP32]
    # Slower ones are not needed.
    assert conversion.is_prepared(converted_model, [FP32, BF16])


def test_a_failed_conversion_is_retried_after_a_while(
    converted_model: weights.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = conversion.target_folder(converted_model, BF16)
    folder.mkdir(parents=True)
    Report("bf16", error="MemoryError").save(folder)
    assert conversion.is_prepared(converted_model, [BF16, FP32])
    monkeypatch.setattr(conversion, "RETRY_SECONDS", -1.0)
    assert not conversion.is_prepared(converted_model, [BF16, FP32])


def test_a_model_that_cannot_be_converted_runs_in_torch(
    tmp_path: Path, settings: Any, cache_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Weights that are NaN cannot be compared."""
    import torch
    from transformers import CLIPModel

    folder = tiny_clip(tmp_path / "m")
    network = CLIPModel.from_pretrained(folder)
    with torch.no_grad():
        network.visual_projection.weight.fill_(float("nan"))
    network.save_pretrained(folder)
    settings.CLIP_MODEL = str(folder)
    model = weights.describe(str(folder), folder)
    loaded = encoder._load_best(model)
    assert loaded.target.runtime == "torch"
    assert "runs with torch" in caplog.text
    report = conversion.load_report(model, FP32)
    assert report is not None
    assert "not finite" in report.error


# --- the check ------------------------------------------------------------------------------------


def test_the_self_check_reports_what_it_measures() -> None:
    rng = np.random.default_rng(2)

    def unit(rows: np.ndarray) -> np.ndarray:
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    pictures, texts = unit(rng.normal(size=(40, 16))), unit(rng.normal(size=(20, 16)))
    same = selfcheck.compare("int8", (pictures, texts), (pictures, texts))
    assert (same.agreement, same.pictures, same.texts) == (1.0, 40, 20)
    assert same.min_cosine == pytest.approx(1.0, abs=1e-6)
    assert same.is_passed

    other = pictures.copy()
    other[7] = -other[7]
    turned = selfcheck.compare("int8", (pictures, texts), (other, texts))
    assert turned.min_cosine == pytest.approx(-1.0, abs=1e-6)
    # For the pictures alone: good texts must not hide bad pictures.
    assert turned.mean_cosine == pytest.approx(38 / 40, abs=1e-6)
    assert 0.9 <= turned.agreement < 1.0
    assert not turned.is_passed


@pytest.mark.parametrize(
    ("precision", "figures", "passed"),
    [
        ("int8", (0.98, 0.995, 0.95), True),
        ("int8", (0.979, 0.999, 0.99), False),
        ("int8", (0.99, 0.994, 0.99), False),
        ("int8", (0.99, 0.999, 0.949), False),
        ("bf16", (0.999, 0.999, 0.1), True),
        ("bf16", (0.9989, 0.9999, 1.0), False),
        ("fp32", (0.9999, 0.9999, 1.0), True),
        ("fp32", (0.9998, 0.9999, 1.0), False),
    ],
)
def test_limits(precision: str, figures: tuple[float, float, float], passed: bool) -> None:
    assert Report(precision, *figures).is_passed is passed


def test_the_queries_are_in_the_languages_that_the_model_reads() -> None:
    english, both = selfcheck.texts(("en",)), selfcheck.texts(("en", "zh"))
    assert len(set(english)) == len(set(both)) == selfcheck.MAX_TEXTS
    assert all(text.isascii() for text in english)
    assert sum(not text.isascii() for text in both) == selfcheck.MAX_TEXTS // 2
    assert selfcheck.texts(("fr",)) == english


# --- the cache ------------------------------------------------------------------------------------


@pytest.fixture
def converted_model(tmp_path: Path, cache_dir: Path, settings: Any) -> Iterator[weights.Model]:
    """A tiny model, converted, as the model in use."""
    settings.CLIP_PRECISION = "fp32"
    settings.CLIP_MODEL = str(tiny_clip(tmp_path / "model"))
    model = weights.describe(settings.CLIP_MODEL, Path(settings.CLIP_MODEL))
    assert conversion.prepare(model, [FP32], ignore_progress) == FP32
    yield model


@pytest.fixture
def convert_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convert in this process, which takes a second; a test below uses a subprocess."""
    monkeypatch.setattr(
        encoder,
        "prepare_in_own_process",
        lambda _name, model: conversion.prepare(
            model, encoder.candidate_targets(), ignore_progress
        ),
    )


@pytest.mark.parametrize(
    "how", ["half a file", "a file gone", "no report", "rubbish", "spec", "tokenizer"]
)
def test_a_damaged_cache_is_rebuilt(
    how: str, converted_model: weights.Model, convert_in_process: None
) -> None:
    folder = conversion.target_folder(converted_model, FP32)
    expected = conversion.load(converted_model, FP32).embed_pictures(PICTURES)
    if how == "half a file":
        path = folder / "image.bin"
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif how == "a file gone":
        (folder / "tokenizer.json").unlink()
    elif how == "no report":
        (folder / selfcheck.REPORT_FILE).write_text("{")
    elif how == "rubbish":
        path = folder / "text.xml"
        path.write_bytes(b"?" * path.stat().st_size)
    else:
        path = folder / {"spec": "spec.json", "tokenizer": "tokenizer.json"}[how]
        path.write_text("?" * path.stat().st_size)
    loaded = encoder._load_best(converted_model)
    assert loaded.target == FP32
    assert np.allclose(loaded.embed_pictures(PICTURES), expected, atol=1e-5)


@pytest.mark.parametrize("how", ["other bytes", "zeros", "gone"])
def test_damage_that_is_noticed_late_is_repaired(
    how: str,
    converted_model: weights.Model,
    convert_in_process: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file of the same size, for the image tower, which is compiled at the first picture."""
    monkeypatch.setattr(weights, "current", lambda: converted_model)
    # A separate cache, so that the encoder shared by other tests is not affected.
    monkeypatch.setattr(encoder, "_encoders", {})
    loaded = encoder.current()
    expected = conversion.load(converted_model, FP32).embed_pictures(PICTURES)
    path = conversion.target_folder(converted_model, FP32) / "image.bin"
    if how == "gone":
        shutil.rmtree(path.parent)
    else:
        data = bytearray(path.read_bytes())
        half = len(data) // 4
        data[half:-half] = (
            b"\x00" * (len(data) - 2 * half) if how == "zeros" else os.urandom(len(data) - 2 * half)
        )
        path.unlink()  # this process has the old file mapped
        path.write_bytes(bytes(data))
    with pytest.raises(DamagedModel, match="being rebuilt"):
        loaded.embed_pictures(PICTURES)
    assert np.allclose(encoder.current().embed_pictures(PICTURES), expected, atol=1e-5)


def test_invalid_settings_leave_the_cache_intact(
    converted_model: weights.Model, settings: Any
) -> None:
    settings.CLIP_THREADS, settings.CLIP_BATCH = -5, -1
    loaded = encoder._load_best(converted_model)
    assert loaded.target == FP32
    assert loaded.batch == runtimes.CPU_BATCH
    assert conversion.find_passed_targets(converted_model, [FP32]) == [FP32]


def test_an_unwritable_cache_does_not_stop_the_model(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run_manage("prepare_model", MODEL_CACHE_DIR=str(tmp_path / "file"))
    assert done.returncode == 0, done.stderr
    assert "cannot be saved" in done.stdout
    assert "Traceback" not in done.stderr
    done = run_manage("prepare_model", CLIP_PRECISION="FP32")
    assert done.returncode == 1
    assert "CLIP_PRECISION is 'FP32'" in done.stderr


def test_the_cache_is_keyed_by_weights_libraries_and_processor(
    converted_model: weights.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {conversion.target_folder(converted_model, FP32)}
    other = weights.Model(
        "m", converted_model.folder, "other", ("en",), False, converted_model.width
    )
    folders.add(conversion.target_folder(other, FP32))
    folders.add(conversion.target_folder(converted_model, BF16))
    for gpu in ("one GPU", "another GPU"):
        monkeypatch.setattr(runtimes, "gpu_features", lambda gpu=gpu: gpu)
        folders.add(conversion.target_folder(converted_model, ON_GPU))
    monkeypatch.setattr(runtimes, "cpu_features", lambda: "another CPU")
    folders.add(conversion.target_folder(converted_model, FP32))
    monkeypatch.setattr(conversion.importlib.metadata, "version", lambda _name: "0.0")
    folders.add(conversion.target_folder(converted_model, FP32))
    assert len(folders) == 7


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux pins threads")
def test_inference_may_use_every_core() -> None:
    """Pinned threads of two workers would share the first core."""
    code = (
        "import os, django; django.setup(); from pathlib import Path; from PIL import Image;"
        "from gallery.clip import encoder; e = encoder.current();"
        "e.embed_text('a dog'); e.embed_pictures([Image.new('RGB', (64, 36))]);"
        "threads = [int(path.name) for path in Path('/proc/self/task').iterdir()];"
        "print(e.target, {len(os.sched_getaffinity(thread)) for thread in threads})"
    )
    own = {"CLIP_MODEL": project.CLIP_MODEL, "CLIP_PRECISION": "fp32", "CLIP_THREADS": "1"}
    process = run_python("-c", code, **own)
    assert process.returncode == 0, process.stderr
    assert process.stdout.strip() == f"openvino-cpu-fp32 {{{len(os.sched_getaffinity(0))}}}"


def test_a_process_converts_once_and_then_needs_no_torch(tmp_path: Path) -> None:
    """Of two processes that start at once, one converts, in a subprocess."""
    code = (
        "import sys, django; django.setup(); from gallery.clip import encoder;"
        "e = encoder.current(); e.embed_text('a dog'); from PIL import Image;"
        "e.embed_pictures([Image.new('RGB', (64, 36))]);"
        "print(e.target, sorted({'torch', 'transformers', 'openvino_telemetry'} & {"
        "name for name, module in sys.modules.items() if module}))"
    )
    own = {
        "CLIP_MODEL": project.CLIP_MODEL,
        "CLIP_PRECISION": "fp32",
        "MODEL_CACHE_DIR": str(tmp_path / "models"),
        "MEDIA_DIR": str(tmp_path / "media"),
    }
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _n: run_python("-c", code, **own), range(2)))
    for process in done:
        assert process.returncode == 0, process.stderr
        assert process.stdout.strip() == "openvino-cpu-fp32 []"
    assert len(list(tmp_path.glob("models/*/*/check.json"))) == 1
    assert not list(tmp_path.glob("models/*/.draft-*"))


def test_the_digest_of_large_weights_is_cached(
    tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "MIN_CACHED_DIGEST", 10)
    folder = tiny_clip(tmp_path / "m")
    path = folder / "model.safetensors"
    first = weights.describe("m", folder).fingerprint
    assert weights.describe("m", folder).fingerprint == first
    notes = list((cache_dir / "digests").iterdir())
    assert notes
    # A changed file of the same size has another digest; a damaged cache entry is ignored.
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    os.utime(path, ns=(1, 1))
    second = weights.describe("m", folder).fingerprint
    assert second != first
    for note in (cache_dir / "digests").iterdir():
        note.write_text("half")
    assert weights.describe("m", folder).fingerprint == second


# --- which targets --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "native_and_quantizer", "expected"),
    [
        ("auto", (True, True), ["int8", "bf16", "fp32"]),
        ("auto", (True, False), ["bf16", "fp32"]),
        ("auto", (False, False), ["fp32"]),
        ("int8", (True, True), ["int8", "bf16", "fp32"]),
        ("int8", (True, False), ["bf16", "fp32"]),
        ("bf16", (True, True), ["bf16", "fp32"]),
        ("bf16", (False, True), ["fp32"]),
        ("fp32", (True, True), ["fp32"]),
    ],
)
def test_targets(
    asked: str,
    native_and_quantizer: tuple[bool, bool],
    expected: list[str],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    native, quantizer = native_and_quantizer
    settings.CLIP_PRECISION = asked
    monkeypatch.setattr(runtimes, "computes_bf16", lambda: native)
    monkeypatch.setattr(conversion, "has_quantizer", lambda: quantizer)
    assert [target.precision for target in encoder.candidate_targets()] == expected


@pytest.mark.parametrize(("computes_bf16", "expected"), [(True, "bf16"), (False, "fp16")])
def test_older_gpus_compute_in_fp16(
    computes_bf16: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch reports bf16 for GPUs that only emulate it, unless it is asked for more."""
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(
        torch.cuda,
        "is_bf16_supported",
        lambda including_emulation=True: computes_bf16 or including_emulation,
    )
    assert runtimes.cuda_precision() == expected


def test_a_gpu_that_computes_wrong_fails_its_check(
    cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float32, too: the reference is computed on the CPU."""

    class WrongOnGPU(runtimes.TorchRuntime):
        def __init__(self, network: Any, device: str = "cpu", precision: str = "fp32") -> None:
            super().__init__(network, "cpu", precision)
            self._is_wrong = device == "cuda"

        def embed_pixels(self, pixels: Any) -> Any:
            features = super().embed_pixels(pixels)
            return features[:, ::-1] if self._is_wrong else features

    monkeypatch.setattr(conversion, "TorchRuntime", WrongOnGPU)
    monkeypatch.setattr(runtimes, "gpu_features", lambda: "a GPU")
    model = weights.describe("m", tiny_clip(tmp_path / "model"))
    assert conversion.prepare(model, [ON_GPU], ignore_progress) is None
    report = conversion.load_report(model, ON_GPU)
    assert report is not None
    assert not report.error
    assert report.min_cosine < 0.9


def test_threads_are_divided_among_workers(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "available_cores", lambda: 8)
    settings.CLIP_THREADS = 0
    for workers, threads in ((1, 8), (2, 4), (3, 2), (8, 1), (20, 1)):
        settings.WORKERS = workers
        assert runtimes.inference_threads() == threads
    settings.CLIP_THREADS = 3
    assert runtimes.inference_threads() == 3


# --- many threads ---------------------------------------------------------------------------------


def test_concurrent_threads_get_their_own_results(clip: Encoder) -> None:
    """Texts that are too long, and texts to be padded, from eight threads at once.

    With padding and truncation set at each call on one tokenizer, long texts came back uncut.
    """
    texts = [("a dog " * (60 if n % 3 == 0 else 1 + n % 5)).strip() for n in range(96)]
    batches = [texts[n : n + 1 + n % 4] for n in range(0, 92, 2)]
    expected = [clip.embed_texts(batch) for batch in batches]
    cut = [clip.is_truncated(text) for text in texts]
    assert cut[:4] == [True, False, False, True]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(clip.embed_texts, batches * 4))
        flags = list(pool.map(clip.is_truncated, texts * 4))
        pictures = list(pool.map(lambda one: clip.embed_pictures([one])[0], PICTURES * 4))
    for one, other in zip(found, expected * 4, strict=True):
        assert float(cosines(one, other).min()) >= 0.9999
    assert flags == cut * 4
    alone = [clip.embed_pictures([one])[0] for one in PICTURES]
    for one, other in zip(pictures, alone * 4, strict=True):
        assert float(one @ other) >= 0.9999


def test_siglip_2_reads_lower_case_padded_on_the_right(tmp_path: Path) -> None:
    """Tschannen et al., 2025: wrong padding or case ruins text vectors silently."""
    folder = tiny_siglip(tmp_path / "m")
    path = folder / "config.json"
    config = json.loads(path.read_text())
    # SigLIP 2 of fixed resolution has the towers of SigLIP, and its checkpoints say "siglip".
    from gallery.clip.network import Network, _serialize_tokenizer

    network = Network(weights.describe("m", folder))
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    fast = TextTokenizer(_serialize_tokenizer(tokenizer, "siglip", network.spec))
    ids, _mask = fast.encode(["DOG Cat"])
    length = config["text_config"]["max_position_embeddings"]
    words = tokenizer.convert_ids_to_tokens(ids[0].tolist())
    assert words == ["dog", "cat", "</s>", *["<pad>"] * (length - 3)]
    assert not network.spec.uses_mask
    long, _mask = fast.encode(["dog " * 40])
    assert long.shape == (1, length)
    assert tokenizer.convert_ids_to_tokens(long[0].tolist())[-1] == "</s>"
    assert fast.is_truncated("dog " * 40)
    assert not fast.is_truncated("dog")


def test_an_idle_image_tower_is_released_and_reloaded(
    converted_model: weights.Model, settings: Any
) -> None:
    settings.CLIP_IDLE_SECONDS = 0.3
    loaded = conversion.load(converted_model, FP32)
    assert isinstance(loaded.runtime, OpenVINORuntime)
    expected = loaded.embed_pictures(PICTURES)
    assert set(loaded.runtime._towers) == {"image.xml", "text.xml"}
    wait_for(lambda: set(loaded.runtime._towers) == {"text.xml"})
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _n: loaded.embed_pictures(PICTURES), range(40)):
            assert np.allclose(found, expected, atol=1e-5)
    settings.CLIP_IDLE_SECONDS = 0.0
    assert np.allclose(loaded.embed_pictures(PICTURES), expected, atol=1e-5)
