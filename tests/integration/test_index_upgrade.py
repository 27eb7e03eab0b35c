"""An index of the first release, whose keys have no hash tags, is rebuilt in the background."""

import numpy as np
import pytest
import redis
from django.test import Client

from gallery.films.footage import load_footage
from gallery.films.models import Film
from gallery.importing import healing
from gallery.importing.library_check import check_library
from gallery.index import frame_index
from gallery.search import engine
from gallery.search.types import Example, Query
from gallery.transcripts import dialogue
from tests.importing import clean_up, sweep
from tests.lines import find_texts
from tests.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def find_nearest(film: Film) -> list[tuple[int, int, float]]:
    hits = engine.search(Query(examples=(Example((film.pk, 40)),))).hits
    return [(hit.film, hit.second, hit.score) for hit in hits]


def write_released_index(film: Film, client: redis.Redis) -> None:
    """Replace the index by what the first release wrote: its keys, sets, indexes and aliases."""
    prefix, lines = frame_index.current().prefix, dialogue.current().prefix
    client.flushdb()
    for command in (
        f"FT.CREATE {prefix}:3:flat ON HASH PREFIX 1 {prefix}:frame: SCHEMA film TAG look TAG "
        "labels TAG shot NUMERIC SORTABLE embedding VECTOR FLAT 6 TYPE FLOAT16 DIM 512 "
        "DISTANCE_METRIC COSINE",
        f"FT.ALIASADD {prefix}:frames {prefix}:3:flat",
        f"FT.CREATE {lines}:v2:lines ON HASH PREFIX 1 {lines}:line: STOPWORDS 0 SCHEMA film TAG "
        "group TAG kinds TAG words TEXT NOSTEM stems TEXT NOSTEM",
        f"FT.ALIASADD {lines}:lines {lines}:v2:lines",
    ):
        client.execute_command(*command.split())
    footage = load_footage(film, 1)
    for record, vector in zip(footage.records, footage.vectors, strict=True):
        client.hset(
            f"{prefix}:frame:{film.pk}:{record.second}",
            mapping={
                "film": film.pk, "second": record.second, "time": repr(record.time),
                "shot": record.shot, "start": repr(record.start), "end": repr(record.end),
                "look": str(record.look), "labels": "",
                "embedding": vector.astype(np.float16).tobytes(),
            },
        )  # fmt: skip
        client.sadd(f"{prefix}:film:{film.pk}", record.second)
    client.sadd(f"{prefix}:films", film.pk, 0)
    client.hset(f"{prefix}:made", str(film.pk), f"3:1:{film.labelled_as}")
    client.hset(f"{lines}:line:{film.pk}:1:0", mapping={"film": film.pk, "words": "refrigerator"})
    client.hset(f"{lines}:film:{film.pk}", mapping={"1": 1, "state": "old"})
    client.sadd(f"{lines}:films", film.pk, 0)


def test_an_index_of_the_first_release_is_rebuilt(
    demo_film: Film, redis_server: redis.Redis, page: Client
) -> None:
    expected = find_nearest(demo_film)
    write_released_index(demo_film, redis_server)
    here = frame_index.current()

    # Until a worker has looked, pages say that the index is being rebuilt.
    answer = page.get("/", {"q": "a dog"})
    assert answer.status_code == 503
    assert "being rebuilt from the stored films" in answer.content.decode()
    sweep()
    wait_for(lambda: here.status().ready == 1)
    answer = page.get("/", {"q": "a dog"})
    assert answer.status_code == 200
    assert "0 of 1 films can be searched" in answer.content.decode()

    assert ("heal",) in sweep()
    while healing.heal(lambda *_step: None):
        pass
    assert find_nearest(demo_film) == expected
    assert find_texts("refrigerator")
    assert "being rebuilt" not in page.get("/", {"q": "a dog"}).content.decode()
    assert sweep() == []

    clean_up()
    for pattern in ("*:frame:*", "*:film:[0-9]*", "*:line:*"):
        assert redis_server.keys(pattern) == []
    names = {name.decode() for name in redis_server.execute_command("FT._LIST")}
    assert names == {here.name, dialogue.current().name}
    [counts] = check_library().films
    assert counts.problems == []


def test_old_keys_are_removed_before_films_are_indexed_again(
    demo_film: Film, redis_server: redis.Redis
) -> None:
    """Otherwise the memory would have to hold the library twice."""
    write_released_index(demo_film, redis_server)
    clean_up()
    assert redis_server.keys("*:frame:*") == []
    assert frame_index.current().status().frames == 0
