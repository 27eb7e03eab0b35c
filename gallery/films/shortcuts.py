"""Functions on films that the pages of several features need."""

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.urls import reverse

from gallery.films import catalogue
from gallery.films.catalogue import ListedFilm
from gallery.films.models import Film, Shot


def film_or_404(film_id: int) -> Film:
    """Return a searchable film. Raises Http404."""
    return get_object_or_404(Film, pk=film_id, searchable_run__isnull=False)


def frame_or_404(film_id: int, second: int) -> Film:
    """Return a searchable film that has a frame for this second. Raises Http404."""
    film = film_or_404(film_id)
    if second > 999_999_999 or not catalogue.has_frame(film, second):
        raise Http404
    return film


def shot_at(film: Film, time: float) -> Shot | None:
    """Return the shot that is shown at a time (seconds), or the last one before it."""
    return Shot.objects.filter(film=film, start__lte=time + 1e-6).last()


def nearest_frame(film: Film, time: float) -> int | None:
    """Return the second of the frame shown at a time, or of one within 2 s; None without any."""
    second = int(time)
    nearby = (second, second - 1, second + 1, second - 2, second + 2)
    return next((s for s in nearby if s >= 0 and catalogue.has_frame(film, s)), None)


def thumbnail_url(film: Film | ListedFilm, second: int) -> str:
    """Return the URL of a frame's thumbnail, cached forever: it changes with every import."""
    return reverse("thumbnail", args=[film.uid, film.searchable_run or film.run, second])
