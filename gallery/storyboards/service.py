"""Storyboards: create them from scripts and pictures, search their rows, and choose.

Rows are searched one by one, in any order and at the same time. After each search the choice of
all rows is made again under a lock of the storyboard, so that it depends on what was found only.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from gallery.boards import owners
from gallery.boards.owners import Visitor
from gallery.core.errors import BoardError, GalleryError, QueryError
from gallery.films.models import Film
from gallery.search import engine
from gallery.search.refining import more_like
from gallery.search.types import Example, Hit, Mode, Query
from gallery.storyboards import scripts
from gallery.storyboards.candidates import (
    assign_scenes,
    chosen_candidate,
    chosen_scene_id,
    drop_deleted,
    load_candidates,
    load_films,
    offered_candidates,
    taken_shots,
)
from gallery.storyboards.models import Storyboard, StoryboardRow
from gallery.storyboards.types import SceneCandidate, ScriptLine, StaleRow

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
    for a name too long and for unknown films, and TooManyRequests.
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
    _require_short(name)
    _require_films(films)
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


def create_searched(visitor: Visitor, lines: Sequence[ScriptLine], **options: Any) -> Storyboard:
    """Create a storyboard as `create_storyboard` does, and search all its rows.

    When that fails, no storyboard is left: its URL would not be known to anyone.
    """
    owners.count_searches(visitor, len(lines))
    storyboard = create_storyboard(visitor, lines, **options)
    try:
        search_pending(storyboard)
    except GalleryError:
        storyboard.delete()
        raise
    return storyboard


def _require_short(name: str) -> None:
    most = Storyboard._meta.get_field("name").max_length or 0
    if len(name) > most:
        raise BoardError(
            _("The name is too long: %(given)d characters (limit: %(most)d).")
            % {"given": len(name), "most": most}
        )


def _require_films(films: Sequence[int]) -> None:
    searchable = Film.objects.filter(searchable_run__isnull=False)
    unknown = sorted(set(films) - set(searchable.values_list("pk", flat=True)))
    if unknown:
        raise BoardError(
            _("These films do not exist or cannot be searched: %(films)s.")
            % {"films": pgettext("between numbers", ", ").join(map(str, unknown))}
        )


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
        for row in pending_rows(storyboard):
            found, error = _find_scenes(row)
            with _locked(storyboard):
                _store_candidates(row, found, error)
    finally:
        with _locked(storyboard):
            _choose_again(storyboard)


def pending_rows(storyboard: Storyboard) -> QuerySet[StoryboardRow]:
    """Return the rows that have not been searched."""
    return storyboard.rows.filter(candidates__isnull=True)


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
    films = Film.objects.filter(searchable_run__isnull=False).in_bulk({one.film for one in found})
    found = [one for one in found if one.film in films]  # the index may be a moment behind
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


# --- choosing ----------------------------------------------------------------------------------


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
    """Drop the scenes of deleted films, and choose those of all rows that are not locked."""
    rows = list(storyboard.rows.all())
    dropped = drop_deleted(rows, load_films(rows))
    changed = assign_scenes(storyboard, rows)
    StoryboardRow.objects.bulk_update(dropped, ["candidates", "is_locked", "similar_to", "chosen"])
    StoryboardRow.objects.bulk_update(changed, ["chosen"])


@contextmanager
def _changing(row: StoryboardRow, shown: str | None = None) -> Iterator[None]:
    """Lock the storyboard, load the row, and after the block save it and choose again.

    `shown` is the id of the scene that the user saw in the row, "" for none, or None if that does
    not matter. Raises StaleRow when the row has another one.
    """
    storyboard = row.storyboard
    with _locked(storyboard):
        _choose_again(storyboard)
        row.refresh_from_db()
        if shown is not None and shown != chosen_scene_id(row):
            raise StaleRow(_("This line has changed in the meantime, so nothing was done."))
        yield
        row.save()
        _choose_again(storyboard)
    row.refresh_from_db()


def parse_text(row: StoryboardRow, text: str) -> ScriptLine:
    """Return the new text of a row as a line; the text that it has is not parsed again."""
    return ScriptLine(text) if text == row.text else scripts.parse_line(text)


def edit(row: StoryboardRow, line: ScriptLine) -> None:
    """Change the text and the wanted length of a row. Raises BoardError for a text too long.

    A changed text is to be searched again.
    """
    if len(line.text) > scripts.MAX_LINE_CHARACTERS:
        raise BoardError(scripts.too_long_message(row.position + 1, line.text))
    with _changing(row):
        row.seconds = None if line.seconds is None else scripts.clamp_seconds(line.seconds)
        if line.text != row.text:
            row.text, row.candidates, row.chosen, row.is_locked = line.text, None, None, False
            row.rejected, row.similar_to, row.error = [], None, ""


def choose(row: StoryboardRow, scene_id: str) -> None:
    """Choose a candidate by its id, and lock the choice. Raises StaleRow for an unknown one."""
    with _changing(row):
        ids = [one.scene_id for one in load_candidates(row)]
        if scene_id not in ids:
            raise StaleRow(_("This scene is not among those of its line any more."))
        row.chosen, row.is_locked = ids.index(scene_id), True


def choose_index(row: StoryboardRow, index: int) -> None:
    """Choose a candidate by its index, and lock the choice. Raises BoardError for a wrong one."""
    with _changing(row):
        count = len(row.candidates or ())
        if not 0 <= index < count:
            raise BoardError(
                _("There is no candidate %(index)d: this row has %(count)d, counted from 0.")
                % {"index": index, "count": count}
            )
        row.chosen, row.is_locked = index, True


def step(row: StoryboardRow, by: int, shown: str | None = None) -> None:
    """Choose the next candidate (`by` 1) or the previous one (-1) that the row may have."""
    with _changing(row, shown):
        taken = taken_shots(row.storyboard, list(row.storyboard.rows.all()))
        offered = [index for index, _candidate in offered_candidates(row, taken)]
        at = offered.index(row.chosen) + by if row.chosen in offered else 0
        if 0 <= at < len(offered):
            row.chosen, row.is_locked = offered[at], True


def set_locked(row: StoryboardRow, *, is_locked: bool, shown: str | None = None) -> None:
    """Lock or unlock the choice of a row; only a row with a scene can be locked.

    An unlocked scene stays the first wish of its row.
    """
    with _changing(row, shown):
        row.is_locked = is_locked and row.chosen is not None
        if not is_locked and row.chosen is not None:
            row.candidates, row.chosen = _starting_at(row, row.chosen), 0


def _starting_at(row: StoryboardRow, index: int) -> list[dict[str, Any]]:
    """Return the candidates of a row, that at the index first, and those before it last."""
    candidates = list(row.candidates or ())
    return candidates[index:] + candidates[:index]


def reject(row: StoryboardRow, shown: str | None = None) -> None:
    """Reject the chosen scene: the row gets its next one."""
    with _changing(row, shown):
        current = chosen_candidate(row)
        if current is not None:
            row.rejected = [*row.rejected, list(current.key)]
            row.candidates = _starting_at(row, row.chosen or 0)
            row.chosen, row.is_locked = None, False


def search_similar(row: StoryboardRow, shown: str | None = None) -> None:
    """Mark a row to be searched for scenes like its chosen one, too, which stays in the row."""
    with _changing(row, shown):
        current = chosen_candidate(row)
        if current is not None:
            row.similar_to, row.is_locked = [current.film, current.second], True


def remove_row(row: StoryboardRow) -> None:
    """Remove a row; the last one stays."""
    with _locked(row.storyboard):
        if row.storyboard.rows.count() > 1:
            row.delete()
            _choose_again(row.storyboard)
