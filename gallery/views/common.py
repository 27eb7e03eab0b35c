"""What several pages share."""

from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase
from django.views.decorators.cache import cache_control
from django.views.decorators.vary import vary_on_headers

from gallery import weights
from gallery.models import Film, FilmQuerySet

# The same address gives a page or a part of it: browsers must not take one for the other.
BY_HTMX = vary_on_headers("HX-Request", "HX-Target")
KEPT_FOR_EVER = {"public": True, "max_age": 31_536_000, "immutable": True}
FOR_EVER = cache_control(**KEPT_FOR_EVER)


def searchable() -> FilmQuerySet:
    """Films that can be searched with the model in use."""
    return Film.objects.searchable(weights.current().fingerprint)


def hosts_of(request: HttpRequest) -> set[str]:
    """The names under which this site is known, with their ports."""
    return {request.get_host(), urlsplit(settings.PUBLIC_URL).netloc} - {""}


def nearest_frame(film: Film, time: float) -> int | None:
    """The frame shown at a time of a film, or one close to it; None when there is none nearby."""
    files = film.files.run(film.searchable_run or 0)
    here = int(time)
    around = (here, here - 1, here + 1, here - 2, here + 2)
    return next((s for s in around if s >= 0 and files.thumbnail(s).is_file()), None)


def jpeg(path: Path) -> HttpResponseBase:
    """Answer with a picture; 404 when there is none."""
    try:
        return FileResponse(path.open("rb"), content_type="image/jpeg")
    except FileNotFoundError as error:
        raise Http404 from error
