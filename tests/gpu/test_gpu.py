"""The model and the decoder on a GPU. These tests run only where there is one: `pytest -m gpu`."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings as project

from gallery.clip import conversion, encoder, runtimes, selfcheck, weights
from gallery.clip.runtimes import Target
from gallery.media import decoding, ffmpeg, probing
from gallery.media.types import Span
from tests.films import noise
from tests.networks import tiny_chinese_clip, tiny_clip, tiny_siglip

H264 = ("-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-g", "48")


@pytest.fixture(autouse=True)
def _gpu(settings: Any, tmp_path: Path) -> None:
    """Settings as in an installation with a GPU, and an empty cache of converted models."""
    settings.CLIP_DEVICE = "cuda"
    settings.CLIP_PRECISION = "auto"
    settings.CLIP_BATCH = 0
    settings.MODEL_CACHE_DIR = tmp_path / "models"
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def demo_model() -> weights.Model:
    """The demo model, whose weights are trained."""
    return weights.describe("demo", project.DEMO_MODEL_DIR)


def ignore_progress(_text: str) -> None:
    """Do nothing."""


def test_the_gpu_comes_first() -> None:
    first = encoder.candidate_targets()[0]
    assert (first.runtime, first.device) == ("torch", "cuda")
    assert first.precision in ("bf16", "fp16")
    assert runtimes.gpu_features()


@pytest.mark.parametrize("precision", ["bf16", "fp16", "fp32"])
def test_each_precision_agrees_with_the_cpu(precision: str, demo_model: weights.Model) -> None:
    target = Target("torch", "cuda", precision)
    assert conversion.prepare(demo_model, [target], ignore_progress) == target
    report = conversion.load_report(demo_model, target)
    assert report is not None
    assert report.is_passed
    assert report.pictures == selfcheck.MAX_FRAMES + selfcheck.GENERATED_PICTURES

    loaded, plain = conversion.load(demo_model, target), conversion.load_with_torch(demo_model)
    assert loaded.target == target
    pictures = [noise(n, (120, 68)) for n in range(loaded.batch + 3)]
    found, expected = loaded.embed_pictures(pictures), plain.embed_pictures(pictures)
    least = selfcheck.LIMITS[precision].min_cosine
    assert float(np.einsum("ij,ij->i", found, expected).min()) >= least


@pytest.mark.parametrize("make", [tiny_clip, tiny_siglip, tiny_chinese_clip])
def test_other_families_pass_their_check(make: Callable[[Path], Path], tmp_path: Path) -> None:
    model = weights.describe("m", make(tmp_path / "model"))
    target = encoder.candidate_targets()[0]
    assert conversion.prepare(model, [target], ignore_progress) == target


def test_threads_share_the_gpu(demo_model: weights.Model) -> None:
    loaded = conversion.load(demo_model, Target("torch", "cuda", "fp32"))
    batches = [[noise(n, (64, 64)), noise(n + 100, (64, 64))] for n in range(40)]
    expected = [loaded.embed_pictures(batch) for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(loaded.embed_pictures, batches))
    for one, other in zip(found, expected, strict=True):
        assert np.allclose(one, other, atol=1e-5)


@pytest.fixture
def _fresh_decoder() -> Iterator[None]:
    ffmpeg.hwaccel_arguments.cache_clear()
    yield
    ffmpeg.hwaccel_arguments.cache_clear()


@pytest.mark.usefixtures("_fresh_decoder")
def test_the_gpu_decodes_the_same_frames(make_video: Callable[..., Path], settings: Any) -> None:
    """H.264 defines each pixel, so the pictures are equal, too."""
    film = make_video("film.mp4", seconds=8, rate="24000/1001", codec=H264)
    found = probing.probe(film, project.MAX_FILM_PIXELS, 3600)
    decoded = []
    for method in ("none", "cuda"):
        settings.FFMPEG_HWACCEL = method
        ffmpeg.hwaccel_arguments.cache_clear()
        assert ffmpeg.hwaccel_arguments() == ([] if method == "none" else ["-hwaccel", "cuda"])
        with decoding.decode(
            film, found, Span(0, None), width=640, max_pixels=project.MAX_FILM_PIXELS, limit=60
        ) as running:
            frames = [(time, picture.tobytes()) for time, picture in running.pictures]
        assert running.complaints == ""
        decoded.append((frames, running.small.times.tolist(), running.small.pictures.tobytes()))
    assert decoded[0] == decoded[1]
