"""The list of a visitor's storyboards, and the page of one, which anyone with its URL may view."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from gallery.boards import owners
from gallery.core.errors import BoardError, IndexUnavailable, ModelError
from gallery.core.pages import limit_searches, vary_on_htmx
from gallery.films import catalogue
from gallery.storyboards import saving, service
from gallery.storyboards.candidates import chosen_scene_id
from gallery.storyboards.forms import RowForm, StoryboardForm, StoryboardNameForm
from gallery.storyboards.models import Storyboard, StoryboardRow
from gallery.storyboards.storyboard_page import RowOnPage, load_rows, totals_of
from gallery.storyboards.types import StaleRow


@require_http_methods(["GET", "HEAD", "POST"])
def storyboard_list(request: HttpRequest) -> HttpResponse:
    """List the visitor's storyboards; POST creates one from a script or from pictures."""
    form = StoryboardForm(request.POST or None, request.FILES or None)
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            given = form.cleaned_data
            try:
                made = service.create_storyboard(
                    owners.ensure_visitor(request),
                    given["script"],
                    given["pictures"],
                    name=given["name"],
                    films=[film.pk for film in given["film"]],
                    allows_repeats=given["repeats"],
                )
                # The first row gets the focus.
                return redirect(f"{made.get_absolute_url()}#row-{made.rows.all()[0].pk}")
            except BoardError as error:
                form.add_error(None, str(error))
    found = service.storyboards_of(owners.visitor_of(request)).annotate(size=Count("rows"))
    context = {
        "storyboards": found,
        "form": form,
        "errors": [str(one) for all in form.errors.values() for one in all],
        "films": catalogue.load_catalogue().searchable,
        "chosen_films": set(request.POST.getlist("film")),
    }
    return render(request, "gallery/storyboards/storyboards.html", context, status=status)


@require_safe
@vary_on_htmx
def storyboard_page(request: HttpRequest, token: str) -> HttpResponse:
    """Show a storyboard; its owner can change it."""
    storyboard = get_object_or_404(Storyboard, token=token)
    is_own = owners.record_visit(request, storyboard)
    context = _page_context(storyboard, is_own=is_own)
    if is_own:
        context["saved"] = saving.saved_board(owners.visitor_of(request), storyboard)
    return render(request, "gallery/storyboards/storyboard.html", context)


def _page_context(storyboard: Storyboard, *, is_own: bool = True) -> dict[str, Any]:
    storyboard.refresh_from_db(fields=["version"])  # before the rows, which may be newer then
    rows = load_rows(storyboard)
    return {"storyboard": storyboard, "mine": is_own, "rows": rows, "totals": totals_of(rows)}


def _get_own(request: HttpRequest, token: str) -> Storyboard:
    """Return a storyboard that the visitor may change. Raises Http404 otherwise."""
    return owners.get_own_or_404(request, Storyboard, token)


# --- rows ---------------------------------------------------------------------------------------


@require_POST
def search(request: HttpRequest, token: str) -> HttpResponse:
    """Search all rows that have not been searched, for browsers without scripts."""
    storyboard = _get_own(request, token)
    visitor = owners.visitor_of(request)
    owners.count_searches(visitor, service.pending_rows(storyboard).count())
    service.search_pending(storyboard)
    return redirect(storyboard)


@require_POST
@limit_searches
def search_row(request: HttpRequest, token: str, row_id: int) -> HttpResponse:
    """Search one row."""
    storyboard = _get_own(request, token)
    row = get_object_or_404(storyboard.rows, pk=row_id)
    before = _chosen_scenes(storyboard)
    service.search_row(row)
    return _answer(request, row, before)


@require_POST
@limit_searches
def change_row(request: HttpRequest, token: str, row_id: int, action: str) -> HttpResponse:
    """Change one row; a changed text is searched at once."""
    storyboard = _get_own(request, token)
    row = get_object_or_404(storyboard.rows, pk=row_id)
    form = RowForm(request.POST)
    if not form.is_valid() or action not in ACTIONS:
        raise BoardError(_("This change is not possible. Reload the page."))
    before = _chosen_scenes(storyboard)
    try:
        ACTIONS[action](row, form.cleaned_data | {"shown": request.POST.get("shown")})
    except StaleRow as error:
        if not request.htmx:  # type: ignore[attr-defined]
            raise
        return _answer(request, row, before, str(error))
    if row.candidates is None:
        try:
            service.search_row(row)
        except (IndexUnavailable, ModelError):
            # The change is saved. The script shows that, and searches the row again.
            if not request.htmx:  # type: ignore[attr-defined]
                raise
    owners.touch(storyboard)
    return _answer(request, row, before)


