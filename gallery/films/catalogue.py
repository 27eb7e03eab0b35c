"""The searchable films: those whose frames are in the index of the active model."""

from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

from gallery.clip import weights
from gallery.films.models import Film, FilmQuerySet, thumbnail_shape
from gallery.index import frame_index

YearRange = tuple[int | None, int | None]
"""The first and last year, None if open."""


class ListedFilm(NamedTuple):
    """What a hit, or a list of films to choose from, shows of a film."""

    pk: int
    title: str
    year: int | None
    uid: str
    searchable_run: int
    run: int
    shot_count: int
    frame_count: int
    rate_numerator: int
    rate_denominator: int
    is_searchable: bool
    state: str
    original_name: str
    shape: float = 0.0
    width: int = 0
    height: int = 0

    def __str__(self) -> str:
        return f"{self.title} ({self.year})" if self.year else self.title

    @property
    def thumbnail_shape(self) -> float:
        """The width of its thumbnails divided by their height."""
        return thumbnail_shape(self.shape, self.width, self.height)

    @property
    def rate(self) -> Fraction:
        """Frames per second."""
        return Fraction(self.rate_numerator, self.rate_denominator)


@dataclass(frozen=True)
class Catalogue:
    """All films with searchable frames of any model, by id, in order of title."""

    films: dict[int, ListedFilm]

    @cached_property
    def searchable(self) -> list[ListedFilm]:
        """Films that the model in use can search."""
        return [film for film in self.films.values() if film.is_searchable]

    @property
    def waiting(self) -> int:
        """How many films are not in the index of the model in use: see `waiting_for_model`."""
        return len(self.films) - len(self.searchable)

    def select(self, films: Collection[int], years: YearRange) -> list[ListedFilm]:
        """Return the films among `films` (empty: all) that are from these years.

        A film without a year is only returned if it is among `films`.
        """
        first, last = years
        return [
            film
            for film in self.films.values()
            if (not films or film.pk in films)
            and (
                (bool(films) or not any(years))
                if film.year is None
                else (first or 0) <= film.year <= (last or film.year)
            )
        ]


def load_catalogue() -> Catalogue:
    """Load the current films in one query."""
    films = Film.objects.with_searchability(weights.current().fingerprint)
    rows = films.filter(searchable_run__isnull=False).order_by("title", "pk")
    return Catalogue({row[0]: ListedFilm(*row) for row in rows.values_list(*ListedFilm._fields)})


def has_frame(film: Film, second: int) -> bool:
    """Return whether a searchable film has a frame at a second, even if its thumbnail is missing.

    Raises IndexUnavailable.
    """
    if film.files.run(film.searchable_run or 0).thumbnail(second).is_file():
        return True
    return frame_index.current().time(film.pk, second) is not None


def is_searchable(film: Film) -> bool:
    """Return whether the model in use can search a film."""
    is_own = film.model == weights.current().fingerprint
    return is_own or searchable().filter(pk=film.pk).exists()


def searchable() -> FilmQuerySet:
    """Return the films that the model in use can search."""
    return Film.objects.searchable(weights.current().fingerprint)


def waiting_for_model() -> FilmQuerySet:
    """Return the films that the active model has not embedded yet (`manage.py reembed`)."""
    return Film.objects.embedded_otherwise(weights.current().fingerprint)
