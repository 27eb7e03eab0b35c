"""Boards: whose they are, which is in use, and everything that is done to them.

A board belongs to a user, or to the browser session that keeps its key. The key never changes, so
two tabs of a browser cannot overwrite each other's list of boards. What changes the order of a
board happens while its row is locked.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Max, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from gallery.boards.models import Board, BoardScene
from gallery.boards.timelines import frames_of_scene
from gallery.core import rate_limits
from gallery.core.errors import BoardError, TooManyRequests
from gallery.films.models import Film, Shot

SESSION_NAME = "boards"  # where a session keeps its key
DAY = 86_400  # seconds
KEEP_DAYS = 60  # how long a board that nobody owns is kept after it was last used
MAX_BOARDS, MAX_ANONYMOUS_OWN_BOARDS = 200, 20  # of a user; of a browser without a login
MAX_SCENES, MAX_ANONYMOUS_OWN_SCENES = 2000, 500  # on one board
SAME = 0.0005  # seconds: spans that differ by less are the same


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who collects: a user, or the session `session` that keeps `key` ("": it has no boards).

    `client` is who is counted where there is a rate.
    """

    user: int | None = None
    key: str = ""
    session: str = ""
    client: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """A scene to collect: from `start` up to `end` (seconds of `film`), shown by `second`."""

    film: int
    start: float
    end: float
    second: int


# --- whose boards -------------------------------------------------------------------------------


def visitor_of(request: HttpRequest) -> Visitor:
    """Who asks."""
    client = rate_limits.client_of(request)
    if request.user.is_authenticated:
        return Visitor(user=request.user.pk, client=client)
    key = request.session.get(SESSION_NAME, "")
    return Visitor(key=key, session=request.session.session_key or "", client=client)


def lasting_visitor(request: HttpRequest) -> Visitor:
    """Who asks, to stay: a session gets its key now, and lasts as long as its boards.

    Raises TooManyRequests when too many sessions begin at one address.
    """
    if not request.user.is_authenticated:
        if SESSION_NAME not in request.session:
            rate_limits.check_rate(request, "visitor", settings.BOARD_RATE)
            request.session[SESSION_NAME] = secrets.token_hex(16)
        request.session.set_expiry(KEEP_DAYS * DAY)
    return visitor_of(request)


def boards_of(visitor: Visitor) -> QuerySet[Board]:
    """Somebody's boards, the one used last first."""
    if visitor.user is not None:
        return Board.objects.filter(owner=visitor.user)
    if visitor.key:
        return Board.objects.filter(owner=None, visitor=visitor.key)
    return Board.objects.none()


def owns(visitor: Visitor, board: Board) -> bool:
    """Whether somebody may change a board."""
    if board.owner_id is not None:
        return board.owner_id == visitor.user
    return visitor.user is None and bool(visitor.key) and board.visitor == visitor.key


def claim_session_boards(key: str, user: int) -> int:
    """Give the boards of a session to the user who logged in with it; how many there were."""
    return boards_of(Visitor(key=key)).update(owner=user, visitor="")


def current_board(visitor: Visitor) -> Board | None:
    """The board where the next scene goes: the one used last."""
    return boards_of(visitor).first()


def count_scenes(visitor: Visitor) -> int:
    """How many scenes somebody has collected, on all boards."""
    if visitor.user is None and not visitor.key:
        return 0
    return BoardScene.objects.filter(board__in=boards_of(visitor).order_by()).count()


def touch(board: Board) -> None:
    """Note that its owner uses a board."""
    board.used = timezone.now()
    Board.objects.filter(pk=board.pk).update(used=board.used)


# --- making boards ------------------------------------------------------------------------------


def create_board(visitor: Visitor, name: str) -> Board:
    """A new board. Raises BoardError when there are too many."""
    with transaction.atomic():
        _wait_turn(visitor)
        return _make(visitor, name)


def create_first_board(visitor: Visitor) -> Board:
    """The board used last; a visitor's first board is made now."""
    with transaction.atomic():
        _wait_turn(visitor)
        return current_board(visitor) or _make(visitor, _("My scenes"))


