"""API of boards. Anyone who knows a board's token may view it."""

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from ninja import Body, Query, Status

from gallery import tasks
from gallery.boards import exports, owners, schemas, service
from gallery.boards.film_options import choose_settings
from gallery.boards.models import Board, BoardScene, Export
from gallery.boards.service import Scene, scene_url
from gallery.core import access, rate_limits
from gallery.core.api_errors import ApiError
from gallery.rest.guard import TOKEN_REQUIRED
from gallery.rest.paging import Page, Paging, paginate
from gallery.rest.routing import Router
from gallery.rest.schemas import Error
from gallery.rest.serializers import Serialized, Serializer

router = Router(tags=["Boards"])


def _get_own_board(request: HttpRequest, token: str) -> Board:
    """Return a board of the token's user. Raises Http404, and ApiError (403) for other boards."""
    board = get_object_or_404(Board, token=token)
    if not owners.owns(owners.token_visitor(request), board):
        raise ApiError(403, _("This board belongs to someone else."))
    return board


def _board_name(serializer: Serializer, board: Any) -> Serialized:
    return {
        "token": board.token,
        "name": board.name,
        "count": board.size,
        "duration": board.length or 0.0,
        "created": board.created,
        "used": board.used,
        "page": serializer.here("board", board.token),
        "url": serializer.resource("get_board", board.token),
    }


def _board(request: HttpRequest, token: str) -> Serialized:
    """Serialize a board and its scenes. Raises Http404."""
    board = get_object_or_404(service.with_totals(Board.objects.all()), token=token)
    serializer = Serializer(request)
    scenes = board.scenes.select_related("film")
    return {
        **_board_name(serializer, board),
        "mine": owners.owns(owners.token_visitor(request), board),
        "scenes": [
            _board_scene(serializer, row, number) for number, row in enumerate(scenes, start=1)
        ],
        "exports": {
            kind: serializer.here(f"board_{kind}", board.token) for kind in ("csv", "edl", "otio")
        },
    }


def _board_scene(serializer: Serializer, row: BoardScene, number: int) -> Serialized:
    return {
        "id": row.pk,
        "number": number,
        "film": serializer.film_name(row.film),
        "scene": serializer.scene(row.film, row.start, row.end),
        "frame": serializer.frame_name(row.film, row.second),
        "note": row.note,
        "page": serializer.absolute(scene_url(row)),
    }


# --- boards -------------------------------------------------------------------------------------


@router.get(
    "/boards",
    auth=TOKEN_REQUIRED,
    response=Page[schemas.BoardName],
    summary=gettext_noop("List your boards"),
)
def list_boards(request: HttpRequest, paging: Query[Paging]) -> Any:
    """The token user's boards, most recently used first."""
    serializer = Serializer(request)
    found = service.with_totals(service.boards_of(owners.token_visitor(request)))
    return paginate(request, found, paging, lambda board: _board_name(serializer, board))


@router.post(
    "/boards",
    auth=TOKEN_REQUIRED,
    response={201: schemas.Board},
    summary=gettext_noop("Create a board"),
)
def make_board(request: HttpRequest, given: Body[schemas.BoardIn]) -> Any:
    """Create an empty board."""
    return Status(
        201, _board(request, service.create_board(owners.token_visitor(request), given.name).token)
    )


@router.get(
    "/boards/{unguessable:token}", response=schemas.Board, summary=gettext_noop("Get a board")
)
def get_board(request: HttpRequest, token: str) -> Any:
    """A board and its scenes, for anyone who knows its token."""
    return _board(request, token)


@router.patch(
    "/boards/{unguessable:token}",
    auth=TOKEN_REQUIRED,
    response=schemas.Board,
    summary=gettext_noop("Rename a board"),
)
def rename_board(request: HttpRequest, token: str, given: Body[schemas.BoardIn]) -> Any:
    """Change the name of a board."""
    board = _get_own_board(request, token)
    board.name = given.name
    board.save(update_fields=["name"])
    owners.touch(board)
    return _board(request, token)


@router.delete(
    "/boards/{unguessable:token}",
    auth=TOKEN_REQUIRED,
    response={204: None},
    summary=gettext_noop("Delete a board"),
)
def delete_board(request: HttpRequest, token: str) -> Any:
    """Delete a board with its scenes and notes. This cannot be undone."""
    _get_own_board(request, token).delete()
    return Status(204, None)


# --- scenes -------------------------------------------------------------------------------------


@router.post(
    "/boards/{unguessable:token}/scenes",
    auth=TOKEN_REQUIRED,
    response={201: schemas.BoardScene},
    summary=gettext_noop("Add a scene to a board"),
)
def collect_scene(request: HttpRequest, token: str, given: Body[schemas.SceneIn]) -> Any:
    """Add a scene to the end of a board. A scene that is already there stays in place."""
    board = _get_own_board(request, token)
    second = int((given.start + given.end) / 2) if given.second is None else given.second
    wanted = Scene(given.film, given.start, given.end, second)
    row = service.add_scene(owners.token_visitor(request), wanted, board)
    if given.note:
        service.set_note(board, row.pk, given.note)
    return Status(201, _scene_by_id(request, board, row.pk))


