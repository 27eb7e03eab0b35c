"""Finds the model that embeds and searches, and downloads its files.

Does not import torch or transformers, because views import this module.

CLIP_MODEL names the model until another one is chosen with `manage.py reembed MODEL`; from then on,
the rows of `EmbeddingModel` define the active one. Each request, task and command runs in `use`,
which pins one model throughout, even if another becomes active meanwhile.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.translation import gettext as _

from gallery.core import model_hub
from gallery.core.errors import GalleryError, ModelError
from gallery.media.store import write_atomically

if TYPE_CHECKING:
    from gallery.clip.models import EmbeddingModel

log = logging.getLogger(__name__)

DEMO_NAME = "demo"
MIN_CACHED_DIGEST = 10_000_000  # bytes; smaller files hash in no time
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
# Families that read Chinese; a plain "clip" does when its configuration says so.
MIN_MULTILINGUAL_VOCABULARY = 200_000  # tokens
MULTILINGUAL_FAMILIES = ("chinese_clip", "altclip", "siglip2")


@dataclass(frozen=True, slots=True)
class Model:
    """A model on this disk. `fingerprint` changes whenever its vectors would.

    `edges`: how pictures that are not square are fitted, see CLIP_EDGES.
    """

    name: str
    folder: Path
    fingerprint: str
    languages: tuple[str, ...]
    is_demo: bool
    width: int
    edges: str = "squash"

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
            _("There is no model in %(folder)s: that folder has no config.json.")
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


def describe(name: str, folder: Path, edges: str = "") -> Model:
    """Read the properties of the model in `folder` without loading it.

    `edges`: as in `Model`; CLIP_EDGES by default. Raises ModelError if its config.json is damaged.
    """
    edges = edges or settings.CLIP_EDGES
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(
            _("The config.json of %(folder)s is damaged: copy or download the model again.")
            % {"folder": folder}
        ) from error
    digest = hashlib.sha256(edges.encode())
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
        edges=edges,
    )


# --- CLIP_MODEL -----------------------------------------------------------------------------------


@cache
def configured() -> Model:
    """Return the model of the settings: CLIP_MODEL if its files are local, else the demo model.

    It never downloads: `manage.py fetch_model` does, which `make run` calls first. Raises
    ModelError when CLIP_MODEL is a folder without a model.
    """
    folder = local_folder(settings.CLIP_MODEL)
    if folder is None:
        return describe(DEMO_NAME, settings.DEMO_MODEL_DIR)
    name = settings.CLIP_MODEL
    described = describe(name, folder)
    return described if not described.is_demo else describe(DEMO_NAME, folder)


# --- the models chosen with `manage.py reembed` ---------------------------------------------------


class _Choice:
    """The model of a request, a task or a command; None until it is first used."""

    def __init__(self, model: Model | None) -> None:
        self.model = model


_choice: ContextVar[_Choice | None] = ContextVar("model", default=None)


@contextmanager
def use(model: Model | None = None) -> Iterator[None]:
    """Use one model within the context: `model`, or the one that is active at its first use."""
    token = _choice.set(_Choice(model))
    try:
        yield
    finally:
        _choice.reset(token)


def current() -> Model:
    """Return the model of the enclosing `use`, or the one in the settings.

    Raises ModelError if its files are not on this disk.
    """
    choice = _choice.get()
    if choice is None:
        return configured()
    if choice.model is None:
        choice.model = active()
    return choice.model


def active() -> Model:
    """Return the model that searches use now. Raises ModelError as `resolve` does."""
    from gallery.clip.models import EmbeddingModel

    row = EmbeddingModel.objects.filter(state=EmbeddingModel.State.ACTIVE).first()
    return configured() if row is None else resolve(row)


def kept_rows() -> "list[EmbeddingModel]":
    """Return the models whose indexes are kept up to date, the active one first.

    Empty if only CLIP_MODEL was ever used.
    """
    from gallery.clip.models import EmbeddingModel

    states = EmbeddingModel.State
    rows = EmbeddingModel.objects.exclude(state=states.DISCARDED).order_by("pk")
    return sorted(rows, key=lambda row: row.state != states.ACTIVE)


def describe_difference() -> str:
    """Return a warning that CLIP_MODEL is not the active model; "" if it is."""
    rows = kept_rows()
    if not rows or rows[0].fingerprint == configured().fingerprint:
        return ""
    return _(
        "CLIP_MODEL is %(setting)s, but searches and imports use %(active)s, which was chosen with "
        "manage.py reembed. Set CLIP_MODEL to it, or run manage.py reembed to move to CLIP_MODEL."
    ) % {"setting": settings.CLIP_MODEL, "active": rows[0].name}


def kept() -> list[Model]:
    """Return the models whose indexes are kept up to date, the active one first.

    The other one is left out if its files are not on this disk (see `EmbeddingModel.error`). Raises
    ModelError if those of the active one are not.
    """
    found = [active()]
    for row in kept_rows()[1:]:
        try:
            found.append(resolve(row))
        except ModelError as error:
            log.info("%s", error)
    return found


def kept_fingerprints() -> set[str]:
    """Return the fingerprints of `kept`, even of models without files on this disk."""
    return {row.fingerprint for row in kept_rows()} or {configured().fingerprint}


def resolve(row: "EmbeddingModel") -> Model:
    """Return the model of a row.

    Raises ModelError if its files are not on this disk or have changed.
    """
    return _resolve(row.fingerprint, row.name, row.edges)


def download_and_resolve(row: "EmbeddingModel") -> Model:
    """Return the model of a row like `resolve`, downloading it if it is not on this disk."""
    is_on_hub = row.name != DEMO_NAME and not model_hub.is_folder(row.name)
    if is_on_hub and local_folder(row.name) is None:
        download(row.name)
    return resolve(row)


@cache
def _resolve(fingerprint: str, name: str, edges: str) -> Model:
    folder = settings.DEMO_MODEL_DIR if name == DEMO_NAME else local_folder(name)
    if folder is None:
        raise ModelError(
            _(
                "The library uses the model %(name)s, which is not on this machine. Run "
                "manage.py fetch_model %(name)s here."
            )
            % {"name": name}
        )
    found = describe(name, folder, edges)
    if found.fingerprint != fingerprint:
        raise ModelError(
            _(
                "The files of the model %(name)s have changed since films were embedded with it "
                "(fingerprint %(before)s, now %(now)s). Restore them, or choose the new ones "
                "with manage.py reembed."
            )
            % {"name": name, "before": fingerprint, "now": found.fingerprint}
        )
    return found
