"""The Workers page in the admin, and the heartbeats behind it."""

import re
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
import redis
from django.conf import LazySettings
from django.conf import settings as product
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.retry import Retry

from gallery import tasks
from gallery.boards.models import Board, Export
from gallery.films.models import Film
from gallery.importing import healing
from gallery.transcripts import reading
from gallery.transcripts.models import TextReading
from gallery.workers import attempts, installation, records
from gallery.workers.records import RunningTask
from tests.films import make_film, make_moving_scenes
from tests.importing import upload, wait_for_segments, wait_until_ready
from tests.processes import Worker, wait_for
from tests.workers import make_record

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/admin/gallery/installation/"


@pytest.fixture(autouse=True)
def no_records(redis_server: redis.Redis) -> Iterator[None]:
    """Remove the records of earlier tests."""
    cache.clear()
    yield
    cache.clear()


def read(client: Client, address: str = PAGE) -> str:
    """The text of the page, without tags."""
    response = client.get(address)
    assert response.status_code == 200
    text = unescape(re.sub(r"<[^>]+>", " ", response.content.decode()))
    return re.sub(r"\s+", " ", text)


# --- records --------------------------------------------------------------------------------------


def test_records_round_trip() -> None:
    task = RunningTask("some-id", "segment", 1_700_000_050.0)
    written = [make_record("films@b", tasks=(task,)), make_record("films@a", is_stopping=True)]
    for record in written:
        records.write(record)
    assert records.read_all() == [written[1], written[0]]
    records.remove("films@b")
    assert records.read_all() == [written[1]]


def test_a_record_expires_and_an_unknown_format_is_skipped() -> None:
    records.write(make_record())
    client = records.connect()
    seconds = client.ttl(records.key("worker", "films@one"))
    assert 0 < seconds <= records.ALIVE_SECONDS
    client.set(records.key("worker", "films@one"), '{"name": "of another version"}')
    assert records.read_all() == []
    client.delete(records.key("worker", "films@one"))
    assert records.read_all() == []
    assert client.smembers(records.key("workers")) == set()


def test_kinds_that_no_worker_takes_are_found() -> None:
    kinds = ("segments", "soon", "speech")
    assert records.find_unserved(kinds) == list(kinds)
    records.write(make_record())
    assert records.find_unserved(kinds) == ["speech"]
    records.write(make_record(queues=()))
    assert records.find_unserved(kinds) == list(kinds)


def test_speed_is_that_of_the_last_minutes() -> None:
    now = 10_000 * 60 + 30.0
    for minute, frames in ((9_990, 999), (9_998, 150), (9_999, 100), (10_000, 50)):
        records.connect().hset(records.key("frames", minute), "films@one", frames)
    # From the beginning of minute 9998 on: 150 s.
    assert records.measure_speeds(now) == {"films@one": pytest.approx(2.0)}
    assert records.measure_speeds(now + 600) == {}


def test_frames_are_counted() -> None:
    for frames in (120, 7):
        records.count_frames(frames)
    assert records.total_frames() == 127
    assert sum(records.measure_speeds().values()) > 0


# --- the page -------------------------------------------------------------------------------------


def test_the_page_needs_the_permission_to_view_films(page: Client) -> None:
    assert page.get(PAGE).status_code == 302
    user = get_user_model().objects.create_user("someone", is_staff=True)
    page.force_login(user)
    assert page.get(PAGE).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_film"))
    records.write(make_record())
    assert "films@one" in read(page)
    assert "Pause" not in read(page)
    for button in ("pause", "resume"):
        assert page.post(f"{PAGE}{button}/", {"worker": "films@one"}).status_code == 403


def test_the_page_says_that_no_worker_is_running(staff: Client) -> None:
    assert "No worker is running, so imports are waiting." in read(staff)
    assert "Nothing has failed." in read(staff)
    assert f'href="{PAGE}"' in staff.get("/admin/").content.decode()


