"""Boards: collecting, notes, order, sharing, and protection from changes by others."""

import re
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.template import engines
from django.test import Client, RequestFactory
from django.utils import timezone

from gallery.boards import owners, page_parts, service
from gallery.boards.models import Board, BoardScene
from gallery.boards.owners import Visitor
from gallery.boards.service import Scene
from gallery.films.models import Film
from tests.importing import clean_up

HTMX = {"HX-Request": "true"}


def scene_data(film: Film, start: float = 1.0, end: float = 3.5, second: int = 2) -> dict[str, Any]:
    return {"film": film.pk, "start": start, "end": end, "second": second}


def collect(page: Client, film: Film, start: float = 1.0, **more: Any) -> BoardScene:
    """Collect a scene of 2.5 seconds, as the form does."""
    given = {**scene_data(film, start, start + 2.5, round(start) + 1), **more}
    response = page.post("/boards/collect/", given)
    assert response.status_code == 302, response.content.decode()
    return BoardScene.all_objects.latest("pk")


def body(response: Any) -> str:
    text: str = response.content.decode()
    return text


def list_starts(board: Board) -> list[float]:
    """The starts of a board's scenes, in board order."""
    return list(board.scenes.values_list("start", flat=True))


@pytest.fixture
def film(db: None) -> Film:
    """A film that is searchable according to its row."""
    return Film.objects.create(
        title="A Film", sha256="0" * 64, duration=120.0, rate_numerator=24, searchable_run=1,
        state=Film.State.READY,
    )  # fmt: skip


@pytest.fixture
def board(page: Client, film: Film) -> Board:
    """A board of the visitor with the scenes at 1, 10, 20 and 30 seconds."""
    for start in (1.0, 10.0, 20.0, 30.0):
        collect(page, film, start)
    return Board.objects.get()


def url(board: Board, rest: str = "") -> str:
    return f"{board.get_absolute_url()}{rest}"


# --- collecting -----------------------------------------------------------------------------------


def test_the_first_scene_creates_a_board_for_the_session(page: Client, film: Film) -> None:
    assert page.get("/boards/").status_code == 200
    row = collect(page, film)
    assert (row.film_id, row.start, row.end, row.second) == (film.pk, 1.0, 3.5, 1)
    assert (row.board.name, row.board.owner) == ("My scenes", None)
    assert page.session[owners.SESSION_NAME] == row.board.visitor
    assert page.session.get_expiry_age() == 60 * 86_400
    listed = body(page.get("/boards/"))
    assert row.board.get_absolute_url() in listed
    assert '1</span><span class="unseen">, 1 saved scene</span>' in listed


def test_without_javascript_collecting_returns_to_the_scene(page: Client, film: Film) -> None:
    came_from = "http://testserver/?q=cat&page=2"
    response = page.post("/boards/collect/", scene_data(film), headers={"Referer": came_from})
    assert response["Location"] == f"{came_from}#collect-{film.pk}-1000-3500"
    response = page.post(
        "/boards/collect/", scene_data(film), headers={"Referer": "https://elsewhere.example/"}
    )
    assert response["Location"] == Board.objects.get().get_absolute_url()


def test_htmx_gets_the_control_the_count_and_a_message(page: Client, film: Film) -> None:
    response = page.post("/boards/collect/", scene_data(film), headers=HTMX)
    text = body(response)
    row = BoardScene.objects.get()
    assert f'id="collect-{film.pk}-1000-3500"' in text
    assert "is-collected" in text
    assert f"/scenes/{row.pk}/remove/" in text
    assert 'id="collected-count"' in text
    assert 'id="toast" hx-swap-oob' in text
    assert "<html" not in text
    undone = page.post(f"{row.board.get_absolute_url()}scenes/{row.pk}/remove/", headers=HTMX)
    assert "is-collected" not in body(undone)
    assert not BoardScene.objects.exists()


def test_the_same_scene_is_collected_once(page: Client, film: Film) -> None:
    first = collect(page, film)
    assert collect(page, film).pk == first.pk
    assert collect(page, film, 1.0002).pk == first.pk
    assert collect(page, film, 1.1).pk != first.pk
    assert BoardScene.objects.count() == 2


