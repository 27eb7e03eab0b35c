"""The way of a film through its states: what each step does to the rows and the files.

Every step can be killed at any point and run again. Steps return the ids of what should be queued
next; they do not know the queue.
"""

import hashlib
import logging
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from gallery.clip import encoder, shot_network, weights
from gallery.clip.runtimes import inference_threads
from gallery.core import disk
from gallery.core.errors import (
    DiskFull,
    FilmError,
    GalleryError,
    IndexUnavailable,
    LostClaim,
    RetryableError,
)
from gallery.core.leases import kept_alive, lease_end
from gallery.films import footage
from gallery.films.models import MAX_ATTEMPTS, Film, Leftover, Segment, Shot
from gallery.importing import ingest
from gallery.importing.models import ShotDetection
from gallery.index import frame_index
from gallery.index.types import FrameRecord
from gallery.labels import scoring
from gallery.media import frame_stream, probing, shots, store, working_copy
from gallery.media.shots import Numbers, SmallPictures
from gallery.media.source_names import readable_name
from gallery.media.store import RunFiles, SegmentData
from gallery.media.types import FrameKind, Span
from gallery.transcripts import dialogue

log = logging.getLogger(__name__)

COPY_CHUNK = 1 << 20  # bytes
SPACE_WAIT = 300  # seconds until a film that did not fit on the disk is tried again
# The promised end and the last picture may lie apart by so many seconds, or this part of the film.
END_SLACK_SECONDS = 3.0
END_SLACK_PART = 0.02


# --- adding -------------------------------------------------------------------------------------


