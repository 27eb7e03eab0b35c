"""State changes of a film that several import steps share: restart, fail, hold a lease.

All are conditional UPDATEs on the run and the state in which the film was read, so an outdated
worker changes nothing.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from gallery.clip import weights
from gallery.core.errors import GalleryError
from gallery.core.leases import keep_lease, lease_end
from gallery.films.models import Film
from gallery.importing.models import MAX_ATTEMPTS, Segment

log = logging.getLogger(__name__)

# The columns of a film whose import starts over.
NEW_RUN: Mapping[str, Any] = {
    "state": Film.State.WAITING,
    "error": "",
    "run": F("run") + 1,
    "attempts": 0,
    "started": None,
    "finished": None,
    "lease_until": None,
}


def restart(film: Film) -> bool:
    """Start a new run of a ready or failed film. Return False when an import is under way."""
    changed = Film.objects.filter(
        pk=film.pk, state__in=[Film.State.READY, Film.State.FAILED]
    ).update(**NEW_RUN)
    return bool(changed)


def restart_if_model_changed(film: Film) -> bool:
    """Start a new run when the model changed during this one, as vectors must not be mixed."""
    if film.run_model == weights.current().fingerprint:
        return False
    log.warning("film %s: the model changed during its import, which is restarted", film.pk)
    with transaction.atomic():
        Film.objects.filter(pk=film.pk, run=film.run, state__in=Film.UNFINISHED).update(
            state=Film.State.WAITING, run=F("run") + 1, attempts=0, lease_until=None
        )
        Segment.objects.filter(film=film, run=film.run).delete()
    return True


def at_same_step(film: Film) -> QuerySet[Film]:
    """Return a query for the film, empty unless its run and state are still those of `film`."""
    return Film.objects.filter(pk=film.pk, run=film.run, state=film.state)


@contextmanager
def hold_lease(film: Film) -> Iterator[Callable[[], None]]:
    """Renew the lease of a film's step; yields the same check as `keep_lease`."""
    with keep_lease(
        lambda: bool(at_same_step(film).update(lease_until=lease_end())), settings.LEASE_SECONDS
    ) as check:
        yield check


def fail_lost_films() -> int:
    """Fail films whose workers died too often at the same step. Return how many."""
    dead = Film.objects.filter(
        lease_until__lt=timezone.now(),
        attempts__gte=MAX_ATTEMPTS,
        state__in=[Film.State.PROBING, Film.State.INDEXING],
    )
    lost = {film.pk: film for film in dead}
    lost |= {one.film_id: one.film for one in Segment.given_up().select_related("film")}
    for film in lost.values():
        fail(film, MemoryError())
    return len(lost)


def restart_with_new_file(film: Film, size: int) -> None:
    """Start a new run of a film in any state, because its file has new content of `size` bytes.

    It keeps its boards and subtitles, and stays searchable with the old frames meanwhile.
    """
    with transaction.atomic():
        Film.objects.filter(pk=film.pk).update(**NEW_RUN, size=size, sha256=None)
        Segment.objects.filter(film=film).delete()


def suspend_if_away(film: Film) -> bool:
    """Suspend the import of a film if its file cannot be reached. Return whether it is suspended.

    The import resumes when a scan of the library folder finds the file again.
    """
    if not film.is_away:
        return False
    steps = Film.objects.filter(pk=film.pk, run=film.run)
    with transaction.atomic():
        steps.filter(away_since__isnull=True).update(away_since=timezone.now())
        steps.filter(state=Film.State.PROBING).update(
            state=Film.State.WAITING, attempts=0, lease_until=None
        )
        Segment.objects.filter(film=film, run=film.run).exclude(state=Segment.State.DONE).update(
            state=Segment.State.WAITING, attempts=0, claim_token=None, lease_until=None
        )
    log.warning("film %s is waiting: its file cannot be reached", film.pk)
    return True


def fail(film: Film, error: BaseException | str) -> None:
    """Fail this run of a film with a message for people, and remove its files.

    An earlier run stays searchable. A film that is away does not fail: see `suspend_if_away`.
    """
    if suspend_if_away(film):
        return
    message = _message(error)
    with transaction.atomic():
        changed = Film.objects.filter(pk=film.pk, run=film.run, state__in=Film.UNFINISHED).update(
            state=Film.State.FAILED, error=message, finished=timezone.now(), lease_until=None
        )
        if changed:
            Segment.objects.filter(film=film).delete()
    if changed:
        log.warning("film %s failed: %s", film.pk, message)
        if film.searchable_run != film.run:
            film.files.run(film.run).remove()


def _message(error: BaseException | str) -> str:
    """Describe an error to the admin of the film."""
    if isinstance(error, GalleryError | str):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return _(
            "The film file is missing from the media store. Upload the same file again to "
            "restore it."
        )
    if isinstance(error, MemoryError):
        return _(
            "The worker was killed %(count)d times at the same part of this film, probably "
            "because the machine ran out of memory. Lower CLIP_BATCH or WORKERS, or add memory, "
            "then retry the import."
        ) % {"count": MAX_ATTEMPTS}
    return _("Unexpected error: %(error)s. See the worker log for details.") % {
        "error": f"{type(error).__name__}: {error}"[:300]
    }
