"""Backups: consistent, incremental, and never at the expense of an earlier one."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.utils import timezone

from gallery.backup import manifest, placing, restoring, tables, writing
from gallery.backup.types import BackupError, Kind, Manifest
from gallery.boards.models import Board, BoardScene, Export
from gallery.films.models import Film, Leftover
from gallery.importing import intake
from gallery.importing.models import Segment
from gallery.labels.models import Label
from gallery.transcripts.models import Line, Subtitles, TextReading
from imgsearch.local.lock import hold_run_lock
from tests.backups import Reporter, read_rows, store_film, store_run, stored_files

pytestmark = pytest.mark.django_db(transaction=True)


class Interrupted(Exception):  # noqa: N818 - it states what happens
    """A simulated power cut."""


@pytest.fixture(autouse=True)
def _own_films() -> Iterator[None]:
    """Remove a test's films from the media store, which other tests share."""
    yield
    for film in Film.objects.all():
        film.files.remove()


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """The backup folder."""
    return tmp_path / "backup"


def back_up(backup: Path, on_advance: Callable[[], None] = lambda: None, **how: Any) -> Manifest:
    return writing.make_backup(backup, Reporter(on_advance), **how).manifest


def restore(backup: Path, *, force: bool = True) -> restoring.Restored:
    return restoring.restore(backup, Reporter(), force=force)


def once(change: Callable[[], object], after: int = 1) -> Callable[[], None]:
    """A function that calls `change` on its `after`th call."""
    calls = 0

    def call() -> None:
        nonlocal calls
        calls += 1
        if calls == after:
            change()

    return call


def fail() -> None:
    raise Interrupted


def paths(found: Manifest, film: Film) -> list[str]:
    """The paths of a film in a backup."""
    start = f"films/{film.uid}/"
    return [path.removeprefix(start) for path in found.entries if path.startswith(start)]


def stored_names(backup: Path) -> set[str]:
    """All files in a backup, except those that every backup writes."""
    return {
        path.relative_to(backup).as_posix()
        for path in backup.rglob("*")
        if path.is_file() and "/database/" not in path.as_posix() and path.suffix != ".jsonl"
    } - {manifest.NAME, ".lock"}


# --- what is in a backup --------------------------------------------------------------------------


