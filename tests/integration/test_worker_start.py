"""The start checks of a worker: it waits, or exits with the reason."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from django.conf import LazySettings
from django.core.management import call_command
from django.db import connection

from gallery import tasks
from gallery.clip import encoder, weights
from gallery.films.models import Film
from gallery.workers import installation, start_checks
from gallery.workers.models import Installation
from imgsearch.queues import DEFAULT_KINDS
from tests.importing import add_film
from tests.processes import Process, run_manage, wait_for

pytestmark = pytest.mark.django_db(transaction=True)

WORKER = [
    *("-m", "celery", "-A", "imgsearch", "worker", "--pool=prefork", "--loglevel=info"),
    *("--hostname=second@tests", "--without-mingle", "--without-gossip"),
]


@pytest.fixture
def here(redis_server: redis.Redis) -> Iterator[Installation]:
    """The installation of this machine."""
    yield installation.register()
    installation.store_id_file().unlink()


def problems(*kinds: str) -> str:
    """The problems of this machine as one text."""
    return " ".join(start_checks.find_problems(kinds))


# --- the setup ------------------------------------------------------------------------------------


def test_the_setup_describes_the_installation(here: Installation) -> None:
    model = weights.current()
    assert (here.model, here.model_name) == (model.fingerprint, model.name)
    assert installation.read_store_id() == here.store_id
    Installation.objects.update(precision="bf16", version="0.9")
    again = installation.register()
    again.refresh_from_db()
    assert (again.pk, again.store_id) == (here.pk, here.store_id)
    # The next worker decides the precision again.
    assert (again.precision, again.version) == ("", here.version)
    assert problems(*DEFAULT_KINDS) == ""


def test_the_setup_keeps_the_id_of_a_store_and_writes_a_lost_one(here: Installation) -> None:
    Installation.objects.all().delete()
    assert installation.register().store_id == here.store_id
    installation.store_id_file().unlink()
    assert installation.register().store_id == here.store_id
    assert installation.read_store_id() == here.store_id


def test_the_first_worker_decides_the_precision(here: Installation) -> None:
    for precision in ("bf16", "int8"):
        installation.record_precision.__wrapped__(precision)
    here.refresh_from_db()
    assert here.precision == "bf16"


# --- problems -------------------------------------------------------------------------------------


def test_another_store_is_refused(
    here: Installation, settings: LazySettings, tmp_path: Path
) -> None:
    """As when a share is not mounted, or belongs to another installation."""
    settings.MEDIA_ROOT = tmp_path
    assert "store-id is missing" in problems("exports")
    (tmp_path / "store-id").write_text("another")
    assert "store-id says another" in problems("exports")
    (tmp_path / "store-id").write_text(here.store_id)
    assert problems("exports") == ""


@pytest.fixture
def read_only_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that this process cannot write to; for root, that takes a read-only mount."""
    tmp_path.chmod(0o555)
    if os.geteuid() != 0:
        yield tmp_path
        return
    command = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(tmp_path)]
    if subprocess.run(command, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_store_that_cannot_be_written_is_refused(
    here: Installation, settings: LazySettings, read_only_folder: Path
) -> None:
    settings.MEDIA_ROOT = read_only_folder
    assert "is not writable" in problems("exports")
    settings.MEDIA_ROOT = read_only_folder.parent
    assert "is not writable" not in problems("exports")


def test_another_model_is_refused(here: Installation) -> None:
    Installation.objects.update(model="0123456789ab", model_name="openai/another")
    assert "the installation is openai/another (0123456789ab)" in problems("exports")
    assert "Set CLIP_MODEL" in problems("exports")
    installation.use_model()
    assert problems("exports") == ""


def test_a_worker_does_nothing_after_the_model_has_changed(
    here: Installation, make_video: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise workers with different models would restart the film forever."""
    film = add_film(make_video(seconds=2))
    Installation.objects.update(model="0123456789ab")
    tasks.probe(film.pk)
    film.refresh_from_db()
    assert film.state == Film.State.WAITING
    assert "the model of the installation has changed" in caplog.text
    installation.use_model()
    tasks.probe(film.pk)
    Installation.objects.update(model="0123456789ab")
    segment = film.segments.get()
    tasks.segment(segment.pk)
    assert film.segments.get().attempts == 0
    installation.use_model()
    tasks.segment(segment.pk)
    film.refresh_from_db()
    assert film.state == Film.State.READY, film.error


def test_another_class_of_precision_is_refused_by_workers_that_embed(here: Installation) -> None:
    used = encoder.current().target.precision
    assert used in installation.FLOATING_POINT
    Installation.objects.update(precision="int8")
    assert problems("reading", "exports") == ""
    assert f"embeds frames in {used}, the others in int8" in problems("segments")
    Installation.objects.update(precision="fp16")
    assert problems("segments") == ""


def test_another_version_is_refused(here: Installation) -> None:
    Installation.objects.update(version="0.9")
    assert f"has version {here.version}, but the installation has 0.9" in problems("exports")


def test_a_newer_database_is_refused(here: Installation) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_migrations (app, name, applied) "
            "VALUES ('gallery', '9999_future', CURRENT_TIMESTAMP)"
        )
    try:
        assert "belongs to a newer version" in problems("exports")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM django_migrations WHERE name = '9999_future'")


def test_a_wrong_clock_is_refused(here: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated, because tests cannot set the clock."""
    assert [one.other for one in start_checks.measure_clock_differences()] == ["Redis"]
    assert problems("exports") == ""
    genuine = time.time
    for shift, side in ((30, "ahead of"), (-30, "behind")):
        monkeypatch.setattr(time, "time", lambda shift=shift: genuine() + shift)
        assert f"clock is 30 s {side} that of Redis" in problems("exports")


def test_a_slow_response_does_not_count_as_a_wrong_clock() -> None:
    assert start_checks._difference(100.0, 105.0, 110.0) == 0
    assert start_checks._difference(100.0, 99.0, 110.0) == 1
    assert start_checks._difference(100.0, 112.0, 110.0) == -2


def test_wrong_settings_are_refused(here: Installation, settings: LazySettings) -> None:
    settings.WORKER_QUEUES = ["frames"]
    assert "WORKER_QUEUES names frames. soon, probing, segments" in problems("exports")


# --- real workers ---------------------------------------------------------------------------------


def test_a_worker_on_an_unsuitable_machine_exits_with_the_reason(
    here: Installation, tmp_path: Path
) -> None:
    Installation.objects.update(version="0.9", store_id="another")
    worker = Process(WORKER, tmp_path / "worker.log")
    worker.start()
    assert worker.process is not None
    assert worker.process.wait(60) == os.EX_CONFIG, worker.output()
    said = worker.output()
    assert "this worker does not start: This machine has version" in said
    assert "is not the media store of this installation" in said
    assert "Traceback" not in said
    assert " ready." not in said


def test_a_worker_waits_for_the_database(redis_server: redis.Redis, tmp_path: Path) -> None:
    """As when it starts before the machine with the web server has run the migrations."""
    database = {"DATABASE_URL": f"sqlite:///{tmp_path / 'new.sqlite3'}"}
    worker = Process(WORKER, tmp_path / "worker.log", **database)
    worker.start()
    try:
        wait_for(lambda: "migrations of this version have not been applied" in worker.output())
        assert worker.is_running()
        assert run_manage("migrate", **database).returncode == 0
        wait_for(lambda: " ready." in worker.output())
        assert "this machine matches the installation" in worker.output()
    finally:
        worker.stop()


def test_the_doctor_reports_an_unsuitable_machine(
    here: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    Installation.objects.update(version="0.9")
    with pytest.raises(Exception, match="checks failed"):
        call_command("doctor")
    assert "BAD  Machine      This machine has version" in capsys.readouterr().out
