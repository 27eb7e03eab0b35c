"""Changing parts of queries, and URLs of frames among their words."""

from dataclasses import replace

import pytest
from django.http import QueryDict

from gallery.films.models import Film
from gallery.search import pasted, refining
from gallery.search.address import parse_query, search_url, to_parameters
from gallery.search.types import Example, Mode, Order, Query

HOSTS = ("scenes.example.org:8000",)
HERE = "http://scenes.example.org:8000"
TOKEN = "0123456789abcdef" * 2
WHOLE = Query(
    words="a dog -snow",
    words_weight=2,
    avoid="night, rain",
    examples=(Example(frame=(1, 40), weight=0.5), Example(picture=TOKEN)),
    more=((2, 3),),
    less=((2, 4), (2, 5)),
    mode=Mode.SEEN,
    order=Order.TIME,
    films=(1, 2),
    years=(1930, None),
    labels=(7,),
)


def reread(query: Query) -> Query:
    """The query that is parsed from its URL."""
    given = QueryDict(mutable=True)
    for name, value in to_parameters(query):
        given.appendlist(name, value)
    return parse_query(given)


def test_the_url_has_the_whole_query() -> None:
    assert reread(WHOLE) == WHOLE
    assert reread(replace(WHOLE, page=3)) == replace(WHOLE, page=3)


def test_an_example_is_added_once_and_removed() -> None:
    more = refining.with_example(WHOLE, Example(frame=(9, 9)))
    assert more.examples == (*WHOLE.examples, Example(frame=(9, 9)))
    assert refining.with_example(more, Example(frame=(9, 9), weight=2)) == more
    assert refining.without_example(more, Example(frame=(9, 9), weight=0.5)) == WHOLE
    assert refining.without_example(WHOLE, Example(picture=TOKEN)).examples == WHOLE.examples[:1]
    many = Query(words="dog")
    for second in range(20):
        many = refining.with_example(many, Example(frame=(1, second)))
    assert [one.frame for one in many.examples] == [(1, second) for second in range(8, 20)]
    assert reread(many) == many


def test_weights_go_up_and_down_in_steps() -> None:
    assert (refining.lighter(1), refining.heavier(1)) == (0.5, 2)
    assert (refining.lighter(0.5), refining.heavier(2)) == (None, None)
    assert (refining.lighter(1.3), refining.heavier(1.3)) == (1, 2)
    assert (refining.lighter(9), refining.heavier(0)) == (2, 0.5)
    changed = refining.with_weight(WHOLE, Example(picture=TOKEN), 2)
    assert [one.weight for one in changed.examples] == [0.5, 2]


def test_a_hit_is_marked_one_way_at_a_time() -> None:
    right = refining.more_like(WHOLE, (2, 4))
    assert (right.more, right.less) == (((2, 3), (2, 4)), ((2, 5),))
    assert refining.more_like(right, (2, 4)).more == ((2, 3),)
    wrong = refining.less_like(WHOLE, (2, 3))
    assert (wrong.more, wrong.less) == ((), ((2, 4), (2, 5), (2, 3)))
    assert refining.less_like(wrong, (2, 3)).less == WHOLE.less


def test_an_avoided_thing_can_be_removed() -> None:
    assert WHOLE.avoided == ("snow", "night", "rain")
    assert refining.without_avoided(WHOLE, "snow").words == "a dog"
    assert refining.without_avoided(WHOLE, "snow").avoided == ("night", "rain")
    assert refining.without_avoided(WHOLE, "night").avoid == "rain"
    assert refining.without_avoided(WHOLE, "night").words == WHOLE.words
    phrase = Query(words='cat -"at night" film-noir')
    assert refining.without_avoided(phrase, "at night").words == "cat film-noir"
    both = Query(words="cat -snow", avoid="snow")
    assert refining.without_avoided(both, "snow") == Query(words="cat")
    assert Query(words='cat -""').avoided == ()


def test_the_words_can_be_removed() -> None:
    assert refining.without_words(WHOLE) == replace(
        WHOLE, words="-snow", words_weight=1, mode=Mode.BOTH
    )


def test_similar_scenes_are_searched_with_the_same_filters() -> None:
    similar = refining.similar_to(WHOLE, (2, 9))
    assert similar == Query(
        examples=(Example(frame=(2, 9)),), films=(1, 2), years=(1930, None), labels=(7,)
    )
    everywhere = refining.without_filters(WHOLE)
    assert (everywhere.films, everywhere.years, everywhere.labels) == ((), (None, None), ())
    assert everywhere.words == WHOLE.words


@pytest.mark.parametrize(
    "change",
    [
        lambda query: refining.more_like(query, (2, 9)),
        lambda query: refining.less_like(query, (2, 9)),
        lambda query: refining.with_example(query, Example(frame=(2, 9))),
        lambda query: refining.without_avoided(query, "snow"),
        refining.without_words,
        refining.without_filters,
        lambda query: refining.with_mode(query, Mode.SAID),
        lambda query: refining.with_order(query, Order.RELEVANCE),
    ],
)
def test_a_changed_query_restarts_at_its_first_page(change: object) -> None:
    assert callable(change)
    assert change(replace(WHOLE, page=4)).page == 1
    assert "page" not in search_url(WHOLE)


# --- URLs among the words -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        "/films/3/frames/120/",
        f"{HERE}/films/3/frames/120/",
        f"{HERE}/films/3/frames/120/?q=a+dog&in=seen",
        f"{HERE}/films/3/frames/120/#probabilities",
    ],
)
def test_the_address_of_a_frame_is_an_example(written: str) -> None:
    query = pasted.replace_pasted_urls(Query(words=f"a dog {written} -snow", films=(3,)), HOSTS)
    assert query == Query(words="a dog -snow", examples=(Example(frame=(3, 120)),), films=(3,))


@pytest.mark.parametrize(
    "words",
    [
        "a dog",
        "24/7",
        "and/or  two  spaces",
        "/films/",
        "/films/3/",
        "/films/3/frames/x/",
        "http://elsewhere.example.org/films/3/frames/120/",
        "ftp://scenes.example.org:8000/films/3/frames/120/",
        "http://scenes.example.org/films/3/frames/120/",
        "http://[/films/3/frames/1/",
        "//films/3/frames/120/",
    ],
)
def test_other_words_stay_as_they_are(words: str) -> None:
    query = Query(words=words)
    assert pasted.replace_pasted_urls(query, HOSTS) is query


@pytest.mark.django_db
def test_urls_of_pictures_are_examples() -> None:
    film = Film.objects.create(title="A", sha256="a")
    for kind in ("thumbs", "stills"):
        query = pasted.replace_pasted_urls(Query(words=f"{HERE}/{kind}/{film.uid}/1/12.jpg"), HOSTS)
        assert query == Query(examples=(Example(frame=(film.pk, 12)),))
    gone = Query(words="/thumbs/0123456789abcdef/1/12.jpg")
    assert pasted.replace_pasted_urls(gone, HOSTS) is gone
    query = pasted.replace_pasted_urls(
        Query(words=f"/pictures/{TOKEN}.jpg /films/1/frames/2/"), HOSTS
    )
    assert query.examples == (Example(picture=TOKEN), Example(frame=(1, 2)))
