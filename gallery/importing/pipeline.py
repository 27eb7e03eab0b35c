"""The way of a film through its states: what each step does to the rows and the files.

Every step can be killed at any point and run again. Steps return the ids of what should be queued
next; they do not know the queue.
"""

import hashlib
import logging
import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from gallery.embedding import encoder, ingest, weights
from gallery.embedding.runtimes import inference_threads
from gallery.errors import FilmError, GalleryError, IndexUnavailable, LostClaim
from gallery.labels import labelling
from gallery.media import disk, frames, probing, storage
from gallery.media.storage import RunFiles, SegmentData
from gallery.models import Film, Segment, Shot, lease_end
from gallery.nearest import index
from gallery.speech import dialogue
from gallery.types import FrameRecord, Look, Span

log = logging.getLogger(__name__)

COPY_CHUNK = 1 << 20  # bytes
# The promised end and the last picture may lie apart by so many seconds, or this part of the film.
END_SLACK_SECONDS = 3.0
END_SLACK_PART = 0.02


# --- adding -------------------------------------------------------------------------------------


def stored_copy(path: Path) -> tuple[Path, str]:
    """Copy a file to where uploads arrive. Returns the copy and its SHA-256. Raises DiskFull."""
    digest = hashlib.sha256()
    with disk.telling_full_disk():
        disk.require_space(path.stat().st_size)
        settings.FILE_UPLOAD_TEMP_DIR.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=settings.FILE_UPLOAD_TEMP_DIR, prefix="copy-")
        try:
            with os.fdopen(handle, "wb") as target, path.open("rb") as source:
                while chunk := source.read(COPY_CHUNK):
                    digest.update(chunk)
                    target.write(chunk)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    return Path(name), digest.hexdigest()


def add_film(
    arrived: Path, sha256: str, *, name: str, title: str = "", year: int | None = None
) -> tuple[Film, bool]:
    """File an arrived film: `arrived` is moved away. Returns its row, and whether it is new.

    The same file twice is one film. Raises DiskFull.
    """
    known = Film.objects.filter(sha256=sha256).first()
    if known is not None:
        arrived.unlink(missing_ok=True)
        return known, False
    film = Film(
        title=(title or Path(name).stem.replace("_", " ").strip() or _("Untitled"))[:200],
        year=year,
        original_name=Path(name).name[:255],
        sha256=sha256,
        size=arrived.stat().st_size,
    )
    try:
        film.files.file_source(arrived, name)
        with transaction.atomic():
            film.save()
    except IntegrityError:
        film.files.remove()
        return Film.objects.get(sha256=sha256), False
    except BaseException:
        film.files.remove()
        raise
    return film, True


def restart(film: Film) -> bool:
    """Import a ready or failed film anew. False when an import is under way already."""
    changed = Film.objects.filter(
        pk=film.pk, state__in=[Film.State.READY, Film.State.FAILED]
    ).update(
        state=Film.State.WAITING,
        error="",
        run=F("run") + 1,
        started=None,
        finished=None,
        lease_until=None,
    )
    return bool(changed)


# --- probing and planning -----------------------------------------------------------------------


def plan(duration: float) -> list[Span]:
    """Cut a film of `duration` seconds into spans; the last is open, for films that run on."""
    count = max(1, math.ceil(duration / settings.SEGMENT_SECONDS))
    starts = [number * settings.SEGMENT_SECONDS for number in range(count)]
    return [Span(a, b) for a, b in zip(starts, [*starts[1:], None], strict=True)]


def probe_film(film_id: int) -> list[int]:
    """Look at the file of a waiting film and plan its segments. Returns their ids.

    Nothing happens when the film is gone or another worker has it.
    """
    stale = Q(state=Film.State.PROBING, lease_until__lt=timezone.now())
    waiting = Film.objects.filter(Q(state=Film.State.WAITING) | stale, pk=film_id)
    # Nobody renews it meanwhile; a probe done twice does no harm.
    lease = timezone.now() + timedelta(seconds=probing.PROBE_LIMIT)
    if not waiting.update(
        state=Film.State.PROBING, started=timezone.now(), lease_until=lease, error=""
    ):
        return []
    film = Film.objects.get(pk=film_id)
    try:
        found = probing.probe(
            film.files.source(),
            max_pixels=settings.MAX_FILM_PIXELS,
            max_seconds=settings.MAX_FILM_HOURS * 3600,
        )
    except (GalleryError, OSError) as error:
        fail(film, error)
        return []
    with transaction.atomic():
        changed = Film.objects.filter(pk=film_id, state=Film.State.PROBING, run=film.run).update(
            state=Film.State.IMPORTING,
            lease_until=None,
            run_model=weights.current().fingerprint,
            **Film.columns_of(found),
        )
        if not changed:
            return []
        Segment.objects.filter(film=film).exclude(run=film.run).delete()
        segments = [
            Segment(
                film=film,
                run=film.run,
                number=number,
                start=span.start,
                end=span.end,
                frames_expected=max(
                    1, math.ceil(min(found.duration, span.end or found.duration) - span.start)
                ),
            )
            for number, span in enumerate(plan(found.duration))
        ]
        Segment.objects.bulk_create(segments, ignore_conflicts=True)
    return list(film.segments.filter(run=film.run).values_list("id", flat=True))


