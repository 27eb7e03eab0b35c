"""Workers and Redis are killed at random points; in the end the library must be intact.

The points come from a seed (`FAULTS_SEED`); `pytest -s` prints what was done.
"""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from django.conf import LazySettings

from gallery import tasks
from gallery.boards.models import Board, Export
from gallery.clip.encoder import Encoder
from gallery.core.errors import IndexUnavailable
from gallery.films import catalogue, rebuilding
from gallery.films.models import Film
from gallery.importing import healing, transitions
from gallery.importing.library_check import check_library
from gallery.importing.models import Segment
from gallery.index import frame_index
from gallery.index.server import connect
from gallery.labels.models import Label
from gallery.search import engine
from gallery.search.types import Example, Query
from gallery.transcripts import reading
from gallery.workers import overview
from imgsearch.local import redis_server as embedded
from imgsearch.local.sockets import embedded_redis_url
from tests.films import make_moving_scenes
from tests.importing import add_film, assert_complete, assert_gone, upload, wait_until_ready
from tests.lines import add_lines
from tests.processes import Process, Worker, wait_for

pytestmark = pytest.mark.django_db(transaction=True)

SEED = int(os.environ.get("FAULTS_SEED", "8"))
FAULTS = int(os.environ.get("FAULTS", "8"))


class KillableRedis:
    """A separate Redis that can be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = embedded_redis_url(folder)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(embedded.command(self.folder), stdout=subprocess.DEVNULL)
        embedded.wait_ready(self.url, lambda _text: None)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def hang(self, seconds: float) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)


@pytest.fixture
def killable_redis(tmp_path: Path, settings: Any) -> Iterator[KillableRedis]:
    server = KillableRedis(tmp_path)
    server.start()
    settings.REDIS_URL = server.url
    yield server
    server.kill()


class Installation:
    """A worker, beat and a Redis, as `make run` starts them; killed ones are restarted."""

    def __init__(self, folder: Path, server: KillableRedis, chance: random.Random) -> None:
        self.server = server
        self.chance = chance
        self.worker = Worker(folder, "faults", REDIS_URL=server.url)
        self.worker.arguments.remove("-B")
        self.beat = Process(
            ["-m", "celery", "-A", "imgsearch.beat", "beat", "--pidfile="],
            folder / "beat.log",
            REDIS_URL=server.url,
        )

    def start(self) -> None:
        self.worker.start()
        self.beat.start()

    def stop(self) -> None:
        self.beat.stop()
        self.worker.stop()

    def kill_the_worker(self) -> None:
        self.worker.kill()
        self.worker.start()

    def kill_one_process(self) -> None:
        """As the kernel does when memory runs out: the worker starts another."""
        pid = self.worker.pid
        children = psutil.Process(pid).children()
        if children:
            self.chance.choice(children).kill()

    def kill_beat(self) -> None:
        self.beat.kill()
        self.beat.start()

    def kill_redis(self) -> None:
        self.server.kill()
        time.sleep(self.chance.uniform(0, 2))
        self.server.start()

    def hang_redis(self) -> None:
        self.server.hang(self.chance.uniform(1, 4))

    def lose_the_queue(self) -> None:
        redis.Redis.from_url(self.server.url.replace("db=0", "db=1")).flushdb()

    def lose_the_index(self) -> None:
        connect(self.server.url).flushdb()

    def lose_some_frames(self) -> None:
        client = connect(self.server.url)
        keys = sorted(key for key in client.keys("*:{*}:*") if b":dialogue:" not in key)
        for key in self.chance.sample(keys, min(5, len(keys))):
            client.delete(key)

    @property
    def faults(self) -> list[Callable[[], None]]:
        return [
            self.kill_the_worker,
            self.kill_one_process,
            self.kill_beat,
            self.kill_redis,
            self.hang_redis,
            self.lose_the_queue,
            self.lose_the_index,
            self.lose_some_frames,
        ]


def test_the_library_survives_killed_workers_and_servers(
    killable_redis: KillableRedis, tmp_path: Path, clip: Encoder
) -> None:
    chance = random.Random(SEED)
    films = [
        add_film(make_moving_scenes(tmp_path / f"{n}.mp4", 2, seconds=4 * n)) for n in (1, 2, 3)
    ]
    for film in films:
        add_lines(film, "en", ["A line.", "And another one."])
    installation = Installation(tmp_path, killable_redis, chance)
    installation.start()
    try:
        for _number in range(FAULTS):
            time.sleep(chance.uniform(0.2, 4))
            fault = chance.choice(installation.faults)
            print(fault.__name__, {film.pk: film.state for film in Film.objects.all()})
            fault()
        wait_for(lambda: all(is_ready(film) for film in films), 180)
        wait_for(is_repaired, 60)
        found = check_library()
        assert [one.problems for one in found.films] == [[], [], []]
        assert not any("Redis" in one or "segments" in one for one in found.orphans)
        for film in films:
            assert_complete(film)
        folders = {film.pk: film.files.folder for film in films}
        Film.objects.all().delete()
        for number, folder in folders.items():
            assert_gone(number, folder)
        assert frame_index.current().films() == []
    finally:
        installation.stop()


def is_repaired() -> bool:
    try:
        return healing.is_healthy()
    except IndexUnavailable:
        return False


def is_ready(film: Film) -> bool:
    """Whether it is ready; retries it, as an admin would, if its worker was killed too often."""
    film.refresh_from_db()
    if film.state == Film.State.FAILED:
        assert "killed 3 times" in film.error, film.error
        transitions.restart(film)
    return film.state == Film.State.READY


def test_the_worker_refills_an_emptied_redis(
    worker: Worker, tmp_path: Path, redis_server: redis.Redis
) -> None:
    """Without a command: the sweep notices, and the worker restores everything."""
    films = [
        wait_until_ready(upload(make_moving_scenes(tmp_path / f"{n}.mp4", n, seconds=3)))
        for n in (2, 3)
    ]
    query = Query(examples=(Example((films[1].pk, 4)),))
    before = engine.search(query).hits
    redis_server.flushdb()
    wait_for(
        lambda: (
            rebuilding.state(catalogue.load_catalogue()) is None and frame_index.current().films()
        )
    )
    assert engine.search(query).hits == before
    for film in films:
        assert_complete(film)
    wait_for(lambda: [one.problems for one in check_library().films] == [[], []])


def test_a_segment_that_kills_each_worker_fails_the_film(worker: Worker, tmp_path: Path) -> None:
    """A process that dies while embedding: three attempts, then an error; other films continue."""
    worker.stop()
    killer = tmp_path / "killer.py"
    killer.write_text(
        "import os, signal\n"
        "from celery.signals import worker_process_init\n"
        "@worker_process_init.connect\n"
        "def prepare(**_):\n"
        "    from gallery.importing import segment_step\n"
        "    embed = segment_step._embed_segment\n"
        "    def dies(segment, *rest):\n"
        "        if segment.film.title == 'Deadly':\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return embed(segment, *rest)\n"
        "    segment_step._embed_segment = dies\n"
    )
    ill = Worker(tmp_path, "ill", PYTHONPATH=str(tmp_path))
    ill.arguments.append("--include=killer")
    ill.start()
    try:
        deadly = add_film(make_moving_scenes(tmp_path / "a.mp4", 2, seconds=3), "Deadly")
        fine = add_film(make_moving_scenes(tmp_path / "b.mp4", 2, seconds=4), "Fine")
        for film in (deadly, fine):
            tasks.queue_import(film)
        wait_for(lambda: Film.objects.get(pk=fine.pk).state == Film.State.READY, 90)
        wait_for(lambda: Film.objects.get(pk=deadly.pk).state == Film.State.FAILED, 90)
        deadly.refresh_from_db()
        assert "killed 3 times at the same part" in deadly.error
        assert not Segment.objects.exists()
        assert not deadly.files.run(1).folder.exists()
    finally:
        ill.stop()
    worker.start()
    assert transitions.restart(deadly)
    tasks.queue_import(deadly)
    wait_for(lambda: Film.objects.get(pk=deadly.pk).state == Film.State.READY, 90)
    assert_complete(deadly)


KILLED_JOBS = """
import os, signal
from celery.signals import worker_process_init

