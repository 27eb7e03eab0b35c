"""Relevance curves and barcodes of films."""

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gallery.clip import weights
from gallery.core.errors import QueryError
from gallery.films import barcode, drawing
from gallery.films.models import Film
from gallery.index import frame_index
from gallery.index.types import FrameRecord
from gallery.media.store import FRAME_KIND_DTYPE, SegmentData
from gallery.media.types import FrameKind
from gallery.search import engine, relevance_curve
from gallery.search.types import Example, Mode, Query
from tests.films import make_scenes

HOURS = 3
FRAMES = HOURS * 3600

DEMO_FILM = 0  # a placeholder for the id of the demo film


def _with_film_id(film: Film, query: Query) -> Query:
    """The query with the film's id."""
    examples = tuple(
        replace(one, frame=(film.pk, one.frame[1])) if one.frame else one for one in query.examples
    )
    more = tuple((film.pk, second) for _film, second in query.more)
    less = tuple((film.pk, second) for _film, second in query.less)
    return replace(query, examples=examples, more=more, less=less)


@pytest.mark.parametrize(
    "asked",
    [
        Query(words="a dog in the snow"),
        Query(words="a dog -snow"),
        Query(words="moon"),
        Query(words="moon", mode=Mode.SAID),
        Query(words="moon", mode=Mode.SEEN),
        Query(examples=(Example(frame=(DEMO_FILM, 40)),)),
        Query(words="a cat", examples=(Example(frame=(DEMO_FILM, 40), weight=0.5),)),
        Query(words="a dog", more=((DEMO_FILM, 64),), less=((DEMO_FILM, 12),)),
        Query(words="qwertz uiop"),
    ],
)
def test_a_curve_agrees_with_the_hits(asked: Query, demo_film: Film) -> None:
    query = _with_film_id(demo_film, asked)
    found = relevance_curve.curve(demo_film, query, hits=200)
    expected = engine.search(replace(query, films=(demo_film.pk,), page_size=200))
    assert [hit.key for hit in found.results.hits] == [hit.key for hit in expected.hits]
    assert len(found.seconds) == demo_film.frame_count
    at = dict(zip(found.seconds.tolist(), found.relevance.tolist(), strict=True))
    assert len(expected.hits) > 0
    for hit in expected.hits:
        assert at[hit.second] == pytest.approx(hit.relevance, abs=0.02), hit.second
    assert max(at.values()) == pytest.approx(max(hit.relevance for hit in expected.hits), abs=0.02)
    assert min(at.values()) >= 0.0


def test_peaks_are_one_per_shot_in_time_order(demo_film: Film) -> None:
    found = relevance_curve.curve(demo_film, Query(words="a dog"))
    times = [peak.record.time for peak in found.peaks]
    assert times == sorted(times)
    assert 2 <= len(times) <= relevance_curve.MAX_PEAKS
    assert min(np.diff(times)) >= demo_film.duration * relevance_curve.MIN_PEAK_DISTANCE
    shots = [peak.record.shot for peak in found.peaks]
    assert len(set(shots)) == len(shots)
    best = max(found.peaks, key=lambda peak: peak.relevance)
    assert best.record.shot == found.results.hits[0].shot
    assert all(peak.relevance >= relevance_curve.MIN_PEAK_RELEVANCE for peak in found.peaks)


def test_a_line_counts_for_as_long_as_it_is_shown(demo_film: Film) -> None:
    found = relevance_curve.curve(
        demo_film, Query(words='"this flight does not stop"', mode=Mode.SAID)
    )
    (line,) = found.lines
    inside = (found.times >= line.start) & (found.times < line.end)
    assert inside.sum() >= 2
    assert (found.relevance[inside] == 1.0).all()
    assert (found.relevance[~inside] == 0.0).all()
    assert [peak.line for peak in found.peaks] == [line]


def test_an_empty_query_is_reported(demo_film: Film) -> None:
    with pytest.raises(QueryError):
        relevance_curve.curve(demo_film, Query(avoid="snow"))


# --- long films -----------------------------------------------------------------------------------


