"""What the page of a storyboard shows of its rows."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse
from django.utils.http import urlencode

from gallery.boards.timelines import frames_of_scene
from gallery.films.models import Film
from gallery.films.shortcuts import thumbnail_url
from gallery.storyboards import candidates
from gallery.storyboards.models import Storyboard, StoryboardRow
from gallery.storyboards.types import SceneCandidate

MAX_OFFERED = 8  # candidates shown beside the chosen one
SHORT_TOLERANCE = 0.2  # seconds that a scene may be shorter than wanted without a word


@dataclass(frozen=True, slots=True)
class Offer:
    """A scene that a row may have: the `index` of its candidate, and what its picture shows."""

    index: int
    film: Film
    candidate: SceneCandidate
    thumbnail: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class ChosenScene:
    """The scene of a row, cut to length: its page, its clip, and its timecodes."""

    offer: Offer
    page: str
    clip: str
    start: str
    end: str
    seconds: float
    is_short: bool


@dataclass(frozen=True, slots=True)
class RowOnPage:
    """A row with its number from 1, its scene and the other scenes that it may have.

    `is_first` and `is_last`: there is no scene before or after the chosen one.
    """

    row: StoryboardRow
    number: int
    wanted_seconds: float
    scene: ChosenScene | None
    offers: list[Offer]
    is_first: bool
    is_last: bool


@dataclass(frozen=True, slots=True)
class Totals:
    """The number of rows, how many are searched, and the wanted and the real length in seconds."""

    rows: int
    searched: int
    wanted_seconds: float
    seconds: float


def load_rows(storyboard: Storyboard) -> list[RowOnPage]:
    """Return all rows of a storyboard as its page shows them."""
    rows, films = candidates.load_rows(storyboard)
    taken = candidates.taken_shots(storyboard, rows)
    return [_row_on_page(row, number, films, taken) for number, row in enumerate(rows, start=1)]


def totals_of(rows: Sequence[RowOnPage]) -> Totals:
    """Return the totals of a storyboard's rows."""
    return Totals(
        rows=len(rows),
        searched=sum(one.row.candidates is not None for one in rows),
        wanted_seconds=sum(one.wanted_seconds for one in rows),
        seconds=sum(one.scene.seconds for one in rows if one.scene),
    )


def _row_on_page(
    row: StoryboardRow, number: int, films: dict[int, Film], taken: dict[tuple[int, int], int]
) -> RowOnPage:
    offers = [
        _offer(row, index, candidate, films[candidate.film])
        for index, candidate in candidates.offered_candidates(row, taken)
    ]
    at = next((at for at, offer in enumerate(offers) if offer.is_chosen), None)
    first = 0 if at is None else max(0, min(at - 1, len(offers) - MAX_OFFERED))
    return RowOnPage(
        row=row,
        number=number,
        wanted_seconds=candidates.wanted_seconds(row),
        scene=None if at is None else _chosen_scene(row, offers[at]),
        offers=offers[first : first + MAX_OFFERED],
        is_first=at in (None, 0),
        is_last=at in (None, len(offers) - 1),
    )


def _offer(row: StoryboardRow, index: int, candidate: SceneCandidate, film: Film) -> Offer:
    return Offer(
        index=index,
        film=film,
        candidate=candidate,
        thumbnail=thumbnail_url(film, candidate.second),
        is_chosen=index == row.chosen,
    )


def _chosen_scene(row: StoryboardRow, offer: Offer) -> ChosenScene | None:
    film = offer.film
    scene = candidates.fitted_scene(row, {film.pk: film})
    if scene is None:
        return None
    first, last = frames_of_scene(film.clock, scene.start, scene.end)
    seconds = float((last - first) / film.clock.grid)
    span = urlencode({"in": f"{first}f", "out": f"{last}f"})
    return ChosenScene(
        offer=offer,
        page=f"{reverse('frame', args=[film.pk, offer.candidate.second])}?{span}",
        clip=reverse("clip", args=[film.pk, first, last]),
        start=film.clock.timecode_of(first),
        end=film.clock.timecode_of(last),
        seconds=seconds,
        is_short=seconds < candidates.wanted_seconds(row) - SHORT_TOLERANCE,
    )
