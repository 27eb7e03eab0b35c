"""What is not a page of the gallery: health, and pages for what went wrong."""

import sys
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from gallery.core.disk import is_disk_full
from gallery.core.errors import DiskFull, GalleryError
from gallery.films import catalogue, rebuilding
from gallery.films.models import Film
from gallery.importing import liveness
from gallery.index import frame_index


@require_safe
def health(_request: HttpRequest) -> JsonResponse:
    """Whether this process can answer searches; for load balancers and health checks.

    An index that is being rebuilt answers, with the films that it has. Without a worker
    films wait, but searches are answered: that is said, and is no failure.
    """
    state: dict[str, Any] = {"database": "ok", "index": "ok"}
    status = HTTPStatus.OK
    Film.objects.exists()
    try:
        here = frame_index.current()
        here.ensure()
        state["frames"] = here.status().frames
        found = rebuilding.state(catalogue.load_catalogue())
        if found is not None:
            state |= {
                "index": "rebuilding",
                "searchable_films": found.searchable,
                "films": found.films,
                "seconds_left": found.seconds_left,
            }
    except GalleryError as error:
        state["index"], status = str(error), HTTPStatus.SERVICE_UNAVAILABLE
    alive = liveness.is_worker_alive()
    state["worker"] = "ok" if alive else "no sign of life from a worker; films wait"
    return JsonResponse(state, status=status)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    """There is no such page."""
    message = _("This page does not exist. The film may have been deleted.")
    return render(request, "gallery/error.html", {"message": message, "nowhere": True}, status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Something unexpected happened; or the disk is full, where no view could tell it.

    A session, for example, is saved after the view has ended.
    """
    error = sys.exc_info()[1]
    if error is not None and is_disk_full(error):
        full = {"message": str(DiskFull())}
        return render(request, "gallery/error.html", full, status=HTTPStatus.INSUFFICIENT_STORAGE)
    message = _("Something went wrong. Nothing was lost; see the log for details.")
    return render(request, "gallery/error.html", {"message": message}, status=500)
