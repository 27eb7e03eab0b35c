"""The steps of an import, one by one: failures, repetition, model changes."""

import os
import shutil
import stat
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
from django.conf import settings
from django.db import connection
from django.utils import timezone

from gallery.clip import weights
from gallery.core.errors import QueryError
from gallery.films.footage import load_run
from gallery.films.models import Film
from gallery.importing import intake, probe_step, publish_step, segment_step, transitions
from gallery.importing.models import Segment
from gallery.index import frame_index
from gallery.media import store
from gallery.media.store import FilmFiles, RunFiles
from gallery.media.types import Picture, Span
from gallery.search import engine
from gallery.search.types import Example, Query
from gallery.transcripts import subtitle_import
from tests.films import make_film, make_moving_scenes
from tests.importing import (
    add_film,
    assert_complete,
    assert_gone,
    clean_up,
    import_here,
    import_segment,
    list_keys,
    sweep,
)
from tests.processes import find_free_port, run_manage, run_python

pytestmark = pytest.mark.django_db(transaction=True)


# --- power cuts -----------------------------------------------------------------------------------


def test_an_import_waits_while_redis_is_down(
    redis_server: redis.Redis, tmp_path: Path, settings: Any
) -> None:
    """The last step cannot reach the index; nothing is lost, and the sweep retries it."""
    film = add_film(make_moving_scenes(tmp_path / "a.mp4", 2, seconds=3))
    for segment_id in probe_step.probe_film(film.pk):
        import_segment(segment_id)
    assert subtitle_import.read_tracks(film.pk)
    alive = settings.REDIS_URL
    settings.REDIS_URL = f"redis://127.0.0.1:{find_free_port()}/0"
    assert not publish_step.finish_film(film.pk)
    film.refresh_from_db()
    assert film.state == Film.State.INDEXING
    assert sweep() == []
    settings.REDIS_URL = alive
    Film.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert sweep(is_busy=True) == [("finish", film.pk)]
    assert publish_step.finish_film(film.pk)
    assert_complete(film)


# --- deleting -------------------------------------------------------------------------------------


def test_deleting_a_film_leaves_nothing(
    ready_film: Callable[..., Film], make_video: Callable[..., Path]
) -> None:
    kept = ready_film(make_video("a.mp4", seconds=3))
    film = ready_film(make_video("b.mp4", seconds=4))
    number, folder = film.pk, film.files.folder
    assert list_keys(number)
    film.delete()
    assert_gone(number, folder)
    assert_complete(kept)


def test_a_deletion_while_redis_is_down_is_completed_later(
    ready_film: Callable[..., Film], make_video: Callable[..., Path], settings: Any
) -> None:
    film = ready_film(make_video(seconds=3))
    number, alive = film.pk, settings.REDIS_URL
    settings.REDIS_URL = f"redis://127.0.0.1:{find_free_port()}/0"
    film.delete()
    settings.REDIS_URL = alive
    assert list_keys(number)
    clean_up()
    assert list_keys(number) == []


# --- the same file, the same film -----------------------------------------------------------------


def test_the_same_file_imported_twice_is_one_film(
    redis_server: redis.Redis, make_video: Callable[..., Path], tmp_path: Path
) -> None:
    path = make_video(seconds=2)
    first = add_film(path, "First")
    shutil.copy(path, tmp_path / "other name.mkv")
    copy, sha256 = intake.copy_to_uploads(tmp_path / "other name.mkv")
    again, is_new = intake.add_film(copy, sha256, name="other name.mkv", title="Second")
    assert (again.pk, is_new, again.title) == (first.pk, False, "First")
    assert not copy.exists()
    assert Film.objects.count() == 1
    assert len(list((settings.MEDIA_ROOT / "films").iterdir())) >= 1
    assert again.files.source().read_bytes() == path.read_bytes()


