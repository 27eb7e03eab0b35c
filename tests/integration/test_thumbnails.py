"""Thumbnails: their sizes, their shape without black bars, and where tiles crop them."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from PIL import Image, ImageDraw

from gallery.core.errors import DiskFull
from gallery.films import thumbnails
from gallery.films.models import Film
from gallery.media import film_borders, probing
from gallery.media.store import FilmFiles
from gallery.media.types import Probe
from tests.films import H264, run_ffmpeg
from tests.importing import add_film, import_here

PIXELS = settings.MAX_FILM_PIXELS
PICTURES = "testsrc2=size={}:rate=24"


def detect(path: Path) -> Probe:
    found = probing.inspect(path, PIXELS).probe
    return film_borders.detect_inner_box(path, found, PIXELS)


def open_url(page: Client, url: str) -> Image.Image:
    answer = page.get(url)
    assert answer.status_code == 200, url
    return Image.open(BytesIO(b"".join(answer.streaming_content)))


@pytest.mark.parametrize(
    ("size", "pad", "shape"),
    [
        ("640x268", "640:360:0:46", 640 / 268),
        ("480x360", "640:360:80:0", 480 / 360),
        ("480x270", "640:360:80:44", 480 / 270),
    ],
)
def test_black_bars_of_a_film_are_found(
    make_video: Callable[..., Path], size: str, pad: str, shape: float
) -> None:
    path = make_video("a.mp4", seconds=10, picture=PICTURES.format(size), filters=f"pad={pad}")
    assert film_borders.shape_of(detect(path)) == pytest.approx(shape, rel=0.02)


@pytest.mark.parametrize("size", ["640x360", "640x268", "270x480", "360x360"])
def test_a_film_without_bars_keeps_its_pictures(make_video: Callable[..., Path], size: str) -> None:
    probe = detect(make_video("a.mp4", seconds=6, picture=PICTURES.format(size)))
    assert probe.inner is None
    width, height = map(int, size.split("x"))
    assert film_borders.shape_of(probe) == pytest.approx(width / height)


def test_scenes_without_bars_keep_a_film_whole(make_video: Callable[..., Path]) -> None:
    """A film whose last third fills the picture."""
    bars = "drawbox=h=46:color=black:t=fill:enable='lt(t,8)'"
    low = "drawbox=y=314:h=46:color=black:t=fill:enable='lt(t,8)'"
    path = make_video(
        "a.mp4", seconds=12, picture=PICTURES.format("640x360"), filters=f"{bars},{low}"
    )
    assert detect(path).inner is None


def test_stars_do_not_show_bars_and_drawings_on_paper_do(tmp_path: Path) -> None:
    """A dark plain picture does not show where its bars begin."""
    for ground, ink, shape in (
        ("black", "white", 640 / 360),  # without bars; its box would be that of the text
        ("white", "black", 640 / 268),
    ):
        picture = Image.new("RGB", (640, 268), ground)
        pen = ImageDraw.Draw(picture)
        for x in range(200, 440, 30):
            pen.line((x, 90, x + 12, 180), ink, 3)
        whole = Image.new("RGB", (640, 360))
        whole.paste(picture, (0, 46))
        whole.save(tmp_path / "still.png")
        path = tmp_path / f"{ground}.mp4"
        still = ("-loop", "1", "-t", "6", "-r", "12", "-i", str(tmp_path / "still.png"))
        run_ffmpeg(*still, *H264, "-pix_fmt", "yuv420p", str(path))
        assert film_borders.shape_of(detect(path)) == pytest.approx(shape, rel=0.02), ground


def test_thumbnails_and_vectors_of_a_letterboxed_film_have_no_bars(
    make_video: Callable[..., Path], page: Client
) -> None:
    picture = PICTURES.format("640x268")
    boxed, plain = (
        import_here(add_film(make_video(name, seconds=10, picture=picture, filters=filters), name))
        for name, filters in (("boxed.mp4", "pad=640:360:0:46"), ("plain.mp4", ""))
    )
    assert boxed.thumbnail_shape == pytest.approx(plain.thumbnail_shape, rel=0.02)
    vectors = [film.files.run(film.searchable_run or 0).load().vectors for film in (boxed, plain)]
    cosines = (vectors[0].astype(float) * vectors[1].astype(float)).sum(axis=1)
    print(f"\nleast cosine of frames with and without bars: {cosines.min():.4f}")
    assert cosines.min() > 0.99
    whole = open_url(page, f"/thumbs/{boxed.uid}/{boxed.searchable_run}/2.jpg")
    assert whole.width / whole.height == pytest.approx(640 / 268, rel=0.02)
    for width in thumbnails.WIDTHS:
        url = f"/thumbs/{boxed.uid}/{boxed.searchable_run}/2-{width}.jpg"
        small = open_url(page, url)
        assert small.width == width
        assert small.width / small.height == pytest.approx(640 / 268, rel=0.03)
    assert page.get(f"/thumbs/{boxed.uid}/{boxed.searchable_run}/2-200.jpg").status_code == 404
    assert page.get(f"/thumbs/{boxed.uid}/{boxed.searchable_run}/99-320.jpg").status_code == 404
    # Small thumbnails do not count as frames.
    assert boxed.is_stored


def draw_thumbnail(path: Path, size: tuple[int, int], x: int, y: int) -> None:
    picture = Image.new("RGB", size, "#7090b0")
    ImageDraw.Draw(picture).ellipse((x - 30, y - 30, x + 30, y + 30), "#d03010", "#000", 6)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, "JPEG", quality=85)


@pytest.mark.parametrize(
    ("size", "place", "box", "expected"),
    [
        ((640, 268), (60, 134), 16 / 9, (0, 50)),
        ((640, 268), (600, 134), 16 / 9, (100, 50)),
        ((640, 268), (320, 134), 16 / 9, (50, 50)),
        ((360, 640), (180, 60), 16 / 9, (50, 0)),
        ((360, 640), (180, 590), 16 / 9, (50, 100)),
    ],
)
def test_tiles_are_cropped_to_the_subject(
    size: tuple[int, int], place: tuple[int, int], box: float, expected: tuple[int, int]
) -> None:
    film = Film(
        uid=f"{abs(hash((size, place))):032x}"[-32:], searchable_run=1, shape=size[0] / size[1]
    )
    draw_thumbnail(FilmFiles(film.uid).run(1).thumbnail(3), size, *place)
    across, down = (
        int(part.rstrip("%")) for part in thumbnails.crop_position(film, 3, box).split()
    )
    assert (across, down) == pytest.approx(expected, abs=12)


def test_a_thumbnail_of_the_shape_of_its_place_is_not_cropped() -> None:
    film = Film(searchable_run=1, shape=16 / 9)
    assert thumbnails.crop_position(film, 3, 16 / 9) == ""


def test_a_full_disk_gives_the_whole_thumbnail(monkeypatch: pytest.MonkeyPatch) -> None:
    run = FilmFiles("d" * 32).run(1)
    draw_thumbnail(run.thumbnail(1), (640, 360), 300, 100)

    def refuse(*_arguments: object) -> None:
        raise DiskFull

    monkeypatch.setattr(thumbnails, "write_atomically", refuse)
    assert thumbnails.get_small_thumbnail(run, 1, 320) == run.thumbnail(1)


def test_a_damaged_thumbnail_is_missing() -> None:
    run = FilmFiles("e" * 32).run(1)
    run.thumbnail(1).parent.mkdir(parents=True)
    run.thumbnail(1).write_bytes(b"\xff\xd8\xff")
    with pytest.raises(FileNotFoundError):
        thumbnails.get_small_thumbnail(run, 1, 320)
