"""A library that heals: Redis is made to hold what the database says, from the media store.

Each film in the index carries a note of what its frames were made of (`index.note_of`). Where the
note is not that of the film's last import, or a search does not find as many frames as the film
has, the film is put into the index again: after a lost or evicted key, an emptied server, or one
that was restored from an old backup. Pages read the notes to say how far that is.
"""

import logging
import time
from typing import Protocol

from django.conf import settings

from gallery.core.errors import IndexWarmingUp, LostClaim
from gallery.films import rebuilding
from gallery.films.catalogue import searchable
from gallery.films.models import Film, Leftover
from gallery.importing import pipeline
from gallery.index import contents, frame_index, server
from gallery.transcripts import dialogue

log = logging.getLogger(__name__)

PATIENCE = 10.0  # seconds in one task; then other work has its turn
LOCK_SECONDS = 60.0  # after which a process that heals is taken for dead


class Queue(Protocol):
    """Queues a step by its name; the id of its row where it has one."""

    def __call__(self, step: str, *key: int) -> None: ...


def films_to_index() -> list[int]:
    """Films whose frames in the index are not those of their last import, by their ids.

    What is found is noted in the index, so that pages know. Raises IndexUnavailable, and
    IndexWarmingUp while nobody can count.
    """
    here = frame_index.current()
    if here.status().ready < 1:
        raise IndexWarmingUp
    notes = here.notes()
    films = {film.pk: film for film in searchable().exclude(state=Film.State.INDEXING)}
    indexed, listed = contents.indexed_frames(here, films), contents.listed_frames(here, films)
    wanted: list[int] = []
    changed: dict[int, str] = {}
    for pk, film in films.items():
        run = film.searchable_run or 0
        note = notes.get(pk)
        if (
            note is not None
            and frame_index.is_of_run(note, run)
            and not frame_index.is_complete(note, run)
        ):
            continue  # The store has no more of it.
        is_there = indexed[pk] == listed[pk] == film.frame_count
        if note is None and is_there:
            # An earlier version put it there, which kept no notes.
            changed[pk] = frame_index.note_of(run, film.labelled_as)
        elif not is_there or not frame_index.is_of_run(note or "", run):
            changed[pk] = ""
            wanted.append(pk)
        elif note != frame_index.note_of(run, film.labelled_as):
            # The labels are another matter, and quickly written: see `labels.relabelling`.
            Film.objects.filter(pk=pk, labelled_as=film.labelled_as).update(labelled_as="")
    here.set_notes(changed)
    return wanted


def is_healthy() -> bool:
    """Whether the index holds the frames and the lines of all films. Raises IndexUnavailable."""
    return not films_to_index() and not dialogue.stale()


def heal(queue: Queue, patience: float = PATIENCE) -> bool:
    """Make the index hold what the database says, for a while; True when there is more to do.

    One process does it at a time. A film of which the store lacks something is imported again if
    its file is there. Raises IndexUnavailable.
    """
    end = time.monotonic() + patience
    client = server.connect(settings.REDIS_URL)
    with server.redis_lock(client, f"{settings.INDEX_PREFIX}:healing", LOCK_SECONDS) as check:
        if check is None:
            return False
        # What there is can be searched from now on.
        frame_index.current().ensure()
        dialogue.current().ensure()
        wanted = films_to_index()
        for number, film_id in enumerate(wanted):
            if number and time.monotonic() > end:
                return True
            check()
            _reindex(film_id, queue)
            log.info("index: film %s is done, %d to go", film_id, len(wanted) - number - 1)
        dialogue.reconcile(max(1.0, end - time.monotonic()))
        return time.monotonic() > end and bool(dialogue.stale())


def _reindex(film_id: int, queue: Queue) -> None:
    film = Film.objects.filter(pk=film_id).first()
    if film is None:
        return
    began_at = time.monotonic()
    try:
        frames = pipeline.reindex(film)
    except LostClaim:
        return
    except FileNotFoundError:
        log.warning("film %s: vectors are missing in the media store", film_id)
        note = frame_index.note_of(film.searchable_run or 0, "", complete=False)
        frame_index.current().set_notes({film_id: note})
        remake(film, queue)
        return
    rebuilding.note_speed(frames, time.monotonic() - began_at)


def remake(film: Film, queue: Queue) -> bool:
    """Import a film again of which the store lacks something; False when that is impossible.

    Vectors that are left are used again, and the film stays searchable meanwhile.
    """
    if film.state != Film.State.READY or not film.has_source:
        return False
    if not pipeline.restart(film):
        return False
    log.warning("film %s: something of it is missing, so that it is imported again", film.pk)
    queue("probe", film.pk)
    return True


def remake_incomplete(queue: Queue, film_id: int | None = None) -> int:
    """Import films again whose thumbnails or vectors are not all there. Returns how many."""
    films = searchable().filter(state=Film.State.READY)
    if film_id is not None:
        films = films.filter(pk=film_id)
    return sum(remake(film, queue) for film in films if not film.is_stored)


# --- what belongs to no film ----------------------------------------------------------------------


def remove_orphan_hashes() -> int:
    """Remove frames and lines from Redis that belong to no film. Returns how many.

    Walks through all keys, a few at a time. Raises IndexUnavailable.
    """
    removed = 0
    frames: dict[tuple[str, int], set[tuple[int, str]]] = {}
    for model, film, second, key in contents.frame_keys():
        frames.setdefault((model, film), set()).add((second, key))
    for (model, film_id), there in frames.items():
        removed += _remove_frames(model, film_id, there)
    lines: dict[int, set[str]] = {}
    for film_id, key in contents.line_keys():
        lines.setdefault(film_id, set()).add(key)
    known = set(Film.objects.values_list("pk", flat=True))
    for film_id, keys in lines.items():
        if film_id not in known:
            dialogue.drop(film_id)
            removed += _delete(keys)
    return removed


def _remove_frames(model: str, film_id: int, there: set[tuple[int, str]]) -> int:
    """Remove the frames of a film, embedded by a model, that no list names."""
    here = frame_index.for_model(model)
    film = Film.objects.filter(pk=film_id).first()
    if film is None or (model != film.model and not film.is_unfinished):
        here.drop(film_id)
        return _delete({key for _second, key in there})
    if here.count(film_id) == len(there):
        return 0
    with here.film_lock(film_id) as check:
        listed = here.seconds(film_id)
        check()
        return _delete({key for second, key in there if second not in listed})


def _delete(keys: set[str]) -> int:
    client = server.connect(settings.REDIS_URL)
    ordered, removed = sorted(keys), 0
    with server.translate_redis_errors():
        for at in range(0, len(ordered), frame_index.PIPELINE):
            removed += int(client.delete(*ordered[at : at + frame_index.PIPELINE]))
    return removed


def finish_deletions() -> int:
    """Remove folders of films whose deletion was committed but not completed. Returns how many."""
    count = 0
    for leftover in Leftover.objects.all():
        if not Film.objects.filter(uid=leftover.uid).exists():
            Film(uid=leftover.uid).files.remove()
            count += 1
        leftover.delete()
    return count