def test_concurrent_uploads_of_one_file_are_one_film(
    redis_server: redis.Redis, make_video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video(seconds=1)
    copies = [intake.copy_to_uploads(path) for _ in range(6)]
    folders_before = set((settings.MEDIA_ROOT / "films").glob("*"))
    found: list[tuple[int, bool]] = []
    failures: list[BaseException] = []

    def file(copy: Path, sha256: str) -> None:
        try:
            film, is_new = intake.add_film(copy, sha256, name="a.mp4")
            found.append((film.pk, is_new))
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    together = threading.Barrier(len(copies))
    genuine = FilmFiles.move_source_here

    def all_at_once(self: FilmFiles, path: Path, name: str) -> Path:
        # All have checked by now that the film does not exist.
        together.wait(timeout=30)
        return genuine(self, path, name)

    monkeypatch.setattr(FilmFiles, "move_source_here", all_at_once)
    threads = [threading.Thread(target=file, args=copy) for copy in copies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len({number for number, _ in found}) == 1
    assert sum(is_new for _, is_new in found) == 1
    assert len(set((settings.MEDIA_ROOT / "films").glob("*")) - folders_before) == 1


# --- failures, retries, re-imports ----------------------------------------------------------------


def test_a_running_import_is_not_started_twice(
    redis_server: redis.Redis, make_video: Callable[..., Path]
) -> None:
    film = add_film(make_video(seconds=8))
    assert not transitions.restart(film)
    first = probe_step.probe_film(film.pk)
    assert len(first) == 2
    assert probe_step.probe_film(film.pk) == []
    assert not transitions.restart(film)
    assert import_segment(first[0]) is None
    assert import_segment(first[0]) is None


def test_a_failed_re_import_keeps_the_film_searchable(
    redis_server: redis.Redis, ready_film: Callable[..., Film], make_video: Callable[..., Path]
) -> None:
    film = ready_film(make_video(seconds=4))
    source = film.files.source()
    content = source.read_bytes()
    source.write_bytes(b"rubbish" * 1000)
    assert transitions.restart(film)
    import_here(film)
    assert film.state == Film.State.FAILED
    assert film.searchable_run == 1
    assert engine.search(Query(examples=(Example((film.pk, 2)),))).hits[0].second == 2
    assert film.files.run(1).thumbnail(2).is_file()
    source.write_bytes(content)
    assert transitions.restart(film)
    import_here(film)
    assert_complete(film)


def test_an_import_waits_while_the_disk_is_full(
    redis_server: redis.Redis, make_video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thumbnails are written to /dev/full, the kernel's own full disk."""
    film = add_film(make_video(seconds=3))

    def on_full_disk(dir: Path, prefix: str) -> tuple[int, str]:
        path = Path(dir) / f"{prefix}full"
        path.touch()
        return os.open("/dev/full", os.O_WRONLY), str(path)

    with monkeypatch.context() as patched:
        patched.setattr(store.tempfile, "mkstemp", on_full_disk)
        for segment_id in probe_step.probe_film(film.pk):
            assert import_segment(segment_id) is None
        film.refresh_from_db()
        assert (film.state, film.error) == (Film.State.IMPORTING, "")
    # It does not count as an attempt: three would end the import.
    assert set(film.segments.values_list("state", "attempts")) == {(Segment.State.WAITING, 0)}
    with monkeypatch.context() as patched:
        patched.setattr(settings, "MIN_FREE_BYTES", 10**18)
        assert segment_step.claim_next() is None
    while (segment := segment_step.claim_next()) is not None:
        done = segment_step.import_claimed(segment)
    assert done == film.pk
    assert publish_step.finish_film(film.pk)
    film.refresh_from_db()
    assert_complete(film)


# --- another model --------------------------------------------------------------------------------


def test_a_model_change_restarts_a_run(redis_server: redis.Redis, tmp_path: Path) -> None:
    film = add_film(make_moving_scenes(tmp_path / "a.mp4", 3, seconds=5))
    first, second, _third = probe_step.probe_film(film.pk)
    import_segment(first)
    Film.objects.update(run_model="000000000000")
    assert import_segment(second) is None
    film.refresh_from_db()
    assert (film.state, film.run) == (Film.State.WAITING, 2)
    assert not film.segments.exists()
    assert sweep() == [("probe", film.pk)]
    import_here(film)
    assert film.state == Film.State.READY
    assert film.run_model == weights.current().fingerprint
    assert_complete(film)


def test_a_model_change_before_the_last_step_restarts_the_run(
    redis_server: redis.Redis, tmp_path: Path
) -> None:
    film = add_film(make_moving_scenes(tmp_path / "a.mp4", 2, seconds=4))
    for segment_id in probe_step.probe_film(film.pk):
        import_segment(segment_id)
    Film.objects.update(run_model="000000000000")
    assert not publish_step.finish_film(film.pk)
    film.refresh_from_db()
    assert (film.state, film.run, list_keys(film)) == (Film.State.WAITING, 2, [])


def test_the_index_is_rebuilt_without_decoding_or_embedding(
    ready_film: Callable[..., Film], tmp_path: Path, redis_server: redis.Redis
) -> None:
    film = ready_film(make_moving_scenes(tmp_path / "a.mp4", 4, seconds=5))
    query = Query(examples=(Example((film.pk, 7)),))
    before = engine.search(query).hits
    redis_server.flushdb()
    with pytest.raises(QueryError):
        engine.search(query)

    marker = tmp_path / "ffmpeg-was-started"
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {marker}\nexit 1\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    done = run_python(
        "-c",
        "import sys, django; django.setup()\n"
        "from django.core.management import call_command\n"
        "call_command('rebuild_index', skip_checks=True)\n"
        "print(sorted({'torch', 'transformers'} & set(sys.modules)))",
        PATH=f"{program.parent}:/usr/bin:/bin",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "20 frames of 1 films and 0 lines of dialogue are in the index.",
        "[]",
    ]
    assert not marker.exists()
    assert_complete(film)
    assert engine.search(query).hits == before


def test_rebuilding_removes_orphans_and_reports_losses(
    ready_film: Callable[..., Film], tmp_path: Path, redis_server: redis.Redis
) -> None:
    kept = ready_film(make_film(tmp_path / "a.mp4", seconds=3), "Kept")
    lost = ready_film(make_film(tmp_path / "b.mp4", seconds=4), "Lost")
    footage = load_run(999, kept.uid, 1, kept.duration)
    frame_index.current().put(999, footage.records, footage.vectors.astype(np.float32))
    for path in lost.files.run(1).folder.glob("segment-*"):
        path.unlink()
    done = run_manage("rebuild_index")
    assert done.returncode == 1
    assert "3 frames of 1 films and 0 lines of dialogue are in the index." in done.stdout
    assert f"Lost (number {lost.pk}): its vectors are missing; re-import it." in done.stderr
    assert "Traceback" not in done.stderr
    assert list_keys(999) == []


# --- leases of segments ---------------------------------------------------------------------------


def test_a_segment_has_one_owner(
    redis_server: redis.Redis, make_video: Callable[..., Path]
) -> None:
    film = add_film(make_video(seconds=3))
    (number,) = probe_step.probe_film(film.pk)
    mine, other = Segment.objects.get(pk=number), Segment.objects.get(pk=number)
    assert mine.claim()
    assert not other.claim()
    lease_end = timezone.now() + timedelta(seconds=0.5)
    Segment.objects.update(lease_until=lease_end)
    assert mine.renew(1)
    assert Segment.objects.get(pk=number).lease_until > lease_end
    Segment.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert other.claim()
    assert not mine.renew(2)
    assert not mine.complete(3, 2.0)
    assert other.complete(3, 2.0)
    assert not mine.claim()
    fresh = Segment.objects.get(pk=number)
    assert (fresh.state, fresh.frames_done) == (Segment.State.DONE, 3)


def test_a_worker_that_lost_its_segment_discards_its_work(
    redis_server: redis.Redis,
    make_video: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The film is deleted while a batch is written: the rest is written after the deletion."""
    film = add_film(make_video(seconds=20))
    folder = film.files.folder
    first, *_others = probe_step.probe_film(film.pk)
    genuine = RunFiles.save_thumbnail
    written: list[bool] = []

    def delete_then_save(self: RunFiles, second: int, picture: Picture) -> None:
        Film.objects.filter(pk=film.pk).delete()
        genuine(self, second, picture)
        written.append(folder.exists())

    monkeypatch.setattr(RunFiles, "save_thumbnail", delete_then_save)
    assert import_segment(first) is None
    assert all(written)
    assert len(written) == 5
    assert not folder.exists()


@pytest.mark.parametrize(
    ("duration", "spans"),
    [
        (0.2, [Span(0, None)]),
        (5.0, [Span(0, None)]),
        (5.1, [Span(0, 5), Span(5, None)]),
        (12.0, [Span(0, 5), Span(5, 10), Span(10, None)]),
    ],
)
def test_the_last_segment_of_a_film_is_open_ended(duration: float, spans: list[Span]) -> None:
    assert probe_step.plan_segments(duration) == spans


def test_segment_boundaries_do_not_change_the_frames(
    ready_film: Callable[..., Film], tmp_path: Path, settings: Any
) -> None:
    """Segments of 3 s or one of 1000 s: the same frames, cuts and (nearly) vectors."""
    path = make_moving_scenes(tmp_path / "a.mp4", 4, seconds=4.5)
    settings.SEGMENT_SECONDS = 3
    film = ready_film(path)
    short = film.files.run(1).load()
    settings.SEGMENT_SECONDS = 1000
    assert transitions.restart(film)
    import_here(film)
    long = film.files.run(2).load()
    assert short.seconds.tolist() == long.seconds.tolist() == list(range(18))
    assert short.times.tolist() == long.times.tolist()
    assert short.cuts.tolist() == long.cuts.tolist()
    assert len(short.cuts) == 3
    cosines = (short.vectors.astype(np.float32) * long.vectors.astype(np.float32)).sum(axis=1)
    assert float(cosines.min()) > 0.999
