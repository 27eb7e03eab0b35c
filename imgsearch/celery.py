"""The Celery application of workers: `celery -A imgsearch worker`. Beat has another."""

import logging
import os
import sys
from typing import Any

from celery import Celery, Task
from celery.signals import (
    celeryd_after_setup,
    heartbeat_sent,
    worker_init,
    worker_shutdown,
    worker_shutting_down,
)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imgsearch.settings")


class OneModelTask(Task):
    """A task that uses the same model throughout: see `gallery.clip.weights`."""

    abstract = True

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Run the task."""
        from gallery.clip import weights

        with weights.use():
            return super().__call__(*args, **options)


app = Celery("imgsearch", task_cls=OneModelTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

log = logging.getLogger(__name__)

NICENESS = 10  # of workers and their FFmpeg processes: the web server takes precedence


@worker_init.connect
def lower_priority(**_kwargs: Any) -> None:
    """Lower the priority of this worker, unless that was done already."""
    if os.nice(0) == 0:
        os.nice(NICENESS)


@celeryd_after_setup.connect
def check_machine(instance: Any, **_kwargs: Any) -> None:
    """Check the machine before this worker takes any work. Exit if it does not match."""
    from django.conf import settings

    from gallery.workers import reports, start_checks

    queues = instance.app.amqp.queues.consume_from
    kinds = {kind for kind, name in settings.QUEUES.items() if name in queues}
    try:
        start_checks.prepare_worker(kinds)
    except start_checks.UnsuitableMachine as error:
        for problem in error.problems:
            log.error("this worker does not start: %s", problem)
        sys.exit(os.EX_CONFIG)
    except Exception:  # Celery would log it and continue
        log.exception("this worker does not start: its machine could not be checked")
        sys.exit(os.EX_SOFTWARE)
    reports.begin(queues, instance.concurrency)


@heartbeat_sent.connect
def report(sender: Any, **_kwargs: Any) -> None:
    """Write the record of this worker, for pages and health checks."""
    from gallery.workers import reports

    reports.report(sender.eventer.hostname, app)


@worker_shutting_down.connect
def request_drain(**_kwargs: Any) -> None:
    """Have long tasks return their claims to the queue. This runs in a signal handler."""
    from gallery.core import shutdown

    shutdown.request()


@worker_shutdown.connect
def remove_record(sender: Any, **_kwargs: Any) -> None:
    """Remove the record of this worker."""
    from gallery.workers import records

    records.remove(sender.hostname)