def die(*_arguments, **_options):
    os.kill(os.getpid(), signal.SIGKILL)

@worker_process_init.connect
def prepare(**_):
    from gallery.boards import export_work
    from gallery.index import frame_index
    from gallery.labels import scoring
    from gallery.ocr.frame_reader import FrameReader
    FrameReader.read = export_work._Claim._make_scene = scoring.compute_labels = die
    frame_index.LOCK_SECONDS, frame_index.MAX_LOCK_WAIT = 2.0, 0.1
"""


def test_jobs_that_kill_each_worker_are_given_up(
    worker: Worker, demo_film: Film, tmp_path: Path, settings: LazySettings
) -> None:
    """Text in pictures, an export, and labels: three attempts each, and the failure is told."""
    worker.stop()
    settings.READ_TEXT = True
    Label.objects.create(name="Night", prompts="night")
    Film.objects.update(labelled_as="")
    scene = {"film": demo_film.pk, "start": 1.0, "end": 2.0, "note": "", "link": ""}
    plan = {"language": "en", "name": "Night", "scenes": [scene]}
    export = Export.objects.create(
        board=Board.objects.create(name="Night"), plan=plan, total_count=1
    )
    (tmp_path / "killer.py").write_text(KILLED_JOBS)
    ill = Worker(
        tmp_path, "ill", PYTHONPATH=str(tmp_path), READ_TEXT="1", LEASE_SECONDS="2",
        SWEEP_SECONDS="1",
    )  # fmt: skip
    ill.arguments.append("--include=killer")
    ill.start()
    try:
        wait_for(lambda: reading.JOB.find_given_up().exists(), 90)
        wait_for(lambda: Export.objects.filter(state=Export.State.FAILED).exists(), 90)
        wait_for(lambda: "GivenUp" in ill.output(), 90)  # the labels
        export.refresh_from_db()
        assert "the worker was killed 3 times" in export.error
        assert [failure.what for failure in overview.list_failures()] == [
            str(demo_film),
            str(demo_film),
            "Export of the board Night",
        ]
        deaths = ill.output().count("signal 9 (SIGKILL)")
        time.sleep(3 * 2)  # longer than leases and locks
        assert ill.output().count("signal 9 (SIGKILL)") == deaths
    finally:
        ill.stop()
