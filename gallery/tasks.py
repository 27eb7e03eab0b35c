"""Celery tasks: each takes an id and calls the function that does the work."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from celery import Task, shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from gallery.boards import export_work, exports
from gallery.boards.models import Export
from gallery.clip import encoder, weights
from gallery.core.errors import GalleryError, LostClaim, ModelError
from gallery.films.models import Film
from gallery.importing import (
    healing,
    housekeeping,
    probe_step,
    publish_step,
    reembedding,
    segment_step,
    shot_detection,
    transitions,
)
from gallery.labels import jobs
from gallery.library import hashing, imports, scan, schedule
from gallery.media import working_copy
from gallery.speech import recognizer
from gallery.transcripts import listening, reading, subtitle_import
from gallery.workers import installation
from gallery.workers.records import report_film
from imgsearch.celery import app
from imgsearch.queues import SOON

log = logging.getLogger(__name__)

# Seconds for probing. A worker that gets the message again meanwhile finds the film claimed.
PROBE_LIMIT = working_copy.COPY_TIMEOUT + 1800
MAX_READ = 1000  # messages of a queue, to see which tasks they are for
REMOVAL_SECONDS = 10.0  # per task that removes the vectors of a discarded model


@shared_task(name="gallery.tasks.probe", time_limit=PROBE_LIMIT, soft_time_limit=PROBE_LIMIT - 60)
def probe(film_id: int) -> None:
    """Examine a film's file, and queue its text tracks and its segments."""
    report_film(film_id)
    if _lacks_model():
        return
    segments = probe_step.probe_film(film_id)
    if segments:
        read_tracks.delay(film_id)
    for segment_id in segments:
        segment.delay(segment_id)
    if not segments:
        start_library_imports()


@shared_task(name="gallery.tasks.read_tracks")
def read_tracks(film_id: int) -> None:
    """Read the text tracks inside a film."""
    report_film(film_id)
    try:
        subtitle_import.read_tracks(film_id)
    except Exception as error:
        subtitle_import.give_up(film_id, error)
        raise


@shared_task(name="gallery.tasks.segment")
def segment(segment_id: int) -> None:  # noqa: ARG001
    """Embed one segment; the worker that embeds the last one also finishes the film.

    Films take turns, so it may not be the segment in the message.
    """
    row = None if _lacks_model() else segment_step.claim_next()
    if row is None:
        return
    try:
        done = segment_step.import_claimed(row)
    except SoftTimeLimitExceeded:
        transitions.fail(
            row.film,
            _("Processing part of this film took too long. Try a smaller SEGMENT_SECONDS."),
        )
        return
    except Exception as error:
        transitions.fail(row.film, error)
        raise
    if done is not None:
        publish_step.finish_film(done)
    start_library_imports()


@shared_task(name="gallery.tasks.finish")
def finish(film_id: int) -> None:
    """Put an embedded film into the index."""
    report_film(film_id)
    if not _lacks_model():
        publish_step.finish_film(film_id)


@contextmanager
def _log_later(sentence: str) -> Iterator[None]:
    """Log errors instead of raising them: the sweep queues the task again."""
    try:
        yield
    except GalleryError as error:
        log.warning("%s: %s", sentence, error)


@shared_task(name="gallery.tasks.heal")
def heal() -> None:
    """Restore the index in short tasks, so that other tasks are not delayed."""
    with _log_later("the index will be healed later"):
        if healing.heal(_queue):
            heal.delay()


@shared_task(name="gallery.tasks.find_shots")
def find_shots() -> None:
    """Detect outdated shots again in short tasks, so that other tasks are not delayed."""
    with _log_later("shots will be detected later"):
        if shot_detection.JOB.do_next():
            find_shots.delay()


@shared_task(name="gallery.tasks.read_text")
def read_text() -> None:
    """Read text in the pictures of films in short tasks, so that other tasks are not delayed."""
    with _log_later("text in pictures will be read later"):
        if reading.JOB.do_next():
            read_text.delay()


