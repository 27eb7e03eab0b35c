"""Board exports: files made at once, and zips of clips that workers make, killed or not."""

import csv
import io
import os
import re
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone

from gallery import tasks
from gallery.boards import clip_archive, export_files, export_work, exports, service
from gallery.boards.models import Board, Export
from gallery.boards.owners import Visitor
from gallery.boards.service import Scene
from gallery.films.models import Film
from tests.films import decode_all, make_film
from tests.importing import clean_up, queue_client
from tests.processes import Worker, find_free_port, run_manage, wait_for

VISITOR = Visitor(key="k" * 32)
RATE = "24000/1001"
STEP = 1001 / 24000  # seconds

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_leftovers() -> Iterator[None]:
    """Remove exports of other tests: the session has one media store."""
    shutil.rmtree(export_files.exports_folder(), ignore_errors=True)
    yield
    shutil.rmtree(export_files.exports_folder(), ignore_errors=True)


@pytest.fixture
def film(tmp_path: Path, db: None) -> Film:
    """A film with a file that was never imported: 24000/1001, with sound."""
    return add_film(make_film(tmp_path / "counted.mkv", seconds=6, rate=RATE, sound=True))


def add_film(path: Path, title: str = "Counted: 1/2?", rate: str = RATE) -> Film:
    numerator, _slash, denominator = rate.partition("/")
    film = Film.objects.create(
        title=title, sha256=path.name, original_name=path.name, duration=6.0, searchable_run=1,
        state=Film.State.READY, rate_numerator=int(numerator),
        rate_denominator=int(denominator or 1), width=160, height=90, video_codec="h264",
        audio_codec="aac" if rate == RATE else "",
    )  # fmt: skip
    copy = path.with_suffix(".copy")
    shutil.copyfile(path, copy)
    film.files.move_source_here(copy, path.name)
    return film


def make_board(film: Film, *frames: tuple[int, int], visitor: Visitor = VISITOR) -> Board:
    """A board with scenes of a film of 24000/1001, given by first and end frame."""
    for first, end in frames:
        service.add_scene(visitor, Scene(film.pk, first * STEP, end * STEP, 0))
    board = service.current_board(visitor)
    assert board
    return board


def request_export(board: Board) -> Export:
    return exports.request_export(
        board, exports.edits_of(board, lambda scene: f"https://x/{scene.pk}")
    )


def run_export(export: Export) -> Export:
    """Run the export in this process."""
    while export_work.continue_export(export.pk):
        pass
    export.refresh_from_db()
    return export


def open_archive(export: Export) -> zipfile.ZipFile:
    return zipfile.ZipFile(export_files.result_path(export))


def body(response: Any) -> str:
    content: str = response.content.decode()
    return content


# --- files made at once ---------------------------------------------------------------------------


def test_a_board_can_be_downloaded_for_editing_software(page: Client, film: Film) -> None:
    board = make_board(film, (10, 34), (50, 60))
    service.set_note(board, board.scenes.first().pk, "=look")
    table = page.get(f"{board.get_absolute_url()}csv/")
    assert table["Content-Disposition"] == 'attachment; filename="My scenes.csv"'
    rows = list(csv.DictReader(io.StringIO(body(table).removeprefix("\ufeff"))))
    assert [(row["in"], row["out"]) for row in rows] == [
        ("00:00:00:10", "00:00:01:10"), ("00:00:02:02", "00:00:02:12"),
    ]  # fmt: skip
    assert rows[0]["note"] == "'=look"
    assert rows[0]["link"].startswith(f"http://testserver/films/{film.pk}/")

    listed = page.get(f"{board.get_absolute_url()}edl/")
    assert listed["Content-Disposition"] == 'attachment; filename="My scenes.edl"'
    found = otio.adapters.read_from_string(body(listed), "cmx_3600", rate=24000 / 1001)
    timeline = page.get(f"{board.get_absolute_url()}otio/")
    assert timeline["Content-Disposition"] == 'attachment; filename="My scenes.otio"'
    read = otio.adapters.read_from_string(body(timeline), "otio_json")
    ranges = [clip.source_range for clip in read.video_tracks()[0]]
    assert ranges == [clip.source_range for clip in found.video_tracks()[0]]
    assert [(r.start_time.value, r.duration.value) for r in ranges] == [(10, 24), (50, 10)]


