"""Black frames and credits of an imported film are stored and shown, but not found."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from django.test import Client

from benchmarks.card_drawing import BLACK, SCOPE, WHITE, Style, rolling_credits, two_columns
from gallery.films.models import Film
from gallery.films.template_tags import poster
from gallery.index import frame_index
from gallery.index.types import Scope
from gallery.search import engine
from gallery.search.types import Example, Query
from tests.films import H264, SILENT, run_ffmpeg
from tests.importing import assert_complete

# Shots of the film below: black, a picture, credits, another picture, black with a title fading in.
BLACK_SHOT, PICTURES, CREDITS, FADE = 0, (1, 3), 2, 4
SECONDS = 3


@pytest.fixture
def film(tmp_path: Path, ready_film: Callable[..., Film]) -> Film:
    """A film of five shots of three seconds."""
    rng = np.random.default_rng(2)
    card = two_columns(Style(BLACK, WHITE, WHITE, size=SCOPE), rng)
    card.save(tmp_path / "card.png")
    rolling_credits(Style(size=SCOPE), rng).save(tmp_path / "rolling.png")
    still = ("-loop", "1", "-t", str(SECONDS), "-r", "12", "-i")
    made = ("-f", "lavfi", "-t", str(SECONDS), "-i")
    sources = [
        (*made, "color=black:size=640x268:rate=12"),
        (*made, "testsrc2=size=640x268:rate=12"),
        (*still, str(tmp_path / "card.png")),
        (*made, "mandelbrot=size=640x268:rate=12"),
        (*still, str(tmp_path / "rolling.png")),
    ]
    same = "".join(f"[{n}:v]format=yuv420p,setsar=1,fps=12[v{n}];" for n in range(5))
    same = same.replace("[4:v]", "[4:v]fade=in:0:20:color=white,")
    joined = "".join(f"[v{n}]" for n in range(5))
    path = tmp_path / "film.mp4"
    run_ffmpeg(
        *(part for source in sources for part in source),
        *("-filter_complex", f"{same}{joined}concat=n=5:v=1[v]", "-map", "[v]"),
        *(*H264, *SILENT, str(path)),
    )
    return ready_film(path)


def find_indexed_shots(film: Film) -> set[int]:
    """The shots of a film that a search can find."""
    anything = np.ones(frame_index.current().width, np.float32) / np.sqrt(
        frame_index.current().width
    )
    near = frame_index.current().nearest(anything, 100, Scope(films=(film.pk,)))
    return {neighbour.shot for neighbour in near}


def test_blank_shots_and_credits_are_not_found_and_all_others_are(film: Film, page: Client) -> None:
    assert_complete(film)
    assert film.frame_count == 5 * SECONDS
    assert [shot.number for shot in film.shots.filter(dull=True)] == [BLACK_SHOT, CREDITS, FADE]
    assert find_indexed_shots(film) == set(PICTURES)
    hits = engine.search(Query(words="a dog", films=(film.pk,))).hits
    assert {hit.shot for hit in hits} == set(PICTURES)
    # Other shots can still be viewed.
    shown = page.get(film.get_absolute_url())
    assert shown.status_code == 200
    for shot in film.shots.all():
        assert page.get(f"/films/{film.pk}/frames/{shot.second}/").status_code in (200, 301)


def test_a_blank_frame_can_still_be_searched_with(film: Film) -> None:
    credits_at = film.shots.get(number=CREDITS).second
    hits = engine.search(Query(examples=(Example((film.pk, credits_at)),))).hits
    assert set(PICTURES) <= {hit.shot for hit in hits}


def test_a_film_has_a_poster_picture(film: Film) -> None:
    """A third into it, else one after it, else one before it; a blank one only if all are."""
    first, later = (film.shots.get(number=number) for number in PICTURES)
    for shots, dull, expected in (
        (5, [], first),
        (6, [], later),
        (5, [first], later),
        (9, [later], first),
        (9, [first, later], later),
    ):
        Film.objects.filter(pk=film.pk).update(shot_count=shots)
        film.shots.exclude(dull=True, number__in=(BLACK_SHOT, CREDITS, FADE)).update(dull=False)
        film.shots.filter(pk__in=[shot.pk for shot in dull]).update(dull=True)
        annotated = Film.objects.with_posters().get(pk=film.pk)
        assert annotated.poster_second == expected.second, (shots, dull)
        assert poster(annotated) == poster(Film.objects.get(pk=film.pk))
        assert f"/{expected.second}.jpg" in poster(annotated)
