"""What a crop of a scene keeps."""

from PIL import ImageOps

from gallery.media.framing import _inner_box
from tests.films import noise


def test_bars_are_found_in_pictures_of_several_sizes() -> None:
    pictures = [noise(1, (480, 360)), noise(2, (640, 300))]
    assert _inner_box(pictures) == (0.0, 0.0, 1.0, 1.0)


def test_only_bars_that_all_pictures_have_are_cropped() -> None:
    narrow, wide = (
        ImageOps.expand(noise(seed, (640, 360 - 2 * bar)), (0, bar), "black")
        for seed, bar in ((1, 60), (2, 30))
    )
    assert _inner_box([narrow, narrow]) == (0.0, 60 / 360, 1.0, 300 / 360)
    assert _inner_box([narrow, wide]) == (0.0, 30 / 360, 1.0, 330 / 360)
