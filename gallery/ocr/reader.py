"""Reads text in pictures with PP-OCR (Du et al., 2020), in the PP-OCRv6 models of rapidocr.

One network finds rows of text, another one recognizes them: Chinese, English, Japanese and other
languages with Latin letters. The package carries the weights; OpenVINO runs them.
"""

import math
import threading
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gallery.clip.runtimes import import_openvino, inference_threads
from gallery.media.types import Picture
from gallery.ocr.types import Box, Text

# Pixels of the longer side of a picture in which text is looked for. At 480, 30 ms; at 640, 55 ms.
DETECTION_SIDE = 480
MIN_SCORE = 0.5
ROW_HEIGHT = 48  # pixels, to which the recognizer scales a row
# Rows are padded to few widths, and recognized one by one: OpenVINO keeps memory for each shape.
WIDTH_STEP = 160  # pixels of a scaled row
PADDING = 127  # level, as the recognizer pads

Pixels = NDArray[np.uint8]
"""A picture as the networks take it: shape (height, width, 3), blue first."""

Corners = NDArray[np.float32]
"""The corners of a row in pixels, shape (4, 2), clockwise from where its text begins."""


class Reader:
    """Finds rows of text in pictures, and recognizes them. Calls are serialized."""

    def __init__(self, threads: int) -> None:
        import_openvino()
        from rapidocr import EngineType, RapidOCR

        self._ocr = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.use_preprocess_img": False,
                "Global.use_vertical_padding": False,
                "Global.text_score": MIN_SCORE,
                "Det.engine_type": EngineType.OPENVINO,
                "Det.limit_side_len": DETECTION_SIDE,
                "Det.limit_type": "max",
                "Rec.engine_type": EngineType.OPENVINO,
                "Rec.rec_batch_num": 1,
                "EngineConfig.openvino.inference_num_threads": threads,
            }
        )
        self._lock = threading.Lock()

    def find(self, picture: Picture) -> list[tuple[Corners, Pixels]]:
        """Return the rows of text in a picture, each straightened."""
        from rapidocr.main import RapidOCRError

        pixels = np.ascontiguousarray(np.asarray(picture.convert("RGB"))[:, :, ::-1])
        with self._lock:
            try:
                rows, found = self._ocr.detect_and_crop(pixels, {})
                corners: Any = found.boxes
            except RapidOCRError:  # there is no text
                return []
        return list(zip(corners, rows, strict=True))

    def recognize(self, rows: Sequence[Pixels]) -> list[tuple[str, float]]:
        """Return the text of each row and its score, 0 to 1."""
        if not rows:
            return []
        with self._lock:
            found: Any = self._ocr.recognize_txt([pad_row(row) for row in rows])
        return list(zip(found.txts, found.scores, strict=True))


def pad_row(row: Pixels) -> Pixels:
    """Return a row with padding on the right, up to the next of the widths."""
    height, width, _channels = row.shape
    scaled = width * ROW_HEIGHT / height
    wanted = math.ceil(math.ceil(scaled / WIDTH_STEP) * WIDTH_STEP * height / ROW_HEIGHT)
    return np.pad(row, ((0, 0), (0, wanted - width), (0, 0)), constant_values=PADDING)


@cache
def _load(threads: int) -> Reader:
    return Reader(threads)


_load_lock = threading.Lock()


def get_reader() -> Reader:
    """Return this process's reader, loaded at the first call."""
    with _load_lock:
        return _load(inference_threads())


def to_text(corners: Corners, text: str, score: float, size: tuple[int, int]) -> Text:
    """Return a recognized row; `size` is the width and height of its picture in pixels."""
    width, height = size
    across, down = corners[1] - corners[0], corners[3] - corners[0]
    angle = abs(float(np.degrees(np.arctan2(across[1], across[0]))))
    left, top = corners.min(axis=0) / (width, height)
    right, bottom = corners.max(axis=0) / (width, height)
    return Text(
        text.strip(),
        score,
        Box(*(round(min(1.0, max(0.0, float(edge))), 4) for edge in (left, top, right, bottom))),
        round(float(np.hypot(*down)) / height, 4),
        round(min(angle, 180 - angle), 1),
    )
