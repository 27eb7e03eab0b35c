"""A board taken along: as a table, as edit lists, as OTIO, and as a zip of clips."""

import io
import zipfile
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from gallery import tasks
from gallery.boards import exports, service
from gallery.boards.csv_table import csv_table
from gallery.boards.models import Board, Export
from gallery.boards.page_parts import own_board
from gallery.boards.service import scene_url
from gallery.boards.timelines import TimelineClip, counting_of, edit_lists, otio_timeline
from gallery.core import access, rate_limits
from gallery.core.errors import BoardError
from gallery.core.file_names import file_name
from gallery.core.file_responses import send_file
from gallery.films.models import Film

CSV = "text/csv; charset=utf-8"
EDL = "text/plain; charset=utf-8"
OTIO = "application/json"
ZIP = "application/zip"


def _all_cuts(request: HttpRequest, board: Board) -> list[TimelineClip]:
    """The scenes of a board, with addresses that work elsewhere."""
    return exports.cuts_of(board, lambda row: request.build_absolute_uri(scene_url(row)))


def _cuts(request: HttpRequest, board: Board) -> list[TimelineClip]:
    """The same. Raises Http404 for none: there is nothing to list."""
    cuts = _all_cuts(request, board)
    if not cuts:
        raise Http404
    return cuts


def _attached(data: str | bytes, content_type: str, name: str) -> HttpResponse:
    response = HttpResponse(data, content_type=content_type)
    response["Content-Disposition"] = content_disposition_header(True, name) or ""
    return response


@require_safe
def table(request: HttpRequest, token: str) -> HttpResponse:
    """A board as CSV."""
    board = get_object_or_404(Board, token=token)
    return _attached(csv_table(_cuts(request, board)), CSV, f"{file_name(board.name)}.csv")


@require_safe
def timeline(request: HttpRequest, token: str) -> HttpResponse:
    """A board as OTIO."""
    board = get_object_or_404(Board, token=token)
    text = otio_timeline(board.name, _cuts(request, board))
    return _attached(text, OTIO, f"{file_name(board.name)}.otio")


@require_safe
def lists(request: HttpRequest, token: str) -> HttpResponse:
    """A board as an edit decision list, or as a zip of several."""
    board = get_object_or_404(Board, token=token)
    made = edit_lists(board.name, _cuts(request, board))
    if len(made) == 1:
        name, text = next(iter(made.items()))
        return _attached(text, EDL, name)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in made.items():
            archive.writestr(name, text)
    return _attached(packed.getvalue(), ZIP, f"{file_name(board.name)} EDL.zip")


def about_lists(board: Board) -> dict[str, Any]:
    """What the export menu says: the frame rates of a board's lists, and the films counted anew."""
    films = Film.objects.filter(pk__in=board.scenes.order_by().values("film"))
    countings = {film: counting_of(film) for film in films}
    odd = [film for film, counting in countings.items() if not counting.counts(film)]
    return {"rates": sorted({str(counting) for counting in countings.values()}), "odd": odd}


# --- the zip of clips ---------------------------------------------------------------------------


@require_POST
def ask(request: HttpRequest, token: str) -> HttpResponse:
    """Begin the zip of a board's clips, or find the one that is there or under way."""
    board = get_object_or_404(Board, token=token)
    if not access.may_download(request.user):
        return _refused(request)
    rate_limits.check_rate(request, "board", settings.BOARD_RATE)
    try:
        export = exports.request_export(board, _all_cuts(request, board))
    except BoardError as error:
        return render(request, "gallery/error.html", {"message": str(error)}, status=400)
    if export.state == Export.State.WAITING:
        tasks.queue_export(export)
    return redirect(f"{board.get_absolute_url()}#export")


@require_safe
def progress(request: HttpRequest, token: str, export: str) -> HttpResponse:
    """How far a zip is, for htmx."""
    row = get_object_or_404(Export, token=export, board__token=token)
    mine = service.owns(service.visitor_of(request), row.board)
    context = {"board": row.board, "mine": mine, **about(request, row)}
    return render(request, "gallery/_export.html", context)


def about(request: HttpRequest, export: Export | None) -> dict[str, Any]:
    """What the page shows of an export."""
    shown: dict[str, Any] = {"export": export, "may_save": access.may_download(request.user)}
    if export is None:
        return shown
    shown["active"] = export.state in exports.ACTIVE
    shown["progress"] = exports.progress_of(export)
    if export.state == Export.State.DONE:
        path = exports.zip_of(export)
        shown["size"] = path.stat().st_size if path.is_file() else 0
    if export.state == Export.State.WAITING and not export.started:
        shown["queue_error"] = not tasks.is_queue_reachable()
    return shown


@require_POST
def stop(request: HttpRequest, token: str, export: str) -> HttpResponse:
    """Give up a zip, or remove it."""
    board = own_board(request, token)
    exports.cancel_export(get_object_or_404(Export, board=board, token=export))
    return redirect(board)


@require_safe
def download(request: HttpRequest, token: str, export: str) -> HttpResponseBase:
    """The zip of a board's clips."""
    row = get_object_or_404(Export, token=export, board__token=token, state=Export.State.DONE)
    if not access.may_download(request.user):
        return _refused(request)
    name = f"{file_name(row.plan['name'])}.zip"
    try:
        return send_file(request, exports.zip_of(row), ZIP, download_as=name)
    except FileNotFoundError:
        message = _("This ZIP expired after one day. Create it again on the board page.")
        return render(request, "gallery/error.html", {"message": message}, status=HTTPStatus.GONE)


def _refused(request: HttpRequest) -> HttpResponse:
    """Tell somebody who may not save clips."""
    message = _("Downloads are restricted on this site (DOWNLOADS_FOR). Try logging in.")
    return render(request, "gallery/error.html", {"message": message}, status=HTTPStatus.FORBIDDEN)
