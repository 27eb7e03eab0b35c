"""Which scene each row gets, and which part of it. Pure functions over candidates."""

from collections.abc import Sequence
from dataclasses import dataclass

from gallery.media.timecodes import Clock
from gallery.storyboards.types import SceneCandidate


@dataclass(frozen=True, slots=True)
class RowChoice:
    """What is known of a row: its candidates, best first, and what it may not have.

    `locked` is the index of a choice that stays, None for an automatic one.
    """

    candidates: Sequence[SceneCandidate]
    rejected: frozenset[tuple[int, int]] = frozenset()
    locked: int | None = None


def choose_scenes(rows: Sequence[RowChoice], *, allows_repeats: bool) -> list[int | None]:
    """Return the index of each row's scene among its candidates, None if none is left.

    Every row gets its best scene; when several want the same shot, the one to which it is most
    relevant gets it, and the others their next. The result does not depend on the order in which
    rows were searched.
    """
    chosen = [row.locked for row in rows]
    taken = {row.candidates[row.locked].key for row in rows if row.locked is not None}
    wishes = sorted(
        (rank, -candidate.relevance, number)
        for number, row in enumerate(rows)
        if row.locked is None
        for rank, candidate in enumerate(row.candidates)
        if candidate.key not in row.rejected
    )
    for rank, _relevance, number in wishes:
        key = rows[number].candidates[rank].key
        if chosen[number] is None and (allows_repeats or key not in taken):
            chosen[number] = rank
            taken.add(key)
    return chosen


def fit_span(clock: Clock, candidate: SceneCandidate, seconds: float) -> tuple[float, float]:
    """Return the start and end (seconds, on frames) of a part of a shot that lasts `seconds`.

    It contains the frame that was found, in its middle where possible, and crosses no cut: a
    shorter shot is taken whole.
    """
    first = clock.frame_from(candidate.start)
    last = max(first + 1, clock.frame_from(candidate.end))
    wanted = max(1, round(seconds * float(clock.grid)))
    if last - first > wanted:
        middle = clock.frame(candidate.time)
        first = min(max(first, middle - wanted // 2), last - wanted)
        last = first + wanted
    return clock.seconds(first), clock.seconds(last)
