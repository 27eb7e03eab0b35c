"""Another sound track can be chosen on the page of a scene."""

from pathlib import Path

import pytest
from django.test import Client

from gallery.films.models import Film, Shot
from gallery.scenes import clips
from tests.coded import create_film
from tests.integration.test_sound import find_loudest_frequency, make_film_with_tracks

pytestmark = pytest.mark.django_db


@pytest.fixture
def film(tmp_path: Path) -> Film:
    path = make_film_with_tracks(
        tmp_path / "a.mkv",
        {440: "comment", 1000: "default", 2000: "0"},
        *("-metadata:s:a:0", "title=Commentary", "-metadata:s:a:1", "language=fre"),
    )
    film = create_film(path)
    thumbnail = film.files.run(1).thumbnail(0)
    thumbnail.parent.mkdir(parents=True)
    thumbnail.write_bytes(b"")
    return film


def test_the_page_offers_the_tracks(film: Film, page: Client) -> None:
    text = page.get(f"/films/{film.pk}/frames/0/").content.decode()
    assert '<option value="0">Commentary</option>' in text
    assert '<option value="1" selected>French</option>' in text
    assert '<option value="2">Track 3</option>' in text
    assert ".mp4?sound=" not in text
    text = page.get(f"/films/{film.pk}/frames/0/?sound=0").content.decode()
    assert '<option value="0" selected>' in text
    assert text.count(".mp4?sound=0") == 3  # two players and the download


def test_other_shots_of_the_film_keep_the_track(film: Film, page: Client) -> None:
    Shot.objects.bulk_create(
        Shot(film=film, number=n, start=n * 2.0, end=n * 2.0 + 2.0, second=n * 2) for n in range(3)
    )
    text = page.get(f"/films/{film.pk}/frames/0/?q=dog&sound=2").content.decode()
    assert f'href="/films/{film.pk}/frames/2/?q=dog&amp;sound=2" rel="next"' in text
    text = page.get(f"/films/{film.pk}/frames/0/?q=dog&sound=1").content.decode()
    assert f'href="/films/{film.pk}/frames/2/?q=dog" rel="next"' in text


def test_the_api_lists_the_tracks(film: Film, page: Client) -> None:
    listed = page.get(f"/api/v1/films/{film.pk}").json()["sounds"]
    assert listed == [
        {"number": 0, "language": "und", "title": "Commentary", "default": False},
        {"number": 1, "language": "fr", "title": "", "default": True},
        {"number": 2, "language": "und", "title": "", "default": False},
    ]


def test_a_single_track_offers_no_choice(tmp_path: Path, page: Client) -> None:
    film = create_film(make_film_with_tracks(tmp_path / "a.mkv", {440: "default"}))
    thumbnail = film.files.run(1).thumbnail(0)
    thumbnail.parent.mkdir(parents=True)
    thumbnail.write_bytes(b"")
    for query in ("", "?sound=1", "?sound=x"):
        text = page.get(f"/films/{film.pk}/frames/0/{query}").content.decode()
        assert "mark-sound" not in text
        assert ".mp4?sound=" not in text


@pytest.mark.parametrize(
    ("query", "expected"),
    [("", 1000), ("?sound=0", 440), ("?sound=2", 2000), ("?sound=9", 1000), ("?sound=-1", 1000)],
)
def test_a_clip_has_the_sound_track_in_its_url(
    query: str, expected: int, film: Film, page: Client, tmp_path: Path
) -> None:
    for kind in ("clips", "exact"):
        answer = page.get(f"/films/{film.pk}/{kind}/24-48.mp4{query}")
        assert answer.status_code == 200
        clip = tmp_path / f"{kind}.mp4"
        clip.write_bytes(b"".join(answer))  # type: ignore[arg-type]
        assert find_loudest_frequency(clip) == pytest.approx(expected, abs=3)


def test_the_default_track_is_kept_once(film: Film) -> None:
    paths = {clips.export_order(film, 0, 24, sound).path for sound in (None, 1, 7)}
    assert len(paths) == 1
    assert clips.export_order(film, 0, 24, 0).path not in paths