@pytest.fixture
def long_film(redis_server: object, db: None) -> Film:
    """Three hours of random vectors, in segments of two minutes; second 7000 has a chosen one."""
    model = weights.current()
    film = Film.objects.create(
        title="Long", sha256="long", state=Film.State.READY, searchable_run=1, duration=FRAMES,
        model=model.fingerprint, frame_count=FRAMES, shot_count=FRAMES // 6,
        rate_numerator=24, rate_denominator=1,
    )  # fmt: skip
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(FRAMES, model.width)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    seconds = np.arange(FRAMES)
    files = film.files.run(1)
    for number, at in enumerate(range(0, FRAMES, 120)):
        part = slice(at, at + 120)
        cuts = seconds[part][::6].astype(float)
        files.save_segment(
            number,
            SegmentData(
                seconds[part].astype(np.int32),
                seconds[part].astype(float),
                rows[part].astype(np.float16),
                cuts,
                np.full(len(seconds[part]), FrameKind.PICTURE, FRAME_KIND_DTYPE),
                np.zeros(len(seconds[part]), np.uint64),
            ),
        )
    records = [
        FrameRecord(film.pk, s, float(s), s // 6, float(s // 6 * 6), float(s // 6 * 6 + 6))
        for s in range(FRAMES)
    ]
    frame_index.current().put(film.pk, records, rows)
    return film


def test_a_curve_of_three_hours_is_fast_and_keeps_its_peak(long_film: Film) -> None:
    query = Query(examples=(Example(frame=(long_film.pk, 7000)),))
    relevance_curve._load_run.cache_clear()
    engine.search(query)  # fill the caches of the search
    took = []
    for _again in range(3):
        started_at = time.perf_counter()
        found = relevance_curve.curve(long_film, query)
        took.append(time.perf_counter() - started_at)
    print(f"\na curve of {HOURS} hours: first {took[0]:.3f} s, then {min(took[1:]):.3f} s")
    assert min(took[1:]) < 0.2
    assert len(found.seconds) <= relevance_curve.MAX_POINTS
    assert found.seconds[found.relevance.argmax()] == 7000
    assert found.relevance.max() == pytest.approx(1.0, abs=1e-4)  # vectors have 16 bits
    assert (np.diff(found.seconds) > 0).all()
    path = drawing.curve_path(found.times, found.relevance, long_film.duration, closed=True)
    assert len(path) < 20_000
    shots = [(float(s), s + 6.0, s + 3) for s in range(0, FRAMES, 6)]
    assert len(drawing.bands(shots, FRAMES)) == drawing.MAX_BANDS


# --- drawing --------------------------------------------------------------------------------------


def test_a_curve_is_drawn_from_end_to_end() -> None:
    times, heights = np.array([0.0, 5.0]), np.array([0.0, 1.0], np.float32)
    path = drawing.curve_path(times, heights, 10.0, closed=False)
    assert path == "M0 99.0L0.0 99.0L500.0 2.0L1000 2.0"
    closed = drawing.curve_path(times, heights, 10.0, closed=True)
    assert closed == path + "L1000 100L0 100Z"
    assert drawing.curve_path(np.zeros(0), np.zeros(0, np.float32), 10.0, closed=True) == ""


def test_bands_cover_the_film() -> None:
    shots = [(n * 2.0, n * 2.0 + 2.0, n * 2) for n in range(1000)]
    bands = drawing.bands(shots, 2000.0)
    assert len(bands) == drawing.MAX_BANDS
    assert bands[0].left == 0
    assert sum(band.width for band in bands) == pytest.approx(100)
    for one, other in pairwise(bands):
        assert one.left + one.width == pytest.approx(other.left)
        assert one.start <= one.second < other.start
    assert len(drawing.bands(shots[:3], 6.0)) == 3
    assert drawing.cuts_path([0.0, 2.0], 4.0) == "M500.0 0V100"


@pytest.mark.parametrize(
    ("duration", "step", "marks"), [(5, 1, 6), (108, 15, 8), (5400, 900, 7), (10_800, 1800, 7)]
)
def test_the_time_axis_has_round_steps(duration: int, step: int, marks: int) -> None:
    scale = drawing.scale(duration)
    assert [seconds for _left, seconds in scale] == [n * step for n in range(marks)]
    assert all(left == pytest.approx(s / duration * 100) for left, s in scale)


# --- the barcode ----------------------------------------------------------------------------------


def test_a_barcode_shows_the_colours_of_a_film_in_order(
    ready_film: Callable[..., Film], tmp_path: Path
) -> None:
    film = ready_film(make_scenes(tmp_path / "flag.mp4", ["red", "lime", "blue"], frames=48))
    path = barcode.of_film(film)
    with Image.open(path) as drawn:
        assert drawn.height == barcode.HEIGHT
        assert 600 <= drawn.width <= barcode.MAX_COLUMNS
        for at, channel in ((0.17, 0), (0.5, 1), (0.83, 2)):
            pixel = drawn.convert("RGB").getpixel((int(drawn.width * at), 20))
            assert isinstance(pixel, tuple)
            assert np.argmax(pixel) == channel
            assert pixel[channel] > 200
    made = path.stat().st_mtime_ns
    assert barcode.of_film(film).stat().st_mtime_ns == made
    path.unlink()
    shutil.rmtree(film.files.run(1).folder / "thumbs")
    with Image.open(barcode.of_film(film)) as dark:
        assert max(max(band) for band in dark.getextrema()) < 40  # type: ignore[arg-type]
