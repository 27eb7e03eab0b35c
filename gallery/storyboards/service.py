"""Storyboards: create them from scripts and pictures, search their rows, choose, and save.

Rows are searched one by one, in any order and at the same time. After each search the choice of
all rows is made again under a lock of the storyboard, so that it depends on what was found only.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils.translation import gettext as _

from gallery.boards import owners
from gallery.boards import service as boards
from gallery.boards.models import Board
from gallery.boards.owners import Visitor
from gallery.boards.service import Scene
from gallery.core.errors import BoardError, QueryError
from gallery.films.models import Film
from gallery.search import engine
from gallery.search.refining import more_like
from gallery.search.types import Example, Hit, Mode, Query
from gallery.storyboards import scripts
from gallery.storyboards.choosing import RowChoice, choose_scenes, fit_span
from gallery.storyboards.models import Storyboard, StoryboardRow
from gallery.storyboards.scripts import reading_seconds
from gallery.storyboards.types import SceneCandidate, ScriptLine

MAX_CANDIDATES = 12  # of a row
MAX_STORYBOARDS, MAX_STORYBOARDS_PER_SESSION = 100, 10  # of a user, and without a login
MAX_NAME_CHARACTERS = 60  # of a storyboard that is named after its first line


# --- creating -----------------------------------------------------------------------------------


def storyboards_of(visitor: Visitor) -> QuerySet[Storyboard]:
    """Return a visitor's storyboards, the one used last first."""
    return owners.owned_by(visitor, Storyboard.objects.all())


def create_storyboard(
    visitor: Visitor,
    lines: Sequence[ScriptLine],
    pictures: Sequence[str] = (),
    *,
    name: str = "",
    films: Sequence[int] = (),
    allows_repeats: bool = False,
) -> Storyboard:
    """Create a storyboard whose rows are lines of a script, and then pictures (tokens).

    Nothing is searched yet. Raises BoardError when there are too many storyboards or rows, or none,
    and TooManyRequests.
    """
    rows = [StoryboardRow(text=line.text, seconds=line.seconds) for line in lines]
    rows += [
        StoryboardRow(picture=token, seconds=scripts.MIN_READING_SECONDS * 2) for token in pictures
    ]
    if not 0 < len(rows) <= scripts.MAX_ROWS:
        raise BoardError(
            _("A storyboard has 1 to %(most)d rows: lines of a script, or pictures.")
            % {"most": scripts.MAX_ROWS}
        )
    name = name.strip() or _shorten(rows[0].text) or _("Storyboard")
    with transaction.atomic():
        owners.lock_visitor(visitor)
        _require_room(visitor)
        storyboard = owners.create_owned(
            visitor, Storyboard, name, films=list(films), allows_repeats=allows_repeats
        )
        for position, row in enumerate(rows):
            row.storyboard, row.position = storyboard, position
        StoryboardRow.objects.bulk_create(rows)
    return storyboard


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_NAME_CHARACTERS else f"{text[: MAX_NAME_CHARACTERS - 1]}…"


def _require_room(visitor: Visitor) -> None:
    most = MAX_STORYBOARDS if visitor.user is not None else MAX_STORYBOARDS_PER_SESSION
    if storyboards_of(visitor).count() >= most:
        raise BoardError(
            _("You have reached the limit of %(most)d storyboards. Delete one first.")
            % {"most": most}
        )


# --- searching ----------------------------------------------------------------------------------


def search_row(row: StoryboardRow) -> None:
    """Find the scenes of a row and choose again. Raises IndexUnavailable and ModelError.

    A row that cannot be searched, such as one without words, gets its `error`.
    """
    found, error = _find_scenes(row)
    with _locked(row.storyboard):
        _store_candidates(row, found, error)
        _choose_again(row.storyboard)


def search_pending(storyboard: Storyboard) -> None:
    """Search all rows that have not been searched. Raises IndexUnavailable and ModelError."""
    try:
        for row in storyboard.rows.filter(candidates__isnull=True):
            found, error = _find_scenes(row)
            with _locked(storyboard):
                _store_candidates(row, found, error)
    finally:
        with _locked(storyboard):
            _choose_again(storyboard)


def _find_scenes(row: StoryboardRow) -> tuple[list[SceneCandidate], str]:
    """Return the scenes of a row, best first, or none and why."""
    try:
        return [_candidate(hit) for hit in engine.search(build_query(row)).hits], ""
    except QueryError as error:
        return [], str(error)


