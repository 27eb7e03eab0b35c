"""The health check and the error pages."""

import sys
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from gallery.clip import weights
from gallery.core.disk import is_disk_full
from gallery.core.errors import DiskFull, GalleryError
from gallery.films import catalogue, rebuilding
from gallery.films.models import Film
from gallery.index import frame_index
from gallery.workers import records
from imgsearch.queues import DEFAULT_KINDS


@require_safe
def health(_request: HttpRequest) -> JsonResponse:
    """Report whether this process can answer searches, for load balancers.

    Status 503 means that it cannot. While the index is being rebuilt, searches find the films that
    are indexed. Without a worker imports wait: that is reported, but is no failure.
    """
    state: dict[str, Any] = {"database": "ok", "index": "ok"}
    status = HTTPStatus.OK
    Film.objects.exists()
    try:
        here = frame_index.current()
        here.ensure()
        state["frames"] = here.status().frames
        state["models"] = {weights.current().name: "active"} | {
            row.name: row.state for row in weights.kept_rows()[1:]
        }
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
    state["worker"] = _describe_workers()
    return JsonResponse(state, status=status)


def _describe_workers() -> str:
    """Return "ok", or which work has no worker."""
    unserved = records.find_unserved(DEFAULT_KINDS)
    if not unserved:
        return "ok"
    if len(unserved) == len(DEFAULT_KINDS):
        why = "all workers are paused or stopping" if records.read_all() else "no worker is running"
        return f"{why}; imports are waiting"
    return f"no worker takes {', '.join(unserved)}, so these tasks are waiting"


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    """Render the page of error 404."""
    message = _(
        "There is nothing at this address. The film, scene or board may have been deleted, or the "
        "address is incomplete."
    )
    return render(request, "gallery/error.html", {"message": message, "nowhere": True}, status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Render the page of an unexpected error, or of a full disk that no view could handle.

    Sessions, for example, are saved after the view has returned.
    """
    error = sys.exc_info()[1]
    if error is not None and is_disk_full(error):
        full = {"message": str(DiskFull())}
        return render(request, "gallery/error.html", full, status=HTTPStatus.INSUFFICIENT_STORAGE)
    message = _("Something went wrong. Nothing was lost; see the log for details.")
    return render(request, "gallery/error.html", {"message": message}, status=500)
