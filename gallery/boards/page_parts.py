"""What the views of boards share: finding a board, and showing its scenes."""

from typing import Any

from django.core.paginator import Paginator
from django.db.models import Count, F, FloatField, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from gallery.boards import service
from gallery.boards.models import Board

SCENES_PER_PAGE = 200


def own_board(request: HttpRequest, token: str) -> Board:
    """A board that the visitor may change. Raises Http404, as for a board that is none."""
    board = get_object_or_404(Board, token=token)
    if not service.owns(service.visitor_of(request), board):
        raise Http404
    return board


def scenes_of(request: HttpRequest, board: Board) -> dict[str, Any]:
    """What a page shows of a board's scenes: `page`, and the scene that comes after it."""
    scenes = board.scenes.select_related("film")
    page = Paginator(scenes, SCENES_PER_PAGE).get_page(request.GET.get("page"))
    after = scenes[page.end_index() : page.end_index() + 1]
    return {"page": page, "next_scene": after[0].pk if page.has_next() and after else 0}


def facts_of(board: Board) -> dict[str, Any]:
    """How many scenes a board has (`size`), how long (`length`, seconds), of how many `films`."""
    length = Sum(F("end") - F("start"), output_field=FloatField())
    return board.scenes.aggregate(
        size=Count("pk"), length=length, films=Count("film", distinct=True)
    )


def address_of(board: Board, scene: int, number: int) -> str:
    """The address of the board's page at a scene, which is number so and so from 1."""
    page = (number - 1) // SCENES_PER_PAGE + 1
    asked = f"?page={page}" if page > 1 else ""
    return f"{board.get_absolute_url()}{asked}#scene-{scene}"


def scenes_part(request: HttpRequest, board: Board, context: dict[str, Any]) -> HttpResponse:
    """The scenes of one's own board, for htmx to put in place of those shown."""
    shown = {"board": board, "facts": facts_of(board), "mine": True, "oob": True}
    shown |= scenes_of(request, board) | context
    return render(request, "gallery/_board_answer.html", shown)
