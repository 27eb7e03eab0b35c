"""Zero-shot labels: which shots carry them, computed from stored vectors without embedding any
frame.

A cosine between words and a picture means little on its own: it lies in a narrow band that differs
from prompt to prompt and from model to model (https://github.com/openai/CLIP/issues/405), so no
threshold suits two labels. The score of a frame is therefore how many standard deviations its
cosine lies above the mean of the library's ordinary frames. This is zero normalization, which
speaker verification uses for the same reason (Auckenthaler et al., 2000, "Score Normalization for
Text-Independent Speaker Verification Systems"). An ordinary frame scores 0 for every prompt. The
score of a label is that of its best prompt, and the score of a shot that of its best frame.

The mean and the standard deviation are measured once per label and then kept: the score of a film
does not change when others are added. They are measured again when the prompts or the model change.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone
from numpy.typing import NDArray

from gallery.clip import weights
from gallery.films.catalogue import searchable, waiting_for_model
from gallery.films.models import Film, FilmVectors
from gallery.index.types import FrameRecord
from gallery.labels.models import Label, LabelCount
from gallery.media.types import FrameKind
from gallery.search import baseline, query_vectors

MAX_PROMPTS = 20

Levels = Mapping[str, tuple[float, float]]
"""The mean and the standard deviation of ordinary frames' cosines, by prompt."""

Scores = NDArray[np.float32]
"""Standard deviations above an ordinary frame, for each frame: shape (n,)."""


# --- scores -------------------------------------------------------------------------------------


def parse_prompts(text: str) -> tuple[str, ...]:
    """Return the prompts in a text, one a line, without duplicates, cut to the maximum length."""
    lines = (line.strip()[: settings.MAX_QUERY_CHARACTERS] for line in text.splitlines())
    return tuple(dict.fromkeys(line for line in lines if line))


def score_frames(embeddings: NDArray[np.floating[Any]], levels: Levels) -> Scores:
    """Return the scores of frames: `embeddings` has shape (n, width), float16 or float32.

    Only the prompts are embedded, and cached.
    """
    rows = embeddings.astype(np.float32)
    # Rounded to 16 bits, their length is not exactly 1.
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    prompts = np.stack([query_vectors.embed_words(prompt) for prompt in levels])
    means, spreads = np.array(list(levels.values()), np.float32).T
    found: Scores = (((rows @ prompts.T) - means) / spreads).max(axis=1)
    return found


def measure_levels(prompts: Iterable[str]) -> Levels | None:
    """Measure prompts against the current library; return None while it has no frames."""
    film_count = searchable().count()
    library = baseline.get_baseline(film_count) if film_count else None
    if library is None or len(library.frames) < 2:
        return None
    return {prompt: library.mean_std(query_vectors.embed_words(prompt)) for prompt in prompts}


def levels_of(label: Label) -> Levels | None:
    """Return the measured levels of a label's prompts for the model in use, or None."""
    measured = _scale_of(label).get("levels", {})
    prompts = parse_prompts(label.prompts)
    if not prompts or any(prompt not in measured for prompt in prompts):
        return None
    return {prompt: (measured[prompt][0], measured[prompt][1]) for prompt in prompts}


def has_preliminary_levels(label: Label) -> bool:
    """Return whether the levels for the model in use were measured while films were missing."""
    return bool(_scale_of(label).get("preliminary"))


def _scale_of(label: Label) -> dict[str, Any]:
    """Return what a label stores for the model in use; empty if it was not measured."""
    found: dict[str, Any] = label.scale.get(weights.current().fingerprint, {})
    return found


def to_scale(levels: Levels, known: Mapping[str, object] | None = None) -> dict[str, object]:
    """Return a label's `scale` with these levels for the model in use.

    `known` is the scale with the levels for other models. Levels measured while films wait for
    re-embedding are preliminary.
    """
    measured = {
        "levels": {prompt: list(level) for prompt, level in levels.items()},
        "preliminary": waiting_for_model().exists(),
    }
    return {**(known or {}), weights.current().fingerprint: measured}


