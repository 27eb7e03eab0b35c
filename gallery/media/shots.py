"""Where one shot ends and the next begins, read from small copies of all frames.

- A clear cut: a frame differs from the one before it far more than its neighbours do, and the old
  picture does not come back, as it does after a flash.
- A fade: pictures lead to a blank one and from it to others.
- What may be a dissolve, because its frames are nearly mixtures of one before and one after it, and
  what may be a cut, is shown to a network: see `gallery.clip.shot_network`.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

import numpy as np
from numpy.typing import NDArray

from gallery.media.types import Shot, Span

VERSION = "clear+TransNetV2/2"  # changes when the same film would get other shots
WIDTH, HEIGHT = 48, 27  # pixels: what the network was trained on
MARGIN = 3.0  # seconds of film needed around a span, so that both sides of its edge agree

# Differences are means over all pixels and channels, from 0 to 255.
MIN_JUMP = 8.0  # between a frame and the next: less is never a cut
MIN_PART = 0.4  # of the pixels change by more than PIXEL_CHANGE
PIXEL_CHANGE = 12
MIN_RATIO = 1.7  # of a clear jump to the largest one near it
MIN_DOUBTFUL_RATIO = 1.3  # of one that the network judges
QUIET = 1.0  # a jump that is taken for none
NEAR_FRAMES, NEAR_SECONDS = 3, 0.3
RETURN_FRAMES, RETURN_SECONDS = 5, 0.3  # within which the old picture comes back after a flash
MIN_DISTANCE = 0.5  # of the jump: a picture that is nearer to the old one has come back
MAX_BLANK_CONTRAST = 6.0  # standard deviation of the brightness of a blank picture
FADE_SECONDS = 0.125, 0.3  # from a blank picture; less than the first may be a flash
MAX_FADED = 0.9  # of the contrast there: what a picture still has of it while it fades

RATE = 12.0  # pictures a second that the network sees
CONTEXT = 12  # pictures before and after those that are judged
STEP, LONGEST = 10, 200  # the network is called with multiples of STEP pictures, up to LONGEST
MIN_CUT_PROBABILITY = 0.4
# As little is enough, as it is a second opinion: elsewhere mixtures are given less than 0.1.
MIN_DISSOLVE_PROBABILITY = 0.2
MIXTURE_REACHES = (3, 6, 9)  # pictures from the middle of a dissolve to those that are mixed
MIN_MIXTURE_CHANGE = 8.0  # from one of these to the other
MAX_MIXTURE_ERROR = 0.4  # of the distance between these: how far a picture is from their mixtures
MAX_CORRELATION = 0.97  # of these two pictures
MAX_OFF_MIDDLE = 0.25  # how far the later one's share in the middle picture may be from a half
SHORTEST = 1.0  # seconds from one slow transition to the next: what is closer is one

BLOCK = 500  # frames compared in one go

SmallPictures = NDArray[np.uint8]
"""Pictures of HEIGHT x WIDTH: shape (n, 27, 48, 3), RGB."""

Numbers = NDArray[np.float32]

Judge = Callable[[SmallPictures], Numbers]
"""For each picture, the probabilities that a transition has its middle there, and that it is within
one: shape (n, 2)."""


@dataclass(frozen=True, slots=True)
class SmallFrames:
    """All frames of a stretch of film, small: `times` in seconds, float64 (n,), ascending."""

    times: NDArray[np.float64]
    pictures: SmallPictures

    @classmethod
    def none(cls) -> "SmallFrames":
        """No frames."""
        return cls(np.zeros(0), np.zeros((0, HEIGHT, WIDTH, 3), np.uint8))


def cuts_within(film: SmallFrames, span: Span, judge: Judge) -> list[float]:
    """The cuts (see `find_cuts`) in a span; `film` also has the frames around it."""
    end = inf if span.end is None else span.end
    return [cut for cut in find_cuts(film, judge) if span.start <= cut < end and cut > 0]


def find_cuts(film: SmallFrames, judge: Judge) -> list[float]:
    """When new shots begin: the time of the first frame of each, in seconds.

    A dissolve or a fade gives the time of its middle. The film's first frame is not among them.
    """
    if len(film.times) < 2:
        return []
    jumps, parts = _jumps(film.pictures)
    likely = [
        (first, float(jumps[first]) / _largest_near(film.times, jumps, first))
        for first in np.flatnonzero((jumps >= MIN_JUMP) & (parts >= MIN_PART)).tolist()
    ]
    likely = [
        (first, ratio)
        for first, ratio in likely
        if ratio >= MIN_DOUBTFUL_RATIO
        and not _is_flash(film, first, MIN_DISTANCE * float(jumps[first]))
    ]
    clear = [first for first, ratio in likely if ratio >= MIN_RATIO]
    unclear = [first for first, ratio in likely if ratio < MIN_RATIO]
    contrasts = _contrasts(film.pictures)
    blank = _runs(contrasts < MAX_BLANK_CONTRAST)
    fades = [
        (start + end) // 2
        for start, end in blank
        # Where the stretch begins or ends with a clear cut, that is the only boundary.
        if start > 0 and end < len(jumps) and not {start, end} & set(clear)
        if _is_gradual(film.times, contrasts, start, -1)
        or _is_gradual(film.times, contrasts, end - 1, 1)
    ]
    judged = _judged(film, judge, clear=clear, unclear=unclear, blank=blank)
    return [float(film.times[first]) for first in sorted({*clear, *fades, *judged})]


def _difference(a: SmallPictures, b: SmallPictures) -> NDArray[np.int16]:
    return np.abs(a.astype(np.int16) - b)


def _jumps(pictures: SmallPictures) -> tuple[Numbers, Numbers]:
    """How much each frame differs from the one before it, and in what part of its pixels.

    Both of shape (n,); the first is 0.
    """
    jumps, parts = np.zeros(len(pictures), np.float32), np.zeros(len(pictures), np.float32)
    for start in range(1, len(pictures), BLOCK):
        some = slice(start, min(start + BLOCK, len(pictures)))
        change = _difference(pictures[some], pictures[some.start - 1 : some.stop - 1])
        jumps[some] = change.mean(axis=(1, 2, 3))
        parts[some] = (change.max(axis=3) > PIXEL_CHANGE).mean(axis=(1, 2))
    return jumps, parts


def _frames_near(
    times: NDArray[np.float64], frame: int, frames: int, seconds: float
) -> tuple[range, range]:
    """The frames up to the one before `frame`, and those after it: so many and so far at most."""
    low, high = max(0, frame - 1 - frames), min(len(times) - 1, frame + frames)
    while times[frame - 1] - times[low] > seconds:
        low += 1
    while times[high] - times[frame] > seconds:
        high -= 1
    return range(low, frame), range(frame + 1, high + 1)


def _largest_near(times: NDArray[np.float64], jumps: Numbers, frame: int) -> float:
    """The largest jump near that of `frame`, as it would be if it took as long."""
    before, after = _frames_near(times, frame, NEAR_FRAMES, NEAR_SECONDS)
    lasts = times[frame] - times[frame - 1]
    return max(
        [QUIET]
        + [
            float(jumps[other] * max(1.0, lasts / (times[other] - times[other - 1])))
            for other in (*before[1:], *after)
        ]
    )


def _is_flash(film: SmallFrames, first: int, distance: float) -> bool:
    """Whether a jump begins or ends something short, before and after which all is the same."""
    before, after = _frames_near(film.times, first, RETURN_FRAMES, RETURN_SECONDS)
    pictures = film.pictures

    def is_same(a: int, b: int) -> bool:
        return float(_difference(pictures[a], pictures[b]).mean()) < distance

    return any(is_same(first - 1, later) for later in after) or any(
        is_same(first, earlier) for earlier in before[:-1]
    )


# --- what takes longer than a cut -----------------------------------------------------------------


def _contrasts(pictures: SmallPictures) -> Numbers:
    """The standard deviation of each picture's brightness, 0 to 128: shape (n,)."""
    blocks = [
        pictures[start : start + BLOCK].mean(axis=3, dtype=np.float32).std(axis=(1, 2))
        for start in range(0, len(pictures), BLOCK)
    ]
    return np.concatenate(blocks)


