"""Classifying frames as picture, credits or blank: drawn ones, and the demo film's."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from benchmarks.card_drawing import (
    CHINESE_FONTS,
    LATIN_FONTS,
    LAYOUTS,
    SCOPE,
    WIDE,
    Style,
    font,
    intertitle,
    names_with_logos,
    two_columns,
    vertical_text,
)
from benchmarks.frame_drawing import (
    BLANK_KINDS,
    SCENES,
    compress,
    draw_blank,
    draw_credits,
    draw_scene,
)
from benchmarks.plain_scene_drawing import drawn_scene, gradient
from gallery.media import decoding, probing
from gallery.media.plain_frames import find_plain_frame
from gallery.media.types import FrameKind, Picture, Span
from gallery.ocr import frame_kinds
from gallery.ocr.frame_kinds import classify_frame
from tests.importing import DEMO

# Not the seeds with which the limits were chosen (below 10000).
FIRST = 20_010
CARDS = range(FIRST, FIRST + 2 * len(LAYOUTS))
PICTURES = range(FIRST, FIRST + len(SCENES))
BLANKS = range(FIRST, FIRST + 3 * len(BLANK_KINDS))
MAX_MISSED, MAX_HIDDEN = 1, 1


def kind(name: str) -> str:
    return name.split(maxsplit=1)[0]


def test_credits_are_distinguished_from_similar_scenes() -> None:
    """`python -m benchmarks frame_kinds` measures it on more frames."""
    cards = [(name, classify_frame(picture)) for name, picture in map(draw_credits, CARDS)]
    pictures = [(name, classify_frame(picture)) for name, picture in map(draw_scene, PICTURES)]
    assert len({kind(name) for name, _look in cards}) == len(LAYOUTS)
    assert len({kind(name) for name, _look in pictures}) == len(SCENES)
    missed = [name for name, look in cards if look is not FrameKind.CREDITS]
    hidden = [name for name, look in pictures if look is not FrameKind.PICTURE]
    assert len(missed) <= MAX_MISSED, missed
    assert len(hidden) <= MAX_HIDDEN, hidden


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


def add_text(
    picture: Picture,
    text: str,
    place: tuple[float, float],
    size: int = 22,
    ink: tuple[int, int, int] = (255, 255, 255),
) -> Picture:
    face = font((CHINESE_FONTS if text > "\u2e00" else LATIN_FONTS)[0], size)
    ImageDraw.Draw(picture).text(place, text, ink, face, "mm")
    return picture


@pytest.mark.parametrize(("spots", "size"), [(4, 4), (20, 2), (400, 2), (60, 5), (1, 40)])
def test_lights_in_the_dark_are_not_blank(spots: int, size: float) -> None:
    assert classify_frame(draw_night(spots, size)) is FrameKind.PICTURE


@pytest.mark.parametrize("spots", [0, 1, 3])
def test_dust_on_black_is_blank(spots: int) -> None:
    assert classify_frame(draw_night(spots, 2)) is FrameKind.BLANK


SUBTITLE = "I have waited for you all night long."


def test_a_subtitle_over_black_is_text_and_over_a_scene_a_picture() -> None:
    place = (320, 330)
    assert classify_frame(add_text(draw_night(0, 1), SUBTITLE, place)) is FrameKind.CREDITS
    assert classify_frame(add_text(draw_night(30, 3), SUBTITLE, place)) is FrameKind.PICTURE
    assert classify_frame(add_text(draw_night(1, 24), SUBTITLE, place)) is FrameKind.PICTURE
    moon = add_text(draw_night(0, 1), SUBTITLE, place)
    ImageDraw.Draw(moon).ellipse((300, 100, 350, 150), outline=(230, 230, 220), width=6)
    assert classify_frame(moon) is FrameKind.PICTURE  # it is read as O
    title = add_text(draw_night(30, 3), "THE LONG NIGHT", (320, 180), 34)
    assert classify_frame(title) is FrameKind.PICTURE
    sky = gradient(WIDE, (90, 130, 200), (130, 170, 230))
    assert classify_frame(sky) is FrameKind.BLANK
    assert classify_frame(add_text(sky, SUBTITLE, place)) is FrameKind.PICTURE


@pytest.mark.parametrize("board", [(10, 90, 40), (240, 238, 230)])
def test_a_sign_on_a_plain_wall_is_a_picture(board: tuple[int, int, int]) -> None:
    wall = gradient(WIDE, (190, 180, 160), (160, 150, 130))
    ImageDraw.Draw(wall).rectangle((220, 120, 420, 190), board)
    ink = (20, 20, 20) if max(board) > 200 else (255, 255, 255)
    assert classify_frame(add_text(wall, "BAKERY", (320, 155), 34, ink)) is FrameKind.PICTURE


def test_turned_text_belongs_to_a_scene() -> None:
    """A letter or a newspaper in somebody's hand."""
    page = Image.new("RGB", (900, 700), (236, 230, 214))
    for row in range(9):
        add_text(page, f"{SUBTITLE} {SUBTITLE}", (450, 150 + row * 44), 18, (30, 30, 40))
    for angle, expected in ((0, FrameKind.CREDITS), (5, FrameKind.PICTURE)):
        turned = page.rotate(angle, Image.Resampling.BICUBIC)
        assert classify_frame(turned.crop((130, 170, 770, 530))) is expected, angle