def test_a_removed_scene_is_restored_with_its_note(page: Client, board: Board, film: Film) -> None:
    row = board.scenes.all()[1]
    service.set_note(board, row.pk, "look")
    page.post(url(board, f"scenes/{row.pk}/remove/"))
    assert list_starts(board) == [1.0, 20.0, 30.0]
    page.post(url(board, f"scenes/{row.pk}/restore/"))
    assert list_starts(board) == [1.0, 10.0, 20.0, 30.0]
    assert board.scenes.all()[1].note == "look"
    page.post(url(board, f"scenes/{row.pk}/remove/"))
    collect(page, row.film, 10.0)
    assert list_starts(board) == [1.0, 20.0, 30.0, 10.0]
    assert board.scenes.last().note == "look"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"film": 99}, "This film has been deleted"),
        ({"start": 5.0, "end": 5.0}, "must start before it ends"),
        ({"start": 9000.0, "end": 9001.0}, "must start before it ends"),
        ({"start": 5.0, "end": 5.01}, "at least one frame long"),  # of 1/24 s
        ({"start": "nan"}, "its start and end are missing"),
        ({"start": "inf"}, "its start and end are missing"),
        ({"end": ""}, "its start and end are missing"),
        ({"second": -1}, "its start and end are missing"),
    ],
)
def test_an_invalid_scene_is_refused_with_a_message(
    page: Client, film: Film, change: dict[str, Any], said: str
) -> None:
    given = {**scene_data(film), **change}
    response = page.post("/boards/collect/", given)
    assert response.status_code == 400
    assert said in body(response)
    by_htmx = page.post("/boards/collect/", given, headers=HTMX)
    assert said in body(by_htmx)
    assert 'class="toast-text bad"' in body(by_htmx)
    assert not BoardScene.objects.exists()


def test_a_scene_ends_with_its_film_and_has_a_picture(page: Client, demo_film: Film) -> None:
    end = demo_film.duration
    row = collect(page, demo_film, end - 1, end=end + 100, second=900_000)
    assert row.end == pytest.approx(end)
    run = demo_film.files.run(demo_film.searchable_run or 0)
    assert run.thumbnail(row.second).is_file()


