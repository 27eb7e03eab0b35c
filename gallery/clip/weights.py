"""Which model this installation uses, where its files are, and how they are downloaded.

Knows the hub and the disk, but neither torch nor transformers: views import it for names.
"""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from gallery.core import model_hub
from gallery.core.errors import GalleryError, ModelError
from gallery.media.store import write_atomically

MIN_CACHED_DIGEST = 10_000_000  # bytes; smaller files hash in no time
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
# Families that read Chinese; a plain "clip" does when its configuration says so.
MIN_MULTILINGUAL_VOCABULARY = 200_000  # tokens
MULTILINGUAL_FAMILIES = ("chinese_clip", "altclip", "siglip2")


@dataclass(frozen=True, slots=True)
class Model:
    """A model on this disk. `fingerprint` changes whenever its vectors would."""

    name: str
    folder: Path
    fingerprint: str
    languages: tuple[str, ...]
    is_demo: bool
    width: int

    @property
    def reads_chinese(self) -> bool:
        """Return whether the model understands Chinese."""
        return "zh" in self.languages


def _cached_folder(hub_id: str) -> Path | None:
    """Return the local copy of a hub model, complete with weights, or None."""
    found = (model_hub.cached_folder(hub_id, ("config.json", name)) for name in WEIGHT_FILES)
    return next((folder for folder in found if folder is not None), None)


def local_folder(name: str) -> Path | None:
    """Return the folder of `name` (a hub id or a folder) on this disk, or None.

    Raises ModelError when `name` is a folder that holds no model.
    """
    if not model_hub.is_folder(name):
        return _cached_folder(name)
    folder = Path(name).expanduser()
    if not (folder / "config.json").is_file():
        raise ModelError(
            _("CLIP_MODEL points to %(folder)s, but that folder has no config.json.")
            % {"folder": folder}
        )
    return folder


def download(hub_id: str) -> Path:
    """Download a model into the local cache, with progress bars on the terminal.

    Raises ModelError when the hub does not have it or the download fails.
    """

    def choose(names: Sequence[str]) -> list[str]:
        weights = next((name for name in WEIGHT_FILES if name in names), None)
        return ["*.json", "*.txt", "*.model", weights] if weights else []

    return model_hub.download(hub_id, choose)


def _embedding_width(config: dict[str, Any]) -> int:
    """Return how many numbers an embedding has."""
    text = config.get("text_config") or {}
    return int(
        config.get("projection_dim")
        or text.get("projection_size")
        or text.get("hidden_size")
        or 512
    )


def _file_digest(path: Path) -> bytes:
    """Return the SHA-256 of a file; that of a large file is cached until it changes.

    Hashing the weights of a ViT-B/16 takes half a second, at each start of each process.
    """
    stat = path.stat()
    identity = f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns} {stat.st_ino}"
    cached = (
        settings.MODEL_CACHE_DIR / "digests" / hashlib.sha256(identity.encode()).hexdigest()[:32]
    )
    if stat.st_size > MIN_CACHED_DIGEST:
        with suppress(OSError, ValueError):
            digest = bytes.fromhex(cached.read_text("ascii"))
            if len(digest) == hashlib.sha256().digest_size:
                return digest
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256")
    if stat.st_size > MIN_CACHED_DIGEST:
        with suppress(OSError, GalleryError):
            write_atomically(cached, lambda file: file.write(found.hexdigest().encode()))
    return found.digest()


def describe(name: str, folder: Path) -> Model:
    """Read the properties of the model in `folder` without loading it."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    digest = hashlib.sha256(settings.CLIP_EDGES.encode())
    for file_name in ("config.json", "preprocessor_config.json", *WEIGHT_FILES):
        path = folder / file_name
        if path.is_file():
            digest.update(_file_digest(path))
    vocabulary = int((config.get("text_config") or {}).get("vocab_size") or 0)
    multilingual = (
        config.get("model_type") in MULTILINGUAL_FAMILIES
        # Fixed-resolution SigLIP 2 reports model_type siglip, but has a larger vocabulary.
        or (config.get("model_type") == "siglip" and vocabulary >= MIN_MULTILINGUAL_VOCABULARY)
    )
    return Model(
        name=name,
        folder=folder,
        fingerprint=digest.hexdigest()[:12],
        languages=tuple(config.get("languages", ("en", "zh") if multilingual else ("en",))),
        is_demo=bool(config.get("demo", False)),
        width=_embedding_width(config),
    )


@cache
def current() -> Model:
    """Return the model of this process: CLIP_MODEL if its files are local, else the demo model.

    It never downloads: `manage.py fetch_model` does, which `make run` calls first. Raises
    ModelError when CLIP_MODEL is a folder without a model.
    """
    folder = local_folder(settings.CLIP_MODEL)
    if folder is None:
        return describe("demo", settings.DEMO_MODEL_DIR)
    name = settings.CLIP_MODEL
    described = describe(name, folder)
    return described if not described.is_demo else describe("demo", folder)