def _store_candidates(row: StoryboardRow, found: list[SceneCandidate], error: str) -> None:
    """Store what was found for a row, unless its text has changed since."""
    current = row.storyboard.rows.filter(pk=row.pk, text=row.text).first()
    if current is None:
        return
    kept = chosen_candidate(current) if current.is_locked else None
    if kept is not None:  # it stays, also when it is not found again
        found = [kept, *(one for one in found if one.key != kept.key)][:MAX_CANDIDATES]
        current.chosen = 0
    current.candidates, current.error = [asdict(one) for one in found], error
    current.save(update_fields=["candidates", "chosen", "error"])


def build_query(row: StoryboardRow) -> Query:
    """Return the search for a row's scenes."""
    examples = (Example(picture=row.picture),) if row.picture else ()
    query = Query(
        words=row.text,
        examples=examples,
        # Most lines describe a picture, and then a word of them that somebody says leads astray.
        mode=Mode.SEEN,
        films=tuple(row.storyboard.films),
        page_size=MAX_CANDIDATES,
    )
    return more_like(query, tuple(row.similar_to)) if row.similar_to else query


def _candidate(hit: Hit) -> SceneCandidate:
    return SceneCandidate(
        film=hit.film,
        shot=hit.shot,
        second=hit.second,
        time=hit.time,
        start=hit.start,
        end=hit.end,
        relevance=round(hit.relevance, 4),
        matches=hit.matches,
    )


# --- choosing -----------------------------------------------------------------------------------


def load_candidates(row: StoryboardRow) -> list[SceneCandidate]:
    """Return the candidates of a row, best first."""
    return [SceneCandidate(**fields) for fields in row.candidates or ()]


def chosen_candidate(row: StoryboardRow) -> SceneCandidate | None:
    """Return the scene that is chosen for a row."""
    found = load_candidates(row)
    return found[row.chosen] if row.chosen is not None and row.chosen < len(found) else None


@contextmanager
def _locked(storyboard: Storyboard) -> Iterator[None]:
    """Run the block in a transaction that alone changes the storyboard's rows.

    Raises BoardError when the storyboard was deleted.
    """
    with transaction.atomic():
        # The update locks the row.
        rows = Storyboard.objects.filter(pk=storyboard.pk)
        if not rows.update(version=F("version") + 1):
            raise BoardError(_("This storyboard has been deleted."))
        yield


def _choose_again(storyboard: Storyboard) -> None:
    """Choose the scenes of all rows whose choice is not locked."""
    rows = list(storyboard.rows.all())
    choices = [
        RowChoice(
            candidates=load_candidates(row),
            rejected=_rejected_keys(row),
            locked=row.chosen if row.is_locked else None,
        )
        for row in rows
    ]
    changed = []
    found = choose_scenes(choices, allows_repeats=storyboard.allows_repeats)
    for row, chosen in zip(rows, found, strict=True):
        if row.chosen != chosen:
            row.chosen = chosen
            changed.append(row)
    StoryboardRow.objects.bulk_update(changed, ["chosen"])


def _change(row: StoryboardRow, **changes: Any) -> None:
    """Change a row, and choose again."""
    with _locked(row.storyboard):
        row.storyboard.rows.filter(pk=row.pk).update(**changes)
        _choose_again(row.storyboard)
    row.refresh_from_db()


def edit(row: StoryboardRow, text: str | None, seconds: float | None) -> None:
    """Change the text and the wanted length of a row. Raises BoardError for a text too long.

    A changed text is to be searched again, and may end in the length; None leaves the text.
    `seconds` is None for the time that it takes to read the text.
    """
    line = ScriptLine(row.text) if text is None else scripts.parse_line(text)
    wanted = seconds if line.seconds is None else line.seconds
    changes: dict[str, Any] = {"seconds": None if wanted is None else scripts.clamp_seconds(wanted)}
    if line.text != row.text:
        if len(line.text) > scripts.MAX_LINE_CHARACTERS:
            raise BoardError(scripts.too_long_message(row.position + 1, line.text))
        changes |= {"text": line.text, **_UNSEARCHED}
    _change(row, **changes)


_UNSEARCHED: dict[str, Any] = {
    "candidates": None,
    "chosen": None,
    "is_locked": False,
    "rejected": [],
    "similar_to": None,
    "error": "",
}


def choose(row: StoryboardRow, index: int) -> None:
    """Choose a candidate by its index, and lock the choice. An unknown index changes nothing."""
    if 0 <= index < len(row.candidates or ()):
        _change(row, chosen=index, is_locked=True)


def step(row: StoryboardRow, by: int) -> None:
    """Choose the next candidate (`by` 1) or the previous one (-1) that the row may have."""
    taken = taken_shots(row.storyboard, list(row.storyboard.rows.all()))
    offered = [index for index, _candidate in offered_candidates(row, taken)]
    if row.chosen in offered:
        at = offered.index(row.chosen) + by
        if 0 <= at < len(offered):
            choose(row, offered[at])
    elif offered:
        choose(row, offered[0])


