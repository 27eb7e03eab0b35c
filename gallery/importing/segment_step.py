"""Second step of an import: embed the frames of one segment."""

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from django.conf import settings

from gallery.clip import encoder, shot_network
from gallery.clip.runtimes import inference_threads
from gallery.core import disk, shutdown
from gallery.core.errors import (
    DiskFull,
    FilmError,
    GalleryError,
    LostClaim,
    RetryableError,
    WorkerStops,
)
from gallery.core.leases import keep_lease
from gallery.films.footage import find_other_model
from gallery.films.models import Film
from gallery.importing import ingest
from gallery.importing.models import MAX_ATTEMPTS, Segment
from gallery.importing.transitions import fail, restart_if_model_changed
from gallery.media import frame_stream, probing, shots, store
from gallery.media.model_vectors import ModelVectors
from gallery.media.shots import Numbers, SmallPictures
from gallery.media.store import RunFiles, SegmentData
from gallery.workers import installation, records

log = logging.getLogger(__name__)

# How far before the promised end a film's last frame may lie: the larger of the two.
END_SLACK_SECONDS = 3.0
END_SLACK_FRACTION = 0.02  # of the duration


def claim_next() -> Segment | None:
    """Claim the next segment (`Segment.next_in_turn`); None when there is none."""
    if not Segment.claimable().exists():
        return None
    if not disk.has_space():
        log.warning("imports wait until there is space on the disk (MIN_FREE_BYTES)")
        return None
    # Loading the model, or converting it, may take longer than a lease.
    precision = encoder.current().target.precision
    installation.record_precision(precision)
    records.report_precision(precision)
    while (segment := Segment.next_in_turn()) is not None:
        if segment.claim():
            return segment
    return None


def import_claimed(segment: Segment) -> int | None:
    """Import a claimed segment. Return the film's id when it was the last one, else None.

    Errors are recorded in the rows: the film fails, or the segment is released for another attempt.
    """
    film = segment.film
    records.report_film(film.pk)
    if restart_if_model_changed(film):
        return None
    run = film.files.run(segment.run)
    try:
        with (
            disk.raise_disk_full(),
            keep_lease(segment.keep, settings.LEASE_SECONDS) as check,
        ):
            data = _embed_segment(segment, run, check)
        last = float(data.times[-1]) if len(data.times) else None
        if not segment.complete(len(data.seconds), last):
            raise LostClaim
        records.count_frames(len(data.seconds))
    except WorkerStops:
        log.info("segment %s is returned to the queue: this worker is stopping", segment)
        segment.release(was_attempt=False)
    except LostClaim:
        log.info("segment %s was claimed by another worker, or its run has ended", segment)
        _remove_if_abandoned(film, segment.run)
    except DiskFull as error:
        log.warning("segment %s waits: %s", segment, error)
        segment.release(was_attempt=False)
    except (RetryableError, MemoryError) as error:
        log.warning("segment %s failed at attempt %d: %s", segment, segment.attempts, error)
        if segment.attempts >= MAX_ATTEMPTS:
            fail(film, error)
        else:
            segment.release()
    except (GalleryError, OSError) as error:
        fail(film, error)
    else:
        left = Segment.objects.filter(film=film, run=segment.run).exclude(state=Segment.State.DONE)
        return None if left.exists() else film.pk
    return None


def _embed_segment(segment: Segment, run: RunFiles, check: Callable[[], None]) -> SegmentData:
    """Decode and embed a segment's frames, find its cuts, and write both to the media store."""
    film = segment.film
    loaded = encoder.current()

    def renew_claim(frames_done: int) -> None:
        shutdown.check()
        if not segment.renew(frames_done):
            raise LostClaim

    check()
    with frame_stream.stream_frames(
        film.files.playable(),
        film.probe,
        segment.span,
        width=store.THUMBNAIL_WIDTH,
        max_pixels=settings.MAX_FILM_PIXELS,
        limit=settings.CELERY_TASK_SOFT_TIME_LIMIT,
        threads=inference_threads(),
    ) as (frames, decoding):
        embedder = ingest.SpanEmbedder(
            loaded,
            run.save_thumbnail,
            known=_vectors_of_last_run(film),
            shares=settings.SHARE_VECTORS,
            inner=film.probe.inner,
        )
        data = embedder.embed(frames, renew_claim)

    network = shot_network.get_network()

    def score_cuts(pictures: SmallPictures) -> Numbers:
        renew_claim(len(data.seconds))
        return network(pictures)

    cuts = shots.find_cuts_in_span(decoding.small, segment.span, score_cuts)
    vectors = data.vectors if len(data.seconds) else np.zeros((0, loaded.model.width), np.float16)
    data = replace(data, vectors=vectors, cuts=np.array(cuts, np.float64))
    check()
    # When the disk of a library folder is disconnected, FFmpeg may end early without an error.
    film.files.playable()
    run.save_segment(segment.number, data)
    if segment.end is None:
        _refuse_early_end(film, data, decoding.complaints)
    return data


def _vectors_of_last_run(film: Film) -> ingest.KnownVectors:
    """Return the vectors of the searchable run by frame digest, if the same model made any."""
    run = film.searchable_run
    if run is None or not settings.SHARE_VECTORS:
        return {}
    files, other = film.files.run(run), find_other_model(film)
    try:
        data = ModelVectors(files, other).load() if other else files.load()
        return ingest.vectors_by_digest(data)
    except (OSError, ValueError):
        return {}  # damaged or missing files only cost time: all frames are embedded again


def _refuse_early_end(film: Film, data: SegmentData, complaints: str) -> None:
    """Raise FilmError when the pictures end well before the film should and FFmpeg complained."""
    last = float(data.times[-1]) if len(data.times) else 0.0
    slack = max(END_SLACK_SECONDS, film.duration * END_SLACK_FRACTION)
    if last + slack < film.duration and complaints.strip():
        raise FilmError(probing.incomplete_error(film.duration, last))


def _remove_if_abandoned(film: Film, run: int) -> None:
    """Remove the files of a film that was deleted, or of a run that was replaced or failed."""
    now = Film.objects.filter(pk=film.pk).first()
    if now is None:
        film.files.remove()
    elif now.searchable_run != run and (now.run != run or now.state == Film.State.FAILED):
        film.files.run(run).remove()
