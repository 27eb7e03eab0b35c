"""Download a board as CSV, EDL, OTIO, a zip of clips or one film."""

import io
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from gallery import tasks
from gallery.boards import export_files, exports, owners
from gallery.boards.csv_table import csv_table
from gallery.boards.film_options import FilmSettings, SubtitleMode, choose_settings
from gallery.boards.film_page import FilmForm, crop_previews
from gallery.boards.models import Board, Export
from gallery.boards.page_parts import get_own_board
from gallery.boards.service import scene_url
from gallery.boards.timelines import Edit, TimecodeRate, edit_lists, otio_timeline, timecode_rate_of
from gallery.core import access, rate_limits
from gallery.core.file_names import file_name
from gallery.core.file_responses import send_file
from gallery.films.models import Film
from gallery.transcripts import languages
from gallery.workers import control

CSV = "text/csv; charset=utf-8"
EDL = "text/plain; charset=utf-8"
OTIO = "application/json"
ZIP = "application/zip"
MP4 = "video/mp4"
MAX_NAMED_FILMS = 3  # in a note on films of one odd frame rate


def edits_of(request: HttpRequest, board: Board) -> list[Edit]:
    """Return the scenes of a board as edits, with absolute URLs."""
    return exports.edits_of(board, lambda row: request.build_absolute_uri(scene_url(row)))


def _require_edits(request: HttpRequest, board: Board) -> list[Edit]:
    """Return the scenes of a board as edits. Raises Http404 for an empty board."""
    edits = edits_of(request, board)
    if not edits:
        raise Http404
    return edits


def _download_response(data: str | bytes, content_type: str, name: str) -> HttpResponse:
    response = HttpResponse(data, content_type=content_type)
    response["Content-Disposition"] = content_disposition_header(True, name) or ""
    return response


@require_safe
def table(request: HttpRequest, token: str) -> HttpResponse:
    """Download a board as CSV."""
    board = get_object_or_404(Board, token=token)
    return _download_response(
        csv_table(_require_edits(request, board)), CSV, f"{file_name(board.name)}.csv"
    )


@require_safe
def timeline(request: HttpRequest, token: str) -> HttpResponse:
    """Download a board as OTIO."""
    board = get_object_or_404(Board, token=token)
    text = otio_timeline(board.name, _require_edits(request, board))
    return _download_response(text, OTIO, f"{file_name(board.name)}.otio")


@require_safe
def lists(request: HttpRequest, token: str) -> HttpResponse:
    """Download a board as an edit decision list, or as a zip of several."""
    board = get_object_or_404(Board, token=token)
    lists_by_name = edit_lists(board.name, _require_edits(request, board))
    if len(lists_by_name) == 1:
        name, text = next(iter(lists_by_name.items()))
        return _download_response(text, EDL, name)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in lists_by_name.items():
            archive.writestr(name, text)
    return _download_response(packed.getvalue(), ZIP, f"{file_name(board.name)} EDL.zip")


def edit_list_context(board: Board) -> dict[str, Any]:
    """Return the frame rates of a board's edit lists, and the films converted to another rate.

    Those are grouped by their own rate, 0 where it is unknown.
    """
    films = Film.objects.filter(pk__in=board.scenes.order_by().values("film"))
    rates = {film: timecode_rate_of(film) for film in films}
    converted: dict[Fraction, list[Film]] = {}
    for film, rate in rates.items():
        if not rate.matches(film):
            converted.setdefault(film.rate, []).append(film)
    return {
        "rates": sorted({str(rate) for rate in rates.values()}),
        "odd": [(rate, _name_films(films)) for rate, films in sorted(converted.items())],
    }


def _name_films(films: list[Film]) -> str:
    """Return the names of some of the films, and how many more there are."""
    named = [str(film) for film in films[:MAX_NAMED_FILMS]]
    if more := len(films) - len(named):
        named.append(ngettext("%(n)d more film", "%(n)d more films", more) % {"n": more})
    return pgettext("between films", ", ").join(named)


# --- exports that workers make --------------------------------------------------------------------


@require_POST
def request_export(request: HttpRequest, token: str) -> HttpResponse:
    """Start the zip of a board's clips, unless a current one exists."""
    board = get_object_or_404(Board, token=token)
    if not access.may_download(request.user):
        return downloads_forbidden(request)
    rate_limits.check_rate(request, "board", settings.BOARD_RATE)
    return start_export(board, edits_of(request, board))


@require_http_methods(["GET", "HEAD", "POST"])
def export_film(request: HttpRequest, token: str) -> HttpResponse:
    """Show the choices for making one film of a board; POST starts it."""
    board = get_object_or_404(Board, token=token)
    if not access.may_download(request.user):
        return downloads_forbidden(request)
    edits = _require_edits(request, board)
    form = FilmForm(edits, request.POST or None)
    if request.method == "POST" and form.is_valid():
        rate_limits.check_rate(request, "board", settings.BOARD_RATE)
        return start_export(board, edits, choose_settings(form.get_choices(), edits))
    context = {"board": board, "form": form, "previews": crop_previews(board)}
    status = HTTPStatus.BAD_REQUEST if form.errors else HTTPStatus.OK
    return render(request, "gallery/boards/film.html", context, status=status)


