"""Detect the shots of films again, after an update of the detector.

A film is decoded in parts, one part per task; nothing is embedded. At the end its cuts are stored,
and its frames, shots and lines are updated (`reindex`).
"""

import logging

import numpy as np
from django.conf import settings

from gallery.clip import shot_network
from gallery.clip.runtimes import inference_threads
from gallery.core import disk
from gallery.core.errors import FilmError
from gallery.films.catalogue import searchable
from gallery.films.film_job import Check, JobKind
from gallery.films.models import Film, FilmQuerySet
from gallery.importing import publish_step
from gallery.importing.models import ShotDetection
from gallery.media import decoding, shots
from gallery.media.shots import Numbers, SmallPictures
from gallery.media.types import Span

log = logging.getLogger(__name__)

MAX_MISSING_PART = 0.02  # of the frames that a film was imported with


def find_outdated() -> FilmQuerySet:
    """Return ready films with the shots of another version of the detector."""
    return searchable().filter(state=Film.State.READY).exclude(shots_version=shots.VERSION)


def _detect_in_part(film: Film, detection: ShotDetection, position: int, check: Check) -> None:
    end = position + settings.SEGMENT_SECONDS
    # The last part is open, as in imports.
    span = Span(position, end if end < film.duration else None)
    cuts = _find_cuts(film, span, check)
    check()
    detection.update(position=span.end, cuts=[*detection.cuts, *cuts], attempts=0)


def _find_cuts(film: Film, span: Span, check: Check) -> list[float]:
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


def _replace_shots(film: Film, detection: ShotDetection, _check: Check) -> None:
    before = film.shot_count
    publish_step.reindex(film, detection)
    Film.objects.filter(pk=film.pk, searchable_run=detection.run).update(
        shots_version=detection.version
    )
    detection.delete()
    film.refresh_from_db()
    log.info("film %s: new shots detected: %d, before %d", film.pk, film.shot_count, before)


JOB = JobKind(
    name="shots",
    title="shot detection",
    rows=ShotDetection,
    version=shots.VERSION,
    find_films=find_outdated,
    do_part=_detect_in_part,
    finish=_replace_shots,
    needs_file=True,
)
