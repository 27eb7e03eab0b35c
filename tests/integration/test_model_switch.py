"""Searches during a backfill, a model switch and a rollback.

`python -m benchmarks model_switch` is the long version.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from benchmarks.model_switch import expect_of_each_model, make_questions
from benchmarks.search_load import SearchLoad, expect, fits, judge
from gallery.clip import weights
from gallery.clip.models import EmbeddingModel
from gallery.films.models import Film
from gallery.importing import model_choice
from gallery.index import frame_index
from gallery.search import query_vectors, warming
from tests.models import fill
from tests.processes import Web, Worker, run_manage, wait_for

WEB_PROCESSES = 2
QUIET_SECONDS = 1.0  # of searches before and after each switch


@pytest.fixture
def web(
    redis_server: redis.Redis,
    static_files: None,
    transactional_db: None,
    restore_demo_film: None,
    tmp_path: Path,
) -> Iterator[Web]:
    """A web server of two processes, both of which have loaded the model."""
    process = Web(tmp_path, processes=WEB_PROCESSES, API_RATE_WITHOUT_TOKEN="")
    process.start()
    wait_for(lambda: len(warming.find_unready("no such model")) == WEB_PROCESSES)
    yield process
    process.stop()


def test_no_search_fails_or_is_mixed(
    web: Web, worker: Worker, demo_film: Film, other_model: Path
) -> None:
    questions = make_questions()
    with SearchLoad(web.port, questions, threads=3) as load:
        time.sleep(QUIET_SECONDS)
        done = run_manage("reembed", str(other_model), "--wait")
        assert done.returncode == 0, done.stderr
        assert "Done. Searches use " + str(other_model) in done.stdout
        time.sleep(QUIET_SECONDS)
        expected = expect_of_each_model(questions)
        for action in ("--back", "--back"):
            done = run_manage("reembed", action)
            assert done.returncode == 0, done.stderr
            time.sleep(QUIET_SECONDS)
    verdict = judge(load.answers, expected)
    assert (verdict.failed, verdict.mixed) == ([], [])
    assert set(verdict.by_model) == set(expected)
    assert all(number > len(questions) for number in verdict.by_model.values())
    assert model_choice.active_row() == EmbeddingModel.objects.get(name=str(other_model))


def test_mixed_results_are_detected(
    demo_film: Film, other_model: Path, restore_demo_film: None
) -> None:
    """A query vector of one model, compared with the index of the other, matches neither."""
    row = fill(other_model)
    own, other = weights.configured(), weights.resolve(row)
    question = "q=a+dog&in=seen"
    found = []
    for model in (own, other):
        with weights.use(model):
            found.append(expect([question])[question])
            vector = query_vectors.embed_words("a dog")
    with weights.use(own):
        mixed = [
            (one.film, one.second, one.score)
            for one in frame_index.current().nearest(vector, len(found[0]))
        ]
    assert fits(found[0], found[0])
    assert not fits(found[0], found[1])
    assert not any(fits(mixed, one) for one in found)
