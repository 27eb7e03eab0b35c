"""Decode one untrusted picture: a program for a separate process with limited memory.

    python picture_decoder.py MAX_PIXELS MAX_SIDE MAX_BYTES MAX_SECONDS < picture > answer

The answer is a line of JSON, `{"size": [width, height]}` or `{"error": ...}` with one of ERRORS,
followed by the RGB bytes of the picture, upright and scaled down. Nothing of the project is
imported, so that the process starts quickly and needs little memory.
`gallery.media.uploaded_pictures` runs it.
"""

import json
import resource
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import BytesIO
from typing import IO, Any

from PIL import Image, ImageCms, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF", "HEIF", "TIFF")
ERRORS = ("unknown format", "damaged", "too many pixels", "too much memory", "damaged or large")
# Memory of the greediest decoder, WebP's, per pixel, and of the program itself.
MAX_BYTES_PER_PIXEL, BASE_BYTES = 16, 100_000_000
MAX_STRIP_PIXELS = 1_000_000  # converted at a time
ORIENTATION_TAG = 0x0112  # EXIF

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class TooManyPixels(Exception):  # noqa: N818 - the name states the problem
    """A picture has more pixels than allowed; the arguments are its width and height."""


def open_untrusted(file: IO[bytes], max_pixels: int) -> Image.Image:
    """Open a picture without decoding it.

    Raises TooManyPixels, UnidentifiedImageError for unsupported formats, and whatever Pillow raises
    for damaged files.
    """
    import pi_heif  # type: ignore[import-untyped]

    # A single thread, because each has its own heap; embedded thumbnails are not needed.
    pi_heif.register_heif_opener(decode_threads=1, thumbnails=False)
    Image.MAX_IMAGE_PIXELS = None  # the limit is checked here
    picture = Image.open(file, formats=FORMATS)
    if picture.width * picture.height > max_pixels:
        raise TooManyPixels(*picture.size)
    return picture


def decode_picture(picture: Image.Image, max_side: int) -> Image.Image:
    """Return the first frame: upright, sRGB on white, no side longer than `max_side` pixels.

    Raises whatever Pillow's decoders raise for damaged pictures.
    """
    # JPEGs can be decoded at 1/2, 1/4 or 1/8 of their size.
    picture.draft(None, (2 * max_side, 2 * max_side))
    picture.load()
    # After loading, because some formats are turned upright by it.
    turn = _UPRIGHT.get(picture.getexif().get(ORIENTATION_TAG, 1))
    small = _to_srgb(_reduce(picture, 2 * max_side), picture.info.get("icc_profile"))
    small.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    return small.transpose(turn) if turn is not None else small


# --- any mode to a small RGB, L, CMYK or F picture ------------------------------------------------


def _reduce(picture: Image.Image, side: int) -> Image.Image:
    """Return the picture at about `side` pixels, in a mode that a colour profile applies to.

    Strips are converted, then averaged: the whole picture never exists in a second mode.
    """
    width, height = picture.size
    factor = max(1, max(width, height) // side)
    rows = factor * max(1, MAX_STRIP_PIXELS // (width * factor))
    small: Image.Image | None = None
    for top in range(0, height, rows):
        strip = _to_averageable_mode(picture.crop((0, top, width, min(height, top + rows))))
        strip = strip.reduce(factor) if factor > 1 else strip
        if small is None:
            small = Image.new(strip.mode, (strip.width, -(-height // factor)))
        small.paste(strip, (0, top // factor))
    assert small is not None
    if small.mode != "F":
        return small
    highest = float(small.getextrema()[1])  # type: ignore[arg-type]
    return _to_eight_bits(small, _white_level(picture.mode, highest))


def _to_averageable_mode(strip: Image.Image) -> Image.Image:
    """Return a strip in a mode whose pixels can be averaged; transparency is put on white."""
    if strip.mode.startswith(("I", "F")):
        return strip.convert("F")
    if strip.mode in ("La", "RGBa"):
        strip = strip.convert(strip.mode.upper())
    if strip.mode in ("RGBA", "LA", "PA") or "transparency" in strip.info:
        layered = strip.convert("RGBA")
        ground = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(ground, layered).convert("RGB")
    if strip.mode == "1":
        return strip.convert("L")
    return strip if strip.mode in ("L", "RGB", "CMYK") else strip.convert("RGB")


def _to_eight_bits(picture: Image.Image, white: float) -> Image.Image:
    return picture.point(lambda level: level * (255 / white) + 0.5).convert("L")


def _white_level(mode: str, highest: float) -> float:
    """Return the level of white. For 32-bit integers and floats it has to be guessed."""
    if mode.startswith("I;16"):
        return 65_535.0
    if mode == "F" and highest <= 1:
        return 1.0
    return next((level for level in (255.0, 65_535.0) if highest <= level), highest)


def _to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    if profile:
        # Profiles that are damaged or for another mode are ignored, as in browsers.
        with suppress(ImageCms.PyCMSError, OSError, ValueError):
            given = ImageCms.ImageCmsProfile(BytesIO(profile))
            srgb = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(picture, given, srgb, outputMode="RGB")
            if converted is not None:
                return converted
    return picture.convert("RGB")


# --- the program ----------------------------------------------------------------------------------


def _limit_resources(max_bytes: int, max_seconds: int) -> None:
    for kind, limit in ((resource.RLIMIT_AS, max_bytes), (resource.RLIMIT_CPU, max_seconds)):
        # macOS has no memory limit; there only the number of pixels is limited.
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (limit, limit))


def main(arguments: Sequence[str]) -> None:
    """Decode standard input and write the answer to standard output."""
    max_pixels, max_side, max_bytes, max_seconds = map(int, arguments)
    _limit_resources(max_bytes, max_seconds)
    answer: dict[str, Any]
    claimed: int | None
    pixels, claimed = b"", None
    try:
        picture = open_untrusted(sys.stdin.buffer, max_pixels)
        claimed = picture.width * picture.height
        picture = decode_picture(picture, max_side)
        answer, pixels = {"size": picture.size}, picture.tobytes()
    except TooManyPixels as error:
        answer = {"error": "too many pixels", "size": error.args}
    except UnidentifiedImageError:
        answer = {"error": "unknown format"}
    except MemoryError:
        answer = {"error": "too much memory"}
    except Exception as error:  # Pillow's decoders raise all sorts of errors for broken files
        # Some decoders report damage when they run out of memory; WebP's allocates on opening.
        may_be_large = claimed is None or claimed * MAX_BYTES_PER_PIXEL > max_bytes - BASE_BYTES
        kind = "damaged or large" if may_be_large else "damaged"
        answer = {"error": kind, "reason": repr(error)[:300]}
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + pixels)


if __name__ == "__main__":
    main(sys.argv[1:])
