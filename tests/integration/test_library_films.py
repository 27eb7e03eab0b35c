"""Films of library folders: imported, searched, played, away and back, hashed, uploaded."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from gallery import tasks
from gallery.films.models import Film
from gallery.importing import healing, housekeeping, intake, probe_step, publish_step
from gallery.importing.progress import progress_of
from gallery.library import folders, hashing
from gallery.library.models import LibraryFile, LibraryFolder, LibrarySubtitles
from gallery.search import engine
from gallery.search.types import Query
from gallery.transcripts.models import Subtitles
from tests.films import make_film
from tests.importing import (
    DEMO,
    add_film,
    assert_complete,
    assert_gone,
    clean_up,
    import_here,
    import_segment,
    sweep,
)
from tests.library import Library, finish
from tests.processes import Worker, wait_for

pytestmark = pytest.mark.django_db(transaction=True)
FOLDERS = "/admin/gallery/libraryfolder/"
AWAY = "cannot be reached"


@pytest.fixture
def library(redis_server: redis.Redis, tmp_path: Path, settings: Any) -> Iterator[Library]:
    settings.LIBRARY_SETTLE_SECONDS = 0
    yield Library(tmp_path / "library")
    for film in Film.objects.all():
        film.files.remove()


@pytest.fixture
def film(library: Library) -> Film:
    """A searchable film of the library folder, of 6 seconds and two segments."""
    make_film(library.root / "Rain.2019.mp4", seconds=6, sound=True)
    library.follow()
    return import_here(library.film("Rain.2019.mp4"))


def text(response: Any) -> str:
    body = b"".join(response.streaming_content) if response.streaming else response.content
    decoded: str = body.decode().replace("&#x27;", "'")
    return decoded


def disconnect(library: Library) -> Callable[[], None]:
    """Unmount the disk: an empty folder remains. Returns a function that mounts it again."""
    away = library.root.with_name("disk")
    library.root.rename(away)
    library.root.mkdir()
    library.scan()

    def connect() -> None:
        library.root.rmdir()
        away.rename(library.root)
        library.scan()

    return connect


# --- import ---------------------------------------------------------------------------------------


def test_a_library_film_is_imported_without_a_copy(library: Library, film: Film) -> None:
    before = library.snapshot()
    assert film.state == Film.State.READY, film.error
    assert (film.title, film.year, film.frame_count) == ("Rain", 2019, 6)
    assert_complete(film)
    copied = [path for path in film.files.folder.rglob("*") if path.suffix == ".mp4"]
    assert [path.is_symlink() for path in copied] == [True]
    assert sweep() == []
    assert clean_up() == []
    assert library.snapshot() == before


def test_a_working_copy_is_made_beside_the_link(library: Library) -> None:
    make_film(library.root / "old.avi", seconds=2, codec=("-c:v", "mpeg4"), options=("-bf", "2"))
    make_film(library.root / "web.flv", seconds=2, codec=("-c:v", "flv1"))
    before = library.snapshot()
    library.follow()
    made = [import_here(film) for film in Film.objects.order_by("pk")]
    assert [film.state for film in made] == [Film.State.READY] * 2
    copies = [film.files.working_copy() for film in made if film.files.working_copy().exists()]
    assert copies
    assert not any(copy.is_symlink() for copy in copies)
    assert library.snapshot() == before


def test_deleting_a_film_removes_only_its_link(library: Library, film: Film, staff: Client) -> None:
    before = library.snapshot()
    number, folder = film.pk, film.files.folder
    page = f"/admin/gallery/film/{number}/delete/"
    assert "(its file in the library folder stays, and will be ignored)" in text(staff.get(page))
    staff.post(page, {"post": "yes"})
    assert_gone(number, folder)
    clean_up()
    assert library.snapshot() == before
    library.follow()
    assert not Film.objects.exists()


def test_leftovers_of_an_interrupted_import_are_removed_without_their_target(
    library: Library,
) -> None:
    """As after a worker was killed before it saved the film's row."""
    path = library.write("a.mkv")
    before = library.snapshot()
    files = Film().files
    files.mark_unfinished()
    files.link_source_here(path)
    day_before = time.time() - 2 * housekeeping.DAY
    os.utime(files.folder / ".unfinished", (day_before, day_before))
    clean_up()
    assert not files.folder.exists()
    assert library.snapshot() == before


