"""Periodic maintenance: queue lost work again, and remove leftovers."""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.conf import settings
from django.core.management import call_command
from django.db.models import Exists, OuterRef
from django.utils import timezone

from gallery.boards import export_files, service
from gallery.clip import weights
from gallery.core.errors import GalleryError
from gallery.films.models import Film
from gallery.importing import (
    healing,
    model_choice,
    reembedding,
    shot_detection,
    transitions,
)
from gallery.importing.healing import Queue
from gallery.importing.models import Segment
from gallery.index import frame_index
from gallery.labels import jobs
from gallery.media import store
from gallery.media.store import FilmFiles
from gallery.transcripts import listening, reading, subtitle_import

log = logging.getLogger(__name__)

HOUR, DAY = 3600, 86_400  # seconds
KEEP_QUERY_PICTURES = 30 * DAY  # pictures that users searched with


@dataclass(frozen=True, slots=True)
class Sweeper:
    """The Celery queue as housekeeping sees it; `gallery.tasks` maps step names to tasks.

    Steps are probe, segment, finish, read_tracks, label_film, heal, find_shots, read_text,
    hear_speech and reembed. `queue` takes a step and an id. `is_queued` returns whether a message
    for a step is waiting in its queue.
    """

    is_queued: Callable[[str], bool]
    queue: Queue

    def queue_films(self, step: str, films: Iterable[Film]) -> None:
        """Queue a step for each film, unless it has waiting messages, likely for these films."""
        if not self.is_queued(step):
            for film in films:
                self.queue(step, film.pk)


def sweep(is_queued: Callable[[str], bool], queue: Queue) -> None:
    """Queue again what a dead worker or a lost message left behind: see `Sweeper`."""
    _run_all(SWEEP_DUTIES, Sweeper(is_queued, queue))


def tidy(queue: Queue) -> None:
    """Remove what is no longer needed, and import incomplete films again."""
    _run_all(TIDY_DUTIES, Sweeper(lambda _step: False, queue))


def _run_all(duties: Iterable["Duty"], sweeper: Sweeper) -> None:
    """Run all duties, even if some fail."""
    for duty in duties:
        try:
            duty(sweeper)
        except GalleryError as error:
            log.info("%s will be retried later: %s", duty.__name__, error)
        except Exception:
            log.exception("%s failed", duty.__name__)


# --- every few seconds ----------------------------------------------------------------------------


def _fail_lost_films(_sweeper: Sweeper) -> None:
    transitions.fail_lost_films()


def _queue_expired_steps(sweeper: Sweeper) -> None:
    expired = Film.objects.reachable().filter(lease_until__lt=timezone.now())
    for film in expired.filter(state=Film.State.PROBING):
        sweeper.queue("probe", film.pk)
    for film in expired.filter(state=Film.State.INDEXING):
        sweeper.queue("finish", film.pk)


def _queue_segments(sweeper: Sweeper) -> None:
    is_queued = sweeper.is_queued("segment")
    for segment in Segment.claimable():
        if segment.state == Segment.State.RUNNING or not is_queued:
            sweeper.queue("segment", segment.pk)


def _queue_films(sweeper: Sweeper) -> None:
    sweeper.queue_films("probe", Film.objects.reachable().filter(state=Film.State.WAITING))
    unfinished = Segment.objects.filter(film=OuterRef("pk")).exclude(state=Segment.State.DONE)
    embedded = Film.objects.filter(~Exists(unfinished), state=Film.State.IMPORTING)
    sweeper.queue_films("finish", embedded)


def _queue_text_tracks(sweeper: Sweeper) -> None:
    sweeper.queue_films("read_tracks", subtitle_import.films_with_unread_tracks(timezone.now()))


def _queue_labels(sweeper: Sweeper) -> None:
    if not sweeper.is_queued("label_film"):
        for film_id in jobs.prepare_all():
            sweeper.queue("label_film", film_id)


def _ensure_index(_sweeper: Sweeper) -> None:
    for model in weights.kept():
        with weights.use(model):
            frame_index.current().ensure()


def _queue_healing(sweeper: Sweeper) -> None:
    if not sweeper.is_queued("heal") and not healing.is_healthy():
        sweeper.queue("heal")


def _queue_shot_detection(sweeper: Sweeper) -> None:
    if not sweeper.is_queued("find_shots") and shot_detection.JOB.next_film() is not None:
        sweeper.queue("find_shots")


def _queue_text_reading(sweeper: Sweeper) -> None:
    if not sweeper.is_queued("read_text") and reading.JOB.next_film() is not None:
        sweeper.queue("read_text")


def _queue_listening(sweeper: Sweeper) -> None:
    if not sweeper.is_queued("hear_speech") and listening.JOB.next_film() is not None:
        sweeper.queue("hear_speech")


def _queue_reembedding(sweeper: Sweeper) -> None:
    if not sweeper.is_queued("reembed") and reembedding.has_work():
        sweeper.queue("reembed")


def _switch_model(_sweeper: Sweeper) -> None:
    model_choice.switch_when_ready()


Duty = Callable[[Sweeper], None]

SWEEP_DUTIES: tuple[Duty, ...] = (
    _fail_lost_films,
    _queue_expired_steps,
    _queue_segments,
    _queue_films,
    _queue_text_tracks,
    _queue_labels,
    _ensure_index,
    _queue_healing,
    _queue_shot_detection,
    _queue_text_reading,
    _queue_listening,
    _queue_reembedding,
    _switch_model,
)


# --- every hour -----------------------------------------------------------------------------------


def _remove_old_files(_sweeper: Sweeper) -> None:
    store.remove_older(settings.FILE_UPLOAD_TEMP_DIR, DAY)
    # No clip takes that long to render: these are of processes that were killed.
    store.remove_older(settings.MEDIA_ROOT / "drafts", HOUR)
    store.remove_older(settings.MEDIA_ROOT / "turns" / "clips", DAY)
    store.remove_older(settings.MEDIA_ROOT / "probes", KEEP_QUERY_PICTURES)


def _finish_deletions(_sweeper: Sweeper) -> None:
    healing.finish_deletions()


def _remove_unfinished_uploads(_sweeper: Sweeper) -> None:
    """Remove folders of uploads that were interrupted before their film had a row.

    Other folders without a row stay: their films may be in another database or in a backup.
    """
    folder = settings.MEDIA_ROOT / "films"
    begun_before = time.time() - DAY
    for path in folder.iterdir() if folder.is_dir() else ():
        files = FilmFiles(path.name)
        begun_at = files.unfinished_since()
        if begun_at is None or begun_at > begun_before:
            continue
        if Film.objects.filter(uid=path.name).exists():
            files.mark_finished()
        else:
            files.remove()


def _remove_orphan_hashes(_sweeper: Sweeper) -> None:
    removed = healing.remove_orphan_hashes()
    if removed:
        log.warning("index: removed %d hashes that belonged to no film", removed)


def _reimport_incomplete(sweeper: Sweeper) -> None:
    healing.reimport_incomplete(sweeper.queue)


def _remove_unused_boards(_sweeper: Sweeper) -> None:
    service.remove_unused()


def _tidy_exports(_sweeper: Sweeper) -> None:
    export_files.tidy()


def _clear_sessions(_sweeper: Sweeper) -> None:
    call_command("clearsessions")


TIDY_DUTIES: tuple[Duty, ...] = (
    _remove_old_files,
    _finish_deletions,
    _remove_unfinished_uploads,
    _remove_orphan_hashes,
    _reimport_incomplete,
    _remove_unused_boards,
    _tidy_exports,
    _clear_sessions,
)
