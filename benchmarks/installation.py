"""A separate installation for a measurement: its Redis and its worker, started as by `make run`.

The settings must name a folder of its own: see `common.own_environment`.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.management import call_command

from gallery import tasks
from gallery.films.models import Film
from gallery.importing import pipeline
from imgsearch.local import __main__ as launcher
from imgsearch.local.children import Children
from imgsearch.local.installation import read_installation

POLL = 0.02  # seconds


@contextmanager
def running_worker(warm_up: Path, **environment: str) -> Iterator[tuple[Children, float]]:
    """Redis and a worker, which gets `environment` in addition and has imported a short film.

    Yields the processes, and the seconds from starting the worker to the end of that import.
    """
    here = read_installation()
    with Children(here.log_dir, here.environment(), here.base_dir) as children:
        launcher.start_redis(here, children)
        call_command("migrate", verbosity=0)
        begun = time.perf_counter()
        command = launcher.worker_command(here)
        children.start("worker", command, extra=launcher.OFFLINE | environment)
        import_film(warm_up, children).delete()
        yield children, time.perf_counter() - begun


def import_film(path: Path, children: Children) -> Film:
    """Import a file, from copying it into the media store until it can be searched."""
    copy, sha256 = pipeline.stored_copy(path)
    film, _is_new = pipeline.add_film(copy, sha256, name=path.name)
    tasks.queue_import(film)
    while film.is_unfinished:
        time.sleep(POLL)
        children.check()
        film.refresh_from_db(fields=["state"])
    film.refresh_from_db()
    if film.state != Film.State.READY:
        raise SystemExit(f"The import failed: {film.error}")
    return film
