"""A separate installation for a benchmark: Redis and a worker, started as by `make run`.

The settings must name another folder: see `common.make_environment`.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.management import call_command

from gallery import tasks
from gallery.films.models import Film
from gallery.importing import intake
from imgsearch.local import __main__ as launcher
from imgsearch.local.children import Children
from imgsearch.local.installation import read_installation

POLL_SECONDS = 0.02


@contextmanager
def running_worker(warm_up: Path, **environment: str) -> Iterator[tuple[Children, float]]:
    """Run Redis and a worker with `environment`, and import a short film.

    Yields the processes, and the seconds from the start of the worker to the end of that import.
    """
    here = read_installation()
    with Children(here.log_dir, here.environment(), here.base_dir) as children:
        launcher.start_redis(here, children)
        call_command("migrate", verbosity=0)
        started_at = time.perf_counter()
        command = launcher.worker_command(here)
        children.start("worker", command, extra=launcher.OFFLINE | environment)
        import_film(warm_up, children).delete()
        yield children, time.perf_counter() - started_at


def import_film(path: Path, children: Children) -> Film:
    """Import a file: copy it into the media store, and wait until it is searchable."""
    copy, sha256 = intake.copy_to_uploads(path)
    film, _is_new = intake.add_film(copy, sha256, name=path.name)
    tasks.queue_import(film)
    while film.is_unfinished:
        time.sleep(POLL_SECONDS)
        children.check()
        film.refresh_from_db(fields=["state"])
    film.refresh_from_db()
    if film.state != Film.State.READY:
        raise SystemExit(f"The import failed: {film.error}")
    return film
