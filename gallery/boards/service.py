"""All changes to boards. Changes to the order of scenes lock the board's row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, FloatField, Max, Q, QuerySet, Sum
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from gallery.boards import owners
from gallery.boards.models import Board, BoardScene, VisitorOwned
from gallery.boards.owners import Visitor
from gallery.boards.timelines import frames_of_scene
from gallery.core.errors import BoardError
from gallery.films.models import Film, Shot

MAX_BOARDS, MAX_BOARDS_PER_SESSION = 200, 20  # of a user, and without a login
MAX_SCENES, MAX_SCENES_WITHOUT_LOGIN = 2000, 500  # on one board
SPAN_TOLERANCE = 0.0005  # seconds; spans that differ by less are the same


@dataclass(frozen=True, slots=True)
class Scene:
    """A scene to collect: `start` to `end` (seconds) of `film` (id), shown by frame `second`."""

    film: int
    start: float
    end: float
    second: int


# --- a visitor's boards -------------------------------------------------------------------------


def boards_of(visitor: Visitor) -> QuerySet[Board]:
    """Return a visitor's boards, the one used last first."""
    return owners.owned_by(visitor, Board.objects.all())


def current_board(visitor: Visitor) -> Board | None:
    """Return the board saved to last, to which the next scene is added; None without one."""
    return boards_of(visitor).exclude(saved_at=None).order_by("-saved_at", "-id").first()


def count_scenes(visitor: Visitor) -> int:
    """Return how many scenes a visitor has on all boards."""
    if visitor.user is None and not visitor.key:
        return 0
    return BoardScene.objects.filter(board__in=boards_of(visitor).order_by()).count()


def with_totals(boards: QuerySet[Board]) -> QuerySet[Board]:
    """Annotate boards with their number of scenes (`size`) and their `length` in seconds."""
    active = Q(scenes__removed=None)
    length = Sum(F("scenes__end") - F("scenes__start"), filter=active, output_field=FloatField())
    return boards.annotate(size=Count("scenes", filter=active), length=length)


# --- creating boards ----------------------------------------------------------------------------


def create_board(visitor: Visitor, name: str, *, is_for_new_scenes: bool = True) -> Board:
    """Create a board; if it `is_for_new_scenes`, the next ones are added to it.

    Raises BoardError when there are too many, and TooManyRequests.
    """
    with transaction.atomic():
        owners.lock_visitor(visitor)
        saved_at = timezone.now() if is_for_new_scenes else None
        return _create_board(visitor, name, saved_at=saved_at)


def get_or_create_current_board(visitor: Visitor) -> Board:
    """Return the board saved to last, or create one."""
    with transaction.atomic():
        owners.lock_visitor(visitor)
        board = current_board(visitor)
        return board or _create_board(visitor, _("My scenes"), saved_at=timezone.now())


def copy_board(visitor: Visitor, board: Board) -> Board:
    """Create a board of the visitor with the same scenes and notes. Raises BoardError."""
    with transaction.atomic():
        owners.lock_visitor(visitor)
        scenes = list(board.scenes.all())
        if visitor.user is None:
            _require_room(0, len(scenes), MAX_SCENES_WITHOUT_LOGIN)
        copied = _create_board(visitor, board.name)
        for position, scene in enumerate(scenes):
            scene.pk, scene.board, scene.position = None, copied, position
        BoardScene.objects.bulk_create(scenes)
    return copied


def _create_board(visitor: Visitor, name: str, **fields: Any) -> Board:
    most = MAX_BOARDS if visitor.user is not None else MAX_BOARDS_PER_SESSION
    if boards_of(visitor).count() >= most:
        raise BoardError(
            _("You have reached the limit of %(most)d boards. Delete one first.") % {"most": most}
        )
    return owners.create_owned(visitor, Board, name, **fields)


def _anonymous_boards() -> QuerySet[Board]:
    return Board.objects.filter(owner=None).order_by()


# --- scenes -------------------------------------------------------------------------------------


def add_scene(visitor: Visitor, scene: Scene, board: Board | None = None) -> BoardScene:
    """Append a scene to a board, by default to the one saved to last.

    A scene that is on the board already stays as it is; one that was removed less than a day ago
    comes back with its note. Raises BoardError for an invalid scene or a full board.
    """
    row = _append_scene(scene, board or get_or_create_current_board(visitor))
    _record_save(row.board)
    return row


