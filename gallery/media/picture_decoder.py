"""Decodes one untrusted picture: a program for a process of its own, with limited memory.

    python picture_decoder.py MAX_PIXELS MAX_SIDE MAX_BYTES MAX_SECONDS < picture > answer

The answer is a line of JSON, `{"size": [width, height]}` or `{"error": ...}` with one of ERRORS,
and then the RGB bytes of the picture, upright and scaled down. Nothing of the project is imported,
so that the process starts quickly and needs little memory. `gallery.media.pictures` runs it.
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
# What the greediest decoder, WebP's, takes for each pixel, and what the program takes itself.
MAX_BYTES_PER_PIXEL, OWN_BYTES = 16, 100_000_000
STRIP_PIXELS = 1_000_000  # converted at once
ORIENTATION = 0x0112  # the EXIF tag

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class TooManyPixels(Exception):  # noqa: N818 - the name says what is the matter
    """A picture has more pixels than allowed; the arguments are its width and height."""


def open_untrusted(file: IO[bytes], max_pixels: int) -> Image.Image:
    """A picture that is not decoded yet.

    Raises TooManyPixels, UnidentifiedImageError for other kinds of files, and whatever Pillow
    raises for damaged ones.
    """
    import pi_heif  # type: ignore[import-untyped]

    # One thread, because each has its own heap; the thumbnail in a file is not needed.
    pi_heif.register_heif_opener(decode_threads=1, thumbnails=False)
    Image.MAX_IMAGE_PIXELS = None  # the limit is checked here
    picture = Image.open(file, formats=FORMATS)
    if picture.width * picture.height > max_pixels:
        raise TooManyPixels(*picture.size)
    return picture


def decode_picture(picture: Image.Image, max_side: int) -> Image.Image:
    """The first frame of a picture: upright, sRGB on white, no side longer than `max_side` pixels.

    Raises whatever Pillow's decoders raise for damaged pictures.
    """
    # A JPEG can be decoded at a half, a quarter or an eighth of its size.
    picture.draft(None, (2 * max_side, 2 * max_side))
    picture.load()
    # Some formats are turned upright while they are loaded, so this comes after it.
    turn = _UPRIGHT.get(picture.getexif().get(ORIENTATION, 1))
    small = _in_srgb(_reduced(picture, 2 * max_side), picture.info.get("icc_profile"))
    small.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    return small.transpose(turn) if turn is not None else small


# --- every mode to few pixels of RGB, L, CMYK or F ----------------------------------------------


def _reduced(picture: Image.Image, side: int) -> Image.Image:
    """The picture at about `side` pixels of its longer side, in a mode that has a colour profile.

    Strips are converted, then averaged: the whole picture is never held in a second mode.
    """
    width, height = picture.size
    factor = max(1, max(width, height) // side)
    rows = factor * max(1, STRIP_PIXELS // (width * factor))
    small: Image.Image | None = None
    for top in range(0, height, rows):
        strip = _averageable(picture.crop((0, top, width, min(height, top + rows))))
        strip = strip.reduce(factor) if factor > 1 else strip
        if small is None:
            small = Image.new(strip.mode, (strip.width, -(-height // factor)))
        small.paste(strip, (0, top // factor))
    assert small is not None
    if small.mode != "F":
        return small
    highest = float(small.getextrema()[1])  # type: ignore[arg-type]
    return _eight_bits(small, _white(picture.mode, highest))


def _averageable(strip: Image.Image) -> Image.Image:
    """A strip in a mode whose pixels can be averaged; what is transparent is on white."""
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


def _eight_bits(picture: Image.Image, white: float) -> Image.Image:
    return picture.point(lambda level: level * (255 / white) + 0.5).convert("L")


def _white(mode: str, highest: float) -> float:
    """The level of white. Integers of 32 bits and fractions do not say which it is."""
    if mode.startswith("I;16"):
        return 65_535.0
    if mode == "F" and highest <= 1:
        return 1.0
    return next((level for level in (255.0, 65_535.0) if highest <= level), highest)


def _in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    if profile:
        # A profile that is damaged, or is for another mode, is ignored, as browsers do.
        with suppress(ImageCms.PyCMSError, OSError, ValueError):
            given = ImageCms.ImageCmsProfile(BytesIO(profile))
            srgb = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(picture, given, srgb, outputMode="RGB")
            if converted is not None:
                return converted
    return picture.convert("RGB")


# --- the program --------------------------------------------------------------------------------


def _limit(max_bytes: int, max_seconds: int) -> None:
    for kind, most in ((resource.RLIMIT_AS, max_bytes), (resource.RLIMIT_CPU, max_seconds)):
        # macOS knows no limit of memory; there the number of pixels is the only one.
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))


def main(arguments: Sequence[str]) -> None:
    """Answer on standard output."""
    max_pixels, max_side, max_bytes, max_seconds = map(int, arguments)
    _limit(max_bytes, max_seconds)
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
    except Exception as error:  # Pillow's decoders raise all sorts of things over broken files
        # Some say the same when they get no memory; WebP's takes it when the file is opened.
        may_be_large = claimed is None or claimed * MAX_BYTES_PER_PIXEL > max_bytes - OWN_BYTES
        kind = "damaged or large" if may_be_large else "damaged"
        answer = {"error": kind, "reason": repr(error)[:300]}
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + pixels)


if __name__ == "__main__":
    main(sys.argv[1:])
