"""Rate limits for anonymous visitors: searching pages, and unknown tokens."""

from typing import Any

import pytest
from django.test import Client

from gallery.core.rate_limits import parse_rate
from gallery.films.models import Film
from gallery.rest.middleware import MAX_UNKNOWN_TOKENS
from gallery.site import checks
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


def test_rates_are_checked_at_the_start(settings: Any) -> None:
    assert checks.check_rates() == []
    settings.SEARCH_RATE = "many"
    assert [message.msg for message in checks.check_rates()] == ["SEARCH_RATE is 'many'."]