def test_a_board_of_several_rates_gives_a_zip_of_lists(
    page: Client, film: Film, tmp_path: Path
) -> None:
    other = add_film(make_film(tmp_path / "b.mp4", seconds=2, rate="25"), "Other", "25")
    board = make_board(film, (10, 34))
    service.add_scene(VISITOR, Scene(other.pk, 0.4, 0.8, 0))
    answer = page.get(f"{board.get_absolute_url()}edl/")
    assert answer["Content-Disposition"] == 'attachment; filename="My scenes EDL.zip"'
    packed = zipfile.ZipFile(io.BytesIO(answer.content))
    assert packed.namelist() == ["My scenes 23.976.edl", "My scenes 25.edl"]
    menu = body(page.get(board.get_absolute_url()))
    assert "one per frame rate: 23.976, 25 fps" in menu


def test_films_of_a_rate_that_edl_does_not_support_are_named_in_one_note(
    page: Client, tmp_path: Path
) -> None:
    path = make_film(tmp_path / "odd.mp4", seconds=2, rate="12")
    for title in "ABCDE":
        odd = add_film(shutil.copyfile(path, tmp_path / f"{title}.mp4"), title, "12")
        service.add_scene(VISITOR, Scene(odd.pk, 0.0, 1.0, 0))
    board = service.current_board(VISITOR)
    assert board
    menu = body(page.get(board.get_absolute_url()))
    [note] = re.findall("EDL has no 12 fps: times from (.*) are rounded.", menu)
    assert note in ("A, B, C, 2 more films", "E, D, C, 2 more films")


def test_an_empty_board_has_nothing_to_export(page: Client) -> None:
    board = service.create_board(VISITOR, "Empty")
    for kind in ("csv", "edl", "otio"):
        assert page.get(f"{board.get_absolute_url()}{kind}/").status_code == 404
    refused = page.post(f"{board.get_absolute_url()}clips/")
    assert refused.status_code == 400
    assert "This board has no scenes yet" in body(refused)
    assert "board_csv" not in body(page.get(board.get_absolute_url()))


# --- zips made by a worker ------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_worker_makes_the_zip(worker: Worker, page: Client, film: Film, tmp_path: Path) -> None:
    other = add_film(make_film(tmp_path / "b.mp4", seconds=6, rate="25"), "猫", "25")
    board = make_board(film, (10, 34), (50, 60))
    service.add_scene(VISITOR, Scene(other.pk, 1.0, 2.0, 1))
    service.set_note(board, board.scenes.first().pk, "look")
    answer = page.post(f"{board.get_absolute_url()}clips/")
    assert answer["Location"] == f"{board.get_absolute_url()}#export-{board.exports.get().token}"
    export = board.exports.get()
    shown = body(page.get(board.get_absolute_url()))
    assert "Making clips" in shown
    assert 'http-equiv="refresh"' in shown

    def done() -> bool:
        export.refresh_from_db()
        return export.state not in exports.ACTIVE

    wait_for(done)
    assert (export.state, export.error, export.done_count) == (Export.State.DONE, "", 3)
    part = body(page.get(f"{board.get_absolute_url()}exports/{export.token}/"))
    assert "The clips are ready" in part
    assert "every 1s" not in part
    # The size of the zip must not set the size of the page's icons.
    whole = body(page.get(board.get_absolute_url()))
    assert set(re.findall(r'class="icon" width="(\d+)"', whole)) <= {"14", "16", "20", "22", "28"}
    saved: Any = page.get(f"{board.get_absolute_url()}exports/{export.token}/file/")
    assert saved["Content-Disposition"] == 'attachment; filename="My scenes.zip"'
    packed = zipfile.ZipFile(io.BytesIO(b"".join(saved.streaming_content)))
    assert packed.namelist() == [
        "My scenes/01 Counted 1 2 00.00.00.10.mp4", "My scenes/02 Counted 1 2 00.00.02.02.mp4",
        "My scenes/03 猫 00.00.01.00.mp4", "My scenes/My scenes.csv", "My scenes/My scenes.otio",
    ]  # fmt: skip
    assert {info.compress_type for info in packed.infolist()} == {zipfile.ZIP_STORED}
    packed.extractall(tmp_path / "out")
    folder = tmp_path / "out" / "My scenes"
    frames = [len(decode_all(path, 160, 90)) for path in sorted(folder.glob("*.mp4"))]
    assert frames == [24, 10, 25]

    timeline = otio.adapters.read_from_file(str(folder / "My scenes.otio"))
    clips = list(timeline.video_tracks()[0])
    assert [clip.source_range.duration.value for clip in clips] == frames
    assert all((folder / clip.media_reference.target_url).is_file() for clip in clips)
    assert clips[0].markers[0].comment == "look"
    rows = list(csv.DictReader((folder / "My scenes.csv").read_text("utf-8-sig").splitlines()))
    assert [row["length (seconds)"] for row in rows] == ["1.001", "0.417", "1.000"]
    assert [p.name for p in export_files.exports_folder().iterdir()] == [f"{export.token}.zip"]