def _chosen_scenes(storyboard: Storyboard) -> dict[int, str]:
    return {one.pk: chosen_scene_id(one) for one in storyboard.rows.all()}


def _edit(row: StoryboardRow, given: dict[str, Any]) -> None:
    line = service.parse_text(row, given["text"])  # a length in it was typed last
    service.edit(row, line.with_length(given["seconds"] if line.seconds is None else None))


def _search_similar(row: StoryboardRow, given: dict[str, Any]) -> None:
    service.search_similar(row, given["shown"])
    service.search_row(row)


ACTIONS: dict[str, Callable[[StoryboardRow, dict[str, Any]], None]] = {
    "edit": _edit,
    "choose": lambda row, given: service.choose(row, given["choose"]),
    "step": lambda row, given: service.step(row, given["step"] or 1, given["shown"]),
    "lock": lambda row, given: service.set_locked(row, is_locked=True, shown=given["shown"]),
    "unlock": lambda row, given: service.set_locked(row, is_locked=False, shown=given["shown"]),
    "reject": lambda row, given: service.reject(row, given["shown"]),
    "similar": _search_similar,
}


@require_POST
def remove_row(request: HttpRequest, token: str, row_id: int) -> HttpResponse:
    """Remove a row; the last one stays."""
    storyboard = _get_own(request, token)
    row = storyboard.rows.filter(pk=row_id).first()
    if row is not None:
        service.remove_row(row)
    if not request.htmx:  # type: ignore[attr-defined]
        return redirect(storyboard)
    return render(request, "gallery/storyboards/_rows_answer.html", _page_context(storyboard))


def _answer(
    request: HttpRequest, row: StoryboardRow, before: dict[int, str], error: str = ""
) -> HttpResponse:
    """Send the row, and those whose scene has changed with it; without htmx the page.

    `error` says why nothing was done: then the status is 409, and the row is as it is now.
    """
    storyboard = row.storyboard
    if not request.htmx:  # type: ignore[attr-defined]
        return redirect(f"{storyboard.get_absolute_url()}#row-{row.pk}")
    context = _page_context(storyboard)
    rows: list[RowOnPage] = context["rows"]
    context["changed"] = [
        one
        for one in rows
        if one.row.pk == row.pk or before.get(one.row.pk) != chosen_scene_id(one.row)
    ]
    context["error"] = error
    status = HTTPStatus.CONFLICT if error else HTTPStatus.OK
    return render(request, "gallery/storyboards/_row_answer.html", context, status=status)


# --- the whole storyboard -----------------------------------------------------------------------


@require_POST
def save(request: HttpRequest, token: str) -> HttpResponse:
    """Save the chosen scenes as a new board, or in place of those of the board saved before.

    Asks for confirmation when lines have no scene, or when that board was changed by hand.
    """
    storyboard = _get_own(request, token)
    visitor = owners.ensure_visitor(request)
    plan = saving.plan_board(storyboard)
    board = None
    if replaced := request.POST.get("board"):
        board = saving.saved_board(visitor, storyboard)
        if board is None or board.token != replaced:
            raise BoardError(
                _("This storyboard is not linked with that board any more. Reload its page.")
            )
    is_changed = board is not None and saving.is_changed(storyboard)
    if (is_changed or plan.left_out) and "confirmed" not in request.POST:
        context = {
            "storyboard": storyboard, "board": board, "is_changed": is_changed,
            "left_out": plan.left_out,
            "lines": pgettext("between numbers", ", ").join(map(str, plan.left_out)),
        }  # fmt: skip
        return render(request, "gallery/storyboards/storyboard_save.html", context)
    return redirect(saving.save_as_board(visitor, storyboard, plan, board))


@require_POST
def rename(request: HttpRequest, token: str) -> HttpResponse:
    """Give a storyboard another name; an empty one changes nothing."""
    storyboard = _get_own(request, token)
    form = StoryboardNameForm(request.POST, instance=storyboard)
    if form.is_valid():
        form.save()
    return redirect(storyboard)


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, token: str) -> HttpResponse:
    """Ask for confirmation, and delete a storyboard; boards that were saved from it stay."""
    storyboard = _get_own(request, token)
    if request.method == "POST":
        storyboard.delete()
        return redirect("storyboards")
    context = {"storyboard": storyboard}
    return render(request, "gallery/storyboards/storyboard_delete.html", context)
