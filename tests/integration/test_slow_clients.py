"""Hundreds of slow clients cost the web server only connections."""

import http.client

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from benchmarks.crowd import Crowd
from gallery.films.models import Film
from imgsearch import webserver
from tests.processes import Web, wait_for

pytestmark = pytest.mark.django_db(transaction=True)

HOST = "Host: 127.0.0.1\r\n"


def ask(server: Web, path: str, timeout: float = 30) -> tuple[int, bytes]:
    """The status and the body. Raises TimeoutError without a response."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
    connection.request("GET", path, headers={"Connection": "close"})
    answer = connection.getresponse()
    try:
        return answer.status, answer.read()
    finally:
        connection.close()


def large_film(film: Film, client: Client) -> str:
    """Make the film's file 200 MB long. Returns the cookie of a user who may play it."""
    with film.files.source().open("r+b") as file:
        file.truncate(200_000_000)
    client.force_login(get_user_model().objects.create_user("ann"))
    return "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())


def test_it_serves_users_beside_nine_hundred_slow_clients(
    web_server: Web, demo_film: Film, client: Client
) -> None:
    source = demo_film.files.source()
    whole = source.read_bytes()
    film = f"/films/{demo_film.pk}"
    cookie = f"Cookie: {large_film(demo_film, client)}\r\n"
    try:
        with Crowd(web_server.port) as crowd:
            crowd.add("head", 300, f"GET / HTTP/1.1\r\n{HOST}X-Slow: ".encode(), b"a")
            crowd.add(
                "body", 300,
                f"POST /picture/ HTTP/1.1\r\n{HOST}Content-Type: text/plain\r\n"
                "Content-Length: 100000\r\n\r\n".encode(), b"a",
            )  # fmt: skip
            for path, extra in (
                ("/?q=dog", ""),
                (f"{film}/film", f"{cookie}Range: bytes=100-\r\n"),
                (f"{film}/clips/24-240.mp4?stream", ""),
            ):
                crowd.add("reader", 100, f"GET {path} HTTP/1.1\r\n{HOST}{extra}\r\n".encode())
            for _turn in range(3):
                assert ask(web_server, "/healthz")[0] == 200
                status, page = ask(web_server, "/?q=cat")
                assert (status, b'class="card' in page) == (200, True)
            # Incomplete requests time out; slow readers do not.
            wait_for(lambda: crowd.closed["head"] == 300, timeout=90)
            assert crowd.count_open("reader") >= 100
            assert ask(web_server, "/healthz")[0] == 200
    finally:
        source.write_bytes(whole)
    assert web_server.is_running()


# --- deadlines ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("doing", "elapsed", "silent", "received"),
    [
        ("head", 19, 0, 100),
        ("body", 59, 59, 0),
        ("body", 36_000, 30, 20_000_000),  # slow, but progressing
        ("answer", 3600, 3600, 0),  # a paused player
        ("answer in a crowd", 3600, 29, 0),
    ],
)
def test_clients_that_are_slow_but_active_are_served(
    doing: str, elapsed: float, silent: float, received: int
) -> None:
    assert not is_overdue(doing, elapsed, silent, received)


@pytest.mark.parametrize(
    ("doing", "elapsed", "silent", "received"),
    [
        ("head", 21, 0, 100),
        ("head in a crowd", 6, 0, 100),
        ("body", 61, 61, 10_000_000),
        ("body", 3600, 1, 3600),  # a byte a second
        ("answer in a crowd", 3600, 31, 0),
    ],
)
def test_deadlines_of_requests_and_responses(
    doing: str, elapsed: float, silent: float, received: int
) -> None:
    assert is_overdue(doing, elapsed, silent, received)


def is_overdue(doing: str, elapsed: float, silent: float, received: int) -> bool:
    with webserver.TimedSocket() as line:
        line.begin(doing.partition(" ")[0])
        line.received = received
        now = line.phase_started_at + elapsed
        line.moved_at = now - silent
        return line.is_overdue(now, crowded="crowd" in doing)


# --- addresses ------------------------------------------------------------------------------------


def test_the_longest_queries_work(web_server: Web, demo_film: Film) -> None:
    words = "%E7%8B%97" * 500
    status, _page = ask(web_server, f"/?q={words}")
    assert status == 200
    for length, path in ((20_000, "/"), (20_000, "/api/v1/search"), (100_000, "/")):
        status, page = ask(web_server, f"{path}?q={'a' * length}")
        assert status == 414
        assert b"address is too long" in page


# --- large bodies ---------------------------------------------------------------------------------


def test_an_upload_is_not_buffered_before_its_view(web_server: Web, client: Client) -> None:
    """A user without rights is refused before the body has arrived."""
    connection = http.client.HTTPConnection("127.0.0.1", web_server.port, timeout=30)
    connection.putrequest("POST", "/admin/gallery/film/add/")
    connection.putheader("Content-Length", str(10**12))
    connection.endheaders()
    connection.send(b"x" * 1000)
    assert connection.getresponse().status == 413
    connection.close()
