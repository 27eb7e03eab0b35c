"""Permissions and rate limits of the API."""

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client

from gallery.accounts import tokens
from gallery.boards.models import Board
from gallery.films.models import Film
from tests.asking import ROOT, Api, create_user, send_picture, to_jpeg
from tests.films import noise

# --- permissions ----------------------------------------------------------------------------------


def test_a_token_identifies_its_user(ada: Api, anonymous: Api) -> None:
    assert ada.get("/me")["user"] == "ada"
    assert anonymous.get("/me")["user"] is None


@pytest.mark.parametrize("secret", ["wrong", "scene_", "é", " "])
def test_an_invalid_token_is_refused_even_on_public_paths(secret: str, anonymous: Api) -> None:
    error = anonymous.get("/films", 401, Authorization=f"Bearer {secret}")
    assert error["code"] == "unauthorized"


def test_revoked_tokens_and_tokens_of_inactive_users_are_refused(ada: Api, bob: Api) -> None:
    get_user_model().objects.get(username="ada").api_tokens.all().delete()
    ada.get("/me", 401)
    get_user_model().objects.filter(username="bob").update(is_active=False)
    bob.get("/me", 401)


def test_only_a_digest_is_stored_and_the_last_use_is_recorded(ada: Api) -> None:
    token = get_user_model().objects.get(username="ada").api_tokens.get()
    secret = ada.headers["Authorization"].removeprefix("Bearer ")
    assert token.last_used is None
    assert secret not in str(token.__dict__)
    ada.get("/me")
    token.refresh_from_db()
    first = token.last_used
    assert first is not None
    ada.get("/me")
    token.refresh_from_db()
    assert token.last_used == first


def test_the_api_needs_a_token_where_searching_needs_a_login(
    anonymous: Api, ada: Api, demo_film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "SEARCH_NEEDS_LOGIN", True)
    for path in ("/films", "/search?q=dog", "/labels", "/me", f"/films/{demo_film.pk}/frames/12"):
        assert anonymous.get(path, 401)["code"] == "unauthorized"
    assert send_picture(anonymous, to_jpeg(noise(1))).status_code == 401
    hit = ada.get("/search?q=dog")["results"][0]
    assert send_picture(ada, to_jpeg(noise(1))).status_code == 201
    # The token opens the URLs that it was given, and nothing else.
    for address in (hit["frame"]["thumbnail"], hit["frame"]["still"]):
        assert ada.client.get(address).status_code == 302
        assert ada.client.get(address, headers=ada.headers).status_code == 200
    assert ada.client.get(hit["frame"]["page"], headers=ada.headers).status_code == 302
    assert ada.client.get("/account/tokens/", headers=ada.headers).status_code == 302


def test_a_token_does_not_open_the_admin(page: Client) -> None:
    admin = get_user_model().objects.create_superuser("root")
    _token, secret = tokens.create_token(admin.pk, "test")
    response = page.get("/admin/", headers={"Authorization": f"Bearer {secret}"})
    assert response.status_code == 302


def test_a_session_can_read_but_not_write(
    anonymous: Api, demo_film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "SEARCH_NEEDS_LOGIN", True)
    anonymous.client.force_login(create_user("eve"))
    assert anonymous.get("/me")["user"] == "eve"
    anonymous.post("/boards", {"name": "by cookie"}, 401)
    assert send_picture(anonymous, to_jpeg(noise(1))).status_code == 401
    assert not Board.objects.exists()


def test_urls_to_play_and_save_are_given_to_users_with_the_right(
    anonymous: Api, ada: Api, demo_film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = f"/films/{demo_film.pk}"
    assert anonymous.get(film)["file"] is None
    assert ada.get(film)["file"].endswith(f"/films/{demo_film.pk}/film")
    part = ada.client.get(ada.get(film)["file"], headers={**ada.headers, "Range": "bytes=0-99"})
    assert part.status_code == 206
    monkeypatch.setattr(settings, "DOWNLOADS_FOR", "users")
    scene = anonymous.get(f"{film}/scene?start=1&end=2")
    assert (scene["exact_clip"], scene["webp"], scene["gif"]) == (None, None, None)
    assert scene["clip"]
    assert ada.get(f"{film}/scene?start=1&end=2")["exact_clip"]


# --- limits ---------------------------------------------------------------------------------------


def test_rate_limits_apply_per_address_and_per_user(
    anonymous: Api, ada: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "API_RATE_WITHOUT_TOKEN", "3/h")
    monkeypatch.setattr(settings, "API_RATE", "5/h")
    left = []
    for _time in range(3):
        response = anonymous.client.get(f"{ROOT}/labels")
        assert response.headers["RateLimit-Limit"] == "3"
        left.append(int(response.headers["RateLimit-Remaining"]))
    assert left == [2, 1, 0]
    refused = anonymous.client.get(f"{ROOT}/labels")
    assert refused.status_code == 429
    assert refused.json()["code"] == "too_many_requests"
    assert 0 < int(refused.headers["Retry-After"]) <= 3601
    # Another address, and a user at the same one, are counted separately.
    assert anonymous.client.get(f"{ROOT}/labels", REMOTE_ADDR="10.0.0.9").status_code == 200
    for _time in range(5):
        ada.get("/labels")
    ada.get("/labels", 429)


def test_a_forged_x_forwarded_for_has_no_effect(
    anonymous: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "API_RATE_WITHOUT_TOKEN", "1/h")
    anonymous.get("/labels")
    anonymous.get("/labels", 429, **{"X-Forwarded-For": "10.9.8.7"})


def test_without_a_limit_nothing_is_counted(
    anonymous: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "API_RATE_WITHOUT_TOKEN", "")
    response = anonymous.client.get(f"{ROOT}/labels")
    assert response.status_code == 200
    assert "RateLimit-Limit" not in response.headers
