"""Collecting: a scene goes on a board, comes off it, and comes back.

Each address answers htmx with the parts of the page that change, and everybody else with the page
they came from.
"""

from typing import Any
from urllib.parse import urlsplit

from django.db.models import Count, OuterRef, Q, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from gallery.boards import service
from gallery.boards.forms import NameForm, SceneForm
from gallery.boards.models import Board, BoardScene
from gallery.boards.page_parts import own_board, scenes_part
from gallery.boards.service import Scene, Visitor
from gallery.boards.template_tags import choose_address, fields_of, span_name
from gallery.core.errors import BoardError
from gallery.core.pages import vary_on_htmx
from gallery.films.shortcuts import film_or_404


@require_POST
def collect(request: HttpRequest) -> HttpResponse:
    """Put a scene on the board used last, on the one chosen, or on a new one of a given name."""
    form = SceneForm(request.POST)
    if not form.is_valid():
        return _refusal(request, _("This scene cannot be saved: its start and end are missing."))
    visitor = service.lasting_visitor(request)
    try:
        board = _chosen(request, visitor)
        row = service.add_scene(visitor, form.scene(), board)
    except BoardError as error:
        return _refusal(request, str(error))
    return _answer(request, row)


def _chosen(request: HttpRequest, visitor: Visitor) -> Board | None:
    """The board that a scene shall go to; None for the one used last."""
    if token := request.POST.get("board"):
        if not token.isprintable():
            raise Http404  # PostgreSQL takes no NUL
        return get_object_or_404(service.boards_of(visitor), token=token)
    if "name" not in request.POST:
        return None
    name = NameForm(request.POST)
    if not name.is_valid():
        raise BoardError(" ".join(map(str, name.errors["name"])))
    return service.create_board(visitor, name.cleaned_data["name"])


@require_POST
def remove(request: HttpRequest, token: str, scene_id: int) -> HttpResponse:
    """Take a scene off a board."""
    board = own_board(request, token)
    row = get_object_or_404(BoardScene.everything, board=board, pk=scene_id)
    service.remove_scene(board, row.pk)
    return _answer(request, row, removed=True)


@require_POST
def restore(request: HttpRequest, token: str, scene_id: int) -> HttpResponse:
    """Put a removed scene back."""
    board = own_board(request, token)
    row = get_object_or_404(BoardScene.everything, board=board, pk=scene_id)
    try:
        service.restore_scene(board, row.pk)
    except BoardError as error:
        return _refusal(request, str(error))
    return _answer(request, row)


@require_safe
@vary_on_htmx
def choose(request: HttpRequest) -> HttpResponse:
    """The boards on which a scene can be put."""
    form = SceneForm(request.GET)
    if not form.is_valid():
        return redirect("boards")
    wanted = form.scene()
    film = film_or_404(wanted.film)
    context = {**_choice(request, wanted), "film": film, "wanted": wanted}
    part = request.htmx.target == "chooser"  # type: ignore[attr-defined]
    return render(request, "gallery/_choose.html" if part else "gallery/choose.html", context)


def _choice(request: HttpRequest, wanted: Scene) -> dict[str, Any]:
    """What `_choose.html` shows: the visitor's boards, and the scene's row on each."""
    row = service.same_span(wanted.film, wanted.start, wanted.end)
    listed = service.boards_of(service.visitor_of(request)).annotate(
        size=Count("scenes", filter=Q(scenes__removed=None)),
        row=Subquery(row.filter(board=OuterRef("pk")).values("pk")[:1]),
    )
    return {"boards": listed, "fields": fields_of(wanted)}


def _answer(request: HttpRequest, row: BoardScene, removed: bool = False) -> HttpResponse:
    """Show that a scene was collected or removed."""
    target = request.htmx.target  # type: ignore[attr-defined]
    if not request.htmx:  # type: ignore[attr-defined]
        return _back(request, row)
    wanted = Scene(row.film_id, row.start, row.end, row.second)
    context: dict[str, Any] = {"board": row.board, "row": row.pk, "removed": removed}
    if target == "scenes":
        return scenes_part(request, row.board, context)
    in_chooser = target == "chooser"
    context |= {"wanted": wanted, "in_chooser": in_chooser, "choose": choose_address(wanted)}
    if in_chooser:
        context |= _choice(request, wanted)
    return render(request, "gallery/_collect_answer.html", context)


def _refusal(request: HttpRequest, message: str) -> HttpResponse:
    """Say why it was not done: htmx gets it with status 200, because it shows nothing else."""
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "gallery/_collect_answer.html", {"error": message})
    return render(request, "gallery/error.html", {"message": message}, status=400)


def _back(request: HttpRequest, row: BoardScene) -> HttpResponse:
    """The page that was left, at the same scene; its board when the browser does not tell."""
    came_from = request.headers.get("Referer", "")
    here = {request.get_host()}
    if not url_has_allowed_host_and_scheme(came_from, here, request.is_secure()):
        return redirect(row.board)
    place = span_name(row.film_id, row.start, row.end)
    return redirect(urlsplit(came_from)._replace(fragment=f"collect-{place}").geturl())