def taken_shots(
    storyboard: Storyboard, rows: Iterable[StoryboardRow]
) -> dict[tuple[int, int], int]:
    """Return the shots that no other row may have, and the row (id) that has each of them."""
    if storyboard.allows_repeats:
        return {}
    found = ((chosen_candidate(row), row.pk) for row in rows)
    return {candidate.key: pk for candidate, pk in found if candidate is not None}


def offered_candidates(
    row: StoryboardRow, taken: dict[tuple[int, int], int]
) -> list[tuple[int, SceneCandidate]]:
    """Return the candidates that a row may have, with their indexes.

    Those are the chosen one, and those neither rejected nor `taken` by another row.
    """
    rejected = _rejected_keys(row)
    return [
        (index, one)
        for index, one in enumerate(load_candidates(row))
        if index == row.chosen or (one.key not in rejected and taken.get(one.key, row.pk) == row.pk)
    ]


def _rejected_keys(row: StoryboardRow) -> frozenset[tuple[int, int]]:
    return frozenset((film, shot) for film, shot in row.rejected)


def set_locked(row: StoryboardRow, *, is_locked: bool) -> None:
    """Lock or unlock the choice of a row; only a row with a scene can be locked.

    An unlocked scene stays the first wish of its row.
    """
    if is_locked or row.chosen is None:
        return _change(row, is_locked=is_locked and row.chosen is not None)
    return _change(row, is_locked=False, chosen=0, candidates=_starting_at(row, row.chosen))


def _starting_at(row: StoryboardRow, index: int) -> list[dict[str, Any]]:
    """Return the candidates of a row, that at the index first, and those before it last."""
    candidates = list(row.candidates or ())
    return candidates[index:] + candidates[:index]


def reject(row: StoryboardRow) -> None:
    """Reject the chosen scene: the row gets its next one."""
    current = chosen_candidate(row)
    if current is not None:
        _change(
            row,
            rejected=[*row.rejected, list(current.key)],
            candidates=_starting_at(row, row.chosen or 0),
            chosen=None,
            is_locked=False,
        )


def search_similar(row: StoryboardRow) -> None:
    """Mark a row to be searched for scenes like its chosen one, too, which stays in the row."""
    current = chosen_candidate(row)
    if current is not None:
        _change(row, similar_to=[current.film, current.second], is_locked=True)


def remove_row(row: StoryboardRow) -> None:
    """Remove a row; the last one stays."""
    with _locked(row.storyboard):
        if row.storyboard.rows.count() > 1:
            row.delete()
            _choose_again(row.storyboard)


# --- saving -------------------------------------------------------------------------------------


def wanted_seconds(row: StoryboardRow) -> float:
    """Return how long a row's scene should last."""
    return reading_seconds(row.text) if row.seconds is None else row.seconds


def fitted_scene(row: StoryboardRow, films: Mapping[int, Film]) -> Scene | None:
    """Return the part of the chosen shot that fits the row.

    None without a choice, and when its film is not among the searchable `films`.
    """
    one = chosen_candidate(row)
    film = films.get(one.film) if one else None
    if one is None or film is None:
        return None
    start, end = fit_span(film.clock, one, wanted_seconds(row))
    return Scene(one.film, start, min(end, film.duration), one.second)


def load_films(rows: Iterable[StoryboardRow]) -> dict[int, Film]:
    """Return the searchable films of all candidates of some rows by id."""
    ids = {candidate.film for row in rows for candidate in load_candidates(row)}
    return Film.objects.filter(searchable_run__isnull=False).in_bulk(ids)


def save_as_board(visitor: Visitor, storyboard: Storyboard, board: Board | None = None) -> Board:
    """Create a board with the chosen scenes in order; the lines of the script are its notes.

    If a `board` is given, its scenes are replaced. Rows without a scene, or whose film was deleted,
    are left out. Raises BoardError when no row has a scene, or the board cannot be created or
    filled.
    """
    rows = list(storyboard.rows.all())
    films = load_films(rows)
    scenes = [(scene, row.text) for row in rows if (scene := fitted_scene(row, films))]
    if not scenes:
        raise BoardError(_("No row has a scene yet, so there is nothing to save."))
    if board is None:
        board = boards.create_board(visitor, storyboard.name, is_for_new_scenes=False)
        boards.add_scenes(board, scenes)
    else:
        boards.replace_scenes(board, scenes)
    return board


def saved_board(visitor: Visitor, storyboard: Storyboard) -> Board | None:
    """Return the visitor's newest board with the name of a storyboard, probably saved from it."""
    return boards.boards_of(visitor).filter(name=storyboard.name).order_by("-pk").first()
