"""What several pages share."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.cache import cache_control
from django.views.decorators.vary import vary_on_headers

from gallery import rate_limits
from gallery.models import Film
from gallery.nearest import library

View = Callable[..., HttpResponseBase]

# The same address gives a page or a part of it: browsers must not take one for the other.
BY_HTMX = vary_on_headers("HX-Request", "HX-Target")
KEPT_FOR_EVER = {"public": True, "max_age": 31_536_000, "immutable": True}
FOR_EVER = cache_control(**KEPT_FOR_EVER)


def rate_limited(name: str, setting: str) -> Callable[[View], View]:
    """Have a view count its requests, and refuse them beyond the rate that a setting gives."""

    def decorate(view: View) -> View:
        @wraps(view)
        def limited(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            rate_limits.check(request, name, getattr(settings, setting))
            return view(request, *args, **kwargs)

        return limited

    return decorate


SEARCHES = rate_limited("search", "SEARCH_RATE")


def film_or_404(film_id: int) -> Film:
    """A film that can be looked at. Raises Http404."""
    return get_object_or_404(Film, pk=film_id, searchable_run__isnull=False)


def nearest_frame(film: Film, time: float) -> int | None:
    """The frame shown at a time of a film, or one close to it; None when there is none nearby."""
    here = int(time)
    around = (here, here - 1, here + 1, here - 2, here + 2)
    return next((s for s in around if s >= 0 and library.has_frame(film, s)), None)


def jpeg(path: Path) -> HttpResponseBase:
    """Answer with a picture; 404 when there is none."""
    try:
        return FileResponse(path.open("rb"), content_type="image/jpeg")
    except FileNotFoundError as error:
        raise Http404 from error
