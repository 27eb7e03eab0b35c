"""What pages of several features need of a film."""

from django.shortcuts import get_object_or_404
from django.urls import reverse

from gallery.films import catalogue
from gallery.films.catalogue import ListedFilm
from gallery.films.models import Film


def film_or_404(film_id: int) -> Film:
    """A film that can be looked at. Raises Http404."""
    return get_object_or_404(Film, pk=film_id, searchable_run__isnull=False)


def nearest_frame(film: Film, time: float) -> int | None:
    """The frame shown at a time of a film, or one close to it; None when there is none nearby."""
    here = int(time)
    around = (here, here - 1, here + 1, here - 2, here + 2)
    return next((s for s in around if s >= 0 and catalogue.has_frame(film, s)), None)


def thumbnail_url(film: Film | ListedFilm, second: int) -> str:
    """Where a frame's small picture is served. It changes with every import: cache it for ever."""
    return reverse("thumbnail", args=[film.uid, film.searchable_run or film.run, second])
