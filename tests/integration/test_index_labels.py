"""Labels in the index: only changes are written, by one worker at a time."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import redis

from gallery.core.errors import IndexUnavailable
from gallery.index import frame_index
from gallery.index.frame_index import FrameIndex
from gallery.index.types import Scope
from gallery.media.types import FrameKind
from tests.integration.test_index import WIDTH, make_records, random_vectors


@pytest.fixture
def index(redis_server: redis.Redis) -> FrameIndex:
    return FrameIndex(redis_server, prefix="t:m", width=WIDTH)


def find_shots(index: FrameIndex, *labels: int) -> set[int]:
    vector = random_vectors(1)[0]
    return {n.second for n in index.nearest(vector, 100, Scope(labels=labels))}


def test_labels_filter_and_are_replaced(index: FrameIndex) -> None:
    index.put(1, make_records(1, 6), random_vectors(6), {0: (7,), 1: (7, 12), 2: (1,)})
    assert find_shots(index, 7) == {0, 1}
    assert find_shots(index, 7, 12) == {1}
    assert find_shots(index, 1) == {2}  # not 12
    assert index.set_labels(1, {1: (7, 12), 5: (12,)}) == 3
    assert find_shots(index, 7) == {1}
    assert find_shots(index, 12) == {1, 5}
    assert find_shots(index, 1) == set()


def test_unchanged_labels_are_not_written_again(index: FrameIndex) -> None:
    index.put(1, make_records(1, 4), random_vectors(4))
    assert index.set_labels(1, {2: (7,)}) == 1
    assert index.set_labels(1, {2: (7,)}) == 0
    assert index.set_labels(1, {}) == 1


def test_another_film_keeps_its_labels(index: FrameIndex) -> None:
    for film in (1, 11):
        index.put(film, make_records(film, 3), random_vectors(3), {0: (7,)})
    index.set_labels(1, {})
    vector = random_vectors(1)[0]
    assert {n.film for n in index.nearest(vector, 9, Scope(labels=(7,)))} == {11}


def test_frames_that_are_no_credits_come_with_their_embeddings(index: FrameIndex) -> None:
    rows, vectors = make_records(3, 5), random_vectors(5)
    rows[2] = replace(rows[2], look=FrameKind.CREDITS)
    index.put(3, rows, vectors)
    got, embeddings = index.embeddings([(3, 4), (3, 2), (9, 9), (3, 0)])
    assert got == [(3, 4), (3, 0)]
    assert embeddings == pytest.approx(vectors[[4, 0]], abs=2e-3)
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx(1.0, abs=1e-6)
    nothing, empty = index.embeddings([])
    assert (nothing, empty.shape) == ([], (0, WIDTH))


def test_a_frame_may_change_its_kind(index: FrameIndex) -> None:
    """Blank frames and credits are searched only on request, in any case once."""
    rows, vectors = make_records(3, 5), random_vectors(5)
    index.put(3, rows, vectors)
    dull = [replace(row, look=FrameKind.BLANK) if row.second < 2 else row for row in rows]
    index.put(3, dull, vectors)
    for scope, seconds in ((Scope(), [2, 3, 4]), (Scope(include_dull=True), [0, 1, 2, 3, 4])):
        assert sorted(one.second for one in index.nearest(vectors[0], 9, scope)) == seconds
    assert index.vector(3, 1) == pytest.approx(vectors[1], abs=2e-3)
    assert index.records([(3, 1), (3, 2)]) == {(3, 1): dull[1], (3, 2): rows[2]}
    index.put(3, rows, vectors)
    assert len(index.nearest(vectors[0], 9)) == 5


def test_one_worker_writes_a_film_at_a_time(index: FrameIndex) -> None:
    order: list[str] = []

    def second() -> None:
        with index.film_lock(1):
            order.append("second")

    with index.film_lock(1):
        with index.film_lock(2):
            order.append("another film")
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.3)
        order.append("first")
    thread.join(10)
    assert order == ["another film", "first", "second"]


def test_a_worker_that_cannot_get_the_lock_gets_an_error(
    index: FrameIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_index, "MAX_LOCK_WAIT", 0.1)
    with (
        index.film_lock(1),
        pytest.raises(IndexUnavailable, match="Another worker"),
        index.film_lock(1),
    ):
        pass
    with index.film_lock(1):
        pass