def test_rows_and_files_come_back_as_they_were(backup: Path) -> None:
    film = store_film("The Cat \U0001f600 猫")
    long_ago = datetime(2020, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    Film.objects.filter(pk=film.pk).update(created=long_ago, streams={"b": [1, None], "a": 0.1})
    ada = User.objects.create_user("ada")
    ada.groups.add(Group.objects.create(name="editors"))
    board = Board.objects.create(owner=ada, name="Rain")
    for removed in (None, long_ago):
        BoardScene.objects.create(
            board=board, film=film, start=1 / 3, end=2, second=0, removed=removed
        )
    spoken = Subtitles.objects.create(film=film, language="en", source="uploaded", line_count=1)
    texts = [f"line {number} \u2028 \x85" for number in range(tables.BATCH + 7)]
    Line.objects.bulk_create(
        Line(subtitles=spoken, number=number, start=number / 7, end=number / 7 + 0.1, text=text)
        for number, text in enumerate(texts)
    )
    Label.objects.create(name="cats", prompts="cat", scale={"mean": 0.1234567890123})
    files = stored_files(film)
    found = back_up(backup, with_films=True)
    rows = read_rows(backup, found)
    assert found.header.counts == {
        "film": 1, "board": 1, "storyboard": 0, "label": 1, "line": len(texts),
    }  # fmt: skip

    Film.objects.all().delete()
    User.objects.all().delete()
    film.files.remove()
    later = store_film("Later")
    restored = restore(backup)
    assert restored.manifest == found
    assert stored_files(film) == files
    assert Film.objects.get().created == long_ago
    assert User.objects.get().groups.get().name == "editors"
    assert [line.text for line in Line.objects.all()] == texts
    again = back_up(backup.parent / "again")
    assert read_rows(backup.parent / "again", again) == rows
    # The next film gets a new id.
    assert store_film("Next").pk > film.pk
    later.files.remove()


def test_imports_and_jobs_start_over(backup: Path) -> None:
    first, again = store_film("First"), store_film("Again")
    Film.objects.filter(pk=first.pk).update(
        state=Film.State.IMPORTING, searchable_run=None, lease_until=timezone.now(), attempts=2
    )
    Film.objects.filter(pk=again.pk).update(state=Film.State.IMPORTING, run=2)
    store_run(again, 2)
    for film, run in ((first, 1), (again, 2)):
        Segment.objects.create(film=film, run=run, number=0, start=0)
    TextReading.objects.create(film=again, run=1, version="x", position=120)
    Export.objects.create(board=Board.objects.create(name="Rain"))
    Leftover.objects.create(uid="0" * 16)
    found = back_up(backup)
    assert paths(found, first) == []
    assert [path for path in paths(found, again) if path.startswith("2/")] == []
    restore(backup)
    first.refresh_from_db()
    again.refresh_from_db()
    assert (first.state, first.attempts, first.lease_until) == (Film.State.WAITING, 0, None)
    assert (again.state, again.run, again.searchable_run) == (Film.State.READY, 1, 1)
    for model in (Segment, TextReading, Export, Leftover):
        assert not model.objects.exists()
    # Files of the interrupted import would get in the way of the next one.
    assert not again.files.run(2).folder.exists()


def test_sessions_and_the_secret_key_are_backed_up_only_on_request(backup: Path) -> None:
    Session.objects.create(session_key="k" * 32, session_data="x", expire_date=timezone.now())
    found = back_up(backup)
    assert "secret_key" not in found.entries
    assert "database/sessions.session.jsonl.gz" not in found.entries
    assert any("--secrets" in sentence for sentence in restore(backup).todo)
    assert not Session.objects.exists()

    Session.objects.create(session_key="k" * 32, session_data="x", expire_date=timezone.now())
    found = back_up(backup, with_secrets=True)
    kept = backup / found.entries["secret_key"].stored
    assert kept.read_text() == settings.SECRET_KEY
    assert kept.stat().st_mode & 0o077 == 0
    restore(backup)
    assert Session.objects.get().session_key == "k" * 32
    assert (settings.VAR_DIR / "secret_key").read_text() == settings.SECRET_KEY


def test_a_film_outside_the_store_stays_a_link(backup: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "library.mkv"
    elsewhere.write_bytes(b"a film of somebody else")
    film = store_film("Elsewhere")
    source = film.files.source()
    source.unlink()
    source.symlink_to(elsewhere)
    found = back_up(backup, with_films=True)
    entry = found.entries[f"films/{film.uid}/source.mp4"]
    assert (entry.kind, entry.target, entry.stored) == (Kind.LINK, str(elsewhere), "")
    film.files.remove()
    restore(backup)
    assert source.readlink() == elsewhere
    # A film file that is in the media store is not replaced by a link.
    source.unlink()
    source.write_bytes(b"the film itself")
    restore(backup)
    assert source.read_bytes() == b"the film itself"


def test_film_files_in_the_store_survive_a_restore_without_them(backup: Path) -> None:
    film = store_film("Kept")
    back_up(backup)
    restore(backup)
    assert film.files.source().read_bytes() == b"Kept" * 100
    assert Film.objects.get().has_source


def test_a_working_copy_that_was_not_backed_up_is_rebuilt(backup: Path, tmp_path: Path) -> None:
    film = store_film("Old")
    film.files.working_copy().write_bytes(b"Matroska")
    source = tmp_path / "old.avi"
    shutil.copy(film.files.source(), source)
    back_up(backup)
    film.files.remove()
    restore(backup)
    film.refresh_from_db()
    assert film.is_stored
    assert film.files.has_lost_working_copy
    intake.add_film(source, film.sha256, name="old.avi")
    film.refresh_from_db()
    # The import makes the copy.
    assert (film.state, film.run) == (Film.State.WAITING, 2)
    # A backup before that records it, too.
    assert back_up(backup).header.working_copies == [film.uid]


# --- while it is running --------------------------------------------------------------------------


def test_a_film_that_is_deleted_meanwhile_is_left_out(backup: Path) -> None:
    kept, deleted = store_film("Kept"), store_film("Deleted")

    def delete() -> None:
        Film.objects.filter(pk=deleted.pk).delete()
        deleted.files.remove()

    found = back_up(backup, once(delete))
    assert paths(found, deleted) == []
    assert paths(found, kept) == ["1/segment-00000.npz", "1/thumbs"]
    assert found.header.counts["film"] == 1


def test_a_film_that_is_reimported_meanwhile_is_backed_up_with_its_new_run(backup: Path) -> None:
    film = store_film("Film")

    def finish() -> None:
        store_run(film, 2)
        Film.objects.filter(pk=film.pk).update(run=2, searchable_run=2)
        film.files.remove_other_runs(keep=2)

    found = back_up(backup, once(finish))
    assert paths(found, film) == ["2/segment-00000.npz", "2/thumbs"]
    rows = read_rows(backup, found)["database/gallery.film.jsonl.gz"]
    assert dict(zip(*rows, strict=True))["searchable_run"] == 2


def test_writers_do_not_wait_for_the_snapshot() -> None:
    with tables.open_snapshot() as alias:
        assert Film.objects.using(alias).count() == 0
        film = store_film("New")
        assert Film.objects.using(alias).count() == 0
    assert Film.objects.get() == film


def test_endless_changes_are_reported(backup: Path) -> None:
    film = store_film("Film")

    def import_again() -> None:
        run = Film.objects.get(pk=film.pk).run + 1
        store_run(film, run)
        Film.objects.filter(pk=film.pk).update(run=run, searchable_run=run)
        film.files.remove_other_runs(keep=run)

    with pytest.raises(BackupError, match="kept being deleted"):
        back_up(backup, import_again)


# --- the next backup ------------------------------------------------------------------------------


def test_only_what_is_new_is_copied(backup: Path) -> None:
    first, second = store_film("First"), store_film("Second")
    back_up(backup, with_films=True)
    before = stored_names(backup)
    first.files.run(1).save_cuts(np.array([1.5]))
    third = store_film("Third")
    Film.objects.filter(pk=second.pk).delete()
    second.files.remove()
    done = writing.make_backup(backup, Reporter())
    new = stored_names(backup) - before
    assert {name.split("/", 2)[2] for name in new} == {
        f"{first.uid}/1/cuts.npy",
        f"{third.uid}/1/segment-00000.npz",
        f"{third.uid}/1/thumbs.tar",
    }
    assert done.copied == sum((backup / name).stat().st_size for name in new)
    assert not any(second.uid in name for name in stored_names(backup))
    # Film files that were copied once are kept, even without --films.
    assert "source.mp4" in paths(done.manifest, first)
    assert "source.mp4" not in paths(done.manifest, third)
    assert restoring.check(backup, Reporter()) == done.manifest


@pytest.mark.parametrize("after", [1, 2, 3])
def test_an_interrupted_backup_keeps_the_earlier_one_and_is_resumed(
    backup: Path, after: int
) -> None:
    film = store_film("First")
    film.files.run(1).save_cuts(np.array([1.5]))
    earlier = back_up(backup)
    film.files.run(1).save_cuts(np.array([2.5, 2.75]))
    store_film("Second")
    with pytest.raises(Interrupted):
        back_up(backup, once(fail, after))
    assert restoring.check(backup, Reporter()) == earlier
    done = writing.make_backup(backup, Reporter())
    assert restoring.check(backup, Reporter()) == done.manifest
    whole = back_up(backup.parent / "whole")
    assert {entry.sha256 for entry in done.manifest.store} == {
        entry.sha256 for entry in whole.store
    }
    assert {name.split("/")[0] for name in stored_names(backup)} == {
        entry.stored.split("/")[0] for entry in done.manifest.store
    }


def test_files_of_an_interrupted_backup_are_verified_before_reuse(backup: Path) -> None:
    film = store_film("Film")
    with pytest.raises(Interrupted):
        back_up(backup, once(fail, 2))
    copied = next(backup.rglob("segment-00000.npz"))
    whole = copied.stat().st_size
    done = writing.make_backup(backup, Reporter())
    tar = next(backup.rglob("thumbs.tar")).stat().st_size
    assert done.copied == tar
    with pytest.raises(Interrupted):
        back_up(backup.parent / "other", once(fail, 2))
    copied = next((backup.parent / "other").rglob("segment-00000.npz"))
    copied.write_bytes(b"\0" * whole)
    done = writing.make_backup(backup.parent / "other", Reporter())
    assert done.copied == tar + whole
    assert restoring.check(backup.parent / "other", Reporter()) == done.manifest
    assert paths(done.manifest, film) == ["1/segment-00000.npz", "1/thumbs"]


# --- refusals -------------------------------------------------------------------------------------


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").touch()
    for folder, message in (
        (tmp_path, "other files"),
        (tmp_path / "letter.txt", "not a folder"),
        (settings.VAR_DIR / "backup", "inside VAR_DIR"),
        (settings.MEDIA_ROOT / "films", "inside"),
    ):
        with pytest.raises(BackupError, match=message):
            back_up(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_backup_that_does_not_fit_is_not_started(
    backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_film("Film")
    earlier = back_up(backup)
    store_film("Another")
    usage = shutil.disk_usage(backup)._replace(free=40_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    said = r"needs .* kB more.*has only 40\.0 MB free, of which 50\.0 MB are reserved\."
    with pytest.raises(BackupError, match=f"{said} .* The previous backup there is unchanged"):
        back_up(backup)
    with pytest.raises(BackupError, match=rf"{said} Nothing was copied\.$"):
        back_up(backup.parent / "new")
    assert restoring.check(backup, Reporter()) == earlier
    assert len(manifest.list_folders(backup)) == 1


def test_a_full_disk_is_reported(backup: Path) -> None:
    store_film("Film")

    def fill() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(BackupError, match=r"is full.*resumes where it stopped"):
        back_up(backup, fill)


def test_two_backups_to_a_folder_exclude_each_other(backup: Path) -> None:
    store_film("Film")

    def back_up_as_well() -> None:
        with pytest.raises(BackupError, match="is running"):
            back_up(backup)

    back_up(backup, once(back_up_as_well))


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("name", ["segment-00000.npz", "thumbs.tar", "gallery.film.jsonl.gz"])
@pytest.mark.parametrize("harm", [damage, truncate, Path.unlink])
def test_a_damaged_backup_changes_nothing(
    backup: Path, name: str, harm: Callable[[Path], None]
) -> None:
    film = store_film("Film")
    files = stored_files(film)
    back_up(backup)
    harm(next(backup.rglob(name)))
    later = store_film("Later")
    with pytest.raises(BackupError):
        restoring.check(backup, Reporter())
    with pytest.raises(BackupError):
        restore(backup)
    assert set(Film.objects.all()) == {film, later}
    assert stored_files(film) == files
    assert list(settings.MEDIA_ROOT.glob(f"{placing.FOLDER}/*")) == []


def test_a_failure_while_the_database_is_replaced_changes_nothing(
    backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = store_film("Film")
    back_up(backup)
    Film.objects.filter(pk=film.pk).update(title="Changed")
    film.files.run(1).save_cuts(np.array([1.5]))
    files = stored_files(film)
    move, moved = placing._move, 0

    def fail_at_second(source: Path, target: Path) -> None:
        nonlocal moved
        moved += 1
        if moved == 2:
            raise OSError(5, "Input/output error")
        move(source, target)

    monkeypatch.setattr(placing, "_move", fail_at_second)
    with pytest.raises(BackupError, match=r"Input/output error.*Nothing was changed"):
        restore(backup)
    assert Film.objects.get().title == "Changed"
    assert stored_files(film) == files


def test_missing_rows_are_detected(backup: Path) -> None:
    store_film("Film")
    found = back_up(backup)
    path = "database/gallery.film.jsonl.gz"
    # As if the list and the file did not match.
    changed = {**found.entries, path: replace(found.entries[path], rows=2)}
    (folder,) = manifest.list_folders(backup)
    manifest.write_manifest(backup, folder, Manifest(found.header, changed))
    Film.objects.update(title="Changed")
    with pytest.raises(BackupError, match="has 1 rows, not 2"):
        restore(backup)
    assert Film.objects.get().title == "Changed"


def test_a_newer_version_is_refused(backup: Path) -> None:
    back_up(backup)
    path = backup / manifest.NAME
    header = json.loads(path.read_text())
    header["migrations"]["gallery"] = "9999_from_the_future"
    path.write_text(json.dumps({**header, "version": "9.0.0"}))
    with pytest.raises(BackupError, match=r"newer version \(9\.0\.0\).*9999_from_the_future"):
        restore(backup)


def test_an_installation_in_use_is_refused(backup: Path, redis_server: redis.Redis) -> None:
    film = store_film("Film")
    back_up(backup)
    with pytest.raises(BackupError, match=r"not empty: it has films.*--force"):
        restore(backup, force=False)
    with (
        hold_run_lock(settings.VAR_DIR, "http://127.0.0.1:8000/"),
        pytest.raises(CommandError, match="already running"),
    ):
        call_command("restore", str(backup), "--force")
    assert Film.objects.get() == film


def test_a_new_installation_counts_as_empty(backup: Path) -> None:
    store_film("Film")
    back_up(backup)
    Film.objects.all().delete()
    login = settings.VAR_DIR / "admin-login.txt"
    login.touch()
    User.objects.create_superuser("admin")
    restore(backup, force=False)
    assert not User.objects.exists()
    # It contained the password of an account that no longer exists.
    assert not login.exists()
    User.objects.create_superuser("admin", last_login=timezone.now())
    Film.objects.all().delete()
    with pytest.raises(BackupError, match="users who have logged in"):
        restore(backup, force=False)


def test_settings_that_differ_are_listed(backup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHOLE_FILMS_FOR", "staff")
    monkeypatch.setenv("DATABASE_URL", "postgres://ada:hunter2@db/films")
    back_up(backup)
    assert "hunter2" not in (backup / manifest.NAME).read_text()
    monkeypatch.delenv("WHOLE_FILMS_FOR")
    assert any("\n    WHOLE_FILMS_FOR=staff" in sentence for sentence in restore(backup).todo)


def test_the_first_films_without_a_film_file_are_named(backup: Path) -> None:
    for title in ("Rain", "Ash", "Snow", "Dust", "Fog"):
        store_film(title)
    back_up(backup)
    for film in Film.objects.all():
        film.files.remove()
    named = "5 films without a film file here: Ash, Dust, Fog and 2 more. They can be searched"
    assert any(sentence.startswith(named) for sentence in restore(backup).todo)


def test_the_commands_say_what_they_did(
    backup: Path, capsys: pytest.CaptureFixture[str], redis_server: redis.Redis
) -> None:
    film = store_film("Film")
    call_command("backup", str(backup), "--secrets")
    said = capsys.readouterr().out
    assert "1 film, 0 boards" in said
    assert "Film files were not copied; --films copies them." in said
    assert "log in as anyone" in said
    call_command("restore", str(backup), "--check")
    assert "complete and undamaged" in capsys.readouterr().out
    film.files.remove()
    call_command("restore", str(backup), "--force")
    said = capsys.readouterr().out
    assert "1 film without a film file here: Film. They can be searched" in said
    assert "Searches do not find 1 film" in said
    assert "workers rebuild the search index" in said
    with pytest.raises(CommandError, match="no complete backup"):
        call_command("restore", str(backup / "none"))