def fail(film: Film, error: BaseException | str) -> None:
    """Give up on this run, with a sentence; what it made is removed, what was searchable stays."""
    if isinstance(error, GalleryError):
        sentence = str(error)
    elif isinstance(error, FileNotFoundError):
        sentence = _(
            "The film's file is gone from the media store. Delete the film, upload it again."
        )
    elif isinstance(error, str):
        sentence = error
    else:
        sentence = _("Something unexpected happened: %(error)s. The worker's log says more.") % {
            "error": f"{type(error).__name__}: {error}"[:300]
        }
    changed = Film.objects.filter(pk=film.pk, run=film.run, state__in=Film.UNFINISHED).update(
        state=Film.State.FAILED, error=sentence, finished=timezone.now(), lease_until=None
    )
    if changed:
        log.warning("film %s failed: %s", film.pk, sentence)
        Segment.objects.filter(film=film).delete()
        if film.searchable_run != film.run:
            film.files.run(film.run).remove()


# --- segments -----------------------------------------------------------------------------------


def import_segment(segment_id: int) -> int | None:
    """Do one segment. Returns the film's id when it was the last one, else None."""
    segment = Segment.objects.select_related("film").filter(pk=segment_id).first()
    if segment is None or not segment.claim():
        return None
    film = segment.film
    if _started_with_another_model(film):
        return None
    run = film.files.run(segment.run)
    try:
        data = _embed(segment, run)
        last = float(data.times[-1]) if len(data.times) else None
        if not segment.complete(len(data.seconds), last):
            raise LostClaim
    except LostClaim:
        log.info("segment %s is not ours any more", segment)
        _remove_if_abandoned(film, segment.run)
        return None
    except (GalleryError, OSError) as error:
        fail(film, error)
        return None
    left = Segment.objects.filter(film=film, run=segment.run).exclude(state=Segment.State.DONE)
    return None if left.exists() else film.pk


def _started_with_another_model(film: Film) -> bool:
    """Begin a run anew whose first segments another model embedded: vectors are never mixed."""
    if film.run_model == weights.current().fingerprint:
        return False
    log.warning("film %s: the model changed during its import, which begins anew", film.pk)
    Film.objects.filter(pk=film.pk, run=film.run, state__in=Film.UNFINISHED).update(
        state=Film.State.WAITING, run=F("run") + 1, lease_until=None
    )
    Segment.objects.filter(film=film, run=film.run).delete()
    return True


def _embed(segment: Segment, run: RunFiles) -> SegmentData:
    film = segment.film
    loaded = encoder.current()

    def progress(done: int) -> None:
        if not segment.renew(done):
            raise LostClaim

    # Loading the model may have taken a while.
    progress(0)
    with frames.stream(
        film.files.source(),
        film.probe,
        segment.span,
        width=storage.THUMBNAIL_WIDTH,
        max_pixels=settings.MAX_FILM_PIXELS,
        limit=settings.CELERY_TASK_SOFT_TIME_LIMIT,
        threads=inference_threads(),
    ) as (some, decoding):
        embedder = ingest.SpanEmbedder(
            loaded,
            run.save_thumbnail,
            known=_vectors_of_last_run(film),
            shares=settings.SHARE_VECTORS,
        )
        data = embedder.embed(some, progress)
    vectors = data.vectors if len(data.seconds) else np.zeros((0, loaded.model.width), np.float16)
    data = replace(data, vectors=vectors, cuts=np.array(decoding.cuts, np.float64))
    run.save_segment(segment.number, data)
    if segment.end is None:
        _refuse_early_end(film, data, decoding.complaints)
    return data


def _vectors_of_last_run(film: Film) -> ingest.KnownVectors:
    """The vectors that an earlier import made with the model in use; none when it is the first."""
    run = film.searchable_run
    if run is None or not settings.SHARE_VECTORS or film.model != weights.current().fingerprint:
        return {}
    try:
        return ingest.vectors_by_digest(film.files.run(run).load())
    except (OSError, ValueError):
        return {}  # what is damaged or gone is embedded again


