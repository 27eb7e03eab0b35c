"""Rate limits for anonymous visitors: searching pages, and unknown tokens."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from gallery.accounts.tokens import MAX_UNKNOWN_TOKENS
from gallery.boards.models import Board
from gallery.core.rate_limits import parse_rate
from gallery.films.models import Film
from gallery.site import checks
from gallery.storyboards.models import Storyboard
from tests.asking import Api


@pytest.fixture
def low_search_limit(settings: Any, reset_rate_limits: None) -> None:
    settings.SEARCH_RATE = "3/d"


def test_too_many_searches_are_refused_with_a_message(
    page: Client, low_search_limit: None, demo_film: Film
) -> None:
    for address in ("/?q=dog", f"/films/{demo_film.pk}/", f"/films/{demo_film.pk}/frames/5/"):
        assert page.get(address).status_code == 200
    refused = page.get("/?q=cat")
    assert refused.status_code == 429
    assert 1 <= int(refused["Retry-After"]) <= 86_400
    text = refused.content.decode()
    assert "Please wait a moment" in text
    assert "Too many requests. Please wait" in text
    # Cheap pages still work, and others are not affected.
    assert page.get("/films/").status_code == 200
    assert page.get("/healthz").status_code == 200
    assert Client(REMOTE_ADDR="10.0.0.9").get("/?q=cat").status_code == 200


def test_a_user_is_counted_at_every_address(
    page: Client, low_search_limit: None, django_user_model: Any
) -> None:
    user = django_user_model.objects.create_user("ann")
    for number in range(4):
        client = Client(REMOTE_ADDR=f"10.0.1.{number}")
        client.force_login(user)
        status = client.get("/?q=dog").status_code
    assert status == 429


def test_an_empty_rate_means_no_limit(page: Client, settings: Any, reset_rate_limits: None) -> None:
    settings.SEARCH_RATE = ""
    assert {page.get("/").status_code for _number in range(10)} == {200}


def test_without_the_cache_pages_are_not_limited(
    page: Client, low_search_limit: None, settings: Any
) -> None:
    settings.CACHES = {
        "default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
    }
    assert {page.get("/").status_code for _number in range(5)} == {200}


def test_unknown_tokens_are_limited_by_address(anonymous: Api, ada: Api) -> None:
    most, _seconds = parse_rate(MAX_UNKNOWN_TOKENS)
    for number in range(most):
        anonymous.get("/films", 401, Authorization=f"Bearer scene_{number}")
    refused = anonymous.get("/films", 429, Authorization="Bearer scene_x")
    assert refused["code"] == "too_many_requests"
    # A valid token still works from this address.
    ada.get("/films")


def test_boards_and_storyboards_of_the_api_count_as_those_of_pages(
    ada: Api, page: Client, demo_film: Film, settings: Any
) -> None:
    settings.BOARD_RATE = "3/d"
    page.force_login(get_user_model().objects.get(username="ada"))
    assert page.post("/boards/", {"name": "On the page"}).status_code == 302
    ada.post("/boards", {"name": "By the API"})
    ada.post("/storyboards", {"script": "a dog"})
    assert ada.post("/boards", {"name": "Too many"}, 429)["code"] == "too_many_requests"
    ada.post("/storyboards", {"script": "a dog"}, 429)
    assert page.post("/boards/", {"name": "Too many"}).status_code == 429
    assert (Board.objects.count(), Storyboard.objects.count()) == (2, 1)


def test_each_line_of_a_storyboard_counts_as_a_search(
    ada: Api, page: Client, demo_film: Film, settings: Any
) -> None:
    settings.SEARCH_RATE = "4/d"
    made = ada.post("/storyboards", {"script": "a dog\na cat\nan astronaut"})
    row = f"/storyboards/{made['token']}/rows/{made['rows'][0]['id']}"
    assert ada.patch(row, {"text": "a rocket"})["rows"][0]["text"] == "a rocket"
    ada.patch(row, {"text": "a boat"}, 429)
    ada.post("/storyboards", {"script": "a dog"}, 429)
    assert ada.get(f"/storyboards/{made['token']}")["rows"][0]["text"] == "a rocket"
    assert Storyboard.objects.count() == 1
    # The same user on pages, there without scripts, too.
    page.force_login(get_user_model().objects.get(username="ada"))
    assert page.get("/?q=dog").status_code == 429
    other = Client(REMOTE_ADDR="10.0.2.1")
    script = {"script": "a dog\na cat\nan astronaut\na rocket"}
    storyboard = other.post("/storyboards/", script)["Location"].split("#")[0]
    assert other.post(f"{storyboard}search/").status_code == 302
    assert other.get("/?q=dog").status_code == 429


def test_more_searches_than_the_limit_are_possible_at_once(
    ada: Api, demo_film: Film, settings: Any
) -> None:
    settings.SEARCH_RATE = "2/d"
    made = ada.post("/storyboards", {"script": "a dog\na cat\nan astronaut"})
    assert all(row["scene"] for row in made["rows"])
    ada.post("/storyboards", {"script": "a dog"}, 429)


def test_rates_are_checked_at_the_start(settings: Any) -> None:
    assert checks.check_rates() == []
    settings.SEARCH_RATE = "many"
    assert [message.msg for message in checks.check_rates()] == ["SEARCH_RATE is 'many'."]