@router.patch(
    "/boards/{unguessable:token}/scenes/{number:scene_id}",
    auth=TOKEN_REQUIRED,
    response=schemas.BoardScene,
    summary=gettext_noop("Move a scene or edit its note"),
)
def change_scene(
    request: HttpRequest, token: str, scene_id: int, given: Body[schemas.SceneChange]
) -> Any:
    """Move a scene on its board, or change its note."""
    board = _get_own_board(request, token)
    get_object_or_404(board.scenes, pk=scene_id)
    if given.note is not None:
        service.set_note(board, scene_id, given.note)
    if given.number is not None:
        service.move_to(board, scene_id, given.number)
    owners.touch(board)
    return _scene_by_id(request, board, scene_id)


@router.delete(
    "/boards/{unguessable:token}/scenes/{number:scene_id}",
    auth=TOKEN_REQUIRED,
    response={204: None},
    summary=gettext_noop("Remove a scene"),
)
def remove_scene(request: HttpRequest, token: str, scene_id: int) -> Any:
    """Remove a scene from its board."""
    board = _get_own_board(request, token)
    get_object_or_404(board.scenes, pk=scene_id)
    service.remove_scene(board, scene_id)
    owners.touch(board)
    return Status(204, None)


def _scene_by_id(request: HttpRequest, board: Board, scene_id: int) -> Serialized:
    serializer = Serializer(request)
    for number, row in enumerate(board.scenes.select_related("film"), start=1):
        if row.pk == scene_id:
            return _board_scene(serializer, row, number)
    raise Http404


# --- exports that workers make --------------------------------------------------------------------


@router.post(
    "/boards/{unguessable:token}/exports",
    auth=TOKEN_REQUIRED,
    response={202: schemas.Export, 400: Error},
    summary=gettext_noop("Start a ZIP export"),
)
def export_clips(request: HttpRequest, token: str) -> Any:
    """Start a ZIP of a board's clips, or return the one that exists or is being made.

    Poll its `url` until the state is done or failed.
    """
    return _start_export(request, token, None)


@router.post(
    "/boards/{unguessable:token}/film",
    auth=TOKEN_REQUIRED,
    response={202: schemas.Export, 400: Error},
    summary=gettext_noop("Start a film export"),
)
def export_board_film(request: HttpRequest, token: str, given: Body[schemas.FilmIn]) -> Any:
    """Start one film of all scenes of a board, or return the one that exists or is being made.

    Poll its `url` until the state is done or failed.
    """
    return _start_export(request, token, given)


def _start_export(request: HttpRequest, token: str, film: schemas.FilmIn | None) -> Any:
    board = get_object_or_404(Board, token=token)
    if not access.may_download(request.user):
        raise ApiError(403, _("You are not allowed to download clips."))
    serializer = Serializer(request)
    rate_limits.check_rate(request, "board", settings.BOARD_RATE)
    edits = exports.edits_of(board, lambda row: serializer.absolute(scene_url(row)))
    chosen = choose_settings(film.to_choices(), edits) if film and edits else None
    export = exports.request_export(board, edits, chosen)
    if export.state == Export.State.WAITING:
        tasks.queue_export(export)
    return Status(202, _export(serializer, export))


@router.get(
    "/boards/{unguessable:token}/exports/{unguessable:export}",
    response=schemas.Export,
    summary=gettext_noop("Export status"),
)
def get_export(request: HttpRequest, token: str, export: str) -> Any:
    """Progress of an export, and its download address once it is done."""
    row = get_object_or_404(Export, token=export, board__token=token)
    return _export(Serializer(request), row)


@router.delete(
    "/boards/{unguessable:token}/exports/{unguessable:export}",
    auth=TOKEN_REQUIRED,
    response={204: None},
    summary=gettext_noop("Cancel an export"),
)
def delete_export(request: HttpRequest, token: str, export: str) -> Any:
    """Cancel an export that is being made, or remove the file of a finished one."""
    board = _get_own_board(request, token)
    exports.cancel_export(get_object_or_404(Export, token=export, board=board))
    return Status(204, None)


def _export(serializer: Serializer, export: Export) -> Serialized:
    done = export.state == Export.State.DONE
    names = (export.board.token, export.token)
    progress = exports.progress_of(export)
    return {
        "kind": export.kind,
        "state": export.state,
        "done": export.done_count,
        "total": export.total_count,
        "progress": round(1.0 if done else progress.part, 4),
        "seconds_left": progress.seconds_left,
        "error": export.error,
        "is_outdated": done and exports.is_outdated(export),
        "url": serializer.resource("get_export", *names),
        "download": serializer.here("download_export", *names) if done else None,
    }
