"""The whole product on a small disk that becomes full and then has space again.

It mounts a file system, which needs root; `test_full_disk` does not.
"""

import http.cookiejar
import os
import re
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.conf import settings

from imgsearch.local import redis_server as embedded
from tests.films import make_film, make_moving_scenes
from tests.integration.test_full_disk import SENTENCE
from tests.processes import Web, Worker, run_manage, wait_for

PASSWORD = "a-Long-1-password"
MEGABYTE = 1_000_000


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 120 MB in memory."""
    folder = Path(tempfile.mkdtemp(prefix="imgsearch-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", "size=120m,mode=700", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        folder.rmdir()
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


def environment_in(folder: Path) -> dict[str, str]:
    return {
        "VAR_DIR": str(folder),
        "MEDIA_DIR": str(folder / "media"),
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "MODEL_CACHE_DIR": str(settings.MODEL_CACHE_DIR),
        "MIN_FREE_BYTES": str(5 * MEGABYTE),
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
        "DJANGO_SETTINGS_MODULE": "imgsearch.settings",
        "SWEEP_SECONDS": "2",
    }


def fill(folder: Path) -> None:
    """Write a file until the disk is full."""
    handle = os.open(folder / "filler", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    size = MEGABYTE
    while size:
        try:
            os.write(handle, bytes(size))
        except OSError:
            size //= 2
    os.close(handle)


class Person:
    """A user with a browser."""

    def __init__(self, url: str) -> None:
        self.url = url
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(cookies)

    def ask(self, path: str, data: bytes | None = None) -> tuple[int, str]:
        """Return the status and the page."""
        request = urllib.request.Request(self.url + path, data, {"Referer": self.url})
        try:
            with self.opener.open(request, timeout=60) as answer:
                return answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def send(self, path: str, **fields: str) -> tuple[int, str]:
        """Send a form of the page at `path`."""
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.ask(path)[1])
        assert token
        form = {**fields, "csrfmiddlewaretoken": token[1]}
        return self.ask(path, urllib.parse.urlencode(form).encode())

    def log_in(self) -> tuple[int, str]:
        return self.send("/login/", username="ann", password=PASSWORD)


def refuses_writes(url: str) -> bool:
    client = redis.Redis.from_url(url)
    try:
        client.set("written", "x", ex=1)
    except redis.ResponseError as error:
        return str(error).startswith("MISCONF")
    return False


def test_search_works_writes_get_507_and_everything_recovers(
    small_disk: Path, tmp_path: Path, clip: object
) -> None:
    environment = environment_in(small_disk)
    for command in (
        ["migrate"],
        ["collectstatic", "--noinput"],
        ["createsuperuser", "--noinput", "--username=ann", "--email=ann@example.org"],
    ):
        done = run_manage(*command, **environment)
        assert done.returncode == 0, done.stderr
    web = Web(tmp_path, **environment)
    worker = Worker(tmp_path, **environment)
    with embedded.running(small_disk) as url:
        try:
            web.start()
            worker.start()
            film = make_moving_scenes(tmp_path / "film.mp4", 4)
            done = run_manage("import_film", str(film), "--wait", **environment)
            assert done.returncode == 0, done.stderr + worker.output()

            fill(small_disk)
            wait_for(lambda: refuses_writes(url))
            for _time in range(3):
                for path in ("/?q=dog", "/films/", "/films/1/", "/films/1/frames/5/", "/healthz"):
                    status, page = Person(web.url).ask(path)
                    assert status == 200, (path, page)
            status, page = Person(web.url).log_in()
            assert (status, SENTENCE in page) == (507, True)
            status, page = Person(web.url).send("/boards/", name="x" * 100)
            assert (status, SENTENCE in page) == (507, True)
            # Larger bodies are stored on the disk before Django sees them.
            status, page = Person(web.url).send("/boards/", name="x" * 200_000)
            assert (status, SENTENCE in page) == (507, True)
            assert Person(web.url).ask("/films/1/clips/10-40.mp4")[0] == 507
            other = make_film(tmp_path / "other.mp4", seconds=3)
            done = run_manage("import_film", str(other), **environment)
            assert done.returncode == 1
            assert SENTENCE in done.stderr
            assert "Traceback" not in done.stderr
            assert web.is_running()
            assert worker.is_running()

            (small_disk / "filler").unlink()
            wait_for(lambda: not refuses_writes(url))
            assert Person(web.url).log_in()[0] == 200
            assert Person(web.url).ask("/films/1/clips/11-40.mp4")[0] == 200
            done = run_manage("import_film", str(other), "--wait", **environment)
            assert done.returncode == 0, done.stderr + worker.output()
            assert len(list((small_disk / "media" / "films").iterdir())) == 2
            assert not list((small_disk / "media" / "incoming").iterdir())
        finally:
            worker.stop()
            web.stop()