def test_a_broken_file_fails_alone_and_is_retried(library: Library, staff: Client) -> None:
    library.write("broken.mp4", "no film")
    make_film(library.root / "whole.mp4", seconds=1)
    library.follow()
    for one in Film.objects.all():
        import_here(one)
    assert library.film("whole.mp4").state == Film.State.READY
    broken = library.film("broken.mp4")
    assert broken.state == Film.State.FAILED
    shown = text(staff.get(f"{FOLDERS}{library.folder.pk}/change/"))
    assert "broken.mp4" in shown
    assert broken.error
    assert broken.error in shown
    out = StringIO()
    call_command("library", "failed", stdout=out)
    assert out.getvalue() == f"broken.mp4: {broken.error}\n"
    make_film(library.root / "broken.mp4", seconds=2)
    answer = staff.post(f"{FOLDERS}{library.folder.pk}/retry/", follow=True)
    assert "Retrying 1 file." in text(answer)
    library.settle()
    assert import_here(library.film("broken.mp4")).state == Film.State.READY
    assert library.film("broken.mp4") == broken


def test_a_film_with_other_content_keeps_its_id_and_its_subtitles(
    library: Library, film: Film
) -> None:
    (library.root / "Rain.2019.en.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n")
    library.scan()
    make_film(library.root / "Rain.2019.mp4", seconds=3, picture="testsrc")
    library.settle()
    again = import_here(library.film("Rain.2019.mp4"))
    assert again.pk == film.pk
    assert (again.state, again.run, again.frame_count) == (Film.State.READY, 2, 3)
    assert_complete(again)
    assert [row.source for row in again.subtitles.all()] == ["uploaded"]


# --- away and back --------------------------------------------------------------------------------


def test_a_film_that_is_away_is_found_but_cannot_be_played(
    library: Library, film: Film, staff: Client
) -> None:
    connect = disconnect(library)
    film.refresh_from_db()
    assert film.away_since is not None
    assert [hit.film for hit in engine.search(Query(words="a test picture")).hits] == [film.pk]
    for page in (film.get_absolute_url(), reverse("frame", args=[film.pk, 2])):
        assert text(staff.get(page)).count(AWAY) == 1, page
        assert "Reconnect the disk" in text(staff.get(page))
        assert "Ask an administrator" in text(Client().get(page))
    scene = text(staff.get(reverse("frame", args=[film.pk, 2])))
    for gone in ("Download clip", "GIF", "Play the whole film", "scene.js", "<video"):
        assert gone not in scene
    assert "play-film" not in text(staff.get(film.get_absolute_url()))
    assert AWAY in text(staff.get("/films/"))
    clip_address = reverse("clip", args=[film.pk, 0, 24])
    clip = staff.get(clip_address)
    assert (clip.status_code, AWAY in text(clip)) == (404, True)
    whole = staff.get(reverse("whole_film", args=[film.pk]))
    assert (whole.status_code, AWAY in text(whole)) == (404, True)
    shown = json.loads(text(staff.get(reverse("api:get_film", args=[film.pk]))))
    assert shown["is_reachable"] is False
    assert AWAY in shown["notice"]
    assert AWAY in progress_of(film).note
    listed = text(staff.get("/admin/gallery/film/?where=away"))
    assert listed.count("The file of 1 film cannot be reached") == 1
    assert listed.count("file cannot be reached") == 1
    assert "Reconnect the disk" in text(staff.get(f"/admin/gallery/film/{film.pk}/change/"))
    connect()
    assert AWAY not in text(staff.get(film.get_absolute_url()))
    shown = json.loads(text(staff.get(reverse("api:get_film", args=[film.pk]))))
    assert (shown["is_reachable"], shown["notice"]) == (True, "")
    assert staff.get(clip_address).status_code == 200


