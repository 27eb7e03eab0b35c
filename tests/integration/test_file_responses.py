"""Files over HTTP according to RFC 9110 (13 and 14), as browsers and download tools use it."""

import http.client
import os
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client, RequestFactory
from django.utils.http import http_date

from gallery.core.file_responses import send_file
from gallery.films.models import Film
from tests.processes import Web

DATA = bytes(range(100))
LONG_AGO, MODIFIED, LATER = 1_000_000_000, 1_500_000_000, 1_600_000_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file.bin"
    path.write_bytes(DATA)
    os.utime(path, (MODIFIED, MODIFIED))
    return path


def ask(path: Path, method: str = "GET", **headers: str) -> Any:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return send_file(RequestFactory().generic(method, "/", headers=given), path, "video/mp4")


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


WHOLE = (200, range(100))


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-0", 206, range(1)),
        ("bytes=0-", 206, range(100)),
        ("bytes=0-98", 206, range(99)),
        ("bytes=10-19", 206, range(10, 20)),
        ("bytes=50-", 206, range(50, 100)),
        ("bytes=99-", 206, range(99, 100)),  # a download without its last byte
        ("bytes=99-99", 206, range(99, 100)),
        ("bytes=90-1000", 206, range(90, 100)),
        ("bytes=-1", 206, range(99, 100)),
        ("bytes=-30", 206, range(70, 100)),
        ("bytes=-1000", 206, range(100)),
        ("Bytes = 1-2", 206, range(1, 3)),
        # There are no such bytes.
        ("bytes=100-", 416, None),  # a complete download
        ("bytes=100-200", 416, None),
        ("bytes=-0", 416, None),
        ("bytes=200-, -0", 416, None),
        # Several: the only one that exists, else the whole file, which RFC 9110 allows.
        ("bytes=5-9,200-", 206, range(5, 10)),
        ("bytes=5-9, 20-29", *WHOLE),
        ("bytes=0-0,-1", *WHOLE),
        ("bytes=5-9,", 206, range(5, 10)),
        # Malformed: ignored.
        ("bytes=5-3", *WHOLE),
        ("bytes=5-3,10-19", *WHOLE),
        ("bytes=-", *WHOLE),
        ("bytes=", *WHOLE),
        ("bytes", *WHOLE),
        ("bytes=a-b", *WHOLE),
        ("bytes=+1-2", *WHOLE),
        ("bytes=1-2-3", *WHOLE),
        ("bytes=1.0-2", *WHOLE),
        ("bytes=--1", *WHOLE),
        ("bytes=" + "9" * 5000 + "-", *WHOLE),
        ("items=0-5", *WHOLE),
        ("", *WHOLE),
    ],
)
def test_a_range_returns_its_bytes(asked: str, status: int, part: range | None, file: Path) -> None:
    answer = ask(file, Range=asked)
    assert answer.status_code == status
    assert answer["Accept-Ranges"] == "bytes"
    if part is None:
        assert answer["Content-Range"] == "bytes */100"
        assert body(answer) == b""
        return
    assert body(answer) == DATA[part.start : part.stop]
    assert answer["Content-Length"] == str(len(part))
    assert answer["Content-Type"] == "video/mp4"
    shown = f"bytes {part.start}-{part.stop - 1}/100" if status == 206 else None
    assert answer.get("Content-Range") == shown


def test_ranges_of_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    for asked, status in (("bytes=0-", 416), ("bytes=-1", 416), ("", 200)):
        answer = ask(path, Range=asked)
        assert (answer.status_code, body(answer)) == (status, b"")


