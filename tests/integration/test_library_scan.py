"""Scans of library folders: new, changed, moved, missing and returning files, without frames."""

import errno
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone

from gallery.films.models import Film
from gallery.importing import intake, transitions
from gallery.library import comparison, folders, hashing, identification, imports, presence, scan
from gallery.library.folders import FolderError
from gallery.library.models import LibraryFile, LibraryFolder
from gallery.library.progress import measure_progress
from tests.importing import delete_rows
from tests.library import Library, finish

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def library(tmp_path: Path, settings: Any) -> Iterator[Library]:
    settings.LIBRARY_SETTLE_SECONDS = 0
    settings.LIBRARY_IMPORTS_AT_ONCE = 100
    yield Library(tmp_path / "library")
    for film in Film.objects.all():
        film.files.remove()


# --- new files ------------------------------------------------------------------------------------


def test_a_film_is_imported_in_place(library: Library) -> None:
    path = library.write("Rain.2019.1080p.mkv")
    before = library.snapshot()
    assert library.scan().new == 1
    assert library.start() == 0  # it may still be being copied
    assert library.scan().settled == 1
    assert library.start() == 1
    film = library.film("Rain.2019.1080p.mkv")
    assert library.queued == [("probe", film.pk)]
    assert (film.title, film.year, film.original_name) == ("Rain", 2019, path.name)
    assert (film.size, film.sha256, film.state) == (path.stat().st_size, None, Film.State.WAITING)
    assert film.files.source().is_symlink()
    assert film.files.source().name == "source.mkv"
    assert film.files.link_target() == path
    assert film.has_source
    assert not film.is_away
    assert film.files.unfinished_since() is None
    assert library.snapshot() == before


