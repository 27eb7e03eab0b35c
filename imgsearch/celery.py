"""The Celery application of workers: `celery -A imgsearch worker`. Beat has another."""

import os
from typing import Any

from celery import Celery
from celery.signals import heartbeat_sent, worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imgsearch.settings")

app = Celery("imgsearch")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

NICENESS = 10  # of workers and their FFmpeg processes: the web server takes precedence


@worker_init.connect
def lower_priority(**_kwargs: Any) -> None:
    """Lower the priority of this worker, unless it is lowered already."""
    if os.nice(0) == 0:
        os.nice(NICENESS)


@heartbeat_sent.connect
def report_alive(**_kwargs: Any) -> None:
    """Write a heartbeat for /healthz, unless this worker only recognizes speech."""
    from gallery.importing import liveness

    if app.conf.task_default_queue in app.amqp.queues.consume_from:
        liveness.report_alive()
