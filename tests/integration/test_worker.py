"""Imports by a real worker: kills, deletions, retries; the result is always complete."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import redis
from django.conf import settings as product
from django.core.cache import cache
from django.test import Client

from gallery import tasks
from gallery.clip import encoder, weights
from gallery.films.footage import load_footage
from gallery.films.models import Film
from gallery.importing import probe_step, transitions
from gallery.importing.models import Segment
from gallery.importing.progress import progress_of
from gallery.index import frame_index
from gallery.search import engine
from gallery.search.types import Example, Query
from imgsearch.celery import NICENESS
from tests.films import make_film, make_moving_scenes, run_ffmpeg
from tests.importing import (
    add_film,
    assert_complete,
    assert_gone,
    import_segment,
    is_idle,
    list_keys,
    queue_client,
    upload,
    wait_for_segments,
    wait_until_ended,
    wait_until_ready,
)
from tests.processes import Worker, run_manage, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


# --- normal operation -----------------------------------------------------------------------------


def test_an_import_makes_every_frame_searchable(worker: Worker, tmp_path: Path) -> None:
    film = wait_until_ready(upload(make_moving_scenes(tmp_path / "five scenes.mp4", 5, seconds=4)))
    assert_complete(film)
    assert film.title == "five scenes"
    assert (film.frame_count, film.shot_count) == (20, 5)
    assert [shot.start for shot in film.shots.all()] == pytest.approx([0, 4, 8, 12, 16], abs=0.01)
    assert [shot.second for shot in film.shots.all()] == [2, 6, 10, 14, 18]
    assert (film.width, film.height, film.rate) == (160, 90, 12)
    assert film.model == film.run_model == weights.current().fingerprint
    assert film.started < film.finished
    for second in range(20):
        hits = engine.search(Query(examples=(Example((film.pk, second)),))).hits
        assert (hits[0].film, hits[0].second) == (film.pk, second)
    progress = progress_of(film)
    assert (progress.part, progress.done, progress.expected) == (1.0, 20, 20)


def test_workers_run_at_lower_priority_than_the_web_server(worker: Worker) -> None:
    """The worker and its children, thus its FFmpegs, have a lower priority."""
    assert worker.process is not None
    own = os.nice(0)
    expected = own if own else NICENESS
    tree = list_descendants(worker.process.pid)
    assert len(tree) >= 2
    wait_for(lambda: {os.getpriority(os.PRIO_PROCESS, pid) for pid in tree} == {expected})


def test_health_reports_missing_workers(worker: Worker, page: Client) -> None:
    """A worker whose main process hangs looks alive."""

    def said() -> str:
        return str(page.get("/healthz").json()["worker"])

    wait_for(lambda: said() == "ok")
    os.kill(worker.pid, signal.SIGSTOP)
    try:
        cache.clear()  # as if the last heartbeat had expired
        assert said() == "no worker is running; imports are waiting"
    finally:
        os.kill(worker.pid, signal.SIGCONT)
    wait_for(lambda: said() == "ok")


def list_descendants(pid: int) -> list[int]:
    """A process and its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(below for child in children for below in list_descendants(int(child)))]


def test_two_films_are_imported_at_once(worker: Worker, tmp_path: Path) -> None:
    films = [
        upload(make_moving_scenes(tmp_path / f"{n}.mp4", n, seconds=5), f"Film {n}") for n in (3, 4)
    ]
    for film in films:
        assert_complete(wait_until_ready(film))
    assert [film.frame_count for film in films] == [15, 20]
    assert frame_index.current().status().frames == 35


def test_progress_is_reported_during_an_import(worker: Worker, tmp_path: Path) -> None:
    film = upload(make_moving_scenes(tmp_path / "a.mp4", 4, seconds=15))
    seen: set[int] = set()
    while film.is_unfinished:
        film.refresh_from_db()
        progress = progress_of(film)
        assert 0 <= progress.part <= 1
        if film.state == Film.State.IMPORTING and progress.expected:
            assert progress.expected == pytest.approx(60, abs=1)
            seen.add(progress.done)
        time.sleep(0.02)
    assert film.state == Film.State.READY, film.error
    assert len(seen) >= 3


