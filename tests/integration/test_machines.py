"""Several machines: PostgreSQL, one Redis by URL, a shared store, a web server, three workers.

Each process has its own VAR_DIR, as on a separate machine. One worker is killed, one is suspended
for longer than its lease and then resumed, and one is added.
"""

import contextlib
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import redis
from django.conf import settings

from benchmarks import postgresql
from gallery.media.store import RunFiles
from imgsearch.local import redis_server
from tests.films import make_moving_scenes
from tests.importing import add_film, assert_complete, import_here
from tests.processes import Process, Web, Worker, find_free_port, run_manage, wait_for

pytestmark = pytest.mark.django_db(transaction=True)

LEASE = 3  # seconds
BEAT = ["-m", "celery", "-A", "imgsearch.beat", "beat", "--pidfile=", "--loglevel=info"]


@dataclass
class Machines:
    """The services that the machines share, and their own folders."""

    folder: Path
    shared: dict[str, str]

    @property
    def store(self) -> Path:
        return Path(self.shared["MEDIA_DIR"])

    def environment(self, machine: str) -> dict[str, str]:
        """The environment of the processes of a machine."""
        return {**self.shared, "VAR_DIR": str(self.folder / machine)}

    def worker(self, machine: str) -> Worker:
        """A worker without beat, as on a machine that is added."""
        made = Worker(self.folder, machine, **self.environment(machine))
        made.arguments.remove("-B")
        return made

    def manage(self, *arguments: str) -> str:
        done = run_manage(*arguments, **self.environment("web"))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(self, query: str) -> list[tuple[object, ...]]:
        """The rows that a query of the shared database returns."""
        with psycopg.connect(self.shared["DATABASE_URL"]) as connection:
            return connection.execute(query).fetchall()

    def count(self, query: str) -> int:
        [(number,)] = self.ask(query)
        assert isinstance(number, int)
        return number


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    port = find_free_port()
    command = [*redis_server.command(tmp_path), "--bind", "127.0.0.1", "--port", str(port)]
    url = f"redis://127.0.0.1:{port}/0"
    with contextlib.ExitStack() as stack:
        shared = {
            "DATABASE_URL": stack.enter_context(postgresql.running()),
            "REDIS_URL": url,
            "MEDIA_DIR": str(tmp_path / "store"),
            "SECRET_KEY": "the same on all machines",
            "LEASE_SECONDS": str(LEASE),
        }
        server = stack.enter_context(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        stack.callback(server.kill)
        redis_server.wait_ready(url, lambda _text: None)
        made = Machines(tmp_path, shared)
        made.manage("migrate")
        yield made


def stop_two_in_the_middle(machines: Machines, workers: list[Worker]) -> None:
    """Suspend both workers while each has a segment."""
    running = "SELECT count(*) FROM gallery_segment WHERE state = 'running'"

    def both_have_one() -> bool:
        for worker in workers:
            os.killpg(worker.pid, signal.SIGSTOP)
        if machines.count(running) == len(workers):
            return True
        for worker in workers:
            os.killpg(worker.pid, signal.SIGCONT)
        return False

    wait_for(both_have_one, pause=0.1)


def vectors_of(folder: Path) -> dict[str, bytes]:
    """The bytes of the vectors that a run stored."""
    data = RunFiles(folder).load()
    return {name: getattr(data, name).tobytes() for name in ("seconds", "times", "vectors", "cuts")}


def test_workers_are_killed_suspended_and_added(
    machines: Machines, redis_server: redis.Redis, tmp_path: Path
) -> None:
    paths = [make_moving_scenes(tmp_path / f"{n}.mp4", n, seconds=5) for n in (9, 10, 11, 12)]
    with contextlib.ExitStack() as stack:

        def start(process: Process) -> None:
            stack.callback(process.kill)
            process.start()

        beats = [
            Process(BEAT, tmp_path / f"beat-{name}.log", **machines.environment(name))
            for name in ("web", "a")
        ]
        for beat in beats:
            start(beat)
        web = Web(tmp_path, **machines.environment("web"))
        start(web)
        killed, suspended = machines.worker("a"), machines.worker("b")
        for worker in (killed, suspended):
            start(worker)
        machines.manage("import_film", *map(str, paths))
        done = "SELECT count(*) FROM gallery_segment WHERE state = 'done'"
        wait_for(lambda: machines.count(done) >= 4, pause=0.05)
        stop_two_in_the_middle(machines, [killed, suspended])
        killed.kill()
        added = machines.worker("c")
        start(added)
        # Both segments are taken over, each with a second attempt.
        again = "SELECT count(*) FROM gallery_segment WHERE attempts = 2"
        wait_for(lambda: machines.count(again) == 2, pause=0.05)
        os.killpg(suspended.pid, signal.SIGCONT)
        states = "SELECT DISTINCT state FROM gallery_film"
        wait_for(lambda: machines.ask(states) == [("ready",)], 120, pause=0.2)
        wait_for(lambda: "was claimed by another worker" in suspended.output())

        with urllib.request.urlopen(f"{web.url}/healthz", timeout=20) as answer:
            health = answer.read().decode()
        assert '"frames": 210' in health
        assert '"worker": "ok"' in health
        said = [beat.output() for beat in beats]
        assert sorted("beat: active" in text for text in said) == [False, True]
        assert sorted("beat: waiting" in text for text in said) == [False, True]
    check_everything_once(machines)
    check_undisturbed(machines, paths)


def check_everything_once(machines: Machines) -> None:
    """Check that database, thumbnails, vectors and hashes match, each frame embedded once."""
    said = machines.manage("check_library", "--draft-age=0")
    assert "4 films, 210 frames" in said
    assert "no problems found" in said
    cache = redis.Redis.from_url(machines.shared["REDIS_URL"].replace("/0", "/2"))
    assert cache.get(f"{settings.INDEX_PREFIX}:frames") == b"210"


def check_undisturbed(machines: Machines, paths: list[Path]) -> None:
    """Check that an undisturbed import, with another database and store, gives the same vectors."""
    rows = machines.ask("SELECT uid, searchable_run, original_name FROM gallery_film")
    runs = {str(name): machines.store / "films" / str(uid) / str(run) for uid, run, name in rows}
    for path in paths:
        film = import_here(add_film(path))
        assert_complete(film)
        assert vectors_of(runs[path.name]) == vectors_of(film.files.run(1).folder), path.name
