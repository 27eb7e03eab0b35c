"""The films, and one film at a glance."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from gallery.models import Film
from gallery.views.common import searchable

FILMS_PER_PAGE = 48
SHOTS_PER_PAGE = 120


@require_safe
def film_list(request: HttpRequest) -> HttpResponse:
    """All films."""
    page = Paginator(searchable(), FILMS_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "gallery/films.html", {"page": page})


@require_safe
def film(request: HttpRequest, film_id: int) -> HttpResponse:
    """A film and its shots in time order."""
    shown = get_object_or_404(Film, pk=film_id, searchable_run__isnull=False)
    page = Paginator(shown.shots.all(), SHOTS_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "gallery/film.html", {"film": shown, "page": page})