def stored_copy(path: Path) -> tuple[Path, str]:
    """Copy a file to where uploads arrive. Returns the copy and its SHA-256. Raises DiskFull."""
    digest = hashlib.sha256()
    with disk.raise_disk_full():
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

    The same file twice is one film; it takes the place of a file that is gone or damaged. Raises
    DiskFull.
    """
    name = readable_name(name)
    known = Film.objects.filter(sha256=sha256).first()
    if known is not None:
        _put_back(known, arrived, name)
        return known, False
    film = Film(
        title=(title or Path(name).stem.replace("_", " ").strip() or _("Untitled"))[:200],
        year=year,
        original_name=Path(name).name[:255],
        sha256=sha256,
        size=arrived.stat().st_size,
    )
    try:
        film.files.mark_unfinished()
        film.files.file_source(arrived, name)
        with transaction.atomic():
            film.save()
            transaction.on_commit(film.files.mark_finished)
    except IntegrityError:
        film.files.remove()
        return Film.objects.get(sha256=sha256), False
    except BaseException:
        film.files.remove()
        raise
    return film, True


def _put_back(film: Film, arrived: Path, name: str) -> None:
    """Give a film its file again, where it is gone; what was made of it is made again if missing.

    The import is to be queued if the film waits afterwards.
    """
    if film.has_source:
        arrived.unlink(missing_ok=True)
        return
    film.files.file_source(arrived, name)
    log.info("film %s: its file is back", film.pk)
    if film.state == Film.State.FAILED or (film.state == Film.State.READY and not film.is_stored):
        restart(film)
    film.refresh_from_db()


def restart(film: Film) -> bool:
    """Import a ready or failed film anew. False when an import is under way already."""
    changed = Film.objects.filter(
        pk=film.pk, state__in=[Film.State.READY, Film.State.FAILED]
    ).update(
        state=Film.State.WAITING,
        error="",
        run=F("run") + 1,
        attempts=0,
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
    waiting = Film.objects.filter(
        Q(state=Film.State.WAITING) | stale, pk=film_id, attempts__lt=MAX_ATTEMPTS
    )
    if not waiting.update(
        state=Film.State.PROBING,
        started=timezone.now(),
        lease_until=lease_end(),
        attempts=F("attempts") + 1,
        error="",
    ):
        return []
    film = Film.objects.get(pk=film_id)
    try:
        with disk.raise_disk_full(), _holding(film):
            prepared = working_copy.prepare(
                film.files,
                max_pixels=settings.MAX_FILM_PIXELS,
                max_seconds=settings.MAX_FILM_HOURS * 3600,
            )
    except (RetryableError, MemoryError) as error:
        if film.attempts >= MAX_ATTEMPTS:
            fail(film, error)
        else:
            _step(film).update(state=Film.State.WAITING, lease_until=None)
        return []
    except DiskFull:
        # No attempt is used up; it is tried again when the lease has run out.
        lease = timezone.now() + timedelta(seconds=SPACE_WAIT)
        _step(film).update(lease_until=lease, attempts=F("attempts") - 1)
        log.warning("film %s waits for space on the disk", film.pk)
        return []
    except (GalleryError, OSError) as error:
        fail(film, error)
        return []
    with transaction.atomic():
        changed = Film.objects.filter(pk=film_id, state=Film.State.PROBING, run=film.run).update(
            state=Film.State.IMPORTING,
            lease_until=None,
            attempts=0,
            run_model=weights.current().fingerprint,
            notice=prepared.notice,
            **Film.columns_of(prepared.found),
        )
        if not changed:
            return []
        Segment.objects.filter(film=film).exclude(run=film.run).delete()
        duration = prepared.found.duration
        segments = [
            Segment(
                film=film,
                run=film.run,
                number=number,
                start=span.start,
                end=span.end,
                frames_expected=max(1, math.ceil(min(duration, span.end or duration) - span.start)),
            )
            for number, span in enumerate(plan(duration))
        ]
        Segment.objects.bulk_create(segments, ignore_conflicts=True)
    return list(film.segments.filter(run=film.run).values_list("id", flat=True))


def _step(film: Film) -> QuerySet[Film]:
    """The film while it is at the step, and in the run, that it was read in."""
    return Film.objects.filter(pk=film.pk, run=film.run, state=film.state)


@contextmanager
def _holding(film: Film) -> Iterator[Callable[[], None]]:
    """Keep the lease of the step that a film is at; yields a check, as `kept_alive` does."""
    with kept_alive(
        lambda: bool(_step(film).update(lease_until=lease_end())), settings.LEASE_SECONDS
    ) as check:
        yield check


def give_up_lost() -> int:
    """Fail films whose workers died at the same step too often. Returns how many."""
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


def fail(film: Film, error: BaseException | str) -> None:
    """Give up on this run, with a sentence; what it made is removed, what was searchable stays."""
    if isinstance(error, GalleryError):
        sentence = str(error)
    elif isinstance(error, FileNotFoundError):
        sentence = _(
            "The film file is missing from the media store. Upload the same file again to "
            "restore it."
        )
    elif isinstance(error, MemoryError):
        sentence = _(
            "The worker was killed %(count)d times at the same part of this film, probably "
            "because the machine ran out of memory. Lower CLIP_BATCH or WORKERS, or add memory, "
            "then retry the import."
        ) % {"count": MAX_ATTEMPTS}
    elif isinstance(error, str):
        sentence = error
    else:
        sentence = _("Unexpected error: %(error)s. See the worker log for details.") % {
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
    return import_claimed(segment)


def claim_next() -> Segment | None:
    """Claim the segment whose turn it is (`Segment.next_in_turn`); None when there is none."""
    if not Segment.claimable().exists():
        return None
    if not disk.has_space():
        log.warning("imports wait until there is space on the disk (MIN_FREE_BYTES)")
        return None
    # Loading the model, or converting it, may take longer than a lease.
    encoder.current()
    while (segment := Segment.next_in_turn()) is not None:
        if segment.claim():
            return segment
    return None


def import_claimed(segment: Segment) -> int | None:
    """Do a segment that this worker claimed. Returns the film's id when it was the last one."""
    film = segment.film
    if _started_with_another_model(film):
        return None
    run = film.files.run(segment.run)
    try:
        with (
            disk.raise_disk_full(),
            kept_alive(segment.keep, settings.LEASE_SECONDS) as check,
        ):
            data = _embed(segment, run, check)
        last = float(data.times[-1]) if len(data.times) else None
        if not segment.complete(len(data.seconds), last):
            raise LostClaim
    except LostClaim:
        log.info("segment %s is not ours any more", segment)
        _remove_if_abandoned(film, segment.run)
        return None
    except DiskFull as error:
        log.warning("segment %s waits: %s", segment, error)
        segment.release(was_attempt=False)
        return None
    except (RetryableError, MemoryError) as error:
        log.warning("segment %s failed at attempt %d: %s", segment, segment.attempts, error)
        if segment.attempts >= MAX_ATTEMPTS:
            fail(film, error)
        else:
            segment.release()
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
        state=Film.State.WAITING, run=F("run") + 1, attempts=0, lease_until=None
    )
    Segment.objects.filter(film=film, run=film.run).delete()
    return True


