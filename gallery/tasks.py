"""Celery shims: each takes an id, and calls the step that does the work."""

import json
import logging

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from gallery.boards import exports
from gallery.boards.models import Export
from gallery.core.errors import GalleryError
from gallery.films.models import Film
from gallery.importing import healing, housekeeping, pipeline, shot_detection
from gallery.labels import jobs
from gallery.transcripts import subtitle_import
from imgsearch.celery import app

log = logging.getLogger(__name__)


@shared_task(name="gallery.tasks.probe")
def probe(film_id: int) -> None:
    """Look at a film's file, and queue its text tracks and its segments."""
    segments = pipeline.probe_film(film_id)
    if segments:
        read_tracks.delay(film_id)
    for segment_id in segments:
        segment.delay(segment_id)


@shared_task(name="gallery.tasks.read_tracks")
def read_tracks(film_id: int) -> None:
    """Read the text tracks inside a film."""
    try:
        subtitle_import.read_tracks(film_id)
    except Exception as error:
        subtitle_import.give_up(film_id, error)
        raise


@shared_task(name="gallery.tasks.segment")
def segment(segment_id: int) -> None:  # noqa: ARG001
    """Embed one segment; the worker that does the last one also finishes the film.

    The message says that there is one to be done; films take turns, so it may be another.
    """
    row = pipeline.claim_next()
    if row is None:
        return
    try:
        done = pipeline.import_claimed(row)
    except SoftTimeLimitExceeded:
        pipeline.fail(
            row.film,
            _("Processing part of this film took too long. Try a smaller SEGMENT_SECONDS."),
        )
        return
    except Exception as error:
        pipeline.fail(row.film, error)
        raise
    if done is not None:
        pipeline.finish_film(done)


@shared_task(name="gallery.tasks.finish")
def finish(film_id: int) -> None:
    """Put an embedded film into the index."""
    pipeline.finish_film(film_id)


@shared_task(name="gallery.tasks.heal")
def heal() -> None:
    """Go on with putting films back into the index; other work has its turn in between."""
    try:
        if healing.heal(_queue):
            heal.delay()
    except GalleryError as error:
        log.warning("the index is healed later: %s", error)


@shared_task(name="gallery.tasks.find_shots")
def find_shots() -> None:
    """Go on with finding shots again; other work has its turn in between."""
    try:
        if shot_detection.detect_next():
            find_shots.delay()
    except GalleryError as error:
        log.warning("shots are found again later: %s", error)


@shared_task(name="gallery.tasks.remake")
def remake(film_id: int) -> None:
    """Import a film again if some of its thumbnails or vectors are missing."""
    healing.remake_incomplete(_queue, film_id)


@shared_task(name="gallery.tasks.labels")
def labels() -> None:
    """Queue the films for which labels have to be computed."""
    try:
        for film_id in jobs.prepare():
            label_film.delay(film_id)
    except GalleryError:
        log.exception("labels wait; the next sweep tries again")


@shared_task(name="gallery.tasks.label_film")
def label_film(film_id: int) -> None:
    """Compute the labels of one film."""
    try:
        jobs.label_film(film_id)
    except GalleryError:
        log.exception("film %s: its labels wait; a later sweep tries again", film_id)


@shared_task(name="gallery.tasks.export")
def export(export_id: int) -> None:
    """Go on with the zip of a board, and let other work have its turn in between."""
    if exports.make_part(export_id):
        export.delay(export_id)


@shared_task(name="gallery.tasks.tidy")
def tidy() -> None:
    """Remove what nobody needs any more, and look for what is missing."""
    housekeeping.tidy(_queue)


@shared_task(name="gallery.tasks.sweep")
def sweep() -> None:
    """Hand out again what was left lying."""
    soon = waiting_tasks(settings.PRIORITY_QUEUE)

    def is_waiting(step: str) -> bool:
        # The other queue holds nothing but segments, and may be long.
        return waiting_segments() > 0 if step == "segment" else STEPS[step].name in soon

    housekeeping.sweep(is_waiting, _queue)
    for lost in exports.find_lost_exports(export.name not in soon):
        export.delay(lost.pk)


STEPS = {
    "probe": probe,
    "segment": segment,
    "finish": finish,
    "label_film": label_film,
    "read_tracks": read_tracks,
    "heal": heal,
    "find_shots": find_shots,
}


def _queue(step: str, *key: int) -> None:
    STEPS[step].delay(*key)


def waiting_tasks(queue: str) -> set[str]:
    """The names of the tasks that wait in a queue."""
    with app.connection_or_acquire() as connection:
        messages = connection.default_channel.client.lrange(queue, 0, -1)
    return {json.loads(message)["headers"]["task"] for message in messages}


def waiting_segments() -> int:
    """How many segments wait in their queue."""
    with app.connection_or_acquire() as connection:
        client = connection.default_channel.client
        return int(client.llen(settings.CELERY_TASK_DEFAULT_QUEUE))


def queue_export(row: Export) -> bool:
    """Queue an export whose row is committed; False when the queue cannot be reached.

    Then the export keeps waiting, and the sweep finds it.
    """
    try:
        export.delay(row.pk)
    except (OperationalError, OSError) as error:
        log.warning("export %s waits: the queue cannot be reached (%s)", row.pk, error)
        return False
    return True


def is_queue_reachable() -> bool:
    """Whether the queue answers."""
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0)
    except (OperationalError, OSError):
        return False
    return True


def queue_remake(film: Film) -> None:
    """Queue a look at what is missing of a film; else the hourly tidying finds it."""
    try:
        remake.delay(film.pk)
    except (OperationalError, OSError) as error:
        log.warning("film %s is looked at later: %s", film.pk, error)


def queue_labels() -> None:
    """Queue the computing of labels once their change is committed; else the sweep finds it."""

    def send() -> None:
        try:
            labels.delay()
        except (OperationalError, OSError) as error:
            log.warning("labels wait: the queue cannot be reached (%s)", error)

    transaction.on_commit(send)


def queue_import(film: Film) -> None:
    """Queue the import of a film once its row is committed.

    When the queue cannot be reached the film keeps waiting, and the sweep finds it.
    """

    def send() -> None:
        try:
            probe.delay(film.pk)
        except (OperationalError, OSError) as error:
            log.warning(
                "film %s waits: the queue cannot be reached (%s). It is imported once Redis and a "
                "worker are up.",
                film.pk,
                error,
            )

    transaction.on_commit(send)
