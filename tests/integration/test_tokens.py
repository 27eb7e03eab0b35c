"""Tokens: created and revoked by users and staff, shown once."""

import hashlib
import re
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from gallery.accounts import tokens
from gallery.accounts.models import ApiToken

PAGE = "/account/tokens/"
ADMIN = "/admin/gallery/apitoken/"


def log_in(name: str, **rights: bool) -> Client:
    user = get_user_model().objects.create_user(name, **rights)
    client = Client()
    client.force_login(user)
    return client


def text(response: Any) -> str:
    content: str = response.content.decode()
    return content


def find_secrets(page: str) -> set[str]:
    return set(re.findall(r"scene_[A-Za-z0-9_-]{43}", page))


def request_status(secret: str) -> int:
    headers = {"Authorization": f"Bearer {secret}"}
    return Client().get("/api/v1/me", headers=headers).status_code


def test_tokens_need_a_login(page: Client) -> None:
    for response in (page.get(PAGE), page.post(PAGE, {"name": "x"}), page.post(f"{PAGE}1/revoke/")):
        assert response.status_code == 302
        assert response.url.startswith("/login/")
    assert not ApiToken.objects.exists()


def test_a_token_is_shown_once_and_works(page: Client) -> None:
    ada = log_in("ada")
    made = ada.post(PAGE, {"name": "my <script>"})
    assert made.status_code == 201
    assert "no-store" in made.headers["Cache-Control"]
    assert "my &lt;script&gt;" in text(made)
    (secret,) = find_secrets(text(made))
    token = ApiToken.objects.get()
    assert token.digest == hashlib.sha256(secret.encode()).hexdigest()
    assert find_secrets(text(ada.get(PAGE))) == set()
    assert "never used" in text(ada.get(PAGE))
    assert request_status(secret) == 200
    assert "never used" not in text(ada.get(PAGE))


def test_revoking_a_token_takes_effect_at_once(page: Client) -> None:
    ada = log_in("ada")
    (secret,) = find_secrets(text(ada.post(PAGE, {"name": "x"})))
    assert request_status(secret) == 200
    address = f"{PAGE}{ApiToken.objects.get().pk}/revoke/"
    assert ada.get(address).status_code == 405
    assert ada.post(address).status_code == 302
    assert request_status(secret) == 401
    assert not ApiToken.objects.exists()


def test_users_can_neither_see_nor_revoke_tokens_of_others(page: Client) -> None:
    log_in("ada").post(PAGE, {"name": "of ada"})
    bob = log_in("bob")
    assert "of ada" not in text(bob.get(PAGE))
    assert bob.post(f"{PAGE}{ApiToken.objects.get().pk}/revoke/").status_code == 404
    assert ApiToken.objects.count() == 1


@pytest.mark.parametrize("name", ["", " ", "x" * 81])
def test_a_token_needs_a_name(name: str, page: Client) -> None:
    response = log_in("ada").post(PAGE, {"name": name})
    assert response.status_code == 400
    assert 'role="alert"' in text(response)
    assert not ApiToken.objects.exists()


def test_the_number_of_tokens_is_limited(page: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MAX_TOKENS", 2)
    ada = log_in("ada")
    assert [ada.post(PAGE, {"name": "x"}).status_code for _time in range(3)] == [201, 201, 400]
    assert "You have reached the limit" in text(ada.post(PAGE, {"name": "x"}))
    assert ApiToken.objects.count() == 2


def test_staff_create_and_revoke_tokens_of_others(page: Client) -> None:
    root = log_in("root", is_staff=True, is_superuser=True)
    ada = get_user_model().objects.create_user("ada")
    after = root.post(f"{ADMIN}add/", {"user": ada.pk, "name": "for ada"}, follow=True)
    (secret,) = find_secrets(text(after))
    assert request_status(secret) == 200
    listed = text(root.get(ADMIN))
    assert "for ada" in listed
    assert find_secrets(listed) == set()
    token = ApiToken.objects.get()
    assert token.digest not in listed
    # Tokens cannot be changed.
    assert root.post(f"{ADMIN}{token.pk}/change/", {"user": 1, "name": "x"}).status_code == 403
    assert root.post(f"{ADMIN}{token.pk}/delete/", {"post": "yes"}).status_code == 302
    assert request_status(secret) == 401


def test_staff_see_the_limit_on_tokens(page: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MAX_TOKENS", 0)
    root = log_in("root", is_staff=True, is_superuser=True)
    user = get_user_model().objects.get()
    response = root.post(f"{ADMIN}add/", {"user": user.pk, "name": "x"})
    assert "You have reached the limit" in text(response)
    assert not ApiToken.objects.exists()