def test_the_page_shows_workers_queues_and_speed(staff: Client) -> None:
    film = Film.objects.create(title="Rain & Co", sha256="1", size=1)
    tasks_of = (RunningTask("some-id", "segment", timezone.now().timestamp() - 125),)
    records.connect().set(records.key("task", "some-id"), film.pk)
    records.write(make_record(tasks=tasks_of))
    records.connect().hset(records.key("precisions"), "films@one", "bf16")
    minute = records.key("frames", int(time.time() // 60))
    records.connect().hset(minute, "films@one", 600)
    tasks.probe.delay(1)
    text = read(staff)
    assert "1 worker · " in text
    assert "frames per second over the last few minutes" in text
    assert "Importing frames : Rain & Co for 2" in text
    assert "Machine one, 2 tasks at once" in text
    assert "Takes short tasks, importing frames" in text
    assert "Model a model, bf16" in text
    assert re.search(r"checking files 1 none", text)
    assert re.search(r"short tasks 0 yes", text)
    assert "speech" not in text  # nothing of that kind waits, and nothing takes it
    # The live part.
    assert "Importing frames : Rain & Co for 2" in read(staff, f"{PAGE}now/")


def test_a_task_has_just_started_for_a_minute(staff: Client) -> None:
    tasks_of = (RunningTask("some-id", "segment", timezone.now().timestamp()),)
    records.write(make_record(tasks=tasks_of))
    assert "Importing frames just started" in read(staff)


def test_the_page_shows_a_worker_that_differs_from_the_installation(staff: Client) -> None:
    row = installation.register()
    records.write(make_record(model=row.model))
    assert "Restart it." not in read(staff)
    records.write(make_record())
    assert f"Uses the model a model, but the installation {row.model_name}." in read(staff)
    records.write(make_record(model=row.model, version="0.9"))
    assert f"Runs version 0.9, but the installation has {product.VERSION}." in read(staff)


def test_the_page_lists_what_failed(staff: Client, demo_film: Film, settings: LazySettings) -> None:
    settings.READ_TEXT = True
    Film.objects.create(
        title="Broken", sha256="2", size=1, state=Film.State.FAILED, finished=timezone.now(),
        error="The file is empty.",
    )  # fmt: skip
    TextReading.objects.create(
        film=demo_film, run=demo_film.searchable_run, version=reading.VERSION, attempts=3
    )
    board = Board.objects.create(name="Night")
    Export.objects.create(board=board, state=Export.State.FAILED, error="The disk is full.")
    text = read(staff)
    assert re.search(r"Broken 0\s+minutes ago The file is empty\.", text)
    assert f"{demo_film} Reading text in pictures failed three times" in text
    assert re.search(r"Export of the board Night .* The disk is full\.", text)


def test_the_page_lists_poison_tasks(staff: Client, demo_film: Film) -> None:
    sentences = {
        "label_film": "Computing the labels was given up: the worker was killed three times.",
        "read_tracks": "Reading text tracks was given up: the worker was killed three times.",
        "reindex": "Restoring the index was given up: the worker was killed three times.",
    }
    for kind in sentences:
        counter = records.key("attempts", kind, demo_film.pk)
        records.connect().set(counter, attempts.MAX_ATTEMPTS)
    Film.objects.update(tracks_run=None)
    tasks.label_film(demo_film.pk)
    tasks.read_tracks(demo_film.pk)
    healing._reindex(demo_film.pk, lambda *_step: None)
    text = read(staff)
    for sentence in sentences.values():
        assert f"{demo_film} 0 minutes ago {sentence}" in text
    # An attempt that succeeds.
    records.connect().delete(records.key("attempts", "label_film", demo_film.pk))
    tasks.label_film(demo_film.pk)
    text = read(staff)
    assert sentences["label_film"] not in text
    assert sentences["reindex"] in text
    demo_film.delete()
    assert "Nothing has failed." in read(staff)


def test_poison_tasks_are_listed_for_a_day(redis_server: redis.Redis) -> None:
    now = time.time()
    times = {"reindex:1": now - attempts.KEPT_SECONDS - 1, "label_film:2": now - 60}
    records.connect().zadd(records.key("given-up"), {**times, "label_film:3": now - 30})
    found = attempts.list_given_up()
    assert [work[:2] for work in found] == [("label_film", 3), ("label_film", 2)]
    assert found[1][2] == pytest.approx(now - 60, abs=0.01)


def test_the_page_works_while_redis_is_down(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = redis.Redis(port=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(records, "connect", lambda: nowhere)
    assert "No worker is running" in read(staff)


# --- a real worker --------------------------------------------------------------------------------


def test_a_worker_reports_itself_and_its_tasks(
    worker: Worker, staff: Client, tmp_path: Path
) -> None:
    [record] = wait_for(records.read_all)
    assert record.name == "films@tests"
    assert record.version == product.VERSION
    assert set(record.queues) == {name for kind, name in product.QUEUES.items() if kind != "speech"}
    film = upload(make_moving_scenes(tmp_path / "a.mp4", 8, seconds=15), "A long one")
    wait_for_segments(film, 1)
    wait_for(lambda: "Importing frames : A long one" in read(staff))
    wait_until_ready(film)
    assert records.total_frames() == film.frame_count == 120
    assert list(records.measure_speeds()) == ["films@tests"]
    assert list(records.read_precisions()) == ["films@tests"]


def test_a_paused_worker_takes_no_tasks_until_it_resumes(
    worker: Worker, staff: Client, tmp_path: Path
) -> None:
    wait_for(records.read_all)
    response = staff.post(f"{PAGE}pause/", {"worker": "films@tests"}, follow=True)
    assert "will finish its current tasks and take no more" in response.content.decode()
    wait_for(lambda: "Paused" in read(staff))
    paused = "all workers are paused or stopping; imports are waiting"
    assert staff.get("/healthz").json()["worker"] == paused
    film = upload(make_film(tmp_path / "a.mp4", seconds=3))
    # It keeps reporting: a paused worker is alive.
    reported_at = records.read_all()[0].reported_at
    wait_for(lambda: records.read_all()[0].reported_at > reported_at)
    film.refresh_from_db()
    assert film.state == Film.State.WAITING
    response = staff.post(f"{PAGE}resume/", {"worker": "films@tests"}, follow=True)
    assert "is taking tasks again" in response.content.decode()
    wait_until_ready(film)


def test_a_worker_that_is_gone_cannot_be_paused(staff: Client) -> None:
    response = staff.post(f"{PAGE}pause/", {"worker": "films@nowhere"}, follow=True)
    assert "This worker is gone." in response.content.decode()


def test_a_stopped_worker_leaves_no_record(worker: Worker) -> None:
    wait_for(records.read_all)
    worker.stop()
    assert records.read_all() == []
