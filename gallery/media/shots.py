"""Detect shot boundaries from small copies of all frames.

- A clear cut: a frame differs from the previous one far more than its neighbours do, and the old
  picture does not return, as it does after a flash.
- A fade: pictures fade to a blank one and in from it.
- A network (`gallery.clip.shot_network`) decides the doubtful cuts, and the possible dissolves:
  frames that are nearly mixtures of an earlier and a later one.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

import numpy as np
from numpy.typing import NDArray

from gallery.media.types import Shot, Span

VERSION = "clear+TransNetV2/2"  # change it when the same film would get other shots
WIDTH, HEIGHT = 48, 27  # pixels: what the network was trained on
MARGIN = 3.0  # seconds of film decoded around a span, so that adjacent spans find the same cuts

# Differences are means over all pixels and channels, from 0 to 255.
MIN_JUMP = 8.0  # between consecutive frames: less is never a cut
MIN_CHANGED_PART = 0.4  # of the pixels that change by more than PIXEL_CHANGE
PIXEL_CHANGE = 12
MIN_CLEAR_RATIO = 1.7  # of a jump to the largest one near it
MIN_DOUBTFUL_RATIO = 1.3  # of a jump that the network decides
MIN_NEAR_JUMP = 1.0  # used where all jumps near a frame are smaller, as in a still
NEAR_FRAMES, NEAR_SECONDS = 3, 0.3
RETURN_FRAMES, RETURN_SECONDS = 5, 0.3  # within which the old picture returns after a flash
MAX_RETURN_DISTANCE = 0.5  # of the jump, between the old picture and the returned one
MAX_BLANK_CONTRAST = 6.0  # standard deviation of the brightness of a blank picture
FADE_SECONDS = 0.125, 0.3  # from a blank picture; less than the first may be a flash
MAX_FADED_CONTRAST = 0.9  # of a picture at the first of these, relative to the second

NETWORK_RATE = 12.0  # pictures a second that the network gets
CONTEXT = 12  # pictures before and after those whose result is used
WINDOW_STEP, MAX_WINDOW = 10, 200  # pictures per call: multiples of WINDOW_STEP up to MAX_WINDOW
MIN_CUT_PROBABILITY = 0.4
# So low because it only confirms a mixture; mixtures that are no dissolves get less than 0.1.
MIN_DISSOLVE_PROBABILITY = 0.2
MIXTURE_REACHES = (3, 6, 9)  # pictures from the middle of a dissolve to the two that are mixed
MIN_MIXTURE_CHANGE = 8.0  # between these two
MAX_MIXTURE_ERROR = 0.4  # of their distance: how far a picture may be from their nearest mixture
MAX_CORRELATION = 0.97  # of these two
MAX_OFF_MIDDLE = 0.25  # how far the later one's share in the middle picture may be from 0.5
MIN_DISSOLVE_GAP = 1.0  # seconds between two dissolves, and between a dissolve and a fade

BLOCK_FRAMES = 500  # compared at a time, to limit memory

SmallPictures = NDArray[np.uint8]
"""Pictures of HEIGHT x WIDTH: shape (n, 27, 48, 3), RGB."""

Numbers = NDArray[np.float32]

ScoreTransitions = Callable[[SmallPictures], Numbers]
"""Returns, for each picture, the probabilities that it is the middle of a transition, and that it
is within one: shape (n, 2)."""


@dataclass(frozen=True, slots=True)
class SmallFrames:
    """All frames of a stretch of film, small: `times` in seconds, float64 (n,), ascending."""

    times: NDArray[np.float64]
    pictures: SmallPictures

    @classmethod
    def empty(cls) -> "SmallFrames":
        """Return an object without frames."""
        return cls(np.zeros(0), np.zeros((0, HEIGHT, WIDTH, 3), np.uint8))


def find_cuts_in_span(film: SmallFrames, span: Span, score: ScoreTransitions) -> list[float]:
    """Return the cuts (see `find_cuts`) in a span; `film` also has the frames around it."""
    end = inf if span.end is None else span.end
    return [cut for cut in find_cuts(film, score) if span.start <= cut < end and cut > 0]


def find_cuts(film: SmallFrames, score: ScoreTransitions) -> list[float]:
    """Return the time of the first frame of each shot but the first, in seconds.

    For a dissolve or a fade it is the time of its middle.
    """
    if len(film.times) < 2:
        return []
    jumps, parts = _measure_jumps(film.pictures)
    likely = [
        (first, float(jumps[first]) / _find_largest_near(film.times, jumps, first))
        for first in np.flatnonzero((jumps >= MIN_JUMP) & (parts >= MIN_CHANGED_PART)).tolist()
    ]
    likely = [
        (first, ratio)
        for first, ratio in likely
        if ratio >= MIN_DOUBTFUL_RATIO
        and not _is_flash(film, first, MAX_RETURN_DISTANCE * float(jumps[first]))
    ]
    clear = [first for first, ratio in likely if ratio >= MIN_CLEAR_RATIO]
    doubtful = [first for first, ratio in likely if ratio < MIN_CLEAR_RATIO]
    contrasts = _measure_contrasts(film.pictures)
    blank = _find_runs(contrasts < MAX_BLANK_CONTRAST)
    fades = [
        (start + end) // 2
        for start, end in blank
        # A clear cut to or from the blank pictures is the only boundary there.
        if start > 0 and end < len(jumps) and not {start, end} & set(clear)
        if _is_gradual(film.times, contrasts, start, -1)
        or _is_gradual(film.times, contrasts, end - 1, 1)
    ]
    confirmed = _confirm(film, score, clear=clear, doubtful=doubtful, blank=blank)
    return [float(film.times[first]) for first in sorted({*clear, *fades, *confirmed})]


def _subtract(a: SmallPictures, b: SmallPictures) -> NDArray[np.int16]:
    return np.abs(a.astype(np.int16) - b)


def _measure_jumps(pictures: SmallPictures) -> tuple[Numbers, Numbers]:
    """Return how much each frame differs from the previous one, and in what part of its pixels.

    Both have shape (n,), and 0 for the first frame.
    """
    jumps, parts = np.zeros(len(pictures), np.float32), np.zeros(len(pictures), np.float32)
    for start in range(1, len(pictures), BLOCK_FRAMES):
        some = slice(start, min(start + BLOCK_FRAMES, len(pictures)))
        change = _subtract(pictures[some], pictures[some.start - 1 : some.stop - 1])
        jumps[some] = change.mean(axis=(1, 2, 3))
        parts[some] = (change.max(axis=3) > PIXEL_CHANGE).mean(axis=(1, 2))
    return jumps, parts


def _find_near_frames(
    times: NDArray[np.float64], frame: int, frames: int, seconds: float
) -> tuple[range, range]:
    """Return ranges of at most `frames` frames, within `seconds`, around the cut at `frame`.

    The first begins before the frame `frame - 1` and ends with it; the second is after `frame`.
    """
    low, high = max(0, frame - 1 - frames), min(len(times) - 1, frame + frames)
    while times[frame - 1] - times[low] > seconds:
        low += 1
    while times[high] - times[frame] > seconds:
        high -= 1
    return range(low, frame), range(frame + 1, high + 1)


def _find_largest_near(times: NDArray[np.float64], jumps: Numbers, frame: int) -> float:
    """Return the largest jump near that of `frame`, scaled to the duration of `frame`'s."""
    before, after = _find_near_frames(times, frame, NEAR_FRAMES, NEAR_SECONDS)
    duration = times[frame] - times[frame - 1]
    return max(
        [MIN_NEAR_JUMP]
        + [
            float(jumps[other] * max(1.0, duration / (times[other] - times[other - 1])))
            for other in (*before[1:], *after)
        ]
    )


