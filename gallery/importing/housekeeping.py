"""What is done now and then: lost work is handed out again, and leftovers are removed."""

import logging
import shutil
from collections.abc import Callable
from contextlib import suppress

from django.conf import settings
from django.core.management import call_command
from django.db.models import Q
from django.utils import timezone

from gallery.errors import GalleryError, IndexUnavailable
from gallery.labels import relabelling
from gallery.media import storage
from gallery.models import Film, Segment
from gallery.nearest import index
from gallery.quoting import boards, exports
from gallery.speech import dialogue, subtitling

log = logging.getLogger(__name__)

HOUR, DAY = 3600, 86_400  # seconds
MENDING = 10.0  # seconds of one sweep for lines of dialogue that the index lacks
PROBE_KEEP = 30 * DAY  # how long pictures that were searched with are kept


def sweep(queue_is_empty: bool, queue: Callable[[str, int], None]) -> None:
    """Hand out again what a dead worker or a lost message left lying.

    `queue` takes the name of a step (probe, segment, finish, read_tracks, label_film) and an id.
    Work that waits is only handed out again when the queue is empty: otherwise its message is
    probably still in there.
    """
    now = timezone.now()
    dead = Q(lease_until__lt=now)
    for film in Film.objects.filter(dead, state=Film.State.PROBING):
        queue("probe", film.pk)
    for film in Film.objects.filter(dead, state=Film.State.INDEXING):
        queue("finish", film.pk)
    for segment in Segment.claimable():
        if segment.state == Segment.State.RUNNING or queue_is_empty:
            queue("segment", segment.pk)
    if queue_is_empty:
        for film in Film.objects.filter(state=Film.State.WAITING):
            queue("probe", film.pk)
        for film in Film.objects.filter(state=Film.State.IMPORTING):
            if not film.segments.exclude(state=Segment.State.DONE).exists():
                queue("finish", film.pk)
        for film in subtitling.unread(now):
            queue("read_tracks", film.pk)
        with suppress(GalleryError):
            for film_id in relabelling.prepare():
                queue("label_film", film_id)
    with suppress(IndexUnavailable):
        done = index.current().tend()
        if done:
            log.info("index: %s", done)
    with suppress(IndexUnavailable):
        changed = dialogue.tend(MENDING)
        if changed:
            log.info("dialogue: the lines of %d films were brought up to date", changed)


def tidy() -> None:
    """Remove what nobody needs any more."""
    storage.remove_older(settings.FILE_UPLOAD_TEMP_DIR, DAY)
    # What a killed server was cutting: none takes that long.
    storage.remove_older(settings.MEDIA_ROOT / "drafts", HOUR)
    storage.remove_older(settings.MEDIA_ROOT / "turns" / "clips", DAY)
    storage.remove_older(settings.MEDIA_ROOT / "probes", PROBE_KEEP)
    remove_orphans()
    boards.remove_unused()
    exports.tidy()
    call_command("clearsessions")


def remove_orphans() -> None:
    """Remove folders and vectors of films that are no more, as after a crash while deleting."""
    folder = settings.MEDIA_ROOT / "films"
    known = set(Film.objects.values_list("uid", flat=True))
    limit = timezone.now().timestamp() - DAY
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in known and path.stat().st_mtime < limit:
            shutil.rmtree(path, ignore_errors=True)
    with suppress(IndexUnavailable):
        here = index.current()
        for film_id in set(here.films()) - set(Film.objects.values_list("id", flat=True)):
            here.drop(film_id)
