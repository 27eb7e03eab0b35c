"""The list of a visitor's boards, and the page of one board, which anyone with its URL may view."""

from typing import Any

from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from gallery.boards import exports, owners, service
from gallery.boards.export_views import ShownExport, edit_list_context
from gallery.boards.forms import NameForm, NoteForm, PlaceForm
from gallery.boards.models import Board, BoardScene
from gallery.boards.page_parts import (
    get_own_board,
    render_scenes,
    scene_anchor,
    scenes_context,
    totals_of,
)
from gallery.core import access
from gallery.core.errors import BoardError
from gallery.core.pages import vary_on_htmx

MAX_PREVIEWS = 4  # pictures of a board in the list of boards


@require_http_methods(["GET", "HEAD", "POST"])
def board_list(request: HttpRequest) -> HttpResponse:
    """List the visitor's boards; POST creates one."""
    form = NameForm(request.POST or None)
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                visitor = owners.ensure_visitor(request)
                return redirect(service.create_board(visitor, form.cleaned_data["name"]))
            except BoardError as error:
                form.add_error("name", str(error))
    current = service.current_board(owners.visitor_of(request))
    context = {"boards": _with_pictures(request), "current": current, "form": form}
    return render(request, "gallery/boards/boards.html", context, status=status)


def _with_pictures(request: HttpRequest) -> QuerySet[Board]:
    """Return the visitor's boards with their totals and their first scenes."""
    first = BoardScene.objects.select_related("film")[:MAX_PREVIEWS]
    boards = service.with_totals(service.boards_of(owners.visitor_of(request)))
    return boards.prefetch_related(Prefetch("scenes", first, to_attr="first"))


@require_safe
@vary_on_htmx
def board_page(request: HttpRequest, token: str) -> HttpResponse:
    """Show a board's scenes; its owner can change them."""
    board = get_object_or_404(Board, token=token)
    is_own = owners.record_visit(request, board)
    return render(request, "gallery/boards/board.html", _board_context(request, board, is_own))


def _board_context(request: HttpRequest, board: Board, is_own: bool) -> dict[str, Any]:
    shown = [ShownExport.of(export) for export in exports.shown_exports(board)]
    return {
        "board": board,
        "mine": is_own,
        "facts": totals_of(board),
        "lists": edit_list_context(board),
        "exports": shown,
        "is_exporting": any(one.is_active for one in shown),
        "may_save": access.may_download(request.user),
        **scenes_context(request, board),
        "address": request.build_absolute_uri(board.get_absolute_url()),
        "form": NameForm(instance=board),
    }


@require_POST
def rename(request: HttpRequest, token: str) -> HttpResponse:
    """Give a board another name."""
    board = get_own_board(request, token)
    form = NameForm(request.POST, instance=board)
    if form.is_valid():
        form.save()
        return redirect(board)
    board.refresh_from_db()
    context = {**_board_context(request, board, True), "form": form}
    return render(request, "gallery/boards/board.html", context, status=400)


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, token: str) -> HttpResponse:
    """Ask for confirmation, and delete a board."""
    board = get_own_board(request, token)
    if request.method == "POST":
        board.delete()
        return redirect("boards")
    return render(request, "gallery/boards/board_delete.html", {"board": board})


@require_POST
def copy(request: HttpRequest, token: str) -> HttpResponse:
    """Copy a shared board to the visitor's boards."""
    board = get_object_or_404(Board, token=token)
    return redirect(service.copy_board(owners.ensure_visitor(request), board))


@require_POST
def note(request: HttpRequest, token: str, scene_id: int) -> HttpResponse:
    """Save a scene's note."""
    board = get_own_board(request, token)
    row = get_object_or_404(BoardScene, board=board, pk=scene_id)
    form = NoteForm(request.POST, instance=row)
    saved = form.is_valid()
    if saved:
        service.set_note(board, row.pk, form.cleaned_data["note"])
    if request.htmx:  # type: ignore[attr-defined]
        context = {"form": form, "saved": saved}
        return render(request, "gallery/boards/_note_state.html", context)
    if saved:
        number = BoardScene.objects.filter(board=board, position__lt=row.position).count() + 1
        return redirect(scene_anchor(board, row.pk, number))
    message = " ".join(map(str, form.errors["note"]))
    return render(request, "gallery/error.html", {"message": message}, status=400)


@require_POST
def place(request: HttpRequest, token: str, scene_id: int) -> HttpResponse:
    """Move a scene on its board."""
    board = get_own_board(request, token)
    form = PlaceForm(request.POST)
    number = None
    if form.is_valid():
        number = _move(board, scene_id, form.cleaned_data)
    if request.htmx:  # type: ignore[attr-defined]
        return render_scenes(request, board, {"moved_to": number})
    return redirect(scene_anchor(board, scene_id, number or 1))


def _move(board: Board, scene_id: int, move: dict[str, Any]) -> int | None:
    """Move a scene by a number of places, before another (0: to the end), or to a position.

    Return its position from 1; None when it is not on the board or no move is given.
    """
    if move["by"]:
        return service.move_by(board, scene_id, move["by"])
    if move["before"] is not None:
        return service.move_before(board, scene_id, move["before"])
    if move["number"]:
        return service.move_to(board, scene_id, move["number"])
    return None