def _is_flash(film: SmallFrames, first: int, distance: float) -> bool:
    """Return whether the old picture returns soon after a jump, or the new one was there before."""
    before, after = _find_near_frames(film.times, first, RETURN_FRAMES, RETURN_SECONDS)
    pictures = film.pictures

    def is_same(a: int, b: int) -> bool:
        return float(_subtract(pictures[a], pictures[b]).mean()) < distance

    return any(is_same(first - 1, later) for later in after) or any(
        is_same(first, earlier) for earlier in before[:-1]
    )


# --- fades and dissolves --------------------------------------------------------------------------


def _measure_contrasts(pictures: SmallPictures) -> Numbers:
    """Return the standard deviation of each picture's brightness, 0 to 128: shape (n,)."""
    blocks = [
        pictures[start : start + BLOCK_FRAMES].mean(axis=3, dtype=np.float32).std(axis=(1, 2))
        for start in range(0, len(pictures), BLOCK_FRAMES)
    ]
    return np.concatenate(blocks)


def _is_gradual(times: NDArray[np.float64], contrasts: Numbers, blank: int, direction: int) -> bool:
    """Return whether a picture fades out to the blank one, or (`direction` 1) fades in from it.

    In a flash of several frames pictures are blank, too, but they become so at once.
    """
    moments = times[blank] + direction * np.array(FADE_SECONDS)
    near, far = np.searchsorted(times, moments).clip(0, len(times) - 1)
    return bool(contrasts[near] < MAX_FADED_CONTRAST * contrasts[far])


