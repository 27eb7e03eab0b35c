"""Embedding frames, splitting into shots, classifying frames."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmarks.card_drawing import WIDE, Style, two_columns
from benchmarks.frame_drawing import draw_scene
from gallery.clip.types import Vectors
from gallery.films import footage
from gallery.importing.ingest import SpanEmbedder
from gallery.index.types import FrameRecord
from gallery.media import store
from gallery.media.shots import find_shot, split_into_shots
from gallery.media.store import SegmentData
from gallery.media.types import Frame, FrameKind, Picture, Shot
from tests.films import noise

CARD = two_columns(Style(size=WIDE), np.random.default_rng(1))


class GreyEncoder:
    """A minimal encoder: the mean colour of a picture. Records the sizes of batches."""

    streams = 1

    def __init__(self, batch: int = 4) -> None:
        self.batch = batch
        self.batches: list[int] = []

    def to_squares(self, picture: Picture) -> list[Picture]:
        return [picture]

    def embed_squares(self, parts: Sequence[list[Picture]]) -> Vectors:
        self.batches.append(len(parts))
        if not parts:
            return np.zeros((0, 3), np.float32)
        rows = np.array([np.asarray(p, np.float32).mean(axis=(0, 1)) for (p,) in parts])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_frames_are_embedded_in_batches_and_progress_is_reported() -> None:
    frames = [Frame(n, n + 0.25, noise(n, (8, 8))) for n in range(10)]
    grey, saved, progress = GreyEncoder(), [], []
    embedder = SpanEmbedder(grey, lambda second, _picture: saved.append(second))
    data = embedder.embed(iter(frames), progress.append)
    assert grey.batches == [4, 4, 2]
    assert progress == [4, 8, 10]
    assert saved == data.seconds.tolist() == list(range(10))
    assert data.times.tolist() == [n + 0.25 for n in range(10)]
    assert data.vectors.dtype == np.float16
    assert data.vectors.shape == (10, 3)
    expected = GreyEncoder().embed_squares([[frame.picture] for frame in frames])
    assert np.allclose(data.vectors, expected, atol=1e-3)


def test_a_span_without_frames_is_no_error() -> None:
    data = SpanEmbedder(GreyEncoder(), lambda *_: None).embed([], lambda _: None)
    assert len(data.seconds) == len(data.times) == len(data.vectors) == 0


def test_cuts_split_a_film_into_shots() -> None:
    assert split_into_shots([], 10) == [Shot(0, 0.0, 10)]
    assert split_into_shots([4.0, 2.0, 4.0], 10) == [
        Shot(0, 0.0, 2.0), Shot(1, 2.0, 4.0), Shot(2, 4.0, 10),
    ]  # fmt: skip
    assert split_into_shots([0.0, -1.0, 10.0, 11.0], 10) == [Shot(0, 0.0, 10)]


@pytest.mark.parametrize(
    ("time", "number"), [(0.0, 0), (1.999, 0), (2.0, 1), (2.0 - 1e-7, 1), (3.9, 1), (99.0, 2)]
)
def test_a_frame_belongs_to_the_latest_shot(time: float, number: int) -> None:
    assert find_shot(time, split_into_shots([2.0, 4.0], 10)) == number


def test_every_frame_has_its_shot() -> None:
    data = SegmentData(
        np.arange(4, dtype=np.int32),
        np.array([0.0, 1.02, 2.01, 3.04]),
        np.zeros((4, 2), np.float16),
        np.array([1.01, 3.04]),
        parse_kinds("pbpp"),
        np.zeros(4, np.uint64),
    )
    film = footage.join_shots(9, data, 4.0)
    rows = film.records
    assert [(row.second, row.shot) for row in rows] == [(0, 0), (1, 1), (2, 1), (3, 2)]
    assert (rows[1].start, rows[1].end) == (1.01, 3.04)
    assert {row.film for row in rows} == {9}
    assert len(film.shots) == 3
    assert [row.look for row in rows] == [
        FrameKind.PICTURE,
        FrameKind.BLANK,
        FrameKind.PICTURE,
        FrameKind.PICTURE,
    ]


# --- kinds of frames ------------------------------------------------------------------------------

NAMES = {"p": FrameKind.PICTURE, "b": FrameKind.BLANK, "c": FrameKind.CREDITS, "-": ""}


def parse_kinds(letters: str) -> NDArray[np.str_]:
    """Kinds by their first letters; - for unclassified frames."""
    return np.array([NAMES[letter] for letter in letters], store.FRAME_KIND_DTYPE)


def make_segment(letters: str) -> SegmentData:
    count = len(letters)
    seconds = np.arange(count, dtype=np.int32)
    vectors = np.zeros((count, 2), np.float16)
    return SegmentData(
        seconds,
        seconds.astype(float),
        vectors,
        np.zeros(0),
        parse_kinds(letters),
        np.zeros(count, np.uint64),
    )


def format_kinds(letters: str) -> str:
    film = footage.join_shots(1, make_segment(letters), float(len(letters)))
    return "".join(row.look[0] for row in film.records)


def test_each_frame_is_classified_once() -> None:
    pictures = [noise(1, (160, 90)), Image.new("RGB", (160, 90), "maroon"), draw_scene(3)[1]]
    frames = [Frame(n, float(n), picture) for n, picture in enumerate([*pictures, CARD])]
    data = SpanEmbedder(GreyEncoder(3), lambda *_: None).embed(iter(frames), lambda _: None)
    assert data.looks.tolist() == ["picture", "blank", "picture", "credits"]


def test_identical_frames_are_of_the_same_kind() -> None:
    frames = [Frame(n, float(n), CARD.copy()) for n in range(3)]
    encoder = GreyEncoder(2)
    data = SpanEmbedder(encoder, lambda *_: None).embed(iter(frames), lambda _: None)
    assert encoder.batches == [1, 0]
    assert data.looks.tolist() == ["credits"] * 3


@pytest.mark.parametrize(
    ("given", "offered"),
    [
        ("pppbbccc", "pppbbccc"),
        ("p--c", "pppc"),
        ("cccccpp", "ppppppp"),  # a film of text
        ("bbbbbp", "bbbbbp"),  # mostly dark
        ("b" * 19 + "p", "p" * 20),  # a film of one colour
        ("bbbccccc", "bbbppppp"),
        ("", ""),
    ],
)
def test_the_pythons_that_are_offered(given: str, offered: str) -> None:
    assert format_kinds(given) == offered


@pytest.mark.parametrize(
    ("letters", "second"),
    [("ppppp", 2), ("bbppp", 3), ("pbbbb", 0), ("ccccp", 4), ("bbbb", 2), ("pbpbb", 2)],
)
def test_a_picture_stands_for_a_shot_where_there_is_one(letters: str, second: int) -> None:
    rows = [FrameRecord(1, n, n, 0, 0, 5, FrameKind(NAMES[c])) for n, c in enumerate(letters)]
    rows += [FrameRecord(1, 9, 9, 2, 9, 10)]
    assert [(row.shot, row.second) for row in footage.middle_frames(rows)] == [(0, second), (2, 9)]
