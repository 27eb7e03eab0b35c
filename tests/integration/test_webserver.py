"""The web server's processes: memory of large uploads, and shutdown."""

import http.client
import time
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from benchmarks.crowd import Crowd
from gallery.films.models import Film
from tests.processes import Web, find_children, wait_for

pytestmark = pytest.mark.django_db(transaction=True)
LARGE = 600_000_000  # bytes
PIECE = b"\0" * 1_000_000


def private_memory(server: Web) -> int:
    """The private memory of the server's processes, in bytes."""
    total = 0
    for pid in (server.pid, *(child.pid for child in find_children(server.pid))):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Private_Dirty"):
                total += int(line.split()[1]) * 1024
    return total


def test_a_large_film_is_streamed_to_disk(
    web_server: Web, client: Client, redis_server: Any
) -> None:
    client.force_login(get_user_model().objects.create_superuser("ann"))
    page = client.get("/admin/gallery/film/add/")
    token = page.context["csrf_token"]
    fields = (
        '--limit\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n'
        f"{token}\r\n--limit\r\n"
        'Content-Disposition: form-data; name="file"; filename="a.mkv"\r\n'
        "Content-Type: video/x-matroska\r\n\r\n"
    ).encode()
    end = b"\r\n--limit--\r\n"
    connection = http.client.HTTPConnection("127.0.0.1", web_server.port, timeout=120)
    connection.putrequest("POST", "/admin/gallery/film/add/")
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    connection.putheader("Cookie", cookie)
    connection.putheader("Content-Type", "multipart/form-data; boundary=limit")
    connection.putheader("Content-Length", str(len(fields) + LARGE + len(end)))
    connection.endheaders()
    before = private_memory(web_server)
    connection.send(fields)
    most = 0
    for number in range(LARGE // len(PIECE)):
        connection.send(PIECE)
        if number % 100 == 99:
            most = max(most, private_memory(web_server))
    connection.send(end)
    answer = connection.getresponse()
    assert answer.status == 302, answer.read()
    connection.close()
    assert most - before < 60_000_000
    film = Film.objects.get()
    assert film.files.source().stat().st_size == LARGE
    film.delete()


def test_it_stops_in_time_although_clients_stay_connected(
    demo_film: Film, redis_server: Any, static_files: None, tmp_path: Path
) -> None:
    server = Web(tmp_path)
    server.start()
    with Crowd(server.port) as crowd:
        host = "Host: 127.0.0.1\r\n"
        crowd.add("head", 20, f"GET / HTTP/1.1\r\n{host}X-Slow: ".encode(), b"a")
        crowd.add(
            "body", 20, f"POST /picture/ HTTP/1.1\r\n{host}Content-Length: 9999\r\n\r\n".encode(),
            b"a",
        )  # fmt: skip
        crowd.add("reader", 20, f"GET /?q=dog HTTP/1.1\r\n{host}\r\n".encode())
        time.sleep(2)
        assert server.process is not None
        server.process.terminate()
        # Before gunicorn kills it, which its log would show.
        wait_for(lambda: not server.is_running(), timeout=30)
    assert "SIGKILL" not in server.output()
    assert server.process.returncode == 0
