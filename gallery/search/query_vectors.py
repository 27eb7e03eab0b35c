"""What a query asks for becomes one vector, and what it avoids a penalty.

Each part is a term with a weight. Terms are put on one scale before they are added: a term's
cosines are divided by their spread over ordinary frames, so that a picture, whose cosines vary
several times as much as those of words, does not drown the words beside it. Hits marked as right
or wrong are folded in as Rocchio did (1971, "Relevance feedback in information retrieval";
Manning et al., 2008, "Introduction to Information Retrieval", section 9.1.1).

What is avoided is no part of the vector: a vector that points away from snow finds what is least
like snow, a forest rather than the dog that was asked for. Instead a frame loses in rank what it
shows of it, and one that shows none of it loses nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from django.conf import settings
from django.utils.translation import gettext as _

from gallery.clip import encoder, weights
from gallery.clip.types import Vector, Vectors
from gallery.core.errors import QueryError
from gallery.index import frame_index
from gallery.index.types import FrameKey
from gallery.search import pictures
from gallery.search.baseline import LibraryBaseline
from gallery.search.types import Example, Query

MAX_AVOIDED = 20  # things in one query: each is embedded by itself
AVOIDED = 1.0  # the weight of words to avoid, against 1 for those that are asked for,
UNSEEN = 0.5  # from so many standard deviations above an ordinary frame on
MORE = 0.75  # Rocchio's weight of the mean of the hits marked as right ...
LESS = -0.4  # ... and of those marked as wrong
SAME = 0.999  # the cosine of words that mean the same


@dataclass(frozen=True, slots=True)
class Term:
    """A part of a query: a unit vector of shape (width,), and how much it counts.

    A frame fits the term from the cosine `fit` on.
    """

    vector: Vector
    weight: float
    fit: float


@dataclass(frozen=True, slots=True)
class Avoided:
    """What frames should not show: a unit vector of shape (width,).

    `mean` and `spread` are those of the cosines of ordinary frames with it.
    """

    vector: Vector
    mean: float
    spread: float

    def penalties(self, rows: Vectors) -> Vector:
        """What frames, of shape (n, width), lose: shape (n,), in spreads of ordinary cosines."""
        above = (rows @ self.vector - self.mean) / self.spread - UNSEEN
        return np.asarray(AVOIDED * np.maximum(above, 0.0), np.float32)


def check_length(words: str) -> None:
    """Raise QueryError when a query has more characters than are accepted."""
    if len(words) > settings.MAX_QUERY_CHARACTERS:
        raise QueryError(
            _(
                "The query is too long: %(given)d characters (limit: %(most)d). A short "
                "description of the scene works best."
            )
            % {"given": len(words), "most": settings.MAX_QUERY_CHARACTERS}
        )


def embed_words(words: str) -> Vector:
    """The embedding of a text, shape (width,), remembered. Raises QueryError when too long."""
    check_length(words)
    return _of_words(words.strip(), weights.current().fingerprint)


@lru_cache(maxsize=1024)
def _of_words(words: str, fingerprint: str) -> Vector:  # noqa: ARG001 - part of the key
    return encoder.current().text(words)


def load_frame_vector(key: FrameKey) -> Vector:
    """The embedding of a frame of the index, shape (width,). Raises QueryError when not there."""
    found = frame_index.current().vector(*key)
    if found is None:
        raise QueryError(
            _(
                "This frame is not in the index. Its film was deleted or uses another model; "
                "an administrator can run manage.py reembed."
            )
        )
    return found


def embed_example(example: Example) -> Vector:
    """The embedding of a frame or of an uploaded picture, shape (width,). Raises QueryError."""
    return (
        load_frame_vector(example.frame)
        if example.frame
        else _likest(pictures.vectors(example.picture))
    )


def _likest(variants: Vectors) -> Vector:
    """Of a picture's variants, the one that some frame of the library resembles most."""
    here = frame_index.current()
    nearest = [here.nearest(variant, 1) for variant in variants]
    scores = [found[0].score if found else -np.inf for found in nearest]
    return np.asarray(variants[int(np.argmax(scores))], np.float32)


def build_terms(query: Query, ordinary: LibraryBaseline) -> list[Term]:
    """The parts of a query. Raises QueryError for what cannot be embedded."""
    check_length(query.words + query.avoid)
    found = []
    if query.wanted and query.words_weight:
        fit = ordinary.words_fit(query.wanted)
        found.append(Term(embed_words(query.wanted), query.words_weight, fit))
    found += [
        Term(embed_example(example), example.weight, ordinary.pictures_fit)
        for example in query.examples
        if example.weight
    ]
    for keys, weight in ((query.more, MORE), (query.less, LESS)):
        if keys:
            mean = np.mean([load_frame_vector(key) for key in keys], axis=0)
            unit = np.asarray(mean / np.linalg.norm(mean), np.float32)
            found.append(Term(unit, weight, ordinary.pictures_fit if weight > 0 else np.inf))
    return found


def build_penalty(query: Query, asked: Sequence[Term], ordinary: LibraryBaseline) -> list[Avoided]:
    """What frames should not show. Raises QueryError for too much, and for what is asked for."""
    if len(query.avoided) > MAX_AVOIDED:
        raise QueryError(
            _("You can avoid at most %(most)d things at once.") % {"most": MAX_AVOIDED}
        )
    found = []
    for words in query.avoided:
        vector = embed_words(words)
        if any(term.weight > 0 and float(term.vector @ vector) > SAME for term in asked):
            raise QueryError(_("The search and the words to avoid are the same."))
        found.append(Avoided(vector, *ordinary.level(vector)))
    return found


def combine(parts: Sequence[Term], ordinary: LibraryBaseline) -> Vector:
    """The direction in which frames lie that have most of all terms: shape (width,), unit length.

    Raises QueryError when the terms cancel each other out.
    """
    if len(parts) == 1 and parts[0].weight > 0:
        return parts[0].vector
    total = np.zeros_like(parts[0].vector)
    for part in parts:
        total += part.weight / ordinary.level(part.vector)[1] * part.vector
    length = float(np.linalg.norm(total))
    if length < 1e-6:
        raise QueryError(_("The search and the words to avoid are the same."))
    return np.asarray(total / length, np.float32)
