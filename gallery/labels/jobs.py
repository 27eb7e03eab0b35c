"""Computes the labels of all films, one film at a time, and reports the progress.

Each film records which labels its frames in the index of a model carry (`Film.labelled_as`,
`FilmVectors.labelled_as`). Films that differ from the current labels are still to be done, so that
work may be lost or repeated at any time.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from gallery.clip import weights
from gallery.films.catalogue import searchable, waiting_for_model
from gallery.films.footage import load_searchable
from gallery.films.models import FilmQuerySet
from gallery.index import frame_index
from gallery.index.film_stamp import build_stamp, is_complete
from gallery.labels import scoring
from gallery.labels.models import Label
from gallery.labels.scoring import has_preliminary_levels, levels_of, measured_labels
from gallery.workers.attempts import count_attempt

log = logging.getLogger(__name__)


def _outdated_films(labels: Sequence[Label]) -> FilmQuerySet:
    state = scoring.labels_state(labels)
    return searchable().labelled_otherwise(weights.current().fingerprint, state)


def prepare_all() -> list[int]:
    """Prepare the labels for all models whose indexes are kept, each once all films are in it.

    Return the films whose labels are out of date for any of them. Raises IndexUnavailable.
    """
    films: set[int] = set()
    for model in weights.kept():
        with weights.use(model):
            if _is_active() or not waiting_for_model().exists():
                films.update(prepare())
    return sorted(films)


def _is_active() -> bool:
    """Return whether the model in use is the one that answers searches."""
    return weights.current() == weights.active()


def prepare() -> list[int]:
    """Measure the labels that need it, and return the films whose labels are out of date.

    Raises IndexUnavailable.
    """
    is_reembedding = waiting_for_model().exists()
    for label in Label.objects.all():
        if levels_of(label) is None or (has_preliminary_levels(label) and not is_reembedding):
            levels = scoring.measure_levels(scoring.parse_prompts(label.prompts))
            if levels is not None:
                _store_levels(label, levels)
    return _mark_applied()


def _store_levels(label: Label, levels: scoring.Levels) -> None:
    """Store the levels of a label for the model in use, unless its prompts were changed."""
    with transaction.atomic():
        unchanged = Label.objects.filter(pk=label.pk, prompts=label.prompts)
        for row in unchanged.select_for_update():
            row.scale = scoring.to_scale(levels, row.scale)
            # Only the active model's labels are applied: `Label.save` would reset that.
            changed = {"scale": row.scale} | ({"applied": None} if _is_active() else {})
            Label.objects.filter(pk=row.pk).update(**changed)


def is_up_to_date() -> bool:
    """Return whether the labels of all films are computed for the model in use."""
    labels = measured_labels()
    is_measured = len(labels) == Label.objects.count() or not searchable().exists()
    return is_measured and not _outdated_films(labels).exists()


def _mark_applied() -> list[int]:
    """Mark the labels that are computed for all films; return the films that remain."""
    labels = measured_labels()
    left = list(_outdated_films(labels).values_list("pk", flat=True))
    if not left and searchable().exists() and _is_active():
        for label in labels:
            if label.applied is None:
                # Only if it is still what was computed: staff may have changed it meanwhile.
                Label.objects.filter(
                    pk=label.pk,
                    prompts=label.prompts,
                    threshold=label.threshold,
                    scale=label.scale,
                ).update(applied=timezone.now())
    return left


def label_film_for_all(film_id: int) -> None:
    """Compute the labels of a film for all models whose indexes are kept: see `label_film`."""
    for model in weights.kept():
        with weights.use(model):
            label_film(film_id)


def label_film(film_id: int) -> bool:
    """Compute the labels of a film from its stored vectors, and write them to the index.

    Return False when there was nothing to do. Raises IndexUnavailable and GivenUp.
    """
    model = weights.current().fingerprint
    index = frame_index.current()
    with index.film_lock(film_id) as check, count_attempt("label_film", film_id):
        film = _outdated_films(measured_labels()).filter(pk=film_id).first()
        if film is None or film.searchable_run is None:
            return False
        try:
            footage = load_searchable(film)
        except FileNotFoundError:
            log.warning("film %s has no stored vectors: its labels stay as they are", film_id)
            scoring.record_state(film_id, model, scoring.labels_state(measured_labels()))
        else:
            found = scoring.compute_labels(footage.records, footage.vectors)
            index.set_labels(film.pk, found.by_second, check=check)
            note = index.stamps().get(film.pk, "")
            if is_complete(note, film.searchable_run):
                index.set_stamps({film.pk: build_stamp(film.searchable_run, found.state)})
            scoring.store_labels(film, found, model)
    _mark_applied()
    return True


@dataclass(frozen=True, slots=True)
class Progress:
    """How many of all films have the current labels; `seconds_left` is None while unknown."""

    done: int
    films: int
    seconds_left: float | None

    @property
    def part(self) -> float:
        """The share that is done, 0 to 1."""
        return self.done / self.films if self.films else 0.0


def progress() -> Progress:
    """Return the progress; the time left is estimated from the films that are done."""
    left = _outdated_films(measured_labels())
    finished = searchable().exclude(pk__in=left.values("pk"))
    done = finished.label_times(weights.current().fingerprint)
    waiting = left.aggregate(films=Count("pk"), frames=Coalesce(Sum("frame_count"), 0))
    seconds_left = None
    if len(done) > 1 and waiting["films"]:
        times = [labelled.timestamp() for labelled, _frames in done if labelled]
        frames_done = sum(frames for _labelled, frames in done[1:])
        seconds_left = (times[-1] - times[0]) / max(1, frames_done) * waiting["frames"]
    return Progress(len(done), len(done) + waiting["films"], seconds_left)
