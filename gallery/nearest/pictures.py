"""Pictures that users search with: opened with suspicion, kept small, forgotten in time."""

import hashlib
import re
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import IO

import numpy as np
from django.conf import settings
from django.utils.translation import gettext as _
from PIL import Image, ImageOps, UnidentifiedImageError

from gallery.embedding import encoder, weights
from gallery.errors import QueryError
from gallery.media import borders
from gallery.media.storage import write_whole
from gallery.types import Picture, Vectors

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF")
KEPT_SIDE = 640  # pixels of the longer side; the model sees fewer
TOKEN = re.compile(r"[0-9a-f]{32}")


def open_picture(file: IO[bytes]) -> Picture:
    """Decode an untrusted picture: upright, RGB. Raises QueryError with a plain sentence.

    Pillow's `verify` passes truncated files; only decoding tells.
    """
    try:
        picture = Image.open(file, formats=FORMATS)
        width, height = picture.size
        if width * height > settings.MAX_PICTURE_PIXELS:
            raise QueryError(
                _("The picture is too large: %(width)d x %(height)d pixels. Please scale it down.")
                % {"width": width, "height": height}
            )
        picture.load()
        upright = ImageOps.exif_transpose(picture)
        return _flat(upright)
    except QueryError:
        raise
    except Image.DecompressionBombError as error:
        raise QueryError(_("The picture is too large. Please scale it down.")) from error
    except UnidentifiedImageError as error:
        raise QueryError(
            _("This is not a picture that can be read here. Use JPEG, PNG, WebP, GIF or AVIF.")
        ) from error
    except Exception as error:  # Pillow's decoders raise all sorts of things over broken files
        raise QueryError(_("The picture is damaged or incomplete.")) from error


def _flat(picture: Image.Image) -> Picture:
    """RGB, with what is transparent on white."""
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        ground = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(ground, layered).convert("RGB")
    return picture.convert("RGB")


def probe_path(token: str) -> Path:
    """Where a picture that was searched with is kept. Raises QueryError for a malformed token."""
    if not TOKEN.fullmatch(token):
        raise QueryError(_("This is not the address of a picture here."))
    path: Path = settings.MEDIA_ROOT / "probes" / f"{token}.jpg"
    return path


def keep(picture: Picture) -> str:
    """Keep a picture to search with; returns its token, for the address of the search.

    The token is made of the picture, so the same picture gives the same address.
    """
    small = picture.copy()
    small.thumbnail((KEPT_SIDE, KEPT_SIDE), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    small.save(buffer, "JPEG", quality=92)
    token = hashlib.sha256(buffer.getvalue()).hexdigest()[:32]
    write_whole(probe_path(token), lambda file: file.write(buffer.getvalue()))
    return token


def vectors(token: str) -> Vectors:
    """The embeddings of a kept picture as it may stand in a film: shape (variants, width), float32.

    Screenshots come with black bars, which are cut off, and mirrored. The first variant is the
    picture without bars, the second the same mirrored, and the third, where there seemed to be
    bars, the picture as it was given. Raises QueryError when the picture is gone.
    """
    path = probe_path(token)
    cached = path.with_suffix(f".{weights.current().fingerprint}.variants.npy")
    with suppress(OSError, ValueError):
        return np.asarray(np.load(cached), dtype=np.float32)
    try:
        with path.open("rb") as file:
            picture = open_picture(file)
    except FileNotFoundError as error:
        raise QueryError(
            _("The picture of this search is not kept any more. Please choose it again.")
        ) from error
    bare = borders.trimmed(picture)
    variants = [bare, ImageOps.mirror(bare)]
    if bare is not picture:
        variants.append(picture)
    found = encoder.current().pictures(variants)
    write_whole(cached, lambda file: np.save(file, found))
    return found
