"""Model selection, downloads, and an unresponsive hub."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from gallery.clip import weights
from gallery.core import model_hub
from gallery.core.errors import ModelError
from tests.hub import serving_hub, silent_hub
from tests.networks import tiny_clip
from tests.processes import find_free_port, run_manage, run_python

HUB_ID = "somebody/tiny-clip"


@pytest.fixture
def forget_model() -> Iterator[None]:
    """Reset the model of this process before and after."""
    weights.configured.cache_clear()
    yield
    weights.configured.cache_clear()


def fetch(endpoint: str, home: Path, *, name: str = HUB_ID) -> tuple[int, str, float]:
    """Run `manage.py fetch_model` with a local hub: exit code, output, seconds."""
    started_at = time.monotonic()
    done = run_manage(
        "fetch_model",
        HF_ENDPOINT=endpoint, HF_HOME=str(home), HF_HUB_OFFLINE="0", CLIP_MODEL=name,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr, time.monotonic() - started_at


def measure_start() -> float:
    """The seconds that manage.py takes to start."""
    started_at = time.monotonic()
    run_manage("check")
    return time.monotonic() - started_at


# --- the fingerprint ------------------------------------------------------------------------------


def test_the_fingerprint_changes_with_everything_that_changes_vectors(
    tmp_path: Path, settings: Any
) -> None:
    folder = tiny_clip(tmp_path / "m")
    seen = [weights.describe("m", folder).fingerprint]
    assert weights.describe("other name", folder).fingerprint == seen[0]
    tensors = load_file(folder / "model.safetensors")
    tensors["visual_projection.weight"][0, 0] += 1
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    seen.append(weights.describe("m", folder).fingerprint)
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"resample": 2}))
    seen.append(weights.describe("m", folder).fingerprint)
    for edges in ("pad", "tiles"):
        settings.CLIP_EDGES = edges
        seen.append(weights.describe("m", folder).fingerprint)
    assert len(set(seen)) == 5
    assert all(len(one) == 12 for one in seen)


def test_model_descriptions(tmp_path: Path) -> None:
    plain = weights.describe("m", tiny_clip(tmp_path / "a"))
    assert (plain.languages, plain.is_demo, plain.width, plain.reads_chinese) == (
        ("en",), False, 24, False,
    )  # fmt: skip
    ours = weights.describe("m", tiny_clip(tmp_path / "b", languages=["en", "zh"], demo=True))
    assert (ours.languages, ours.is_demo, ours.reads_chinese) == (("en", "zh"), True, True)


@pytest.mark.parametrize(("vocabulary", "reads"), [(32_000, False), (256_000, True)])
def test_siglip_2_reads_chinese(vocabulary: int, reads: bool, tmp_path: Path) -> None:
    """google/siglip2-base-patch32-256 and similar have model_type siglip, and 256,000 tokens."""
    config = {"model_type": "siglip", "text_config": {"vocab_size": vocabulary}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert weights.describe("m", tmp_path).reads_chinese is reads


def test_describing_a_model_does_not_import_torch() -> None:
    done = run_python(
        "-c",
        "import sys, django; django.setup(); from gallery.clip import weights;"
        "weights.current(); print('torch' in sys.modules)",
    )
    assert done.stdout.strip() == "False", done.stderr


# --- model selection ------------------------------------------------------------------------------


def test_a_folder_is_used_as_it_is(tmp_path: Path, settings: Any, forget_model: None) -> None:
    settings.CLIP_MODEL = str(tiny_clip(tmp_path / "mine"))
    assert weights.current().folder == tmp_path / "mine"
    assert weights.current().name == settings.CLIP_MODEL


def test_a_folder_without_a_model_is_reported(
    tmp_path: Path, settings: Any, forget_model: None
) -> None:
    settings.CLIP_MODEL = str(tmp_path)
    with pytest.raises(ModelError, match=r"has no config\.json"):
        weights.current()
    code, output, _ = fetch("http://127.0.0.1:1", tmp_path, name=str(tmp_path))
    assert code == 1
    assert "has no config.json" in output


def test_without_its_files_the_demo_model_is_the_fallback(
    settings: Any, forget_model: None
) -> None:
    settings.CLIP_MODEL = "nobody/has-this-model"
    settings.DEMO_MODEL_DIR = settings.BASE_DIR / "demo" / "model"
    assert weights.local_folder("nobody/has-this-model") is None
    model = weights.current()
    assert (model.name, model.is_demo, model.reads_chinese) == ("demo", True, True)


# --- the hub --------------------------------------------------------------------------------------


def test_a_silent_hub_times_out(tmp_path: Path) -> None:
    idle = measure_start()
    with silent_hub() as endpoint:
        code, output, took = fetch(endpoint, tmp_path)
    assert code == 0
    assert "The model hub did not respond within 3 seconds" in output
    assert "Using the small demo model" in output
    assert took < model_hub.HUB_TIMEOUT + 2 * idle + 2


def test_a_refusing_hub_fails_at_once(tmp_path: Path) -> None:
    idle = measure_start()
    code, output, took = fetch(f"http://127.0.0.1:{find_free_port()}", tmp_path)
    assert code == 0
    assert "Using the small demo model" in output
    assert took < 2 * idle + 2


def test_a_model_is_downloaded_once_and_then_used(tmp_path: Path) -> None:
    folder = tiny_clip(tmp_path / "source")
    (folder / "flax_model.msgpack").write_bytes(bytes(1000))
    (folder / "README.md").write_text("a model")
    home = tmp_path / "home"
    with serving_hub(HUB_ID, folder) as (endpoint, fetched):
        code, output, _ = fetch(endpoint, home)
        assert code == 0, output
        assert f"Downloading {HUB_ID}. This happens only once." in output
        assert "demo model" not in output
        assert {"model.safetensors", "config.json", "tokenizer.json"} <= set(fetched)
        assert "flax_model.msgpack" not in fetched
        fetched.clear()
        code, output, _ = fetch(endpoint, home)
        assert (code, fetched) == (0, [])
        assert f"Model: {HUB_ID}, from {home}" in output
    done = run_python(
        "-c",
        "import django; django.setup(); from gallery.clip import encoder;"
        "e = encoder.current(); print(e.model.name, e.model.width, e.embed_text('a dog').shape)",
        HF_HOME=str(home), CLIP_MODEL=HUB_ID,
    )  # fmt: skip
    assert done.stdout.strip() == f"{HUB_ID} 24 (24,)", done.stderr


def test_a_model_without_weights_is_refused(tmp_path: Path) -> None:
    folder = tiny_clip(tmp_path / "source")
    (folder / "model.safetensors").unlink()
    with serving_hub(HUB_ID, folder) as (endpoint, _fetched):
        code, output, _ = fetch(endpoint, tmp_path / "home")
    assert code == 0
    assert "has no usable weights" in output
    assert "Using the small demo model" in output


def test_an_unknown_model_is_reported(tmp_path: Path) -> None:
    with serving_hub("else/where", tiny_clip(tmp_path / "source")) as (endpoint, _fetched):
        code, output, _ = fetch(endpoint, tmp_path / "home")
    assert code == 0
    assert f"Could not download {HUB_ID}" in output


def test_a_partial_download_is_not_a_model(tmp_path: Path) -> None:
    """The cache has the configuration but no weights: the demo model is the fallback."""
    folder = tiny_clip(tmp_path / "source")
    home = tmp_path / "home"
    with serving_hub(HUB_ID, folder) as (endpoint, _fetched):
        assert fetch(endpoint, home)[0] == 0
    (snapshot,) = (home / "hub").glob("models--*/snapshots/*")
    (snapshot / "model.safetensors").unlink()
    code, output, _ = fetch(f"http://127.0.0.1:{find_free_port()}", home)
    assert code == 0
    assert "is not on this disk" in output
    shutil.rmtree(home)