def test_head_describes_the_whole_file(file: Path) -> None:
    for asked in ("", "bytes=0-9", "bytes=100-"):
        answer = ask(file, "HEAD", Range=asked)
        assert (answer.status_code, answer["Content-Length"]) == (200, "100")
        assert answer["Accept-Ranges"] == "bytes"
        assert body(answer) == b""


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ("{etag}", 206),
        ('"another"', 200),
        ("W/{etag}", 200),  # weak validators don't count for ranges
        (http_date(MODIFIED), 206),
        (http_date(LONG_AGO), 200),
        (http_date(LATER), 200),
        ("nonsense", 200),
    ],
)
def test_if_range_applies_while_the_file_is_unchanged(
    condition: str, status: int, file: Path
) -> None:
    etag = ask(file)["ETag"]
    answer = ask(file, Range="bytes=5-9", If_Range=condition.format(etag=etag))
    assert answer.status_code == status
    assert body(answer) == (DATA[5:10] if status == 206 else DATA)


@pytest.mark.parametrize(
    ("method", "asked"),
    [("GET", ""), ("GET", "bytes=5-9"), ("GET", "bytes=100-"), ("HEAD", ""), ("HEAD", "bytes=5-9")],
)
@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ("If-None-Match: {etag}", 304),
        ("If-None-Match: W/{etag}", 304),
        ('If-None-Match: "another", {etag}', 304),
        ("If-None-Match: *", 304),
        ('If-None-Match: "another"', 0),
        (f"If-Modified-Since: {http_date(MODIFIED)}", 304),
        (f"If-Modified-Since: {http_date(LATER)}", 304),
        (f"If-Modified-Since: {http_date(LONG_AGO)}", 0),
        ("If-Modified-Since: nonsense", 0),
        ("If-Match: {etag}", 0),
        ('If-Match: "another"', 412),
        (f"If-Unmodified-Since: {http_date(MODIFIED)}", 0),
        (f"If-Unmodified-Since: {http_date(LONG_AGO)}", 412),
    ],
)
def test_conditions_take_precedence_over_ranges(
    condition: str, status: int, method: str, asked: str, file: Path
) -> None:
    etag = ask(file)["ETag"]
    name, _colon, value = condition.format(etag=etag).partition(": ")
    answer = ask(file, method, Range=asked, **{name: value})
    assert answer.status_code == (status or ask(file, method, Range=asked).status_code)
    if status == 304:
        assert answer["ETag"] == etag
        assert body(answer) == b""


def test_a_changed_file_has_another_tag(file: Path) -> None:
    before = ask(file)["ETag"]
    file.write_bytes(DATA[::-1])
    assert ask(file)["ETag"] != before


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ask(tmp_path)


# --- over the web server --------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_films_clips_and_stills_over_the_web_server(
    web_server: Web, demo_film: Film, client: Client
) -> None:
    client.force_login(get_user_model().objects.create_user("ann"))
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    connection = http.client.HTTPConnection("127.0.0.1", web_server.port, timeout=60)

    def get(path: str, method: str = "GET", **headers: str) -> tuple[Any, bytes]:
        connection.request(method, path, headers={"Cookie": cookie, **headers})
        answer = connection.getresponse()
        return answer, answer.read()

    film = f"/films/{demo_film.pk}"
    for path in (f"{film}/film", f"{film}/clips/24-48.mp4", f"{film}/stills/30.jpg"):
        answer, whole = get(path)
        assert answer.status == 200, path
        size = len(whole)
        assert answer.headers["Content-Length"] == str(size)
        etag = answer.headers["ETag"]
        for asked, part in (
            ("bytes=0-0", whole[:1]),
            ("bytes=-1", whole[-1:]),
            (f"bytes={size - 1}-", whole[-1:]),
            (f"bytes=7-{size - 2}", whole[7:-1]),
        ):
            answer, data = get(path, Range=asked)
            assert (answer.status, data) == (206, part), (path, asked)
            assert answer.headers["Content-Length"] == str(len(part))
        answer, data = get(path, Range=f"bytes={size}-")
        assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{size}")
        answer, data = get(path, "HEAD", Range="bytes=0-0")
        assert (answer.status, answer.headers["Content-Length"]) == (200, str(size))
        assert get(path, **{"If-None-Match": etag})[0].status == 304
        answer, data = get(path, Range="bytes=1-", **{"If-Range": '"older"'})
        assert (answer.status, data) == (200, whole)
    connection.close()
