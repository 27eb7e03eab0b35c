"""Films that the words of a search name."""

import pytest

from gallery.films.catalogue import ListedFilm
from gallery.search.named_films import find_named_films


def film(pk: int, title: str, year: int | None = None, original_name: str = "") -> ListedFilm:
    return ListedFilm(
        pk=pk, title=title, year=year, uid=str(pk), searchable_run=1, run=1, shot_count=1,
        frame_count=1, rate_numerator=24, rate_denominator=1, is_searchable=True, state="ready",
        original_name=original_name,
    )  # fmt: skip


FILMS = [
    film(1, "Playtime", 1967),
    film(2, "The Cat Who Borrowed a Rocket", 2024),
    film(3, "Cat"),
    film(4, "流浪地球", 2019),
    film(5, "2001: A Space Odyssey", 1968),
    film(6, "It", 2017),
    film(7, "Holiday", None, "VID_20230714_102233.mp4"),
]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("playtime", [1]),
        ("Playtime 1967", [1]),
        ("playtime 1968", []),
        ("Playtime (1967) a waiter", [1]),
        ("1967", [1]),
        ("the cat who", [2]),
        ("cat", [3, 2]),
        ("a cat", []),
        ("a dog in the snow", []),
        ("who borrowed", [2]),
        ("a", []),
        ("流浪地球", [4]),
        ("地球", [4]),
        ("流浪地球 2019", [4]),
        ("地", []),
        ("2001 a space odyssey", [5]),
        ("it", [6]),
        ("VID_20230714_102233.mp4", [7]),
        ("vid 20230714", [7]),
        ("is it raining", []),
        ("", []),
        ("!?", []),
    ],
)
def test_titles_and_years_are_recognised(words: str, named: list[int]) -> None:
    assert [one.pk for one in find_named_films(words, FILMS)] == named


def test_a_word_of_many_file_names_names_no_film() -> None:
    films = [film(pk, f"Film {pk}", None, f"film.{pk}.1080p.mkv") for pk in range(1, 6)]
    assert find_named_films("1080p", films) == []
    assert [one.pk for one in find_named_films("film.2.1080p", films)] == [2]
