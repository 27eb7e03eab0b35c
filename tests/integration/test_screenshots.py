"""Screenshots of the demo film find their shot, also when cropped, compressed or framed.

Run with `-s` to print the figures of docs/measurements.md.
"""

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from gallery.clip import encoder
from gallery.films.models import Film
from gallery.index import frame_index
from gallery.media import borders, ffmpeg
from gallery.media.types import Picture
from gallery.search import engine, pictures
from gallery.search.types import Example, Hit, Query
from tests.importing import DEMO

TRUTH: dict[str, Any] = json.loads((DEMO / "ground_truth.json").read_text("utf-8"))
PLACES = (0.3, 0.7)  # alternating positions in a shot, rarely at an indexed frame
REQUIRED = 0.95  # the part of each kind that must find its shot


@pytest.fixture(scope="module")
def stills(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, Picture]]:
    """A full-size picture of each shot of the demo film, with the shot's number from 0."""
    folder = tmp_path_factory.mktemp("stills")
    wanted = {
        shot["start_frame"]
        + int(PLACES[number % 2] * (shot["end_frame"] - shot["start_frame"])): number
        for number, shot in enumerate(TRUTH["shots"])
    }
    chosen = "+".join(f"eq(n,{frame})" for frame in sorted(wanted))
    arguments = ["-i", str(DEMO / "film.mp4"), "-vf", f"select='{chosen}'", "-fps_mode"]
    arguments = ["-v", "error", "-nostdin", *arguments, "passthrough", str(folder / "%03d.png")]
    assert ffmpeg.run(arguments, limit=60).status == 0
    taken = sorted(folder.iterdir())
    assert len(taken) == len(wanted) == len(TRUTH["shots"])
    numbers = [number for _, number in sorted(wanted.items())]
    return [(n, Image.open(path).convert("RGB")) for n, path in zip(numbers, taken, strict=True)]


def _add_bars(picture: Picture, across: int, down: int) -> Picture:
    return ImageOps.expand(picture, (across, down, across, down), "black")


def add_letterbox(picture: Picture) -> Picture:
    """As on a phone held upright, or an old television."""
    return _add_bars(picture, 0, picture.height // 6)


def add_pillarbox(picture: Picture) -> Picture:
    return _add_bars(picture, picture.width // 6, 0)


def add_window(picture: Picture) -> Picture:
    return _add_bars(picture, picture.width // 10, picture.height // 5)


def halve(picture: Picture) -> Picture:
    return picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BICUBIC)


def compress(picture: Picture) -> Picture:
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=30)
    return Image.open(buffer)


def crop(picture: Picture) -> Picture:
    """Crop a tenth on both axes, more at the left and the top."""
    width, height = picture.size
    left, top = width // 15, height // 15
    return picture.crop((left, top, left + width * 9 // 10, top + height * 9 // 10))


def degrade(picture: Picture) -> Picture:
    return compress(halve(add_letterbox(ImageOps.mirror(picture))))


KINDS: dict[str, Callable[[Picture], Picture]] = {
    "as it is": lambda picture: picture,
    "letterboxed": add_letterbox,
    "pillarboxed": add_pillarbox,
    "bars all around": add_window,
    "mirrored": ImageOps.mirror,
    "50 % scale": halve,
    "JPEG quality 30": compress,
    "10 % cropped": crop,
    "letterboxed, mirrored, 50 %, JPEG 30": degrade,
}


def find_first_hit(picture: Picture, *, is_uploaded: bool = False) -> Hit:
    """The first hit for a picture; with `is_uploaded` through a file, which takes a process."""
    if is_uploaded:
        buffer = BytesIO()
        picture.save(buffer, "PNG")
        picture = pictures.open_picture(buffer)
    token = pictures.store_picture(picture.convert("RGB"))
    return engine.search(Query(examples=(Example(picture=token),), page_size=1)).hits[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_screenshot_finds_its_own_shot(
    demo_film: Film, stills: list[tuple[int, Picture]], kind: str
) -> None:
    is_uploaded = kind == "as it is"
    found = [
        (number, find_first_hit(KINDS[kind](still), is_uploaded=is_uploaded).shot)
        for number, still in stills
    ]
    right = sum(number == shot for number, shot in found)
    print(f"\nscreenshots, {kind}: {right} of {len(found)}")
    assert right >= REQUIRED * len(found), [pair for pair in found if pair[0] != pair[1]]


@pytest.mark.parametrize("kind", ["letterboxed", "bars all around", "mirrored"])
def test_bars_and_mirroring_do_not_reduce_similarity(
    demo_film: Film, stills: list[tuple[int, Picture]], kind: str
) -> None:
    """Among 32 shots a degraded picture finds its own; a million frames need more similarity."""
    plain = np.array([find_first_hit(still).score for _, still in stills])
    changed = np.array([find_first_hit(KINDS[kind](still)).score for _, still in stills])
    given = np.array([
        frame_index.current().nearest(row, 1)[0].score
        for row in encoder.current().embed_pictures([KINDS[kind](still) for _, still in stills])
    ])  # fmt: skip
    print(f"\ncosine, {kind}: {changed.mean():.3f}; as given {given.mean():.3f}")
    assert (plain - changed).mean() < 0.01
    assert (plain - given).mean() > 3 * (plain - changed).mean()


# --- detecting bars -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["letterboxed", "pillarboxed", "bars all around"])
@pytest.mark.parametrize("colour", ["black", "white", "#202020"])
def test_bars_are_cut_off(stills: list[tuple[int, Picture]], kind: str, colour: str) -> None:
    across, down = {"letterboxed": (0, 60), "pillarboxed": (90, 0)}.get(kind, (64, 72))
    missed = []
    for number, still in stills:
        barred = ImageOps.expand(still, (across, down, across, down), colour)
        box = borders.inner_box(barred)
        right = (across, down, across + still.width, down + still.height)
        off = np.abs(np.subtract((box.left, box.top, box.right, box.bottom), right)).max()
        if off > borders.MAX_EDGE_BLUR:
            missed.append((number, box))
    assert missed == []


def test_a_picture_without_bars_is_not_cropped(stills: list[tuple[int, Picture]]) -> None:
    touched = [number for number, still in stills if borders.trim_borders(still) is not still]
    assert touched == []


def test_a_bar_with_a_subtitle_in_it_is_cut_off(stills: list[tuple[int, Picture]]) -> None:
    still = stills[0][1]
    barred = ImageOps.expand(still, (0, 80, 0, 80), "black")
    ImageDraw.Draw(barred).text(
        (barred.width // 2, barred.height - 40), "I will be back", "white", anchor="mm",
        font_size=30,
    )  # fmt: skip
    assert borders.inner_box(barred) == borders.Box(0, 80, still.width, 80 + still.height)


def test_a_picture_of_nothing_but_bars_is_not_cropped() -> None:
    for colour in ("black", "white", "#345678"):
        plain = Image.new("RGB", (320, 180), colour)
        assert borders.trim_borders(plain) is plain
    for size in ((1, 1), (1, 300), (300, 2)):
        assert borders.trim_borders(Image.new("RGB", size)).size == size
