"""First step of an import: examine the film's file and plan its segments."""

import logging
import math
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from gallery.clip import weights
from gallery.core import disk
from gallery.core.errors import DiskFull, GalleryError, RetryableError, WorkerStops
from gallery.core.leases import lease_end
from gallery.films.models import Film
from gallery.importing.models import MAX_ATTEMPTS, Segment
from gallery.importing.transitions import at_same_step, fail, hold_lease
from gallery.media import working_copy
from gallery.media.types import Span
from gallery.media.working_copy import Prepared

log = logging.getLogger(__name__)

DISK_FULL_RETRY_SECONDS = 300  # until a film that did not fit on the disk is tried again


def plan_segments(duration: float) -> list[Span]:
    """Cut a film of `duration` seconds into spans; the last is open, for films that run on."""
    count = max(1, math.ceil(duration / settings.SEGMENT_SECONDS))
    starts = [number * settings.SEGMENT_SECONDS for number in range(count)]
    return [Span(a, b) for a, b in zip(starts, [*starts[1:], None], strict=True)]


def probe_film(film_id: int) -> list[int]:
    """Examine the file of a waiting film and plan its segments. Return their ids.

    Does nothing, and returns no ids, when the film is gone or another worker has it.
    """
    film = _claim(film_id)
    if film is None:
        return []
    prepared = _prepare(film)
    if prepared is None:
        return []
    with transaction.atomic():
        is_ours = at_same_step(film).update(
            state=Film.State.IMPORTING,
            lease_until=None,
            attempts=0,
            run_model=weights.current().fingerprint,
            notice=prepared.notice,
            **Film.columns_of(prepared.probe),
        )
        if not is_ours:
            return []
        _create_segments(film, prepared.probe.duration)
    return list(film.segments.filter(run=film.run).values_list("id", flat=True))


def _claim(film_id: int) -> Film | None:
    """Claim a film that is waiting, or whose worker died. Return None if it is neither, or away."""
    stale = Q(state=Film.State.PROBING, lease_until__lt=timezone.now())
    waiting = Film.objects.reachable().filter(
        Q(state=Film.State.WAITING) | stale, pk=film_id, attempts__lt=MAX_ATTEMPTS
    )
    claimed = waiting.update(
        state=Film.State.PROBING,
        started=timezone.now(),
        lease_until=lease_end(),
        attempts=F("attempts") + 1,
        error="",
    )
    return Film.objects.get(pk=film_id) if claimed else None


def _prepare(film: Film) -> Prepared | None:
    """Probe a film's file. On an error, record it or schedule a retry, and return None.

    If this worker is stopping, return the film to the queue.
    """
    try:
        with disk.raise_disk_full(), hold_lease(film):
            return working_copy.prepare(
                film.files,
                max_pixels=settings.MAX_FILM_PIXELS,
                max_seconds=settings.MAX_FILM_HOURS * 3600,
            )
    except WorkerStops:
        log.info("film %s is returned to the queue: this worker is stopping", film.pk)
        at_same_step(film).update(
            state=Film.State.WAITING, lease_until=None, attempts=F("attempts") - 1
        )
    except (RetryableError, MemoryError) as error:
        if film.attempts >= MAX_ATTEMPTS:
            fail(film, error)
        else:
            at_same_step(film).update(state=Film.State.WAITING, lease_until=None)
    except DiskFull:
        # This does not count as an attempt; the film is tried again when its lease has run out.
        retry_at = timezone.now() + timedelta(seconds=DISK_FULL_RETRY_SECONDS)
        at_same_step(film).update(lease_until=retry_at, attempts=F("attempts") - 1)
        log.warning("film %s waits for space on the disk", film.pk)
    except (GalleryError, OSError) as error:
        fail(film, error)
    return None


def _create_segments(film: Film, duration: float) -> None:
    """Create the segments of a film's run, in place of those of earlier runs."""
    Segment.objects.filter(film=film).exclude(run=film.run).delete()
    segments = [
        Segment(
            film=film,
            run=film.run,
            number=number,
            start=span.start,
            end=span.end,
            frames_expected=max(1, math.ceil(min(duration, span.end or duration) - span.start)),
        )
        for number, span in enumerate(plan_segments(duration))
    ]
    Segment.objects.bulk_create(segments, ignore_conflicts=True)
