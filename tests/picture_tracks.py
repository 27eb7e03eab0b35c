"""Picture subtitles as Blu-rays and DVDs have them, drawn here."""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tests.films import run_ffmpeg

CLOCK = 90_000  # ticks a second
WIDTH, HEIGHT = 1280, 720
PALETTE, WINDOW, COMPOSITION, OBJECT, END = 0x14, 0x17, 0x16, 0x15, 0x80
TRANSPARENT, BLACK, WHITE = 0, 1, 2

Cue = tuple[float, float, str]
"""Begin and end in seconds, and the text."""


def draw_text(text: str, font: Path, size: int = 40) -> NDArray[np.uint8]:
    """Return colour numbers, shape (height, width): white text with a black outline."""
    drawn = Image.new("L", (WIDTH, 300), TRANSPARENT)
    draw = ImageDraw.Draw(drawn)
    draw.fontmode = "1"
    draw.multiline_text(
        (WIDTH / 2, 20),
        text,
        font=ImageFont.truetype(font, size),
        fill=WHITE,
        stroke_width=3,
        stroke_fill=BLACK,
        anchor="ma",
        align="center",
    )
    return np.asarray(drawn.crop(drawn.getbbox()), np.uint8)


def write_pgs(path: Path, cues: Sequence[Cue], font: Path) -> Path:
    """Write a Presentation Graphic Stream (.sup) as in US 2009/0185789 A1."""
    with path.open("wb") as file:
        for number, (start, end, text) in enumerate(cues):
            pixels = draw_text(text, font)
            for kind, data in _show(pixels, 2 * number):
                file.write(_segment(kind, start, data))
            for kind, data in _clear(pixels, 2 * number + 1):
                file.write(_segment(kind, end, data))
    return path


def _segment(kind: int, time: float, data: bytes) -> bytes:
    return b"PG" + struct.pack(">IIBH", round(time * CLOCK), 0, kind, len(data)) + data


def _show(pixels: NDArray[np.uint8], number: int) -> list[tuple[int, bytes]]:
    height, width = pixels.shape
    left, top = (WIDTH - width) // 2, HEIGHT - height - 40
    placed = struct.pack(">HBBHH", 0, 0, 0, left, top)
    colours = [(TRANSPARENT, 16, 0), (BLACK, 16, 255), (WHITE, 235, 255)]
    palette = b"".join(struct.pack(">5B", n, light, 128, 128, alpha) for n, light, alpha in colours)
    runs = _encode_runs(pixels)
    picture = struct.pack(">HH", width, height) + runs
    return [
        (COMPOSITION, _composition(number, 0x80, 1) + placed),
        (WINDOW, _window(pixels)),
        (PALETTE, bytes((0, 0)) + palette),
        (OBJECT, struct.pack(">HBB", 0, 0, 0xC0) + len(picture).to_bytes(3, "big") + picture),
        (END, b""),
    ]


def _clear(pixels: NDArray[np.uint8], number: int) -> list[tuple[int, bytes]]:
    return [(COMPOSITION, _composition(number, 0, 0)), (WINDOW, _window(pixels)), (END, b"")]


def _composition(number: int, state: int, objects: int) -> bytes:
    return struct.pack(">HHBHBBBB", WIDTH, HEIGHT, 0x10, number, state, 0, 0, objects)


def _window(pixels: NDArray[np.uint8]) -> bytes:
    height, width = pixels.shape
    left, top = (WIDTH - width) // 2, HEIGHT - height - 40
    return struct.pack(">BBHHHH", 1, 0, left, top, width, height)


def _encode_runs(pixels: NDArray[np.uint8]) -> bytes:
    out = bytearray()
    for row in pixels:
        ends = [*(np.flatnonzero(np.diff(row)) + 1).tolist(), len(row)]
        start = 0
        for end in ends:
            out += _encode_run(int(row[start]), end - start)
            start = end
        out += b"\x00\x00"
    return bytes(out)


def _encode_run(colour: int, length: int) -> bytes:
    if colour and length < 3:
        return bytes([colour]) * length
    if length < 64:
        run = bytes([(0x80 if colour else 0) | length])
    else:
        run = struct.pack(">H", ((0xC0 if colour else 0x40) << 8) | length)
    return b"\x00" + run + (bytes([colour]) if colour else b"")


def add_tracks(film: Path, target: Path, sup: Path, *, codec: str, language: str) -> Path:
    """Write a film with the subtitles of a .sup file as a track: copied, or encoded as `dvdsub`."""
    inputs = ["-copyts", "-i", str(film), "-i", str(sup), "-map", "0:v", "-map", "1:s"]
    about = ["-metadata:s:s:0", f"language={language}"]
    run_ffmpeg(*inputs, "-c:v", "copy", "-c:s", codec, *about, str(target))
    return target
