"""Steps of an import for several test files, and what must be true afterwards."""

import json
from pathlib import Path

import numpy as np
import pytest
import redis
from django.conf import settings

from gallery import tasks
from gallery.films.models import Film, Shot
from gallery.importing import housekeeping, intake, probe_step, publish_step, segment_step
from gallery.importing.models import Segment
from gallery.index import frame_index
from gallery.index.server import connect
from gallery.transcripts import subtitle_import
from gallery.transcripts.models import Subtitles
from imgsearch.celery import app
from tests.processes import wait_for

DEMO = Path(__file__).resolve().parent.parent / "demo"


def queue_client() -> redis.Redis:
    """A client of the Redis database with the queue."""
    return redis.Redis.from_url(settings.REDIS_URL.replace("db=0", "db=1"), protocol=2)


def add_film(path: Path, title: str = "") -> Film:
    """Store a film, as an upload does, without queueing its import."""
    copy, sha256 = intake.copy_to_uploads(path)
    film, _is_new = intake.add_film(copy, sha256, name=path.name, title=title)
    return film


def import_segment(segment_id: int) -> int | None:
    """Claim and import one segment. Return the film's id when it was the last one, else None."""
    segment = Segment.objects.select_related("film").get(pk=segment_id)
    return segment_step.import_claimed(segment) if segment.claim() else None


def import_here(film: Film) -> Film:
    """Import a film in this process, step by step, as the tasks do.

    If a worker of the same test takes some of the work first, wait for it.
    """
    segments = probe_step.probe_film(film.pk)
    if segments:
        subtitle_import.read_tracks(film.pk)
    for segment_id in segments:
        done = import_segment(segment_id)
        if done is not None:
            publish_step.finish_film(done)
    film.refresh_from_db()
    segments = film.segments.filter(run=film.run)
    return (
        wait_until_ended(film) if segments.exclude(state=Segment.State.WAITING).exists() else film
    )


def upload(path: Path, title: str = "") -> Film:
    """Store a film and queue its import, as the admin does."""
    film = add_film(path, title)
    tasks.queue_import(film)
    return film


def wait_until_ended(film: Film, timeout: float = 90.0) -> Film:
    """Wait for the end of an import, successful or not. Returns the film."""

    def look() -> bool:
        film.refresh_from_db()
        return not film.is_unfinished

    wait_for(look, timeout)
    return film


def wait_until_ready(film: Film) -> Film:
    assert wait_until_ended(film).state == Film.State.READY, film.error
    return film


def is_idle() -> bool:
    """Whether no task is queued and none but a sweep is running."""
    queues = settings.QUEUES.values()
    waiting = [one for queue in queues for one in queue_client().lrange(queue, 0, -1)]
    if any(json.loads(one)["headers"]["task"] != "gallery.tasks.sweep" for one in waiting):
        return False
    active = app.control.inspect(timeout=1).active() or {}
    return all(t["name"] == "gallery.tasks.sweep" for ts in active.values() for t in ts)


def wait_for_segments(film: Film, at_least: int) -> None:
    """Wait until `at_least` segments are done. Fails if the import ended meanwhile."""
    wait_for(lambda: film.segments.filter(state=Segment.State.DONE).count() >= at_least, pause=0.01)


def sweep(*, is_busy: bool = False) -> list[tuple[object, ...]]:
    """Sweep as the task does, with idle or busy queues. Returns the tasks that it queued."""
    handed_out: list[tuple[object, ...]] = []
    housekeeping.sweep(lambda _step: is_busy, lambda *step: handed_out.append(step))
    return handed_out


def clean_up() -> list[tuple[object, ...]]:
    """Clean up as the task does. Returns the tasks that it queued."""
    handed_out: list[tuple[object, ...]] = []
    housekeeping.tidy(lambda *step: handed_out.append(step))
    return handed_out


def delete_rows(film: Film) -> None:
    """Delete only the rows of a film, as if another database were used."""
    film.shots.all()._raw_delete("default")
    Film.objects.filter(pk=film.pk)._raw_delete("default")


def list_keys(film: Film | int) -> list[bytes]:
    """The keys of a film's frames and lines."""
    client = connect(settings.REDIS_URL)
    number = film if isinstance(film, int) else film.pk
    patterns = (f"*:{{{number}}}:*", f"*:seconds:{{{number}}}", f"*:film:{{{number}}}")
    return [key for pattern in patterns for key in client.keys(pattern)]


def assert_complete(film: Film) -> None:
    """Check that there are as many thumbnails, vectors and hashes as the database has frames."""
    film.refresh_from_db()
    assert film.searchable_run is not None
    run = film.files.run(film.searchable_run)
    data = run.load()
    here = frame_index.current()
    hashes = len(here.client.keys(f"{here.prefix}:{{{film.pk}}}:*"))
    assert film.frame_count > 0
    counts = (
        run.count_thumbnails(),
        len(data.seconds),
        len(data.vectors),
        here.count(film.pk),
        hashes,
    )
    assert counts == (film.frame_count,) * 5
    assert sorted(set(data.seconds.tolist())) == data.seconds.tolist()
    vector = here.vector(film.pk, int(data.seconds[0]))
    assert vector == pytest.approx(data.vectors[0].astype(np.float32), abs=2e-3)

    def list_runs() -> list[str]:
        return [p.name for p in film.files.folder.iterdir() if p.name.isdigit()]

    # A worker removes those of earlier imports after it has made the film ready.
    wait_for(lambda: list_runs() == [str(film.searchable_run)])
    assert not film.segments.exists()
    assert [p for p in film.files.folder.rglob("*") if "draft" in p.name] == []


def assert_gone(film_id: int, folder: Path) -> None:
    assert not folder.exists()
    assert list_keys(film_id) == []
    for model in (Segment, Shot, Subtitles):
        assert not model.objects.filter(film_id=film_id).exists()