def test_a_full_board_and_too_many_boards_are_reported(
    page: Client, board: Board, film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_SCENES_WITHOUT_LOGIN", 4)
    assert "is full" in body(page.post("/boards/collect/", scene_data(film, 50, 51, 50)))
    # A scene that is on the board has no button to add it.
    assert page.post("/boards/collect/", scene_data(film)).status_code == 302
    monkeypatch.setattr(service, "MAX_BOARDS_PER_SESSION", 1)
    response = page.post("/boards/", {"name": "Another"})
    assert response.status_code == 400
    assert "limit of 1 boards" in body(response)


def test_the_next_scene_goes_to_the_board_saved_to_last(
    page: Client, board: Board, film: Film
) -> None:
    page.post("/boards/", {"name": "Second"})
    second = Board.objects.get(name="Second")
    page.get(url(board))  # only looked at
    assert collect(page, film, 40.0).board == second
    assert collect(page, film, 50.0, board=board.token).board == board
    page.get(url(second))
    assert collect(page, film, 60.0).board == board
    listed = body(page.get("/boards/"))
    assert listed.index(url(board)) < listed.index("New scenes go here")
    scenes = [f"{film.pk} 2 1.0 3.5", f"{film.pk} 41 40.0 42.5"]
    page.post("/boards/selection/", {"scene": scenes, "name": "Chosen"}, headers=HTMX)
    assert collect(page, film, 70.0).board.name == "Chosen"


def test_boards_made_with_their_scenes_do_not_get_the_next_ones(
    page: Client, board: Board, film: Film
) -> None:
    made = page.post("/boards/selection/download/", {"scene": [f"{film.pk} 2 1.0 3.5"]})
    page.get(made["Location"])
    assert Board.objects.count() == 2
    assert collect(page, film, 40.0).board == board
    page.post(url(board, "copy/"))
    assert collect(page, film, 50.0).board == board


def test_a_board_can_be_chosen_or_created_for_a_scene(
    page: Client, board: Board, film: Film
) -> None:
    assert collect(page, film, 40.0, name="Night").board.name == "Night"
    assert collect(page, film, 50.0, board=board.token).board == board
    shown = body(page.get("/boards/choose/", scene_data(film, 40, 42.5, 41)))
    pressed = re.findall(r'aria-pressed="(\w+)".*?choose-name">(.*?)<', shown)
    assert sorted(pressed, key=lambda pair: pair[1]) == [("false", "My scenes"), ("true", "Night")]
    part = page.get(
        "/boards/choose/", scene_data(film, 40, 42.5, 41), headers={**HTMX, "HX-Target": "chooser"}
    )
    assert "<html" not in body(part)
    changed = page.post(
        "/boards/collect/", {**scene_data(film, 40, 42.5, 41), "board": board.token},
        headers={**HTMX, "HX-Target": "chooser"},
    )  # fmt: skip
    assert re.findall(r'aria-pressed="(\w+)"', body(changed)) == ["true", "true"]
    assert page.get("/boards/choose/").status_code == 302


def test_cards_cost_no_query_each(
    page: Client, board: Board, film: Film, django_assert_max_num_queries: Any
) -> None:
    template = (
        "{% for n in numbers %}"
        "{% include 'gallery/boards/_collect.html' with film=film start=n end=99 "
        "second=5 %}{% endfor %}"
    )
    for numbers in (range(1), range(50)):
        request = RequestFactory().get("/")
        request.session, request.user = page.session, AnonymousUser()
        assert request.session[owners.SESSION_NAME]
        context = {"numbers": numbers, "film": film.pk}
        with django_assert_max_num_queries(2):
            drawn = engines["django"].from_string(template).render(context, request)
        assert drawn.count("<form") == len(numbers)


def test_a_collected_scene_is_shown_as_such(page: Client, board: Board, film: Film) -> None:
    template = (
        "{% include 'gallery/boards/_collect.html' with film=film start=start end=end second=5 %}"
    )
    request = RequestFactory().get("/")
    request.session, request.user = page.session, AnonymousUser()
    row = board.scenes.get(start=10.0)

    def drawn(start: float, end: float) -> str:
        context = {"film": film.pk, "start": start, "end": end}
        return str(engines["django"].from_string(template).render(context, request))

    assert f"/scenes/{row.pk}/remove/" in drawn(10.0, 12.5)
    assert "is-collected" not in drawn(10.0, 12.0)


# --- order and notes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moved", "how", "order"),
    [
        (1.0, {"by": 1}, [10.0, 1.0, 20.0, 30.0]),
        (30.0, {"by": -1}, [1.0, 10.0, 30.0, 20.0]),
        (1.0, {"by": -1}, [1.0, 10.0, 20.0, 30.0]),
        (30.0, {"by": 1}, [1.0, 10.0, 20.0, 30.0]),
        (30.0, {"number": 2}, [1.0, 30.0, 10.0, 20.0]),
        (1.0, {"number": 999}, [10.0, 20.0, 30.0, 1.0]),
        (1.0, {"before": 30.0}, [10.0, 20.0, 1.0, 30.0]),
        (30.0, {"before": 1.0}, [30.0, 1.0, 10.0, 20.0]),
        (1.0, {"before": 0}, [10.0, 20.0, 30.0, 1.0]),
        (10.0, {"before": 10.0}, [1.0, 20.0, 30.0, 10.0]),
        (10.0, {"by": 1, "number": 2}, [1.0, 20.0, 10.0, 30.0]),
        (10.0, {"before": 1.0, "number": 2}, [10.0, 1.0, 20.0, 30.0]),
        (10.0, {"by": 7}, [1.0, 10.0, 20.0, 30.0]),
        (10.0, {}, [1.0, 10.0, 20.0, 30.0]),
    ],
)
def test_scenes_can_be_reordered(
    page: Client, board: Board, moved: float, how: dict[str, Any], order: list[float]
) -> None:
    ids = {scene.start: scene.pk for scene in board.scenes.all()}
    if "before" in how:
        how = {**how, "before": ids.get(how["before"], 0)}
    response = page.post(url(board, f"scenes/{ids[moved]}/place/"), how)
    assert response["Location"] == url(board, f"#scene-{ids[moved]}")
    assert list_starts(board) == order


def test_htmx_gets_the_scenes_in_the_new_order(page: Client, board: Board) -> None:
    row = board.scenes.first()
    text = body(page.post(url(board, f"scenes/{row.pk}/place/"), {"by": 1}, headers=HTMX))
    assert re.findall(r'data-scene="(\d+)"', text)[1] == str(row.pk)
    assert "Moved to position 2 of 4" in text
    assert "<html" not in text
    gone = page.post(
        url(board, f"scenes/{row.pk}/remove/"), headers={**HTMX, "HX-Target": "scenes"}
    )
    assert len(re.findall(r"data-scene=", body(gone))) == 3
    assert "Removed from board" in body(gone)
    assert f"/scenes/{row.pk}/restore/" in body(gone)