def _is_gradual(times: NDArray[np.float64], contrasts: Numbers, blank: int, direction: int) -> bool:
    """Whether a picture becomes blank slowly, or (`direction` 1) appears slowly from a blank one.

    A flash of some frames, too, makes a picture blank.
    """
    moments = times[blank] + direction * np.array(FADE_SECONDS)
    near, far = np.searchsorted(times, moments).clip(0, len(times) - 1)
    return bool(contrasts[near] < MAX_FADED * contrasts[far])


def _judged(
    film: SmallFrames,
    judge: Judge,
    *,
    clear: Sequence[int],
    unclear: Sequence[int],
    blank: Sequence[tuple[int, int]],
) -> list[int]:
    """The unclear cuts and the middle frames of dissolves that the network confirms."""
    shown = _shown(film.times)
    mixed = _mixed(film, clear, shown)
    for start, end in blank:  # what leads there and back are fades
        times = film.times[start] - SHORTEST, film.times[end - 1] + SHORTEST
        mixed[(film.times[shown] >= times[0]) & (film.times[shown] <= times[1])] = False
    last = (np.searchsorted(shown, unclear) - 1).clip(0)  # the network marks it, not the first new
    doubtful = mixed.copy()
    doubtful[last] = True
    middle, within = np.zeros(len(shown), np.float32), np.zeros(len(shown), np.float32)
    for judged, window in _windows(doubtful):
        rows = judge(film.pictures[shown[window]])[CONTEXT : CONTEXT + judged.stop - judged.start]
        middle[judged], within[judged] = rows.T
    cuts = [
        first
        for first, at in zip(unclear, last.tolist(), strict=True)
        if middle[at] > MIN_CUT_PROBABILITY
    ]
    dissolved = shown[mixed & (within > MIN_DISSOLVE_PROBABILITY)]
    pauses = np.flatnonzero(np.diff(film.times[dissolved]) >= SHORTEST) + 1
    dissolves = [int(np.median(part)) for part in np.split(dissolved, pauses) if len(part)]
    return [*cuts, *dissolves]


