"""Imports the same four films with one and with two workers, and measures the cost of a frame.

    python -m benchmarks scaling [--model demo|b16] [--seconds N] [--rounds N]

Uses PostgreSQL, one Redis and one store, as on several machines. Each worker has one process with
one thread, and has loaded the model in advance. The CPU time per frame shows how much the workers
slow each other down, even on a busy machine.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import imageio_ffmpeg
import psycopg
import redis
from django.conf import settings
from django.db.models import Max

from benchmarks import film, postgresql
from benchmarks.common import Cost, cost, find_free_port, make_environment, random_b16
from imgsearch.local import redis_server
from imgsearch.local.children import end_with_parent

FILTERS = ("null", "hflip", "vflip", "transpose=2,transpose=2,eq=gamma=1.3")  # all pictures differ
SEGMENT_SECONDS = 20
START_TIMEOUT = 300.0
IMPORT_TIMEOUT = 1800.0
ROOT = Path(__file__).resolve().parent.parent


def main(options: Sequence[str] = ()) -> None:
    """Start PostgreSQL and Redis, and measure in a separate process with their environment."""
    given = parse(options)
    statistics = ("-c", "shared_preload_libraries=pg_stat_statements")
    with (
        tempfile.TemporaryDirectory() as folder,
        postgresql.running(*statistics) as database,
        _redis(Path(folder)) as redis_url,
    ):
        model = settings.DEMO_MODEL_DIR
        if given.model == "b16":
            model = Path(folder) / "model"
            random_b16(model)
        environment = {
            **make_environment(Path(folder), model),
            "DATABASE_URL": database,
            "REDIS_URL": redis_url,
            "SEGMENT_SECONDS": str(SEGMENT_SECONDS),
            "CLIP_PRECISION": "bf16",  # quantizing would take minutes
            "CLIP_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "WORKERS": "1",
            "READ_TEXT": "0",
            "SPEECH_MODEL": "off",
        }
        command = [sys.executable, "-m", "benchmarks.scaling", *options]
        subprocess.run(command, env=environment, cwd=ROOT, check=True)


def parse(options: Sequence[str]) -> argparse.Namespace:
    """Parse the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks scaling")
    parser.add_argument("--model", choices=("demo", "b16"), default="b16")
    parser.add_argument("--seconds", type=int, default=60, help="of each film")
    parser.add_argument("--rounds", type=int, default=2)
    return parser.parse_args(options)


@contextlib.contextmanager
def _redis(folder: Path) -> Iterator[str]:
    """Run a Redis on a TCP port, as on another machine."""
    port = find_free_port()
    command = [*redis_server.command(folder), "--bind", "127.0.0.1", "--port", str(port)]
    url = f"redis://127.0.0.1:{port}/0"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            redis_server.wait_ready(url, lambda _text: None)
            yield url
        finally:
            process.kill()


