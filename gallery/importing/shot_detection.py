"""Detect the shots of films again, after an update of the detector, while no import is running.

A film is decoded in parts, one part per task; nothing is embedded. At the end its cuts are stored,
and its frames, shots and lines are updated (`reindex`). When a worker is killed, the next one
repeats its part.
"""

import logging
from collections.abc import Callable

import numpy as np
from django.conf import settings
from django.db.models import F
from django.db.models.functions import Coalesce

from gallery.clip import shot_network
from gallery.clip.runtimes import inference_threads
from gallery.core import disk
from gallery.core.errors import DiskFull, FilmError, IndexUnavailable, LostClaim
from gallery.films.catalogue import searchable
from gallery.films.film_job import MAX_ATTEMPTS, has_given_up
from gallery.films.models import Film, FilmQuerySet
from gallery.importing import publish_step
from gallery.importing.models import ShotDetection
from gallery.index import server
from gallery.media import decoding, shots
from gallery.media.shots import Numbers, SmallPictures
from gallery.media.types import Span

log = logging.getLogger(__name__)

JOB = "shot_detection"
MAX_MISSING_PART = 0.02  # of the frames that a film was imported with


def find_outdated() -> FilmQuerySet:
    """Return ready films with the shots of another version of the detector."""
    return searchable().filter(state=Film.State.READY).exclude(shots_version=shots.VERSION)


def find_given_up() -> FilmQuerySet:
    """Return outdated films for which this version failed too often."""
    return find_outdated().filter(has_given_up(JOB, shots.VERSION))


def next_film() -> Film | None:
    """Return the film to continue with; None if there is none, or while imports are running.

    Films without their file are skipped; those that failed come last.
    """
    if Film.objects.filter(state__in=Film.UNFINISHED).exists():
        return None
    films = (
        find_outdated()
        .exclude(has_given_up(JOB, shots.VERSION))
        .select_related("shot_detection")
        .order_by(
            Coalesce("shot_detection__attempts", 0),
            F("shot_detection__pk").asc(nulls_last=True),
            "pk",
        )
    )
    return next((film for film in films if film.has_source), None)


def detect_next() -> bool:
    """Detect shots in the next part of a film; one process does it at a time.

    Return whether there is more to do now. Failures are logged and retried later, up to
    MAX_ATTEMPTS times. Raises IndexUnavailable.
    """
    client = server.connect(settings.REDIS_URL)
    with server.redis_lock(
        client, f"{settings.INDEX_PREFIX}:shots", settings.LEASE_SECONDS
    ) as check:
        film = next_film() if check is not None else None
        if film is None or check is None:
            return False
        detection = ShotDetection.start_attempt(film, shots.VERSION)
        try:
            if detection.position is None:
                _replace_shots(film, detection)
            else:
                _detect_in_part(film, detection, detection.position, check)
        except (IndexUnavailable, DiskFull, LostClaim) as error:
            detection.update(attempts=detection.attempts - 1)
            log.warning("film %s: shot detection is retried later: %s", film.pk, error)
            return False
        except Exception:
            log.exception(
                "film %s: shot detection failed (attempt %d of %d)",
                *(film.pk, detection.attempts, MAX_ATTEMPTS),
            )
            return False
        return next_film() is not None


def _detect_in_part(
    film: Film, detection: ShotDetection, position: int, check: Callable[[], None]
) -> None:
    end = position + settings.SEGMENT_SECONDS
    # The last part is open, as in imports.
    span = Span(position, end if end < film.duration else None)
    cuts = _find_cuts(film, span, check)
    check()
    detection.update(position=span.end, cuts=[*detection.cuts, *cuts], attempts=0)


def _find_cuts(film: Film, span: Span, check: Callable[[], None]) -> list[float]:
    """Return the cuts in a part of a film. Raises FilmError if frames are missing in its file."""
    with (
        disk.raise_disk_full(),
        decoding.decode(
            film.files.playable(),
            film.probe,
            span,
            width=shots.WIDTH,
            max_pixels=settings.MAX_FILM_PIXELS,
            limit=settings.CELERY_TASK_SOFT_TIME_LIMIT,
            threads=inference_threads(),
        ) as running,
    ):
        decoded = [int(time) for time, _picture in running.pictures]
    _require_frames(film, span, decoded)
    network = shot_network.get_network()

    def score(pictures: SmallPictures) -> Numbers:
        check()
        return network(pictures)

    return shots.find_cuts_in_span(running.small, span, score)


def _require_frames(film: Film, span: Span, decoded: list[int]) -> None:
    """Raise FilmError if a file has far fewer frames than the film was imported with."""
    expected, _times = film.files.run(film.searchable_run or 0).load_times(span)
    missing = np.setdiff1d(expected, decoded)
    if len(missing) > max(1, MAX_MISSING_PART * len(expected)):
        # This message is only logged.
        raise FilmError(f"the film's file is damaged: {len(missing)} pictures are missing")


def _replace_shots(film: Film, detection: ShotDetection) -> None:
    before = film.shot_count
    publish_step.reindex(film, detection)
    Film.objects.filter(pk=film.pk, searchable_run=detection.run).update(
        shots_version=detection.version
    )
    detection.delete()
    film.refresh_from_db()
    log.info("film %s: new shots detected: %d, before %d", film.pk, film.shot_count, before)