def test_figures_that_resemble_letters_are_pictures() -> None:
    """A moon is read as O, lit windows as other letters, a row of the same figure as digits."""
    moon, windows, figures = (draw_night(0, 1) for _picture in range(3))
    ImageDraw.Draw(moon).ellipse((300, 100, 350, 150), outline=(230, 230, 220), width=6)
    for x in (250, 300):
        ImageDraw.Draw(windows).rectangle((x, 160, x + 14, 184), (250, 220, 150))
    for x in range(80, 560, 40):
        ImageDraw.Draw(figures).polygon([(x, 200), (x + 10, 170), (x + 20, 200)], (230, 230, 230))
    for picture in (moon, windows, figures):
        assert find_plain_frame(picture) is not None
        assert classify_frame(picture) is FrameKind.PICTURE


def test_rolling_credits_are_recognised_while_they_leave_the_picture() -> None:
    """The uppermost row is cut off, and cannot be read."""
    card = Image.new("RGB", WIDE)
    for row in range(4):
        add_text(card, "Anna Berg Script Supervisor"[row:], (320, row * 34 + 2), 22)
    assert classify_frame(card) is FrameKind.CREDITS


def test_a_title_with_the_drawing_of_a_scene_is_a_picture() -> None:
    sketch = add_text(
        Image.new("RGB", WIDE, (250, 248, 240)), "CHAPTER TWO", (320, 60), 30, (0, 0, 0)
    )
    pen = ImageDraw.Draw(sketch)
    for x in (180, 340):
        pen.line((x, 300, x, 200, x + 50, 160, x + 100, 200, x + 100, 300, x, 300), (0, 0, 0), 3)
    assert classify_frame(sketch) is FrameKind.PICTURE


def test_text_across_and_downwards_is_credits_in_any_colour() -> None:
    for layout in (two_columns, names_with_logos, intertitle, vertical_text):
        for ground, ink in (((0, 0, 0), (255, 220, 60)), ((255, 255, 255), (40, 60, 120))):
            style = Style(ground, ink, ink, height=18, chinese=layout is vertical_text)
            if style.chinese:
                style = replace(style, face=CHINESE_FONTS[0])
            card = layout(style, np.random.default_rng(4))
            assert classify_frame(compress(card, 60)) is FrameKind.CREDITS, (layout, ground)


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


def test_credits_are_pictures_when_the_reader_fails(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An import goes on without it, for example where OpenVINO does not run."""

    def fail() -> None:
        raise RuntimeError("no such device")

    monkeypatch.setattr(frame_kinds, "get_reader", fail)
    card = add_text(Image.new("RGB", WIDE), "THE LONG NIGHT", (320, 180), 34)
    assert [classify_frame(card) for _frame in range(3)] == [FrameKind.PICTURE] * 3
    assert [line for line in caplog.messages if "no such device" in line] == [
        "the reader of text fails, so credits count as pictures: RuntimeError: no such device"
    ]
    assert classify_frame(Image.new("RGB", WIDE)) is FrameKind.BLANK


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
