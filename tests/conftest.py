"""Fixtures of all tests: one Redis, one database, one media store, and real processes.

- `redis_server`: a Redis with RediSearch for the whole session; its index is emptied before a test.
- `worker`: a real Celery worker, running during the tests of a file that use it.
- `web_server`: a real gunicorn, also for browsers, running during the tests of a file.
- `demo_film`: the demo film, imported once and restored for each test.
- `make_video`: makes small films in a folder of the test.
"""

import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import redis
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.commands import flush
from django.test import Client
from django.utils import translation

from gallery.clip import encoder
from gallery.films.models import Film, Shot
from gallery.importing import publish_step
from gallery.index.server import connect
from gallery.transcripts import subtitle_import
from gallery.transcripts.models import Line, Subtitles
from imgsearch.local import redis_server as embedded
from tests.asking import ada, anonymous, bob, reset_rate_limits  # noqa: F401 - fixtures
from tests.browsing import browser, errors, tab  # noqa: F401 - fixtures
from tests.films import make_film
from tests.importing import DEMO, add_film, import_here, queue_client
from tests.models import other_model, restore_demo_film  # noqa: F401 - fixtures
from tests.processes import Web, Worker

TESTS = Path(__file__).resolve().parent


def pytest_configure() -> None:
    """Stop the servers when the test run is terminated."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its folder: unit, integration or browser."""
    for item in items:
        item.add_marker(item.path.relative_to(TESTS).parts[0])


def pytest_unconfigure() -> None:
    """Remove the folder that tests/settings.py created."""
    shutil.rmtree(settings.VAR_DIR, ignore_errors=True)


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    """Reset the language: a Chinese page leaves its thread in Chinese."""
    yield
    translation.deactivate()


@pytest.fixture(scope="session")
def django_db_modify_db_settings_xdist_suffix() -> None:
    """No suffix: each process of a parallel run has its own folder, known to its children."""


@pytest.fixture(scope="session", autouse=True)
def _content_types_stay() -> Iterator[None]:
    """Keep content types and permissions when the tables are emptied after a test.

    Migrations create them, and no test changes them. Creating them again takes longer than emptying
    the other tables, and gives them other ids, which a running web server would not notice.
    """

    def list_statements(style: Any, connection: Any, **how: bool) -> list[str]:
        tables = connection.introspection.django_table_names(only_existing=True)
        emptied = sorted(set(tables) - {"django_content_type", "auth_permission"})
        return list(connection.ops.sql_flush(style, emptied, **how))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush, "sql_flush", list_statements)
        patch.setattr(flush, "emit_post_migrate_signal", lambda *_arguments, **_how: None)
        yield


# --- Redis --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def _redis_session() -> Iterator[str]:
    with embedded.running(settings.VAR_DIR) as url:
        assert url == settings.REDIS_URL
        yield url


@pytest.fixture
def redis_server(_redis_session: str) -> redis.Redis:
    """A client of the session's Redis, with its index and queue emptied."""
    client = connect(settings.REDIS_URL)
    client.flushdb()
    queue_client().delete(*settings.QUEUES.values())
    return client


# --- processes ----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def static_files() -> None:
    """Collect the static files, because pages use their hashed names."""
    call_command("collectstatic", interactive=False, verbosity=0)


@pytest.fixture(scope="module")
def _worker_of_module(
    _redis_session: str, django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Worker]:
    process = Worker(tmp_path_factory.mktemp("worker"))
    process.start()
    yield process
    process.stop()


@pytest.fixture
def worker(
    _worker_of_module: Worker, redis_server: redis.Redis, transactional_db: None
) -> Iterator[Worker]:
    """A running worker, restarted if an earlier test killed it."""
    if not _worker_of_module.is_running():
        _worker_of_module.start()
    yield _worker_of_module
    # Wait for work that an earlier test left.
    Film.objects.all().delete()


@pytest.fixture(scope="module")
def _web_of_module(
    _redis_session: str,
    static_files: None,
    django_db_setup: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Web]:
    process = Web(tmp_path_factory.mktemp("web"))
    process.start()
    yield process
    process.stop()


@pytest.fixture
def web_server(_web_of_module: Web, redis_server: redis.Redis, transactional_db: None) -> Web:
    """A running web server at `web_server.url`; it sees what a test commits."""
    return _web_of_module


@pytest.fixture
def page(static_files: None, redis_server: redis.Redis, db: None) -> Client:
    """An anonymous visitor."""
    return Client()


@pytest.fixture
def staff(static_files: None, redis_server: redis.Redis, transactional_db: None) -> Client:
    """An administrator."""
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("admin"))
    return client


# --- films --------------------------------------------------------------------------------------


@pytest.fixture
def make_video(tmp_path: Path) -> Callable[..., Path]:
    """`make_video("a.mp4", seconds=4, ...)`: see `tests.films.make_film`."""

    def make(name: str = "film.mp4", **how: Any) -> Path:
        return make_film(tmp_path / name, **how)

    return make


@pytest.fixture
def ready_film(redis_server: redis.Redis, db: None) -> Callable[..., Film]:
    """`ready_film(path, title)`: imports a film in this process."""

    def make(path: Path, title: str = "") -> Film:
        film = import_here(add_film(path, title))
        assert film.state == Film.State.READY, film.error
        return film

    return make


@dataclass(frozen=True)
class ImportedDemo:
    """The rows of the demo film after its import, with its subtitles in two languages."""

    film: Film
    shots: list[Shot]
    subtitles: list[Subtitles]
    lines: list[Line]


@pytest.fixture(scope="session")
def _imported_demo(
    _redis_session: str, django_db_setup: None, django_db_blocker: Any
) -> ImportedDemo:
    with django_db_blocker.unblock():
        film = import_here(add_film(DEMO / "film.mp4", "The Cat Who Borrowed a Rocket"))
        assert film.state == Film.State.READY, film.error
        for path in (DEMO / "film.en.srt", DEMO / "film.zh.srt"):
            subtitle_import.add_subtitles(film, path.name, path.read_bytes())
        lines = Line.objects.filter(subtitles__film=film)
        imported = ImportedDemo(
            film, list(film.shots.all()), list(film.subtitles.all()), list(lines)
        )
        shutil.copytree(film.files.folder, settings.VAR_DIR / "demo-film")
        Film.objects.get(pk=film.pk).delete()
    return imported


@pytest.fixture
def demo_film(_imported_demo: ImportedDemo, redis_server: redis.Redis, db: None) -> Film:
    """The demo film, searchable: imported once, its rows and vectors restored for each test."""
    film = _imported_demo.film
    if not film.files.folder.exists():
        shutil.copytree(settings.VAR_DIR / "demo-film", film.files.folder)
    # A test may have deleted or added some.
    subtitles = film.files.folder / "subtitles"
    shutil.rmtree(subtitles, ignore_errors=True)
    shutil.copytree(settings.VAR_DIR / "demo-film" / "subtitles", subtitles)
    Film.objects.bulk_create([film])
    Shot.objects.bulk_create(_imported_demo.shots)
    Subtitles.objects.bulk_create(_imported_demo.subtitles)
    Line.objects.bulk_create(_imported_demo.lines)
    restored = Film.objects.get(pk=film.pk)
    publish_step.reindex(restored)
    return restored


@pytest.fixture(scope="session")
def clip() -> encoder.Encoder:
    """The loaded model of these tests."""
    return encoder.current()