def test_notes_are_saved(page: Client, board: Board) -> None:
    row = board.scenes.all()[2]
    address = url(board, f"scenes/{row.pk}/note/")
    response = page.post(address, {"note": "<b>bold</b> & 中文"})
    assert response["Location"] == url(board, f"#scene-{row.pk}")
    assert "&lt;b&gt;bold&lt;/b&gt; &amp; 中文" in body(page.get(url(board)))
    assert body(page.post(address, {"note": "new"}, headers=HTMX)).strip() == "Saved"
    assert page.post(address, {"note": "x" * 2001}).status_code == 400
    assert "2000" in body(page.post(address, {"note": "x" * 2001}, headers=HTMX))
    row.refresh_from_db()
    assert row.note == "new"
    page.post(address, {"note": ""})
    row.refresh_from_db()
    assert row.note == ""


def test_scenes_move_across_the_pages_of_a_long_board(
    page: Client, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_parts, "SCENES_PER_PAGE", 2)
    third = board.scenes.all()[2]
    first = body(page.get(url(board)))
    assert len(re.findall("data-scene=", first)) == 2
    assert f'data-next="{third.pk}"' in first
    second = body(page.get(url(board), {"page": 2}))
    assert 'data-next="0"' in second
    response = page.post(url(board, f"scenes/{board.scenes.first().pk}/place/"), {"number": 4})
    assert response["Location"].startswith(url(board, "?page=2#scene-"))
    assert list_starts(board) == [10.0, 20.0, 30.0, 1.0]


# --- owners of boards -----------------------------------------------------------------------------


CHANGES = ["rename/", "delete/", "scenes/{}/remove/", "scenes/{}/restore/", "scenes/{}/note/",
           "scenes/{}/place/"]  # fmt: skip


def test_visitors_with_the_link_can_view_but_not_change(
    page: Client, board: Board, django_user_model: Any
) -> None:
    row = board.scenes.first()
    service.set_note(board, row.pk, "the owner's note")
    user = Client()
    user.force_login(django_user_model.objects.create_superuser("ada"))
    for other in (Client(), user):
        shown = body(other.get(url(board)))
        assert "the owner&#x27;s note" in shown
        assert "Copy to my boards" in shown
        assert "note-form" not in shown
        given = {"name": "Mine now", "note": "mine", "by": 1}
        for change in CHANGES:
            assert other.post(url(board, change.format(row.pk)), given).status_code == 404
    board.refresh_from_db()
    assert board.name == "My scenes"
    assert list_starts(board) == [1.0, 10.0, 20.0, 30.0]
    assert Client().get("/boards/aaaaaaaaaaaaaaaaaaaaaa/").status_code == 404


def test_scenes_of_another_board_are_out_of_reach(page: Client, board: Board, film: Film) -> None:
    stranger = Client()
    row = collect(stranger, film, 60.0)
    for change in ("remove/", "restore/", "note/", "place/"):
        page.post(url(board, f"scenes/{row.pk}/{change}"), {"note": "x", "by": -1})
    row.refresh_from_db()
    assert (row.note, row.removed) == ("", None)
    refused = page.post("/boards/collect/", {**scene_data(row.film), "board": row.board.token})
    assert refused.status_code == 404


def test_a_shared_board_can_be_copied(page: Client, board: Board) -> None:
    service.set_note(board, board.scenes.first().pk, "kept")
    service.remove_scene(board, board.scenes.last().pk)
    other = Client()
    response = other.post(url(board, "copy/"))
    copied = Board.objects.exclude(pk=board.pk).get()
    assert response["Location"] == url(copied)
    assert list_starts(copied) == [1.0, 10.0, 20.0]
    assert copied.scenes.first().note == "kept"
    assert "note-form" in body(other.get(url(copied)))
    assert list_starts(board) == [1.0, 10.0, 20.0]


def test_boards_of_the_session_follow_into_the_account(
    page: Client, board: Board, film: Film, django_user_model: Any
) -> None:
    user = django_user_model.objects.create_user("ada")
    page.force_login(user)
    board.refresh_from_db()
    assert (board.owner, board.visitor) == (user, "")
    assert owners.SESSION_NAME not in page.session
    assert page.session.get_expiry_age() == settings.SESSION_COOKIE_AGE
    assert "note-form" in body(page.get(url(board)))
    assert collect(page, film, 70.0).board == board
    page.logout()
    assert "note-form" not in body(page.get(url(board)))
    assert "No boards yet" in body(page.get("/boards/"))


