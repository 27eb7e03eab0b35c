"""Zero-shot labels: which shots carry them, read from stored vectors; no frame is embedded again.

A cosine between words and a picture says little by itself: it lies in a narrow band that differs
from prompt to prompt and from model to model (https://github.com/openai/CLIP/issues/405), so no
cut-off suits two labels. The score of a frame is therefore how many standard deviations its cosine
lies above that of the library's ordinary frames: zero normalisation, which speaker verification
uses for the same reason (Auckenthaler et al., 2000, "Score Normalization for Text-Independent
Speaker Verification Systems"). 0 is an ordinary frame, under whichever prompt; a label's score is
that of its best prompt; a shot has the score of its best frame.

The mean and the spread are measured once for each label and then stay: what a film scores does not
change because others arrive. They are measured anew when the prompts or the model change.
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
from gallery.films.models import Film
from gallery.index.types import FrameRecord
from gallery.labels.models import Label, LabelCount
from gallery.media.types import FrameKind
from gallery.search import baseline, query_vectors

MAX_PROMPTS = 20

Levels = Mapping[str, tuple[float, float]]
"""For each prompt the mean and the spread of ordinary frames' cosines with it."""

Scores = NDArray[np.float32]
"""Standard deviations above an ordinary frame, one a frame: shape (n,)."""


# --- scores -------------------------------------------------------------------------------------


def prompts_of(text: str) -> tuple[str, ...]:
    """The prompts that a text holds, one a line, each once, and no longer than can be embedded."""
    lines = (line.strip()[: settings.MAX_QUERY_CHARACTERS] for line in text.splitlines())
    return tuple(dict.fromkeys(line for line in lines if line))


def scores(embeddings: NDArray[np.floating[Any]], levels: Levels) -> Scores:
    """What frames score: `embeddings` has shape (n, width), of float16 or float32.

    Only the prompts are embedded, and remembered.
    """
    rows = embeddings.astype(np.float32)
    # Kept with 16 bits, they are a little longer or shorter than 1.
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    prompts = np.stack([query_vectors.embed_words(prompt) for prompt in levels])
    means, spreads = np.array(list(levels.values()), np.float32).T
    found: Scores = (((rows @ prompts.T) - means) / spreads).max(axis=1)
    return found


def measure(prompts: Iterable[str]) -> Levels | None:
    """Measure prompts against the library as it is; None while it has no frames."""
    films = searchable().count()
    usual = baseline.get_baseline(films) if films else None
    if usual is None or len(usual.frames) < 2:
        return None
    return {prompt: usual.level(query_vectors.embed_words(prompt)) for prompt in prompts}


def levels_of(label: Label) -> Levels | None:
    """The levels that were measured for a label's prompts and the model in use, or None."""
    measured = label.scale.get("levels", {})
    prompts = prompts_of(label.prompts)
    if label.scale.get("model") != weights.current().fingerprint or not prompts:
        return None
    if any(prompt not in measured for prompt in prompts):
        return None
    return {prompt: (measured[prompt][0], measured[prompt][1]) for prompt in prompts}


def scale(levels: Levels | None) -> dict[str, object]:
    """Levels as a label keeps them.

    Measured while films are still on their way to another model, they are preliminary.
    """
    if levels is None:
        return {}
    return {
        "model": weights.current().fingerprint,
        "levels": {prompt: list(level) for prompt, level in levels.items()},
        "preliminary": waiting_for_model().exists(),
    }


# --- the labels of one film ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tags:
    """The labels of a film: label ids by second, the number of shots by label id.

    `state` names the labels that were asked for, with all that their scores depend on.
    """

    state: str
    by_second: Mapping[int, Sequence[int]]
    shots: Mapping[int, int]


def state(labels: Iterable[Label]) -> str:
    """A name for these labels: another one as soon as one of them could give other shots."""
    parts = [
        [label.pk, label.threshold, sorted((levels_of(label) or {}).items())] for label in labels
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def measured_labels() -> list[Label]:
    """The labels that can be computed now, by their ids."""
    return [label for label in Label.objects.order_by("pk") if levels_of(label) is not None]


def tags(rows: Sequence[FrameRecord], embeddings: NDArray[np.floating[Any]]) -> Tags:
    """The labels that a film's shots carry; `embeddings` has shape (len(rows), width)."""
    labels = measured_labels()
    shots = np.array([row.shot for row in rows], np.int64)
    shows_something = np.array([row.look is FrameKind.PICTURE for row in rows], bool)
    carrying: dict[int, set[int]] = {}
    for label in labels:
        score = scores(embeddings, levels_of(label) or {})
        carrying[label.pk] = set(shots[(score >= label.threshold) & shows_something].tolist())
    return Tags(
        state(labels),
        {row.second: [pk for pk, some in carrying.items() if row.shot in some] for row in rows},
        {pk: len(some) for pk, some in carrying.items()},
    )


def store_tags(film: Film, found: Tags) -> None:
    """Note in the database what was put into the index for a film."""
    with transaction.atomic():
        LabelCount.objects.filter(film=film).delete()
        there = set(Label.objects.filter(pk__in=found.shots).values_list("pk", flat=True))
        LabelCount.objects.bulk_create(
            LabelCount(film=film, label_id=pk, shots=count)
            for pk, count in found.shots.items()
            if count and pk in there
        )
        Film.objects.filter(pk=film.pk).update(labelled_as=found.state, labelled=timezone.now())


# --- what the filters show ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tally:
    """A label, and how many shots of the chosen films carry it."""

    label: int
    name: str
    shots: int
    films: int


def counts(
    films: Collection[int] = (), years: tuple[int | None, int | None] = (None, None)
) -> list[Tally]:
    """All labels, by name, with the shots that carry them in these films (none: all) and years."""
    chosen = Q(
        counts__film__searchable_run__isnull=False,
        counts__film__model=weights.current().fingerprint,
    )
    if films:
        chosen &= Q(counts__film__in=films)
    first, last = years
    if first is not None:
        chosen &= Q(counts__film__year__gte=first)
    if last is not None:
        chosen &= Q(counts__film__year__lte=last)
    found: QuerySet[Label] = Label.objects.order_by("name", "pk")
    return [
        Tally(*row)
        for row in found.annotate(
            shots=Coalesce(Sum("counts__shots", filter=chosen), 0),
            films=Count("counts", filter=chosen),
        ).values_list("pk", "name", "shots", "films")
    ]
