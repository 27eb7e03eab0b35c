"""Boards: all of one's own, and one of them, which whoever has its address may look at."""

from typing import Any

from django.db.models import Count, F, FloatField, Prefetch, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from gallery.boards import exports, service
from gallery.boards.export_views import about, about_lists
from gallery.boards.forms import NameForm, NoteForm, PlaceForm
from gallery.boards.models import Board, BoardScene
from gallery.boards.page_parts import address_of, facts_of, own_board, scenes_of, scenes_part
from gallery.core import disk
from gallery.core.errors import BoardError
from gallery.core.pages import vary_on_htmx

PICTURES = 4  # of a board in the list of boards


@require_http_methods(["GET", "HEAD", "POST"])
def board_list(request: HttpRequest) -> HttpResponse:
    """The visitor's boards; POST makes a new one."""
    form = NameForm(request.POST or None)
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                visitor = service.lasting_visitor(request)
                return redirect(service.create_board(visitor, form.cleaned_data["name"]))
            except BoardError as error:
                form.add_error("name", str(error))
    context = {"boards": _with_pictures(request), "form": form}
    return render(request, "gallery/boards.html", context, status=status)


def _with_pictures(request: HttpRequest) -> QuerySet[Board]:
    """The visitor's boards, each with its size, its length in seconds and its first scenes."""
    standing = Q(scenes__removed=None)
    length = Sum(F("scenes__end") - F("scenes__start"), filter=standing, output_field=FloatField())
    first = BoardScene.objects.select_related("film")[:PICTURES]
    mine = service.boards_of(service.visitor_of(request))
    return mine.annotate(size=Count("scenes", filter=standing), length=length).prefetch_related(
        Prefetch("scenes", first, to_attr="first")
    )


@require_safe
@vary_on_htmx
def board(request: HttpRequest, token: str) -> HttpResponse:
    """A board's scenes; its owner can change them."""
    shown = get_object_or_404(Board, token=token)
    mine = service.owns(service.visitor_of(request), shown)
    if mine and disk.has_space():  # reading goes on when it cannot be noted
        service.lasting_visitor(request)
        service.touch(shown)
    return render(request, "gallery/board.html", _shown(request, shown, mine))


def _shown(request: HttpRequest, shown: Board, mine: bool) -> dict[str, Any]:
    return {
        "board": shown,
        "mine": mine,
        "facts": facts_of(shown),
        "lists": about_lists(shown),
        **about(request, exports.latest_export(shown)),
        **scenes_of(request, shown),
        "address": request.build_absolute_uri(shown.get_absolute_url()),
        "form": NameForm(instance=shown),
    }


@require_POST
def rename(request: HttpRequest, token: str) -> HttpResponse:
    """Give a board another name."""
    shown = own_board(request, token)
    form = NameForm(request.POST, instance=shown)
    if form.is_valid():
        form.save()
        return redirect(shown)
    shown.refresh_from_db()
    context = {**_shown(request, shown, True), "form": form}
    return render(request, "gallery/board.html", context, status=400)


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, token: str) -> HttpResponse:
    """Ask whether a board shall go, and let it go."""
    shown = own_board(request, token)
    if request.method == "POST":
        shown.delete()
        return redirect("boards")
    return render(request, "gallery/board_delete.html", {"board": shown})


@require_POST
def copy(request: HttpRequest, token: str) -> HttpResponse:
    """Make a board of one's own from one that was shared."""
    shown = get_object_or_404(Board, token=token)
    try:
        return redirect(service.copy_board(service.lasting_visitor(request), shown))
    except BoardError as error:
        return render(request, "gallery/error.html", {"message": str(error)}, status=400)


@require_POST
def note(request: HttpRequest, token: str, scene_id: int) -> HttpResponse:
    """Write a scene's note."""
    shown = own_board(request, token)
    row = get_object_or_404(BoardScene, board=shown, pk=scene_id)
    form = NoteForm(request.POST, instance=row)
    saved = form.is_valid()
    if saved:
        service.set_note(shown, row.pk, form.cleaned_data["note"])
    if request.htmx:  # type: ignore[attr-defined]
        context = {"form": form, "saved": saved}
        return render(request, "gallery/_note_state.html", context)
    if saved:
        number = BoardScene.objects.filter(board=shown, position__lt=row.position).count() + 1
        return redirect(address_of(shown, row.pk, number))
    message = " ".join(map(str, form.errors["note"]))
    return render(request, "gallery/error.html", {"message": message}, status=400)


@require_POST
def place(request: HttpRequest, token: str, scene_id: int) -> HttpResponse:
    """Give a scene another place on its board."""
    shown = own_board(request, token)
    form = PlaceForm(request.POST)
    number = None
    if form.is_valid():
        try:
            number = _move(shown, scene_id, form.cleaned_data)
        except BoardError as error:
            return render(request, "gallery/error.html", {"message": str(error)}, status=400)
    if request.htmx:  # type: ignore[attr-defined]
        return scenes_part(request, shown, {"moved_to": number})
    return redirect(address_of(shown, scene_id, number or 1))


def _move(shown: Board, scene_id: int, asked: dict[str, Any]) -> int | None:
    """Move a scene by so many places, in front of another (0: to the end), or to a number.

    Returns the number that it has then, None when it is not there or nothing is asked.
    """
    if asked["by"]:
        return service.move_by(shown, scene_id, asked["by"])
    if asked["before"] is not None:
        return service.move_before(shown, scene_id, asked["before"])
    if asked["number"]:
        return service.move_to(shown, scene_id, asked["number"])
    return None