def test_a_board_can_be_renamed_and_deleted(page: Client, board: Board) -> None:
    page.post(url(board, "rename/"), {"name": " Night shots "})
    board.refresh_from_db()
    assert board.name == "Night shots"
    refused = page.post(url(board, "rename/"), {"name": ""})
    assert refused.status_code == 400
    assert "This field is required" in body(refused)
    assert "Delete “Night shots”?" in body(page.get(url(board, "delete/")))
    assert Board.objects.exists()
    assert page.post(url(board, "delete/"))["Location"] == "/boards/"
    assert not Board.objects.exists()
    assert page.get(url(board)).status_code == 404


# --- films, unused boards, and many requests ------------------------------------------------------


def test_deleting_a_film_removes_its_scenes(
    page: Client, board: Board, film: Film, ready_film: Any, make_video: Any
) -> None:
    other = ready_film(make_video("b.mp4", seconds=4), "Short")
    collect(page, other, 0.5)
    assert "from 2 films" in body(page.get(url(board)))
    Film.objects.get(pk=other.pk).delete()
    shown = body(page.get(url(board)))
    assert "from 1 film" in shown
    assert "Short" not in shown
    Film.objects.all().delete()
    assert "No scenes yet" in body(page.get(url(board)))
    assert page.get("/boards/").status_code == 200


def test_re_importing_a_film_keeps_its_scenes(page: Client, board: Board, film: Film) -> None:
    Film.objects.filter(pk=film.pk).update(state=Film.State.IMPORTING, run=2)
    assert page.get(url(board)).status_code == 200
    assert len(list_starts(board)) == 4
    Film.objects.filter(pk=film.pk).update(state=Film.State.FAILED, searchable_run=None)
    assert page.get(url(board)).status_code == 200


def test_unused_boards_are_removed(page: Client, board: Board, django_user_model: Any) -> None:
    now = timezone.now()
    user = django_user_model.objects.create_user("ada")
    old = now - timedelta(days=61)
    Board.objects.create(visitor="gone", name="Old", used=old)
    Board.objects.create(owner=user, name="Of a user", used=old)
    first, second = board.scenes.all()[:2]
    for row, days in ((first, 2), (second, 0.5)):
        BoardScene.objects.filter(pk=row.pk).update(removed=now - timedelta(days=days))
    clean_up()
    names = set(Board.objects.values_list("name", flat=True))
    assert names == {"My scenes", "Of a user"}
    assert {row.pk for row in BoardScene.all_objects.filter(board=board)} & {
        first.pk, second.pk
    } == {second.pk}  # fmt: skip


def test_board_pages_have_a_constant_number_of_queries(
    page: Client, board: Board, film: Film, django_assert_max_num_queries: Any
) -> None:
    rows = [
        BoardScene(board=board, film=film, start=n, end=n + 1, second=n, position=n + 10)
        for n in range(40, 90)
    ]
    BoardScene.objects.bulk_create(rows)
    with django_assert_max_num_queries(16):
        assert page.get(url(board)).status_code == 200
    for n in range(10):
        service.copy_board(owners.Visitor(key=board.visitor), board).name = str(n)
    with django_assert_max_num_queries(8):
        assert page.get("/boards/").status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("who", ["a session", "a user"])
def test_twenty_concurrent_requests_make_one_board_in_one_order(
    film: Film, who: str, django_user_model: Any
) -> None:
    if who == "a user":
        visitor = Visitor(user=django_user_model.objects.create_user("ada").pk)
    else:
        session = SessionStore()
        session.create()
        visitor = Visitor(key="k" * 32, session=session.session_key or "")
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            start = float(number)
            row = service.add_scene(visitor, Scene(film.pk, start, start + 0.5, number))
            service.move_by(row.board, row.pk, -1)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    board = Board.objects.get()
    assert board.scenes.count() == 20
    assert len(set(board.scenes.values_list("position", flat=True))) == 20


def test_boards_are_listed_by_last_use(page: Client, film: Film) -> None:
    collect(page, film)
    page.post("/boards/", {"name": "Second"})
    first, second = Board.objects.order_by("pk")
    for board in (first, second):
        service.add_scene(Visitor(key=board.visitor), Scene(film.pk, 40.0, 42.0, 41), board)
        listed = body(page.get("/boards/"))
        at = {one.pk: listed.index(one.get_absolute_url()) for one in (first, second)}
        assert min(at, key=lambda pk: at[pk]) == board.pk
        chooser = body(page.get("/boards/choose/", scene_data(film)))
        names = {one.pk: chooser.index(one.name) for one in (first, second)}
        assert min(names, key=lambda pk: names[pk]) == board.pk
