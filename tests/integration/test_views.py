"""The pages: content, validation and errors."""

import http.client
import json
import re
import struct
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from PIL import Image

from gallery.films.models import Film
from gallery.index import frame_index
from gallery.search import pictures
from tests.films import noise
from tests.integration.test_search import broken_pictures, english_model, synthetic_film
from tests.processes import Web, find_free_port, wait_for

__all__ = ["english_model"]  # a fixture


def body(response: Any) -> str:
    content: str = response.content.decode()
    return content


def list_hits(response: Any) -> list[tuple[int, int]]:
    """The frames (film, second) of the hits on a page."""
    pattern = r'<li class="card"[^>]*>\s*<a [^>]*href="/films/(\d+)/frames/(\d+)/'
    found = re.findall(pattern, body(response))
    return [(int(film), int(second)) for film, second in found]


def data(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


# --- searching ------------------------------------------------------------------------------------


def test_the_first_page_offers_a_search_and_the_newest_films(page: Client, demo_film: Film) -> None:
    response = page.get("/")
    assert response.status_code == 200
    assert 'name="q"' in body(response)
    assert demo_film.title in body(response)


def test_an_empty_library_says_so(page: Client) -> None:
    response = page.get("/")
    assert response.status_code == 200
    assert "No films yet" in body(response)
    assert "No films yet" in body(page.get("/films/"))


def test_scenes_are_found_by_words(page: Client, demo_film: Film) -> None:
    response = page.get("/", {"q": "a dog in the snow"})
    assert response.status_code == 200
    hits = list_hits(response)
    assert len(hits) == 24
    assert len(set(hits)) == 24
    assert "a dog in the snow" in body(response)
    second = page.get("/", {"q": "a dog in the snow", "page": 2})
    assert len(list_hits(second)) == demo_film.shot_count - 24
    assert not set(list_hits(second)) & set(hits)
    assert 'rel="next"' in body(response)
    assert 'rel="next"' not in body(second)
    assert 'rel="prev"' in body(second)


def test_scripts_get_the_same_page_from_a_url(page: Client, demo_film: Film) -> None:
    """Scripts select parts of it, so browsers cannot cache a part as the page."""
    part = page.get("/", {"q": "a dog", "page": 2}, headers={"HX-Request": "true"})
    assert list_hits(part) == list_hits(page.get("/", {"q": "a dog", "page": 2}))
    assert "<html" in body(part)
    assert "HX-Request" not in part.headers["Vary"]


def test_a_page_beyond_the_last_is_no_error(page: Client, demo_film: Film) -> None:
    response = page.get("/", {"q": "a dog", "page": 200})
    assert response.status_code == 200
    assert list_hits(response) == []


def test_a_search_can_be_limited_to_one_film(page: Client, demo_film: Film) -> None:
    other = synthetic_film("Other", 30, 3, 1)
    assert {film for film, _ in list_hits(page.get("/", {"q": "a dog", "film": other.pk}))} == {
        other.pk
    }
    assert {film for film, _ in list_hits(page.get("/", {"q": "a dog", "film": demo_film.pk}))} == {
        demo_film.pk
    }


def test_a_frame_finds_itself_first(page: Client, demo_film: Film) -> None:
    response = page.get("/", {"frame": f"{demo_film.pk}-42"})
    assert list_hits(response)[0] == (demo_film.pk, 42)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_an_uploaded_picture_finds_its_scene(kind: str, page: Client, demo_film: Film) -> None:
    with Image.open(demo_film.files.run(demo_film.searchable_run or 0).thumbnail(30)) as still:
        buffer = BytesIO()
        still.save(buffer, kind)
    upload = SimpleUploadedFile(f"a.{kind.lower()}", buffer.getvalue())
    response = page.post(reverse("upload_picture"), {"picture": upload})
    assert response.status_code == 302
    found = page.get(response.url)
    shot = next(s for s in demo_film.shots.all() if s.start <= 30 < s.end)
    assert shot.start - 1 <= list_hits(found)[0][1] < shot.end + 1
    picture = page.get(re.search(r"/pictures/[0-9a-f]{32}\.jpg", body(found))[0])  # type: ignore[index]
    assert picture.headers["Content-Type"] == "image/jpeg"
    assert "immutable" in picture.headers["Cache-Control"]


def test_damaged_pictures_are_refused_with_a_message(
    page: Client, demo_film: Film, tmp_path: Path
) -> None:
    address = reverse("upload_picture")
    for path, sentence in broken_pictures(tmp_path).values():
        response = page.post(address, {"picture": SimpleUploadedFile("a.jpg", path.read_bytes())})
        assert response.status_code == 400
        assert re.search(sentence, body(response))
    empty = page.post(address, {"picture": SimpleUploadedFile("a.jpg", b"")})
    assert (empty.status_code, "The picture is empty" in body(empty)) == (400, True)
    nothing = page.post(address, {})
    assert (nothing.status_code, "Choose a picture first" in body(nothing)) == (400, True)


def test_a_query_of_10000_characters_is_refused(page: Client, demo_film: Film) -> None:
    response = page.get("/", {"q": "x" * 10_000})
    assert response.status_code == 400
    assert "10000 characters (limit: 500)" in body(response)


@pytest.mark.parametrize(
    "address",
    [
        "/?frame=abc",
        "/?frame=1",
        "/?frame=1-2-3",
        "/?frame=-1-2",
        "/?frame=99999999999999999999-1",
        "/?film=abc&q=dog",
        "/?film=-3&q=dog",
        "/?film=99999999999999999999999&q=dog",
        "/?page=0&q=dog",
        "/?page=x&q=dog",
        "/?page=100000&q=dog",
        "/?q=a%00b",
        "/?picture=../../etc/passwd",
        "/?picture=" + "0" * 31,
        "/?picture=" + "0" * 32,
        "/?frame=999999999-1",
    ],
)
def test_malformed_searches_are_refused_with_a_message(
    address: str, page: Client, demo_film: Film
) -> None:
    response = page.get(address)
    assert response.status_code == 400
    assert 'role="alert"' in body(response)
    assert "Traceback" not in body(response)


LONG = "9" * 400


@pytest.mark.parametrize(
    "address",
    [
        "/nothing/",
        "/films/999999/",
        "/films/0/",
        "/films/abc/",
        f"/films/{LONG}/",
        "/films/99999999999999999999/",
        "/films/999999/frames/1/",
        "/films/{film}/frames/99999/",
        f"/films/{{film}}/frames/{LONG}/",
        "/films/{film}/frames/-1/",
        "/thumbs/{uid}/1/99999.jpg",
        f"/thumbs/{{uid}}/1/{LONG}.jpg",
        f"/thumbs/{{uid}}/{LONG}/1.jpg",
        "/thumbs/0123456789abcdef/1/1.jpg",
        "/thumbs/../../../etc/passwd",
        "/thumbs/..%2f..%2fetc/1/1.jpg",
        "/stills/{uid}/1/99999.jpg",
        f"/stills/{{uid}}/1/{LONG}.jpg",
        f"/stills/{{uid}}/{LONG}/1.jpg",
        "/stills/{uid}/77/1.jpg",
        "/pictures/00000000000000000000000000000000.jpg",
        "/pictures/0123456789.jpg",
        "/pictures/" + "0" * 64 + ".jpg",
        "/media/films/",
        "/films/{film}/frames/" + "1" * 5000 + "/",
    ],
)
def test_unknown_urls_are_404(address: str, page: Client, demo_film: Film) -> None:
    response = page.get(address.format(film=demo_film.pk, uid=demo_film.uid))
    assert response.status_code == 404
    assert "There is nothing at this address." in body(response)


@pytest.mark.parametrize("name", ["home", "films", "health"])
def test_searching_rejects_post(name: str, page: Client) -> None:
    assert page.post(reverse(name)).status_code == 405


def test_uploading_pictures_rejects_get(page: Client) -> None:
    assert page.get(reverse("upload_picture")).status_code == 405


def test_a_picture_from_another_site_is_refused(static_files: None, db: None) -> None:
    strict = Client(enforce_csrf_checks=True)
    response = strict.post(
        reverse("upload_picture"), {"picture": SimpleUploadedFile("a.jpg", b"x")}
    )
    assert response.status_code == 403


# --- films and frames -----------------------------------------------------------------------------


def test_a_film_shows_its_shots_in_order(page: Client, demo_film: Film) -> None:
    response = page.get(demo_film.get_absolute_url())
    seconds = [second for _film, second in list_hits(response)]
    assert seconds == [shot.second for shot in demo_film.shots.all()]
    assert seconds == sorted(seconds)
    assert "24 fps" in body(response)


def test_only_films_of_the_model_in_use_are_listed(page: Client, demo_film: Film) -> None:
    other = synthetic_film("Of another model", 2, 2, 1)
    Film.objects.filter(pk=other.pk).update(model="000000000000")
    assert "Of another model" not in body(page.get("/films/"))
    assert demo_film.title in body(page.get("/films/"))
    assert "1 film uses another model" in body(page.get("/"))


def test_a_frame_shows_its_neighbours_and_similar_ones(page: Client, demo_film: Film) -> None:
    response = page.get(f"/films/{demo_film.pk}/frames/50/")
    assert response.status_code == 200
    at = demo_film.shots.filter(start__lte=50).last()
    assert at is not None
    for near in demo_film.shots.filter(number__range=(at.number - 4, at.number + 4)):
        assert f"/films/{demo_film.pk}/frames/{near.second}/" in body(response)
    assert len(list_hits(response)) == 12
    assert page.get(f"/films/{demo_film.pk}/frames/0/").status_code == 200


def list_percentages(response: Any) -> list[float]:
    meters = re.findall(r'role="meter"[^>]*aria-valuenow="([\d.]+)"', body(response))
    return [float(part) for part in meters]


def test_words_get_probabilities_that_sum_to_one(page: Client, demo_film: Film) -> None:
    address = f"/films/{demo_film.pk}/frames/50/"
    words = "dog, cat\nnight; astronaut，man、smiling, wave, smiling man wave, dog"
    response = page.get(address, {"words": words})
    assert len(list_percentages(response)) == 8
    assert sum(list_percentages(response)) == pytest.approx(1.0, abs=0.001)
    part = page.get(
        address,
        {"words": "dog, cat"},
        headers={"HX-Request": "true", "HX-Target": "probabilities"},
    )
    assert len(list_percentages(part)) == 2
    assert "<html" not in body(part)
    assert "Enter some words" in body(page.get(address, {"words": " ,, "}))
    many = ",".join(f"w{n}" for n in range(101))
    assert "Enter at most 100 words" in body(page.get(address, {"words": many}))


def test_pictures_are_cached_by_browsers(page: Client, demo_film: Film) -> None:
    small = page.get(f"/thumbs/{demo_film.uid}/{demo_film.searchable_run}/20.jpg")
    large = page.get(f"/stills/{demo_film.uid}/{demo_film.searchable_run}/20.jpg")
    for response in (small, large):
        assert response.headers["Content-Type"] == "image/jpeg"
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        picture = Image.open(BytesIO(data(response)))
        assert picture.size == (640, 360)
    again = page.get(f"/stills/{demo_film.uid}/{demo_film.searchable_run}/20.jpg")
    assert data(again)[:2] == b"\xff\xd8"


def test_without_the_film_file_the_thumbnail_is_the_fallback(page: Client, demo_film: Film) -> None:
    source = demo_film.files.source()
    aside = source.rename(source.with_name("aside"))
    try:
        response = page.get(f"/stills/{demo_film.uid}/{demo_film.searchable_run}/77.jpg")
        assert response.status_code == 200
        assert Image.open(BytesIO(data(response))).size == (640, 360)
    finally:
        aside.rename(source)


# --- without the index ----------------------------------------------------------------------------


@pytest.fixture
def no_redis(settings: Any) -> None:
    """Redis is down, for this process."""
    settings.REDIS_URL = f"redis://127.0.0.1:{find_free_port()}/0"


@pytest.mark.parametrize("query", [{"q": "a dog"}, {"frame": "1-1"}])
def test_a_search_without_redis_is_503_with_a_message(
    query: dict[str, str], page: Client, demo_film: Film, no_redis: None
) -> None:
    started_at = time.monotonic()
    response = page.get("/", query)
    assert response.status_code == 503
    assert "The search index cannot be reached. Nothing is lost" in body(response)
    assert time.monotonic() - started_at < 15


def test_pages_that_need_no_index_work_without_it(
    page: Client, demo_film: Film, no_redis: None
) -> None:
    assert page.get("/").status_code == 200
    assert page.get("/films/").status_code == 200
    assert page.get(f"/films/{demo_film.pk}/").status_code == 200
    frame = page.get(f"/films/{demo_film.pk}/frames/5/")
    assert frame.status_code == 200
    assert "cannot be reached" in body(frame)


def test_an_emptied_index_is_reported(page: Client, demo_film: Film) -> None:
    frame_index.current().client.flushdb()
    response = page.get("/", {"q": "a dog"})
    assert response.status_code == 503
    assert "being rebuilt from the stored films" in body(response)


def test_health_reports_problems(page: Client, demo_film: Film, settings: Any) -> None:
    cache.clear()
    wait_for(lambda: page.get("/healthz").json().get("frames") == demo_film.frame_count)
    good = page.get("/healthz")
    assert good.status_code == 200
    assert json.loads(good.content) == {
        "database": "ok", "index": "ok", "frames": demo_film.frame_count,
        "worker": "no worker is running; imports are waiting", "models": {"demo": "active"},
    }  # fmt: skip
    settings.REDIS_URL = f"redis://127.0.0.1:{find_free_port()}/0"
    ill = page.get("/healthz")
    assert ill.status_code == 503
    assert "cannot be reached" in json.loads(ill.content)["index"]


# --- headers and escaping -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["/", "/films/", "/nothing/", "/admin/login/", "/?q=" + "x" * 900]
)
def test_every_response_has_security_headers(address: str, page: Client) -> None:
    headers = page.get(address).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "script-src" not in policy or "unsafe" not in policy.partition("script-src")[2]
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"