def test_nothing_is_repaired_or_removed_while_a_film_is_away(library: Library, film: Film) -> None:
    connect = disconnect(library)
    run = film.files.run(film.searchable_run or 0)
    run.thumbnail(3).unlink()
    Film.objects.filter(pk=film.pk).update(shots_version="", tracks_run=None)
    assert clean_up() == []
    queued = [step for step, *_key in sweep()]
    assert set(queued) <= {"heal"}
    film.refresh_from_db()
    assert (film.state, film.error, film.run) == (Film.State.READY, "", 1)
    assert film.files.folder.exists()
    connect()
    assert healing.reimport_incomplete(lambda *_step: None) == 1  # now it can be


def test_an_import_waits_for_a_disk_that_is_disconnected_midway(library: Library) -> None:
    make_film(library.root / "a.mp4", seconds=12)
    library.follow()
    film = library.film("a.mp4")
    segments = probe_step.probe_film(film.pk)
    assert len(segments) == 3
    assert import_segment(segments[0]) is None
    connect = disconnect(library)
    Film.objects.update(away_since=None)  # as before a scan has noticed
    assert import_segment(segments[1]) is None
    film.refresh_from_db()
    assert (film.state, film.error) == (Film.State.IMPORTING, "")
    assert film.away_since is not None
    assert import_segment(segments[2]) is None
    assert sweep() == []
    connect()
    assert [step for step, *_key in sweep()][:2] == ["segment", "segment"]
    done = [import_segment(segment) for segment in segments[1:]]
    assert done[-1] == film.pk
    publish_step.finish_film(film.pk)
    film.refresh_from_db()
    assert_complete(film)


# --- uploads of the same film ---------------------------------------------------------------------


def test_an_upload_of_a_library_film_is_recognized_once_it_is_hashed(
    library: Library, film: Film
) -> None:
    assert hashing.next_to_hash() is not None
    hashing.hash_next(lambda *_step: None)
    assert hashing.next_to_hash() is None
    film.refresh_from_db()
    copy, sha256 = intake.copy_to_uploads(library.root / "Rain.2019.mp4")
    assert film.sha256 == sha256
    same, is_new = intake.add_film(copy, sha256, name="upload.mp4")
    assert (same, is_new) == (film, False)
    assert film.files.is_link
    assert not copy.exists()


def test_the_file_of_an_upload_does_not_become_a_second_film(
    library: Library, tmp_path: Path
) -> None:
    path = make_film(tmp_path / "upload.mp4", seconds=1)
    film = import_here(add_film(path))
    shutil.copy(path, library.root / "copy.mp4")
    library.follow()
    assert library.film("copy.mp4") == film
    assert hashing.hash_next(lambda *_step: None) is False
    assert library.file("copy.mp4").sha256 == film.sha256
    assert not film.files.is_link


def test_different_files_with_the_same_fingerprint_become_two_films(library: Library) -> None:
    library.write("a.mkv", "one")
    library.write("b.mkv", "two")
    library.follow()
    one, other = library.film("a.mkv"), library.film("b.mkv")
    # As if their samples were the same, which is impossible for small files.
    LibraryFile.objects.update(film=one, fingerprint="the same")
    other.delete()
    finish(one)
    while hashing.hash_next(lambda *_step: None):
        pass
    assert sorted(library.states().values()) == ["imported", "waiting"]


# --- subtitles ------------------------------------------------------------------------------------


def cues(text: str) -> str:
    return f"1\n00:00:01,000 --> 00:00:02,000\n{text}\n"


def lines_of(film: Film) -> list[str]:
    rows = Subtitles.objects.filter(film=film)
    return sorted(line.text for row in rows for line in row.lines.all())


