"""Quoted phrases, and operators for films and years, from the search box to the hits."""

from html import unescape
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.test import Client

from gallery.core.errors import QueryError
from gallery.films.models import Film
from gallery.search import engine, relevance_curve
from gallery.search.spelling import correct_spelling
from gallery.search.types import Mode, Query
from tests.asking import Api
from tests.integration.test_views import body

pytestmark = pytest.mark.usefixtures("redis_server", "db")


def shots_of(words: str, mode: Mode = Mode.BOTH) -> list[int]:
    return [hit.shot + 1 for hit in engine.search(Query(words=words, mode=mode)).hits]


def test_a_quoted_phrase_is_said_and_other_words_describe_the_picture(demo_film: Film) -> None:
    said = {5, 18, 28, 30}  # the shots in which somebody says "never"
    assert set(shots_of('"never"')) == said
    found = shots_of('"never" an elephant in the rain')
    assert set(found) == said
    assert found[0] == 5
    assert shots_of('"never forget" an elephant') == [5]
    assert shots_of('"I never forget anything"') == [5]
    assert shots_of('"never anything" an elephant') == []
    assert len(shots_of('"never" an elephant', Mode.SEEN)) > len(said)
    curve = relevance_curve.curve(demo_film, Query(words='"never forget" an elephant'))
    assert [peak.record.shot + 1 for peak in curve.peaks] == [5]


def test_operators_in_the_box_become_filters(page: Client, demo_film: Film) -> None:
    response = page.get("/", {"q": "film:rocket a dog year:2000-2030"})
    assert response.status_code == 302
    assert parse_qsl(urlsplit(response["Location"]).query) == [
        ("q", "a dog"), ("film", str(demo_film.pk)), ("from", "2000"), ("to", "2030"),
    ]  # fmt: skip
    # The film has no year, and stays because it was chosen.
    assert str(demo_film) in body(page.get(response["Location"]))
    assert page.get("/", {"q": "film:rocket"})["Location"] == demo_film.get_absolute_url()


def test_an_unknown_film_is_said_with_what_to_do(page: Client, demo_film: Film) -> None:
    response = page.get("/", {"q": "film:rokets a dog"})
    assert response.status_code == 400
    assert "No film is called “rokets”." in body(response)
    near = page.get("/", {"q": 'film:"the cat who borrowed a racket" a dog'})
    assert f'Did you mean film:"{demo_film.title}"?' in unescape(body(near))


def test_an_operator_without_a_value_is_said(page: Client, demo_film: Film) -> None:
    demo_film.original_name = "film.mp4"
    demo_film.save()
    for typed, message in (
        ("film:", "Write a title after “film:”"),
        ("dog 年份：", "Write a year after “年份：”"),
    ):
        response = page.get("/", {"q": typed})
        assert response.status_code == 400
        assert message in body(response)
        assert "named-films" not in body(response)


def test_api_and_commands_understand_operators(anonymous: Api, demo_film: Film) -> None:
    found = anonymous.get("/search?q=film:rocket+a+dog")
    assert {hit["film"]["id"] for hit in found["results"]} == {demo_film.pk}
    refused = anonymous.get("/search?q=film:xyz+a+dog", 400)
    assert "No film is called “xyz”." in refused["error"]
    for search in ("q=film:rocket", "q=year:2001", "from=1967"):
        refused = anonymous.get(f"/search?{search}", 400)
        assert "GET /api/v1/films lists films by title and year." in refused["error"]
    assert "Write a title after “film:”" in anonymous.get("/search?q=a+dog+film:", 400)["error"]
    with pytest.raises(QueryError, match="Nothing to search for"):
        engine.search(Query(words="film:rocket"))


def test_films_without_a_year_are_counted_in_a_notice(page: Client, demo_film: Film) -> None:
    found = engine.search(Query(words="a dog", years=(1900, None)))
    assert (found.hits, found.notices) == ([], ["1 film without a year is left out."])
    assert engine.search(Query(words="a dog", years=(1900, None), films=(demo_film.pk,))).hits


# --- spelling -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("a dgo in the snow", ""),  # too short to tell
        ("an astronuat at night", "an astronaut at night"),  # English
        ("borowed", "borrowed"),  # a word of a title
        ("refridgerator", "refrigerator"),  # a word of the dialogue
        ('"three" monkyes -yelow', '"three" monkeys -yellow'),
        ("bassoon ferret", ""),  # English, although similar words are more common
        ("一只狗 宇航圆", ""),
        ("1080p", ""),
        ("xqzvvk", ""),
    ],
)
def test_misspelt_words_are_corrected(typed: str, meant: str, demo_film: Film) -> None:
    assert correct_spelling(typed, [demo_film.title]) == meant


def test_the_page_offers_the_corrected_search(
    page: Client, anonymous: Api, demo_film: Film
) -> None:
    response = page.get("/", {"q": "an astronuat", "film": demo_film.pk})
    assert response.context["correction"].address == f"/?q=an+astronaut&film={demo_film.pk}"
    assert "Did you mean:" in body(response)
    assert "Did you mean:" not in body(page.get("/", {"q": "an astronaut"}))
    found = anonymous.get("/search?q=an+astronuat")
    assert found["did_you_mean"] == "an astronaut"


def test_exact_words_that_nobody_says_are_told_as_such(page: Client, demo_film: Film) -> None:
    text = unescape(body(page.get("/", {"q": '"zzz never said" cat -"a dog"'})))
    assert "No dialogue contains exactly these words." in text
    assert "There are no films" not in text
    assert "Search dialogue only" not in text
    without = "?" + urlencode({"q": 'zzz never said cat -"a dog"'})
    assert f'href="/{without}"' in text
    assert "Search without quotation marks" in text


def test_without_films_no_other_place_to_search_is_offered(page: Client, demo_film: Film) -> None:
    text = body(page.get("/", {"q": "cat", "from": "2030", "to": "2030"}))
    assert "No searchable scenes match these filters." in text
    assert "Search dialogue only" not in text
    assert "Search the whole library" in text


def test_a_web_address_gets_one_sentence(page: Client, demo_film: Film) -> None:
    address = "https://upload.wikimedia.org/wikipedia/commons/thumb/a/a9/" + "Example" * 30 + ".jpg"
    text = body(page.get("/", {"q": address}))
    assert "A web address is searched as words." in text
    assert "Did you mean:" not in text
    assert "The query is too long" not in text
