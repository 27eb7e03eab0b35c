"""Several scenes at once: add them to a board, or download their clips."""

import re

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from gallery.boards import export_views, owners, service
from gallery.boards.forms import NameForm, SceneForm
from gallery.boards.models import Board
from gallery.boards.owners import Visitor
from gallery.boards.service import Scene
from gallery.core import access, rate_limits
from gallery.core.errors import BoardError

MAX_SELECTED = 200
FIELDS = ("film", "second", "start", "end")
SCENE = re.compile(r"\d{1,9}( \d{1,9}(\.\d{1,9})?){3}")


def _parse_scenes(texts: list[str]) -> list[Scene]:
    """Parse scenes, each "FILM SECOND START END". Raises BoardError for none, or too many."""
    if len(texts) > MAX_SELECTED:
        raise BoardError(
            _("At most %(most)d scenes can be selected at once.") % {"most": MAX_SELECTED}
        )
    scenes = []
    for text in texts:
        form = SceneForm(dict(zip(FIELDS, text.split(), strict=False)))
        if not SCENE.fullmatch(text) or not form.is_valid():
            raise BoardError(_("This selection is not valid. Select the scenes again."))
        scenes.append(form.scene())
    if not scenes:
        raise BoardError(_("No scenes are selected."))
    return scenes


@require_safe
def choose(request: HttpRequest) -> HttpResponse:
    """Show the boards to which the selected scenes can be added, for htmx."""
    if not request.htmx:  # type: ignore[attr-defined]
        return redirect("boards")
    try:
        scenes = _parse_scenes(request.GET.getlist("scene"))
    except BoardError as error:
        return _render_toast(request, error=str(error))
    context = {
        "boards": service.with_totals(service.boards_of(owners.visitor_of(request))),
        "scenes": request.GET.getlist("scene"),
        "count": len(scenes),
    }
    return render(request, "gallery/boards/_choose_for_selection.html", context)


@require_POST
def collect(request: HttpRequest) -> HttpResponse:
    """Add the selected scenes to a board of the visitor, or to a new one: all or none."""
    try:
        scenes = _parse_scenes(request.POST.getlist("scene"))
        visitor = owners.ensure_visitor(request)
        board = service.collect_scenes(visitor, scenes, _target(request, visitor))
    except BoardError as error:
        return _render_toast(request, error=str(error))
    return _render_toast(request, board=board, scenes=scenes)


def _target(request: HttpRequest, visitor: Visitor) -> Board | str:
    """Return the board in a request, or the name of a new one. Raises Http404, BoardError."""
    if token := request.POST.get("board", "").replace("\0", ""):
        return get_object_or_404(service.boards_of(visitor), token=token)
    form = NameForm(request.POST)
    if not form.is_valid():
        raise BoardError(" ".join(map(str, form.errors["name"])))
    return str(form.cleaned_data["name"])


def _render_toast(
    request: HttpRequest,
    error: str = "",
    board: Board | None = None,
    scenes: list[Scene] | None = None,
) -> HttpResponse:
    """Render what was added, or why not. The buttons of the scenes' cards change, too."""
    context = {"error": error, "board": board, "scenes": scenes or [], "count": len(scenes or [])}
    return render(request, "gallery/boards/_selection_answer.html", context)


@require_POST
def download(request: HttpRequest) -> HttpResponse:
    """Create a board of the selected scenes and start the ZIP of its clips."""
    if not access.may_download(request.user):
        return export_views.downloads_forbidden(request)
    rate_limits.check_rate(request, "board", settings.BOARD_RATE)
    now = date_format(timezone.localtime(), "SHORT_DATETIME_FORMAT")
    board = service.collect_scenes(
        owners.ensure_visitor(request),
        _parse_scenes(request.POST.getlist("scene")),
        _("Selection, %(time)s") % {"time": now},
        is_save=False,
    )
    return export_views.start_export(board, export_views.edits_of(request, board))