def test_subtitles_next_to_a_film_are_tracked(library: Library, film: Film) -> None:
    path = library.write("Rain.2019.en.srt", cues("one"))
    library.write("Subs/French.srt", cues("deux"))
    library.scan()
    assert lines_of(film) == ["deux", "one"]
    path.write_text(cues("changed"))
    library.scan()
    assert lines_of(film) == ["changed", "deux"]
    path.write_text("no subtitles at all")
    library.scan()
    assert lines_of(film) == ["changed", "deux"]  # the old lines are kept
    assert LibrarySubtitles.objects.exclude(error="").count() == 1
    path.unlink()
    library.scan()
    assert lines_of(film) == ["deux"]
    assert library.scan().changed == 0


def test_subtitles_keep_their_language_when_they_change_and_move(
    library: Library, film: Film
) -> None:
    path = library.write("Rain.2019.srt", cues("one"))
    library.scan()
    Subtitles.objects.filter(film=film).update(language="nl", is_hidden=True)
    path.write_text(cues("another"))
    library.scan()
    [row] = Subtitles.objects.filter(film=film)
    assert (row.language, row.is_hidden) == ("nl", True)
    (library.root / "b").mkdir()
    for name in ("Rain.2019.mp4", "Rain.2019.srt"):
        (library.root / name).rename(library.root / "b" / name)
    library.scan()
    assert [one.pk for one in Subtitles.objects.filter(film=film)] == [row.pk]


def test_subtitles_are_kept_while_their_film_is_away(library: Library, film: Film) -> None:
    library.write("Rain.2019.srt", cues("one"))
    library.scan()
    connect = disconnect(library)
    assert lines_of(film) == ["one"]
    connect()
    assert lines_of(film) == ["one"]


def test_subtitles_that_were_deleted_in_the_admin_do_not_come_back(
    library: Library, film: Film
) -> None:
    path = library.write("Rain.2019.srt", cues("one"))
    library.scan()
    Subtitles.objects.get(film=film).delete()
    library.scan()
    assert lines_of(film) == []
    path.write_text(cues("a new version"))
    library.scan()
    assert lines_of(film) == ["a new version"]


# --- command and admin ----------------------------------------------------------------------------


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("library", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_the_command_adds_scans_pauses_and_removes(
    redis_server: redis.Redis, tmp_path: Path, settings: Any
) -> None:
    settings.LIBRARY_SETTLE_SECONDS = 0
    root = tmp_path / "films"
    root.mkdir()
    (root / "a.mkv").write_bytes(b"a film")
    (root / "a-trailer.mkv").write_bytes(b"a trailer")
    assert "no library folders" in run("list")
    assert "added" in run("add", str(root), "--ignore", "*-trailer.*", "--order", "name")
    assert "1 files, 1 new" in run("scan")
    assert "paused" in run("pause", str(root))
    assert "1 settled" in run("scan", str(root))
    assert "0 of 1 films" in run("list")
    assert not Film.objects.exists()
    assert "resumed" in run("resume")
    film = Film.objects.get()
    with pytest.raises(CommandError, match="is not a library folder"):
        run("scan", str(tmp_path / "other"))
    with pytest.raises(CommandError, match="is already a library folder"):
        run("add", f"{root}/")
    (tmp_path / "other").mkdir()
    with pytest.raises(CommandError, match="ignore pattern is invalid"):
        run("add", str(tmp_path / "other"), "--ignore", "[z-a]")
    assert "1 films deleted" in run("remove", str(root), "--delete-films")
    assert not LibraryFolder.objects.exists()
    assert not film.files.folder.exists()
    assert sorted(path.name for path in root.iterdir()) == ["a-trailer.mkv", "a.mkv"]


def test_folders_are_added_and_removed_in_the_admin(
    library: Library, film: Film, staff: Client, tmp_path: Path
) -> None:
    (tmp_path / "more").mkdir()
    given = {"path": f"{tmp_path}/more/", "ignored": "Sample/", "order": "name"}
    answer = staff.post(f"{FOLDERS}add/", given, follow=True)
    assert answer.status_code == 200
    assert LibraryFolder.objects.get(ignored="Sample/").path == str(tmp_path / "more")
    refused = text(staff.post(f"{FOLDERS}add/", {**given, "path": "/no such folder"}))
    assert "There is no folder /no such folder on the server." in refused
    refused = text(staff.post(f"{FOLDERS}add/", {**given, "ignored": "Sample/\n[z-a]"}))
    assert "This ignore pattern is invalid: [z-a]" in refused
    shown = text(staff.get(FOLDERS))
    assert "1 of 1 film" in shown
    assert "The whole library" in shown
    assert "up to date" in text(staff.get(f"{FOLDERS}{library.folder.pk}/progress/"))
    page = f"{FOLDERS}{library.folder.pk}/"
    assert "its films stay" in text(staff.get(f"{page}delete/"))
    staff.post(f"{page}delete/", {"post": "yes"})
    assert not LibraryFolder.objects.filter(pk=library.folder.pk).exists()
    film.refresh_from_db()
    assert film.has_source


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "in less than a second"), (1.4, "in 1 second"), (75, "in 1 minute")],
)
def test_the_page_shows_the_duration_of_the_last_scan(
    library: Library, staff: Client, seconds: float, said: str
) -> None:
    library.scan()
    LibraryFolder.objects.update(scan_seconds=seconds)
    for page in (FOLDERS, f"{FOLDERS}{library.folder.pk}/change/"):
        assert f">{said}<" in text(staff.get(page)), page


