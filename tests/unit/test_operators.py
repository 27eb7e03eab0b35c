"""Operators among the words of a search: films and years."""

import pytest

from gallery.core.errors import QueryError
from gallery.films.catalogue import Catalogue
from gallery.search import operators
from gallery.search.operators import apply_operators
from gallery.search.types import Mode, Query
from tests.unit.test_named_films import film

FILMS = [
    film(1, "Playtime", 1967),
    film(2, "The Town That Rain Forgot", 2019, "The.Town.That.Rain.Forgot.2019.1080p.mkv"),
    film(3, "The Town", 2010),
    film(4, "流浪地球", 2019),
    film(5, "Holiday", None, "VID_20230714_102233.mp4"),
]


@pytest.fixture(autouse=True)
def _same_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the films above count as searchable."""
    monkeypatch.setattr(Catalogue, "searchable", property(lambda self: list(self.films.values())))


def applied(words: str, **given: object) -> Query:
    catalogue = Catalogue({one.pk: one for one in FILMS})
    return apply_operators(Query(words=words, **given), catalogue)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "kept", "films"),
    [
        ("film:playtime", "", (1,)),
        ("film:Playtime a waiter", "a waiter", (1,)),
        ("a waiter FILM:PLAYTIME -dog", "a waiter -dog", (1,)),
        ('film:"the town" rain', "rain", (3,)),  # the whole title
        ("film:“rain forgot” rain", "rain", (2,)),
        ("film:town", "", (2, 3)),
        ("film:playtime film:holiday", "", (1, 5)),
        ("film:20230714", "", (5,)),  # the name of its file
        ("film：流浪地球 夜晚", "夜晚", (4,)),
        ("影片：《流浪地球》 夜晚", "夜晚", (4,)),
        ("电影:地球", "", (4,)),
        ("a film: noir", "a film: noir", ()),
        ("microfilm:playtime", "microfilm:playtime", ()),
        ("a dog", "a dog", ()),
    ],
)
def test_film_limits_the_search_to_films(words: str, kept: str, films: tuple[int, ...]) -> None:
    query = applied(words)
    assert (query.words, query.films) == (kept, films)


@pytest.mark.parametrize(
    ("words", "years"),
    [
        ("year:1967", (1967, 1967)),
        ("year:1960-1970", (1960, 1970)),
        ("year:1970-1960", (1960, 1970)),
        ("year:1960–1970", (1960, 1970)),
        ("year:1960-", (1960, None)),
        ("year:-1970", (None, 1970)),
        ("年份：1967", (1967, 1967)),
        ("year:1950 year:1967", (1967, 1967)),
    ],
)
def test_year_limits_the_search_to_years(words: str, years: tuple[int | None, ...]) -> None:
    query = applied(f"{words} a waiter")
    assert (query.words, query.years) == ("a waiter", years)


def test_operators_are_added_to_other_filters() -> None:
    query = applied("film:playtime a dog", films=(5,), years=(1900, None), labels=(7,))
    assert (query.films, query.years, query.labels) == ((5, 1), (1900, None), (7,))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("film:playtim", 'No film is called “playtim”. Did you mean film:"Playtime"?'),
        ("film:xyz", "No film is called “xyz”. Look up its title in the list of films"),
        ("year:abc", "“abc” is not a year. Write year:1967 or year:1960-1970."),
        ("year:-", "“-” is not a year."),
        ("year:0000", "“0000” is not a year."),
        ("-film:playtime dog", "Write film:playtime without the minus sign."),
        ("film:", "Write a title after “film:”, such as film:playtime."),
        ("a dog FILM: ", "Write a title after “FILM:”"),
        ('film:"" year:1967', "Write a title after “film:”"),
        ("影片：", "Write a title after “影片：”"),
        ("year: film:playtime", "Write a year after “year:”, such as year:1967."),
        ("夜晚 年份：", "Write a year after “年份：”"),
    ],
)
def test_what_is_not_understood_is_said(words: str, message: str) -> None:
    with pytest.raises(QueryError) as raised:
        applied(words)
    assert message in str(raised.value)


def test_too_many_films_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operators, "MAX_CHOICES", 1)
    with pytest.raises(QueryError, match="in more than 1 titles"):
        applied("film:town")


@pytest.mark.parametrize(
    ("words", "mode", "quoted", "described"),
    [
        ('"good night" an astronaut', Mode.BOTH, ("good night",), "an astronaut"),
        ('an astronaut "good night" "the moon"', Mode.BOTH, ("good night", "the moon"),
         "an astronaut"),
        ('"good night"', Mode.SAID, ("good night",), ""),
        ('"good night" an astronaut', Mode.SEEN, (), "good night an astronaut"),
        ('a dog -"at night"', Mode.BOTH, (), "a dog"),
        ('a 5" screen', Mode.BOTH, (), 'a 5" screen'),
        ("「晚安」 宇航员", Mode.BOTH, ("晚安",), "宇航员"),
    ],
)  # fmt: skip
def test_quoted_phrases_are_said_and_the_rest_is_shown(
    words: str, mode: Mode, quoted: tuple[str, ...], described: str
) -> None:
    query = Query(words=words, mode=mode)
    assert (query.quoted, query.described) == (quoted, described)


def test_a_film_without_a_year_is_left_out_of_years_unless_it_was_chosen() -> None:
    catalogue = Catalogue({one.pk: one for one in FILMS})

    def selected(*films: int, years: tuple[int | None, int | None]) -> list[int]:
        return [one.pk for one in catalogue.select(films, years)]

    assert selected(years=(2000, None)) == [2, 3, 4]
    assert selected(1, 3, 5, years=(2000, None)) == [3, 5]
    assert selected(years=(None, None)) == [1, 2, 3, 4, 5]
