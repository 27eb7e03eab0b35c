"""What several pages share."""

from pathlib import Path

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import FileResponse, Http404, HttpResponseBase
from django.views.decorators.cache import cache_control
from django.views.decorators.vary import vary_on_headers

from gallery import weights
from gallery.models import Film, FilmQuerySet, Shot

# The same address gives a page or a part of it: browsers must not take one for the other.
BY_HTMX = vary_on_headers("HX-Request", "HX-Target")
FOR_EVER = cache_control(public=True, max_age=31_536_000, immutable=True)


def searchable() -> FilmQuerySet:
    """Films that can be searched with the model in use."""
    return Film.objects.searchable(weights.current().fingerprint)


def with_posters(films: QuerySet[Film]) -> QuerySet[Film]:
    """Films with `poster_second`, the frame that stands for each: the shot a third into it."""
    third = Shot.objects.filter(film=OuterRef("pk"), number__gte=OuterRef("shot_count") / 3)
    return films.annotate(poster_second=Subquery(third.order_by("number").values("second")[:1]))


def jpeg(path: Path) -> HttpResponseBase:
    """Answer with a picture; 404 when there is none."""
    try:
        return FileResponse(path.open("rb"), content_type="image/jpeg")
    except FileNotFoundError as error:
        raise Http404 from error