def test_a_second_scan_opens_no_file(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    library.write("a.mkv")
    library.follow()

    def refuse(_path: Path) -> str:
        raise AssertionError("a file was opened")

    monkeypatch.setattr(comparison, "quick_fingerprint", refuse)
    result = library.scan()
    assert (result.files, result.new, result.changed, result.settled) == (1, 0, 0, 0)


def test_a_growing_file_is_left_alone(library: Library) -> None:
    path = library.write("a.mkv", "the first half")
    library.scan()
    for more in ("and", "more"):
        with path.open("a") as file:
            file.write(more)
        assert library.scan().changed == 1
        assert library.start() == 0
    library.scan()
    assert library.start() == 1
    assert library.film("a.mkv").size == path.stat().st_size


def test_a_file_must_not_change_for_some_seconds(library: Library, settings: Any) -> None:
    settings.LIBRARY_SETTLE_SECONDS = 30
    library.write("a.mkv")
    library.settle()
    assert library.start() == 0
    LibraryFile.objects.update(settles_since=timezone.now() - timedelta(seconds=31))
    library.scan()
    assert library.start() == 1


def test_a_file_that_changes_before_its_import_settles_again(library: Library) -> None:
    path = library.write("a.mkv")
    library.settle()
    path.write_bytes(b"other content")
    assert library.start() == 0
    assert library.states() == {"a.mkv": "settling"}
    library.follow()
    assert library.film("a.mkv").size == len(b"other content")


def test_unreadable_files_are_reported_and_retried(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.write("a.mkv")
    library.write("b.mkv")
    library.settle()
    real = imports.quick_fingerprint

    def refuse(path: Path) -> str:
        if path.name == "a.mkv":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path)

    monkeypatch.setattr(imports, "quick_fingerprint", refuse)
    assert library.start() == 1
    assert library.states() == {"a.mkv": "unreadable", "b.mkv": "imported"}
    assert "Permission denied" in library.file("a.mkv").error
    monkeypatch.undo()
    library.scan()
    assert library.start() == 1


def test_a_changed_file_that_cannot_be_opened_is_read_later(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = library.write("a.mkv", "the first version")
    library.follow()
    film = library.film("a.mkv")
    finish(film)
    path.write_bytes(b"a better version")
    library.scan()

    def refuse(_path: Path) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(identification, "quick_fingerprint", refuse)
    library.scan()
    assert library.states() == {"a.mkv": "unreadable"}
    assert library.start() == 0
    monkeypatch.undo()
    library.settle()
    film.refresh_from_db()
    assert (film.run, film.size) == (2, len(b"a better version"))


def test_two_files_with_the_same_content_are_one_film(library: Library) -> None:
    library.write("a.mkv", "the same")
    library.write("b/copy.mkv", "the same")
    library.follow()
    film = library.film("a.mkv")
    assert library.film("b/copy.mkv") == film
    assert Film.objects.count() == 1
    used = film.files.link_target()
    assert used is not None
    used.unlink()
    library.scan()
    film.refresh_from_db()
    assert film.away_since is None
    assert film.has_source
    assert film.files.link_target() in {library.root / "a.mkv", library.root / "b/copy.mkv"}


def test_a_copy_that_arrives_later_is_the_same_film(library: Library) -> None:
    library.write("a.mkv", "the same")
    library.follow()
    shutil.copy(library.root / "a.mkv", library.root / "z.mkv")
    library.settle()
    assert library.film("z.mkv") == library.film("a.mkv")
    assert library.start() == 0


def test_the_file_of_an_uploaded_film_is_that_film(library: Library, tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(b"the same")
    film, _is_new = intake.add_film(upload, "hash", name="a.mkv")
    library.write("b.mkv", "the same")
    library.follow()
    assert library.film("b.mkv") == film
    assert not film.files.is_link
    (library.root / "b.mkv").unlink()
    library.scan()
    film.refresh_from_db()
    assert film.away_since is None


def test_a_name_that_is_not_utf8_is_imported(library: Library) -> None:
    path = library.root / os.fsdecode("Amélie.mkv".encode("latin-1"))
    path.write_bytes(b"a film")
    library.follow()
    [film] = Film.objects.all()
    assert film.title == "Amélie"
    assert film.files.source().read_bytes() == b"a film"


# --- moves and changes ----------------------------------------------------------------------------


def test_a_renamed_and_moved_film_stays_the_same(library: Library) -> None:
    library.write("a.mkv")
    library.follow()
    film = library.film("a.mkv")
    (library.root / "b").mkdir()
    (library.root / "a.mkv").rename(library.root / "b/other name.mp4")
    result = library.scan()
    assert (result.moved, result.new, result.gone) == (1, 0, 0)
    film.refresh_from_db()
    assert library.film("b/other name.mp4") == film
    assert film.files.source().name == "source.mp4"
    assert film.files.link_target() == library.root / "b/other name.mp4"
    assert [path.name for path in film.files.folder.glob("source*")] == ["source.mp4"]
    assert film.run == 1
    assert film.has_source


def test_many_moved_films_are_saved_in_batches(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other writers get their turn. The next scan finds what a killed one has not saved."""
    names = [f"{number}.mkv" for number in range(6)]
    for name in names:
        library.write(name)
    library.follow()
    films = [library.film(name) for name in names]
    (library.root / "moved").mkdir()
    for name in names:
        (library.root / name).rename(library.root / "moved" / name)
    monkeypatch.setattr(scan, "BATCH", 2)
    genuine, saved = presence.update_presence, []

    def die_at_the_second(some: Collection[int]) -> None:
        saved.append(len(some))
        if len(saved) == 2:
            raise KeyboardInterrupt
        genuine(some)

    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(presence, "update_presence", die_at_the_second)
        library.scan()
    assert saved == [2, 2]
    assert sum(path.startswith("moved/") for path in library.states()) == 2
    assert library.scan().moved == 4
    for name, film in zip(names, films, strict=True):
        assert library.film(f"moved/{name}") == film
        assert film.files.link_target() == library.root / "moved" / name
    assert not Film.objects.exclude(away_since=None).exists()


def test_films_that_swap_their_names_swap_their_files(library: Library) -> None:
    library.write("a.mkv", "one film")
    library.write("b.mkv", "another film")
    library.follow()
    one, other = library.film("a.mkv"), library.film("b.mkv")
    (library.root / "a.mkv").rename(library.root / "x")
    (library.root / "b.mkv").rename(library.root / "a.mkv")
    (library.root / "x").rename(library.root / "b.mkv")
    library.scan()
    assert (library.film("b.mkv"), library.film("a.mkv")) == (one, other)
    assert one.files.link_target() == library.root / "b.mkv"
    assert other.files.link_target() == library.root / "a.mkv"


def test_a_film_is_tracked_when_another_file_takes_its_name(library: Library) -> None:
    """When a.mkv becomes old/a.mkv, and a new a.mkv takes its place."""
    library.write("a.mkv", "one film")
    library.follow()
    film = library.film("a.mkv")
    (library.root / "old").mkdir()
    (library.root / "a.mkv").rename(library.root / "old/a.mkv")
    library.write("a.mkv", "another film")
    library.follow()
    assert library.film("old/a.mkv") == film
    assert library.film("a.mkv") != film
    assert film.files.source().read_bytes() == b"one film"


def test_a_film_that_is_copied_and_then_deleted_keeps_its_row(library: Library) -> None:
    """As when a film is moved to another disk, and both files exist for a while."""
    library.write("a.mkv", "a film")
    library.follow()
    film = library.film("a.mkv")
    library.write("b/a.mkv", "a fi")
    library.scan()
    library.write("b/a.mkv", "a film")
    (library.root / "a.mkv").unlink()
    library.scan()
    library.scan()
    film.refresh_from_db()
    assert film.away_since is None
    assert film.files.link_target() == library.root / "b/a.mkv"
    assert Film.objects.count() == 1


def test_a_film_with_new_content_is_imported_again(library: Library) -> None:
    path = library.write("a.mkv", "the first version")
    library.follow()
    film = library.film("a.mkv")
    finish(film)
    library.queued.clear()
    path.write_bytes(b"a better version")
    library.scan()
    film.refresh_from_db()
    assert film.state == Film.State.READY  # the file may still be being written
    library.scan()
    film.refresh_from_db()
    assert library.film("a.mkv") == film
    assert (film.state, film.run, film.searchable_run) == (Film.State.WAITING, 2, 1)
    assert film.size == len(b"a better version")
    assert library.queued == [("probe", film.pk)]


def test_a_file_that_was_only_touched_is_not_read_again(library: Library) -> None:
    path = library.write("a.mkv")
    library.follow()
    film = library.film("a.mkv")
    finish(film)
    os.utime(path, ns=(1, 1))
    library.settle()
    film.refresh_from_db()
    assert (film.state, film.run) == (Film.State.READY, 1)
    assert library.states() == {"a.mkv": "imported"}


def test_one_of_two_files_that_changes_becomes_a_film_of_its_own(library: Library) -> None:
    library.write("a.mkv", "the same")
    library.write("b.mkv", "the same")
    library.follow()
    film = library.film("a.mkv")
    library.write("b.mkv", "now it differs")
    library.follow()
    assert library.film("a.mkv") == film
    assert library.film("b.mkv") != film
    film.refresh_from_db()
    assert (film.run, film.size) == (1, len("the same"))
    assert film.files.link_target() == library.root / "a.mkv"


# --- disconnected disks ---------------------------------------------------------------------------


def disconnect_by_emptying(root: Path) -> Callable[[], object]:
    """An unmounted disk: the empty folder of its mount point remains."""
    away = root.with_name("away")
    root.rename(away)
    root.mkdir()

    def connect() -> None:
        root.rmdir()
        away.rename(root)

    return connect


def disconnect_by_removing(root: Path) -> Callable[[], object]:
    away = root.with_name("away")
    root.rename(away)
    return lambda: away.rename(root)


@pytest.mark.parametrize("disconnect", [disconnect_by_emptying, disconnect_by_removing])
def test_a_disk_that_is_not_connected_only_marks_films_as_away(
    library: Library, disconnect: Callable[[Path], Callable[[], object]], settings: Any
) -> None:
    for name in ("a.mkv", "b/c.mkv", "ignored.mkv"):
        library.write(name)
    library.follow()
    films = [library.film("a.mkv"), library.film("b/c.mkv")]
    library.film("ignored.mkv").delete()
    for film in films:
        finish(film)
    library.write("new.mkv")
    library.settle()
    before = library.snapshot()
    connect = disconnect(library.root)
    library.queued.clear()
    for _again in range(3):
        result = library.scan()
        assert result.error
        assert library.start() == 0
    library.folder.refresh_from_db()
    assert "connect" in library.folder.error
    assert library.states() == {
        "a.mkv": "away imported",
        "b/c.mkv": "away imported",
        "ignored.mkv": "away ignored",
        "new.mkv": "away waiting",
    }
    for film in films:
        film.refresh_from_db()
        assert film.state == Film.State.READY
        assert film.away_since is not None
        assert film.is_away
        assert not film.has_source
    connect()
    assert library.scan().back == 4
    for film in films:
        film.refresh_from_db()
        assert film.away_since is None
        assert film.has_source
    assert library.queued == []
    assert library.start() == 1
    assert library.states()["ignored.mkv"] == "ignored"
    assert library.snapshot() == before


def test_a_deleted_file_marks_its_film_as_away(library: Library) -> None:
    library.write("a.mkv")
    library.write("b.mkv")
    library.follow()
    film = library.film("a.mkv")
    (library.root / "a.mkv").unlink()
    result = library.scan()
    assert (result.gone, result.error) == (1, "")
    film.refresh_from_db()
    assert film.away_since is not None
    library.write("a.mkv")
    library.scan()
    film.refresh_from_db()
    assert film.away_since is None
    assert Film.objects.count() == 2


def test_a_file_that_disappears_before_its_import_is_forgotten(library: Library) -> None:
    library.write("a.mkv")
    library.write("b.mkv")
    library.settle()
    (library.root / "a.mkv").unlink()
    library.scan()
    assert set(library.states()) == {"b.mkv"}


def test_the_import_of_a_film_that_is_away_waits(library: Library) -> None:
    """It does not fail, is not attempted, and resumes when the file is back."""
    library.write("a.mkv")
    library.write("b.mkv")
    library.follow()
    film = library.film("a.mkv")
    Film.objects.filter(pk=film.pk).update(
        state=Film.State.PROBING, attempts=3, lease_until=timezone.now() - timedelta(seconds=1)
    )
    film.refresh_from_db()
    (library.root / "a.mkv").rename(library.root / "a")
    transitions.fail(film, "FFmpeg found nothing")
    film.refresh_from_db()
    assert (film.state, film.attempts, film.error) == (Film.State.WAITING, 0, "")
    assert film.away_since is not None
    assert transitions.fail_lost_films() == 0
    (library.root / "a").rename(library.root / "a.mkv")
    library.scan()
    film.refresh_from_db()
    assert film.away_since is None


def test_a_folder_that_is_mounted_elsewhere_keeps_its_films(
    library: Library, tmp_path: Path
) -> None:
    library.write("a.mkv")
    library.follow()
    film = library.film("a.mkv")
    library.root.rename(tmp_path / "elsewhere")
    library.root = tmp_path / "elsewhere"
    LibraryFolder.objects.update(path=folders.normalize(str(library.root)))
    library.scan()
    film.refresh_from_db()
    assert film.files.link_target() == library.root / "a.mkv"
    assert film.away_since is None


def test_a_film_that_comes_back_half_copied_waits_until_it_is_complete(library: Library) -> None:
    path = library.write("a.mkv", "the whole film")
    library.write("b.mkv")
    library.follow()
    film = library.film("a.mkv")
    path.unlink()
    library.scan()
    path.write_bytes(b"the who")
    library.scan()
    film.refresh_from_db()
    assert film.away_since is not None  # half a file is not imported
    path.write_bytes(b"the whole film")
    library.settle()
    film.refresh_from_db()
    assert film.away_since is None
    assert (film.run, film.has_source) == (1, True)


def test_files_of_a_folder_that_cannot_be_read_are_away(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.write("a.mkv")
    library.write("b/b.mkv")
    library.write("b/new.mkv")
    library.settle()
    LibraryFile.objects.filter(path="b/new.mkv").update(state=LibraryFile.State.SETTLING)
    library.start()
    film = library.film("b/b.mkv")
    scandir = os.scandir

    def refuse(path: Path) -> Any:
        if path == library.root / "b":
            raise PermissionError(errno.EACCES, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    library.scan()
    library.folder.refresh_from_db()
    assert library.folder.unreadable == {"b": "Permission denied"}
    assert library.folder.error == ""
    film.refresh_from_db()
    assert film.away_since is not None
    assert library.states()["b/new.mkv"] == "away settling"
    monkeypatch.undo()
    library.scan()
    film.refresh_from_db()
    assert film.away_since is None


# --- deletion -------------------------------------------------------------------------------------


def test_a_deleted_film_stays_deleted_and_its_file_untouched(library: Library) -> None:
    library.write("a.mkv")
    library.follow()
    film = library.film("a.mkv")
    before = library.snapshot()
    folder = film.files.folder
    film.delete()
    assert library.snapshot() == before
    assert library.states() == {"a.mkv": "ignored"}
    (library.root / "a.mkv").rename(library.root / "b.mkv")
    library.follow()
    assert library.states() == {"b.mkv": "ignored"}
    assert not Film.objects.exists()
    shutil.rmtree(folder, ignore_errors=True)


def test_copies_of_a_deleted_film_are_ignored(library: Library, tmp_path: Path) -> None:
    library.write("a.mkv", "a film")
    library.follow()
    library.film("a.mkv").delete()
    library.write("copy.mkv", "a film")
    library.write("b.mkv", "a book")  # of the same size
    library.follow()
    assert library.states() == {"a.mkv": "ignored", "copy.mkv": "ignored", "b.mkv": "imported"}
    other = Library(tmp_path / "other")
    (library.root / "a.mkv").rename(other.root / "a.mkv")
    other.follow()
    library.follow()
    assert other.states() == {"a.mkv": "ignored"}
    assert library.states()["a.mkv"] == "away ignored"
    # Uploading it means to have it again.
    upload = tmp_path / "upload"
    upload.write_bytes(b"a film")
    film, _is_new = intake.add_film(upload, "hash", name="a.mkv")
    other.write("again.mkv", "a film")
    other.follow()
    assert other.film("again.mkv") == film


def test_another_film_in_place_of_a_deleted_one_is_imported(library: Library) -> None:
    path = library.write("a.mkv", "one film")
    library.follow()
    library.film("a.mkv").delete()
    os.utime(path, ns=(1, 1))
    library.follow()
    assert library.states() == {"a.mkv": "ignored"}
    path.write_bytes(b"another film")
    library.follow()
    [film] = Film.objects.all()
    assert library.file("a.mkv").film == film
    assert film.files.source().read_bytes() == b"another film"
    assert library.scan().new == 0
    # The content of the first one stays ignored, here and under other names.
    library.write("b.mkv", "one film")
    library.follow()
    assert library.states()["b.mkv"] == "ignored"
    path.write_bytes(b"one film")
    (library.root / "b.mkv").unlink()
    library.follow()
    assert not LibraryFile.objects.present().exclude(state=LibraryFile.State.IGNORED).exists()
    assert library.start() == 0
    film.refresh_from_db()
    assert film.away_since is not None


def test_a_copy_that_was_found_before_its_film_was_deleted_is_ignored(library: Library) -> None:
    library.write("a.mkv", "a film")
    library.follow()
    library.write("copy.mkv", "a film")
    library.scan()
    LibraryFile.objects.filter(path="copy.mkv").update(state=LibraryFile.State.WAITING)
    library.film("a.mkv").delete()
    assert library.start() == 0
    assert library.states() == {"a.mkv": "ignored", "copy.mkv": "ignored"}


def test_an_upload_in_place_of_a_link_leaves_the_file_alone(
    library: Library, tmp_path: Path
) -> None:
    library.write("a.mkv", "content")
    library.follow()
    film = library.film("a.mkv")
    before = library.snapshot()
    upload = tmp_path / "upload"
    upload.write_bytes(b"uploaded")
    film.files.move_source_here(upload, "b.mkv")
    assert library.snapshot() == before
    assert not film.files.is_link
    assert film.files.source().read_bytes() == b"uploaded"
    assert not film.files.link_source_here(library.root / "a.mkv")
    assert film.files.source().read_bytes() == b"uploaded"


def test_an_upload_restores_a_film_that_is_away(library: Library, tmp_path: Path) -> None:
    library.write("a.mkv", "content")
    library.follow()
    film = library.film("a.mkv")
    finish(film)
    Film.objects.filter(pk=film.pk).update(sha256="hash", frame_count=0)
    (library.root / "a.mkv").unlink()
    library.scan()
    upload = tmp_path / "upload"
    upload.write_bytes(b"content")
    same, is_new = intake.add_film(upload, "hash", name="a.mkv")
    assert (same, is_new) == (film, False)
    film.refresh_from_db()
    assert film.away_since is None
    assert film.has_source
    library.scan()
    film.refresh_from_db()
    assert film.away_since is None


# --- one scan at a time ---------------------------------------------------------------------------


def test_a_folder_is_scanned_by_one_process_at_a_time(library: Library) -> None:
    soon = timezone.now() + timedelta(seconds=60)
    LibraryFolder.objects.update(scan_until=soon)
    assert scan.scan_folder(library.folder.pk, lambda *_step: None) is None
    LibraryFolder.objects.update(scan_until=timezone.now() - timedelta(seconds=1))
    assert scan.scan_folder(library.folder.pk, lambda *_step: None) is not None
    assert scan.scan_folder(0, lambda *_step: None) is None


def test_scans_are_due_periodically_and_sooner_while_files_settle(
    library: Library, settings: Any
) -> None:
    settings.LIBRARY_SCAN_SECONDS, settings.LIBRARY_SETTLE_SECONDS = 600, 30

    def scanned(seconds: float) -> None:
        LibraryFolder.objects.update(scanned_at=timezone.now() - timedelta(seconds=seconds))

    assert scan.find_due() == [library.folder.pk]
    library.scan()
    assert scan.find_due() == []
    scanned(31)
    assert scan.find_due() == []
    scanned(601)
    assert scan.find_due() == [library.folder.pk]
    library.write("a.mkv")
    library.scan()
    scanned(29)
    assert scan.find_due() == []
    scanned(31)
    assert scan.find_due() == [library.folder.pk]


# --- the order of imports -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "expected"),
    [("newest", ["b", "a", "c"]), ("shortest", ["c", "b", "a"]), ("name", ["a", "b", "c"])],
)
def test_imports_start_in_the_order_of_their_folder(
    library: Library, order: str, expected: list[str], settings: Any
) -> None:
    LibraryFolder.objects.update(order=order)
    for name, size, time in (("a", 30, 2), ("b", 20, 3), ("c", 10, 1)):
        os.utime(library.write(f"{name}.mkv", name * size), (time, time))
    library.settle()
    settings.LIBRARY_IMPORTS_AT_ONCE = 1
    begun = []
    for _one in expected:
        assert library.start() == 1
        assert library.start() == 0  # until it is done
        film = Film.objects.latest("pk")
        begun.append(film.title)
        finish(film)
    assert begun == expected


def test_a_paused_folder_starts_nothing_new(library: Library) -> None:
    library.write("a.mkv")
    library.settle()
    LibraryFolder.objects.update(is_paused=True)
    assert library.start() == 0
    LibraryFolder.objects.update(is_paused=False)
    assert library.start() == 1


def test_a_failed_or_absent_film_does_not_block_others(library: Library, settings: Any) -> None:
    settings.LIBRARY_IMPORTS_AT_ONCE = 1
    for name in ("a.mkv", "b.mkv", "c.mkv"):
        library.write(name)
    library.settle()
    library.start()
    Film.objects.update(state=Film.State.FAILED)
    assert library.start() == 1
    Film.objects.filter(state=Film.State.WAITING).update(away_since=timezone.now())
    assert library.start() == 1


def test_progress_counts_films_and_hours(library: Library, settings: Any) -> None:
    for number in range(4):
        library.write(f"{number}.mkv", str(number) * 100)
    library.settle()
    settings.LIBRARY_IMPORTS_AT_ONCE = 3
    library.start()
    done, failed, _importing = Film.objects.order_by("pk")
    now = timezone.now()
    Film.objects.filter(pk=done.pk).update(
        state=Film.State.READY, duration=3600, started=now - timedelta(minutes=6), finished=now
    )
    Film.objects.filter(pk=failed.pk).update(state=Film.State.FAILED)
    progress = measure_progress(library.folder)
    assert (progress.films, progress.done, progress.failed) == (4, 1, 1)
    assert (progress.importing, progress.waiting, progress.part) == (1, 1, 0.5)
    assert progress.hours_done == pytest.approx(1)
    assert progress.speed == pytest.approx(10)  # an hour of film in six minutes
    assert progress.hours_left == pytest.approx(2)  # two films of the same size
    assert progress.seconds_left == pytest.approx(720)


# --- folders --------------------------------------------------------------------------------------


def test_unsuitable_folders_are_refused(library: Library, tmp_path: Path, settings: Any) -> None:
    (library.root / "inside").mkdir()
    (tmp_path / "link").symlink_to(library.root)
    file = library.write("a.mkv")
    bad = [tmp_path / "nowhere", file, library.root, library.root / "inside", tmp_path]
    for path in (*bad, tmp_path / "link", settings.MEDIA_ROOT, settings.VAR_DIR.parent):
        with pytest.raises(FolderError):
            folders.add_folder(str(path))
    with pytest.raises(FolderError):
        folders.check_patterns("\\")


def test_folders_of_the_settings_are_added_once(
    library: Library, tmp_path: Path, settings: Any
) -> None:
    (tmp_path / "more").mkdir()
    settings.LIBRARY_DIRS = [f"{tmp_path}/more/", f"{tmp_path}/nowhere"]
    folders.add_configured()
    folders.add_configured()
    assert set(LibraryFolder.objects.values_list("path", flat=True)) == {
        str(library.root),
        str(tmp_path / "more"),
    }
    with pytest.raises(FolderError):
        folders.remove_folder(LibraryFolder.objects.get(path=str(tmp_path / "more")))
    folders.remove_folder(library.folder)


def test_a_folder_that_is_added_again_finds_its_films(library: Library) -> None:
    library.write("a.mkv")
    library.follow()
    film = library.film("a.mkv")
    folders.remove_folder(library.folder)
    film.refresh_from_db()
    assert film.has_source
    library.folder = folders.add_folder(str(library.root))
    library.follow()
    assert library.film("a.mkv") == film
    assert Film.objects.count() == 1


def test_two_films_may_lack_a_hash_but_not_share_one(library: Library) -> None:
    library.write("a.mkv")
    library.write("b.mkv")
    library.follow()
    assert list(Film.objects.values_list("sha256", flat=True)) == [None, None]
    with pytest.raises(IntegrityError):
        Film.objects.update(sha256="the same")


def test_nothing_is_hashed_while_films_are_imported(library: Library) -> None:
    library.write("a.mkv")
    library.follow()
    assert hashing.next_to_hash() is None
    finish(library.film("a.mkv"))
    assert hashing.next_to_hash() == library.file("a.mkv")
    library.write("b.mkv")
    library.settle()
    assert hashing.next_to_hash() is None


def test_rows_without_a_film_are_tolerated(library: Library) -> None:
    """As with another database, or after restoring an older backup."""
    library.write("a.mkv")
    library.follow()
    film = library.film("a.mkv")
    LibraryFile.objects.all().delete()
    delete_rows(film)
    library.follow()
    assert Film.objects.count() == 1
    shutil.rmtree(film.files.folder)
