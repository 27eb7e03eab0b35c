"""API of storyboards. Anyone who knows a storyboard's token may view it."""

from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from ninja import Body, Query, Status

from gallery.boards import owners
from gallery.core.api_errors import ApiError
from gallery.films.models import Film
from gallery.rest.guard import TOKEN_REQUIRED
from gallery.rest.paging import Page, Paging, paginate
from gallery.rest.routing import Router
from gallery.rest.serializers import Serialized, Serializer
from gallery.storyboards import candidates, saving, schemas, scripts, service
from gallery.storyboards.models import Storyboard, StoryboardRow
from gallery.storyboards.types import SceneCandidate, ScriptLine

router = Router(tags=["Storyboards"])


def _get_own(request: HttpRequest, token: str) -> Storyboard:
    """Return a storyboard of the token's user. Raises Http404, and ApiError (403) for others."""
    storyboard = get_object_or_404(Storyboard, token=token)
    if not owners.owns(owners.token_visitor(request), storyboard):
        raise ApiError(403, _("This storyboard belongs to someone else."))
    return storyboard


# --- serializing --------------------------------------------------------------------------------


def _name(serializer: Serializer, storyboard: Storyboard) -> Serialized:
    return {
        "token": storyboard.token,
        "name": storyboard.name,
        "created": storyboard.created,
        "page": serializer.here("storyboard", storyboard.token),
        "url": serializer.resource("get_storyboard", storyboard.token),
    }


def _storyboard(request: HttpRequest, storyboard: Storyboard) -> Serialized:
    serializer = Serializer(request)
    rows, films = candidates.load_rows(storyboard)
    return {
        **_name(serializer, storyboard),
        "rows": [_row(serializer, row, number, films) for number, row in enumerate(rows, start=1)],
    }


def _row(
    serializer: Serializer, row: StoryboardRow, number: int, films: dict[int, Film]
) -> Serialized:
    scene = candidates.fitted_scene(row, films)
    return {
        "id": row.pk,
        "number": number,
        "text": row.text,
        "seconds": candidates.wanted_seconds(row),
        "chosen": row.chosen if scene else None,
        "is_locked": row.is_locked,
        "scene": serializer.scene(films[scene.film], scene.start, scene.end) if scene else None,
        "candidates": [
            _candidate(serializer, one, films[one.film]) for one in candidates.load_candidates(row)
        ],
        "error": row.error,
    }


def _candidate(serializer: Serializer, candidate: SceneCandidate, film: Film) -> Serialized:
    return {
        "film": serializer.film_name(film),
        "frame": serializer.frame_name(film, candidate.second, candidate.time),
        "scene": serializer.scene(film, candidate.start, candidate.end),
        "relevance": candidate.relevance,
        "matches": candidate.matches,
    }


# --- operations ---------------------------------------------------------------------------------


@router.get(
    "/storyboards",
    auth=TOKEN_REQUIRED,
    response=Page[schemas.StoryboardName],
    summary=gettext_noop("List your storyboards"),
)
def list_storyboards(request: HttpRequest, paging: Query[Paging]) -> Any:
    """The token user's storyboards, most recently used first."""
    serializer = Serializer(request)
    found = service.storyboards_of(owners.token_visitor(request))
    return paginate(request, found, paging, lambda one: _name(serializer, one))


@router.post(
    "/storyboards",
    auth=TOKEN_REQUIRED,
    response={201: schemas.Storyboard},
    summary=gettext_noop("Find scenes for a script"),
)
def create_storyboard(request: HttpRequest, given: Body[schemas.StoryboardIn]) -> Any:
    """Create a storyboard: every line of the script gets its best scenes, one of them chosen.

    All lines are searched before the answer comes, some 20 a second.
    """
    storyboard = service.create_searched(
        owners.token_visitor(request),
        scripts.parse_script(given.script),
        name=given.name,
        films=given.films,
        allows_repeats=given.allows_repeats,
    )
    return Status(201, _storyboard(request, storyboard))


@router.get(
    "/storyboards/{unguessable:token}",
    response=schemas.Storyboard,
    summary=gettext_noop("Get a storyboard"),
)
def get_storyboard(request: HttpRequest, token: str) -> Any:
    """A storyboard and its rows, for anyone who knows its token."""
    return _storyboard(request, get_object_or_404(Storyboard, token=token))


@router.patch(
    "/storyboards/{unguessable:token}/rows/{number:row_id}",
    auth=TOKEN_REQUIRED,
    response=schemas.Storyboard,
    summary=gettext_noop("Change a row of a storyboard"),
)
def change_storyboard_row(
    request: HttpRequest, token: str, row_id: int, given: Body[schemas.RowChange]
) -> Any:
    """Change a row's words, length or choice. Returns all rows, since others may change with it."""
    storyboard = _get_own(request, token)
    row = get_object_or_404(storyboard.rows, pk=row_id)
    if given.text is not None or row.candidates is None:
        owners.count_searches(owners.token_visitor(request), 1)
    if given.text is not None:
        line = service.parse_text(row, given.text)
        kept = row.seconds if line.seconds is None else None
        service.edit(row, line.with_length(kept if given.seconds is None else given.seconds))
    if row.candidates is None:
        service.search_row(row)
    with transaction.atomic():
        if given.text is None and given.seconds is not None:
            service.edit(row, ScriptLine(row.text, given.seconds))
        if given.reject:
            service.reject(row)
        if given.chosen is not None:
            service.choose_index(row, given.chosen)
        if given.is_locked is not None:
            service.set_locked(row, is_locked=given.is_locked)
    return _storyboard(request, storyboard)


@router.delete(
    "/storyboards/{unguessable:token}",
    auth=TOKEN_REQUIRED,
    response={204: None},
    summary=gettext_noop("Delete a storyboard"),
)
def delete_storyboard(request: HttpRequest, token: str) -> Any:
    """Delete a storyboard; boards that were saved from it stay."""
    _get_own(request, token).delete()
    return Status(204, None)


@router.post(
    "/storyboards/{unguessable:token}/board",
    auth=TOKEN_REQUIRED,
    response={201: schemas.SavedBoard},
    summary=gettext_noop("Save a storyboard as a board"),
)
def save_storyboard(request: HttpRequest, token: str) -> Any:
    """Create a board with the chosen scenes in order; the lines of the script are its notes.

    Rows without a scene are left out.
    """
    storyboard = _get_own(request, token)
    plan = saving.plan_board(storyboard)
    board = saving.save_as_board(owners.token_visitor(request), storyboard, plan)
    serializer = Serializer(request)
    return Status(
        201,
        {
            "token": board.token,
            "page": serializer.here("board", board.token),
            "url": serializer.resource("get_board", board.token),
            "left_out": plan.left_out,
        },
    )
