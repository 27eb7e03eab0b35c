"""Limits on the space that anonymous visitors use: pictures, clips, zips and boards."""

import fcntl
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as product_settings
from django.contrib.sessions.models import Session
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from gallery.boards import clip_archive, export_files, exports, service
from gallery.boards.models import Board, BoardScene, Export
from gallery.boards.owners import Visitor
from gallery.boards.service import Scene
from gallery.core.errors import BoardError, ClipBusy
from gallery.films.models import Film
from gallery.importing import housekeeping
from gallery.media import store
from gallery.media.clip_jobs import clip_cache
from gallery.search import pictures
from tests.films import make_film, noise
from tests.integration.test_exports import (
    _no_leftovers,
    add_film,
    make_board,
    request_export,
    run_export,
)
from tests.processes import ROOT

__all__ = ["_no_leftovers"]  # a fixture


def measure_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


# --- one limit for all processes --------------------------------------------------------------


WRITE_MANY = """
import sys
from pathlib import Path
import django
django.setup()
from gallery.media import store
folder = Path(sys.argv[1])
for number in range(20):
    store.write_within_limit(folder, 5000, folder / f"{sys.argv[2]}-{number}", bytes(1000))
"""


def test_a_burst_from_several_processes_never_exceeds_the_limit(tmp_path: Path) -> None:
    folder = tmp_path / "burst"
    folder.mkdir()
    processes = [
        subprocess.Popen([sys.executable, "-c", WRITE_MANY, str(folder), str(n)], cwd=ROOT)
        for n in range(4)
    ]
    seen = 0
    while any(process.poll() is None for process in processes):
        files = [path for path in folder.iterdir() if not path.name.startswith(".draft-")]
        seen = max(seen, len(files))
        time.sleep(0.001)
    assert [process.returncode for process in processes] == [0] * 4
    # A listing is not a snapshot: it may have both a removed file and its replacement.
    assert 5 <= seen <= 6
    assert measure_size(folder) == 5000


def test_a_file_larger_than_the_limit_is_stored_alone(tmp_path: Path) -> None:
    folder = tmp_path / "large"
    for name in "ab":
        store.write_within_limit(folder, 1500, folder / name, bytes(1000))
    store.write_within_limit(folder, 1500, folder / "c", bytes(4000))
    assert [path.name for path in folder.iterdir()] == ["c"]


# --- pictures, stills and clips ---------------------------------------------------------------


def test_uploaded_pictures_have_a_space_limit(settings: Any) -> None:
    folder = product_settings.MEDIA_ROOT / "probes"
    first = pictures.store_picture(noise(100))
    settings.PICTURE_CACHE_BYTES = int(3.5 * pictures.picture_path(first).stat().st_size)
    os.utime(pictures.picture_path(first), (1, 1))
    for seed in range(101, 110):
        pictures.store_picture(noise(seed))
        assert measure_size(folder) <= settings.PICTURE_CACHE_BYTES
    assert not pictures.picture_path(first).exists()


def test_both_kinds_of_stills_share_the_limit_of_clips(
    page: Client, demo_film: Film, settings: Any
) -> None:
    whole = f"/stills/{demo_film.uid}/{demo_film.searchable_run}/{{}}.jpg"
    exact = f"/films/{demo_film.pk}/stills/{{}}.jpg"
    settings.CLIP_CACHE_BYTES = 100_000
    for number in range(20, 26):
        assert page.get(whole.format(number)).status_code == 200
        assert page.get(exact.format(number * 24)).status_code == 200
        assert 0 < measure_size(clip_cache()) <= 100_000
    assert not list(demo_film.files.folder.rglob("stills"))