@pytest.mark.django_db(transaction=True)
def test_a_zip_of_an_earlier_board_says_so(page: Client, film: Film) -> None:
    board = make_board(film, (2, 30))
    run_export(request_export(board))
    text = page.get(board.get_absolute_url()).content.decode()
    assert "The clips are ready." in text
    row = board.scenes.all()[0]
    service.set_note(board, row.pk, "later")
    text = page.get(board.get_absolute_url()).content.decode()
    assert "The board has changed since this ZIP was made." in text
    assert "Make a new ZIP" in text
    service.set_note(board, row.pk, row.note)
    assert not exports.is_outdated(Export.objects.get())


def test_an_export_keeps_its_clips_after_a_power_cut(worker: Worker, film: Film) -> None:
    board = make_board(film, *((n, n + 60) for n in range(24)))
    export = request_export(board)
    assert tasks.queue_export(export)
    folder = export_files.exports_folder() / export.token
    wait_for(lambda: len(list(folder.glob("*.mp4"))) >= 3, pause=0.01)
    worker.kill()
    export.refresh_from_db()
    assert export.state == Export.State.RUNNING
    kept = {path.name: path.stat().st_ino for path in folder.glob("*.mp4")}
    assert 3 <= len(kept) < 24
    # The sweep finds it when its lease has expired, without another request.
    queue_client().delete("films-exports", "unacked", "unacked_index")
    again: set[int] = set()
    worker.start()

    def done() -> bool:
        export.refresh_from_db()
        if not again and export.state == Export.State.RUNNING and export.done_count > len(kept):
            again.update(path.stat().st_ino for path in folder.glob("*.mp4"))
        return export.state == Export.State.DONE

    wait_for(done, pause=0.01)
    assert set(kept.values()) <= again
    assert len(open_archive(export).namelist()) == 26


@pytest.mark.django_db(transaction=True)
def test_an_unreachable_queue_is_reported_and_nothing_is_lost(
    worker: Worker, film: Film, static_files: None
) -> None:
    worker.stop()
    board = make_board(film, (10, 34))
    script = (
        "from django.test import Client; c = Client(SERVER_NAME='localhost'); "
        f"print(c.post('{board.get_absolute_url()}clips/').status_code); "
        f"print(c.get('{board.get_absolute_url()}').content.decode())"
    )
    done = run_manage(
        "shell",
        "--no-imports",
        "-c",
        script,
        CELERY_BROKER_URL=f"redis://127.0.0.1:{find_free_port()}/1",
    )
    assert done.stdout.startswith("302"), done.stdout + done.stderr
    assert "the task queue cannot be reached. Nothing is lost" in done.stdout, done.stdout[-9000:]
    export = board.exports.get()
    assert export.state == Export.State.WAITING
    assert list(exports.find_lost_exports(queue_is_empty=False)) == []
    # The sweep of the next worker finds it.
    assert list(exports.find_lost_exports(queue_is_empty=True)) == [export]


# --- priorities and leases ------------------------------------------------------------------------


