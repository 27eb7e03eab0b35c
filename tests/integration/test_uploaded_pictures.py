"""Uploaded pictures: every format and mode, within bounded memory."""

import os
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image, ImageCms

from gallery.core.errors import PicturesBusy, QueryError
from gallery.media import picture_decoder, uploaded_pictures
from gallery.media.uploaded_pictures import open_picture
from tests.films import noise

pillow_heif.register_heif_opener()
SIZE = (120, 80)


def encode(picture: Image.Image, kind: str, **how: Any) -> BytesIO:
    buffer = BytesIO()
    picture.save(buffer, kind, **how)
    buffer.seek(0)
    return buffer


def measure_difference(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of levels."""
    assert one.size == other.size
    levels = [np.asarray(picture.convert("RGB"), float) for picture in (one, other)]
    return float(np.abs(levels[0] - levels[1]).mean())


# --- formats, modes, colours ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF", "HEIF", "TIFF"])
def test_every_format_is_read(kind: str) -> None:
    picture = noise(3, SIZE)
    found = open_picture(encode(picture, kind))
    assert (found.mode, found.size) == ("RGB", SIZE)
    assert measure_difference(found, picture) < 12


GREY = noise(3, SIZE).convert("L")
DEEP = np.asarray(GREY, np.uint16) * 257


@pytest.mark.parametrize(
    ("kind", "picture"),
    [
        ("PNG", Image.fromarray(DEEP)),
        ("TIFF", Image.fromarray(DEEP)),
        ("TIFF", Image.frombytes("I;16B", SIZE, DEEP.astype(">u2").tobytes())),
        ("TIFF", Image.fromarray(DEEP.astype(np.int32))),
        ("TIFF", Image.fromarray(np.asarray(GREY, np.int32))),
        ("TIFF", Image.fromarray(np.asarray(GREY, np.float32) / 255)),
        ("TIFF", Image.fromarray(np.asarray(GREY, np.float32))),
        ("PNG", GREY.convert("LA")),
        ("PNG", GREY.convert("P")),
    ],
    ids=["I;16 PNG", "I;16", "I;16B", "I 16 bit", "I 8 bit", "F to 1", "F to 255", "LA", "P"],
)  # fmt: skip
def test_grey_of_any_depth_equals_its_eight_bit_version(kind: str, picture: Image.Image) -> None:
    assert measure_difference(open_picture(encode(picture, kind)), GREY) < 0.6


def test_a_dark_picture_of_sixteen_bits_stays_dark() -> None:
    dark = Image.fromarray(DEEP // 16)
    assert measure_difference(open_picture(encode(dark, "PNG")), GREY.point(lambda v: v / 16)) < 0.6


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("JPEG", "CMYK"), ("TIFF", "CMYK"), ("JPEG", "YCbCr"), ("TIFF", "YCbCr"), ("TIFF", "LAB")],
)
def test_every_colour_mode_becomes_rgb(kind: str, mode: str) -> None:
    picture = noise(4, SIZE)
    if mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        given = ImageCms.profileToProfile(picture, srgb, lab, outputMode="LAB")
    else:
        given = picture.convert(mode)
    assert given is not None
    assert measure_difference(open_picture(encode(given, kind)), picture) < 6


def test_black_and_white_is_read() -> None:
    drawn = GREY.convert("1")
    assert measure_difference(open_picture(encode(drawn, "TIFF")), drawn) == 0


def make_half_transparent(colour: tuple[int, int, int]) -> Image.Image:
    """A picture of one colour, whose left half is transparent."""
    picture = Image.new("RGBA", SIZE, (*colour, 255))
    picture.paste((0, 0, 0, 0), (0, 0, SIZE[0] // 2, SIZE[1]))
    return picture


@pytest.mark.parametrize(
    ("kind", "picture", "how"),
    [
        ("PNG", make_half_transparent((255, 0, 0)), {}),
        ("WEBP", make_half_transparent((255, 0, 0)), {"lossless": True}),
        ("TIFF", make_half_transparent((255, 0, 0)), {}),
        ("HEIF", make_half_transparent((255, 0, 0)), {"quality": 95}),
        ("GIF", make_half_transparent((255, 0, 0)), {}),
        ("PNG", make_half_transparent((255, 0, 0)).quantize(), {}),
        ("PNG", make_half_transparent((255, 0, 0)).convert("RGB"), {"transparency": (0, 0, 0)}),
    ],
    ids=["PNG", "WebP", "TIFF", "HEIC", "GIF", "palette", "colour key"],
)
def test_transparent_pixels_become_white(kind: str, picture: Image.Image, how: Any) -> None:
    found = open_picture(encode(picture, kind, **how))
    assert min(found.getpixel((10, 40))) > 250  # type: ignore[type-var, arg-type]
    assert found.getpixel((110, 40)) == pytest.approx((255, 0, 0), abs=6)


def test_a_colour_profile_is_applied() -> None:
    """A profile with red and green exchanged must exchange the colours."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"tmpX").replace(b"gXYZ", b"rXYZ").replace(b"tmpX", b"gXYZ")
    red = Image.new("RGB", SIZE, (255, 0, 0))
    found = open_picture(encode(red, "PNG", icc_profile=swapped))
    assert found.getpixel((60, 40)) == pytest.approx((0, 255, 0), abs=6)
    for harmless in (profile, b"damaged", b""):
        found = open_picture(encode(red, "PNG", icc_profile=harmless))
        assert found.getpixel((60, 40)) == pytest.approx((255, 0, 0), abs=2)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_pictures_are_rotated_upright(kind: str) -> None:
    exif = Image.Exif()
    exif[picture_decoder.ORIENTATION_TAG] = 6
    picture = noise(1, SIZE)
    how = {} if kind == "HEIF" else {"exif": exif}
    picture.info["exif"] = exif.tobytes()  # HEIC has its own rotation, made from this
    found = open_picture(encode(picture, kind, **how))
    assert measure_difference(found, picture.transpose(Image.Transpose.ROTATE_270)) < 12


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_an_animation_is_used(kind: str) -> None:
    first, second = (Image.new("RGB", SIZE, colour) for colour in ("red", "blue"))
    moving = encode(first, kind, save_all=True, append_images=[second])
    assert open_picture(moving).getpixel((60, 40)) == pytest.approx((255, 0, 0), abs=6)


@pytest.mark.parametrize("size", [(3000, 2000), (5000, 3), (1, 4000), (641, 640), (1281, 700)])
def test_large_pictures_are_scaled_down_uncropped(size: tuple[int, int]) -> None:
    picture = noise(5, size)
    expected = picture.copy()
    expected.thumbnail((640, 640), Image.Resampling.LANCZOS)
    for kind in ("PNG", "JPEG"):
        found = open_picture(encode(picture, kind))
        assert found.size == expected.size
        assert measure_difference(found, expected) < 4


# --- refused files --------------------------------------------------------------------------------


def make_png_header(width: int, height: int) -> BytesIO:
    """A PNG of a few bytes whose header has this size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    parts = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return BytesIO(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(QueryError, match="too large: 60000 x 60000 pixels"):
        open_picture(make_png_header(60_000, 60_000))
    with pytest.raises(QueryError, match="damaged or incomplete"):
        open_picture(make_png_header(600, 600))


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("WEBP", {"lossless": True, "method": 0}),
        ("JPEG", {"progressive": True}),
        ("TIFF", {"compression": "tiff_adobe_deflate", "strip_size": 10**9}),
        ("AVIF", {"speed": 10}),
    ],
)
def test_a_picture_that_takes_too_much_memory_is_refused(
    kind: str, how: dict[str, Any], settings: Any
) -> None:
    """When out of memory, most decoders report a damaged picture."""
    settings.MAX_PICTURE_MEMORY = 250_000_000
    large = Image.new("CMYK" if kind == "JPEG" else "RGBA", (5500, 5500))
    with pytest.raises(QueryError, match="too much memory"):
        open_picture(encode(large, kind, **how))


def test_a_picture_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploaded_pictures, "MAX_SECONDS", 0.001)
    with pytest.raises(QueryError, match="took too long"):
        open_picture(encode(noise(1, SIZE), "PNG"))


def test_other_files_are_refused() -> None:
    for content in (b"no picture", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"<svg xmlns='x'/>"):
        with pytest.raises(QueryError, match="GIF, AVIF, HEIC, TIFF or BMP"):
            open_picture(BytesIO(content))


def test_a_crashing_decoder_harms_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    crashing = tmp_path / "crash.py"
    crashing.write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    monkeypatch.setattr(uploaded_pictures.picture_decoder, "__file__", str(crashing))
    with pytest.raises(QueryError, match="damaged"):
        open_picture(encode(noise(1, SIZE), "PNG"))


@pytest.fixture
def slow_decoder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], None]:
    """The decoder waits until the returned function is called."""
    go = tmp_path / "go"
    os.mkfifo(go)
    waiting = tmp_path / "wait.py"
    real = picture_decoder.__file__
    waiting.write_text(
        f"import runpy\nopen({str(go)!r}).read()\nrunpy.run_path({real!r}, run_name='__main__')\n"
    )
    monkeypatch.setattr(uploaded_pictures.picture_decoder, "__file__", str(waiting))
    return lambda: go.write_text("go") and None


@pytest.mark.django_db
def test_one_picture_is_decoded_at_a_time_and_others_get_503(
    slow_decoder: Callable[[], None], monkeypatch: pytest.MonkeyPatch, static_files: None
) -> None:
    monkeypatch.setattr(uploaded_pictures, "MAX_WAIT", 0.05)
    picture = noise(2, SIZE)
    found: list[Image.Image] = []
    first = threading.Thread(target=lambda: found.append(open_picture(encode(picture, "PNG"))))
    first.start()
    while not uploaded_pictures._one_at_a_time.locked():
        first.join(0.01)
    with pytest.raises(PicturesBusy):
        open_picture(encode(picture, "PNG"))
    for address in ("/picture/", "/api/v1/pictures"):
        sent = SimpleUploadedFile("a.png", encode(picture, "PNG").read())
        response = Client().post(address, {"picture": sent})
        assert response.status_code == 503
        assert response["Retry-After"] == "5"
        assert "Too many pictures are being processed" in response.content.decode()
    slow_decoder()
    first.join()
    assert measure_difference(found[0], picture) == 0


# --- memory ---------------------------------------------------------------------------------------

MEASURE = """
import os, subprocess, sys
program = [sys.executable, "-I", sys.argv[1], "60000000", "640", "500000000", "60"]
with open(sys.argv[2], "rb") as file:
    answer = subprocess.run(program, stdin=file, capture_output=True, check=True).stdout
import resource
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1000, answer.split(b"\\n")[0])
"""


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_sixty_million_pixels_take_bounded_memory(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "large"
    mode = "CMYK" if kind == "JPEG" else "RGBA"
    how = {"compression": "tiff_lzw"} if kind == "TIFF" else {}
    Image.new(mode, (7700, 7700)).save(path, kind, **how)
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, picture_decoder.__file__, str(path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    megabytes, answer = measured.stdout.split(maxsplit=1)
    assert '"size": [640, 640]' in answer
    assert int(megabytes) < 400
