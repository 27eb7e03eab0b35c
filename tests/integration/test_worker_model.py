"""Workers whose CLIP_MODEL differs from the model chosen with `manage.py reembed`."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import redis
from django.test import Client

from gallery import tasks
from gallery.clip import encoder, weights
from gallery.clip.models import EmbeddingModel
from gallery.films.models import Film, FilmVectors
from gallery.importing import model_choice, reembedding
from gallery.importing.models import Segment
from gallery.workers import installation, records
from tests.films import make_moving_scenes
from tests.importing import add_film, assert_complete, list_keys, upload, wait_until_ready
from tests.models import fill, switch, work
from tests.processes import Worker, wait_for
from tests.workers import make_record

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def chosen(redis_server: redis.Redis, other_model: Path) -> EmbeddingModel:
    """The chosen model, after CLIP_MODEL was discarded."""
    fill(other_model)
    row = switch()
    before = model_choice.other_row()
    assert before is not None
    model_choice.discard(before)
    work()
    return row


@pytest.fixture
def missing(redis_server: redis.Redis) -> Iterator[EmbeddingModel]:
    """A chosen model whose files are not on this machine."""
    installation.register()
    yield EmbeddingModel.objects.create(
        fingerprint="0123456789ab",
        name="nobody/has-this",
        edges="squash",
        state=EmbeddingModel.State.ACTIVE,
    )
    installation.store_id_file().unlink()


def test_a_worker_uses_the_chosen_model_and_logs_the_difference(
    chosen: EmbeddingModel, staff: Client, tmp_path: Path
) -> None:
    worker = Worker(tmp_path)  # with CLIP_MODEL as here
    worker.start()
    try:
        film = wait_until_ready(upload(make_moving_scenes(tmp_path / "a.mp4", 3, seconds=4)))
        assert f"but searches and imports use {chosen.name}, which was chosen" in worker.output()
        wait_for(records.read_all)
        page = staff.get("/admin/gallery/installation/").content.decode()
        assert f"<dd>{chosen.name}, " in page
        assert "Restart it." not in page
    finally:
        worker.stop()
    assert {film.model, film.run_model} == {chosen.fingerprint}
    assert not FilmVectors.objects.exists()
    unused = weights.configured()
    assert [key for key in list_keys(film) if unused.fingerprint.encode() in key] == []
    data = film.files.run(1).load()
    vectors = {}
    for model in (weights.resolve(chosen), unused):
        with weights.use(model):
            embedded = reembedding.embed_decoded(encoder.current(), film, data, lambda: None)
            vectors[model.fingerprint] = embedded.astype(np.float32)
    stored = data.vectors.astype(np.float32)
    likeness = {name: float((stored * found).sum(1).min()) for name, found in vectors.items()}
    assert likeness[chosen.fingerprint] > 0.999
    assert likeness[unused.fingerprint] < 0.9
    with weights.use():
        assert_complete(film)


def test_the_page_names_the_chosen_model(chosen: EmbeddingModel, staff: Client) -> None:
    records.write(make_record())
    try:
        page = staff.get("/admin/gallery/installation/").content.decode()
    finally:
        records.remove("films@one")
    assert f"<dd>{chosen.name}</dd>" in page


def test_a_worker_without_the_chosen_model_does_not_start(
    missing: EmbeddingModel, tmp_path: Path
) -> None:
    worker = Worker(tmp_path)
    with pytest.raises(AssertionError):
        worker.start()
    assert worker.process is not None
    assert worker.process.wait(60) == os.EX_CONFIG
    said = worker.output()
    assert "this worker does not start: The library uses the model nobody/has-this" in said
    assert "Run manage.py fetch_model nobody/has-this here." in said
    assert "Traceback" not in said


def test_a_running_worker_without_the_chosen_model_takes_no_films(
    missing: EmbeddingModel, make_video: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    """As when another model is chosen while it runs."""
    film = add_film(make_video(seconds=2))
    tasks.probe(film.pk)
    film.refresh_from_db()
    assert (film.state, film.attempts) == (Film.State.WAITING, 0)
    assert "films are waiting: The library uses the model nobody/has-this" in caplog.text
    EmbeddingModel.objects.update(state=EmbeddingModel.State.DISCARDED)
    tasks.probe(film.pk)
    segment = film.segments.get()
    EmbeddingModel.objects.update(state=EmbeddingModel.State.ACTIVE)
    tasks.segment(segment.pk)
    tasks.finish(film.pk)
    segment.refresh_from_db()
    assert (segment.state, segment.attempts) == (Segment.State.WAITING, 0)
    film.refresh_from_db()
    assert film.state == Film.State.IMPORTING


def test_an_invalid_setting_is_refused(chosen: EmbeddingModel, tmp_path: Path) -> None:
    """Even if the setting would not be used."""
    worker = Worker(tmp_path, CLIP_MODEL=str(tmp_path))
    with pytest.raises(AssertionError):
        worker.start()
    assert f"this worker does not start: There is no model in {tmp_path}" in worker.output()
