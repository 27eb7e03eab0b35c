"""Add scenes to boards, remove them, and undo the removal.

Each view answers htmx with the parts of the page that change. Without htmx it redirects to the
page that the request came from.
"""

from typing import Any
from urllib.parse import urlsplit

from django.db.models import Count, OuterRef, Q, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from gallery.boards import owners, service
from gallery.boards.forms import NameForm, SceneForm
from gallery.boards.models import Board, BoardScene
from gallery.boards.owners import Visitor
from gallery.boards.page_parts import get_own_board, render_scenes
from gallery.boards.service import Scene
from gallery.boards.template_tags import chooser_url, form_fields, span_id
from gallery.core.errors import BoardError
from gallery.core.pages import vary_on_htmx
from gallery.films.shortcuts import film_or_404


@require_POST
def collect(request: HttpRequest) -> HttpResponse:
    """Add a scene to the chosen board, to a new one of a given name, or to the last one used."""
    form = SceneForm(request.POST)
    if not form.is_valid():
        return _render_error(
            request, _("This scene cannot be saved: its start and end are missing.")
        )
    visitor = owners.ensure_visitor(request)
    try:
        board = _chosen_board(request, visitor)
        row = service.add_scene(visitor, form.scene(), board)
    except BoardError as error:
        return _render_error(request, str(error))
    return _render_result(request, row)


def _chosen_board(request: HttpRequest, visitor: Visitor) -> Board | None:
    """Return the board to add a scene to; None for the one saved to last.

    Raises Http404, and BoardError when a new board cannot be made.
    """
    if token := request.POST.get("board"):
        if not token.isprintable():
            raise Http404  # PostgreSQL rejects NUL
        return get_object_or_404(service.boards_of(visitor), token=token)
    if "name" not in request.POST:
        return None
    name = NameForm(request.POST)
    if not name.is_valid():
        raise BoardError(" ".join(map(str, name.errors["name"])))
    return service.create_board(visitor, name.cleaned_data["name"])


@require_POST
def remove(request: HttpRequest, token: str, scene_id: int) -> HttpResponse:
    """Remove a scene from a board."""
    board = get_own_board(request, token)
    row = get_object_or_404(BoardScene.all_objects, board=board, pk=scene_id)
    service.remove_scene(board, row.pk)
    return _render_result(request, row, removed=True)


@require_POST
def restore(request: HttpRequest, token: str, scene_id: int) -> HttpResponse:
    """Put a removed scene back."""
    board = get_own_board(request, token)
    row = get_object_or_404(BoardScene.all_objects, board=board, pk=scene_id)
    try:
        service.restore_scene(board, row.pk)
    except BoardError as error:
        return _render_error(request, str(error))
    return _render_result(request, row)


@require_safe
@vary_on_htmx
def choose(request: HttpRequest) -> HttpResponse:
    """Show the boards to which a scene can be added."""
    form = SceneForm(request.GET)
    if not form.is_valid():
        return redirect("boards")
    wanted = form.scene()
    film = film_or_404(wanted.film)
    context = {**_chooser_context(request, wanted), "film": film, "wanted": wanted}
    part = request.htmx.target == "chooser"  # type: ignore[attr-defined]
    template = "gallery/boards/_choose.html" if part else "gallery/boards/choose.html"
    return render(request, template, context)


def _chooser_context(request: HttpRequest, wanted: Scene) -> dict[str, Any]:
    """Return the context of `_choose.html`: the visitor's boards with the scene's row on each."""
    row = service.rows_of_span(wanted.film, wanted.start, wanted.end)
    listed = service.boards_of(owners.visitor_of(request)).annotate(
        size=Count("scenes", filter=Q(scenes__removed=None)),
        row=Subquery(row.filter(board=OuterRef("pk")).values("pk")[:1]),
    )
    return {"boards": listed, "fields": form_fields(wanted)}


def _render_result(request: HttpRequest, row: BoardScene, removed: bool = False) -> HttpResponse:
    """Show that a scene was added or removed."""
    target = request.htmx.target  # type: ignore[attr-defined]
    if not request.htmx:  # type: ignore[attr-defined]
        return _redirect_back(request, row)
    wanted = Scene(row.film_id, row.start, row.end, row.second)
    context: dict[str, Any] = {"board": row.board, "row": row.pk, "removed": removed}
    if target == "scenes":
        return render_scenes(request, row.board, context)
    in_chooser = target == "chooser"
    context |= {"wanted": wanted, "in_chooser": in_chooser, "choose": chooser_url(wanted)}
    if in_chooser:
        context |= _chooser_context(request, wanted)
    return render(request, "gallery/boards/_collect_answer.html", context)


def _render_error(request: HttpRequest, message: str) -> HttpResponse:
    """Show an error. htmx gets status 200, because it ignores the content of error responses."""
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "gallery/boards/_collect_answer.html", {"error": message})
    return render(request, "gallery/error.html", {"message": message}, status=400)


def _redirect_back(request: HttpRequest, row: BoardScene) -> HttpResponse:
    """Redirect to the scene on the referring page, or to the board without a referrer."""
    referrer = request.headers.get("Referer", "")
    here = {request.get_host()}
    if not url_has_allowed_host_and_scheme(referrer, here, request.is_secure()):
        return redirect(row.board)
    anchor = span_id(row.film_id, row.start, row.end)
    return redirect(urlsplit(referrer)._replace(fragment=f"collect-{anchor}").geturl())
