"""Which span of a film a page is about: from its address, from a shot, and what lies around it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _

from gallery.films.models import Film, Shot
from gallery.media.timecodes import Clock
from gallery.search.types import Mode

OPENING = 60.0  # seconds: a shot that is longer opens with a part of it
LEAD = 10.0  # seconds of such a shot before the frame that was found
AROUND = (4.0, 40.0)  # seconds of film shown on either side of a span, at the least and most
TILES = 14  # pictures in the strip of the film around a span


@dataclass(frozen=True, slots=True)
class ChosenSpan:
    """Frames `first` up to, not including, `last`; what was wrong with the address, or "".

    `is_own`: it is what the page opens with when nothing else is asked for.
    """

    first: int
    last: int
    is_own: bool = True
    error: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a shot on the strip: from `left`, `width` wide (parts of one of the strip).

    `shot` is None where a shot is too short to have a frame of its own. `seconds` are the frames
    that are drawn in it.
    """

    shot: Shot | None
    left: float
    width: float
    seconds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Strip:
    """The film around a span: frames `first` up to `last`, in pieces; `snaps` are its cuts."""

    first: int
    last: int
    pieces: tuple[Piece, ...]
    snaps: tuple[int, ...]

    def part(self, frame: int) -> float:
        """Where a frame lies on it, 0 to 1."""
        return min(1.0, max(0.0, (frame - self.first) / max(1, self.last - self.first)))


def max_frames(clock: Clock) -> int:
    """How many frames a span may have."""
    return int(settings.MAX_CLIP_SECONDS * clock.grid)


def opening_span(film: Film, shot: Shot | None, time: float) -> ChosenSpan:
    """What a page about a frame at `time` opens with: its shot, or a part of a long one."""
    clock = film.clock
    start, end = (shot.start, shot.end) if shot else (time, time + 2.0)
    most = min(OPENING, settings.MAX_CLIP_SECONDS)
    if end - start > most:
        start = min(max(start, time - LEAD), end - most / 2)
        end = min(end, start + most / 2)
    first = min(clock.frame_from(start), _end(film) - 1)
    return ChosenSpan(first, max(first + 1, min(clock.frame_from(end), _end(film))))


def _end(film: Film) -> int:
    return max(1, film.clock.frame_from(film.duration))


def choose_span(film: Film, own: ChosenSpan, given: tuple[str, str]) -> ChosenSpan:
    """The span that an address asks for with its `in` and `out`, each "" when it says nothing."""
    clock = film.clock
    if not any(given):
        return own
    ends: list[int] = []
    for text, usual in zip(given, (own.first, own.last), strict=True):
        try:
            ends.append(clock.parse(text) if text else usual)
        except ValueError:
            message = _("“%(text)s” is not a valid time. Use 00:01:02:03 or 1:02.5.")
            return ChosenSpan(own.first, own.last, error=message % {"text": text[:40]})
    first, last = ends[0], min(ends[1], _end(film))
    if not given[1] and first >= last:
        last = min(first + (own.last - own.first), _end(film))
    if first >= last:
        message = _("A scene must start before it ends and stay within the film.")
        return ChosenSpan(own.first, own.last, error=message)
    if last - first > max_frames(clock):
        message = _("A scene can be at most %(most)d seconds long, so it was shortened.")
        error = message % {"most": settings.MAX_CLIP_SECONDS}
        return ChosenSpan(first, first + max_frames(clock), is_own=False, error=error)
    return ChosenSpan(first, last, is_own=(first, last) == (own.first, own.last))


def given_ends(values: Iterable[tuple[str, Sequence[str]]]) -> tuple[str, str]:
    """The `in` and `out` of an address. A search has an `in`, too: seen, said, or both."""
    named = dict(values)
    begins = [text for text in named.get("in", ()) if text not in set(Mode)]
    ends = list(named.get("out", ()))
    return (begins[-1].strip() if begins else "", ends[-1].strip() if ends else "")


def strip_around(film: Film, span: ChosenSpan) -> Strip:
    """The film around a span."""
    clock = film.clock
    start, end = clock.seconds(span.first), clock.seconds(span.last)
    margin = min(max((end - start) * 0.6, AROUND[0]), AROUND[1])
    begin, until = max(0.0, start - margin), min(film.duration, end + margin)
    shots = list(film.shots.filter(start__lt=until, end__gt=begin))
    run = film.files.run(film.searchable_run or film.run)
    seconds = [s for s in range(int(begin), int(until) + 1) if run.thumbnail(s).is_file()]
    length = until - begin
    pieces = []
    for shot, left, right in _with_gaps(shots, begin, until):
        width = (right - left) / length
        tiles = max(1, round(width * TILES))
        drawn = _spread(left, right, tiles, seconds) or ((shot.second,) if shot else ())
        pieces.append(Piece(shot, (left - begin) / length, width, drawn))
    edges = {edge for shot in shots for edge in (shot.start, shot.end) if begin < edge < until}
    snaps = tuple(sorted({clock.frame_from(edge) for edge in edges}))
    return Strip(clock.frame_from(begin), clock.frame_from(until), tuple(pieces), snaps)


def _with_gaps(
    shots: Sequence[Shot], begin: float, until: float
) -> Iterable[tuple[Shot | None, float, float]]:
    """Shots cut to a stretch, and the gaps between them."""
    at = begin
    for shot in shots:
        if shot.start > at + 1e-3:
            yield None, at, shot.start
        left, at = max(begin, shot.start), min(until, shot.end)
        yield shot, left, at
    if until > at + 1e-3:
        yield None, at, until


def _spread(left: float, right: float, count: int, seconds: Sequence[int]) -> tuple[int, ...]:
    """At most `count` of the `seconds` between two times, evenly spread."""
    inside = [second for second in seconds if left <= second < right]
    step = max(1, len(inside) // count)
    return tuple(inside[step // 2 :: step][:count])


@dataclass(frozen=True, slots=True)
class ShotBeside:
    """A shot near another: `by` is how many shots after it, below 0 before it."""

    shot: Shot
    by: int

    @property
    def rel(self) -> str:
        """What a link to it is called."""
        return {-1: "prev", 1: "next"}.get(self.by, "")


def shots_beside(film: Film, shot: Shot | None, count: int) -> list[ShotBeside]:
    """A shot with so many before and after it."""
    if shot is None:
        return []
    before = list(film.shots.filter(number__lt=shot.number).order_by("-number")[:count])
    after = film.shots.filter(number__gt=shot.number).order_by("number")[:count]
    listed = [*reversed(before), shot, *after]
    return [ShotBeside(one, at - len(before)) for at, one in enumerate(listed)]
