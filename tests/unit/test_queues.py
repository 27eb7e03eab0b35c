"""Kinds of work and their queues."""

import json

from django.conf import settings

from imgsearch.celery import app
from imgsearch.queues import DEFAULT_KINDS, KINDS, SoonFirst, name_queues
from tests.processes import run_python

PRINT_QUEUES = """
import json
from imgsearch.celery import app
print(json.dumps(sorted(app.amqp.queues.consume_from)))
"""


def queues_of_worker(**environment: str) -> list[str]:
    """The queues that a worker takes from in this environment."""
    done = run_python("-c", PRINT_QUEUES, **environment)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


def test_every_task_has_its_queue() -> None:
    app.loader.import_default_modules()
    ours = {name for name in app.tasks if name.startswith("gallery.tasks.")}
    assert ours == {f"gallery.tasks.{task}" for tasks in KINDS.values() for task in tasks}
    for kind, tasks in KINDS.items():
        for task in tasks:
            queue = app.amqp.router.route({}, f"gallery.tasks.{task}")["queue"]
            assert queue.name == settings.QUEUES[kind]


def test_names_derive_from_one_setting() -> None:
    """Two names are from earlier versions, whose messages are still processed."""
    names = name_queues("second")
    assert (names["segments"], names["soon"]) == ("second", "second-soon")
    assert len(set(names.values())) == len(KINDS)


def test_a_worker_takes_all_but_speech_or_worker_queues() -> None:
    ours = sorted(settings.QUEUES[kind] for kind in DEFAULT_KINDS)
    assert "films-speech" not in ours
    assert queues_of_worker() == ours
    assert queues_of_worker(WORKER_QUEUES="segments,reading") == ["films", "films-reading"]
    assert queues_of_worker(WORKER_QUEUES="speech", CELERY_QUEUE="second") == ["second-speech"]


def test_an_unknown_kind_is_an_error() -> None:
    done = run_python("manage.py", "check", WORKER_QUEUES="segments,frames")
    assert done.returncode != 0
    assert "WORKER_QUEUES names frames." in done.stderr


def test_short_tasks_come_first_and_the_others_in_turn() -> None:
    cycle = SoonFirst()
    cycle.update(["films", "films-exports", "films-soon", "films-reading"])
    taken = []
    for _task in range(4):  # as if tasks waited in all queues except the one of short tasks
        order = cycle.consume(4)
        assert order[0] == "films-soon"
        taken.append(order[1])
        cycle.rotate(order[1])
    assert taken == ["films", "films-exports", "films-reading", "films"]
    cycle.rotate("films-soon")
    assert cycle.consume(4)[0] == "films-soon"
