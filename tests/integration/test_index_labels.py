"""The index's labels: written where they changed only, by one worker at a time."""

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
from tests.integration.test_index import WIDTH, random_vectors, records


@pytest.fixture
def here(redis_server: redis.Redis) -> FrameIndex:
    return FrameIndex(redis_server, prefix="t:m", width=WIDTH, flat_max=10_000, ef_runtime=200)


def found(here: FrameIndex, *labels: int) -> set[int]:
    vector = random_vectors(1)[0]
    return {n.second for n in here.nearest(vector, 100, Scope(labels=labels))}


def test_labels_filter_and_are_replaced(here: FrameIndex) -> None:
    here.put(1, records(1, 6), random_vectors(6), {0: (7,), 1: (7, 12), 2: (1,)})
    assert found(here, 7) == {0, 1}
    assert found(here, 7, 12) == {1}
    assert found(here, 1) == {2}  # not 12
    assert here.set_labels(1, {1: (7, 12), 5: (12,)}) == 3
    assert found(here, 7) == {1}
    assert found(here, 12) == {1, 5}
    assert found(here, 1) == set()


def test_unchanged_labels_are_not_written_again(here: FrameIndex) -> None:
    here.put(1, records(1, 4), random_vectors(4))
    assert here.set_labels(1, {2: (7,)}) == 1
    assert here.set_labels(1, {2: (7,)}) == 0
    assert here.set_labels(1, {}) == 1


def test_another_film_keeps_its_labels(here: FrameIndex) -> None:
    for film in (1, 11):
        here.put(film, records(film, 3), random_vectors(3), {0: (7,)})
    here.set_labels(1, {})
    vector = random_vectors(1)[0]
    assert {n.film for n in here.nearest(vector, 9, Scope(labels=(7,)))} == {11}


def test_frames_that_are_no_credits_come_with_their_embeddings(here: FrameIndex) -> None:
    rows, vectors = records(3, 5), random_vectors(5)
    rows[2] = replace(rows[2], look=FrameKind.CREDITS)
    here.put(3, rows, vectors)
    got, embeddings = here.embeddings([(3, 4), (3, 2), (9, 9), (3, 0)])
    assert got == [(3, 4), (3, 0)]
    assert embeddings == pytest.approx(vectors[[4, 0]], abs=2e-3)
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx(1.0, abs=1e-6)
    nothing, empty = here.embeddings([])
    assert (nothing, empty.shape) == ([], (0, WIDTH))


def test_one_worker_writes_a_film_at_a_time(here: FrameIndex) -> None:
    order: list[str] = []

    def second() -> None:
        with here.film_lock(1):
            order.append("second")

    with here.film_lock(1):
        with here.film_lock(2):
            order.append("another film")
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.3)
        order.append("first")
    thread.join(10)
    assert order == ["another film", "first", "second"]


def test_a_worker_that_cannot_get_the_lock_gets_an_error(
    here: FrameIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_index, "MAX_LOCK_WAIT", 0.1)
    with (
        here.film_lock(1),
        pytest.raises(IndexUnavailable, match="Another worker"),
        here.film_lock(1),
    ):
        pass
    with here.film_lock(1):
        pass