def _embed(segment: Segment, run: RunFiles, check: Callable[[], None]) -> SegmentData:
    film = segment.film
    loaded = encoder.current()

    def progress(done: int) -> None:
        if not segment.renew(done):
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
    ) as (some, decoding):
        embedder = ingest.SpanEmbedder(
            loaded,
            run.save_thumbnail,
            known=_vectors_of_last_run(film),
            shares=settings.SHARE_VECTORS,
        )
        data = embedder.embed(some, progress)

    def judge(pictures: SmallPictures) -> Numbers:
        progress(len(data.seconds))
        return network(pictures)

    network = shot_network.current()
    cuts = shots.cuts_within(decoding.small, segment.span, judge)
    vectors = data.vectors if len(data.seconds) else np.zeros((0, loaded.model.width), np.float16)
    data = replace(data, vectors=vectors, cuts=np.array(cuts, np.float64))
    check()
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
        raise FilmError(probing.incomplete_error(film.duration, last))


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
    # A message may come late, when the film is imported again already.
    undone = Segment.objects.filter(film=film_id, run=F("film__run")).exclude(
        state=Segment.State.DONE
    )
    embedded = Film.objects.filter(
        Q(state=Film.State.IMPORTING) | stale, pk=film_id, attempts__lt=MAX_ATTEMPTS
    ).exclude(pk__in=undone.values("film"))
    if not embedded.update(
        state=Film.State.INDEXING, lease_until=lease_end(), attempts=F("attempts") + 1
    ):
        return False
    film = Film.objects.get(pk=film_id)
    if _started_with_another_model(film):
        return False
    try:
        with (
            disk.raise_disk_full(),
            _holding(film) as still_at_it,
            frame_index.current().film_lock(film.pk) as still_alone,
        ):

            def check() -> None:
                still_at_it()
                still_alone()

            _publish(film, check)
    except (IndexUnavailable, RetryableError, DiskFull):
        # Nothing is lost, and no attempt used up: the lease runs out and the step is tried again.
        _step(film).update(attempts=F("attempts") - 1)
        log.exception("film %s waits for the index, or for space on the disk", film.pk)
        return False
    except LostClaim:
        purge(film)
        return False
    except (GalleryError, OSError) as error:
        fail(film, error)
        return False
    return True


def _lacks_segments(film: Film, run: RunFiles) -> bool:
    """Have segments done again whose files are gone or damaged; True when there were such."""
    lost = [
        one.pk
        for one in film.segments.filter(run=film.run)
        if run.stored_frames(one.number) != one.frames_done
    ]
    if lost:
        log.warning("film %s: %d of its segments are gone and done again", film.pk, len(lost))
        with transaction.atomic():
            Segment.objects.filter(pk__in=lost).update(
                state=Segment.State.WAITING, claim_token=None, lease_until=None
            )
            _step(film).update(state=Film.State.IMPORTING, lease_until=None, attempts=0)
    return bool(lost)