def _confirm(
    film: SmallFrames,
    score: ScoreTransitions,
    *,
    clear: Sequence[int],
    doubtful: Sequence[int],
    blank: Sequence[tuple[int, int]],
) -> list[int]:
    """Return the doubtful cuts and the middle frames of dissolves that the network confirms."""
    sample = _sample_frames(film.times)
    mixed = _find_mixtures(film, clear, sample)
    for start, end in blank:  # transitions near blank pictures are fades
        times = film.times[start] - MIN_DISSOLVE_GAP, film.times[end - 1] + MIN_DISSOLVE_GAP
        mixed[(film.times[sample] >= times[0]) & (film.times[sample] <= times[1])] = False
    # The network marks the last picture of the old shot.
    last = (np.searchsorted(sample, doubtful) - 1).clip(0)
    wanted = mixed.copy()
    wanted[last] = True
    middle, within = np.zeros(len(sample), np.float32), np.zeros(len(sample), np.float32)
    for span, window in _split_into_windows(wanted):
        rows = score(film.pictures[sample[window]])[CONTEXT : CONTEXT + span.stop - span.start]
        middle[span], within[span] = rows.T
    cuts = [
        first
        for first, before in zip(doubtful, last.tolist(), strict=True)
        if middle[before] > MIN_CUT_PROBABILITY
    ]
    dissolved = sample[mixed & (within > MIN_DISSOLVE_PROBABILITY)]
    gaps = np.flatnonzero(np.diff(film.times[dissolved]) >= MIN_DISSOLVE_GAP) + 1
    dissolves = [int(np.median(part)) for part in np.split(dissolved, gaps) if len(part)]
    return [*cuts, *dissolves]


def _sample_frames(times: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the frames shown at NETWORK_RATE times a second, and the last frame."""
    # Frames' times are rounded to microseconds.
    moments = np.arange(times[0], times[-1], 1 / NETWORK_RATE) + 1e-6
    sample = np.searchsorted(times, moments, side="right") - 1
    return np.append(sample, len(times) - 1)


def _find_mixtures(
    film: SmallFrames, clear: Sequence[int], sample: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Return where one picture turns into another as in a dissolve: shape (m,), for `sample`.

    Three pictures are nearly mixtures of the same two, each with more of the later one.
    """
    pictures = film.pictures[sample].reshape(len(sample), HEIGHT * WIDTH * 3)
    # No dissolve spans a clear cut.
    shot = np.searchsorted(np.asarray(clear, np.intp), sample, side="right")
    found = np.zeros(len(sample), bool)
    for reach in MIXTURE_REACHES:
        for start in range(reach, len(sample) - reach, BLOCK_FRAMES):
            some = np.arange(start, min(start + BLOCK_FRAMES, len(sample) - reach))
            some = some[shot[some - reach] == shot[some + reach]]
            before = pictures[some - reach].astype(np.float32)
            change = pictures[some + reach] - before
            large = np.abs(change).mean(axis=1) >= MIN_MIXTURE_CHANGE
            # A picture that only becomes darker or brighter is still the same.
            large &= _correlate(before, before + change) <= MAX_CORRELATION
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


def _correlate(a: Numbers, b: Numbers) -> Numbers:
    """Return the correlation of each pair of pictures: both (n, numbers), result (n,)."""
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
    lengths = np.sqrt(np.square(a).sum(axis=1) * np.square(b).sum(axis=1))
    return np.asarray((a * b).sum(axis=1) / np.maximum(lengths, 1e-6), np.float32)


def _fit(parts: Numbers, changes: Numbers) -> tuple[Numbers, Numbers]:
    """Fit each part as a share of its change: return the shares and the errors.

    `parts` and `changes` have shape (n, numbers), the results (n,). Errors are relative to the
    length of the change.
    """
    squares = np.square(changes).sum(axis=1)
    shares = (parts * changes).sum(axis=1) / squares
    rest = parts - shares[:, None] * changes
    return shares, np.sqrt(np.square(rest).sum(axis=1) / squares)


def _find_runs(marked: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the runs of true values: start, end (exclusive)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], marked, [False])).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _split_into_windows(
    wanted: NDArray[np.bool_],
) -> Iterator[tuple[slice, NDArray[np.intp]]]:
    """Yield spans of wanted results, and the pictures for each: its own and CONTEXT around them.

    Beyond the ends of the film the first or last picture is repeated. Runs less than two contexts
    apart share a span.
    """
    spans: list[list[int]] = []
    for start, end in _find_runs(wanted):
        if spans and start - spans[-1][1] < 2 * CONTEXT:
            spans[-1][1] = end
        else:
            spans.append([start, end])
    for start, end in spans:
        for first in range(start, end, MAX_WINDOW - 2 * CONTEXT):
            last = min(end, first + MAX_WINDOW - 2 * CONTEXT)
            length = -(-(last - first + 2 * CONTEXT) // WINDOW_STEP) * WINDOW_STEP
            window = np.arange(first - CONTEXT, first - CONTEXT + length)
            yield slice(first, last), window.clip(0, len(wanted) - 1)


# --- shots ----------------------------------------------------------------------------------------


def split_into_shots(cuts: Sequence[float], duration: float) -> list[Shot]:
    """Return the shots between `cuts` (times of the first frame after each), all in seconds."""
    inner = sorted({cut for cut in cuts if 0.0 < cut < duration})
    edges = [0.0, *inner, max(duration, inner[-1] if inner else 0.0)]
    return [Shot(i, a, b) for i, (a, b) in enumerate(pairwise(edges))]


def find_shot(time: float, shots: Sequence[Shot]) -> int:
    """Return the index of the shot that the frame shown at `time` belongs to."""
    # Times are rounded to microseconds; the first frame of a shot must not count as the previous.
    return max(0, bisect_right(shots, time + 1e-6, key=lambda shot: shot.start) - 1)
