"""The scenes that rows may have, without those of deleted films."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from gallery.boards.service import Scene
from gallery.films.models import Film
from gallery.storyboards.choosing import RowChoice, choose_scenes, fit_span
from gallery.storyboards.models import Storyboard, StoryboardRow
from gallery.storyboards.scripts import reading_seconds
from gallery.storyboards.types import SceneCandidate


def load_rows(storyboard: Storyboard) -> tuple[list[StoryboardRow], dict[int, Film]]:
    """Return the rows of a storyboard in order, and the films of all their candidates by id.

    Scenes of deleted films are left out, in memory only: the next change of a row stores that.
    """
    rows = list(storyboard.rows.all())
    films = load_films(rows)
    if drop_deleted(rows, films):
        assign_scenes(storyboard, rows)
    return rows, films


def load_films(rows: Iterable[StoryboardRow]) -> dict[int, Film]:
    """Return the searchable films of all candidates of some rows by id."""
    ids = {candidate.film for row in rows for candidate in load_candidates(row)}
    return Film.objects.filter(searchable_run__isnull=False).in_bulk(ids)


def load_candidates(row: StoryboardRow) -> list[SceneCandidate]:
    """Return the candidates of a row, best first."""
    return [SceneCandidate(**fields) for fields in row.candidates or ()]


def chosen_candidate(row: StoryboardRow) -> SceneCandidate | None:
    """Return the scene that is chosen for a row."""
    found = load_candidates(row)
    return found[row.chosen] if row.chosen is not None and row.chosen < len(found) else None


def chosen_scene_id(row: StoryboardRow) -> str:
    """Return the id of the scene that is chosen for a row, "" without any."""
    candidate = chosen_candidate(row)
    return candidate.scene_id if candidate else ""


def drop_deleted(rows: Iterable[StoryboardRow], films: Mapping[int, Film]) -> list[StoryboardRow]:
    """Drop the candidates whose film is not among `films`; return the changed rows, not saved.

    A row that loses all its candidates is to be searched again.
    """
    changed = []
    for row in rows:
        candidates, chosen = load_candidates(row), chosen_candidate(row)
        kept = [one for one in candidates if one.film in films]
        if len(kept) == len(candidates):
            continue
        row.candidates = [asdict(one) for one in kept] or None
        row.chosen = kept.index(chosen) if chosen in kept else None
        row.is_locked = row.is_locked and row.chosen is not None
        if row.similar_to and row.similar_to[0] not in films:
            row.similar_to = None
        changed.append(row)
    return changed


def assign_scenes(storyboard: Storyboard, rows: Sequence[StoryboardRow]) -> list[StoryboardRow]:
    """Choose the scenes of all rows whose choice is not locked; return the changed, not saved."""
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
    return changed


def taken_shots(
    storyboard: Storyboard, rows: Iterable[StoryboardRow]
) -> dict[tuple[int, int], int]:
    """Return the shots that no other row may have, and the row (id) that has each of them."""
    if storyboard.allows_repeats:
        return {}
    found = ((chosen_candidate(row), row.pk) for row in rows)
    return {candidate.key: pk for candidate, pk in found if candidate is not None}


def offered_candidates(
    row: StoryboardRow, taken: Mapping[tuple[int, int], int]
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