def _shown(times: NDArray[np.float64]) -> NDArray[np.intp]:
    """Which frame a viewer sees at each of RATE moments a second, and at last the last frame."""
    # A microsecond of grace, as frames' times are whole microseconds.
    moments = np.arange(times[0], times[-1], 1 / RATE) + 1e-6
    shown = np.searchsorted(times, moments, side="right") - 1
    return np.append(shown, len(times) - 1)


def _mixed(film: SmallFrames, clear: Sequence[int], shown: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Where one picture turns into another as in a dissolve: shape (m,), for `shown`.

    Three pictures are nearly mixtures of the same two, each with more of the later one.
    """
    pictures = film.pictures[shown].reshape(len(shown), HEIGHT * WIDTH * 3)
    # Across a clear cut nothing dissolves.
    shot = np.searchsorted(np.asarray(clear, np.intp), shown, side="right")
    found = np.zeros(len(shown), bool)
    for reach in MIXTURE_REACHES:
        for start in range(reach, len(shown) - reach, BLOCK):
            some = np.arange(start, min(start + BLOCK, len(shown) - reach))
            some = some[shot[some - reach] == shot[some + reach]]
            before = pictures[some - reach].astype(np.float32)
            change = pictures[some + reach] - before
            large = np.abs(change).mean(axis=1) >= MIN_MIXTURE_CHANGE
            # What only grows darker or brighter stays the same picture.
            large &= _correlation(before, before + change) <= MAX_CORRELATION
            some, before, change = some[large], before[large], change[large]
            step = reach // 2
            fits = [_fit(pictures[some + k] - before, change) for k in (-step, 0, step)]
            shares, errors = (np.stack(numbers) for numbers in zip(*fits, strict=True))
            found[some] |= (
                (np.diff(shares, axis=0) > 0).all(axis=0)
                & (np.abs(shares[1] - 0.5) <= MAX_OFF_MIDDLE)
                & (errors.max(axis=0) <= MAX_MIXTURE_ERROR)
            )
    return found


def _correlation(a: Numbers, b: Numbers) -> Numbers:
    """How alike pictures are apart from brightness and contrast: both (n, numbers), result (n,)."""
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
    lengths = np.sqrt(np.square(a).sum(axis=1) * np.square(b).sum(axis=1))
    return np.asarray((a * b).sum(axis=1) / np.maximum(lengths, 1e-6), np.float32)


def _fit(parts: Numbers, changes: Numbers) -> tuple[Numbers, Numbers]:
    """The share of each change that is nearest to a part of it, and how far off that is.

    `parts` and `changes` have shape (n, numbers), the results (n,); the second is in units of the
    change's length.
    """
    squares = np.square(changes).sum(axis=1)
    shares = (parts * changes).sum(axis=1) / squares
    rest = parts - shares[:, None] * changes
    return shares, np.sqrt(np.square(rest).sum(axis=1) / squares)


def _runs(marked: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Stretches in which all are marked: from, up to."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], marked, [False])).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _windows(doubtful: NDArray[np.bool_]) -> Iterator[tuple[slice, NDArray[np.intp]]]:
    """What to judge, and the pictures to show for it: those around it, the ends repeated.

    What lies less than two contexts apart is judged together.
    """
    spans: list[list[int]] = []
    for start, end in _runs(doubtful):
        if spans and start - spans[-1][1] < 2 * CONTEXT:
            spans[-1][1] = end
        else:
            spans.append([start, end])
    for start, end in spans:
        for first in range(start, end, LONGEST - 2 * CONTEXT):
            last = min(end, first + LONGEST - 2 * CONTEXT)
            length = -(-(last - first + 2 * CONTEXT) // STEP) * STEP
            window = np.arange(first - CONTEXT, first - CONTEXT + length)
            yield slice(first, last), window.clip(0, len(doubtful) - 1)


# --- shots ----------------------------------------------------------------------------------------


def shots_from_cuts(cuts: Sequence[float], duration: float) -> list[Shot]:
    """The shots between `cuts` (times of the first frame after each), all in seconds."""
    inner = sorted({cut for cut in cuts if 0.0 < cut < duration})
    edges = [0.0, *inner, max(duration, inner[-1] if inner else 0.0)]
    return [Shot(i, a, b) for i, (a, b) in enumerate(pairwise(edges))]


def shot_of(time: float, shots: Sequence[Shot]) -> int:
    """The number of the shot that the frame shown at `time` belongs to."""
    # A microsecond of grace: a cut and the frame that begins it are the same moment.
    return max(0, bisect_right(shots, time + 1e-6, key=lambda shot: shot.start) - 1)
