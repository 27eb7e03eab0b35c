"""The films that are being imported, as pages list them."""

from collections.abc import Collection
from typing import Any

from django.http import HttpRequest
from django.utils.http import urlencode

from gallery.films.models import Film

MAX_LISTED = 12


def list_imports(request: HttpRequest, watched: Collection[int] = ()) -> dict[str, Any]:
    """Return the template context of the list: films in their first import, the next ones first.

    Staff see failed imports, too. `watched` are films that the page lists already: they stay until
    it is loaded again, so that it shows how their import ended.
    """
    films = list(Film.objects.in_first_import().order_by("pk")[:MAX_LISTED])
    are_running = bool(films)
    if request.user.is_staff:
        films += Film.objects.failed()[:MAX_LISTED]
    listed = {film.pk for film in films}
    films += Film.objects.filter(pk__in=set(watched) - listed)
    return {
        "imports": films,
        "are_running": are_running,
        "watched": urlencode([("film", film.pk) for film in films]),
    }
