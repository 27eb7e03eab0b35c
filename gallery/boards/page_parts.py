"""Helpers shared by the views of boards."""

from typing import Any

from django.core.paginator import Paginator
from django.db.models import Count, F, FloatField, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from gallery.boards import owners
from gallery.boards.models import Board

SCENES_PER_PAGE = 200


def get_own_board(request: HttpRequest, token: str) -> Board:
    """Return a board that the visitor may change. Raises Http404 otherwise."""
    return owners.get_own_or_404(request, Board, token)


def scenes_context(request: HttpRequest, board: Board) -> dict[str, Any]:
    """Return a `page` of a board's scenes and the id of the scene after it (0: none)."""
    scenes = board.scenes.select_related("film")
    page = Paginator(scenes, SCENES_PER_PAGE).get_page(request.GET.get("page"))
    after = scenes[page.end_index() : page.end_index() + 1]
    return {"page": page, "next_scene": after[0].pk if page.has_next() and after else 0}


def totals_of(board: Board) -> dict[str, Any]:
    """Return the number of scenes (`size`), their `length` (seconds), the number of `films`."""
    length = Sum(F("end") - F("start"), output_field=FloatField())
    return board.scenes.aggregate(
        size=Count("pk"), length=length, films=Count("film", distinct=True)
    )


def scene_anchor(board: Board, scene: int, number: int) -> str:
    """Return the URL of a board's page at a scene (id), whose position from 1 is `number`."""
    page = (number - 1) // SCENES_PER_PAGE + 1
    query = f"?page={page}" if page > 1 else ""
    return f"{board.get_absolute_url()}{query}#scene-{scene}"


def render_scenes(request: HttpRequest, board: Board, context: dict[str, Any]) -> HttpResponse:
    """Render the scenes of the visitor's own board, for htmx to swap in."""
    context = {
        **{"board": board, "facts": totals_of(board), "mine": True, "oob": True},
        **scenes_context(request, board),
        **context,
    }
    return render(request, "gallery/boards/_board_answer.html", context)
