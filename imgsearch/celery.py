"""The Celery application: `celery -A imgsearch worker -B`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imgsearch.settings")

app = Celery("imgsearch")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
