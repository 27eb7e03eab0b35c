"""Manages the active model: backfill another one, switch to it, roll back, or discard it.

A switch updates one row, so it takes effect everywhere with the next request or task. It waits
until all processes that search have loaded the model: see `gallery.search.warming`.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gallery.clip import encoder, weights
from gallery.clip.models import EmbeddingModel
from gallery.clip.weights import DEMO_NAME, Model
from gallery.core import model_hub
from gallery.core.errors import GalleryError
from gallery.films.models import Film
from gallery.importing import reembedding
from gallery.importing.models import Reembedding
from gallery.index import frame_index
from gallery.labels import jobs
from gallery.search import warming

log = logging.getLogger(__name__)

State = EmbeddingModel.State


# --- fill -----------------------------------------------------------------------------------------


def find_model(name: str) -> tuple[str, Model]:
    """Return the name for its row and the model of a hub id or folder ("": CLIP_MODEL).

    Downloads hub models. Raises ModelError.
    """
    if not name:
        model = weights.configured()
        is_demo = model.folder == settings.DEMO_MODEL_DIR
        return DEMO_NAME if is_demo else _full_name(settings.CLIP_MODEL), model
    if name == DEMO_NAME:
        return name, weights.describe(name, settings.DEMO_MODEL_DIR)
    name = _full_name(name)
    folder = weights.local_folder(name) or weights.download(name)
    return name, weights.describe(name, folder)


def _full_name(name: str) -> str:
    """Return a hub id unchanged, and a folder as an absolute path."""
    return str(Path(name).expanduser().absolute()) if model_hub.is_folder(name) else name


def fill(name: str = "", *, is_exact: bool = False, switches_itself: bool = True) -> EmbeddingModel:
    """Have workers backfill the index of a model. Return its row.

    For the active model, they embed the films missing in its index. Raises GalleryError if the
    model cannot be used, or another one has to be discarded first.
    """
    row_name, model = find_model(name)
    active = weights.active()
    if model.fingerprint == active.fingerprint:
        return _active_row()
    other = other_row()
    if other is not None and other.fingerprint != model.fingerprint:
        raise GalleryError(
            _(
                "Besides %(active)s, there are still vectors of %(other)s. Remove them first: "
                "manage.py reembed --discard"
            )
            % {"other": other.name, "active": active.name}
        )
    if other is not None and other.state == State.PREVIOUS:
        raise GalleryError(
            _("The vectors of %(model)s were kept. To use them again: manage.py reembed --back")
            % {"model": other.name}
        )
    if other is not None and is_exact and not other.is_exact:
        raise GalleryError(
            _(
                "%(model)s is already being filled from thumbnails. Remove it first: "
                "manage.py reembed --discard"
            )
            % {"model": other.name}
        )
    if other is not None:
        EmbeddingModel.objects.filter(pk=other.pk).update(switches_itself=switches_itself)
        return other
    if EmbeddingModel.objects.filter(fingerprint=model.fingerprint).exists():
        raise GalleryError(
            _("The vectors of %(model)s are still being removed. Please try again in a minute.")
            % {"model": row_name}
        )
    with weights.use(model):
        encoder.current().embed_text("a film")  # fail early if the model cannot be loaded
        frame_index.current().ensure()
    _active_row()  # only now: after it, CLIP_MODEL no longer decides
    return EmbeddingModel.objects.create(
        fingerprint=model.fingerprint,
        name=row_name,
        edges=model.edges,
        state=State.FILLING,
        is_exact=is_exact,
        switches_itself=switches_itself,
    )


def _active_row() -> EmbeddingModel:
    """Return the row of the active model, creating it from CLIP_MODEL if there is none."""
    found = active_row()
    if found is None:
        name, model = find_model("")
        found, _is_new = EmbeddingModel.objects.get_or_create(
            state=State.ACTIVE,
            defaults={"fingerprint": model.fingerprint, "name": name, "edges": model.edges},
        )
    return found


def active_row() -> EmbeddingModel | None:
    """Return the row of the active model; None if it is CLIP_MODEL without a row."""
    return EmbeddingModel.objects.filter(state=State.ACTIVE).first()


def other_row() -> EmbeddingModel | None:
    """Return the other model, which is being filled or kept for a rollback, or None."""
    return next(iter(weights.kept_rows()[1:]), None)


# --- progress -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Progress:
    """The films and frames in the index of a model; `seconds_left` is None if unknown.

    `failed` films were given up. `is_filled`: it has all films, and their labels are computed.
    """

    films_done: int
    films: int
    frames_done: int
    frames: int
    failed: int
    seconds_left: float | None
    is_filled: bool

    @property
    def part(self) -> float:
        """The fraction that is done, 0 to 1."""
        return self.frames_done / self.frames if self.frames else 1.0

    def __str__(self) -> str:
        """A summary for admins."""
        parts = [_("%(done)d of %(films)d films") % {"done": self.films_done, "films": self.films}]
        if self.frames_done < self.frames:
            parts.append(_("%(percent)d%% of the frames") % {"percent": int(100 * self.part)})
        elif not self.is_filled:
            parts.append(_("labels are being computed"))
        if self.seconds_left is not None:
            minutes = max(1, round(self.seconds_left / 60))
            left = ngettext("about %(n)d minute left", "about %(n)d minutes left", minutes)
            parts.append(left % {"n": minutes})
        if self.failed:
            parts.append(_("%(n)d failed") % {"n": self.failed})
        return ", ".join(parts)


def progress_of(row: EmbeddingModel) -> Progress:
    """Return the progress of the index of a model."""
    films = Film.objects.filter(searchable_run__isnull=False)
    all_films = films.aggregate(films=Count("pk"), frames=Coalesce(Sum("frame_count"), 0))
    left = Film.objects.embedded_otherwise(row.fingerprint)
    waiting = left.aggregate(films=Count("pk"), frames=Coalesce(Sum("frame_count"), 0))
    done = all_films["frames"] - waiting["frames"]
    jobs_begun = Reembedding.objects.filter(version=row.fingerprint).select_related("film")
    done += sum(int(job.film.frame_count * job.part) for job in jobs_begun)
    frames_left = all_films["frames"] - done
    return Progress(
        films_done=all_films["films"] - waiting["films"],
        films=all_films["films"],
        frames_done=done,
        frames=all_films["frames"],
        failed=reembedding.job_of(row).find_given_up().count(),
        seconds_left=frames_left / row.speed if row.speed and frames_left else None,
        is_filled=is_filled(row),
    )


def is_filled(row: EmbeddingModel) -> bool:
    """Return whether the index of a model has all films with their labels."""
    if Film.objects.embedded_otherwise(row.fingerprint).exists():
        return False
    with weights.use(weights.resolve(row)):
        return jobs.is_up_to_date()


def notes() -> list[str]:
    """Return remarks about the models for administrators."""
    rows = weights.kept_rows()
    found = []
    for row in rows[1:]:
        state = row.get_state_display()
        found.append(f"{row.name}: {state}, {progress_of(row)}" + (row.error and f", {row.error}"))
    difference = weights.describe_difference()
    return [*found, difference] if difference else found


# --- switch ---------------------------------------------------------------------------------------


def request_switch(row: EmbeddingModel) -> None:
    """Have all processes that search load a model, then switch to it."""
    EmbeddingModel.objects.filter(pk=row.pk, state__in=[State.FILLING, State.PREVIOUS]).update(
        is_next=True, switches_itself=False
    )


def cancel_switch(row: EmbeddingModel) -> None:
    """Withdraw the request for a switch."""
    EmbeddingModel.objects.filter(pk=row.pk).update(is_next=False)


def switch_when_ready(*, is_forced: bool = False) -> list[str]:
    """Switch to the next model, if there is one, once all processes have loaded it. Call regularly.

    A model with `switches_itself` is next as soon as it is filled. `is_forced`: do not wait until
    it is loaded. Return the processes that have not loaded it yet. Raises IndexUnavailable.
    """
    row = other_row()
    if row is None or not (row.is_next or row.switches_itself):
        return []
    if row.switches_itself and not (row.state == State.FILLING and is_filled(row)):
        return []
    if not row.is_next:
        EmbeddingModel.objects.filter(pk=row.pk).update(is_next=True)
    unready = warming.find_unready(row.fingerprint)
    if unready and not is_forced:
        log.info("waiting for %s to be loaded by %s", row.name, ", ".join(unready))
    else:
        _switch_to(row)
    return unready


def _switch_to(row: EmbeddingModel) -> None:
    with transaction.atomic():
        rows = EmbeddingModel.objects.select_for_update()
        if not rows.filter(pk=row.pk, is_next=True).exists():
            return  # it was discarded, or another process switched first
        rows.filter(state=State.ACTIVE).update(state=State.PREVIOUS, switches_itself=False)
        rows.filter(pk=row.pk).update(
            state=State.ACTIVE, is_next=False, switches_itself=False, switched_at=timezone.now()
        )
    log.info("searches now use the model %s", row.name)


def discard(row: EmbeddingModel) -> None:
    """Remove the vectors of a model that is not active, in the background.

    Films that it imported adopt those of the active model. Raises GalleryError if it is active.
    """
    removed = EmbeddingModel.objects.filter(
        pk=row.pk, state__in=[State.FILLING, State.PREVIOUS]
    ).update(state=State.DISCARDED, is_next=False)
    if not removed:
        raise GalleryError(_("This model is in use. Switch to another one first."))
    # Workers that are embedding films with it notice this in `FilmJob.check_exists`.
    Reembedding.objects.filter(version=row.fingerprint).delete()