def test_a_long_export_yields_to_others(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    export = request_export(make_board(film, (0, 5), (10, 15), (20, 25)))
    monkeypatch.setattr(export_work, "MAX_TASK_SECONDS", 0.0)
    monkeypatch.setattr(time, "monotonic", iter(range(10**6)).__next__)
    assert export_work.continue_export(export.pk)
    export.refresh_from_db()
    assert (export.state, export.lease_until) == (Export.State.WAITING, None)


def test_progress_is_counted_in_seconds_of_film(film: Film) -> None:
    export = request_export(make_board(film, (0, 72), (72, 96)))
    assert exports.progress_of(export) == exports.Progress(0.0, None)
    export.done_count = 1
    export.started = timezone.now() - timedelta(seconds=30)
    progress = exports.progress_of(export)
    assert progress.part == pytest.approx(0.75)
    assert progress.seconds_left == pytest.approx(10, abs=1)


def test_only_one_worker_runs_an_export(film: Film) -> None:
    export = request_export(make_board(film, (0, 5)))
    Export.objects.update(
        state=Export.State.RUNNING, lease_until=timezone.now() + timedelta(seconds=60)
    )
    assert not export_work.continue_export(export.pk)
    assert not export_files.result_path(export).exists()
    assert not exports.find_lost_exports(queue_is_empty=True)
    Export.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert list(exports.find_lost_exports(queue_is_empty=False)) == [export]
    assert run_export(export).state == Export.State.DONE
    assert not export_work.continue_export(export.pk)
    assert not export_work.continue_export(export.pk + 1)


def test_a_worker_that_lost_its_lease_publishes_nothing(
    film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = request_export(make_board(film, (0, 5), (10, 15)))
    cut = clip_archive.clips.render_clip

    def cut_and_lose(*given: Any) -> Path:
        Export.objects.update(claim_token=None)
        return cut(*given)

    monkeypatch.setattr(clip_archive.clips, "render_clip", cut_and_lose)
    assert not export_work.continue_export(export.pk)
    assert not export_files.result_path(export).exists()
    export.refresh_from_db()
    assert export.state == Export.State.RUNNING


def test_an_export_cancelled_while_running_leaves_nothing(
    film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = request_export(make_board(film, (0, 5), (10, 15)))
    cut = clip_archive.clips.render_clip

    def cut_and_give_up(*given: Any) -> Path:
        path = cut(*given)
        exports.cancel_export(Export(pk=export.pk, token=export.token))
        return path

    monkeypatch.setattr(clip_archive.clips, "render_clip", cut_and_give_up)
    assert not export_work.continue_export(export.pk)
    assert list(export_files.exports_folder().iterdir()) == []


# --- failures -------------------------------------------------------------------------------------


def test_clips_that_cannot_be_cut_are_named(film: Film, tmp_path: Path) -> None:
    other = add_film(make_film(tmp_path / "b.mp4", seconds=2, rate="25"), "Other", "25")
    gone = add_film(make_film(tmp_path / "c.mp4", seconds=2, rate="25"), "Gone", "25")
    board = make_board(film, (0, 5))
    for of in (other, gone):
        service.add_scene(VISITOR, Scene(of.pk, 0.4, 0.8, 0))
    export = request_export(board)
    gone.files.source().unlink()
    Film.objects.filter(pk=other.pk).delete()
    assert run_export(export).state == Export.State.DONE
    assert export.error.startswith("2 scenes are missing. Scene 2: The film was deleted.")
    assert "Scene 3: The film file is missing" in export.error
    names = open_archive(export).namelist()
    assert len(names) == 3
    assert names[0].endswith("01 Counted 1 2 00.00.00.00.mp4")
    # The cause may be gone next time, so the same board can be exported again.
    assert request_export(board).pk != export.pk


def test_without_any_clip_it_fails_with_a_message(page: Client, film: Film) -> None:
    board = make_board(film, (0, 5))
    export = request_export(board)
    film.files.source().unlink()
    assert run_export(export).state == Export.State.FAILED
    assert export.error.startswith("No clips could be made.")
    assert list(export_files.exports_folder().iterdir()) == []
    shown = body(page.get(board.get_absolute_url()))
    assert "The ZIP could not be created" in shown
    assert "Try again" in shown


def test_a_zip_that_would_be_too_large_is_refused(film: Film, settings: LazySettings) -> None:
    settings.EXPORT_BYTES = 1000
    export = run_export(request_export(make_board(film, (0, 24))))
    assert export.state == Export.State.FAILED
    assert "exceed the limit of 0 MB" in export.error
    assert "EXPORT_BYTES" in export.error
    assert list(export_files.exports_folder().iterdir()) == []


def test_a_full_disk_is_reported(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    export = request_export(make_board(film, (0, 24)))

    def full(*_given: Any) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(clip_archive.zipfile.ZipFile, "write", full)
    assert run_export(export).state == Export.State.FAILED
    assert export.error.startswith("The disk is full")
    assert list(export_files.exports_folder().iterdir()) == []


def test_an_unexpected_error_fails_with_a_message_and_is_logged(
    film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = request_export(make_board(film, (0, 24)))
    monkeypatch.setattr(clip_archive, "csv_table", lambda _cuts: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_work.continue_export(export.pk)
    export.refresh_from_db()
    assert (export.state, export.error[:20]) == (Export.State.FAILED, "Something went wrong")


# --- requests -------------------------------------------------------------------------------------


def test_a_double_click_makes_one_export(film: Film) -> None:
    board = make_board(film, (0, 5))
    export = request_export(board)
    assert request_export(board) == export
    run_export(export)
    assert request_export(board) == export
    make_board(film, (10, 15))
    newer = request_export(board)
    assert newer != export
    export_files.result_path(export).unlink()
    assert exports.shown_exports(board) == [newer]


def test_concurrent_exports_of_a_user_are_limited(page: Client, film: Film) -> None:
    for number in range(3):
        board = service.create_board(VISITOR, str(number))
        make_board(film, (0, 5))
        request_export(board)
    board = service.create_board(VISITOR, "One more")
    make_board(film, (0, 5))
    answer = page.post(f"{board.get_absolute_url()}clips/")
    assert answer.status_code == 400
    assert "You already have several exports running" in body(answer)
    other = service.create_board(Visitor(key="o" * 32), "Of somebody else")
    service.add_scene(Visitor(key="o" * 32), Scene(film.pk, 0.0, 1.0, 0))
    assert request_export(other).state == Export.State.WAITING


def test_visitors_with_the_link_can_start_an_export_but_not_stop_it(
    page: Client, film: Film
) -> None:
    board = make_board(film, (0, 5))
    page.post(f"{board.get_absolute_url()}clips/")
    export = board.exports.get()
    address = f"{board.get_absolute_url()}exports/"
    assert page.post(f"{address}{export.token}/stop/").status_code == 404
    run_export(export)
    assert page.get(f"{address}{export.token}/file/").status_code == 200
    other = service.create_board(Visitor(key="o" * 32), "Other")
    assert page.get(f"{other.get_absolute_url()}exports/{export.token}/file/").status_code == 404
    export_files.result_path(export).unlink()
    gone = page.get(f"{address}{export.token}/file/")
    assert gone.status_code == 410
    assert "Create it again" in body(gone)


def test_the_owner_can_stop_an_export(
    page: Client, film: Film, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    page.post("/boards/", {"name": "Mine"})
    own_board = Board.objects.get()
    make_board(film, (0, 5), visitor=Visitor(key=own_board.visitor))
    page.post(f"{own_board.get_absolute_url()}clips/")
    export = run_export(own_board.exports.get())
    with django_capture_on_commit_callbacks(execute=True):
        page.post(f"{own_board.get_absolute_url()}exports/{export.token}/stop/")
    assert not Export.objects.exists()
    assert not export_files.result_path(export).exists()


def test_a_setting_says_who_can_save_clips(
    page: Client, film: Film, settings: LazySettings
) -> None:
    settings.DOWNLOADS_FOR = "nobody"
    board = make_board(film, (0, 5))
    assert "Clips (ZIP)" not in body(page.get(board.get_absolute_url()))
    assert page.post(f"{board.get_absolute_url()}clips/").status_code == 403
    export = run_export(request_export(board))
    address = f"{board.get_absolute_url()}exports/{export.token}/file/"
    assert page.get(address).status_code == 403
    settings.DOWNLOADS_FOR = "everyone"
    assert page.get(address).status_code == 200


# --- cleanup --------------------------------------------------------------------------------------


def test_zips_are_kept_for_a_day_and_within_a_limit(
    film: Film, settings: LazySettings, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    board = make_board(film, (0, 5))
    made = []
    for end in (10, 15, 20):
        make_board(film, (0, end))
        made.append(run_export(request_export(board)))
    Export.objects.filter(pk=made[0].pk).update(requested_at=timezone.now() - timedelta(hours=25))
    stray = export_files.exports_folder() / "stray"
    stray.mkdir()
    (export_files.exports_folder() / "stray.zip").touch()
    for path in (stray, export_files.exports_folder() / "stray.zip"):
        os.utime(path, (1, 1))
    settings.EXPORT_CACHE_BYTES = export_files.result_path(made[2]).stat().st_size + 10
    with django_capture_on_commit_callbacks(execute=True):
        clean_up()
    assert list(Export.objects.all()) == [made[2]]
    assert list(export_files.exports_folder().iterdir()) == [export_files.result_path(made[2])]


def test_beat_runs_sweeps_and_cleanups() -> None:
    from imgsearch.celery import app

    schedule = app.conf.beat_schedule
    assert schedule["tidy"]["schedule"] == 3600
    assert schedule["tidy"]["task"] in app.tasks


def test_names_of_clips_sort_in_board_order(film: Film) -> None:
    board = make_board(film, *((n, n + 2) for n in range(3)))
    cuts = exports.edits_of(board, lambda _scene: "")
    names = [clip_archive.clip_name(cut, 1200) for cut in cuts]
    assert names[0] == "0001 Counted 1 2 00.00.00.00.mp4"
    assert all(re.fullmatch(r'[^<>:"/\\|?*]+', name) for name in names)