# --- the labels of one film ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FilmLabels:
    """The labels of a film: label ids by second, and numbers of shots by label id.

    `state` identifies the labels, with everything their scores depend on.
    """

    state: str
    by_second: Mapping[int, Sequence[int]]
    shots: Mapping[int, int]


def labels_state(labels: Iterable[Label]) -> str:
    """Return a hash of these labels that changes whenever one of them could select other shots."""
    parts = [
        [label.pk, label.threshold, sorted((levels_of(label) or {}).items())] for label in labels
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def measured_labels() -> list[Label]:
    """Return the labels that can be computed now, ordered by id."""
    return [label for label in Label.objects.order_by("pk") if levels_of(label) is not None]


def compute_labels(
    rows: Sequence[FrameRecord], embeddings: NDArray[np.floating[Any]]
) -> FilmLabels:
    """Return the labels that a film's shots carry; `embeddings` has shape (len(rows), width)."""
    labels = measured_labels()
    shots = np.array([row.shot for row in rows], np.int64)
    is_picture = np.array([row.look is FrameKind.PICTURE for row in rows], bool)
    shots_of: dict[int, set[int]] = {}
    for label in labels:
        scores = score_frames(embeddings, levels_of(label) or {})
        shots_of[label.pk] = set(shots[(scores >= label.threshold) & is_picture].tolist())
    return FilmLabels(
        state=labels_state(labels),
        by_second={
            row.second: [pk for pk, carrying in shots_of.items() if row.shot in carrying]
            for row in rows
        },
        shots={pk: len(carrying) for pk, carrying in shots_of.items()},
    )


def store_labels(film: Film, found: FilmLabels, model: str) -> None:
    """Record in the database which labels of a film were written to the index of a model."""
    with transaction.atomic():
        LabelCount.objects.filter(film=film, model=model).delete()
        existing = set(Label.objects.filter(pk__in=found.shots).values_list("pk", flat=True))
        LabelCount.objects.bulk_create(
            LabelCount(film=film, label_id=pk, model=model, shots=count)
            for pk, count in found.shots.items()
            if count and pk in existing
        )
        record_state(film.pk, model, found.state)


def record_state(film_id: int, model: str, state: str) -> None:
    """Record which labels the film's frames carry in the index of a model."""
    values = {"labelled_as": state, "labelled": timezone.now()}
    Film.objects.filter(pk=film_id, model=model).update(**values)
    FilmVectors.objects.filter(film=film_id, model=model).update(**values)


def remove_counts(film: Film, model: str) -> None:
    """Remove the counts of a film in the index of a model."""
    LabelCount.objects.filter(film=film, model=model).delete()


def remove_other_counts(film: Film, model: str) -> None:
    """Remove the counts of a film in the indexes of other models than this one."""
    LabelCount.objects.filter(film=film).exclude(model=model).delete()


# --- counts for the filters ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ShotCount:
    """A label, and how many shots of the selected films carry it."""

    label: int
    name: str
    shots: int
    films: int


def count_shots(
    films: Collection[int] = (), years: tuple[int | None, int | None] = (None, None)
) -> list[ShotCount]:
    """Return all labels by name, with their shots in these films (none: all) and years."""
    chosen = Q(
        counts__film__searchable_run__isnull=False,
        counts__model=weights.current().fingerprint,
    )
    if films:
        chosen &= Q(counts__film__in=films)
    first, last = years
    of_years = Q()
    if first is not None:
        of_years &= Q(counts__film__year__gte=first)
    if last is not None:
        of_years &= Q(counts__film__year__lte=last)
    # Films without a year are left out, unless they were chosen.
    chosen &= of_years | Q(counts__film__year__isnull=True) if films and of_years else of_years
    found: QuerySet[Label] = Label.objects.order_by("name", "pk")
    return [
        ShotCount(*row)
        for row in found.annotate(
            shots=Coalesce(Sum("counts__shots", filter=chosen), 0),
            films=Count("counts", filter=chosen),
        ).values_list("pk", "name", "shots", "films")
    ]