def test_user_input_is_escaped(page: Client, demo_film: Film) -> None:
    Film.objects.filter(pk=demo_film.pk).update(title="<script>alert(1)</script>")
    attack = '"><script>alert(2)</script>'
    for response in (
        page.get("/", {"q": attack}),
        page.get("/films/"),
        page.get(f"/films/{demo_film.pk}/frames/3/", {"words": attack}),
    ):
        assert response.status_code == 200
        assert "<script>alert" not in body(response)


def test_pages_load_nothing_from_other_hosts(page: Client, demo_film: Film) -> None:
    for address in ("/", "/films/", "/?q=a+dog", f"/films/{demo_film.pk}/frames/3/"):
        assert re.findall(r'(?:src|href|action)="(?:https?:)?//', body(page.get(address))) == []


def test_chinese_words_on_an_english_model_get_a_notice(
    static_files: None, english_model: None, db: None
) -> None:
    synthetic_film("Film", 4, 4, 1)
    client = Client()
    assert "understands only English" in body(client.get("/", {"q": "一只狗"}))
    assert "understands only English" not in body(client.get("/", {"q": "a dog"}))


# --- bodies that are too large, with a real server -----------------------------------------------


def test_a_large_anonymous_body_is_refused_unread(web_server: Web) -> None:
    """Ten gigabytes are announced; the response is immediate, and nothing is stored."""
    incoming = pictures.settings.FILE_UPLOAD_TEMP_DIR
    before = set(incoming.iterdir())
    for address in ("/picture/", "/admin/gallery/film/add/", "/"):
        connection = http.client.HTTPConnection("127.0.0.1", web_server.port, timeout=30)
        connection.putrequest("POST", address)
        connection.putheader("Content-Type", "multipart/form-data; boundary=x")
        connection.putheader("Content-Length", str(10 * 2**30))
        connection.endheaders()
        connection.send(b"--x\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\n")
        started_at = time.monotonic()
        response = connection.getresponse()
        assert response.status == 413
        assert b"too large" in response.read()
        assert time.monotonic() - started_at < 20
        connection.close()
    assert set(incoming.iterdir()) == before


