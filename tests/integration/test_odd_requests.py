"""Requests that no form or page sends: every URL responds without an exception."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client

from gallery.boards.models import Board, BoardScene
from gallery.clip import weights
from gallery.core.errors import DiskFull
from gallery.films.models import Film
from gallery.search import pictures
from tests.asking import ROOT, Api
from tests.films import noise

ODD = (
    "", "0", "-1", "999999999", "9" * 5000, "18446744073709551616", "1e400", "nan", "inf", "٣", "²",
    "a\0b", "ü" * 600, "\U0001f600", '"', '-"', "-cat", "{$p0|*}", "<b>", "FILM-3", "FILM-3*0",
    "f" * 32, "http://[", "//x", "/thumbs/abcdef12/1/3.jpg", "1:2:3", "3f", "999999999f",
    "a," * 200,
)  # fmt: skip
PARAMETERS = {
    "/": "q w not frame picture more less in sort film from to label page",
    "/films/": "title sort page",
    "/films/FILM/": "q page lines part at",
    "/films/FILM/lines/": "lines part at",
    "/films/FILM/frames/3/": "in out words q page",
    "/boards/choose/": "film start end second",
    "/boards/BOARD/": "page",
    f"{ROOT}/search": "q w frame picture label page page_size",
    f"{ROOT}/films": "title from page",
    f"{ROOT}/films/FILM/lines": "language start end",
    f"{ROOT}/films/FILM/scene": "start end",
    f"{ROOT}/films/FILM/relevance": "q frame in",
    f"{ROOT}/films/FILM/frames/3/similar": "count",
    f"{ROOT}/films/FILM/frames/3/probabilities": "word",
    f"{ROOT}/labels": "film from",
}
USUAL = {"film": "FILM", "start": "1", "end": "2", "second": "1", "word": "cat"}


@pytest.fixture
def board(demo_film: Film) -> Board:
    """A board with one scene."""
    made = Board.objects.create(name="Rain", owner=get_user_model().objects.create_user("ann"))
    BoardScene.objects.create(board=made, film=demo_film, start=1, end=2, second=1)
    return made


def list_parameters(place: str) -> Iterator[dict[str, str]]:
    """Queries for a URL: each parameter with each odd value, the others with usual ones."""
    usual = USUAL if place.endswith(("choose/", "scene", "probabilities")) else {}
    for name in PARAMETERS[place].split():
        for value in ODD:
            yield {**usual, name: value}


@pytest.mark.parametrize("place", PARAMETERS)
def test_unusual_parameters_get_an_answer(
    place: str, page: Client, demo_film: Film, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "API_RATE_WITHOUT_TOKEN", "")

    def filled(text: str) -> str:
        return text.replace("FILM", str(demo_film.pk)).replace("BOARD", board.token)

    for given in list_parameters(place):
        answer = page.get(filled(place), {name: filled(value) for name, value in given.items()})
        assert answer.status_code in (200, 302, 400, 404), given


@pytest.mark.parametrize(
    "given",
    [
        '{"film": FILM, "start": 1, "end": Infinity}',
        '{"film": FILM, "start": 1e999, "end": 1e999}',
        '{"film": FILM, "start": 1, "end": 1e308}',
        '{"film": FILM, "start": NaN, "end": 2}',
        '{"film": FILM, "start": 1, "end": 2, "second": 1' + "0" * 30 + "}",
        '{"film": 1' + "0" * 30 + ', "start": 1, "end": 2}',
        '{"film": FILM, "start": 1, "end": 2, "note": "a\\u0000b"}',
        "[]",
        "[" * 20_000,
    ],
)
def test_a_scene_with_invalid_numbers_is_not_collected(
    given: str, ada: Api, demo_film: Film
) -> None:
    scenes = f"{ROOT}/boards/{ada.post('/boards', {'name': 'Rain'})['token']}/scenes"
    answer = ada.client.generic(
        "POST",
        scenes,
        given.replace("FILM", str(demo_film.pk)),
        content_type="application/json",
        headers=ada.headers,
    )
    assert answer.status_code == 400
    assert json.loads(answer.content)["code"] == "invalid"
    assert not BoardScene.all_objects.exists()


def test_text_that_postgresql_cannot_store_is_refused(
    ada: Api, page: Client, demo_film: Film
) -> None:
    ada.post("/boards", {"name": "a\0b"}, 400)
    ada.get("/films?title=a%00b", 400)
    assert page.get("/films/?title=%00cat").context["wanted"] == "cat"
    scene = {"film": demo_film.pk, "start": 1, "end": 2, "second": 1}
    assert page.post("/boards/collect/", {**scene, "board": "a\0b"}).status_code == 404
    assert not BoardScene.all_objects.exists()


@pytest.mark.parametrize(
    "part", ["bytes=" + "9" * 5000 + "-", "bytes=-" + "9" * 5000, "bytes=5-3", "bytes=-", "bytes"]
)
def test_unusual_parts_of_a_film_get_an_answer(part: str, page: Client, demo_film: Film) -> None:
    page.force_login(get_user_model().objects.create_user("ann"))
    answer = page.get(f"/films/{demo_film.pk}/film", headers={"Range": part})
    assert answer.status_code in (200, 206, 416)
    answer.close()


def test_subtitles_of_a_title_with_a_line_break_can_be_downloaded(
    page: Client, demo_film: Film
) -> None:
    Film.objects.update(title="The Cat\nWho")
    row = demo_film.subtitles.get(language="zh")
    for given in ({}, {"save": "1"}):
        answer = page.get(f"/films/{demo_film.pk}/subtitles/{row.pk}.vtt", given)
        assert 'filename="The Cat Who.zh.vtt"' in answer["Content-Disposition"]


def test_a_failed_still_can_be_requested_again(page: Client, demo_film: Film) -> None:
    address = f"/stills/{demo_film.uid}/{demo_film.searchable_run}/7.jpg"
    source = demo_film.files.source()
    away = source.rename(source.with_name("away.mp4"))
    small: Any = page.get(address)
    assert (small.status_code, small["Cache-Control"]) == (200, "no-cache")
    away.rename(source)
    whole: Any = page.get(address)
    assert "immutable" in whole["Cache-Control"]
    assert b"".join(whole.streaming_content) != b"".join(small.streaming_content)


def test_other_authorization_schemes_get_no_access(
    page: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "SEARCH_NEEDS_LOGIN", True)
    for path in ("docs", "openapi.json", "films"):
        answer = page.get(f"{ROOT}/{path}", headers={"Authorization": "Basic YTpi"})
        assert answer.status_code == 401


def test_a_lack_of_space_for_a_picture_is_reported(
    page: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    def keep(_picture: object) -> str:
        raise DiskFull

    monkeypatch.setattr(pictures, "store_picture", keep)
    noise(1).save(tmp_path / "a.png")
    with (tmp_path / "a.png").open("rb") as file:
        answer = page.post("/picture/", {"picture": file})
    assert answer.status_code == 507
    assert "disk is full" in answer.content.decode()


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """CLIP_MODEL is a folder that was removed."""
    monkeypatch.setattr(settings, "CLIP_MODEL", str(tmp_path / "gone"))
    weights.configured.cache_clear()
    yield
    weights.configured.cache_clear()


def test_without_a_model_every_page_says_so_or_works(
    page: Client, demo_film: Film, board: Board, no_model: None
) -> None:
    film = f"/films/{demo_film.pk}/"
    for address in (film, f"{film}frames/3/", "/boards/", board.get_absolute_url(), "/login/"):
        assert page.get(address).status_code == 200, address
    for address in ("/", "/?q=cat", "/films/", f"{film}?q=cat", f"{ROOT}/films", "/healthz"):
        answer = page.get(address)
        assert answer.status_code == 503, address
        assert "has no config.json" in answer.content.decode()


def test_without_redis_every_page_says_so_or_works(
    page: Client, demo_film: Film, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = f"/films/{demo_film.pk}/"
    open_ = ("/", "/films/", film, f"{film}lines/?q=moon", f"{film}frames/3/", "/boards/",
             board.get_absolute_url(), f"{board.get_absolute_url()}csv/", "/login/")  # fmt: skip
    closed = ("/?q=cat", "/?q=moon&in=said", f"/?frame={demo_film.pk}-3", f"{film}?q=cat")
    monkeypatch.setattr(settings, "REDIS_URL", "unix:///nowhere/redis.sock?db=0")
    for address in open_:
        assert page.get(address).status_code == 200, address
    for address in closed:
        answer = page.get(address)
        assert answer.status_code == 503, address
        assert "index cannot be reached" in answer.content.decode()


def test_a_film_without_its_frames_is_reported(page: Client, demo_film: Film) -> None:
    run = demo_film.files.run(demo_film.searchable_run or 0).folder
    away = run.rename(run.with_name("away"))
    try:
        film = f"/films/{demo_film.pk}/"
        assert (
            page.get(f"/barcodes/{demo_film.uid}/{demo_film.searchable_run}.jpg").status_code == 404
        )
        for address in ("/films/", "/?q=cat", film, f"{film}frames/3/"):
            assert page.get(address).status_code == 200, address
        page.force_login(get_user_model().objects.create_superuser("root"))
        list_parameters = page.get(f"/admin/gallery/film/{demo_film.pk}/frames/")
        assert list_parameters.status_code == 200
        assert "search data is missing" in list_parameters.content.decode()
    finally:
        away.rename(run)


def test_an_upload_that_cannot_be_read_is_refused_in_words(
    anonymous: Api, page: Client, caplog: pytest.LogCaptureFixture
) -> None:
    # Django's test client shortens names.
    disposition = f'form-data; name="picture"; filename="{"x" * 5000}.png"'
    form = f"--b\r\nContent-Disposition: {disposition}\r\n\r\nx\r\n--b--\r\n".encode()
    kind = "multipart/form-data; boundary=b"
    response = page.post("/picture/", form, content_type=kind)
    assert response.status_code == 400
    assert "If the name of the file is very long, shorten it" in response.content.decode()
    assert 'id="error-message"' in response.content.decode()
    answer = anonymous.client.post(f"{ROOT}/pictures", form, content_type=kind)
    assert answer.status_code == 400
    assert "shorten it" in answer.json()["error"]
    fields = {f"f{number}": "" for number in range(1001)}
    response = page.post("/picture/", fields)
    assert response.status_code == 400
    assert "more files or text than the site accepts" in response.content.decode()
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    assert not any(record.exc_info for record in caplog.records)
