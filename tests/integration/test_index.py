"""The index in a real Redis with RediSearch."""

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis

from gallery.clip.types import Vectors
from gallery.core.errors import (
    IndexMissing,
    IndexUnavailable,
    IndexWarmingUp,
    ModelError,
    NoSearchCommands,
)
from gallery.index import server
from gallery.index.frame_index import FrameIndex
from gallery.index.server import connect
from gallery.index.types import FrameKey, FrameRecord, Scope
from gallery.search import ranking
from imgsearch.local import redis_server as embedded
from imgsearch.local.sockets import embedded_redis_url
from tests.processes import find_free_port, redis_process, wait_for

WIDTH = 64


def normalize(rows: np.ndarray) -> Vectors:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def random_vectors(count: int, seed: int = 1, width: int = WIDTH) -> Vectors:
    return normalize(np.random.default_rng(seed).normal(size=(count, width)))


def make_records(film: int, count: int, frames_per_shot: int = 4) -> list[FrameRecord]:
    return [
        FrameRecord(
            film, second, second + 0.01, second // frames_per_shot,
            float(second // frames_per_shot * frames_per_shot),
            float(second // frames_per_shot * frames_per_shot + frames_per_shot),
        )
        for second in range(count)
    ]  # fmt: skip


@pytest.fixture
def make_index(redis_server: redis.Redis) -> Callable[..., FrameIndex]:
    def make(prefix: str = "t:model1", width: int = WIDTH) -> FrameIndex:
        made = FrameIndex(redis_server, prefix=prefix, width=width)
        made.ensure()
        return made

    return make


@pytest.fixture
def index(make_index: Callable[..., FrameIndex]) -> FrameIndex:
    return make_index()


# --- put, find, drop ------------------------------------------------------------------------------


def test_a_frame_is_its_own_best_hit_and_round_trips(index: FrameIndex) -> None:
    vectors, rows = random_vectors(50), make_records(7, 50)
    index.put(7, rows, vectors)
    for number in (0, 17, 49):
        found = index.nearest(vectors[number], 5)
        assert found[0].key == rows[number].key
        assert found[0].shot == rows[number].shot
        assert index.records([found[0].key]) == {found[0].key: rows[number]}
        assert found[0].score == pytest.approx(1.0, abs=2e-3)
        assert [n.score for n in found] == sorted((n.score for n in found), reverse=True)
    assert index.vector(7, 17) == pytest.approx(vectors[17], abs=2e-3)
    assert np.linalg.norm(index.vector(7, 17)) == pytest.approx(1.0, abs=1e-6)


def test_more_than_ten_come_back(index: FrameIndex) -> None:
    index.put(1, make_records(1, 60), random_vectors(60))
    assert len(index.nearest(random_vectors(1, 9)[0], 45)) == 45


def test_one_film_only(index: FrameIndex) -> None:
    vectors = random_vectors(40)
    for film in (1, 11, 111):
        index.put(film, make_records(film, 40), vectors)
    found = index.nearest(vectors[3], 100, Scope(films=(11,)))
    assert {n.film for n in found} == {11}
    assert len(found) == 40
    assert index.nearest(vectors[3], 10, Scope(films=(5,))) == []


def test_putting_a_film_again_replaces_it(index: FrameIndex, redis_server: redis.Redis) -> None:
    index.put(1, make_records(1, 30), random_vectors(30, 1))
    fresh = random_vectors(12, 2)
    index.put(1, make_records(1, 12), fresh)
    assert index.count(1) == 12
    assert index.status().frames == 12
    assert len(redis_server.keys("t:model1:{1}:*")) == 12
    assert index.nearest(fresh[5], 1)[0].second == 5
    assert index.vector(1, 20) is None


def test_dropping_a_film_leaves_nothing(index: FrameIndex, redis_server: redis.Redis) -> None:
    index.put(1, make_records(1, 30), random_vectors(30, 1))
    index.put(2, make_records(2, 10), random_vectors(10, 2))
    assert index.films() == [1, 2]
    assert index.drop(1) == 30
    assert index.films() == [2]
    assert redis_server.keys("t:model1:*{1}*") == []
    assert {n.film for n in index.nearest(random_vectors(1, 1)[0], 50)} == {2}
    assert index.drop(1) == 0


def test_vectors_that_redisearch_would_skip_are_refused(
    index: FrameIndex, redis_server: redis.Redis
) -> None:
    good = random_vectors(3)
    zero, nan, long = good.copy(), good.copy(), good.copy() * 2
    zero[1] = 0
    nan[1, 5] = np.nan
    for bad in (zero, nan, long, good[:2], random_vectors(3, width=WIDTH + 1)):
        with pytest.raises(ModelError):
            index.put(1, make_records(1, 3), bad)
    assert redis_server.keys("t:model1:{*}:*") == []
    for query in (zero[1], nan[1], np.ones(WIDTH + 1, np.float32)):
        with pytest.raises(ModelError, match="wrong shape or no direction"):
            index.nearest(query, 5)


def test_vectors_of_two_models_are_never_compared(make_index: Callable[..., FrameIndex]) -> None:
    one, other = make_index("t:aaaa"), make_index("t:bbbb", width=32)
    one.put(1, make_records(1, 20), random_vectors(20))
    other.put(1, make_records(1, 5), random_vectors(5, width=32))
    assert one.status().frames == 20
    assert other.status().frames == 5
    assert len(one.nearest(random_vectors(1)[0], 100)) == 20
    assert len(other.nearest(random_vectors(1, width=32)[0], 100)) == 5
    one.drop(1)
    assert other.count(1) == 5


def test_among_duplicates_the_frame_itself_comes_first(index: FrameIndex) -> None:
    """Identical black frames have equal scores; the one searched with comes first."""
    same = np.repeat(random_vectors(1), 30, axis=0)
    for film in (1, 2, 3):
        index.put(film, make_records(film, 30), same)
    for own in ((1, 0), (2, 13), (3, 29)):
        vector = index.vector(*own)
        assert vector is not None
        hits = ranking.best_per_shot(index.nearest(vector, 90), own)
        assert (hits[0].film, hits[0].second) == own
        shots = [(n.film, n.shot) for n in hits]
        assert len(shots) == len(set(shots)) == 24


# --- the search index -----------------------------------------------------------------------------


def test_a_search_is_exact(make_index: Callable[..., FrameIndex]) -> None:
    index, vectors = make_index(width=128), random_vectors(6000, width=128)
    for film in range(1, 4):
        rows = vectors[film * 2000 - 2000 : film * 2000]
        index.put(film, make_records(film, 2000), rows)
    stored = vectors.astype(np.float16).astype(np.float32)
    for query in random_vectors(20, 9, width=128):
        found = [(n.film - 1) * 2000 + n.second for n in index.nearest(query, 10)]
        assert sorted(stored[found] @ query) == pytest.approx(
            sorted(np.sort(stored @ query)[-10:]), abs=2e-3
        )


def test_an_index_of_another_schema_is_dropped(
    make_index: Callable[..., FrameIndex], redis_server: redis.Redis
) -> None:
    redis_server.execute_command(
        *("FT.CREATE", "t:model1:3:flat", "ON", "HASH", "PREFIX", 1, "t:model1:frame:"),
        *("SCHEMA", "film", "TAG"),
    )
    other = make_index("t:model2")
    assert make_index("t:model1").status().frames == 0
    names = redis_server.execute_command("FT._LIST")
    assert sorted(names) == [b"t:model1:4:frames", other.name.encode()]


def test_films_of_another_model_can_be_dropped_without_its_width(
    index: FrameIndex, redis_server: redis.Redis
) -> None:
    index.put(1, make_records(1, 5), random_vectors(5))
    other = FrameIndex(redis_server, prefix=index.prefix, width=0)
    assert (other.films(), other.count(1)) == ([1], 5)
    assert other.drop(1) == 5
    assert index.films() == []
    with pytest.raises(ModelError):
        other.put(1, make_records(1, 5), random_vectors(5))


def test_two_models_are_indexed_at_the_same_time(make_index: Callable[..., FrameIndex]) -> None:
    one, other = make_index("t:aaaa"), make_index("t:bbbb", width=32)
    with one.film_lock(1), other.film_lock(1):
        thread = threading.Thread(
            target=lambda: other.put(1, make_records(1, 1500), random_vectors(1500, width=32))
        )
        thread.start()
        one.put(1, make_records(1, 1500), random_vectors(1500))
        thread.join()
    for index in (one, other):
        assert index.count(1) == index.status().frames == 1500


def test_a_frame_takes_little_memory(
    make_index: Callable[..., FrameIndex], redis_server: redis.Redis
) -> None:
    """1,280 bytes for the hash, 1,024 for the vector in the index, and little else."""
    index = make_index(width=512)
    before = int(redis_server.info("memory")["used_memory"])
    index.put(1, make_records(1, 8000), random_vectors(8000, width=512), {5: (1, 2, 3)})
    used = int(redis_server.info("memory")["used_memory"]) - before
    assert redis_server.object("encoding", index.frame_key(1, 5)) == b"listpack"
    assert redis_server.memory_usage(index.frame_key(1, 5)) < 1400
    assert used / 8000 < 2650


def test_a_search_that_times_out_is_an_error(index: FrameIndex, redis_server: redis.Redis) -> None:
    index.ensure()
    assert redis_server.execute_command("FT.CONFIG", "GET", "ON_TIMEOUT") == [
        [b"ON_TIMEOUT", b"fail"]
    ]


def test_a_server_that_returns_partial_results_is_reconfigured(
    index: FrameIndex, redis_server: redis.Redis
) -> None:
    redis_server.execute_command("FT.CONFIG", "SET", "ON_TIMEOUT", "RETURN")
    index.ensure()
    assert redis_server.execute_command("FT.CONFIG", "GET", "ON_TIMEOUT")[0][1] == b"fail"


def test_two_processes_create_the_index_at_once(redis_server: redis.Redis) -> None:
    failures: list[BaseException] = []

    def make() -> None:
        try:
            FrameIndex(redis_server, prefix="t:both", width=8).ensure()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


# --- problems of Redis -------------------------------------------------------------------------


def open_index(url: str) -> FrameIndex:
    return FrameIndex(connect(url), prefix="t:m", width=WIDTH)


def test_a_killed_server_recovers_every_frame(tmp_path: Path) -> None:
    index = open_index(embedded_redis_url(tmp_path))
    vectors = random_vectors(800)
    with redis_process(tmp_path) as process:
        index.put(1, make_records(1, 800), vectors)
        before = [n.key for n in index.nearest(vectors[5], 20)]
        time.sleep(1.5)  # the append-only file is written to disk every second
        process.send_signal(signal.SIGKILL)
        process.wait()
        with pytest.raises(IndexUnavailable, match="cannot be reached"):
            index.nearest(vectors[5], 20)
    with redis_process(tmp_path):

        def answer() -> list[FrameKey]:
            try:
                return [n.key for n in index.nearest(vectors[5], 20)]
            except IndexWarmingUp:
                return []

        assert wait_for(answer) == before
        assert index.count(1) == index.status().frames == 800


def test_an_unreachable_server_is_reported(tmp_path: Path) -> None:
    index = open_index(f"redis://127.0.0.1:{find_free_port()}/0")
    for ask in (
        lambda: index.nearest(random_vectors(1)[0], 3),
        index.ensure,
        index.films,
        lambda: index.drop(1),
        lambda: index.put(1, make_records(1, 1), random_vectors(1)),
    ):
        with pytest.raises(IndexUnavailable, match="cannot be reached"):
            ask()
    with pytest.raises(IndexUnavailable, match="cannot be reached"):
        server.check_server(embedded_redis_url(tmp_path))


@pytest.fixture(scope="module")
def plain_redis() -> Iterator[str]:
    """A Redis without the search module."""
    port = find_free_port()
    program, _module = embedded.binaries()
    command = [str(program), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        url = f"redis://127.0.0.1:{port}/0"
        try:
            embedded.wait_ready(url, lambda _text: None)
            yield url
        finally:
            process.kill()


def test_a_server_without_redisearch_is_reported(plain_redis: str) -> None:
    index = open_index(plain_redis)
    with pytest.raises(NoSearchCommands, match=r"no search commands \(FT.SEARCH\)"):
        index.ensure()
    with pytest.raises(NoSearchCommands):
        index.nearest(random_vectors(1)[0], 3)
    with pytest.raises(NoSearchCommands):
        server.check_server(plain_redis)


def test_an_emptied_server_is_reported(make_index: Callable[..., FrameIndex]) -> None:
    index = make_index()
    index.put(1, make_records(1, 5), random_vectors(5))
    index.client.flushdb()
    with pytest.raises(IndexMissing, match="is being rebuilt"):
        index.nearest(random_vectors(1)[0], 3)
    with pytest.raises(IndexMissing):
        index.status()


def test_a_full_server_is_reported(index: FrameIndex, redis_server: redis.Redis) -> None:
    used = int(redis_server.info("memory")["used_memory"])
    redis_server.config_set("maxmemory", used + 200_000)
    try:
        with pytest.raises(IndexUnavailable, match="out of memory"):
            index.put(1, make_records(1, 20_000), random_vectors(20_000))
    finally:
        redis_server.config_set("maxmemory", 0)


def test_a_loading_server_is_reported(tmp_path: Path) -> None:
    """A server that loads a long append-only file responds, but without data."""
    index = open_index(embedded_redis_url(tmp_path))
    with redis_process(tmp_path) as process:
        index.put(1, make_records(1, 5), random_vectors(5))
        pipe = index.client.pipeline(transaction=False)
        for number in range(5000):
            pipe.set(f"something:{number}", "x")
        pipe.execute()
        time.sleep(1.5)
        process.kill()
        process.wait()
    slowly = ["--key-load-delay", "1000"]  # microseconds; the server looks up every 1024 keys
    with subprocess.Popen(
        [*embedded.command(tmp_path), *slowly], stdout=subprocess.DEVNULL
    ) as process:
        try:

            def ask() -> str:
                try:
                    index.nearest(random_vectors(1)[0], 3)
                except IndexWarmingUp as error:
                    return str(error)
                except IndexUnavailable:
                    return ""
                return "answered"

            assert "warming up" in wait_for(ask, pause=0.01)
        finally:
            process.kill()


def test_a_request_waits_once_for_a_hung_redis(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page sends several commands, and each would wait for its own timeout."""
    monkeypatch.setattr(server, "_timed_out_at", float("-inf"))
    settings.REDIS_TIMEOUT = 3.0
    with pytest.raises(IndexUnavailable), server.translate_redis_errors():
        raise redis.TimeoutError
    asked = []
    with pytest.raises(IndexUnavailable), server.translate_redis_errors():
        asked.append("at once")
    monkeypatch.setattr(server, "SILENT_SECONDS", 0.0)
    with server.translate_redis_errors():
        asked.append("later")
    assert asked == ["later"]