def start_export(board: Board, edits: list[Edit], film: FilmSettings | None = None) -> HttpResponse:
    """Start an export, or find the one that exists, and show it on the page of its board."""
    export = exports.request_export(board, edits, film)
    if export.state == Export.State.WAITING:
        tasks.queue_export(export)
    return redirect(f"{board.get_absolute_url()}#export-{export.token}")


@require_safe
def progress(request: HttpRequest, token: str, export: str) -> HttpResponse:
    """Render the progress of an export, for htmx."""
    row = get_object_or_404(Export, token=export, board__token=token)
    context = {
        "board": row.board,
        "mine": owners.owns(owners.visitor_of(request), row.board),
        "may_save": access.may_download(request.user),
        "shown": ShownExport.of(row),
    }
    return render(request, "gallery/boards/_export.html", context)


@dataclass(frozen=True, slots=True)
class ShownExport:
    """An export on the page of its board.

    `size` is that of its file in bytes, `made_at` when that was finished, None while there is none.
    """

    export: Export
    progress: exports.Progress
    size: int = 0
    made_at: datetime | None = None
    is_outdated: bool = False
    is_queue_unreachable: bool = False

    @classmethod
    def of(cls, export: Export) -> "ShownExport":
        """Look an export up."""
        is_done = export.state == Export.State.DONE
        is_waiting = export.state == Export.State.WAITING and not export.started
        path = export_files.result_path(export)
        file = path.stat() if is_done and path.is_file() else None
        return cls(
            export=export,
            progress=exports.progress_of(export),
            size=file.st_size if file else 0,
            made_at=datetime.fromtimestamp(file.st_mtime, UTC) if file else None,
            is_outdated=is_done and exports.is_outdated(export),
            is_queue_unreachable=is_waiting and not control.is_queue_reachable(),
        )

    @property
    def is_active(self) -> bool:
        """Return whether it is waiting or running."""
        return self.export.state in exports.ACTIVE

    @property
    def is_film(self) -> bool:
        """Return whether it is one film, not a zip."""
        return self.export.kind == Export.Kind.FILM

    @property
    def details(self) -> str:
        """Return how a film looks: its shape, size, rate, fit, subtitles and texts, in words."""
        film = FilmSettings(**self.export.plan["film"])
        rate = _("%(rate)s fps") % {"rate": TimecodeRate(Fraction(film.rate))}
        said = [film.shape, f"{film.width} × {film.height}", rate, _subtitles_of(film)]
        said += [
            text
            for is_set, text in (
                (film.crops, _("cropped")),
                (film.has_source, _("with film titles")),
                (film.has_timecode, _("with a running timecode")),
            )
            if is_set
        ]
        return " · ".join(filter(None, said))

    @property
    def number(self) -> int:
        """Return the number of the scene that is being made, from 1."""
        return min(self.export.done_count + 1, self.export.total_count)

    @property
    def is_joining(self) -> bool:
        """Return whether all scenes are made."""
        return self.export.done_count == self.export.total_count


def _subtitles_of(film: FilmSettings) -> str:
    """Describe the subtitles of a film."""
    if film.subtitles == SubtitleMode.NONE:
        return _("no subtitles")
    language = languages.name(film.language)
    if film.subtitles == SubtitleMode.TRACK:
        return _("subtitles as a track: %(language)s") % {"language": language}
    return _("subtitles in the picture: %(language)s") % {"language": language}


@require_POST
def stop(request: HttpRequest, token: str, export: str) -> HttpResponse:
    """Cancel or remove an export."""
    board = get_own_board(request, token)
    exports.cancel_export(get_object_or_404(Export, board=board, token=export))
    return redirect(board)


@require_safe
def download(request: HttpRequest, token: str, export: str) -> HttpResponseBase:
    """Download the file of an export."""
    row = get_object_or_404(Export, token=export, board__token=token, state=Export.State.DONE)
    if not access.may_download(request.user):
        return downloads_forbidden(request)
    path = export_files.result_path(row)
    content_type = MP4 if row.kind == Export.Kind.FILM else ZIP
    name = f"{file_name(row.plan['name'])}{path.suffix}"
    try:
        return send_file(request, path, content_type, download_as=name)
    except FileNotFoundError:
        message = _("This file expired after one day. Create it again on the board page.")
        return render(request, "gallery/error.html", {"message": message}, status=HTTPStatus.GONE)


def downloads_forbidden(request: HttpRequest) -> HttpResponse:
    """Refuse a user who may not save clips."""
    message = _("Downloads are restricted on this site (DOWNLOADS_FOR). Try logging in.")
    return render(request, "gallery/error.html", {"message": message}, status=HTTPStatus.FORBIDDEN)
