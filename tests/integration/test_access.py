"""Permissions to search, play whole films and save scenes, and the login."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from gallery.core import access
from gallery.films.models import Film
from gallery.site import checks
from tests.coded import create_film, make_coded_film

PASSWORD = "a-password-for-this-test"


@pytest.fixture
def people(db: None) -> dict[str, Any]:
    """A user of each kind."""
    make = get_user_model().objects.create_user
    return {
        "stranger": AnonymousUser(),
        "user": make("ann", password=PASSWORD),
        "former user": make("bob", password=PASSWORD, is_active=False),
        "staff": make("cat", password=PASSWORD, is_staff=True),
        "former staff": make("dan", password=PASSWORD, is_staff=True, is_active=False),
    }


@pytest.mark.parametrize(
    ("audience", "allowed"),
    [
        ("everyone", {"stranger", "user", "former user", "staff", "former staff"}),
        ("users", {"user", "staff"}),
        ("staff", {"staff"}),
        ("nobody", set()),
        ("Everyone!", set()),
        ("", set()),
    ],
)
def test_a_setting_grants_each_right(
    audience: str, allowed: set[str], people: dict[str, Any], settings: Any
) -> None:
    settings.WHOLE_FILMS_FOR = settings.DOWNLOADS_FOR = audience
    for rule in (access.may_play_films, access.may_download):
        assert {name for name, user in people.items() if rule(user)} == allowed


def test_searching_is_public_by_default(people: dict[str, Any], settings: Any) -> None:
    assert all(access.may_search(user) for user in people.values())
    settings.SEARCH_NEEDS_LOGIN = True
    settings.WHOLE_FILMS_FOR = settings.DOWNLOADS_FOR = "everyone"
    for rule in (access.may_search, access.may_play_films, access.may_download):
        assert {name for name, user in people.items() if rule(user)} == {"user", "staff"}


def test_by_default_users_play_whole_films_and_everyone_saves_clips() -> None:
    from django.conf import settings

    assert not settings.SEARCH_NEEDS_LOGIN
    assert (settings.WHOLE_FILMS_FOR, settings.DOWNLOADS_FOR) == ("users", "everyone")


def test_invalid_values_are_reported_at_start(settings: Any) -> None:
    assert checks.check_audiences() == []
    settings.WHOLE_FILMS_FOR = "all"
    settings.DOWNLOADS_FOR = "user"
    found = checks.check_audiences()
    assert [message.id for message in found] == ["gallery.E005", "gallery.E005"]
    assert "WHOLE_FILMS_FOR is 'all'" in found[0].msg
    assert "nobody" in (found[0].hint or "")


# --- a private site -------------------------------------------------------------------------------


@pytest.fixture
def closed_site(settings: Any) -> None:
    settings.SEARCH_NEEDS_LOGIN = True


SAMPLES = {
    "uid": "0123456789abcdef",
    "token": "0" * 32,
    "unguessable": "a" * 22,
    "animated": "gif",
    "width": "320",
    "picture": "jpg",
}


def list_urls(patterns: Any = None, before: str = "/") -> Iterator[tuple[str, str]]:
    """The name and an example of every URL of this site."""
    for one in patterns or get_resolver().url_patterns:
        route = str(one.pattern).strip("^$")
        if isinstance(one, URLResolver):
            yield from list_urls(one.url_patterns, before + route)
        elif isinstance(one, URLPattern):
            # For a group in a regular expression use its first alternative.
            plain = re.sub(r"\(\?P<\w+>([^)|]*)[^)]*\)", r"\1", before + route)
            yield (
                one.name or "",
                re.sub(r"<(?:(\w+):)?\w+>", lambda m: SAMPLES.get(m[1] or "", "7"), plain),
            )


# /metrics has a token of its own, and does not exist without METRICS_TOKEN.
PUBLIC = {"login", "logout", "set_language", "health", "metrics"}


def test_anonymous_visitors_get_only_the_login_page(page: Client, closed_site: None) -> None:
    seen = 0
    for name, address in list_urls():
        if name in PUBLIC:
            continue
        for answer in (page.get(address), page.post(address)):
            assert answer.status_code in (302, 401), (name, address)
            if address.startswith("/api/"):
                assert answer.status_code == 401
                assert answer["Content-Type"].startswith("application/json")
            else:
                entrance = "/admin/login/" if address.startswith("/admin/") else "/login/"
                assert answer["Location"].startswith(f"{entrance}?next="), (name, address)
        seen += 1
    assert seen > 90
    assert page.get("/login/").status_code == 200
    assert page.get("/healthz").status_code in (200, 503)
    assert page.post("/language/setlang/", {"language": "zh-hans"}).status_code == 302
    # The admin has its own login.
    assert page.get("/admin/")["Location"].startswith("/admin/login/")
    assert page.get("/admin/login/").status_code == 200


def test_logged_in_users_have_access(
    page: Client, closed_site: None, people: dict[str, Any]
) -> None:
    page.force_login(people["user"])
    for address in ("/", "/films/", "/boards/"):
        assert page.get(address).status_code == 200


def test_htmx_navigates_to_the_login_page(page: Client, closed_site: None) -> None:
    answer = page.get("/?q=cat", headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == "/login/"


def test_shared_caches_store_no_pictures(
    page: Client, demo_film: Film, people: dict[str, Any], settings: Any
) -> None:
    address = f"/thumbs/{demo_film.uid}/{demo_film.searchable_run}/5.jpg"
    assert "public" in page.get(address)["Cache-Control"]
    settings.SEARCH_NEEDS_LOGIN = True
    page.force_login(people["user"])
    kept = page.get(address)["Cache-Control"]
    assert "private" in kept
    assert "public" not in kept


# --- the login ----------------------------------------------------------------------------------


def test_the_login_returns_to_the_requested_page(
    page: Client, closed_site: None, people: dict[str, Any]
) -> None:
    path_and_query = "/films/?title=cat&sort=year"
    where = page.get(path_and_query)["Location"]
    form = page.get(where).content.decode()
    assert 'value="/films/?title=cat&amp;sort=year"' in form
    answer = page.post(where, {"username": "ann", "password": PASSWORD, "next": path_and_query})
    assert answer["Location"] == path_and_query
    assert page.get("/login/")["Location"] == "/"


def test_a_wrong_password_is_reported_without_details(page: Client, people: dict[str, Any]) -> None:
    for name in ("ann", "bob", "nobody"):
        answer = page.post("/login/", {"username": name, "password": "wrong"})
        assert answer.status_code == 200
        text = answer.content.decode()
        assert "Wrong username or password" in text
        assert f'value="{name}"' in text
        assert 'aria-invalid="true"' in text


def test_the_login_redirects_to_no_other_site(page: Client, people: dict[str, Any]) -> None:
    given = {"username": "ann", "password": PASSWORD, "next": "https://elsewhere.example/"}
    assert page.post("/login/", given)["Location"] == "/"


def test_the_header_names_the_user_and_has_a_logout(page: Client, people: dict[str, Any]) -> None:
    assert '/login/?next=/films/%3Fsort%3Dyear"' in page.get("/films/?sort=year").content.decode()
    page.force_login(people["user"])
    text = page.get("/").content.decode()
    assert "Logged in as <strong>ann</strong>" in text
    assert f'action="{reverse("logout")}"' in text
    assert page.get("/logout/").status_code == 405
    assert page.post("/logout/")["Location"] == "/"
    assert "Logged in as" not in page.get("/").content.decode()


# --- permissions for scenes -----------------------------------------------------------------------


@pytest.fixture
def film(db: None, tmp_path: Any) -> Film:
    return create_film(make_coded_film(tmp_path / "a.mp4", seconds=2), "Guarded")


SAVED_FILES = ("exact/0-24.mp4", "exact/0-24.mp4?progress", "exact/0-24.gif", "exact/0-24.webp",
         "stills/3.jpg?save", "stills/3.png")  # fmt: skip


def test_saving_needs_permission(page: Client, film: Film, settings: Any) -> None:
    settings.DOWNLOADS_FOR = "users"
    for what in SAVED_FILES:
        assert page.get(f"/films/{film.pk}/{what}").status_code == 403, what
    # Pictures and clips for playing are still sent.
    assert page.get(f"/films/{film.pk}/stills/3.jpg").status_code == 200
    assert page.get(f"/films/{film.pk}/clips/0-24.mp4").status_code == 200
    settings.DOWNLOADS_FOR = "everyone"
    for what in SAVED_FILES:
        assert page.get(f"/films/{film.pk}/{what}").status_code == 200, what


def test_playing_a_whole_film_needs_permission(
    page: Client, film: Film, people: dict[str, Any]
) -> None:
    address = f"/films/{film.pk}/film"
    refused = page.get(address)
    assert refused.status_code == 403
    assert "not allowed to play whole films" in refused.content.decode()
    page.force_login(people["user"])
    assert page.get(address).status_code == 200


def test_buttons_without_permission_are_hidden(
    page: Client, demo_film: Film, people: dict[str, Any], settings: Any
) -> None:
    address = f"/films/{demo_film.pk}/frames/12/"
    text = page.get(address).content.decode()
    assert "Download clip" in text
    assert "Play the whole film" not in text
    settings.DOWNLOADS_FOR = "staff"
    page.force_login(people["user"])
    text = page.get(address).content.decode()
    assert "Download clip" not in text
    assert "data-saves" not in text
    assert "?save" not in text
    assert "Play the whole film" in text
    assert f"/films/{demo_film.pk}/film#t=" in text