def _refuse_early_end(film: Film, data: SegmentData, complaints: str) -> None:
    """Raise FilmError when the pictures end well before the film should, and FFmpeg complained."""
    last = float(data.times[-1]) if len(data.times) else 0.0
    slack = max(END_SLACK_SECONDS, film.duration * END_SLACK_PART)
    if last + slack < film.duration and complaints.strip():
        raise FilmError(probing.incomplete(film.duration, last))


def _remove_if_abandoned(film: Film, run: int) -> None:
    """Remove what was written for a film that was deleted, or a run that was replaced."""
    now = Film.objects.filter(pk=film.pk).first()
    if now is None:
        film.files.remove()
    elif now.searchable_run != run and (now.run != run or now.state == Film.State.FAILED):
        film.files.run(run).remove()


# --- the last step ------------------------------------------------------------------------------


def finish_film(film_id: int) -> bool:
    """Put a fully embedded film into the index and make it ready. True when that was done here."""
    stale = Q(state=Film.State.INDEXING, lease_until__lt=timezone.now())
    if not Film.objects.filter(Q(state=Film.State.IMPORTING) | stale, pk=film_id).update(
        state=Film.State.INDEXING, lease_until=lease_end()
    ):
        return False
    film = Film.objects.get(pk=film_id)
    if _started_with_another_model(film):
        return False
    try:
        with index.current().alone(film.pk):
            _publish(film)
    except IndexUnavailable:
        # Nothing is lost: the lease runs out and the step is tried again.
        log.exception("film %s waits for the index", film.pk)
        return False
    except LostClaim:
        purge(film)
        return False
    except (GalleryError, OSError) as error:
        fail(film, error)
        return False
    return True


def _publish(film: Film) -> None:
    run = film.files.run(film.run)
    ingest.add_looks(run)
    data = run.load()
    if not len(data.seconds):
        raise FilmError(_("No picture could be decoded from this film."))
    duration = max(film.duration, float(data.times[-1]))
    rows, found = ingest.records(film.pk, data, duration)
    model = weights.current()
    labels = labelling.tags(rows, data.vectors)
    index.current().put(film.pk, rows, data.vectors.astype(np.float32), labels.by_second)
    dialogue.put_run(film, film.run, rows)
    previous = film.model
    with transaction.atomic():
        changed = Film.objects.filter(pk=film.pk, run=film.run, state=Film.State.INDEXING).update(
            state=Film.State.READY,
            error="",
            finished=timezone.now(),
            lease_until=None,
            searchable_run=film.run,
            frame_count=len(rows),
            shot_count=len(found),
            duration=duration,
            model=model.fingerprint,
            model_name=model.name,
        )
        if not changed:
            raise LostClaim
        Shot.objects.filter(film=film).delete()
        Shot.objects.bulk_create(_shots(film, rows))
        labelling.keep(film, labels)
        Segment.objects.filter(film=film).delete()
    if previous and previous != model.fingerprint:
        index.of_model(previous).drop(film.pk)
    film.files.remove_other_runs(keep=film.run)


def _shots(film: Film, rows: Sequence[FrameRecord]) -> list[Shot]:
    """The rows of a film's shots; a shot is dull when no frame of it is a picture."""
    return [
        Shot(
            film=film,
            number=row.shot,
            start=row.start,
            end=row.end,
            second=row.second,
            dull=row.look is not Look.PICTURE,
        )
        for row in ingest.middle_frames(rows)
    ]


def reindex(film: Film) -> int:
    """Put a ready film's stored vectors, and its dialogue, into the index again.

    Frames that an earlier version did not look at are looked at now. Returns how many frames it
    has. Raises IndexUnavailable, FileNotFoundError, DiskFull.
    """
    assert film.searchable_run is not None
    run = film.files.run(film.searchable_run)
    looked = ingest.add_looks(run)
    data = run.load()
    rows, _found = ingest.records(film.pk, data, film.duration)
    if looked:
        Shot.objects.bulk_create(
            _shots(film, rows),
            update_conflicts=True,
            unique_fields=["film", "number"],
            update_fields=["second", "dull"],
        )
    labels = labelling.tags(rows, data.vectors)
    with index.current().alone(film.pk):
        index.current().put(film.pk, rows, data.vectors.astype(np.float32), labels.by_second)
        labelling.keep(film, labels)
    dialogue.put_run(film, film.searchable_run, rows)
    return len(rows)


def purge(film: Film) -> None:
    """Remove all that is left of a deleted film: vectors, lines, thumbnails, files."""
    if Film.objects.filter(pk=film.pk).exists():
        return
    film.files.remove()
    fingerprints = {film.model, weights.current().fingerprint} - {""}
    for fingerprint in fingerprints:
        index.of_model(fingerprint).drop(film.pk)
    dialogue.drop(film.pk)
