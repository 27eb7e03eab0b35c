"""Last step of an import: put a film's frames, labels and dialogue into the index."""

import logging
from collections.abc import Callable, Sequence

import numpy as np
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from gallery.clip import weights
from gallery.core import disk
from gallery.core.errors import (
    DiskFull,
    FilmError,
    GalleryError,
    IndexUnavailable,
    LostClaim,
    RetryableError,
)
from gallery.core.leases import lease_end
from gallery.films.footage import Footage, load_footage, load_searchable, middle_frames
from gallery.films.models import Film, FilmVectors, Leftover, Shot
from gallery.importing.models import MAX_ATTEMPTS, Segment, ShotDetection
from gallery.importing.transitions import (
    at_same_step,
    fail,
    hold_lease,
    restart_if_model_changed,
)
from gallery.index import frame_index
from gallery.index.film_stamp import build_stamp
from gallery.index.types import FrameRecord
from gallery.labels import scoring
from gallery.labels.scoring import FilmLabels
from gallery.media import shots
from gallery.media.model_vectors import ModelVectors
from gallery.media.store import RunFiles
from gallery.media.types import FrameKind
from gallery.transcripts import dialogue
from gallery.workers.attempts import count_attempt

log = logging.getLogger(__name__)


def finish_film(film_id: int) -> bool:
    """Put a fully embedded film into the index and make it ready.

    Return False when there was nothing to do, when it failed, or when it has to be tried again.
    """
    film = _claim(film_id)
    if film is None or restart_if_model_changed(film):
        return False
    try:
        with (
            disk.raise_disk_full(),
            hold_lease(film) as check_lease,
            frame_index.current().film_lock(film.pk) as check_lock,
        ):

            def check() -> None:
                check_lease()
                check_lock()

            _publish(film, check)
    except (IndexUnavailable, RetryableError, DiskFull):
        # This does not count as an attempt; the step is tried again when the lease has run out.
        at_same_step(film).update(attempts=F("attempts") - 1)
        log.exception("film %s waits for the index, or for space on the disk", film.pk)
        return False
    except LostClaim:
        purge(film)
        return False
    except (GalleryError, OSError) as error:
        fail(film, error)
        return False
    return True


def _claim(film_id: int) -> Film | None:
    """Claim a film whose segments are all done, or whose worker died at this step."""
    stale = Q(state=Film.State.INDEXING, lease_until__lt=timezone.now())
    # The message may arrive late, when a new run is already under way.
    unfinished = Segment.objects.filter(film=film_id, run=F("film__run")).exclude(
        state=Segment.State.DONE
    )
    embedded = Film.objects.filter(
        Q(state=Film.State.IMPORTING) | stale, pk=film_id, attempts__lt=MAX_ATTEMPTS
    ).exclude(pk__in=unfinished.values("film"))
    claimed = embedded.update(
        state=Film.State.INDEXING, lease_until=lease_end(), attempts=F("attempts") + 1
    )
    return Film.objects.get(pk=film_id) if claimed else None


def _publish(film: Film, check: Callable[[], None]) -> None:
    """Index a film's run and make it the searchable one, then remove the files of earlier runs.

    Raises LostClaim when the film was deleted or restarted, or lacks segments.
    """
    run = film.files.run(film.run)
    if _reset_lost_segments(film, run):
        raise LostClaim
    footage = load_footage(film, film.run)
    if len(footage.records) < film.frames_done():
        # A network share may list a folder as it was some seconds ago.
        raise RetryableError(f"the segments of film {film.pk} are not all visible yet")
    if not footage.records:
        raise FilmError(_("No frames could be decoded from this film."))
    labels = _put_into_index(film, film.run, footage, check)
    dialogue.put_run(film, film.run, footage.records)
    check()
    model = weights.current()
    with transaction.atomic():
        is_ours = at_same_step(film).update(
            state=Film.State.READY,
            error="",
            finished=timezone.now(),
            lease_until=None,
            attempts=0,
            searchable_run=film.run,
            frame_count=len(footage.records),
            shot_count=len(footage.shots),
            shots_version=shots.VERSION,
            duration=footage.duration,
            model=model.fingerprint,
            model_name=model.name,
        )
        if not is_ours:
            raise LostClaim
        _save_shots(film, footage.records)
        ShotDetection.objects.filter(film=film).delete()
        FilmVectors.objects.filter(film=film).delete()
        scoring.store_labels(film, labels, model.fingerprint)
        scoring.remove_other_counts(film, model.fingerprint)
        Segment.objects.filter(film=film).delete()
    # The indexes of other models have an earlier run: `reembedding` updates them.
    for fingerprint in ({film.model} | weights.kept_fingerprints()) - {"", model.fingerprint}:
        frame_index.for_model(fingerprint).drop(film.pk)
    run.remove_drafts()
    film.files.remove_other_runs(keep=film.run)


def _reset_lost_segments(film: Film, run: RunFiles) -> bool:
    """Reset segments whose files are missing or damaged. Return whether there are any."""
    lost = [
        one.pk
        for one in film.segments.filter(run=film.run)
        if run.count_frames(one.number) != one.frames_done
    ]
    if lost:
        log.warning("film %s: the files of %d segments are missing", film.pk, len(lost))
        with transaction.atomic():
            Segment.objects.filter(pk__in=lost).update(
                state=Segment.State.WAITING, claim_token=None, lease_until=None
            )
            at_same_step(film).update(state=Film.State.IMPORTING, lease_until=None, attempts=0)
    return bool(lost)


