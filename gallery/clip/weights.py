"""Which model this installation runs on, where its files lie, and how they get there.

Knows the hub and the disk, but neither torch nor transformers: the web pages ask it for names.
"""

import hashlib
import json
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from gallery.core.errors import GalleryError, ModelError
from gallery.media.store import write_atomically

HUB_PATIENCE = 3.0  # seconds; left to itself, the hub's client waits over 15 minutes for a dead hub
MIN_REMEMBERED = 10_000_000  # bytes; hashing less takes no time
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
# Families whose text tower reads Chinese; a plain "clip" does when its configuration says so.
MULTILINGUAL_VOCABULARY = 200_000  # tokens, at least
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
        """Whether Chinese queries mean anything to it."""
        return "zh" in self.languages


def _is_folder(name: str) -> bool:
    return name.startswith((".", "/", "~")) or Path(name).is_dir()


def _cached_folder(hub_id: str) -> Path | None:
    """The local copy of a hub's model, complete with weights, or None."""
    from huggingface_hub import try_to_load_from_cache

    for weights in WEIGHT_FILES:
        found = try_to_load_from_cache(hub_id, weights)
        config = try_to_load_from_cache(hub_id, "config.json")
        if isinstance(found, str) and isinstance(config, str):
            return Path(found).parent
    return None


def local_folder(name: str) -> Path | None:
    """Where the files of `name` (a hub id or a folder) lie on this disk, or None.

    Raises ModelError when `name` is a folder that holds no model.
    """
    if not _is_folder(name):
        return _cached_folder(name)
    folder = Path(name).expanduser()
    if not (folder / "config.json").is_file():
        raise ModelError(
            _("CLIP_MODEL points to %(folder)s, but that folder has no config.json.")
            % {"folder": folder}
        )
    return folder


def is_hub_reachable() -> bool:
    """Whether the model hub answers within HUB_PATIENCE seconds."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    request = urllib.request.Request(constants.ENDPOINT, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=HUB_PATIENCE):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False


def download(hub_id: str) -> Path:
    """Fetch a model into the local cache, with progress bars on the terminal.

    Raises ModelError when the hub does not have it or breaks off.
    """
    from huggingface_hub import HfApi, snapshot_download

    try:
        names = HfApi().list_repo_files(hub_id)
        weights = next((name for name in WEIGHT_FILES if name in names), None)
        if weights is None:
            raise ModelError(_("%(model)s has no usable weights.") % {"model": hub_id})
        return Path(
            snapshot_download(hub_id, allow_patterns=["*.json", "*.txt", "*.model", weights])
        )
    except ModelError:
        raise
    except Exception as error:  # the hub's client raises many unrelated kinds
        raise ModelError(
            _("Could not download %(model)s: %(reason)s")
            % {"model": hub_id, "reason": str(error).partition("\n")[0]}
        ) from error


def _width(config: dict[str, Any]) -> int:
    """How many numbers an embedding has."""
    text = config.get("text_config") or {}
    return int(
        config.get("projection_dim")
        or text.get("projection_size")
        or text.get("hidden_size")
        or 512
    )


def _file_digest(path: Path) -> bytes:
    """The SHA-256 of a file; that of a large one is remembered, for as long as it is not changed.

    Hashing the weights of a ViT-B/16 takes half a second, at each start of each process.
    """
    stat = path.stat()
    known = f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns} {stat.st_ino}"
    note = settings.MODEL_CACHE_DIR / "digests" / hashlib.sha256(known.encode()).hexdigest()[:32]
    if stat.st_size > MIN_REMEMBERED:
        with suppress(OSError, ValueError):
            kept = bytes.fromhex(note.read_text("ascii"))
            if len(kept) == hashlib.sha256().digest_size:
                return kept
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256")
    if stat.st_size > MIN_REMEMBERED:
        with suppress(OSError, GalleryError):
            write_atomically(note, lambda file: file.write(found.hexdigest().encode()))
    return found.digest()


def describe(name: str, folder: Path) -> Model:
    """Read what there is to know of the model in `folder` without loading it."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    digest = hashlib.sha256(settings.CLIP_EDGES.encode())
    for file_name in ("config.json", "preprocessor_config.json", *WEIGHT_FILES):
        path = folder / file_name
        if path.is_file():
            digest.update(_file_digest(path))
    vocabulary = int((config.get("text_config") or {}).get("vocab_size") or 0)
    multilingual = (
        config.get("model_type") in MULTILINGUAL_FAMILIES
        # SigLIP 2 of fixed resolution says that it is SigLIP; its vocabulary tells.
        or (config.get("model_type") == "siglip" and vocabulary >= MULTILINGUAL_VOCABULARY)
    )
    return Model(
        name=name,
        folder=folder,
        fingerprint=digest.hexdigest()[:12],
        languages=tuple(config.get("languages", ("en", "zh") if multilingual else ("en",))),
        is_demo=bool(config.get("demo", False)),
        width=_width(config),
    )


@cache
def current() -> Model:
    """The model that this process uses: CLIP_MODEL where its files are here, else the demo model.

    It never downloads: `manage.py fetch_model` does, which `make run` calls first. Raises
    ModelError when CLIP_MODEL is a folder without a model.
    """
    folder = local_folder(settings.CLIP_MODEL)
    if folder is None:
        return describe("demo", settings.DEMO_MODEL_DIR)
    name = settings.CLIP_MODEL
    described = describe(name, folder)
    return described if not described.is_demo else describe("demo", folder)