def _publish(film: Film, check: Callable[[], None]) -> None:
    run = film.files.run(film.run)
    if _lacks_segments(film, run):
        raise LostClaim
    ingest.add_looks(run)
    data = run.load()
    if not len(data.seconds):
        raise FilmError(_("No frames could be decoded from this film."))
    duration = max(film.duration, float(data.times[-1]))
    rows, found = footage.build_records(film.pk, data, duration)
    model = weights.current()
    labels = scoring.tags(rows, data.vectors)
    frame_index.current().put(
        film.pk,
        rows,
        data.vectors.astype(np.float32),
        labels.by_second,
        made_of=frame_index.note_of(film.run, labels.state),
        check=check,
    )
    dialogue.put_run(film, film.run, rows)
    check()
    previous = film.model
    with transaction.atomic():
        changed = Film.objects.filter(pk=film.pk, run=film.run, state=Film.State.INDEXING).update(
            state=Film.State.READY,
            error="",
            finished=timezone.now(),
            lease_until=None,
            attempts=0,
            searchable_run=film.run,
            frame_count=len(rows),
            shot_count=len(found),
            shots_version=shots.VERSION,
            duration=duration,
            model=model.fingerprint,
            model_name=model.name,
        )
        if not changed:
            raise LostClaim
        _keep_shots(film, rows)
        ShotDetection.objects.filter(film=film).delete()
        scoring.store_tags(film, labels)
        Segment.objects.filter(film=film).delete()
    if previous and previous != model.fingerprint:
        frame_index.for_model(previous).drop(film.pk)
    run.remove_drafts()
    film.files.remove_other_runs(keep=film.run)


def _keep_shots(film: Film, rows: Sequence[FrameRecord]) -> None:
    """Make the rows of a film's shots those of its frames, unless they are already.

    A shot is dull when no frame of it is a picture.
    """
    columns = ("number", "start", "end", "second", "dull")
    shots_of_film = [
        Shot(
            film=film,
            number=row.shot,
            start=row.start,
            end=row.end,
            second=row.second,
            dull=row.look is not FrameKind.PICTURE,
        )
        for row in footage.middle_frames(rows)
    ]
    wanted = [tuple(getattr(shot, name) for name in columns) for shot in shots_of_film]
    if list(film.shots.values_list(*columns)) != wanted:
        with transaction.atomic():
            film.shots.all().delete()
            Shot.objects.bulk_create(shots_of_film)


def reindex(film: Film, detection: ShotDetection | None = None) -> int:
    """Put a ready film's stored vectors, and its dialogue, into the index again.

    The cuts of `detection` are stored first, in place of those that the film had. The rows of its
    shots follow the stored cuts; where these are damaged, workers detect the shots again later.
    Frames that an earlier version did not look at are looked at now.
    Returns how many frames it has. Where vectors are missing, those that are left are put into the
    index, and FileNotFoundError is raised. Raises IndexUnavailable, DiskFull, and LostClaim when
    the film was deleted or imported again, or is written by somebody else by now.
    """
    with frame_index.current().film_lock(film.pk) as check:
        # It may have been imported again since it was read.
        film.refresh_from_db()
        assert film.searchable_run is not None
        run = film.files.run(film.searchable_run)
        if detection is not None:
            if detection.run != film.searchable_run:
                raise LostClaim
            check()
            run.save_cuts(np.array(detection.cuts, np.float64))
            run.remove_drafts()
        elif run.has_damaged_cuts():
            Film.objects.filter(pk=film.pk).update(shots_version="")
        ingest.add_looks(run)
        data = run.load()
        rows, found = footage.build_records(film.pk, data, film.duration)
        is_complete = len(rows) == film.frame_count
        labels = scoring.tags(rows, data.vectors)
        frame_index.current().put(
            film.pk,
            rows,
            data.vectors.astype(np.float32),
            labels.by_second,
            made_of=frame_index.note_of(film.searchable_run, labels.state, complete=is_complete),
            check=check,
        )
        scoring.store_tags(film, labels)
        dialogue.put_run(film, film.searchable_run, rows)
        if is_complete:
            with transaction.atomic():
                # A film that was deleted meanwhile has no shots.
                if Film.objects.filter(pk=film.pk).update(shot_count=len(found)):
                    _keep_shots(film, rows)
    if not Film.objects.filter(pk=film.pk).exists():
        purge(film)
        raise LostClaim
    if not is_complete:
        raise FileNotFoundError(f"{film.frame_count - len(rows)} vectors of film {film.pk}")
    return len(rows)


def purge(film: Film) -> None:
    """Remove all that is left of a deleted film: vectors, lines, thumbnails, files."""
    if Film.objects.filter(pk=film.pk).exists():
        return
    film.files.remove()
    Leftover.objects.filter(uid=film.uid).delete()
    fingerprints = {film.model, weights.current().fingerprint} - {""}
    for fingerprint in fingerprints:
        frame_index.for_model(fingerprint).drop(film.pk)
    dialogue.drop(film.pk)