def make_films(folder: Path, seconds: int) -> list[Path]:
    """Make four films with different pictures from the demo film, 480 lines high."""
    folder.mkdir()
    made = []
    for number, change in enumerate(FILTERS):
        path = folder / f"{number}.mp4"
        subprocess.run(
            [
                *(imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-stream_loop", "-1"),
                *("-i", str(film.FILM), "-t", str(seconds), "-vf", f"{change},scale=-2:480"),
                *("-c:v", "libx264", "-preset", "veryfast", "-an", str(path)),
            ],
            check=True,
        )
        made.append(path)
    return made


@dataclass(frozen=True, slots=True)
class Shared:
    """Counters of the shared services: SQL statements, Redis commands, bytes in the store."""

    statements: int
    commands: int
    bytes: int

    @classmethod
    def read(cls) -> "Shared":
        """Read the counters."""
        with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
            query = "SELECT sum(calls) FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat%'"
            [(calls,)] = connection.execute(query).fetchall()
        stats = redis.Redis.from_url(settings.REDIS_URL).info("commandstats")
        files = [path for path in settings.MEDIA_ROOT.rglob("*") if path.is_file()]
        sources = [path for path in files if path.name.startswith("source")]
        size = sum(path.stat().st_size for path in files)
        return cls(
            int(calls or 0),
            sum(int(one["calls"]) for one in stats.values()),
            size - sum(path.stat().st_size for path in sources),
        )


@contextlib.contextmanager
def running_workers(count: int) -> Iterator[None]:
    """Run workers and beat during the block, each with its own folder."""
    celery = [sys.executable, "-m", "celery", "--quiet", "-A"]
    worker = [*celery, "imgsearch", "worker", "--without-mingle", "--without-gossip"]
    commands = [[*worker, f"--hostname=w{number}@scaling"] for number in range(count)]
    commands.append([*celery, "imgsearch.beat", "beat", "--pidfile="])
    models = str(settings.MODEL_CACHE_DIR)  # converted once
    with contextlib.ExitStack() as stack:
        for number, command in enumerate(commands):
            own = settings.VAR_DIR / f"machine-{number}"
            own.mkdir(exist_ok=True)
            environment = {**os.environ, "VAR_DIR": str(own), "MODEL_CACHE_DIR": models}
            process = subprocess.Popen(
                command,
                env=environment,
                stdout=(own / "log").open("ab"),
                stderr=subprocess.STDOUT,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - started in one thread
            )
            stack.callback(process.wait, 60)
            stack.callback(process.terminate)
        yield


def wait_for(what: Callable[[], bool], seconds: float) -> None:
    """Wait until `what` is True; poll rarely, because its queries count. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise TimeoutError(f"timed out after {seconds:.0f} s")
        time.sleep(1.0)


def import_films(paths: Sequence[Path]) -> int:
    """Import films, and wait until all are ready. Return the number of their frames."""
    from gallery import tasks
    from gallery.films.models import Film
    from gallery.importing import intake

    for path in paths:
        copy, digest = intake.copy_to_uploads(path)
        row, _is_new = intake.add_film(copy, digest, name=path.name)
        tasks.queue_import(row)
    wait_for(lambda: not Film.objects.filter(state__in=Film.UNFINISHED).exists(), IMPORT_TIMEOUT)
    failed = Film.objects.failed().first()
    if failed is not None:
        raise RuntimeError(failed.error)
    return sum(Film.objects.values_list("frame_count", flat=True))


def measure(workers: int, paths: Sequence[Path]) -> tuple[Cost, Shared, Shared]:
    """Import the films with some workers. Return the cost, and the counters before and after.

    The wall time ends when the last film is ready, not when the poll notices.
    """
    from gallery.films.models import Film
    from gallery.workers import records

    with running_workers(workers):
        wait_for(lambda: len(records.read_all()) == workers, START_TIMEOUT)
        records.connect().delete(records.key("precisions"))
        while len(records.read_precisions()) < workers:  # until each has loaded the model
            import_films(paths[:1])
            remove_films()
        before, began_at = Shared.read(), time.time()
        found = cost(lambda: import_films(paths))
        after = Shared.read()
        [finished] = Film.objects.aggregate(Max("finished")).values()
        remove_films()
    return replace(found, wall=finished.timestamp() - began_at), before, after


def remove_films() -> None:
    """Delete all films, whose vectors would otherwise be reused."""
    from gallery.films.models import Film

    for row in Film.objects.all():
        row.delete()


def run(given: argparse.Namespace) -> None:
    """Alternate between one and two workers, and print the figures."""
    from django.core.management import call_command

    from gallery.workers import installation

    call_command("migrate", verbosity=0)
    call_command("prepare_model")
    installation.register()
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
    paths = make_films(settings.VAR_DIR / "films", given.seconds)
    speeds: dict[int, list[float]] = {1: [], 2: []}
    for _round in range(given.rounds):
        for workers, found in speeds.items():
            spent, before, after = measure(workers, paths)
            found.append(spent.speed)
            each = 1 / spent.frames
            print(
                f"{workers} workers: {spent.frames} frames in {spent.wall:.1f} s, "
                f"{spent.speed:.2f} frames/s, {spent.cpu * each * 1000:.0f} ms of CPU per frame; "
                f"per frame: {(after.bytes - before.bytes) * each / 1000:.1f} kB stored, "
                f"{(after.commands - before.commands) * each:.1f} Redis commands, "
                f"{(after.statements - before.statements) * each:.1f} SQL statements",
                flush=True,
            )
    best = {workers: max(found) for workers, found in speeds.items()}
    print(f"two workers are {best[2] / best[1]:.2f} times as fast as one")


if __name__ == "__main__":
    import django

    django.setup()
    run(parse(sys.argv[1:]))