def test_content_length_must_be_a_number(web_server: Web) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", web_server.port, timeout=30)
    connection.putrequest("POST", "/picture/")
    connection.putheader("Content-Length", "many")
    connection.endheaders()
    assert connection.getresponse().status == 400
    connection.close()


def test_a_picture_above_the_limit_is_refused(page: Client, settings: Any) -> None:
    buffer = BytesIO()
    noise(1, (400, 400)).save(buffer, "BMP")
    settings.MAX_PICTURE_BYTES = len(buffer.getvalue()) - 1
    response = page.post(
        reverse("upload_picture"), {"picture": SimpleUploadedFile("a.bmp", buffer.getvalue())}
    )
    assert response.status_code == 400
    assert "too large" in body(response)


def test_a_frame_belongs_to_the_shot_at_its_time(page: Client, demo_film: Film) -> None:
    """The frame of second 7 may be slightly later, after a cut."""
    here, late = frame_index.current(), 7.0 + 1 / 24
    times = struct.pack("<3d", late, late, 9.0)
    here.client.hset(here.frame_key(demo_film.pk, 7), "times", times)
    demo_film.shots.filter(number=2).update(start=late)
    body = page.get(f"/films/{demo_film.pk}/frames/7/").content.decode()
    assert "Shot 3," in body
