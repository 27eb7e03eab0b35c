"""A full disk: reading still works, and every write gets 507 with a message.

The errors are real: SQLite at its page limit, /dev/full, and a process with a file size limit.
"""

import errno
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import Client

from gallery.accounts import tokens
from gallery.core import disk
from gallery.core.errors import DiskFull
from gallery.films.models import Film
from gallery.importing import intake
from tests.asking import ROOT, create_user
from tests.films import noise
from tests.processes import run_manage, run_python

SENTENCE = "The disk is full, so this was not saved. Search still works."


# --- recognised errors ------------------------------------------------------------------------


def write_to_full_disk() -> None:
    with Path("/dev/full").open("wb") as file:
        file.write(b"x")


def write_array_to_full_disk() -> None:
    """numpy writes without Python's file object, and loses the error's number."""
    with Path("/dev/full").open("wb") as file:
        np.save(file, np.zeros(100_000))


@pytest.mark.parametrize("write", [write_to_full_disk, write_array_to_full_disk])
def test_a_full_disk_is_recognised(write: Callable[[], None]) -> None:
    with pytest.raises(OSError) as caught:
        write()
    assert disk.is_disk_full(caught.value)
    with pytest.raises(DiskFull), disk.raise_disk_full():
        write()


@pytest.mark.parametrize(
    ("error", "is_full"),
    [
        (OSError(errno.ENOSPC, "x"), True),
        (OSError(errno.EDQUOT, "x"), True),
        (OSError(errno.EFBIG, "x"), True),
        (OSError(errno.EACCES, "x"), False),
        (redis.ResponseError("MISCONF Errors writing to the AOF file: No space left"), True),
        (redis.ResponseError("unknown command"), False),
        (DiskFull(), True),
        (ValueError("x"), False),
    ],
)
def test_errors_that_mean_a_full_disk(error: Exception, is_full: bool) -> None:
    assert disk.is_disk_full(error) is is_full
    try:
        try:
            raise error
        except Exception as cause:
            raise RuntimeError from cause
    except RuntimeError as outer:
        assert disk.is_disk_full(outer) is is_full


# --- the database -----------------------------------------------------------------------------


@pytest.fixture
def staff(transactional_db: None, reset_rate_limits: None, settings: Any) -> Client:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    user = get_user_model().objects.create_superuser("ann", password="a-password")
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