def test_folders_need_the_view_permission(library: Library, page: Client) -> None:
    for address in (FOLDERS, f"{FOLDERS}add/", f"{FOLDERS}{library.folder.pk}/progress/"):
        assert page.get(address).status_code == 302
    assert page.post(f"{FOLDERS}{library.folder.pk}/retry/").status_code == 302


def test_buttons_pause_and_resume(library: Library, film: Film, staff: Client) -> None:
    page = f"{FOLDERS}{library.folder.pk}/"
    film.started, film.finished = timezone.now() - timedelta(minutes=1), timezone.now()
    film.save()
    make_film(library.root / "more.mp4", seconds=1)
    library.scan()
    running = text(staff.get(f"{page}change/"))
    assert "hours of film per hour" in running
    assert "Resume imports" not in running
    paused = text(staff.post(f"{page}pause/", follow=True))
    assert "Paused. Running imports will finish." in paused
    assert "hours of film per hour" not in paused
    assert "Resume imports" in paused
    assert "Pause imports" in text(staff.post(f"{page}resume/", follow=True))


def test_actions_pause_resume_and_retry(library: Library, staff: Client) -> None:
    library.write("a.mkv")
    library.settle()
    chosen = {"_selected_action": [str(library.folder.pk)]}
    staff.post(FOLDERS, {**chosen, "action": "pause"})
    assert library.start() == 0
    staff.post(FOLDERS, {**chosen, "action": "resume"})
    assert Film.objects.count() == 1
    Film.objects.update(state=Film.State.FAILED)
    answer = staff.post(FOLDERS, {**chosen, "action": "retry"}, follow=True)
    assert "Retrying 1 file." in text(answer)
    assert "Scans queued." in text(
        staff.post(FOLDERS, {**chosen, "action": "scan_now"}, follow=True)
    )


# --- with a worker --------------------------------------------------------------------------------


def test_a_worker_imports_a_whole_folder(worker: Worker, tmp_path: Path) -> None:
    root = tmp_path / "films"
    root.mkdir()
    for number in range(6):  # more than are imported at the same time
        make_film(root / f"{number}.mp4", seconds=1, size=f"{160 + 16 * number}x90")
    shutil.copy(DEMO / "film.en.srt", root / "0.en.srt")
    folder = folders.add_folder(str(root))

    def is_done() -> bool:
        tasks.sweep.delay()
        return Film.objects.filter(state=Film.State.READY).count() == 6

    wait_for(is_done, pause=1.0)
    for film in Film.objects.all():
        assert_complete(film)
    wait_for(lambda: tasks.scan_library.delay(folder.pk) and Subtitles.objects.exists(), pause=1.0)
    wait_for(lambda: tasks.sweep.delay() and not Film.objects.filter(sha256=None), pause=1.0)
