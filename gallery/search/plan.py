"""The plan of a search: its terms, the vector they make, its scope, and what its scores mean."""

from dataclasses import dataclass, replace

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import ArrayLike, NDArray

from gallery.clip.types import Vector, Vectors
from gallery.core.errors import QueryError
from gallery.films.catalogue import Catalogue, ListedFilm
from gallery.index.types import Scope
from gallery.search import baseline, query_vectors
from gallery.search.baseline import LibraryBaseline
from gallery.search.operators import apply_operators
from gallery.search.query_vectors import Avoided, Term
from gallery.search.types import ProbeKind, Query
from gallery.transcripts.types import FoundLine

HITS_PER_FILM = 4  # at most, in a library with enough films to fill a page
MATCH_RATIO = 0.8  # of the best frame's relevance that a frame needs, too, to match words
PARTIAL_LINE_RELEVANCE = 0.5  # of a line that contains only some of the words


@dataclass(frozen=True, slots=True)
class Scale:
    """Converts the cosines of a query to relevance: those of an `ordinary` and of the `best` frame.

    A frame matches at a cosine of `threshold` or above.
    """

    ordinary: float
    best: float
    threshold: float

    def relevance(self, cosines: ArrayLike) -> NDArray[np.float64]:
        """Return 0 for an ordinary frame, 1 for the best: an array of the same shape."""
        if self.best <= self.ordinary:
            return np.zeros_like(cosines, float)
        part = (np.asarray(cosines, float) - self.ordinary) / (self.best - self.ordinary)
        return np.clip(part, 0.0, 1.0)

    def relevance_of(self, cosine: float | None, line: FoundLine | None) -> float:
        """Return the relevance of a frame with this cosine and a matching line, if any: 0 to 1."""
        by_line = 0.0 if line is None else line_relevance(line)
        return by_line if cosine is None else max(by_line, float(self.relevance(cosine)))


def line_relevance(line: FoundLine) -> float:
    """Return 1 for a line that contains all the words, less if it contains only some."""
    return 1.0 if line.complete else PARTIAL_LINE_RELEVANCE


@dataclass(frozen=True, slots=True)
class Plan:
    """A query prepared for searching.

    `vector` is None if pictures are not searched. `max_per_film` limits the hits of one film; None
    means no limit.
    """

    query: Query
    terms: list[Term]
    avoided: list[Avoided]
    vector: Vector | None
    scope: Scope
    baseline: LibraryBaseline
    max_per_film: int | None
    catalogue: Catalogue

    def may_have_more(self, film: ListedFilm) -> bool:
        """Return whether a film has more shots than hits that it may have."""
        return (
            self.vector is not None
            and not self.scope.labels
            and self.max_per_film is not None
            and film.shot_count > self.max_per_film
        )

    def penalties(self, rows: Vectors) -> Vector:
        """Return the penalties on cosines of frames (n, width) for avoided things: shape (n,)."""
        lost = np.zeros(len(rows), np.float32)
        if self.vector is not None:
            spread = self.baseline.mean_std(self.vector)[1]
            for avoided in self.avoided:
                lost += spread * avoided.penalties(rows)
        return lost

    def scale(self, best: float | None) -> Scale:
        """Return what cosines mean, given that of the `best` frame.

        The best frame has full relevance only if it matches. Frames match words that are above the
        threshold of the library and come close to the best frame: a frame that shows half of what
        is asked for is above the threshold, too. For several terms no threshold is known: then
        every hit matches (-1).
        """
        if self.vector is None or best is None:
            return Scale(0.0, 0.0, -1.0)
        ordinary = self.baseline.mean_std(self.vector)[0]
        if len(self.terms) != 1:
            return Scale(ordinary, best, -1.0)
        threshold = self.terms[0].threshold
        full = max(threshold, best)
        if best >= threshold and self.query.kind is ProbeKind.WORDS:
            threshold = max(threshold, ordinary + MATCH_RATIO * (best - ordinary))
        return Scale(ordinary, full, threshold)


def build_plan(query: Query, catalogue: Catalogue) -> Plan:
    """Prepare a query and its operators. Raises QueryError when it asks for nothing."""
    query = apply_operators(query, catalogue)
    if query.kind is None:
        if query.avoided or query.less:
            raise QueryError(
                _(
                    "Add something to search for: words, a picture or a frame. Words to avoid are "
                    "not enough."
                )
            )
        raise QueryError(_("Nothing to search for. Enter words, or add a picture or a frame."))
    film_count = len(catalogue.searchable)
    library = baseline.get_baseline(film_count)
    visual = query if query.mode.line_kind is None else replace(query, words="")
    terms = query_vectors.build_terms(visual, library)
    has_vector = any(term.weight > 0 for term in terms)
    scope = _build_scope(query, catalogue)
    if scope.films is not None:
        film_count = len(scope.films)
    max_per_film = query.per_film
    if max_per_film is None:
        max_per_film = _default_max_per_film(film_count, query.page_size)
    return Plan(
        query=query,
        terms=terms,
        avoided=query_vectors.build_avoided(visual, terms, library) if has_vector else [],
        vector=query_vectors.combine_terms(terms, library) if has_vector else None,
        scope=scope,
        baseline=library,
        max_per_film=max_per_film,
        catalogue=catalogue,
    )


def _default_max_per_film(film_count: int, page_size: int) -> int | None:
    """Return the limit of hits per film: none for a single film, else enough to fill a page."""
    return None if film_count <= 1 else max(HITS_PER_FILM, -(-page_size // film_count))


def _build_scope(query: Query, catalogue: Catalogue) -> Scope:
    films: tuple[int, ...] | None = query.films or None
    if any(query.years):
        films = tuple(film.pk for film in catalogue.select(query.films, query.years))
    return Scope(films=films, labels=query.labels, include_dull=query.single_frame is not None)
