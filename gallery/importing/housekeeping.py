"""What is done now and then: lost work is handed out again, and leftovers are removed."""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.conf import settings
from django.core.management import call_command
from django.db.models import Q
from django.utils import timezone

from gallery.boards import export_files, service
from gallery.core.errors import GalleryError
from gallery.films.models import Film, Segment
from gallery.importing import healing, pipeline, shot_detection
from gallery.importing.healing import Queue
from gallery.index import frame_index
from gallery.labels import jobs
from gallery.media import store
from gallery.media.store import FilmFiles
from gallery.transcripts import subtitle_import

log = logging.getLogger(__name__)

HOUR, DAY = 3600, 86_400  # seconds
PROBE_KEEP = 30 * DAY  # how long pictures that were searched with are kept


@dataclass(frozen=True, slots=True)
class Sweeper:
    """What a sweep works with.

    `queue` takes the name of a step (probe, segment, finish, read_tracks, label_film, heal,
    find_shots) and an id. Whether a message for a step `is_waiting`: work that waits is only handed
    out again when none is, for otherwise its own is probably among them.
    """

    is_waiting: Callable[[str], bool]
    queue: Queue


def sweep(is_waiting: Callable[[str], bool], queue: Queue) -> None:
    """Hand out again what a dead worker or a lost message left lying: see `Sweeper`."""
    _each(SWEEPING, Sweeper(is_waiting, queue))


def tidy(queue: Queue) -> None:
    """Remove what nobody needs any more, and look for what is missing."""
    _each(TIDYING, Sweeper(lambda _step: False, queue))


def _each(duties: Iterable["Duty"], sweeper: Sweeper) -> None:
    """Do all duties: one that fails keeps no other from being done."""
    for duty in duties:
        try:
            duty(sweeper)
        except GalleryError as error:
            log.info("%s is done later: %s", duty.__name__, error)
        except Exception:
            log.exception("%s failed; the rest is done all the same", duty.__name__)


# --- every few seconds ----------------------------------------------------------------------------


def _give_up(_sweeper: Sweeper) -> None:
    pipeline.give_up_lost()


def _take_up_dead_steps(sweeper: Sweeper) -> None:
    dead = Q(lease_until__lt=timezone.now())
    for film in Film.objects.filter(dead, state=Film.State.PROBING):
        sweeper.queue("probe", film.pk)
    for film in Film.objects.filter(dead, state=Film.State.INDEXING):
        sweeper.queue("finish", film.pk)


def _take_up_segments(sweeper: Sweeper) -> None:
    is_waiting = sweeper.is_waiting("segment")
    for segment in Segment.claimable():
        if segment.state == Segment.State.RUNNING or not is_waiting:
            sweeper.queue("segment", segment.pk)


def _take_up_films(sweeper: Sweeper) -> None:
    if not sweeper.is_waiting("probe"):
        for film in Film.objects.filter(state=Film.State.WAITING):
            sweeper.queue("probe", film.pk)
    if not sweeper.is_waiting("finish"):
        for film in Film.objects.filter(state=Film.State.IMPORTING):
            if not film.segments.exclude(state=Segment.State.DONE).exists():
                sweeper.queue("finish", film.pk)


def _read_tracks(sweeper: Sweeper) -> None:
    if not sweeper.is_waiting("read_tracks"):
        for film in subtitle_import.unread(timezone.now()):
            sweeper.queue("read_tracks", film.pk)


def _label_films(sweeper: Sweeper) -> None:
    if not sweeper.is_waiting("label_film"):
        for film_id in jobs.prepare():
            sweeper.queue("label_film", film_id)


def _reconcile_index(_sweeper: Sweeper) -> None:
    done = frame_index.current().reconcile()
    if done:
        log.info("index: %s", done)


def _heal(sweeper: Sweeper) -> None:
    if not sweeper.is_waiting("heal") and not healing.is_healthy():
        sweeper.queue("heal")


def _find_shots_again(sweeper: Sweeper) -> None:
    if not sweeper.is_waiting("find_shots") and shot_detection.next_film() is not None:
        sweeper.queue("find_shots")


Duty = Callable[[Sweeper], None]

SWEEPING: tuple[Duty, ...] = (
    _give_up,
    _take_up_dead_steps,
    _take_up_segments,
    _take_up_films,
    _read_tracks,
    _label_films,
    _reconcile_index,
    _heal,
    _find_shots_again,
)


# --- every hour -----------------------------------------------------------------------------------


def _remove_old_files(_sweeper: Sweeper) -> None:
    store.remove_older(settings.FILE_UPLOAD_TEMP_DIR, DAY)
    # What a killed server was cutting: none takes that long.
    store.remove_older(settings.MEDIA_ROOT / "drafts", HOUR)
    store.remove_older(settings.MEDIA_ROOT / "turns" / "clips", DAY)
    store.remove_older(settings.MEDIA_ROOT / "probes", PROBE_KEEP)


def _finish_deletions(_sweeper: Sweeper) -> None:
    healing.finish_deletions()


def _remove_unfinished_uploads(_sweeper: Sweeper) -> None:
    """Folders of uploads that broke off before their film had a row.

    Other folders without a row stay: the films may be in another database, or in a backup.
    """
    folder = settings.MEDIA_ROOT / "films"
    limit = time.time() - DAY
    for path in folder.iterdir() if folder.is_dir() else ():
        files = FilmFiles(path.name)
        begun_at = files.is_unfinished_since()
        if begun_at is None or begun_at > limit:
            continue
        if Film.objects.filter(uid=path.name).exists():
            files.mark_finished()
        else:
            files.remove()


def _remove_orphan_hashes(_sweeper: Sweeper) -> None:
    removed = healing.remove_orphan_hashes()
    if removed:
        log.warning("index: %d hashes that belonged to no film were removed", removed)


def _remake_incomplete(sweeper: Sweeper) -> None:
    healing.remake_incomplete(sweeper.queue)


def _remove_unused_boards(_sweeper: Sweeper) -> None:
    service.remove_unused()


def _tidy_exports(_sweeper: Sweeper) -> None:
    export_files.tidy()


def _clear_sessions(_sweeper: Sweeper) -> None:
    call_command("clearsessions")


TIDYING: tuple[Duty, ...] = (
    _remove_old_files,
    _finish_deletions,
    _remove_unfinished_uploads,
    _remove_orphan_hashes,
    _remake_incomplete,
    _remove_unused_boards,
    _tidy_exports,
    _clear_sessions,
)