def _record_save(board: Board) -> None:
    Board.objects.filter(pk=board.pk).update(saved_at=timezone.now())


def _append_scene(scene: Scene, board: Board) -> BoardScene:
    """Append a scene to a board. Raises BoardError as `add_scene` does."""
    film = _get_film(scene)
    end = min(scene.end, film.duration)
    if not 0 <= scene.start < end:
        raise BoardError(_("A scene must start before it ends and stay within the film."))
    if film.clock.frame_from(scene.start) >= film.clock.frame_from(end):
        raise BoardError(_("A scene must be at least one frame long."))
    with transaction.atomic():
        _lock_board(board)
        rows = rows_of_span(film.pk, scene.start, end, BoardScene.all_objects.filter(board=board))
        row = rows.filter(removed=None).first() or rows.last()
        if row is None or row.removed:
            row = row or BoardScene(board=board, film=film, start=scene.start, end=end)
            row.second, row.removed = _choose_second(film, scene), None
            row.position = _next_position(board)
            row.save()
        owners.touch(board)
    return row


def collect_scenes(
    visitor: Visitor, scenes: Sequence[Scene], target: Board | str, *, is_save: bool = True
) -> Board:
    """Append scenes to a board, or to a new one of that name: all or none. Return the board.

    Scenes that are on the board already stay as they are. The next scenes are added to this board
    if this `is_save`, otherwise where they would have been. Raises BoardError as `add_scene` does.
    """
    with transaction.atomic():
        board = target
        if isinstance(board, str):
            board = create_board(visitor, board, is_for_new_scenes=is_save)
        for scene in scenes:
            _append_scene(scene, board)
        if is_save:
            _record_save(board)
    return board


def add_scenes(board: Board, scenes: Sequence[tuple[Scene, str]]) -> None:
    """Append scenes of searchable films, each with its note, in order; a scene may be repeated.

    Raises BoardError when the board cannot hold them.
    """
    is_anonymous = board.owner_id is None
    with transaction.atomic():
        _lock_board(board)
        first = _next_position(board)
        most = MAX_SCENES_WITHOUT_LOGIN if is_anonymous else MAX_SCENES
        _require_room(board.scenes.count(), len(scenes), most, is_anonymous=is_anonymous)
        BoardScene.objects.bulk_create(
            BoardScene(
                board=board,
                film_id=scene.film,
                start=scene.start,
                end=scene.end,
                second=scene.second,
                note=note,
                position=first + at,
            )
            for at, (scene, note) in enumerate(scenes)
        )
        owners.touch(board)


def replace_scenes(board: Board, scenes: Sequence[tuple[Scene, str]]) -> None:
    """Replace the scenes of a board; for a day the old ones can be restored. Raises BoardError."""
    with transaction.atomic():
        _lock_board(board)
        board.scenes.update(removed=timezone.now())
        add_scenes(board, scenes)


def rows_of_span(
    film: int, start: float, end: float, among: QuerySet[BoardScene] | None = None
) -> QuerySet[BoardScene]:
    """Return the rows of one span of a film, among `among` or else all that are not removed."""
    rows = BoardScene.objects.all() if among is None else among
    return rows.filter(
        film=film,
        start__range=(start - SPAN_TOLERANCE, start + SPAN_TOLERANCE),
        end__range=(end - SPAN_TOLERANCE, end + SPAN_TOLERANCE),
    )


def _get_film(scene: Scene) -> Film:
    film = Film.objects.filter(pk=scene.film, searchable_run__isnull=False).first()
    if film is None:
        raise BoardError(_("This film has been deleted, so its scene cannot be saved."))
    return film


def _choose_second(film: Film, scene: Scene) -> int:
    """Return the second of a scene's picture: the requested one if it has a thumbnail."""
    files = film.files.run(film.searchable_run or 0)
    if files.thumbnail(scene.second).is_file():
        return scene.second
    shot = Shot.objects.filter(film=film, start__lte=scene.start + SPAN_TOLERANCE).last()
    return shot.second if shot else int(scene.start)


