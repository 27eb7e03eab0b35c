"""The vector files of another model next to the segments of a run."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gallery.media.model_vectors import ModelVectors
from gallery.media.store import FRAME_KIND_DTYPE, RunFiles, SegmentData

MODEL = "0123456789ab"


def rows(count: int, first: int) -> NDArray[np.float16]:
    return np.eye(8, dtype=np.float16)[[(first + n) % 8 for n in range(count)]]


@pytest.fixture
def run(tmp_path: Path) -> RunFiles:
    """A run of three segments; the last one has no frames."""
    found = RunFiles(tmp_path / "1")
    for number, seconds in enumerate(([0, 1, 2], [5, 6], [])):
        found.save_segment(
            number,
            SegmentData(
                np.array(seconds, np.int32),
                np.array(seconds, np.float64),
                rows(len(seconds), 0),
                np.array([1.5] if number == 0 else [], np.float64),
                np.array([""] * len(seconds), FRAME_KIND_DTYPE),
                np.array(seconds, np.uint64),
            ),
        )
    return found


def fill(vectors: ModelVectors, run: RunFiles) -> None:
    while (number := vectors.next_missing()) is not None:
        seconds = run.load_segment(number).seconds
        vectors.save(number, seconds, rows(len(seconds), 3))


def test_segments_are_filled_in_order_and_replace_the_own_vectors_when_loaded(
    run: RunFiles,
) -> None:
    vectors, own = ModelVectors(run, MODEL), run.load()
    assert (vectors.next_missing(), vectors.count_frames()) == (0, 0)
    fill(vectors, run)
    found = vectors.load()
    assert found.seconds.tolist() == own.seconds.tolist() == [0, 1, 2, 5, 6]
    assert found.cuts.tolist() == [1.5]
    assert np.array_equal(found.vectors, np.concatenate([rows(3, 3), rows(2, 3)]))
    assert np.array_equal(run.load().vectors, own.vectors)
    assert vectors.count_frames() == 5
    assert ModelVectors(run, "another").count_frames() == 0


@pytest.mark.parametrize("how", ["half", "gone", "other frames"])
def test_damaged_files_are_skipped_and_removed(how: str, run: RunFiles) -> None:
    vectors = ModelVectors(run, MODEL)
    fill(vectors, run)
    path = run.folder / f"vectors-{MODEL}-00001.npz"
    if how == "half":
        path.write_bytes(path.read_bytes()[:-40])
    elif how == "gone":
        path.unlink()
    else:
        vectors.save(1, np.array([5, 7], np.int32), rows(2, 3))
    assert vectors.load().seconds.tolist() == [0, 1, 2]
    assert vectors.count_frames() == 3
    assert vectors.remove_damaged() is (how != "gone")
    assert vectors.next_missing() == 1
    fill(vectors, run)
    assert not vectors.remove_damaged()
    assert vectors.count_frames() == 5


def test_replacing_the_own_vectors_can_be_repeated(run: RunFiles) -> None:
    vectors, own = ModelVectors(run, MODEL), run.load()
    fill(vectors, run)
    expected = vectors.load().vectors
    for _time in range(2):
        vectors.move_into_segments(lambda: None)
        found = run.load()
        assert np.array_equal(found.vectors, expected)
        assert found.digests.tolist() == own.digests.tolist()
        assert found.cuts.tolist() == own.cuts.tolist()
    vectors.remove()
    assert sorted(path.name for path in run.folder.glob("*.npz")) == [
        f"segment-0000{number}.npz" for number in range(3)
    ]
