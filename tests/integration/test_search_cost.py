"""The cost of a search: commands to Redis, queries to the database, and data read."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import redis
from django.test import Client
from django.urls import reverse

from gallery.films import catalogue
from gallery.films.models import Film
from gallery.index import frame_index, server
from gallery.index.frame_index import FrameIndex
from gallery.index.types import FrameRecord, Neighbour
from gallery.search import engine, fusion, relevance_curve
from gallery.search.plan import build_plan
from gallery.search.types import Mode, Query
from gallery.transcripts import dialogue
from gallery.transcripts.line_index import IndexedLine, LineIndex
from gallery.transcripts.types import FoundLine
from tests.importing import sweep
from tests.integration.test_index import WIDTH, make_records, random_vectors

SEEN = Query(words="a dog in the snow", mode=Mode.SEEN)


def count_calls(client: redis.Redis) -> Counter[str]:
    """The number of calls of each command since the server started."""
    stats: Any = client.info("commandstats")
    return Counter({name.removeprefix("cmdstat_").lower(): s["calls"] for name, s in stats.items()})


@contextmanager
def count_commands(client: redis.Redis) -> Iterator[Counter[str]]:
    """The number of calls of each command in the block; filled at its end."""
    before, found = count_calls(client), Counter[str]()
    yield found
    found.update(count_calls(client) - before)


# --- searches -------------------------------------------------------------------------------------


def test_replies_are_parsed_by_hiredis(redis_server: redis.Redis) -> None:
    parser = redis_server.connection_pool.make_connection()._parser
    assert type(parser).__name__ == "_HiredisParser"


def test_a_search_makes_one_query_and_reads_only_what_it_shows(
    demo_film: Film, redis_server: redis.Redis
) -> None:
    engine.search(SEEN)  # computes the baseline
    with count_commands(redis_server) as made:
        hits = engine.search(replace(SEEN, page_size=5)).hits
    assert len(hits) == 5
    assert made["ft.search"] == 1
    assert made["hmget"] == 5
    assert not made["scan"] and not made["smembers"] and not made["ft.info"]


def test_words_without_lines_cost_no_wide_search(
    demo_film: Film, redis_server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    nearest = FrameIndex.nearest

    def noting(self: FrameIndex, vector: Any, count: int, *scope: Any) -> list[Neighbour]:
        asked.append(count)
        return nearest(self, vector, count, *scope)

    monkeypatch.setattr(FrameIndex, "nearest", noting)
    assert engine.search(Query(words="a dog in the snow", page_size=5)).matches
    assert asked == [6 * engine.FRAMES_PER_HIT]
    asked.clear()
    results = engine.search(Query(words="kings never ask", page_size=5))
    assert results.hits[0].line is not None
    assert asked == [fusion.FUSION_DEPTH * engine.FRAMES_PER_HIT]


STILL_SECONDS = 4 * 3600


@pytest.fixture
def still_film(demo_film: Film) -> Iterator[Film]:
    """A film of one shot of four hours, whose frames are nearer to SEEN than all others."""
    film = Film.objects.create(
        title="Aquarium", sha256="still", state=Film.State.READY, searchable_run=1, shot_count=1
    )
    shot = [FrameRecord(film.pk, n, float(n), 0, 0.0, STILL_SECONDS) for n in range(STILL_SECONDS)]
    plan = build_plan(SEEN, catalogue.load_catalogue())
    assert plan.vector is not None
    frame_index.current().put(film.pk, shot, np.tile(plan.vector, (len(shot), 1)))
    yield film
    frame_index.current().drop(film.pk)
    film.delete()


@pytest.mark.parametrize("films", ["all", "still"])
def test_a_still_shot_of_hours_does_not_slow_a_search(
    still_film: Film, monkeypatch: pytest.MonkeyPatch, films: str
) -> None:
    read = []
    nearest = FrameIndex.nearest

    def noting(self: FrameIndex, *asked: Any) -> list[Neighbour]:
        found = nearest(self, *asked)
        read.append(len(found))
        return found

    monkeypatch.setattr(FrameIndex, "nearest", noting)
    scope = (still_film.pk,) if films == "still" else ()
    hits = engine.search(replace(SEEN, page_size=24, films=scope)).hits
    assert hits[0].film == still_film.pk
    assert len([hit for hit in hits if hit.film == still_film.pk]) == 1
    assert len(hits) == (1 if films == "still" else 24)
    assert len(read) <= 3
    assert sum(read) <= 3 * 25 * engine.FRAMES_PER_HIT


@pytest.mark.parametrize("words", ["a dog in the snow", "castle", "moon", "my paws are on holiday"])
def test_small_pages_have_the_hits_of_a_large_one(demo_film: Film, words: str) -> None:
    whole = engine.search(Query(words=words, page_size=40))
    assert len(whole.hits) > 12
    pages = [engine.search(Query(words=words, page_size=4, page=n)) for n in (1, 2, 3)]
    assert [hit for page in pages for hit in page.hits] == whole.hits[:12]
    assert {page.matches for page in pages} == {whole.matches}


def test_a_scene_page_does_not_search_again(
    page: Client, demo_film: Film, redis_server: redis.Redis
) -> None:
    words = {"q": SEEN.words, "in": "seen"}
    hits = page.get("/", words).context["results"].hits
    scene = reverse("frame", args=hits[1].key)
    with count_commands(redis_server) as made:
        shown = page.get(scene, words)
    assert shown.context["hit_number"] == 2
    assert shown.context["hit_before"] == hits[0]
    assert shown.context["hit_after"] == hits[2]
    assert made["ft.search"] == 1  # for similar scenes
    # Another film changes the results.
    frame_index.current().put(
        demo_film.pk + 1, make_records(demo_film.pk + 1, 3), random_vectors(3, width=512)
    )
    with count_commands(redis_server) as made:
        page.get(scene, words)
    assert made["ft.search"] == 2


def test_a_curve_makes_one_search(demo_film: Film, redis_server: redis.Redis) -> None:
    with count_commands(redis_server) as made:
        found = relevance_curve.curve(demo_film, SEEN)
    assert found.results.hits
    assert made["ft.search"] == 1


def test_line_searches_take_few_round_trips(demo_film: Film, redis_server: redis.Redis) -> None:
    with count_commands(redis_server) as made:
        assert dialogue.find("kings never ask", None, 200)[0].complete
    # Before each round trip of a search, the run id of the server is requested.
    assert made["ft.search"] == 6
    assert made["info"] <= 5


def test_a_page_reads_each_kind_of_row_once(
    page: Client, demo_film: Film, django_assert_num_queries: Callable[..., Any]
) -> None:
    page.get("/", {"q": "a cat"})
    with django_assert_num_queries(4) as made:  # model, films, subtitles, labels
        shown = page.get("/", {"q": "a dog", "film": demo_film.pk})
    assert shown.context["results"].hits
    assert sum('FROM "gallery_film"' in one["sql"] for one in made.captured_queries) == 1


def test_two_rankings_are_fused() -> None:
    pictures = [Neighbour(1, 10 * shot, shot, 1 - shot / 10) for shot in range(4)]

    def results(shot: int) -> FoundLine:
        record = FrameRecord(1, 10 * shot + 1, 0.0, shot, 0.0, 1.0)
        return FoundLine(record, 0.0, 1.0, "en", (("words", True),))

    found = fusion.fuse(pictures, [results(2), results(7), results(0)])
    # Shot 0 is first and third, shot 2 third and first: the line comes first at equal scores.
    assert [(one.shot, one.second) for one in found] == [(2, 21), (0, 0), (7, 71), (1, 10), (3, 30)]
    assert found[0].score == found[1].score == pytest.approx(1 / 61 + 1 / 63)
    assert [one.cosine for one in found] == [0.8, 1.0, None, 0.9, 0.7]
    alone = fusion.fuse(pictures, [])
    assert [(one.shot, one.score) for one in alone] == [(n.shot, n.score) for n in pictures]


# --- files of films -------------------------------------------------------------------------------


@pytest.fixture
def index(redis_server: redis.Redis) -> FrameIndex:
    return FrameIndex(redis_server, prefix="t:m", width=WIDTH)


@pytest.fixture
def line_index(redis_server: redis.Redis) -> LineIndex:
    return LineIndex(redis_server, "t:dialogue")


def make_lines(film: int) -> list[IndexedLine]:
    return [IndexedLine(1, 0, "en", 0, 1, "the moon", make_records(film, 1)[0])]


def test_files_are_kept_with_the_films(
    index: FrameIndex, line_index: LineIndex, redis_server: redis.Redis
) -> None:
    assert index.films() == []
    for film in (3, 1, 2):
        index.put(film, make_records(film, 4), random_vectors(4))
        line_index.put(film, make_lines(film), f"state {film}")
    index.drop(1)
    line_index.drop(1)
    index.put(2, [], random_vectors(0))
    assert index.films() == [3]
    assert line_index.states() == {2: "state 2", 3: "state 3"}
    line_index.put(2, [], "silent")
    assert line_index.states() == {2: "silent", 3: "state 3"}


def test_a_partly_written_film_is_noticed(index: FrameIndex, redis_server: redis.Redis) -> None:
    index.ensure()
    used = int(redis_server.info("memory")["used_memory"])  # type: ignore[index]
    redis_server.config_set("maxmemory", used + 200_000)
    try:
        with pytest.raises(frame_index.IndexUnavailable):
            index.put(7, make_records(7, 20_000), random_vectors(20_000))
    finally:
        redis_server.config_set("maxmemory", 0)
    assert index.films() == [7]
    index.drop(7)
    assert index.films() == []
    assert redis_server.keys("t:m:*{7}*") == redis_server.keys("t:m:films") == []


def test_a_list_of_films_of_an_earlier_version_is_read(
    index: FrameIndex, line_index: LineIndex, redis_server: redis.Redis
) -> None:
    """It has the number 0 as a mark."""
    redis_server.sadd("t:m:films", 0)
    redis_server.sadd("t:dialogue:films", 0)
    index.put(3, make_records(3, 4), random_vectors(4))
    line_index.put(3, make_lines(3), "state")
    assert index.films() == [3]
    assert line_index.states() == {3: "state"}


@pytest.mark.django_db
def test_a_sweep_does_not_scan_redis(demo_film: Film, redis_server: redis.Redis) -> None:
    sweep()
    with count_commands(redis_server) as made:
        assert sweep() == []
    assert made["ft.info"] > 0
    assert not made["scan"] and not made["keys"]


def test_two_processes_take_the_same_sample(index: FrameIndex, redis_server: redis.Redis) -> None:
    vectors = random_vectors(3000)
    for film in range(1, 4):
        index.put(film, make_records(film, 1000), vectors[film * 1000 - 1000 : film * 1000])
    assert index.films() == [1, 2, 3]
    with count_commands(redis_server) as made:
        sample = index.sample()
    client = server.connect(redis_server_url(redis_server))
    other = FrameIndex(client, prefix="t:m", width=WIDTH)
    assert np.array_equal(sample, other.sample())
    assert len(sample) == frame_index.SAMPLE_SIZE
    assert made["smembers"] == 1
    assert not made["scan"]
    of_film = (sample @ vectors.T).argmax(axis=1) // 1000
    assert np.bincount(of_film).min() > 600


def redis_server_url(client: redis.Redis) -> str:
    """Its URL for another process."""
    return f"unix://{client.connection_pool.connection_kwargs['path']}?db=0&protocol=2"
