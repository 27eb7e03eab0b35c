"""Turns the terms of a query into one vector, and what it avoids into penalties.

Each part of a query is a weighted term. A term's cosines are divided by their standard deviation
over ordinary frames before terms are added. Otherwise a picture, whose cosines vary several times
as much as those of words, would drown out the words. Hits marked as right or wrong are folded in
with Rocchio's method (1971, "Relevance feedback in information retrieval"; Manning et al., 2008,
"Introduction to Information Retrieval", section 9.1.1).

Avoided things are not part of the vector. A vector that points away from snow finds whatever is
least like snow, such as a forest, rather than the dog that was asked for. Instead, a frame loses
score in proportion to how much of the avoided thing it shows; a frame that shows none loses
nothing.
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

MAX_AVOIDED = 20  # in one query: each is embedded separately
AVOIDED_WEIGHT = 1.0  # of words to avoid, compared with 1 for those that are searched for
# Standard deviations above an ordinary frame, below which a frame does not show an avoided thing.
MIN_AVOIDED_SCORE = 0.5
RIGHT_WEIGHT = 0.75  # Rocchio's weight of the mean of the hits marked as right
WRONG_WEIGHT = -0.4  # and of those marked as wrong
MIN_COSINE_OF_SYNONYMS = 0.999


@dataclass(frozen=True, slots=True)
class Term:
    """A part of a query: a unit vector of shape (width,), and its weight.

    A frame matches the term at a cosine of `threshold` or above.
    """

    vector: Vector
    weight: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Avoided:
    """Something frames should not show: a unit vector of shape (width,).

    `mean` and `spread` are the mean and standard deviation of ordinary frames' cosines with it.
    """

    vector: Vector
    mean: float
    spread: float

    def penalties(self, rows: Vectors) -> Vector:
        """Return the penalties of frames (n, width): shape (n,), in standard deviations."""
        above = (rows @ self.vector - self.mean) / self.spread - MIN_AVOIDED_SCORE
        return np.asarray(AVOIDED_WEIGHT * np.maximum(above, 0.0), np.float32)


def check_length(words: str) -> None:
    """Raise QueryError when a query is longer than MAX_QUERY_CHARACTERS."""
    if len(words) > settings.MAX_QUERY_CHARACTERS:
        raise QueryError(
            _(
                "The query is too long: %(given)d characters (limit: %(most)d). A short "
                "description of the scene works best."
            )
            % {"given": len(words), "most": settings.MAX_QUERY_CHARACTERS}
        )


def embed_words(words: str) -> Vector:
    """Return the cached embedding of a text, shape (width,). Raises QueryError if too long."""
    check_length(words)
    return _embed_cached(words.strip(), weights.current().fingerprint)


@lru_cache(maxsize=1024)
def _embed_cached(words: str, fingerprint: str) -> Vector:  # noqa: ARG001 - part of the key
    return encoder.current().embed_text(words)


def load_frame_vector(key: FrameKey) -> Vector:
    """Return the embedding of an indexed frame, shape (width,). Raises QueryError if missing."""
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
    """Return the embedding of a frame or an uploaded picture, shape (width,). Raises QueryError."""
    if example.frame:
        return load_frame_vector(example.frame)
    return _most_similar_variant(pictures.vectors(example.picture))


def _most_similar_variant(variants: Vectors) -> Vector:
    """Return the variant of a picture that is most similar to some frame of the library."""
    index = frame_index.current()
    nearest = [index.nearest(variant, 1) for variant in variants]
    scores = [found[0].score if found else -np.inf for found in nearest]
    return np.asarray(variants[int(np.argmax(scores))], np.float32)


def build_terms(query: Query, baseline: LibraryBaseline) -> list[Term]:
    """Return the terms of a query. Raises QueryError for what cannot be embedded."""
    check_length(query.words + query.avoid)
    found = []
    if query.described and query.words_weight:
        threshold = baseline.words_threshold(query.described)
        found.append(Term(embed_words(query.described), query.words_weight, threshold))
    found += [
        Term(embed_example(example), example.weight, baseline.pictures_threshold)
        for example in query.examples
        if example.weight
    ]
    for keys, weight in ((query.more, RIGHT_WEIGHT), (query.less, WRONG_WEIGHT)):
        if keys:
            mean = np.mean([load_frame_vector(key) for key in keys], axis=0)
            unit = np.asarray(mean / np.linalg.norm(mean), np.float32)
            threshold = baseline.pictures_threshold if weight > 0 else np.inf
            found.append(Term(unit, weight, threshold))
    return found


def build_avoided(query: Query, terms: Sequence[Term], baseline: LibraryBaseline) -> list[Avoided]:
    """Return what frames should not show.

    Raises QueryError for too many things, and for one that is also searched for.
    """
    if len(query.avoided) > MAX_AVOIDED:
        raise QueryError(
            _("You can avoid at most %(most)d things at once.") % {"most": MAX_AVOIDED}
        )
    found = []
    for words in query.avoided:
        vector = embed_words(words)
        if any(
            term.weight > 0 and float(term.vector @ vector) > MIN_COSINE_OF_SYNONYMS
            for term in terms
        ):
            raise QueryError(_("The search and the words to avoid are the same."))
        found.append(Avoided(vector, *baseline.mean_std(vector)))
    return found


def combine_terms(terms: Sequence[Term], baseline: LibraryBaseline) -> Vector:
    """Return the direction that scores highest on all terms together: shape (width,), unit length.

    Raises QueryError when the terms cancel each other out.
    """
    if len(terms) == 1 and terms[0].weight > 0:
        return terms[0].vector
    total = np.zeros_like(terms[0].vector)
    for term in terms:
        total += term.weight / baseline.mean_std(term.vector)[1] * term.vector
    length = float(np.linalg.norm(total))
    if length < 1e-6:
        raise QueryError(_("The search and the words to avoid are the same."))
    return np.asarray(total / length, np.float32)
