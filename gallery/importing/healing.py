"""Restore data that is missing in Redis from the media store, according to the database.

Each film in the index has a stamp of the run and labels it was built from
(`build_stamp`). A film is indexed again when its stamp is not that of its last run, or
when a search finds another number of frames than the film has: after a lost or evicted key, an
emptied server, or one restored from an old backup. Pages read the stamps to show the progress.
"""

import logging
import time
from collections.abc import Callable
from typing import Protocol

from django.conf import settings

from gallery.clip import weights
from gallery.core.errors import IndexWarmingUp, LostClaim
from gallery.films import rebuilding
from gallery.films.catalogue import searchable
from gallery.films.footage import find_other_model
from gallery.films.models import Film, Leftover
from gallery.importing import publish_step, transitions
from gallery.index import contents, frame_index, server
from gallery.index.film_stamp import build_stamp, is_complete, is_of_run
from gallery.labels import scoring
from gallery.transcripts import dialogue
from gallery.workers.attempts import GivenUp

log = logging.getLogger(__name__)

MAX_TASK_SECONDS = 10.0  # the rest is queued again, so that other tasks are not delayed
LOCK_SECONDS = 60.0  # after which a process that holds the lock is considered dead


class Queue(Protocol):
    """Queues a step by its name, with the id of its row if it has one."""

    def __call__(self, step: str, *key: int) -> None: ...


def find_films_to_index() -> list[int]:
    """Return the ids of films whose frames in the index are not those of their last run.

    Clears their stamps in the index, which pages read. Raises IndexUnavailable, and IndexWarmingUp
    while frames cannot be counted.
    """
    here = frame_index.current()
    if here.status().ready < 1:
        raise IndexWarmingUp
    model, stamps, listed_films = weights.current().fingerprint, here.stamps(), set(here.films())
    films = {film.pk: film for film in searchable().exclude(state=Film.State.INDEXING)}
    labels = searchable().label_states(model)
    indexed, listed = contents.count_indexed(here.client, here.name, films), here.counts(films)
    wanted: list[int] = []
    changed: dict[int, str] = {}
    for pk, film in films.items():
        run = film.searchable_run or 0
        stamp = stamps.get(pk)
        if stamp is not None and is_of_run(stamp, run) and not is_complete(stamp, run):
            continue  # The media store has no more frames of it.
        is_present = pk in listed_films and indexed[pk] == listed[pk] == film.frame_count
        if stamp is None and is_present:
            # The film was indexed, but its stamp was lost.
            changed[pk] = build_stamp(run, labels.get(pk, ""))
        elif not is_present or not is_of_run(stamp or "", run):
            changed[pk] = ""
            wanted.append(pk)
        elif stamp != build_stamp(run, labels.get(pk, "")):
            # Only the labels differ, which `labels.jobs` writes without indexing again.
            scoring.record_state(pk, model, "")
    here.set_stamps(changed)
    return wanted


def is_healthy() -> bool:
    """Return whether the indexes hold the frames and lines of all films.

    Raises IndexUnavailable.
    """
    for model in weights.kept():
        with weights.use(model):
            if find_films_to_index():
                return False
    return not dialogue.stale()


def heal(queue: Queue, seconds: float = MAX_TASK_SECONDS) -> bool:
    """Index missing films and lines for about `seconds`. Return whether there is more to do.

    One process does this at a time. Films with missing vectors are imported again if their source
    file exists. Raises IndexUnavailable.
    """
    end = time.monotonic() + seconds
    client = server.connect_index()
    with server.redis_lock(client, f"{settings.INDEX_PREFIX}:healing", LOCK_SECONDS) as check:
        if check is None:
            return False
        # Create the indexes first, so that what they hold can be searched meanwhile.
        dialogue.current().ensure()
        active, *others = weights.kept()
        if not _heal_frames(active, queue, end, check):
            return True
        dialogue.reconcile(max(1.0, end - time.monotonic()))
        for other in others:
            if not _heal_frames(other, queue, end, check):
                return True
        return time.monotonic() > end and bool(dialogue.stale())


