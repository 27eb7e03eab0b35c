"""Boards in the API: create, fill, share, export."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings

from gallery.boards import export_work, exports
from gallery.boards.models import Board, BoardScene, Export
from gallery.films.models import Film
from tests.asking import Api, Json, list_all

# --- boards ---------------------------------------------------------------------------------------


def test_a_board_can_be_created_filled_reordered_and_deleted(ada: Api, demo_film: Film) -> None:
    board = ada.post("/boards", {"name": " Rain "})
    assert (board["name"], board["count"], board["scenes"]) == ("Rain", 0, [])
    scenes = f"/boards/{board['token']}/scenes"
    film = demo_film.pk
    first = ada.post(scenes, {"film": film, "start": 13.916667, "end": 17.25, "note": "opening"})
    second = ada.post(scenes, {"film": film, "start": 53.916667, "end": 57.166667, "second": 55})
    assert (first["number"], second["number"]) == (1, 2)
    assert first["note"] == "opening"
    assert first["scene"]["timecode_in"] == "00:00:13:22"
    assert first["frame"]["second"] == 15
    assert second["frame"]["second"] == 55
    # The same scene again stays where it is.
    again = ada.post(scenes, {"film": film, "start": 13.916667, "end": 17.25})
    assert (again["id"], again["number"], again["note"]) == (first["id"], 1, "opening")

    moved = ada.patch(f"{scenes}/{second['id']}", {"number": 1, "note": "now first"})
    assert (moved["number"], moved["note"]) == (1, "now first")
    whole = ada.get(board["url"])
    assert [one["id"] for one in whole["scenes"]] == [second["id"], first["id"]]
    assert whole["count"] == 2
    assert whole["duration"] == pytest.approx(3.333333 + 3.25)
    assert whole["mine"] is True
    ada.patch(f"{scenes}/{second['id']}", {"note": ""})
    assert ada.get(board["url"])["scenes"][0]["note"] == ""

    assert ada.patch(board["url"], {"name": "Wet"})["name"] == "Wet"
    assert [b["name"] for b in list_all(ada, "/boards?page_size=1")] == ["Wet"]
    ada.delete(f"{scenes}/{first['id']}")
    ada.delete(f"{scenes}/{first['id']}", 404)
    assert ada.get(board["url"])["count"] == 1
    ada.delete(board["url"])
    ada.get(board["url"], 404)
    assert not Board.objects.exists()


def create_board(api: Api, film: Film) -> Json:
    board: Json = api.post("/boards", {"name": "Rain"})
    api.post(f"/boards/{board['token']}/scenes", {"film": film.pk, "start": 4, "end": 6})
    whole: Json = api.get(board["url"])
    return whole


def test_a_board_token_allows_viewing_but_not_changing(
    ada: Api, bob: Api, anonymous: Api, demo_film: Film
) -> None:
    board = create_board(ada, demo_film)
    scenes = f"/boards/{board['token']}/scenes"
    scene = f"{scenes}/{board['scenes'][0]['id']}"
    for other in (bob, anonymous):
        seen = other.get(board["url"])
        assert seen["mine"] is False
        assert seen["scenes"] == board["scenes"]
    assert bob.get("/boards")["count"] == 0
    refusals: list[Callable[[], Any]] = [
        lambda: bob.patch(board["url"], {"name": "x"}, 403),
        lambda: bob.delete(board["url"], 403),
        lambda: bob.post(
            f"/boards/{board['token']}/scenes", {"film": 1, "start": 0, "end": 1}, 403
        ),
        lambda: bob.patch(scene, {"note": "x"}, 403),
        lambda: bob.delete(scene, 403),
    ]
    for refusal in refusals:
        assert refusal()["code"] == "forbidden"
    anonymous.get("/boards", 401)
    anonymous.patch(board["url"], {"name": "x"}, 401)
    anonymous.delete(scene, 401)
    assert {**ada.get(board["url"]), "used": ""} == {**board, "used": ""}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"film": 999, "start": 0, "end": 1}, 400),
        ({"film": 1, "start": 5, "end": 4}, 400),
        ({"film": 1, "start": -1, "end": 4}, 400),
        ({"film": 1, "start": 1}, 400),
        ({"film": 1, "start": 0, "end": 1, "note": "x" * 2001}, 400),
    ],
)
def test_an_invalid_scene_is_not_collected(
    body: Json, status: int, ada: Api, demo_film: Film
) -> None:
    board = ada.post("/boards", {"name": "Rain"})
    given = {**body, "film": demo_film.pk if body["film"] == 1 else body["film"]}
    assert ada.post(f"/boards/{board['token']}/scenes", given, status)["code"] == "invalid"
    assert not BoardScene.all_objects.exists()


@pytest.mark.parametrize("name", ["", "   ", "x" * 121])
def test_a_board_needs_a_name(name: str, ada: Api) -> None:
    assert ada.post("/boards", {"name": name}, 400)["code"] == "invalid"
    assert not Board.objects.exists()


def test_a_board_can_be_exported(ada: Api, demo_film: Film) -> None:
    board = create_board(ada, demo_film)
    table = ada.client.get(board["exports"]["csv"]).content.decode()
    assert demo_film.title in table
    assert b"TITLE" in ada.client.get(board["exports"]["edl"]).content
    otio = json.loads(ada.client.get(board["exports"]["otio"]).content)
    assert otio["OTIO_SCHEMA"].startswith("Timeline")


@pytest.mark.django_db(transaction=True)
def test_a_zip_of_clips_can_be_requested_and_polled(ada: Api, demo_film: Film) -> None:
    board = create_board(ada, demo_film)
    path = f"/boards/{board['token']}/exports"
    started = ada.ask("POST", path, 202)
    assert started["state"] == "waiting"
    assert started["download"] is None
    assert ada.ask("POST", path, 202)["url"] == started["url"]
    export = Export.objects.get()
    while export.state in exports.ACTIVE:
        export_work.continue_export(export.pk)
        export.refresh_from_db()
    done = ada.get(started["url"])
    assert (done["state"], done["done"], done["total"]) == ("done", 1, 1), done
    packed = ada.client.get(done["download"])
    assert b"".join(packed.streaming_content).startswith(b"PK")


def test_an_empty_board_has_no_clips(ada: Api) -> None:
    board = ada.post("/boards", {"name": "Rain"})
    error = ada.ask("POST", f"/boards/{board['token']}/exports", 400)
    assert "no scene" in error["error"]


def test_without_the_right_to_save_there_is_no_zip(
    ada: Api, demo_film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = create_board(ada, demo_film)
    monkeypatch.setattr(settings, "DOWNLOADS_FOR", "staff")
    ada.ask("POST", f"/boards/{board['token']}/exports", 403)
    assert not Export.objects.exists()
