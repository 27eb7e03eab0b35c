"""Frames of known kind, drawn by seed: credits, blank frames, and pictures that resemble them."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from PIL import Image

from benchmarks.card_drawing import (
    BLACK,
    CHINESE_FONTS,
    LATIN_FONTS,
    LAYOUTS,
    OLD,
    SCOPE,
    WHITE,
    WIDE,
    Colour,
    Style,
    pick,
    subtitle_only,
    vertical_text,
)
from benchmarks.plain_scene_drawing import PLAIN_SCENES, add_grain, gradient
from benchmarks.written_scene_drawing import WRITTEN_SCENES

SCENES = PLAIN_SCENES + WRITTEN_SCENES
BLANK_KINDS = ("black", "white", "colour", "grain", "fade", "bars", "soft", "gradient")
GROUNDS: tuple[tuple[Colour, Colour], ...] = (
    (BLACK, WHITE), (BLACK, WHITE), (BLACK, WHITE), (BLACK, (255, 220, 60)), (BLACK, (230, 60, 50)),
    (BLACK, (90, 200, 255)), ((34, 34, 36), (230, 230, 230)), ((12, 20, 60), WHITE),
    (WHITE, BLACK), ((240, 235, 220), (70, 20, 20)), ((120, 10, 16), (250, 240, 200)),
    (BLACK, (120, 120, 120)),
)  # fmt: skip


def compress(picture: Image.Image, quality: int) -> Image.Image:
    """Return a picture after JPEG compression."""
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def add_letterbox(picture: Image.Image, rows: int) -> Image.Image:
    """Return a picture with black bars above and below."""
    width, height = picture.size
    boxed = Image.new("RGB", (width, height + 2 * rows))
    boxed.paste(picture, (0, rows))
    return boxed


def add_vignette(picture: Image.Image, ground: Colour) -> Image.Image:
    """Return a picture whose background is darker towards the edges."""
    width, height = picture.size
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    light = (1 - 0.5 * (x * x + y * y)).clip(0, 1)[:, :, None] * 45
    pixels = np.asarray(picture, np.float32)
    near = np.abs(pixels - np.array(ground)).max(axis=2, keepdims=True) / 255
    return Image.fromarray(np.clip(pixels + light * (1 - near), 0, 255).astype(np.uint8), "RGB")


def draw_credits(seed: int, faces: Sequence[str] = ()) -> tuple[str, Image.Image]:
    """Return credits or a title card, and its name: all layouts in turn, in varying styles.

    With `faces`, files of fonts with Latin letters, they are set in one of these.
    """
    rng = np.random.default_rng([seed, 1])
    layout = LAYOUTS[seed % len(LAYOUTS)]
    chinese = layout is vertical_text or bool(rng.random() < 0.35 and not faces)
    ground, ink = GROUNDS[int(rng.integers(len(GROUNDS)))]
    if layout is subtitle_only:  # on a lit ground it may be a subtitle of a scene: a plain sky
        ground, ink = BLACK, max(ground, ink)
    second = ink if rng.random() < 0.5 else (ink[0] * 2 // 3, ink[1] * 2 // 3, ink[2] * 2 // 3)
    size = (WIDE, WIDE, SCOPE, OLD)[int(rng.integers(4))]
    face = pick(rng, CHINESE_FONTS if chinese else tuple(faces) or LATIN_FONTS)
    height = int(rng.integers(10, 23)) + 4 * bool(faces)  # handwriting has small letters
    picture = layout(Style(ground, ink, second, size, face, height, chinese), rng)
    dress = int(rng.integers(7))
    if dress == 1:
        picture = add_grain(picture, rng, 6)
    elif dress == 2:
        picture = add_letterbox(picture, 44)
    elif dress == 3 and max(ground) < 100:
        picture = add_vignette(picture, ground)
    elif dress == 4:
        picture = Image.blend(picture, Image.new("RGB", picture.size, ground), 0.5)
    return f"{layout.__name__} {seed}", compress(picture, (80, 80, 60, 30)[int(rng.integers(4))])


def draw_blank(seed: int) -> tuple[str, Image.Image]:
    """Return a blank frame and its name: one colour, noise, a fade, a flash between bars."""
    rng = np.random.default_rng([seed, 2])
    kind = BLANK_KINDS[seed % len(BLANK_KINDS)]
    colour = tuple(int(v) for v in rng.integers(0, 256, 3))
    ground = {"black": BLACK, "white": WHITE, "fade": BLACK}.get(kind, colour)
    size = (WIDE, SCOPE, OLD)[int(rng.integers(3))]
    picture = Image.new("RGB", size, ground)
    if kind == "grain":
        picture = add_grain(Image.new("RGB", size, (20, 20, 22)), rng, float(rng.uniform(3, 9)))
    elif kind == "bars":
        picture = add_letterbox(picture, int(rng.integers(20, 70)))
    elif kind == "fade":
        scene = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
        picture = Image.fromarray(scene, "RGB").resize(size, Image.Resampling.BICUBIC)
        picture = Image.blend(picture, Image.new("RGB", size), 0.96)
    elif kind == "soft":
        picture = add_vignette(Image.new("RGB", size, (8, 8, 10)), (8, 8, 10))
    elif kind == "gradient":
        other = tuple(level + float(rng.uniform(-20, 20)) for level in colour)
        picture = gradient(size, colour, tuple(min(255.0, max(0.0, level)) for level in other))
    return f"{kind} {seed}", compress(picture, (90, 60, 30)[int(rng.integers(3))])


def draw_scene(seed: int) -> tuple[str, Image.Image]:
    """Return a picture that resembles credits or a blank frame, and its name: all in turn."""
    rng = np.random.default_rng([seed, 3])
    scene = SCENES[seed % len(SCENES)]
    picture = scene((WIDE, WIDE, SCOPE, OLD)[int(rng.integers(4))], rng)
    if rng.random() < 0.2:
        picture = add_letterbox(picture, 44)
    return f"{scene.__name__} {seed}", compress(picture, (80, 80, 60, 30)[int(rng.integers(4))])
