"""The span of a film that a page shows, and the strip of the film around it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _

from gallery.films.models import Film, Shot
from gallery.media.timecodes import Clock
from gallery.search.types import Mode

MAX_OPENING_SECONDS = 60.0  # of a longer shot, the page shows a part
LEAD_SECONDS = 10.0  # how much of such a part comes before the frame that was found
MIN_MARGIN, MAX_MARGIN = 4.0, 40.0  # seconds of film shown on either side of a span
STRIP_TILES = 14  # pictures in the strip of the film around a span


@dataclass(frozen=True, slots=True)
class ChosenSpan:
    """Frames `first` up to but not including `last`, and an `error` in the URL, or "".

    `is_own`: it is the span of the page when its URL names none.
    """

    first: int
    last: int
    is_own: bool = True
    error: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a shot on the strip: its `left` edge and `width` as fractions of the strip.

    `shot` is None for a gap: a shot too short to have a frame. `seconds` are the frames drawn.
    """

    shot: Shot | None
    left: float
    width: float
    seconds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Strip:
    """The film around a span: frames `first` up to `last`, in pieces; `snaps` are the cuts."""

    first: int
    last: int
    pieces: tuple[Piece, ...]
    snaps: tuple[int, ...]

    def part(self, frame: int) -> float:
        """Return the position of a frame on the strip, 0 to 1."""
        return min(1.0, max(0.0, (frame - self.first) / max(1, self.last - self.first)))


def max_span_frames(clock: Clock) -> int:
    """Return how many frames a span may have."""
    return int(settings.MAX_CLIP_SECONDS * clock.grid)


def opening_span(film: Film, shot: Shot | None, time: float) -> ChosenSpan:
    """Return the default span for a frame at `time`: its shot, or a part of a long one."""
    clock = film.clock
    start, end = (shot.start, shot.end) if shot else (time, time + 2.0)
    most = min(MAX_OPENING_SECONDS, settings.MAX_CLIP_SECONDS)
    if end - start > most:
        start = min(max(start, time - LEAD_SECONDS), end - most / 2)
        end = min(end, start + most / 2)
    first = min(clock.frame_from(start), count_frames(film) - 1)
    return ChosenSpan(first, max(first + 1, min(clock.frame_from(end), count_frames(film))))


def count_frames(film: Film) -> int:
    """Return the number of frames of a film, at least 1."""
    return max(1, film.clock.frame_from(film.duration))


def choose_span(film: Film, default: ChosenSpan, given: tuple[str, str]) -> ChosenSpan:
    """Return the span that a URL names with `in` and `out`, each "" when missing."""
    clock = film.clock
    if not any(given):
        return default
    ends: list[int] = []
    for text, fallback in zip(given, (default.first, default.last), strict=True):
        try:
            ends.append(clock.parse(text) if text else fallback)
        except ValueError:
            message = _("“%(text)s” is not a valid time. Use 00:01:02:03 or 1:02.5.")
            return ChosenSpan(default.first, default.last, error=message % {"text": text[:40]})
    first, last = ends[0], min(ends[1], count_frames(film))
    if not given[1] and first >= last:
        last = min(first + (default.last - default.first), count_frames(film))
    if first >= last:
        message = _("A scene must start before it ends and stay within the film.")
        return ChosenSpan(default.first, default.last, error=message)
    if last - first > max_span_frames(clock):
        message = _("A scene can be at most %(most)d seconds long, so it was shortened.")
        error = message % {"most": settings.MAX_CLIP_SECONDS}
        return ChosenSpan(first, first + max_span_frames(clock), is_own=False, error=error)
    return ChosenSpan(first, last, is_own=(first, last) == (default.first, default.last))


def parse_ends(values: Iterable[tuple[str, Sequence[str]]]) -> tuple[str, str]:
    """Return `in` and `out` of a URL. A search has an `in`, too, with a value of Mode; skip it."""
    parameters = dict(values)
    starts = [text for text in parameters.get("in", ()) if text not in set(Mode)]
    ends = list(parameters.get("out", ()))
    return (starts[-1].strip() if starts else "", ends[-1].strip() if ends else "")


def build_strip(film: Film, span: ChosenSpan) -> Strip:
    """Build the strip of the film around a span."""
    clock = film.clock
    start, end = clock.seconds(span.first), clock.seconds(span.last)
    margin = min(max((end - start) * 0.6, MIN_MARGIN), MAX_MARGIN)
    begin, until = max(0.0, start - margin), min(film.duration, end + margin)
    shots = list(film.shots.filter(start__lt=until, end__gt=begin))
    run = film.files.run(film.searchable_run or film.run)
    seconds = [s for s in range(int(begin), int(until) + 1) if run.thumbnail(s).is_file()]
    length = until - begin
    pieces = []
    for shot, left, right in _with_gaps(shots, begin, until):
        width = (right - left) / length
        tile_count = max(1, round(width * STRIP_TILES))
        drawn = _sample(left, right, tile_count, seconds) or ((shot.second,) if shot else ())
        pieces.append(Piece(shot, (left - begin) / length, width, drawn))
    edges = {edge for shot in shots for edge in (shot.start, shot.end) if begin < edge < until}
    snaps = tuple(sorted({clock.frame_from(edge) for edge in edges}))
    return Strip(clock.frame_from(begin), clock.frame_from(until), tuple(pieces), snaps)


def _with_gaps(
    shots: Sequence[Shot], begin: float, until: float
) -> Iterable[tuple[Shot | None, float, float]]:
    """Yield shots clipped to `begin`..`until`, and the gaps between them as None."""
    at = begin
    for shot in shots:
        if shot.start > at + 1e-3:
            yield None, at, shot.start
        left, at = max(begin, shot.start), min(until, shot.end)
        yield shot, left, at
    if until > at + 1e-3:
        yield None, at, until


def _sample(left: float, right: float, count: int, seconds: Sequence[int]) -> tuple[int, ...]:
    """Return about `count` of the `seconds` between two times, evenly spread."""
    inside = [second for second in seconds if left <= second < right]
    step = max(1, len(inside) // count)
    return tuple(inside[step // 2 :: step][:count])


@dataclass(frozen=True, slots=True)
class NeighbouringShot:
    """A shot near another: `by` is its distance in shots, negative before."""

    shot: Shot
    by: int

    @property
    def is_near(self) -> bool:
        """Whether it is listed on narrow screens, too, where a thumb can hit five."""
        return abs(self.by) <= 2

    @property
    def rel(self) -> str:
        """Return the `rel` attribute of a link to it."""
        return {-1: "prev", 1: "next"}.get(self.by, "")


def neighbouring_shots(film: Film, shot: Shot | None, count: int) -> list[NeighbouringShot]:
    """Return a shot with `count` shots before and after it."""
    if shot is None:
        return []
    before = list(film.shots.filter(number__lt=shot.number).order_by("-number")[:count])
    after = film.shots.filter(number__gt=shot.number).order_by("number")[:count]
    listed = [*reversed(before), shot, *after]
    return [NeighbouringShot(one, at - len(before)) for at, one in enumerate(listed)]
