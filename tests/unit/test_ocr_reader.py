"""Shapes that the recognizer gets: few, as OpenVINO keeps memory for each."""

import numpy as np

from gallery.ocr.reader import PADDING, ROW_HEIGHT, WIDTH_STEP, pad_row


def test_rows_are_padded_to_few_widths() -> None:
    rng = np.random.default_rng(1)
    scaled = set()
    for _row in range(300):
        height, width = int(rng.integers(8, 60)), int(rng.integers(4, 640))
        row = np.zeros((height, width, 3), np.uint8)
        padded = pad_row(row)
        assert padded.shape[0] == height
        assert (padded[:, :width] == row).all()
        assert (padded[:, width:] == PADDING).all()
        scaled.add(int(ROW_HEIGHT * padded.shape[1] / height) // WIDTH_STEP)
    assert len(scaled) <= 25
