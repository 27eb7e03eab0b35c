"""Uploaded pictures to search with: stored small, embedded once, removed after a time."""

import hashlib
import re
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
from django.conf import settings
from django.utils.translation import gettext as _
from PIL import Image, ImageOps

from gallery.clip import encoder, weights
from gallery.clip.types import Vectors
from gallery.core.errors import QueryError
from gallery.media import borders
from gallery.media.store import write_within_limit
from gallery.media.types import Picture
from gallery.media.uploaded_pictures import MAX_SIDE, open_picture

__all__ = ["open_picture", "picture_path", "store_picture", "vectors"]

TOKEN = re.compile(r"[0-9a-f]{32}")


def picture_path(token: str) -> Path:
    """Return the path of a stored picture. Raises QueryError for a malformed token."""
    if not TOKEN.fullmatch(token):
        raise QueryError(_("This is not the address of a picture on this site."))
    path: Path = settings.MEDIA_ROOT / "probes" / f"{token}.jpg"
    return path


def store_picture(picture: Picture) -> str:
    """Store a picture to search with and return its token, which goes into the search's address.

    The token is a hash of the picture: the same picture gives the same address.
    """
    small = picture.copy()
    small.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    small.save(buffer, "JPEG", quality=92)
    token = hashlib.sha256(buffer.getvalue()).hexdigest()[:32]
    _write(picture_path(token), buffer)
    return token


def vectors(token: str) -> Vectors:
    """Return the embeddings of a stored picture's variants: shape (variants, width), float32.

    A screenshot may have black bars or be mirrored. The variants are the picture without bars, the
    same mirrored and, if bars were found, the picture as uploaded. Raises QueryError when the
    picture has been removed.
    """
    path = picture_path(token)
    cached = path.with_suffix(f".{weights.current().fingerprint}.variants.npy")
    with suppress(OSError, ValueError):
        return np.asarray(np.load(cached), dtype=np.float32)
    try:
        with Image.open(path, formats=("JPEG",)) as kept:
            picture: Picture = kept.convert("RGB")
    except FileNotFoundError as error:
        raise QueryError(
            _("The picture used in this search has expired. Please choose it again.")
        ) from error
    trimmed = borders.trim_borders(picture)
    variants = [trimmed, ImageOps.mirror(trimmed)]
    if trimmed is not picture:
        variants.append(picture)
    found = encoder.current().embed_pictures(variants)
    buffer = BytesIO()
    np.save(buffer, found)
    _write(cached, buffer)
    return found


def _write(path: Path, buffer: BytesIO) -> None:
    """Write a file to the picture folder, within its size limit. Raises DiskFull."""
    folder = settings.MEDIA_ROOT / "probes"
    write_within_limit(folder, settings.PICTURE_CACHE_BYTES, path, buffer.getvalue())