def copy_board(visitor: Visitor, board: Board) -> Board:
    """A board of one's own with the same scenes and notes. Raises BoardError."""
    with transaction.atomic():
        _wait_turn(visitor)
        scenes = list(board.scenes.all())
        if visitor.user is None:
            _require_room(0, len(scenes), MAX_ANONYMOUS_OWN_SCENES)
        made = _make(visitor, board.name)
        for position, scene in enumerate(scenes):
            scene.pk, scene.board, scene.position = None, made, position
        BoardScene.objects.bulk_create(scenes)
    return made


def _make(visitor: Visitor, name: str) -> Board:
    most = MAX_BOARDS if visitor.user is not None else MAX_ANONYMOUS_OWN_BOARDS
    if boards_of(visitor).count() >= most:
        raise BoardError(
            _("You have reached the limit of %(most)d boards. Delete one first.") % {"most": most}
        )
    if visitor.client and settings.BOARD_RATE:
        usage = rate_limits.count_use("board", visitor.client, settings.BOARD_RATE)
        if usage.is_exceeded:
            raise TooManyRequests(usage.reset)
    if visitor.user is None and _anonymous().count() >= settings.MAX_ANONYMOUS_BOARDS:
        raise BoardError(no_room())
    if visitor.user is not None:
        return Board.objects.create(owner_id=visitor.user, name=name)
    return Board.objects.create(visitor=visitor.key, name=name)


def _anonymous() -> QuerySet[Board]:
    return Board.objects.filter(owner=None).order_by()


def no_room() -> str:
    """What visitors are told when the boards of all of them take all the space there is."""
    return _("Guests cannot save any more scenes right now. Please log in.")


def _wait_turn(visitor: Visitor) -> None:
    """Let requests of the same visitor make boards one after the other. (SQLite: of anybody.)"""
    rows: QuerySet[Any]
    if visitor.user is not None:
        rows = get_user_model().objects.filter(pk=visitor.user)
    else:
        rows = Session.objects.filter(pk=visitor.session)
    rows.select_for_update().first()


# --- scenes -------------------------------------------------------------------------------------


def add_scene(visitor: Visitor, scene: Scene, board: Board | None = None) -> BoardScene:
    """Put a scene at the end of a board, by default of the one used last.

    A scene that is there already stays as it is; one that was removed a moment ago comes back with
    its note. Raises BoardError when there is no such scene, or no room for it.
    """
    film = _film_of(scene)
    end = min(scene.end, film.duration)
    if not 0 <= scene.start < end:
        raise BoardError(_("A scene must start before it ends and stay within the film."))
    if film.clock.frame_from(scene.start) >= film.clock.frame_from(end):
        raise BoardError(_("A scene must be at least one frame long."))
    board = board or create_first_board(visitor)
    with transaction.atomic():
        _lock(board)
        rows = same_span(film.pk, scene.start, end, BoardScene.everything.filter(board=board))
        row = rows.filter(removed=None).first() or rows.last()
        if row is None or row.removed:
            row = row or BoardScene(board=board, film=film, start=scene.start, end=end)
            row.second, row.removed = _shown_by(film, scene), None
            row.position = _room_at_end(board)
            row.save()
        touch(board)
    return row


def same_span(
    film: int, start: float, end: float, among: QuerySet[BoardScene] | None = None
) -> QuerySet[BoardScene]:
    """The rows of one span of a film, among all that stand on boards or those given."""
    rows = BoardScene.objects.all() if among is None else among
    return rows.filter(
        film=film,
        start__range=(start - SAME, start + SAME),
        end__range=(end - SAME, end + SAME),
    )


def _film_of(scene: Scene) -> Film:
    film = Film.objects.filter(pk=scene.film, searchable_run__isnull=False).first()
    if film is None:
        raise BoardError(_("This film has been deleted, so its scene cannot be saved."))
    return film


def _shown_by(film: Film, scene: Scene) -> int:
    """The second whose picture stands for a scene: the asked one, if there is a picture of it."""
    files = film.files.run(film.searchable_run or 0)
    if files.thumbnail(scene.second).is_file():
        return scene.second
    shot = Shot.objects.filter(film=film, start__lte=scene.start + SAME).last()
    return shot.second if shot else int(scene.start)