@contextmanager
def full_database() -> Iterator[None]:
    """SQLite at its page limit and without free pages: its errors are those of a full disk."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE filler (data BLOB)")
        cursor.execute("PRAGMA page_count")
        cursor.execute(f"PRAGMA max_page_count = {cursor.fetchone()[0]}")
        cursor.fetchone()
        with pytest.raises(OperationalError) as caught:
            while True:
                cursor.execute("INSERT INTO filler VALUES (zeroblob(3000))")
        assert disk.is_disk_full(caught.value)
        try:
            yield
        finally:
            cursor.execute("PRAGMA max_page_count = 1073741823")
            cursor.execute("DROP TABLE filler")


def repeat_until_refused(write: Callable[[int], Any]) -> Any:
    """The first response that is an error: small rows may still fit into existing pages."""
    for number in range(200):
        answer = write(number)
        if answer.status_code >= 400:
            return answer
    raise AssertionError("everything fitted in")


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the limit is SQLite's")
def test_a_full_database_answers_507_and_search_still_works(
    staff: Client, demo_film: Film, static_files: None
) -> None:
    _token, secret = tokens.create_token(create_user("ada").pk, "test")
    headers = {"Authorization": f"Bearer {secret}"}
    stranger = Client(raise_request_exception=False)

    def collect(number: int) -> Any:
        scene = {"film": demo_film.pk, "start": number / 5, "end": number / 5 + 1, "second": 5}
        return stranger.post("/boards/collect/", {**scene, "name": "x" * 120})

    def log_in(_number: int) -> Any:
        person = Client(raise_request_exception=False)
        return person.post("/login/", {"username": "ann", "password": "a-password"})

    def api_board(_number: int) -> Any:
        body = {"name": "x" * 120}
        return stranger.post(f"{ROOT}/boards", body, "application/json", headers=headers)

    def add_user(number: int) -> Any:
        password = {"password1": "a-Long-1-password", "password2": "a-Long-1-password"}
        form = {"username": f"user{number}" + "x" * 100, "usable_password": "true", **password}
        return staff.post("/admin/auth/user/add/", form)

    with full_database():
        for write in (collect, log_in, api_board, add_user):
            refused = repeat_until_refused(write)
            assert refused.status_code == 507, write
            assert SENTENCE in refused.content.decode(), write
        assert refused.headers["Content-Type"].startswith("text/html")
        for address in ("/?q=dog", "/films/", f"/films/{demo_film.pk}/", "/boards/", "/healthz"):
            assert stranger.get(address).status_code == 200, address
        assert stranger.get(f"{ROOT}/search?q=dog", headers=headers).status_code == 200
        assert staff.get("/admin/gallery/film/").status_code == 200
    assert log_in(0).status_code == 302
    assert api_board(0).status_code == 201


# --- the reserve ------------------------------------------------------------------------------


@pytest.fixture
def below_reserve(settings: Any) -> None:
    """Less space is free than the reserve."""
    settings.MIN_FREE_BYTES = disk.free_bytes() + 10**9


def list_arrived() -> list[str]:
    return sorted(path.name for path in settings.FILE_UPLOAD_TEMP_DIR.iterdir())


def test_below_the_reserve_no_upload_is_accepted(
    staff: Client, demo_film: Film, static_files: None, below_reserve: None
) -> None:
    before = list_arrived()
    film = {"title": "x", "file": SimpleUploadedFile("a.mp4", bytes(1000))}
    picture = io.BytesIO()
    noise(1).save(picture, "PNG")

    def sent() -> SimpleUploadedFile:
        return SimpleUploadedFile("a.png", picture.getvalue())

    clip = f"/films/{demo_film.pk}/clips/10-40.mp4"
    still = f"/films/{demo_film.pk}/stills/123.jpg"
    for answer in (
        staff.post("/admin/gallery/film/add/", film),
        staff.post("/picture/", {"picture": sent()}),
        staff.post(f"{ROOT}/pictures", {"picture": sent()}),
        staff.get(clip),
        staff.get(still),
    ):
        assert answer.status_code == 507
        assert SENTENCE in answer.content.decode()
    assert list_arrived() == before
    assert Film.objects.count() == 1
    with pytest.raises(DiskFull):
        intake.copy_to_uploads(demo_film.files.source())
    assert list_arrived() == before
    # The database can use the reserve: users log in, collect and search.
    assert staff.get("/?q=dog").status_code == 200
    assert staff.post("/boards/", {"name": "Rain"}).status_code == 302


def test_the_command_line_reports_a_full_disk(transactional_db: None) -> None:
    done = run_manage("import_film", "demo/film.mp4", MIN_FREE_BYTES=str(10**18))
    assert done.returncode != 0
    assert SENTENCE in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_line_reports_a_file_size_limit(tmp_path: Path) -> None:
    """A limit on the size of files, which needs no root and behaves like a quota."""
    code = (
        "import resource, runpy, signal, sys; "
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); "
        "sys.argv = ['manage.py', 'migrate']; runpy.run_path('manage.py', run_name='__main__')"
    )
    done = run_python("-c", code, DATABASE_URL=f"sqlite:///{tmp_path / 'db.sqlite3'}")
    assert done.returncode == 1
    assert done.stderr.strip().endswith("then try again.")
    assert SENTENCE in done.stderr


def test_doctor_and_admin_warn_before_the_disk_is_full(
    staff: Client, static_files: None, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    warned = "The disk is almost full"
    settings.MIN_FREE_BYTES = 1000
    assert warned not in staff.get("/admin/").content.decode()
    settings.MIN_FREE_BYTES = disk.free_bytes() // 2
    assert warned in staff.get("/admin/").content.decode()
    assert warned not in Client().get("/admin/login/").content.decode()
    with pytest.raises(CommandError):
        call_command("doctor")
    output = capsys.readouterr().out
    assert re.search(r"BAD +Media store .*the disk is almost full", output)
    settings.MIN_FREE_BYTES = disk.free_bytes() * 2
    assert "Uploads and imports are paused" in staff.get("/admin/").content.decode()