@shared_task(name="gallery.tasks.hear_speech")
def hear_speech() -> None:
    """Transcribe films in short tasks that can be repeated after a restart."""
    with _log_later("speech will be recognized later"):
        if listening.JOB.do_next():
            hear_speech.delay()
        else:
            recognizer.release()


@shared_task(name="gallery.tasks.scan_library")
def scan_library(folder_id: int) -> None:
    """Scan a library folder, and import new files."""
    scan.scan_folder(folder_id, _queue)
    start_library_imports()


@shared_task(name="gallery.tasks.hash_library")
def hash_library() -> None:
    """Compute the SHA-256 of files in library folders while no import is running."""
    with _log_later("files will be hashed later"):
        if hashing.hash_next(_queue):
            hash_library.delay()


def scan_now(folder_id: int) -> scan.ScanResult | None:
    """Scan a library folder in this process: see `gallery.library.scan.scan_folder`."""
    return scan.scan_folder(folder_id, _queue)


def start_library_imports() -> None:
    """Start imports from library folders to replace those that ended; else the sweep does."""
    try:
        imports.start_imports(_queue)
    except (GalleryError, OperationalError, OSError) as error:
        log.warning("imports from library folders are waiting: %s", error)


@shared_task(name="gallery.tasks.reembed")
def reembed() -> None:
    """Embed films with another model in short tasks, so that other tasks are not delayed.

    Afterwards, free the memory of that model.
    """
    try:
        is_removing = reembedding.remove_discarded(REMOVAL_SECONDS)
        if reembedding.do_next() or is_removing:
            reembed.delay()
        else:
            encoder.release(*encoder.loaded() - {weights.current().fingerprint})
    except (GalleryError, LostClaim) as error:
        log.warning("films will be embedded with another model later: %s", error)


@shared_task(name="gallery.tasks.remake")
def reimport(film_id: int) -> None:
    """Import a film again if thumbnails or vectors of it are missing."""
    healing.reimport_incomplete(_queue, film_id)


@shared_task(name="gallery.tasks.labels")
def labels() -> None:
    """Queue the films whose labels have to be computed."""
    try:
        for film_id in jobs.prepare_all():
            label_film.delay(film_id)
    except GalleryError:
        log.exception("labels failed; the next sweep retries them")


@shared_task(name="gallery.tasks.label_film")
def label_film(film_id: int) -> None:
    """Compute the labels of one film."""
    report_film(film_id)
    try:
        jobs.label_film_for_all(film_id)
    except GalleryError:
        log.exception("film %s: its labels failed; a later sweep retries them", film_id)


@shared_task(name="gallery.tasks.export")
def export(export_id: int) -> None:
    """Continue the export of a board in short tasks, so that other tasks are not delayed."""
    if export_work.continue_export(export_id):
        export.delay(export_id)


@shared_task(name="gallery.tasks.tidy")
def tidy() -> None:
    """Remove what is no longer needed, and import incomplete films again."""
    housekeeping.tidy(_queue)


@shared_task(name="gallery.tasks.sweep")
def sweep() -> None:
    """Queue again what a dead worker or a lost message left behind."""
    # Earlier versions put all but segments and speech into the queue of short tasks.
    soon = queued_task_names(settings.QUEUES[SOON])

    def is_queued(task: Task) -> bool:
        queue = app.amqp.router.route({}, task.name)["queue"].name
        return task.name in soon or (queue != settings.QUEUES[SOON] and _has_message(queue, task))

    housekeeping.sweep(lambda step: is_queued(STEPS[step]), _queue)
    try:
        schedule.queue_due(lambda step: is_queued(STEPS[step]), _queue)
    except GalleryError as error:
        log.warning("library folders will be scanned later: %s", error)
    except Exception:
        log.exception("library folders will be scanned later")
    for lost in exports.find_lost_exports(not is_queued(export)):
        export.delay(lost.pk)


