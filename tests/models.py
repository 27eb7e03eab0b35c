"""A second model, and the work of embedding films with it, for several test files."""

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
    """The folder of a model that is not CLIP_MODEL: see `turned_clip`."""
    return turned_clip(Path(settings.CLIP_MODEL), tmp_path_factory.mktemp("models") / "other")


def fill(folder: Path, **how: bool) -> EmbeddingModel:
    """Fill the index of a model beside the active one, in this process."""
    row = model_choice.fill(str(folder), **how)
    work()
    row.refresh_from_db()
    return row


def work() -> None:
    """Do all that workers have to do for models: embed, label, remove."""
    while reembedding.has_work():
        reembedding.remove_discarded(60)
        reembedding.do_next()
    for film_id in jobs.prepare_all():
        jobs.label_film_for_all(film_id)


def switch() -> EmbeddingModel:
    """Switch to the model beside the active one; it is the active one then."""
    row = model_choice.other_row()
    assert row is not None
    model_choice.request_switch(row)
    assert model_choice.switch_when_ready() == []
    row.refresh_from_db()
    assert row.state == EmbeddingModel.State.ACTIVE
    return row


@pytest.fixture
def restore_demo_film(request: pytest.FixtureRequest) -> Iterator[None]:
    """Restore the files of the demo film after a test that uses it: vectors in them change."""
    yield
    if "demo_film" in request.fixturenames:
        folder = request.getfixturevalue("_imported_demo").film.files.folder
        shutil.rmtree(folder, ignore_errors=True)
