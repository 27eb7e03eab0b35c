"""Frames to vectors, cuts to shots."""

from collections.abc import Sequence

import numpy as np
import pytest

from gallery import ingest
from gallery.shots import shot_of, shots_from_cuts
from gallery.storage import SegmentData
from gallery.types import Frame, FrameRecord, Picture, Shot, Vectors
from tests.films import noise


class Grey:
    """The least of encoders: the mean colour of a picture. Keeps the size of its batches."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def pictures(self, pictures: Sequence[Picture]) -> Vectors:
        self.batches.append(len(pictures))
        rows = np.array([np.asarray(p, np.float32).mean(axis=(0, 1)) for p in pictures])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_frames_are_embedded_in_batches_and_progress_is_told() -> None:
    frames = [Frame(n, n + 0.25, noise(n, (8, 8))) for n in range(10)]
    grey, saved, told = Grey(), [], []
    data = ingest.embed_span(
        iter(frames),
        grey,
        batch=4,
        save_thumbnail=lambda second, _picture: saved.append(second),
        progress=told.append,
    )
    assert grey.batches == [4, 4, 2]
    assert told == [4, 8, 10]
    assert saved == data.seconds.tolist() == list(range(10))
    assert data.times.tolist() == [n + 0.25 for n in range(10)]
    assert data.vectors.dtype == np.float16
    assert data.vectors.shape == (10, 3)
    expected = Grey().pictures([frame.picture for frame in frames])
    assert np.allclose(data.vectors, expected, atol=1e-3)


def test_a_span_without_frames_is_no_error() -> None:
    data = ingest.embed_span(
        [], Grey(), batch=4, save_thumbnail=lambda *_: None, progress=lambda _: None
    )
    assert len(data.seconds) == len(data.times) == len(data.vectors) == 0


def test_cuts_part_a_film_into_shots() -> None:
    assert shots_from_cuts([], 10) == [Shot(0, 0.0, 10)]
    assert shots_from_cuts([4.0, 2.0, 4.0], 10) == [
        Shot(0, 0.0, 2.0), Shot(1, 2.0, 4.0), Shot(2, 4.0, 10),
    ]  # fmt: skip
    assert shots_from_cuts([0.0, -1.0, 10.0, 11.0], 10) == [Shot(0, 0.0, 10)]


@pytest.mark.parametrize(
    ("time", "number"), [(0.0, 0), (1.999, 0), (2.0, 1), (2.0 - 1e-7, 1), (3.9, 1), (99.0, 2)]
)
def test_a_frame_belongs_to_the_shot_that_began_last(time: float, number: int) -> None:
    assert shot_of(time, shots_from_cuts([2.0, 4.0], 10)) == number


def test_every_frame_knows_its_shot() -> None:
    data = SegmentData(
        np.arange(4, dtype=np.int32),
        np.array([0.0, 1.02, 2.01, 3.04]),
        np.zeros((4, 2), np.float16),
        np.array([1.01, 3.04]),
    )
    rows, shots = ingest.records(9, data, 4.0)
    assert [(row.second, row.shot) for row in rows] == [(0, 0), (1, 1), (2, 1), (3, 2)]
    assert (rows[1].start, rows[1].end) == (1.01, 3.04)
    assert {row.film for row in rows} == {9}
    assert len(shots) == 3


def test_the_middle_frame_stands_for_a_shot() -> None:
    rows = [FrameRecord(1, second, second, shot, 0, 1) for second, shot in enumerate([0] * 5 + [2])]
    assert [(row.shot, row.second) for row in ingest.middle_frames(rows)] == [(0, 2), (2, 5)]