STEPS = {
    "probe": probe,
    "segment": segment,
    "finish": finish,
    "label_film": label_film,
    "read_tracks": read_tracks,
    "heal": heal,
    "find_shots": find_shots,
    "read_text": read_text,
    "hear_speech": hear_speech,
    "scan_library": scan_library,
    "hash_library": hash_library,
    "reembed": reembed,
}


def _queue(step: str, *key: int) -> None:
    STEPS[step].delay(*key)


def _lacks_model() -> bool:
    """Return whether this worker must not import films because it lacks the installation's model.

    Its files are not on this machine, or the model has changed since this worker started. Workers
    with different models would restart each film endlessly.
    """
    try:
        weights.current()
    except ModelError as error:
        log.error("films are waiting: %s", error)
        return True
    if installation.has_this_model():
        return False
    log.error("the model of the installation has changed: restart this worker with the new one")
    return True


def queued_task_names(queue: str) -> set[str]:
    """Return the names of the first tasks in a queue: up to MAX_READ, as queues may be long."""
    with app.connection_or_acquire() as connection:
        messages = connection.default_channel.client.lrange(queue, -MAX_READ, -1)
    return {json.loads(message)["headers"]["task"] for message in messages}


def count_waiting() -> dict[str, int]:
    """Return the number of waiting tasks of each kind; empty if the broker does not respond."""
    try:
        with app.connection_or_acquire() as connection:
            pipe = connection.default_channel.client.pipeline(transaction=False)
            for queue in settings.QUEUES.values():
                pipe.llen(queue)
            return dict(zip(settings.QUEUES, map(int, pipe.execute()), strict=True))
    except (OperationalError, OSError, RedisError) as error:
        log.warning("the queue lengths cannot be read: %s", error)
        return {}


def _has_message(queue: str, task: Task) -> bool:
    """Return whether a message for a task is waiting in its queue, which may be shared."""
    return task.name in queued_task_names(queue)


def queue_export(row: Export) -> bool:
    """Queue an export whose row is committed. Return False when the queue is unreachable.

    The export then waits until the sweep queues it.
    """
    try:
        export.delay(row.pk)
    except (OperationalError, OSError) as error:
        log.warning("export %s waits: the queue cannot be reached (%s)", row.pk, error)
        return False
    return True


def queue_reimport(film: Film) -> None:
    """Queue the repair of an incomplete film; if that fails, the hourly `tidy` repairs it."""
    try:
        reimport.delay(film.pk)
    except (OperationalError, OSError) as error:
        log.warning("film %s will be repaired later: %s", film.pk, error)


def queue_soon(task: Task) -> None:
    """Queue a background job on films; if that fails, the sweep queues it."""
    try:
        task.delay()
    except (OperationalError, OSError) as error:
        log.warning("%s waits: the queue cannot be reached (%s)", task.name, error)


def queue_scan(folder_id: int) -> None:
    """Queue the scan of a library folder; if that fails, the sweep queues it."""
    try:
        scan_library.delay(folder_id)
    except (OperationalError, OSError) as error:
        log.warning(
            "folder %s will be scanned later: the queue cannot be reached (%s)", folder_id, error
        )


def queue_labels() -> None:
    """Queue the labels once their change is committed; if that fails, the sweep queues them."""

    def send() -> None:
        try:
            labels.delay()
        except (OperationalError, OSError) as error:
            log.warning("labels wait: the queue cannot be reached (%s)", error)

    transaction.on_commit(send)


def queue_import(film: Film) -> None:
    """Queue the import of a film once its row is committed.

    When the queue is unreachable, the film waits until the sweep queues it.
    """

    def send() -> None:
        try:
            probe.delay(film.pk)
        except (OperationalError, OSError) as error:
            log.warning(
                "film %s waits: the queue cannot be reached (%s). It will be imported once Redis "
                "and a worker are running.",
                film.pk,
                error,
            )

    transaction.on_commit(send)
