"""Classifying frames as picture, credits or blank: drawn ones, and the demo film's."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image, ImageDraw

from benchmarks.card_drawing import CHINESE_FONTS, LATIN_FONTS, LAYOUTS, SCOPE, WIDE, font
from benchmarks.frame_drawing import SCENES, compress, draw_blank, draw_credits, draw_scene
from benchmarks.plain_scene_drawing import drawn_scene
from gallery.media import decoding, probing
from gallery.media.connected_parts import bridge_gaps, find_parts, find_runs
from gallery.media.frame_kinds import classify_frame
from gallery.media.lettering import is_lettering
from gallery.media.types import FrameKind, Picture, Span
from tests.importing import DEMO

# Not the seeds with which the limits were chosen (below 10000).
FIRST = 20_010
CARDS, PICTURES = range(FIRST, FIRST + 120), range(FIRST, FIRST + 6 * len(SCENES))
BLANKS = range(FIRST, FIRST + 42)
MIN_RECALL, MIN_PRECISION = 0.85, 0.97


def kind(name: str) -> str:
    return name.split(maxsplit=1)[0]


def test_credits_are_distinguished_from_similar_scenes() -> None:
    cards = [(name, classify_frame(picture)) for name, picture in map(draw_credits, CARDS)]
    pictures = [(name, classify_frame(picture)) for name, picture in map(draw_scene, PICTURES)]
    assert len({kind(name) for name, _look in cards}) == len(LAYOUTS)
    assert len({kind(name) for name, _look in pictures}) == len(SCENES) >= 30
    missed = [name for name, look in cards if look is not FrameKind.CREDITS]
    hidden = [name for name, look in pictures if look is not FrameKind.PICTURE]
    found = len(cards) - len(missed)
    recall, precision = found / len(cards), found / (found + len(hidden))
    print(f"\n{len(cards)} credit-like frames, recall {recall:.1%}; not seen: {missed}")
    print(
        f"{len(pictures)} pictures that resemble them, precision {precision:.1%}; hidden: {hidden}"
    )
    assert recall >= MIN_RECALL
    assert precision >= MIN_PRECISION
    # No kind of scene is usually hidden, and no kind of card is usually found.
    assert max(Counter(map(kind, hidden)).values(), default=0) <= 1
    assert max(Counter(map(kind, missed)).values(), default=0) <= len(cards) / 12


def test_blank_frames_are_detected_despite_colour_noise_and_bars() -> None:
    assert [
        name
        for name, picture in map(draw_blank, BLANKS)
        if classify_frame(picture) is not FrameKind.BLANK
    ] == []


@pytest.mark.parametrize("quality", [90, 30])
def test_no_frame_of_the_demo_film_is_hidden(quality: int) -> None:
    path = DEMO / "film.mp4"
    probe = probing.probe(path, 10**8, 3600)
    with decoding.decode(
        path, probe, Span(0, None), width=640, max_pixels=10**8, limit=120
    ) as decoded:
        looks = [classify_frame(compress(picture, quality)) for _time, picture in decoded.pictures]
    assert len(looks) >= 100
    assert set(looks) == {FrameKind.PICTURE}


# --- single cases ---------------------------------------------------------------------------------


def draw_night(spots: int, size: float) -> Picture:
    """A black sky with `spots` stars of `size` pixels."""
    pixels = np.zeros((360, 640, 3), np.uint8)
    rng = np.random.default_rng(spots)
    for y, x in zip(rng.integers(0, 350, spots), rng.integers(0, 630, spots), strict=True):
        pixels[y : y + round(size), x : x + round(size)] = 230
    return Image.fromarray(pixels, "RGB")


def add_text(picture: Picture, text: str, place: tuple[float, float], size: int = 22) -> Picture:
    face = font((CHINESE_FONTS if text > "\u2e00" else LATIN_FONTS)[0], size)
    ImageDraw.Draw(picture).text(place, text, (255, 255, 255), face, "mm")
    return picture


@pytest.mark.parametrize(("spots", "size"), [(4, 4), (20, 2), (400, 2), (60, 5), (1, 40)])
def test_lights_in_the_dark_are_not_blank(spots: int, size: float) -> None:
    assert classify_frame(draw_night(spots, size)) is FrameKind.PICTURE


@pytest.mark.parametrize("spots", [0, 1, 3])
def test_dust_on_black_is_blank(spots: int) -> None:
    assert classify_frame(draw_night(spots, 2)) is FrameKind.BLANK


def test_a_subtitle_over_black_is_text_and_over_stars_a_picture() -> None:
    text, place = "I have waited for you all night long.", (320, 330)
    assert classify_frame(add_text(draw_night(0, 1), text, place)) is FrameKind.CREDITS
    assert classify_frame(add_text(draw_night(30, 3), text, place)) is FrameKind.PICTURE
    assert classify_frame(add_text(draw_night(1, 24), text, place)) is FrameKind.PICTURE


@pytest.mark.parametrize(
    "text", ["THE LONG NIGHT", "Directed by Anna Berg", "本片根据真实事件改编"]
)
def test_a_title_is_recognised_while_it_fades(text: str) -> None:
    for light in (1.0, 0.7, 0.4):
        card = add_text(Image.new("RGB", WIDE), text, (320, 180), 34)
        assert (
            classify_frame(Image.blend(Image.new("RGB", WIDE), card, light)) is FrameKind.CREDITS
        ), light


def test_a_scene_fades_to_black() -> None:
    """It can be found while anything is visible."""
    _name, scene = draw_scene(FIRST + SCENES.index(drawn_scene))
    black = Image.new("RGB", scene.size)
    looks = [
        classify_frame(Image.blend(black, scene, light)) for light in (1.0, 0.5, 0.25, 0.03, 0.0)
    ]
    assert looks == [FrameKind.PICTURE] * 3 + [FrameKind.BLANK] * 2


@pytest.mark.parametrize("size", [(1, 1), (640, 1), (1, 400), (3, 3), (17, 9), (4000, 12)])
def test_pictures_of_every_shape_are_classified(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    assert classify_frame(Image.fromarray(noise, "RGB")) is FrameKind.PICTURE
    assert classify_frame(Image.new("RGB", size, (9, 9, 9))) in (FrameKind.BLANK, FrameKind.PICTURE)


def test_blank_frames_are_detected_between_bars_of_any_height() -> None:
    for rows in range(0, 90, 10):
        frame = Image.new("RGB", SCOPE, (200, 60, 60))
        frame.paste((0, 0, 0), (0, 0, SCOPE[0], rows))
        frame.paste((0, 0, 0), (0, SCOPE[1] - rows, *SCOPE))
        assert classify_frame(compress(frame, 50)) is FrameKind.BLANK, rows


# --- connected parts ------------------------------------------------------------------------------


def find_parts_slowly(mask: np.ndarray) -> list[tuple[int, int, int, int, int]]:
    """The area and box of each part, by flood fill."""
    left, found = {(int(y), int(x)) for y, x in np.argwhere(mask)}, []
    while left:
        todo, part = [left.pop()], []
        while todo:
            y, x = todo.pop()
            part.append((y, x))
            near = {(y + a, x + b) for a in (-1, 0, 1) for b in (-1, 0, 1)} & left
            left -= near
            todo += near
        ys, xs = zip(*part, strict=True)
        found.append((len(part), min(xs), min(ys), max(xs) + 1, max(ys) + 1))
    return sorted(found)


@pytest.mark.parametrize("density", [0.02, 0.2, 0.4, 0.6, 1.0])
def test_parts_agree_with_a_flood_fill(density: float) -> None:
    for seed in range(20):
        mask = np.random.default_rng(seed).random((23, 31)) < density
        parts, _label = find_parts(find_runs(mask))
        boxes = zip(parts.area, parts.left, parts.top, parts.right, parts.bottom, strict=True)
        assert sorted(tuple(int(v) for v in box) for box in boxes) == find_parts_slowly(mask)


def test_outlines_include_holes() -> None:
    mask = np.ones((6, 8), bool)
    mask[2:4, 3:5] = False
    parts, _label = find_parts(find_runs(mask))
    assert (len(parts), int(parts.area[0]), int(parts.outline[0])) == (1, 44, 28 + 8)


def test_an_empty_mask_has_no_parts() -> None:
    parts, label = find_parts(find_runs(np.zeros((5, 5), bool)))
    assert len(parts) == len(label) == 0
    assert not is_lettering(np.zeros((5, 5), bool))


def test_runs_are_joined_over_small_gaps() -> None:
    mask = np.array([[1, 1, 0, 0, 1, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 0, 0, 1]], bool)
    joined, number = bridge_gaps(find_runs(mask), 2)
    assert joined.start.tolist() == [0, 8, 8]
    assert joined.end.tolist() == [5, 9, 9]
    assert number.tolist() == [0, 0, 1, 2]
