"""Helpers of views: cache headers, rate limits, JPEG responses."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase
from django.views.decorators.cache import cache_control
from django.views.decorators.vary import vary_on_headers

from gallery.core import rate_limits

View = Callable[..., HttpResponseBase]

# A URL gives a page or a fragment of it: caches must keep them apart.
vary_on_htmx = vary_on_headers("HX-Request", "HX-Target")
FOREVER = {"public": True, "max_age": 31_536_000, "immutable": True}
cache_forever = cache_control(**FOREVER)


def rate_limited(name: str, setting: str) -> Callable[[View], View]:
    """Return a decorator that limits a view to the rate that a setting gives."""

    def decorate(view: View) -> View:
        @wraps(view)
        def limited(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            rate_limits.check_rate(request, name, getattr(settings, setting))
            return view(request, *args, **kwargs)

        return limited

    return decorate


limit_searches = rate_limited("search", "SEARCH_RATE")


def jpeg_response(path: Path) -> HttpResponseBase:
    """Return a JPEG file. Raises Http404 when it does not exist or is empty."""
    try:
        if path.stat().st_size:
            return FileResponse(path.open("rb"), content_type="image/jpeg")
    except FileNotFoundError as error:
        raise Http404 from error
    raise Http404