def _next_position(board: Board) -> int:
    is_anonymous = board.owner_id is None
    most = MAX_SCENES_WITHOUT_LOGIN if is_anonymous else MAX_SCENES
    _require_room(board.scenes.count(), 1, most, is_anonymous=is_anonymous)
    last = board.scenes.aggregate(last=Max("position"))["last"]
    return 0 if last is None else last + 1


def _require_room(count: int, more: int, most: int, *, is_anonymous: bool = True) -> None:
    """Raise BoardError when a board, or all boards without an owner, cannot hold `more` scenes."""
    if count + more > most:
        raise BoardError(
            _("This board is full (%(most)d scenes). Use another board.") % {"most": most}
        )
    if is_anonymous:
        total = BoardScene.all_objects.filter(board__in=_anonymous_boards()).count()
        if total + more > settings.MAX_ANONYMOUS_SCENES:
            raise BoardError(owners.no_room_message())


def scene_url(scene: BoardScene) -> str:
    """Return the URL of the page that plays a scene of a board."""
    first, last = frames_of_scene(scene.film.clock, scene.start, scene.end)
    query = urlencode({"in": f"{first}f", "out": f"{last}f"})
    return f"{reverse('frame', args=[scene.film_id, scene.second])}?{query}"


def remove_scene(board: Board, scene: int) -> None:
    """Remove a scene from a board; for a day it can be restored."""
    board.scenes.filter(pk=scene).update(removed=timezone.now())


def restore_scene(board: Board, scene: int) -> None:
    """Restore a removed scene at its position. Raises BoardError for a full board."""
    with transaction.atomic():
        _lock_board(board)
        _next_position(board)
        BoardScene.all_objects.filter(board=board, pk=scene).update(removed=None)


def set_note(board: Board, scene: int, text: str) -> None:
    """Save the note of a scene."""
    board.scenes.filter(pk=scene).update(note=text)


def move_by(board: Board, scene: int, by: int) -> int | None:
    """Move a scene by `by` places; -1 is one earlier.

    This and the next two return its position, from 1, or None when it is not on the board.
    """
    return _reorder(board, scene, lambda at, _rest: at + by)


def move_to(board: Board, scene: int, number: int) -> int | None:
    """Move a scene to a position, counted from 1."""
    return _reorder(board, scene, lambda _at, _rest: number - 1)


def move_before(board: Board, scene: int, other: int) -> int | None:
    """Move a scene before another, or to the end when that is not on the board."""
    return _reorder(
        board, scene, lambda _at, rest: rest.index(other) if other in rest else len(rest)
    )


def _reorder(board: Board, scene: int, target: Callable[[int, list[int]], int]) -> int | None:
    """Move a scene. Return its position, from 1, or None when it is not on the board.

    `target` maps its index and the ids of the other scenes to its new index; both count from 0.
    """
    with transaction.atomic():
        _lock_board(board)
        rows = list(board.scenes.only("position"))
        at = next((n for n, row in enumerate(rows) if row.pk == scene), None)
        if at is None:
            return None
        moved = rows.pop(at)
        index = max(0, min(len(rows), target(at, [row.pk for row in rows])))
        rows.insert(index, moved)
        changed = []
        for position, row in enumerate(rows):
            if row.position != position:
                row.position = position
                changed.append(row)
        BoardScene.objects.bulk_update(changed, ["position"], batch_size=500)
    return index + 1


def _lock_board(board: Board) -> None:
    """Lock a board until the transaction ends. Raises BoardError when it was deleted."""
    if Board.objects.select_for_update().filter(pk=board.pk).first() is None:
        raise BoardError(_("This board has been deleted."))


# --- clean-up -----------------------------------------------------------------------------------


def remove_unused() -> None:
    """Remove what is unused and has no owner, and scenes that were removed from boards a day ago.

    Boards and storyboards without an owner are kept for KEEP_UNUSED_DAYS, empty ones for a day.
    """
    now = timezone.now()
    _anonymous_boards().filter(used__lt=now - timedelta(days=1), scenes=None).delete()
    unused = {"owner": None, "used__lt": now - timedelta(days=owners.KEEP_UNUSED_DAYS)}
    for model in VisitorOwned.__subclasses__():
        model._default_manager.filter(**unused).delete()
    BoardScene.all_objects.filter(removed__lt=now - timedelta(days=1)).delete()
