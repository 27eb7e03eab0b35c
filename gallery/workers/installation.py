"""Reads and writes what all machines must agree on: media store, model, precision and version."""

import secrets
from functools import cache
from pathlib import Path

from django.conf import settings

from gallery.clip import weights
from gallery.workers.models import Installation

ROW_ID = 1  # the id of the row
# Precisions whose vectors may share an index: see `clip.selfcheck`.
FLOATING_POINT = {"fp32", "bf16", "fp16"}


def store_id_file() -> Path:
    """Return the path of the file that contains the id of the media store."""
    return Path(settings.MEDIA_ROOT) / "store-id"


def read_store_id() -> str:
    """Return the id of the media store, or "" if it has none."""
    try:
        return store_id_file().read_text("ascii").strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def load() -> Installation | None:
    """Return the row, or None before the first setup."""
    return Installation.objects.filter(pk=ROW_ID).first()


def register() -> Installation:
    """Store this machine's media store, model and version as those of the installation.

    Clears the precision, so that the next worker decides it. Raises ModelError and OSError.
    """
    model = weights.current()
    here = {
        "version": settings.VERSION,
        "model": model.fingerprint,
        "model_name": model.name,
        "precision": "",
    }
    row, _is_new = Installation.objects.update_or_create(
        pk=ROW_ID, defaults=here, create_defaults={**here, "store_id": _new_store_id()}
    )
    if read_store_id() != row.store_id:
        _write_store_id(row.store_id)
    return row


def _write_store_id(store_id: str) -> None:
    """Write the file, even if the disk is nearly full, because it is tiny."""
    path = store_id_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(".draft-store-id")
    draft.write_text(store_id, "ascii")
    draft.replace(path)


def _new_store_id() -> str:
    return read_store_id() or secrets.token_hex(8)


def has_this_model() -> bool:
    """Return whether this process uses the installation's model. Raises ModelError."""
    row = load()
    if row is None or is_model_chosen():
        return True
    return row.model == weights.current().fingerprint


def is_model_chosen() -> bool:
    """Return whether the model was chosen with `manage.py reembed`.

    Every task then uses that model instead of CLIP_MODEL: see `gallery.clip.weights`.
    """
    return bool(weights.kept_rows())


def use_model() -> None:
    """Store this machine's model as that of the installation. Raises ModelError."""
    model = weights.current()
    Installation.objects.filter(pk=ROW_ID).update(
        model=model.fingerprint, model_name=model.name, precision=""
    )


@cache
def record_precision(precision: str) -> None:
    """Store the precision of the first worker that embeds frames; once per process."""
    Installation.objects.filter(pk=ROW_ID, precision="").update(precision=precision)


def is_same_class(one: str, other: str) -> bool:
    """Return whether vectors of two precisions are similar enough to share an index."""
    return one == other or {one, other} <= FLOATING_POINT
