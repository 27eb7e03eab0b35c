"""A second model, and helpers that embed films with it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from benchmarks.turned_model import turned_clip
from gallery.clip.models import EmbeddingModel
from gallery.importing import model_choice, reembedding
from gallery.labels import jobs


@pytest.fixture(scope="session")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model other than CLIP_MODEL: see `turned_clip`."""
    return turned_clip(Path(settings.CLIP_MODEL), tmp_path_factory.mktemp("models") / "other")


def fill(folder: Path, **how: bool) -> EmbeddingModel:
    """Fill the index of another model in this process."""
    row = model_choice.fill(str(folder), **how)
    work()
    row.refresh_from_db()
    return row


def work() -> None:
    """Do all work for models: embed, label, remove."""
    while reembedding.has_work():
        reembedding.remove_discarded(60)
        reembedding.do_next()
    for film_id in jobs.prepare_all():
        jobs.label_film_for_all(film_id)


def switch() -> EmbeddingModel:
    """Switch to the other model."""
    row = model_choice.other_row()
    assert row is not None
    model_choice.request_switch(row)
    assert model_choice.switch_when_ready() == []
    row.refresh_from_db()
    assert row.state == EmbeddingModel.State.ACTIVE
    return row


@pytest.fixture
def restore_demo_film(request: pytest.FixtureRequest) -> Iterator[None]:
    """Restore the files of the demo film after a test that changes its vectors."""
    yield
    if "demo_film" in request.fixturenames:
        folder = request.getfixturevalue("_imported_demo").film.files.folder
        shutil.rmtree(folder, ignore_errors=True)