def _room_at_end(board: Board) -> int:
    is_anonymous = board.owner_id is None
    most = MAX_ANONYMOUS_OWN_SCENES if is_anonymous else MAX_SCENES
    _require_room(board.scenes.count(), 1, most, is_anonymous=is_anonymous)
    last = board.scenes.aggregate(last=Max("position"))["last"]
    return 0 if last is None else last + 1


def _require_room(there: int, more: int, most: int, *, is_anonymous: bool = True) -> None:
    """Raise BoardError when more scenes do not fit on a board, or on all that nobody owns."""
    if there + more > most:
        raise BoardError(
            _("This board is full (%(most)d scenes). Use another board.") % {"most": most}
        )
    if is_anonymous:
        all_there = BoardScene.everything.filter(board__in=_anonymous()).count()
        if all_there + more > settings.MAX_ANONYMOUS_SCENES:
            raise BoardError(no_room())


def scene_url(scene: BoardScene) -> str:
    """The page that plays a scene of a board, from its first frame to its last."""
    first, last = frames_of_scene(scene.film.clock, scene.start, scene.end)
    asked = urlencode({"in": f"{first}f", "out": f"{last}f"})
    return f"{reverse('frame', args=[scene.film_id, scene.second])}?{asked}"


def remove_scene(board: Board, scene: int) -> None:
    """Take a scene off a board; for a day it can be put back."""
    board.scenes.filter(pk=scene).update(removed=timezone.now())


def restore_scene(board: Board, scene: int) -> None:
    """Put a removed scene back where it was, with its note. Raises BoardError for a full board."""
    with transaction.atomic():
        _lock(board)
        _room_at_end(board)
        BoardScene.everything.filter(board=board, pk=scene).update(removed=None)


def set_note(board: Board, scene: int, text: str) -> None:
    """Write a note to a scene."""
    board.scenes.filter(pk=scene).update(note=text)


def move_by(board: Board, scene: int, by: int) -> int | None:
    """Move a scene so many places: -1 is one earlier. Returns its number then, from 1.

    Returns None when it is not on the board; so do `place` and `place_before`.
    """
    return _reorder(board, scene, lambda at, _rest: at + by)


def move_to(board: Board, scene: int, number: int) -> int | None:
    """Make a scene the one of that number, counted from 1."""
    return _reorder(board, scene, lambda _at, _rest: number - 1)


def move_before(board: Board, scene: int, other: int) -> int | None:
    """Move a scene in front of another; to the end when that is not there."""
    return _reorder(
        board, scene, lambda _at, rest: rest.index(other) if other in rest else len(rest)
    )


def _reorder(board: Board, scene: int, target: Callable[[int, list[int]], int]) -> int | None:
    """Give a scene another place.

    `target` takes its place, counted from 0, and the ids of the others, and gives its new place.
    """
    with transaction.atomic():
        _lock(board)
        rows = list(board.scenes.only("position"))
        at = next((n for n, row in enumerate(rows) if row.pk == scene), None)
        if at is None:
            return None
        moved = rows.pop(at)
        place = max(0, min(len(rows), target(at, [row.pk for row in rows])))
        rows.insert(place, moved)
        changed = []
        for position, row in enumerate(rows):
            if row.position != position:
                row.position = position
                changed.append(row)
        BoardScene.objects.bulk_update(changed, ["position"], batch_size=500)
    return place + 1


def _lock(board: Board) -> None:
    """Change a board alone until the transaction ends. Raises BoardError when it is gone."""
    if Board.objects.select_for_update().filter(pk=board.pk).first() is None:
        raise BoardError(_("This board has been deleted."))


# --- tidying up ---------------------------------------------------------------------------------


def remove_unused() -> None:
    """Remove boards that nobody owns or uses any more, and what was taken off boards a day ago.

    Of those that nobody owns, empty ones go after a day.
    """
    now = timezone.now()
    _anonymous().filter(used__lt=now - timedelta(days=1), scenes=None).delete()
    Board.objects.filter(owner=None, used__lt=now - timedelta(days=KEEP_DAYS)).delete()
    BoardScene.everything.filter(removed__lt=now - timedelta(days=1)).delete()