def test_a_search_is_answered_while_an_import_runs(
    worker: Worker, tmp_path: Path, clip: object
) -> None:
    first = wait_until_ready(upload(make_moving_scenes(tmp_path / "a.mp4", 3, seconds=2)))
    engine.search(Query(words="a dog"))
    film = upload(make_moving_scenes(tmp_path / "b.mp4", 4, seconds=15))
    took: list[float] = []
    while film.is_unfinished:
        started_at = time.monotonic()
        hits = engine.search(Query(words=f"a dog number {len(took)}")).hits
        took.append(time.monotonic() - started_at)
        assert {hit.film for hit in hits} >= {first.pk}
        film.refresh_from_db()
    assert film.state == Film.State.READY
    assert len(took) >= 5
    assert sorted(took)[len(took) // 2] < 0.5
    assert max(took) < 5


# --- power cuts -----------------------------------------------------------------------------------


def test_an_import_survives_a_power_cut(worker: Worker, tmp_path: Path) -> None:
    film = upload(make_moving_scenes(tmp_path / "a.mp4", 6, seconds=15))
    wait_for_segments(film, 2)
    worker.kill()
    film.refresh_from_db()
    assert film.state == Film.State.IMPORTING
    assert film.segments.exclude(state=Segment.State.DONE).exists()

    worker.start()
    wait_until_ready(film)
    assert_complete(film)
    assert film.frame_count == 90
    interrupted = film.files.run(1).load()

    assert transitions.restart(film)
    tasks.queue_import(film)
    wait_until_ready(film)
    assert film.searchable_run == 2
    undisturbed = film.files.run(2).load()
    for name in ("seconds", "times", "vectors", "cuts"):
        one, other = getattr(interrupted, name), getattr(undisturbed, name)
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes(), name


def test_an_import_survives_the_loss_of_the_queue(worker: Worker, tmp_path: Path) -> None:
    """Lost messages: of a film, of its segments, and of the last step."""
    worker.stop()
    paths = [make_moving_scenes(tmp_path / f"{n}.mp4", 2, seconds=n) for n in (4, 5, 6)]
    waiting, planned, embedded = (upload(path) for path in paths)
    probe_step.probe_film(planned.pk)
    for segment_id in probe_step.probe_film(embedded.pk):
        import_segment(segment_id)
    assert queue_client().llen("films-probing") >= 3
    queue_client().delete(*product.QUEUES.values())
    states = [Film.objects.get(pk=film.pk).state for film in (waiting, planned, embedded)]
    assert states == [Film.State.WAITING, Film.State.IMPORTING, Film.State.IMPORTING]

    worker.start()
    for film in (waiting, planned, embedded):
        assert_complete(wait_until_ready(film))


# --- deleting -------------------------------------------------------------------------------------


@pytest.mark.parametrize("done", [0, 1, 4])
def test_deleting_during_the_import_leaves_nothing(
    done: int, worker: Worker, tmp_path: Path
) -> None:
    film = upload(make_moving_scenes(tmp_path / f"{done}.mp4", 4, seconds=15 + done))
    folder, number = film.files.folder, film.pk
    wait_for_segments(film, done)
    Film.objects.get(pk=number).delete()
    wait_for(is_idle)
    assert_gone(number, folder)
    # The worker still works: it imports the next one.
    assert_complete(wait_until_ready(upload(make_film(tmp_path / "next.mp4", seconds=3))))


# --- failures, retries, re-imports ----------------------------------------------------------------


def bad_films(folder: Path) -> Iterator[tuple[str, Path]]:
    empty = folder / "empty.mp4"
    empty.touch()
    yield r"The file is empty\.", empty
    text = folder / "text.mp4"
    text.write_text("#EXTM3U\n#EXTINF:1,\n/etc/passwd\n" * 9)
    yield r"Unsupported file format|damaged or not a video", text
    sound = folder / "sound.mp4"
    run_ffmpeg("-f", "lavfi", "-i", "sine=duration=2", "-c:a", "aac", str(sound))
    yield r"This file has no video", sound
    for name, options in (("half.mp4", ("-movflags", "+faststart")), ("half.mkv", ())):
        whole = make_film(folder / f"whole-{name}", seconds=40, rate="12", options=options)
        half = folder / name
        half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
        yield r"The file is incomplete", half


def test_bad_files_fail_with_a_message_and_leave_nothing(worker: Worker, tmp_path: Path) -> None:
    cases = list(bad_films(tmp_path))
    films = [(sentence, upload(path)) for sentence, path in cases]
    for sentence, film in films:
        wait_until_ended(film)
        assert film.state == Film.State.FAILED
        assert re.search(sentence, film.error), film.error
        assert "Traceback" not in film.error
        assert film.searchable_run is None
        assert film.finished is not None
        assert [p.name for p in film.files.folder.iterdir()] == [film.files.source().name]
        assert list_keys(film) == []
        assert not film.segments.exists()
        assert progress_of(film).error == film.error


def test_a_film_that_is_truncated_during_an_import_fails_as_a_whole(
    worker: Worker, tmp_path: Path
) -> None:
    """The file is complete, but its middle is corrupt: some seconds cannot be decoded."""
    film_path = make_film(tmp_path / "a.mkv", seconds=30, rate="12", size="320x180", sound=True)
    data = bytearray(film_path.read_bytes())
    del data[len(data) * 4 // 10 :]
    film_path.write_bytes(bytes(data))
    film = wait_until_ended(upload(film_path))
    assert film.state == Film.State.FAILED
    assert "incomplete" in film.error
    assert list_keys(film) == []


def test_a_failed_film_can_be_retried(worker: Worker, make_video: Callable[..., Path]) -> None:
    film = add_film(make_video(seconds=3))
    source = film.files.source()
    aside = source.rename(source.with_name("aside"))
    tasks.queue_import(film)
    wait_until_ended(film)
    assert film.state == Film.State.FAILED
    assert "missing from the media store" in film.error
    aside.rename(source)

    assert transitions.restart(film)
    tasks.queue_import(film)
    wait_until_ready(film)
    assert_complete(film)
    assert film.error == ""
    assert film.run == film.searchable_run == 2


def test_a_film_stays_searchable_while_it_is_re_imported(worker: Worker, tmp_path: Path) -> None:
    film = wait_until_ready(upload(make_moving_scenes(tmp_path / "a.mp4", 4, seconds=12)))
    before = film.files.run(1).load()
    assert transitions.restart(film)
    tasks.queue_import(film)
    film.refresh_from_db()
    searches = 0
    while film.is_unfinished:
        assert film.searchable_run == 1
        hits = engine.search(Query(examples=(Example((film.pk, 30)),))).hits
        assert (hits[0].film, hits[0].second) == (film.pk, 30)
        assert len(hits) == 4
        searches += 1
        film.refresh_from_db()
    assert searches >= 3
    assert film.state == Film.State.READY, film.error
    assert_complete(film)
    assert film.searchable_run == 2
    assert film.files.run(2).load().vectors.tobytes() == before.vectors.tobytes()


# --- another model --------------------------------------------------------------------------------


def test_reembed_moves_films_to_the_current_model(
    worker: Worker, tmp_path: Path, redis_server: redis.Redis
) -> None:
    film = wait_until_ready(upload(make_moving_scenes(tmp_path / "a.mp4", 2, seconds=4)))
    # As if another model had made these vectors.
    old = frame_index.for_model("0123456789ab", weights.current().width)
    footage = load_footage(film, 1)
    old.put(film.pk, footage.records, footage.vectors.astype(np.float32))
    frame_index.current().drop(film.pk)
    Film.objects.update(model="0123456789ab")
    assert engine.search(Query(words="a dog")).hits == []

    done = run_manage("reembed")
    assert done.returncode == 0, done.stderr
    assert "1 films will be embedded with demo, from their thumbnails." in done.stdout
    wait_for(lambda: Film.objects.get(pk=film.pk).model == weights.current().fingerprint)
    wait_for(lambda: old.films() == [])
    assert_complete(film)
    assert len(engine.search(Query(words="a dog")).hits) == 2
    assert "All films use demo" in run_manage("reembed").stdout


# --- commands that need a worker ---


def test_import_film_waits_until_the_film_is_ready(
    worker: Worker, make_video: Callable[..., Path]
) -> None:
    path = make_video("My_film.mp4", seconds=7)
    done = run_manage("import_film", str(path), "--wait", "--year", "1984")
    assert done.returncode == 0, done.stderr
    film = Film.objects.get()
    assert f"queued as film {film.pk} (My film (1984))" in done.stdout
    assert "My film (1984): ready, 7 frames in 1 shots." in done.stdout
    assert path.is_file()
    again = run_manage("import_film", str(path), "--wait")
    assert again.returncode == 0
    assert f"already uploaded as film {film.pk}" in again.stdout
    assert Film.objects.count() == 1


def test_import_film_reports_each_failed_film(
    worker: Worker, make_video: Callable[..., Path], tmp_path: Path
) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no film")
    good = make_video("good.mp4", seconds=2)
    done = run_manage("import_film", str(text), str(tmp_path / "missing.mp4"), str(good), "--wait")
    assert done.returncode == 1
    assert "missing.mp4: no such file" in done.stderr
    assert "Unsupported file format" in done.stderr or "damaged or not a video" in done.stderr
    assert "2 of 3 films could not be imported." in done.stderr
    assert "good: ready, 2 frames" in done.stdout
    assert "Traceback" not in done.stderr
    retried = run_manage("import_film", str(text), "--wait")
    assert "queued as film" in retried.stdout
    assert retried.returncode == 1


def test_the_doctor_finds_no_problems(worker: Worker, demo_film: Film) -> None:
    done = run_manage("doctor")
    assert done.returncode == 0, done.stdout
    lines = dict(re.findall(r"^  ok   (\w[\w ]*?) {2,}(.*)$", done.stdout, re.MULTILINE))
    assert set(lines) == {
        "FFmpeg", "Database", "Media store", "Redis", "Index", "Dialogue", "Text", "Speech",
        "Model", "Precision", "Shots", "Machine", "Workers", "Beat", "Films",
    }  # fmt: skip
    assert "append-only file on" in lines["Redis"]
    assert lines["Index"].startswith(f"{demo_film.frame_count} frames")
    assert lines["Dialogue"] == "64 lines in 2 languages"
    assert "films@tests" in lines["Workers"]
    assert "1 ready" in lines["Films"]
    assert "512 dimensions, en/zh" in lines["Model"]
    assert "decodes in software" in lines["FFmpeg"]
    used = encoder.current().target.precision
    assert lines["Precision"].startswith(f"{used} (OpenVINO, CPU)")
    assert re.search(
        rf"{used}: cosine with fp32: min (0\.99|1\.0).*200 queries.*passed", lines["Precision"]
    )
