"""Storyboards: create them from scripts and pictures, search their rows, choose, and save.

Rows are searched one by one, in any order and at the same time. After each search the choice of
all rows is made again under a lock of the storyboard, so that it depends on what was found only.
"""

from collections.abc import Iterable, Iterator, Sequence
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
    pictures: Sequence[tuple[str, str]] = (),
    *,
    name: str = "",
    films: Sequence[int] = (),
    allows_repeats: bool = False,
) -> Storyboard:
    """Create a storyboard whose rows are lines of a script, and then pictures (token, name).

    Nothing is searched yet. Raises BoardError when there are too many storyboards or rows, or none,
    and TooManyRequests.
    """
    rows = [StoryboardRow(text=line.text, seconds=line.seconds) for line in lines]
    rows += [
        StoryboardRow(text="", picture=token, seconds=scripts.MIN_READING_SECONDS * 2)
        for token, _name in pictures
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
        storyboard = owners.create_owned(visitor, Storyboard, name)
        storyboard.films, storyboard.allows_repeats = list(films), allows_repeats
        storyboard.save(update_fields=["films", "allows_repeats"])
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
    try:
        hits, error = engine.search(build_query(row)).hits, ""
    except QueryError as failure:
        hits, error = [], str(failure)
    found = [asdict(_candidate(hit)) for hit in hits]
    with _locked(row.storyboard):
        current = StoryboardRow.objects.filter(pk=row.pk, text=row.text, picture=row.picture)
        # A locked choice stays, also when it is not found again.
        kept = current.filter(is_locked=True).values_list("candidates", "chosen").first()
        changes: dict[str, Any] = {"candidates": found, "error": error}
        if kept is not None and kept[0] and kept[1] is not None:
            scene = kept[0][kept[1]]
            rest = [one for one in found if (one["film"], one["shot"]) != _key(scene)]
            changes |= {"candidates": [scene, *rest][:MAX_CANDIDATES], "chosen": 0}
        current.update(**changes)
        _choose_again(row.storyboard)


def search_pending(storyboard: Storyboard) -> None:
    """Search all rows that have not been searched. Raises IndexUnavailable and ModelError."""
    for row in storyboard.rows.filter(candidates__isnull=True):
        search_row(row)


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


def _key(scene: dict[str, Any]) -> tuple[int, int]:
    return scene["film"], scene["shot"]


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
            rejected=frozenset((film, shot) for film, shot in row.rejected),
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


def set_text(row: StoryboardRow, text: str) -> None:
    """Change the text of a row, which is then to be searched again. Raises BoardError."""
    line = scripts.parse_line(text)
    seconds = row.seconds if line.seconds is None else line.seconds
    if line.text == row.text:
        return _change(row, seconds=seconds)
    if len(line.text) > scripts.MAX_LINE_CHARACTERS:
        raise BoardError(scripts.too_long_message(row.position + 1, line.text))
    return _change(row, text=line.text, seconds=seconds, **_UNSEARCHED)


_UNSEARCHED: dict[str, Any] = {
    "candidates": None,
    "chosen": None,
    "is_locked": False,
    "rejected": [],
    "similar_to": None,
    "error": "",
}


def set_seconds(row: StoryboardRow, seconds: float | None) -> None:
    """Set the wanted length of a row; None for the time that it takes to read its text."""
    _change(row, seconds=None if seconds is None else scripts.clamp_seconds(seconds))


def choose(row: StoryboardRow, index: int) -> None:
    """Choose a candidate by its index, and lock the choice. An unknown index changes nothing."""
    if 0 <= index < len(row.candidates or ()):
        _change(row, chosen=index, is_locked=True)


def step(row: StoryboardRow, by: int) -> None:
    """Choose the next candidate (`by` 1) or the previous one (-1) that the row may have."""
    offered = [index for index, _candidate in offered_candidates(row)]
    if row.chosen in offered:
        at = offered.index(row.chosen) + by
        if 0 <= at < len(offered):
            choose(row, offered[at])
    elif offered:
        choose(row, offered[0])


def offered_candidates(row: StoryboardRow) -> list[tuple[int, SceneCandidate]]:
    """Return the candidates that a row may have, with their indexes.

    Those are neither rejected nor, unless scenes may repeat, chosen for another row.
    """
    taken: set[tuple[int, int]] = set()
    if not row.storyboard.allows_repeats:
        others = row.storyboard.rows.exclude(pk=row.pk)
        taken = {one.key for one in map(chosen_candidate, others) if one is not None}
    taken |= {(film, shot) for film, shot in row.rejected}
    found = enumerate(load_candidates(row))
    return [(index, one) for index, one in found if one.key not in taken or index == row.chosen]


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


def fitted_scene(row: StoryboardRow, film: Film) -> Scene | None:
    """Return the part of the chosen shot that fits the row, None without a choice."""
    one = chosen_candidate(row)
    if one is None:
        return None
    start, end = fit_span(film.clock, one, wanted_seconds(row))
    return Scene(one.film, start, min(end, film.duration), one.second)


def load_films(rows: Iterable[StoryboardRow]) -> dict[int, Film]:
    """Return the searchable films of all candidates of some rows by id."""
    ids = {candidate.film for row in rows for candidate in load_candidates(row)}
    return Film.objects.filter(searchable_run__isnull=False).in_bulk(ids)


def save_as_board(visitor: Visitor, storyboard: Storyboard) -> Board:
    """Create a board with the chosen scenes in order; the lines of the script are its notes.

    Rows without a scene, or whose film was deleted, are left out. Raises BoardError when no row has
    a scene, or the board cannot be created.
    """
    rows = list(storyboard.rows.select_related("storyboard"))
    films = load_films(rows)
    scenes = [
        (row, scene)
        for row in rows
        if (one := chosen_candidate(row)) is not None
        and one.film in films
        and (scene := fitted_scene(row, films[one.film])) is not None
    ]
    if not scenes:
        raise BoardError(_("No row has a scene yet, so there is nothing to save."))
    board = boards.create_board(visitor, storyboard.name[:120])
    boards.add_scenes(board, [(scene, row.text) for row, scene in scenes])
    return board
