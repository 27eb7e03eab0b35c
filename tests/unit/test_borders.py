"""Bars around pictures, where there may be none."""

import pytest
from PIL import Image, ImageDraw, ImageFont

from gallery.media.borders import inner_box


@pytest.mark.parametrize("turn", [None, Image.Transpose.ROTATE_90])
def test_text_on_black_is_not_all_bars(turn: Image.Transpose | None) -> None:
    font = ImageFont.load_default(12)
    for offset in range(16):
        picture = Image.new("RGB", (160, 90))
        draw = ImageDraw.Draw(picture)
        for number, y in enumerate(range(offset, 90, 16)):
            draw.text((78, y), "Costume"[: 5 + number % 3], "#ccc", font, anchor="ra")
            draw.text((84, y), "Aoife Kelly"[: 6 + number % 4], "white", font)
        if turn is not None:
            picture = picture.transpose(turn)
        box = inner_box(picture)
        assert 0 <= box.left < box.right <= picture.width
        assert 0 <= box.top < box.bottom <= picture.height
