"""Metrics in the Prometheus format."""

from datetime import timedelta

import pytest
import redis
from django.conf import LazySettings
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from redis.backoff import NoBackoff
from redis.retry import Retry

from gallery import tasks
from gallery.boards.models import Board, Export
from gallery.films.models import Film
from gallery.index import frame_index, server
from gallery.library.models import LibraryFile, LibraryFolder
from gallery.site import checks
from gallery.workers import records

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "only-for-these-tests"
Values = dict[tuple[str, str], float]


def read(page: Client) -> Values:
    """The value of each metric, by name and label ("": none)."""
    answer = page.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = list(text_string_to_metric_families(answer.content.decode()))
    assert all(family.documentation for family in families)
    return {
        (sample.name.removeprefix("scene_search_"), "".join(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.fixture(autouse=True)
def _no_records(redis_server: redis.Redis) -> None:
    cache.clear()


def test_metrics_are_off_without_a_token(page: Client, settings: LazySettings) -> None:
    settings.METRICS_TOKEN = ""
    for headers in ({}, {"Authorization": "Bearer "}):
        assert page.get("/metrics", headers=headers).status_code == 404


def test_metrics_need_the_token(page: Client, settings: LazySettings) -> None:
    settings.METRICS_TOKEN = TOKEN
    settings.SEARCH_NEEDS_LOGIN = True
    for given in ("", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}"):
        answer = page.get("/metrics", headers={"Authorization": given})
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == "Bearer"
    assert read(page)
    assert page.post("/metrics").status_code == 405


def test_a_short_token_is_an_error(settings: LazySettings) -> None:
    for token, errors in (("", 0), ("short", 1), (TOKEN, 0)):
        settings.METRICS_TOKEN = token
        assert len(checks.check_metrics_token()) == errors


def test_metrics_match_the_installation(
    page: Client, settings: LazySettings, demo_film: Film
) -> None:
    settings.METRICS_TOKEN = TOKEN
    before = read(page)
    assert before["films", "ready"] == 1
    assert before["films", "failed"] == before["workers", ""] == 0
    assert before["frames", ""] == before["index_frames", ""] == demo_film.frame_count
    assert before["redis_memory_bytes", ""] > 1_000_000
    assert before["media_store_free_bytes", ""] > 0
    Film.objects.create(title="Broken", sha256="2", size=1, state=Film.State.FAILED)
    Export.objects.create(board=Board.objects.create(name="a"), state=Export.State.FAILED)
    tasks.probe.delay(1)
    records.count_frames(120)
    after = read(page)
    changed = {key: after[key] - before[key] for key in after if after[key] != before[key]}
    for key in (("redis_memory_bytes", ""), ("media_store_free_bytes", "")):
        changed.pop(key, None)
    assert changed == {
        ("films", "failed"): 1,
        ("failed_jobs", "export"): 1,
        ("waiting_tasks", "probing"): 1,
        ("frames_embedded_total", ""): 120,
    }


def test_metrics_are_served_while_the_index_is_down(
    page: Client, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.METRICS_TOKEN = TOKEN
    frame_index.current().ensure()
    assert read(page)["index_up", ""] == 1
    nowhere = redis.Redis(port=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(server, "connect", lambda _url: nowhere)
    values = read(page)
    assert values["index_up", ""] == 0
    assert ("index_frames", "") not in values


def test_library_metrics(page: Client, settings: LazySettings, demo_film: Film) -> None:
    settings.METRICS_TOKEN = TOKEN
    assert read(page)["library_folders", ""] == 0
    now = timezone.now()
    good = LibraryFolder.objects.create(path="/films", scanned_at=now)
    scanned_at = now - timedelta(hours=2)
    LibraryFolder.objects.create(path="/more", scanned_at=scanned_at, error="not mounted")
    states = LibraryFile.State
    for path, state, film, away_since in (
        ("here.mp4", states.IMPORTED, demo_film, None),
        ("away.mp4", states.IMPORTED, demo_film, now),
        ("broken.mp4", states.UNREADABLE, None, None),
        ("once-broken.mp4", states.UNREADABLE, None, now),
    ):
        LibraryFile.objects.create(
            folder=good,
            path=path,
            state=state,
            film=film,
            away_since=away_since,
            size=1,
            mtime_ns=1,
            settles_since=now,
        )
    found = read(page)
    assert found["library_folders", ""] == 2
    assert found["library_folders_failed", ""] == 1
    assert found["library_files_away", ""] == 1
    assert found["library_files_unreadable", ""] == 1
    oldest = found["library_oldest_scan_timestamp_seconds", ""]
    assert oldest == pytest.approx(scanned_at.timestamp())