def _put_into_index(
    film: Film, run: int, footage: Footage, check: Callable[[], None], *, is_complete: bool = True
) -> FilmLabels:
    """Write the frames of a run and their labels to the index. Return the labels.

    `is_complete` is False if vectors are missing in the media store.
    """
    labels = scoring.compute_labels(footage.records, footage.vectors)
    frame_index.current().put(
        film.pk,
        footage.records,
        footage.vectors.astype(np.float32),
        labels.by_second,
        stamp=build_stamp(run, labels.state, complete=is_complete),
        check=check,
    )
    return labels


def _save_shots(film: Film, rows: Sequence[FrameRecord]) -> None:
    """Replace the rows of a film's shots by those of its frames, if they differ.

    A shot is dull when none of its frames is of the kind PICTURE.
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
        for row in middle_frames(rows)
    ]
    wanted = [tuple(getattr(shot, name) for name in columns) for shot in shots_of_film]
    if list(film.shots.values_list(*columns)) != wanted:
        with transaction.atomic():
            film.shots.all().delete()
            Shot.objects.bulk_create(shots_of_film)


def reindex(film: Film, detection: ShotDetection | None = None) -> int:
    """Put a ready film's stored vectors, and its dialogue, into the index again.

    The cuts of `detection` replace the stored ones first; the film's shots follow the stored cuts.
    Where these are damaged, workers detect the shots again later. Return the number of frames.
    Where vectors are missing, the others are indexed, then FileNotFoundError is raised. Raises
    IndexUnavailable, DiskFull, GivenUp, and LostClaim when the film was deleted or imported again,
    or another process took over its lock.
    """
    with frame_index.current().film_lock(film.pk) as check, count_attempt("reindex", film.pk):
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
            _forget_stamps_of_other_models(film)
        elif run.has_damaged_cuts():
            Film.objects.filter(pk=film.pk).update(shots_version="")
        footage = load_searchable(film)
        frame_count = len(footage.records)
        is_complete = frame_count == film.frame_count
        labels = _put_into_index(film, film.searchable_run, footage, check, is_complete=is_complete)
        scoring.store_labels(film, labels, weights.current().fingerprint)
        dialogue.put_run(film, film.searchable_run, footage.records)
        if is_complete:
            with transaction.atomic():
                # A film that was deleted meanwhile has no shots.
                if Film.objects.filter(pk=film.pk).update(shot_count=len(footage.shots)):
                    _save_shots(film, footage.records)
    if not Film.objects.filter(pk=film.pk).exists():
        purge(film)
        raise LostClaim
    if not is_complete:
        raise FileNotFoundError(f"{film.frame_count - frame_count} vectors of film {film.pk}")
    return frame_count


def _forget_stamps_of_other_models(film: Film) -> None:
    """Have healing write the film's frames in the indexes of other models again."""
    for fingerprint in weights.kept_fingerprints() - {weights.current().fingerprint}:
        frame_index.for_model(fingerprint).set_stamps({film.pk: ""})


def publish_other_vectors(film: Film) -> None:
    """Put a film's vectors by the current model, which did not import it, into that model's index.

    From then on, that model finds the film. Raises FileNotFoundError if vectors are missing,
    LostClaim if the film was deleted or re-imported meanwhile, IndexUnavailable and DiskFull.
    """
    fingerprint = weights.current().fingerprint
    with frame_index.current().film_lock(film.pk) as check:
        film.refresh_from_db()
        run = film.searchable_run or 0
        footage = load_footage(film, run, fingerprint)
        if len(footage.records) != film.frame_count:
            missing = film.frame_count - len(footage.records)
            raise FileNotFoundError(f"{missing} vectors of film {film.pk}")
        labels = _put_into_index(film, run, footage, check)
        with transaction.atomic():
            unchanged = Film.objects.filter(pk=film.pk, searchable_run=run)
            is_current = unchanged.exclude(model=fingerprint).exists()
            if is_current:
                FilmVectors.objects.update_or_create(
                    film=film, model=fingerprint, defaults={"run": run}
                )
                scoring.store_labels(film, labels, fingerprint)
    if not is_current:
        frame_index.current().drop(film.pk)
        raise LostClaim


def remove_other_vectors(film: Film, model: str) -> None:
    """Remove the vectors of a film by a model that did not import it. Raises IndexUnavailable."""
    FilmVectors.objects.filter(film=film, model=model).delete()
    scoring.remove_counts(film, model)
    if film.searchable_run is not None:
        ModelVectors(film.files.run(film.searchable_run), model).remove()
    frame_index.for_model(model).drop(film.pk)


def purge(film: Film) -> None:
    """Remove what is left of a deleted film: vectors, lines, thumbnails, files."""
    if Film.objects.filter(pk=film.pk).exists():
        return
    film.files.remove()
    Leftover.objects.filter(uid=film.uid).delete()
    for fingerprint in ({film.model} | weights.kept_fingerprints()) - {""}:
        frame_index.for_model(fingerprint).drop(film.pk)
    dialogue.drop(film.pk)
