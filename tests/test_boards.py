"""Boards: scenes are collected, noted, put in order, shared, and nobody else can change them."""

from typing import Any

from django.test import Client

from gallery import boards
from gallery.models import Board, BoardScene, Film

HTMX = {"HX-Request": "true"}


def scene_of(film: Film, start: float = 1.0, end: float = 3.5, second: int = 2) -> dict[str, Any]:
    return {"film": film.pk, "start": start, "end": end, "second": second}


def collect(page: Client, film: Film, start: float = 1.0, **more: Any) -> BoardScene:
    """Collect a scene of 2.5 seconds, as the form does."""
    given = {**scene_of(film, start, start + 2.5, round(start) + 1), **more}
    response = page.post("/boards/collect/", given)
    assert response.status_code == 302, response.content.decode()
    return BoardScene.everything.latest("pk")


def body(response: Any) -> str:
    text: str = response.content.decode()
    return text


def test_the_first_scene_makes_a_board_of_the_session(page: Client, demo_film: Film) -> None:
    assert page.get("/boards/").status_code == 200
    row = collect(page, demo_film)
    assert (row.film_id, row.start, row.end, row.second) == (demo_film.pk, 1.0, 3.5, 2)
    assert (row.board.name, row.board.owner) == ("My scenes", None)
    assert page.session[boards.SESSION_NAME] == row.board.visitor
    assert page.session.get_expiry_age() == 60 * 86_400
    listed = body(page.get("/boards/"))
    assert row.board.get_absolute_url() in listed
    assert '<span aria-hidden="true">1</span>' in listed


def test_without_javascript_one_comes_back_to_the_scene(page: Client, demo_film: Film) -> None:
    came_from = "http://testserver/?q=cat&page=2"
    response = page.post("/boards/collect/", scene_of(demo_film), headers={"Referer": came_from})
    assert response["Location"] == f"{came_from}#collect-{demo_film.pk}-1000-3500"
    response = page.post(
        "/boards/collect/", scene_of(demo_film), headers={"Referer": "https://elsewhere.example/"}
    )
    assert response["Location"] == Board.objects.get().get_absolute_url()


def test_htmx_gets_the_control_the_count_and_a_word(page: Client, demo_film: Film) -> None:
    response = page.post("/boards/collect/", scene_of(demo_film), headers=HTMX)
    text = body(response)
    row = BoardScene.objects.get()
    assert f'id="collect-{demo_film.pk}-1000-3500"' in text
    assert "is-collected" in text
    assert f"/scenes/{row.pk}/remove/" in text
    assert 'id="collected-count"' in text
    assert 'id="toast" hx-swap-oob' in text
    assert "<html" not in text
    undone = page.post(f"{row.board.get_absolute_url()}scenes/{row.pk}/remove/", headers=HTMX)
    assert "is-collected" not in body(undone)
    assert not BoardScene.objects.exists()