@pytest.fixture
def no_free_slot(settings: Any) -> Iterator[None]:
    """All slots for rendering clips are taken."""
    folder = settings.VAR_DIR / "turns"
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for number in range(settings.CLIPS_AT_ONCE):
            lock = stack.enter_context((folder / str(number)).open("ab"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_stills_wait_for_a_slot_like_clips(
    page: Client, demo_film: Film, no_free_slot: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gallery.scenes.clips.STILL_SLOT_TIMEOUT", 0.1)
    small = page.get(f"/stills/{demo_film.uid}/{demo_film.searchable_run}/33.jpg")
    assert (small.status_code, small["Cache-Control"]) == (200, "no-cache")
    busy = page.get(f"/films/{demo_film.pk}/stills/800.jpg")
    assert (busy.status_code, busy["Retry-After"]) == (503, "3")


def test_rendered_files_are_counted_and_cached_ones_are_not(
    page: Client, demo_film: Film, settings: Any
) -> None:
    settings.CLIP_RATE = "2/d"
    client = Client(REMOTE_ADDR="10.3.0.1")
    still = f"/films/{demo_film.pk}/stills/{{}}.jpg"
    clip = f"/films/{demo_film.pk}/clips/{{}}-{{}}.mp4"
    assert client.get(still.format(901)).status_code == 200
    assert client.get(clip.format(901, 925)).status_code == 200
    for address in (still.format(902), clip.format(902, 925), clip.format(901, 930)):
        refused = client.get(address)
        assert refused.status_code == 429, address
        assert int(refused["Retry-After"]) > 0
        assert "Too many requests" in refused.content.decode()
    gif = client.get(f"/films/{demo_film.pk}/exact/901-925.gif")
    assert gif.status_code == 429
    for address in (still.format(901), clip.format(901, 925)):
        assert client.get(address).status_code == 200
    # The page shows the thumbnail meanwhile.
    frame = client.get(f"/stills/{demo_film.uid}/{demo_film.searchable_run}/34.jpg")
    assert (frame.status_code, frame["Cache-Control"]) == (200, "no-cache")
    assert Client(REMOTE_ADDR="10.3.0.2").get(still.format(902)).status_code == 200


# --- boards -----------------------------------------------------------------------------------


@pytest.fixture
def film(tmp_path: Path, db: None) -> Film:
    return add_film(make_film(tmp_path / "counted.mkv", seconds=6, rate="24000/1001", sound=True))


def anonymous_visitor(name: str) -> Visitor:
    return Visitor(key=name * 32, session=name)


def test_a_browser_has_fewer_boards_and_scenes_than_a_user(
    film: Film, django_user_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert service.MAX_BOARDS_PER_SESSION < service.MAX_BOARDS
    assert service.MAX_SCENES_WITHOUT_LOGIN < service.MAX_SCENES
    monkeypatch.setattr(service, "MAX_BOARDS_PER_SESSION", 2)
    monkeypatch.setattr(service, "MAX_SCENES_WITHOUT_LOGIN", 2)
    user = Visitor(user=django_user_model.objects.create_user("ada").pk)
    for visitor in (user, anonymous_visitor("a")):
        for name in ("1", "2"):
            service.create_board(visitor, name)
    service.create_board(user, "3")
    with pytest.raises(BoardError, match="limit of 2 boards"):
        service.create_board(anonymous_visitor("a"), "3")
    for number in range(3):
        service.add_scene(user, Scene(film.pk, number, number + 1, 0))
    large = service.current_board(user)
    assert large is not None
    for number in range(2):
        service.add_scene(anonymous_visitor("a"), Scene(film.pk, number, number + 1, 0))
    with pytest.raises(BoardError, match=r"\(2 scenes\)"):
        service.add_scene(anonymous_visitor("a"), Scene(film.pk, 3, 4, 0))
    with pytest.raises(BoardError, match=r"\(2 scenes\)"):
        service.copy_board(anonymous_visitor("b"), large)
    assert not service.boards_of(anonymous_visitor("b")).exists()


def test_anonymous_visitors_share_a_limit_that_excludes_users(
    film: Film, django_user_model: Any, settings: Any
) -> None:
    settings.MAX_ANONYMOUS_BOARDS, settings.MAX_ANONYMOUS_SCENES = 3, 2
    for name in "abc":
        service.create_board(anonymous_visitor(name), name)
    with pytest.raises(BoardError, match="Guests cannot save any more scenes"):
        service.create_board(anonymous_visitor("d"), "d")
    for number, name in enumerate("ab"):
        service.add_scene(anonymous_visitor(name), Scene(film.pk, number, number + 1, 0))
    with pytest.raises(BoardError, match="Please log in"):
        service.add_scene(anonymous_visitor("c"), Scene(film.pk, 3, 4, 0))
    user = Visitor(user=django_user_model.objects.create_user("ada").pk)
    service.create_board(user, "mine")
    service.add_scene(user, Scene(film.pk, 3, 4, 0))


def test_new_boards_and_sessions_per_address_have_a_rate_limit(
    page: Client, film: Film, settings: Any
) -> None:
    settings.BOARD_RATE = "3/d"
    before = Session.objects.count()
    statuses = []
    for number in range(5):
        client = Client(REMOTE_ADDR="10.4.0.1")
        scene = {"film": film.pk, "start": number, "end": number + 0.5, "second": 0}
        statuses.append(client.post("/boards/collect/", scene).status_code)
    assert statuses == [302, 302, 302, 429, 429]
    assert Session.objects.count() == before + 3
    assert Board.objects.count() == 3
    # A browser with a session cannot create more boards either.
    known = Client(REMOTE_ADDR="10.4.0.2")
    made = [known.post("/boards/", {"name": str(n)}).status_code for n in range(4)]
    assert made == [302, 302, 302, 429]


def test_the_cleanup_removes_old_and_empty_boards_and_sessions(film: Film) -> None:
    for name, age, scene in (("a", 61, True), ("b", 2, False), ("c", 2, True), ("d", 0, False)):
        board = service.create_board(anonymous_visitor(name), name)
        if scene:
            service.add_scene(anonymous_visitor(name), Scene(film.pk, 0, 1, 0), board)
        Board.objects.filter(pk=board.pk).update(used=timezone.now() - timedelta(days=age))
    Session.objects.create(
        session_key="old", session_data="", expire_date=timezone.now() - timedelta(days=1)
    )
    housekeeping.tidy(lambda _step, _key: None)
    assert sorted(Board.objects.values_list("name", flat=True)) == ["c", "d"]
    assert BoardScene.objects.count() == 1
    assert not Session.objects.filter(session_key="old").exists()


# --- zips -------------------------------------------------------------------------------------


def test_running_exports_count_with_their_estimated_size(film: Film, settings: Any) -> None:
    first = make_board(film, (0, 24))
    second = make_board(film, (0, 48), visitor=anonymous_visitor("b"))
    one_second = 2 * exports.MAX_BYTES_PER_SECOND
    settings.EXPORT_CACHE_BYTES = int(2.9 * one_second)
    export = request_export(first)
    with pytest.raises(ClipBusy):
        request_export(second)
    assert not second.exports.exists()
    run_export(export)
    assert request_export(second).state == Export.State.WAITING


def test_old_zips_are_removed_before_a_new_one_is_written(
    film: Film, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    exports_made = []
    for number in range(3):
        visitor = anonymous_visitor("abc"[number])
        export = run_export(
            request_export(make_board(film, (number * 10, number * 10 + 48), visitor=visitor))
        )
        assert export.state == Export.State.DONE
        exports_made.append(export)
        # A zip and its clips.
        settings.EXPORT_CACHE_BYTES = 4 * export_files.result_path(export).stat().st_size
        Export.objects.filter(pk=export.pk).update(
            requested_at=timezone.now() - timedelta(minutes=10 - number)
        )
    sizes = []

    def measured(write: Callable[..., None]) -> Callable[..., None]:
        def and_measure(*given: Any) -> None:
            write(*given)
            sizes.append(measure_size(export_files.exports_folder()))

        return and_measure

    for name in ("_link_or_copy", "write_atomically"):
        monkeypatch.setattr(clip_archive, name, measured(getattr(clip_archive, name)))
    newest = run_export(request_export(make_board(film, (60, 120), visitor=anonymous_visitor("d"))))
    assert newest.state == Export.State.DONE, newest.error
    assert len(sizes) == 2
    assert max(sizes) <= settings.EXPORT_CACHE_BYTES
    assert not Export.objects.filter(pk=exports_made[0].pk).exists()


def test_a_zip_that_cannot_fit_is_reported(film: Film, settings: Any) -> None:
    settings.EXPORT_CACHE_BYTES = 2000
    export = run_export(request_export(make_board(film, (0, 24))))
    assert export.state == Export.State.FAILED
    assert "There is not enough space for this export" in export.error
    assert measure_size(export_files.exports_folder()) == 0


def test_uploading_a_picture_again_takes_no_more_space(page: Client) -> None:
    data = io.BytesIO()
    noise(5).save(data, "PNG")
    folder = product_settings.MEDIA_ROOT / "probes"
    sizes = set()
    for _time in range(3):
        sent = SimpleUploadedFile("a.png", data.getvalue())
        assert page.post("/picture/", {"picture": sent}).status_code == 302
        sizes.add(measure_size(folder))
    assert len(sizes) == 1