def _heal_frames(model: weights.Model, queue: Queue, end: float, check: Callable[[], None]) -> bool:
    """Index the missing films of a model. Return False if time ended before all were."""
    with weights.use(model):
        frame_index.current().ensure()
        wanted = find_films_to_index()
        for number, film_id in enumerate(wanted):
            if number and time.monotonic() > end:
                return False
            check()
            _reindex(film_id, queue)
            log.info("index: film %s is done, %d to go", film_id, len(wanted) - number - 1)
    return True


def _reindex(film_id: int, queue: Queue) -> None:
    film = Film.objects.filter(pk=film_id).first()
    if film is None:
        return
    began_at = time.monotonic()
    stamp = build_stamp(film.searchable_run or 0, "", complete=False)
    try:
        frames = publish_step.reindex(film)
    except LostClaim:
        return
    except GivenUp as error:
        log.error("film %s stays out of the index until it is imported again: %s", film_id, error)
        frame_index.current().set_stamps({film_id: stamp})
        return
    except FileNotFoundError:
        log.warning("film %s: vectors are missing in the media store", film_id)
        if other := find_other_model(film):
            publish_step.remove_other_vectors(film, other)  # `reembedding` embeds them again
            return
        frame_index.current().set_stamps({film_id: stamp})
        reimport(film, queue)
        return
    rebuilding.record_speed(frames, time.monotonic() - began_at)


def reimport(film: Film, queue: Queue) -> bool:
    """Start a new import of an incomplete film. Return False if that is impossible.

    The remaining vectors are reused, and the film stays searchable meanwhile.
    """
    if film.state != Film.State.READY or not film.has_source:
        return False
    if not transitions.restart(film):
        return False
    log.warning("film %s: files are missing, importing it again", film.pk)
    queue("probe", film.pk)
    return True


def reimport_incomplete(queue: Queue, film_id: int | None = None) -> int:
    """Import films with missing thumbnails or vectors again. Return how many."""
    films = searchable().filter(state=Film.State.READY)
    if film_id is not None:
        films = films.filter(pk=film_id)
    return sum(reimport(film, queue) for film in films if not film.is_stored)


# --- orphans --------------------------------------------------------------------------------------


def remove_orphan_hashes() -> int:
    """Remove frames and lines without a film from Redis, and leftovers of earlier versions.

    Scans all keys in small steps. Returns how many were removed. Raises IndexUnavailable.
    """
    # Dropped first, so that the index of an earlier version does not follow each deletion.
    frame_index.current().ensure()
    dialogue.current().ensure()
    removed = _delete(set(contents.iter_old_keys()))
    for (model, film_id), seconds in contents.find_frames().items():
        removed += _remove_frames(model, film_id, seconds)
    lines: dict[int, set[str]] = {}
    for film_id, key in contents.iter_line_keys():
        lines.setdefault(film_id, set()).add(key)
    known = set(Film.objects.values_list("pk", flat=True))
    for film_id, keys in lines.items():
        if film_id not in known:
            dialogue.drop(film_id)
            removed += _delete(keys)
    return removed


def _remove_frames(model: str, film_id: int, stored: set[int]) -> int:
    """Remove the hashes of a film and model that are not in its list of seconds."""
    here = frame_index.for_model(model)
    film = Film.objects.filter(pk=film_id).first()
    kept = {row.fingerprint for row in weights.kept_rows()}
    if film is None or (model not in {film.model, *kept} and not film.is_unfinished):
        here.drop(film_id)
        return _delete({here.frame_key(film_id, second) for second in stored})
    if here.count(film_id) == len(stored):
        return 0
    with here.film_lock(film_id) as check:
        listed = here.seconds(film_id)
        check()
        return _delete({here.frame_key(film_id, second) for second in stored - listed})


def _delete(keys: set[str]) -> int:
    client = server.connect_index()
    ordered, removed = sorted(keys), 0
    with server.translate_redis_errors():
        for at in range(0, len(ordered), frame_index.PIPELINE_SIZE):
            removed += int(client.delete(*ordered[at : at + frame_index.PIPELINE_SIZE]))
    return removed


def finish_deletions() -> int:
    """Remove the files of films whose deletion was committed but interrupted. Return how many."""
    count = 0
    for leftover in Leftover.objects.all():
        if not Film.objects.filter(uid=leftover.uid).exists():
            Film(uid=leftover.uid).files.remove()
            count += 1
        leftover.delete()
    return count
