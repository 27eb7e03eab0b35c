"""Labels of all films: what is left to do, one film at a time, and how far it is.

Each film says which labels its frames in the index carry (`Film.labelled_as`). Whatever differs
from the labels as they are now is left to do, so that work may be lost, or done twice, at any time.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from gallery.films import footage
from gallery.films.catalogue import searchable, waiting_for_model
from gallery.films.models import Film, FilmQuerySet
from gallery.index import frame_index
from gallery.labels import scoring
from gallery.labels.models import Label
from gallery.labels.scoring import levels_of, measured_labels

log = logging.getLogger(__name__)


def _left(labels: Sequence[Label]) -> FilmQuerySet:
    return searchable().exclude(labelled_as=scoring.state(labels))


def prepare() -> list[int]:
    """Measure what has to be, and return the films whose labels are not up to date.

    Raises IndexUnavailable.
    """
    moving = waiting_for_model().exists()
    for label in Label.objects.all():
        if levels_of(label) is None or (label.scale["preliminary"] and not moving):
            levels = scoring.measure(scoring.prompts_of(label.prompts))
            if levels is not None:
                same = Label.objects.filter(pk=label.pk, prompts=label.prompts)
                same.update(scale=scoring.scale(levels), applied=None)
    return _settle()


def _settle() -> list[int]:
    """Note which labels are computed for all films, if they are; return the films that are left."""
    labels = measured_labels()
    left = list(_left(labels).values_list("pk", flat=True))
    if not left and searchable().exists():
        for label in labels:
            if label.applied is None:
                # Only while it is what was computed: staff may have changed it just now.
                Label.objects.filter(
                    pk=label.pk,
                    prompts=label.prompts,
                    threshold=label.threshold,
                    scale=label.scale,
                ).update(applied=timezone.now())
    return left


def label_film(film_id: int) -> bool:
    """Compute the labels of a film from its stored vectors, and put them into the index.

    False when there was nothing to do: done already, or the film is gone. Raises IndexUnavailable.
    """
    here = frame_index.current()
    with here.film_lock(film_id) as check:
        film = _left(measured_labels()).filter(pk=film_id).first()
        if film is None or film.searchable_run is None:
            return False
        try:
            data = film.files.run(film.searchable_run).load()
        except FileNotFoundError:
            log.warning("film %s has no stored vectors: its labels stay as they are", film_id)
            now = scoring.state(measured_labels())
            Film.objects.filter(pk=film_id).update(labelled_as=now, labelled=timezone.now())
        else:
            rows, _shots = footage.build_records(film.pk, data, film.duration)
            found = scoring.tags(rows, data.vectors)
            here.set_labels(film.pk, found.by_second, check=check)
            note = here.notes().get(film.pk, "")
            if frame_index.is_complete(note, film.searchable_run):
                here.set_notes({film.pk: frame_index.note_of(film.searchable_run, found.state)})
            scoring.store_tags(film, found)
    _settle()
    return True


@dataclass(frozen=True, slots=True)
class Progress:
    """How many films have the labels as they are now, of how many; seconds left, None: unknown."""

    done: int
    films: int
    seconds_left: float | None

    @property
    def part(self) -> float:
        """How much is done, 0 to 1."""
        return self.done / self.films if self.films else 0.0


def progress() -> Progress:
    """How far the labels are; the time left is reckoned from the films done and their frames."""
    left = _left(measured_labels())
    done = list(
        searchable()
        .exclude(pk__in=left.values("pk"))
        .order_by("labelled")
        .values_list("labelled", "frame_count")
    )
    waiting = left.aggregate(films=Count("pk"), frames=Coalesce(Sum("frame_count"), 0))
    seconds_left = None
    if len(done) > 1 and waiting["films"]:
        times = [when.timestamp() for when, _frames in done if when]
        rest = sum(frames for _when, frames in done[1:])
        seconds_left = (times[-1] - times[0]) / max(1, rest) * waiting["frames"]
    return Progress(len(done), len(done) + waiting["films"], seconds_left)
