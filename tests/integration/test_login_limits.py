"""Limits on login attempts, on the pages and in the admin, with the real cache."""

import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client

from gallery.accounts import login_limits
from gallery.accounts.login_limits import ACCOUNT, ACCOUNT_AND_ADDRESS, ADDRESS, Attempt
from gallery.core.errors import TooManyLogins, format_wait

PASSWORD = "a-password-for-this-test"
LOGINS = ("/login/", "/admin/login/")


@pytest.fixture
def ann(db: None, reset_rate_limits: None, settings: Any) -> Any:
    # Hashing as in production costs half a second for each attempt.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return get_user_model().objects.create_user("ann", password=PASSWORD, is_staff=True)


def log_in(password: str, name: str = "ann", page: str = "/login/", address: str = "") -> Any:
    """The response to one attempt, from a browser without cookies."""
    where = {"REMOTE_ADDR": address} if address else {}
    return Client().post(page, {"username": name, "password": password}, **where)


def fail_logins(times: int, **how: str) -> None:
    for _attempt in range(times):
        assert log_in("wrong", **how).status_code == 200


def expire_waits(account: str = "ann", address: str = "127.0.0.1") -> None:
    """End the current waits, as if they had passed."""
    attempt = Attempt(account, address)
    for parts in attempt._limits:
        cache.delete(
            login_limits._key(*parts, str(cache.get(login_limits.GENERATION_KEY, 0))) + "-until"
        )


@pytest.mark.parametrize("page", LOGINS)
def test_after_five_failures_the_right_password_has_to_wait_too(page: str, ann: Any) -> None:
    fail_logins(5, page=page)
    refused = log_in(PASSWORD, page=page)
    assert refused.status_code == 429
    assert 1 <= int(refused["Retry-After"]) <= 60
    text = refused.content.decode()
    assert "Too many login attempts. Please wait" in text
    assert re.search(r"wait \d+ seconds before trying again", text)
    assert "sessionid" not in str(refused.cookies)
    # The admin login shares the limit.
    other = LOGINS[1 - LOGINS.index(page)]
    assert log_in(PASSWORD, page=other).status_code == 429


def test_the_wait_is_announced_in_chinese(ann: Any) -> None:
    fail_logins(5)
    client = Client(headers={"Accept-Language": "zh-hans"})
    refused = client.post("/login/", {"username": "ann", "password": PASSWORD})
    assert refused.status_code == 429
    assert re.search(r"请等待 \d+ 秒", refused.content.decode())


def test_the_wait_doubles_up_to_an_hour(ann: Any) -> None:
    fail_logins(5)
    waits = []
    for _attempt in range(8):
        waits.append(int(log_in(PASSWORD)["Retry-After"]))
        expire_waits()
        fail_logins(1)
    for wait, expected in zip(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600], strict=True):
        assert expected - 5 <= wait <= expected


def test_attempts_during_a_wait_do_not_lengthen_it(ann: Any) -> None:
    fail_logins(5)
    for _attempt in range(20):
        assert int(log_in("wrong")["Retry-After"]) <= 60
    expire_waits()
    assert log_in(PASSWORD).status_code == 302


def test_a_login_resets_the_failures(ann: Any) -> None:
    fail_logins(4)
    assert log_in(PASSWORD).status_code == 302
    fail_logins(4)
    assert log_in(PASSWORD).status_code == 302


def test_others_cannot_lock_a_user_out(ann: Any) -> None:
    """After hundreds of failures from elsewhere, a known address of the user can log in."""
    assert log_in(PASSWORD, address="10.0.0.1").status_code == 302
    for number in range(ACCOUNT.free + 20):
        log_in("wrong", address=f"10.1.{number}.1")
    refused = log_in("wrong", address="10.9.9.9")
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) <= 60
    assert log_in(PASSWORD, address="10.0.0.1").status_code == 302


def test_an_address_cannot_try_many_accounts(ann: Any) -> None:
    for number in range(ADDRESS.free):
        assert log_in("wrong", name=f"user{number}").status_code == 200
    assert log_in(PASSWORD).status_code == 429
    assert log_in(PASSWORD, address="10.0.0.2").status_code == 302


def test_a_login_does_not_reset_the_limit_of_its_address(ann: Any) -> None:
    get_user_model().objects.create_user("eve", password=PASSWORD)
    refused = 0
    for number in range(ADDRESS.free + 5):
        refused += log_in("wrong", name=f"user{number}").status_code == 429
        log_in(PASSWORD, name="eve")
    assert refused >= 4


def test_unknown_names_are_limited_and_case_does_not_matter(ann: Any) -> None:
    for name in ("nobody", "Nobody", "NOBODY ", "nobody", "nobody"):
        assert log_in("wrong", name=name).status_code == 200
    assert log_in("wrong", name="nobody").status_code == 429


def test_concurrent_attempts_are_counted(ann: Any) -> None:
    allowed = []

    def attempt() -> None:
        try:
            Attempt("ann", "10.0.0.3").begin()
        except TooManyLogins:
            return
        allowed.append(1)

    threads = [threading.Thread(target=attempt) for _number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(allowed) == ACCOUNT_AND_ADDRESS.free


@pytest.mark.parametrize(
    ("proxies", "forwarded", "counted"),
    [
        (0, "1.1.1.1", "127.0.0.1"),
        (1, "9.9.9.9, 1.1.1.1", "1.1.1.1"),
        (2, "9.9.9.9, 1.1.1.1, 2.2.2.2", "1.1.1.1"),
        (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (1, "::ffff:1.2.3.4", "1.2.3.4"),
        (1, "", "127.0.0.1"),
        (1, "unknown", "unknown"),
    ],
)
def test_the_address_comes_from_trusted_proxies(
    proxies: int, forwarded: str, counted: str, rf: Any, settings: Any
) -> None:
    from gallery.core.rate_limits import client_address

    settings.NINJA_NUM_PROXIES = proxies
    request = rf.get("/", headers={"X-Forwarded-For": forwarded} if forwarded else {})
    assert client_address(request) == counted


def test_a_forged_header_does_not_reset_the_limit(ann: Any) -> None:
    for number in range(5):
        Client().post(
            "/login/",
            {"username": "ann", "password": "wrong"},
            headers={"X-Forwarded-For": f"10.2.{number}.1"},
        )
    assert log_in(PASSWORD).status_code == 429


def test_a_command_resets_all_limits(ann: Any, capsys: pytest.CaptureFixture[str]) -> None:
    fail_logins(5)
    assert log_in(PASSWORD).status_code == 429
    call_command("unlock_logins")
    assert "All login waits have been cleared" in capsys.readouterr().out
    assert log_in(PASSWORD).status_code == 302


@pytest.fixture
def no_cache(settings: Any) -> Iterator[None]:
    """An unreachable Redis."""
    before = settings.CACHES
    settings.CACHES = {"default": {**before["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    yield
    settings.CACHES = before


def test_login_works_without_the_cache(ann: Any, no_cache: None) -> None:
    assert settings.CACHES["default"]["LOCATION"] == "redis://127.0.0.1:1/0"
    fail_logins(7)
    assert log_in(PASSWORD).status_code == 302


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "1 second"), (99, "99 seconds"), (100, "2 minutes"), (3600, "60 minutes")],
)
def test_wait_times_in_words(seconds: int, words: str) -> None:
    assert format_wait(seconds) == words
