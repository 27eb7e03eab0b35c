"""A hung Redis: pages report it within seconds, and recover at once."""

import http.client
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

import pytest
import redis
from django.contrib.auth import get_user_model
from django.test import Client

from gallery.films.models import Film
from tests.browsing import PASSWORD
from tests.processes import Web, wait_for

pytestmark = pytest.mark.django_db(transaction=True)
MAX_SECONDS = 15  # 5 on an idle machine


@contextmanager
def suspended(server: redis.Redis) -> Iterator[None]:
    """Suspend the process, which then accepts connections but does not respond."""
    info = server.info("server")
    assert isinstance(info, dict)
    os.kill(info["process_id"], signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(info["process_id"], signal.SIGCONT)


def ask(
    web: Web, method: str, path: str, fields: dict[str, str] | None = None, cookie: str = ""
) -> tuple[http.client.HTTPResponse, str]:
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=MAX_SECONDS)
    body = urlencode(fields) if fields else None
    kind = {"Content-Type": "application/x-www-form-urlencoded"} if fields else {}
    connection.request(method, path, body, {"Cookie": cookie, "Connection": "close", **kind})
    answer = connection.getresponse()
    text = answer.read().decode(errors="replace")
    connection.close()
    return answer, text


def test_pages_report_a_silent_redis(
    web_server: Web, demo_film: Film, redis_server: redis.Redis
) -> None:
    assert ask(web_server, "GET", "/healthz")[0].status == 200
    with suspended(redis_server):
        for path, status in (
            ("/?q=cat", 503),
            ("/healthz", 503),
            ("/api/v1/search?q=cat", 503),
            ("/", 200),
            ("/films/", 200),
            ("/boards/", 200),
            (f"/films/{demo_film.pk}/", 200),
        ):
            answer, text = ask(web_server, "GET", path)
            assert answer.status == status, path
            assert status == 200 or "cannot be reached" in text, path
    wait_for(lambda: ask(web_server, "GET", "/?q=cat")[0].status == 200)


def test_login_and_admin_work_without_redis(
    web_server: Web, demo_film: Film, redis_server: redis.Redis, client: Client
) -> None:
    get_user_model().objects.create_superuser("admin", password=PASSWORD)
    with suspended(redis_server):
        answer, page = ask(web_server, "GET", "/admin/login/")
        assert answer.status == 200
        token = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token
        cookies = "; ".join(
            value.partition(";")[0] for value in answer.headers.get_all("Set-Cookie") or []
        )
        fields = {
            "csrfmiddlewaretoken": token[1],
            "username": "admin",
            "password": PASSWORD,
            "next": "/admin/",
        }
        answer, page = ask(web_server, "POST", "/admin/login/", fields, cookies)
        assert answer.status == 302, page
        cookies += "; " + "; ".join(
            value.partition(";")[0] for value in answer.headers.get_all("Set-Cookie") or []
        )
        # Admin actions queue tasks: these wait for the sweep instead of the admin for Redis.
        answer, page = ask(web_server, "GET", "/admin/gallery/label/add/", cookie=cookies)
        assert answer.status in (200, 503)
        answer, page = ask(web_server, "GET", "/admin/gallery/film/", cookie=cookies)
        assert answer.status == 200
        token = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token
        fields = {
            "csrfmiddlewaretoken": token[1],
            "action": "import_again",
            "_selected_action": str(demo_film.pk),
        }
        answer, page = ask(web_server, "POST", "/admin/gallery/film/", fields, cookies)
        assert answer.status in (200, 302)
