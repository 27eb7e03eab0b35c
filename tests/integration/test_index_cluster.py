"""The index in a Redis Cluster of three nodes, each of which searches its own keys."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import redis

from gallery.core.errors import IndexUnavailable
from gallery.films.models import Film
from gallery.importing import healing
from gallery.importing.library_check import check_library
from gallery.index import frame_index, server
from gallery.index.frame_index import FrameIndex
from gallery.index.types import Scope
from gallery.search import engine
from gallery.search.types import Example, Query
from gallery.transcripts import dialogue
from gallery.transcripts.line_index import Expression, IndexedLine, LineIndex
from tests.importing import clean_up, sweep
from tests.integration.test_index import WIDTH, make_records, random_vectors
from tests.lines import find_texts
from tests.processes import RedisCluster, wait_for

FILMS = range(1, 13)
FRAMES = 40


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    made = RedisCluster(tmp_path_factory.mktemp("cluster"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def cluster(servers: RedisCluster, settings: Any) -> RedisCluster:
    """An empty cluster, configured as INDEX_URL."""
    for number in range(3):
        servers.client(number).flushdb()
    settings.INDEX_URL = servers.url
    return servers


@pytest.fixture
def index(cluster: RedisCluster) -> FrameIndex:
    """An index of twelve films, on all three servers."""
    made = FrameIndex(server.connect_index(), prefix="t:m", width=WIDTH)
    vectors = random_vectors(len(FILMS) * FRAMES)
    for number, film in enumerate(FILMS):
        rows = vectors[number * FRAMES : (number + 1) * FRAMES]
        made.put(film, make_records(film, FRAMES), rows, {3: (film,), 4: (99,)}, stamp="done")
    assert all(cluster.client(number).dbsize() > FRAMES for number in range(3))
    return made


def test_frames_of_a_film_are_on_one_server(index: FrameIndex, cluster: RedisCluster) -> None:
    for film in FILMS:
        counts = [len(cluster.client(n).keys(f"t:m:{{{film}}}:*")) for n in range(3)]
        assert sorted(counts) == [0, 0, FRAMES]


def test_a_search_covers_all_servers(index: FrameIndex) -> None:
    assert index.status().frames == len(FILMS) * FRAMES
    stored = random_vectors(len(FILMS) * FRAMES)
    for query in random_vectors(10, 5):
        found = index.nearest(query, 50)
        rows = [(one.film - 1) * FRAMES + one.second for one in found]
        assert stored[rows] @ query == pytest.approx(np.sort(stored @ query)[::-1][:50], abs=3e-3)
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    within = index.nearest(random_vectors(1)[0], 500, Scope(films=(2, 3, 7)))
    assert {one.film for one in within} == {2, 3, 7}
    assert len(within) == 3 * FRAMES


def test_frames_are_read_labelled_and_dropped(index: FrameIndex, cluster: RedisCluster) -> None:
    keys = [(film, 5) for film in FILMS]
    assert index.records(keys) == {key: make_records(key[0], FRAMES)[5] for key in keys}
    assert index.embeddings(keys)[0] == keys
    assert index.labels([(film, 3) for film in FILMS]) == [{film} for film in FILMS]
    assert index.counts(FILMS) == dict.fromkeys(FILMS, FRAMES)
    assert index.seconds(4) == set(range(FRAMES))
    assert index.time(4, 7) == pytest.approx(7.01)
    assert len(index.sample()) == len(FILMS) * FRAMES
    assert index.set_labels(4, {8: (7, 99)}) == 3
    found = index.nearest(random_vectors(1)[0], 99, Scope(labels=(99,)))
    assert {one.key for one in found} == {(4, 8)} | {(film, 4) for film in FILMS if film != 4}
    index.put(5, make_records(5, 10), random_vectors(10))
    assert (index.count(5), index.status().frames) == (10, 11 * FRAMES + 10)
    assert index.stamps() == {film: "done" for film in FILMS if film != 5}
    for film in FILMS:
        index.drop(film)
    assert index.films() == []
    left = {key for number in range(3) for key in cluster.client(number).keys("t:m:*")}
    assert left == {b"t:m:version"}


def test_each_change_has_another_version(index: FrameIndex) -> None:
    keys = (index.version_key, "t:dialogue:version")
    before = server.version(index.client, *keys)
    index.drop(3)
    after = server.version(index.client, *keys)
    assert before[0] != after[0]
    assert before[1] == after[1] is None


def test_one_worker_writes_a_film_at_a_time(
    index: FrameIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_index, "MAX_LOCK_WAIT", 0.1)
    with index.film_lock(1) as check, index.film_lock(2):
        check()
        with pytest.raises(IndexUnavailable, match="Another worker"), index.film_lock(1):
            pass
    with index.film_lock(1):
        pass


def test_lines_are_found_on_all_servers(cluster: RedisCluster) -> None:
    lines = LineIndex(server.connect_index(), "t:dialogue")
    for film in FILMS:
        record = make_records(film, 1)[0]
        texts = ("the moon", "a moon and another moon", "nothing")
        said = [IndexedLine(1, n, "en", n, n + 1, text, record) for n, text in enumerate(texts)]
        lines.put(film, said, f"state {film}")
    assert all(cluster.client(number).keys("t:dialogue:{*}:*") for number in range(3))
    assert lines.groups() == ["en"]
    assert lines.lines() == 36
    moon = Expression()
    assert lines.totals([(moon.phrase(["moon"]), moon)]) == [24]
    [found] = lines.ask([(moon.phrase(["moon"]), moon)], 20)
    assert len(found) == 20
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert lines.count(7) == 3
    lines.put(7, [], "silent")
    assert lines.count(7) == 0
    assert lines.states() == {film: "silent" if film == 7 else f"state {film}" for film in FILMS}
    for film in FILMS:
        lines.drop(film)
    assert lines.states() == {}
    assert [key for n in range(3) for key in cluster.client(n).keys("t:dialogue:*{*")] == []


# --- the product with INDEX_URL -------------------------------------------------------------------


def heal() -> None:
    sweep()
    wait_for(lambda: frame_index.current().status().ready == 1)
    while healing.heal(lambda *_step: None):
        pass


def find_nearest(film: Film) -> list[tuple[int, int, float]]:
    hits = engine.search(Query(examples=(Example((film.pk, 40)),))).hits
    return [(hit.film, hit.second, hit.score) for hit in hits]


@pytest.mark.django_db(transaction=True)
def test_the_index_moves_to_a_cluster_and_losses_are_repaired(
    demo_film: Film, servers: RedisCluster, settings: Any, redis_server: redis.Redis
) -> None:
    expected = find_nearest(demo_film)
    for number in range(3):
        servers.client(number).flushdb()
    settings.INDEX_URL = servers.url
    heal()
    assert find_nearest(demo_film) == expected
    assert find_texts("refrigerator")
    assert [one.problems for one in check_library().films] == [[]]
    here, client = frame_index.current(), server.connect_index()
    client.delete(here.frame_key(demo_film.pk, 3), here.frame_key(demo_film.pk, 4))
    client.delete(here.seconds_key(demo_film.pk))
    stray = {"film": "999"}
    client.hset(here.frame_key(999, 1), mapping=stray)
    client.hset("imgsearch:dialogue:{999}:1:0", mapping=stray)
    heal()
    clean_up()
    assert find_nearest(demo_film) == expected
    found = check_library()
    assert [one.problems for one in found.films] == [[]]
    assert not any("film 999" in one for one in found.orphans)
    assert not client.exists(here.frame_key(999, 1))


@pytest.mark.django_db(transaction=True)
def test_a_lost_server_gives_no_partial_results(index: FrameIndex, cluster: RedisCluster) -> None:
    """Each server has some of the films, so a search must fail if one is missing."""
    query = random_vectors(1)[0]
    before = index.nearest(query, 500)
    cluster.kill(1)
    with pytest.raises(IndexUnavailable):
        index.nearest(query, 500)
    cluster.restart(1)

    def put_again() -> bool:
        """The client has to rediscover the server."""
        try:
            for number, film in enumerate(FILMS):
                rows = random_vectors(len(FILMS) * FRAMES)[number * FRAMES : (number + 1) * FRAMES]
                index.put(film, make_records(film, FRAMES), rows)
        except IndexUnavailable:
            return False
        return True

    wait_for(put_again)
    wait_for(lambda: index.status().ready == 1)
    assert index.nearest(query, 500) == before


def test_an_unreachable_cluster_is_reported(settings: Any) -> None:
    settings.INDEX_URL = "redis+cluster://127.0.0.1:1"
    with pytest.raises(IndexUnavailable, match="cannot be reached"):
        frame_index.current()
    with pytest.raises(IndexUnavailable):
        dialogue.current()


def test_the_doctor_names_the_cluster(cluster: RedisCluster) -> None:
    from gallery.management.commands.doctor import _redis

    assert f"at redis+cluster://127.0.0.1:{cluster.ports[0]} (3 servers)" in _redis()
