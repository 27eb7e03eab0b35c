"""Storyboards on pages without scripts, in the API and on the command line."""

import io
import json
import re
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from gallery.boards import owners
from gallery.boards import service as boards
from gallery.boards.models import Board
from gallery.films.models import Film
from gallery.storyboards import service
from gallery.storyboards.models import Storyboard, StoryboardRow
from tests.asking import Api, to_jpeg

SCRIPT = "1. a dog in the snow\n2. an astronaut (2 s)\n3. a dog in the snow\n"


def create(page: Client, script: str = SCRIPT, **more: Any) -> Storyboard:
    response = page.post("/storyboards/", {"script": script, **more})
    assert response.status_code == 302, response.content.decode()
    return Storyboard.objects.get(token=response["Location"].split("/")[2])


def search(page: Client, storyboard: Storyboard) -> list[StoryboardRow]:
    assert page.post(f"{storyboard.get_absolute_url()}search/").status_code == 302
    return list(storyboard.rows.all())


def change(page: Client, row: StoryboardRow, action: str, **given: Any) -> StoryboardRow:
    path = f"{row.storyboard.get_absolute_url()}rows/{row.pk}/{action}/"
    response = page.post(path, given)
    assert response.status_code == 302, response.content.decode()
    row.refresh_from_db()
    return row


def chosen_shot(row: StoryboardRow) -> int:
    candidate = service.chosen_candidate(row)
    assert candidate is not None
    return candidate.shot + 1


# --- pages ----------------------------------------------------------------------------------------


def test_a_script_becomes_rows_with_scenes(page: Client, demo_film: Film) -> None:
    storyboard = create(page)
    assert storyboard.name == "a dog in the snow"
    rows = list(storyboard.rows.all())
    assert [(row.text, row.seconds) for row in rows] == [
        ("a dog in the snow", None), ("an astronaut", 2.0), ("a dog in the snow", None),
    ]  # fmt: skip
    assert "Not searched yet" in page.get(storyboard.get_absolute_url()).content.decode()
    rows = search(page, storyboard)
    assert chosen_shot(rows[0]) == 4
    assert chosen_shot(rows[1]) == 29
    # The same words, but no scene twice.
    assert chosen_shot(rows[2]) not in (4, 29)
    text = page.get(storyboard.get_absolute_url()).content.decode()
    assert text.count('class="row-shown"') == len(rows)
    assert "00:00:10:20" in text


def test_scenes_may_repeat_if_wanted(page: Client, demo_film: Film) -> None:
    rows = search(page, create(page, repeats="1"))
    assert [chosen_shot(row) for row in rows] == [4, 29, 4]


def test_films_can_be_left_out(page: Client, demo_film: Film) -> None:
    rows = search(page, create(page, film=str(demo_film.pk)))
    assert chosen_shot(rows[0]) == 4
    other = create(page)
    Storyboard.objects.filter(pk=other.pk).update(films=[demo_film.pk + 1])
    assert [row.candidates for row in search(page, other)] == [[], [], []]


def test_next_lock_and_reject(page: Client, demo_film: Film) -> None:
    rows = search(page, create(page))
    first, third = rows[0], rows[2]
    assert chosen_shot(change(page, first, "step", step="1")) != 4
    assert first.is_locked
    # The shot that is free now goes to the other row that wants it.
    third.refresh_from_db()
    assert chosen_shot(third) == 4
    locked = change(page, third, "lock")
    assert (chosen_shot(locked), locked.is_locked) == (4, True)
    change(page, first, "unlock")
    assert not first.is_locked
    third.refresh_from_db()
    assert chosen_shot(third) == 4
    before = chosen_shot(first)
    change(page, first, "reject")
    assert chosen_shot(first) != before
    assert [before - 1] == [shot for _film, shot in first.rejected]


def test_an_unlocked_scene_stays_and_the_one_after_a_rejected_scene_follows(
    page: Client, demo_film: Film
) -> None:
    row = search(page, create(page, script="a dog"))[0]
    change(page, row, "choose", choose="2")
    chosen, following = (one.key for one in service.load_candidates(row)[2:4])
    change(page, row, "unlock")
    candidate = service.chosen_candidate(row)
    assert candidate is not None
    assert (candidate.key, row.is_locked) == (chosen, False)
    change(page, row, "reject")
    candidate = service.chosen_candidate(row)
    assert candidate is not None
    assert candidate.key == following


def test_two_rows_that_are_given_the_same_shot_both_show_it(page: Client, demo_film: Film) -> None:
    storyboard = create(page)
    first, _second, third = search(page, storyboard)
    change(page, first, "lock")
    change(page, third, "choose", choose="0")
    assert (chosen_shot(first), chosen_shot(third)) == (4, 4)
    text = page.get(storyboard.get_absolute_url()).content.decode()
    assert text.count('class="row-shown"') == 3


def test_a_word_that_somebody_says_does_not_lead_astray(page: Client, demo_film: Film) -> None:
    row = search(page, create(page, script="a dog runs through the snow"))[0]
    assert chosen_shot(row) == 4


def test_a_candidate_can_be_chosen(page: Client, demo_film: Film) -> None:
    row = search(page, create(page))[1]
    change(page, row, "choose", choose="3")
    assert (row.chosen, row.is_locked) == (3, True)
    change(page, row, "choose", choose="99")
    assert row.chosen == 3


def test_more_like_this_keeps_the_scene_and_finds_similar_ones(
    page: Client, demo_film: Film
) -> None:
    row = search(page, create(page, script="a dog"))[0]
    shot = chosen_shot(row)
    change(page, row, "similar")
    assert (chosen_shot(row), row.is_locked) == (shot, True)
    assert row.similar_to is not None
    assert len(row.candidates) > 1


def test_a_changed_line_is_searched_alone(page: Client, demo_film: Film) -> None:
    storyboard = create(page)
    first, second, _third = search(page, storyboard)
    change(page, first, "lock")
    change(page, first, "edit", text="a cat in a meadow (4 s)", seconds="")
    assert (first.text, first.seconds, first.is_locked) == ("a cat in a meadow", 4.0, False)
    assert chosen_shot(first) in (1, 27)
    before = second.candidates
    second.refresh_from_db()
    assert second.candidates == before


def test_the_length_of_a_line(page: Client, demo_film: Film) -> None:
    row = search(page, create(page))[1]
    film = Film.objects.get()
    scene = service.fitted_scene(row, {film.pk: film})
    assert scene is not None
    assert scene.end - scene.start == pytest.approx(2.0)
    change(page, row, "edit", text=row.text, seconds="1.5")
    scene = service.fitted_scene(row, {film.pk: film})
    assert scene is not None
    assert scene.end - scene.start == pytest.approx(1.5)
    change(page, row, "edit", text=row.text, seconds="")
    assert row.seconds is None


def test_it_is_saved_as_a_board_in_order(page: Client, demo_film: Film) -> None:
    storyboard = create(page)
    rows = search(page, storyboard)
    response = page.post(f"{storyboard.get_absolute_url()}save/")
    board = Board.objects.get()
    assert response["Location"] == board.get_absolute_url()
    page.get(board.get_absolute_url())
    visitor = owners.Visitor(key=board.visitor)
    assert boards.current_board(visitor) is None  # the next scene goes to another board
    scenes = list(board.scenes.all())
    assert [scene.note for scene in scenes] == [row.text for row in rows]
    assert [scene.second for scene in scenes] == [
        row.candidates[row.chosen]["second"] for row in rows
    ]
    assert scenes[1].end - scenes[1].start == pytest.approx(2.0)


def test_saving_again_offers_to_update_the_board(page: Client, demo_film: Film) -> None:
    storyboard = create(page)
    search(page, storyboard)
    address = storyboard.get_absolute_url()
    assert "Update board" not in page.get(address).content.decode()
    page.post(f"{address}save/")
    board = Board.objects.get()
    last = storyboard.rows.last()
    page.post(f"{address}rows/{last.pk}/remove/")
    assert f'name="board" value="{board.token}"' in page.get(address).content.decode()
    assert page.post(f"{address}save/", {"board": board.token})["Location"] == (
        board.get_absolute_url()
    )
    notes = [scene.note for scene in board.scenes.all()]
    assert notes == [row.text for row in storyboard.rows.all()]
    assert Client().post(f"{address}save/", {"board": board.token}).status_code == 404
    page.post(f"{address}save/")
    assert Board.objects.count() == 2


def test_nothing_is_saved_without_scenes(page: Client, demo_film: Film) -> None:
    storyboard = create(page)
    response = page.post(f"{storyboard.get_absolute_url()}save/")
    assert response.status_code == 400
    assert "nothing to save" in response.content.decode()
    assert not Board.objects.exists()


def test_a_line_that_cannot_be_searched_says_why(page: Client, demo_film: Film) -> None:
    row = search(page, create(page, script="-dog"))[0]
    assert row.chosen is None
    assert "Add something to search for" in row.error
    assert row.error in page.get(row.storyboard.get_absolute_url()).content.decode()


def test_pictures_become_rows(page: Client, demo_film: Film) -> None:
    from PIL import Image

    files = []
    for second in (12, 97):
        still = demo_film.files.run(demo_film.searchable_run or 0).thumbnail(second)
        file = to_jpeg(Image.open(still))
        file.name = f"{second:03}.jpg"
        files.append(file)
    rows = search(page, create(page, script="", pictures=files))
    assert [chosen_shot(row) for row in rows] == [4, 29]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"script": ""}, "Paste a script or choose pictures first."),
        ({"script": "x" * 600}, "Line 1 is too long"),
        ({"script": "", "pictures": "text"}, "not a picture"),
    ],
)
def test_a_form_that_cannot_be_used_says_why(
    page: Client, demo_film: Film, given: dict[str, Any], message: str
) -> None:
    if "pictures" in given:
        file = io.BytesIO(b"no picture")
        file.name = "notes.jpg"
        given = {**given, "pictures": [file]}
    response = page.post("/storyboards/", given)
    assert response.status_code == 400
    text = response.content.decode()
    assert message in text or "notes.jpg" in text
    assert not Storyboard.objects.exists()


def test_the_last_row_stays(page: Client, demo_film: Film) -> None:
    storyboard = create(page, script="a cat\na dog")
    rows = list(storyboard.rows.all())
    for row in rows:
        page.post(f"{storyboard.get_absolute_url()}rows/{row.pk}/remove/")
    assert [row.text for row in storyboard.rows.all()] == ["a dog"]


# --- owners ---------------------------------------------------------------------------------------


def test_others_can_view_but_not_change(page: Client, demo_film: Film) -> None:
    storyboard = create(page)
    rows = search(page, storyboard)
    other = Client()
    text = other.get(storyboard.get_absolute_url()).content.decode()
    assert "shared with you" in text
    assert "row-tools" not in text
    path = storyboard.get_absolute_url()
    for rest in ("search/", "save/", "delete/", "rename/", f"rows/{rows[0].pk}/reject/"):
        assert other.post(f"{path}{rest}").status_code == 404
    assert Storyboard.objects.filter(pk=storyboard.pk).exists()


def test_rename_and_delete(page: Client, demo_film: Film) -> None:
    storyboard = create(page)
    path = storyboard.get_absolute_url()
    page.post(f"{path}rename/", {"name": "Opening"})
    assert "Opening" in page.get("/storyboards/").content.decode()
    page.post(f"{path}rename/", {"name": ""})
    storyboard.refresh_from_db()
    assert storyboard.name == "Opening"
    assert "cannot be undone" in page.get(f"{path}delete/").content.decode()
    assert Storyboard.objects.exists()
    assert page.post(f"{path}delete/")["Location"] == "/storyboards/"
    assert not Storyboard.objects.exists()


def test_a_login_takes_the_storyboards_along(page: Client, demo_film: Film) -> None:
    storyboard = create(page)
    user = get_user_model().objects.create_user("ada", password="analytical engine")
    page.post("/login/", {"username": "ada", "password": "analytical engine"})
    storyboard.refresh_from_db()
    assert (storyboard.owner, storyboard.visitor) == (user, "")


def test_unused_storyboards_without_an_owner_are_removed(page: Client, demo_film: Film) -> None:
    old, recent = create(page), create(page)
    long_ago = timezone.now() - timezone.timedelta(days=owners.KEEP_UNUSED_DAYS + 1)
    Storyboard.objects.filter(pk=old.pk).update(used=long_ago)
    boards.remove_unused()
    assert list(Storyboard.objects.all()) == [recent]


def test_a_session_has_a_limited_number(
    page: Client, demo_film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_STORYBOARDS_PER_SESSION", 1)
    create(page)
    response = page.post("/storyboards/", {"script": "a cat"})
    assert response.status_code == 400
    assert "limit of 1 storyboards" in response.content.decode()


# --- API ------------------------------------------------------------------------------------------


def test_a_program_goes_from_a_script_to_a_board(ada: Api, anonymous: Api, demo_film: Film) -> None:
    made = ada.post("/storyboards", {"script": SCRIPT, "name": "Opening"})
    assert made["name"] == "Opening"
    rows = made["rows"]
    assert [row["number"] for row in rows] == [1, 2, 3]
    assert rows[0]["scene"]["timecode_in"] == "00:00:10:20"
    assert rows[1]["seconds"] == 2.0
    assert len(rows[0]["candidates"]) == service.MAX_CANDIDATES
    assert anonymous.get(f"/storyboards/{made['token']}")["rows"] == rows
    assert [one["token"] for one in ada.get("/storyboards")["results"]] == [made["token"]]

    row = f"/storyboards/{made['token']}/rows/{rows[1]['id']}"
    changed = ada.patch(row, {"chosen": 2, "seconds": 1.0})["rows"][1]
    assert (changed["chosen"], changed["is_locked"], changed["seconds"]) == (2, True, 1.0)
    rejected = ada.patch(row, {"reject": True})["rows"][1]
    assert rejected["chosen"] == 1
    assert ada.patch(row, {"text": "a cat in a meadow"})["rows"][1]["text"] == "a cat in a meadow"

    saved = ada.post(f"/storyboards/{made['token']}/board", {})
    board = ada.get(saved["url"])
    assert [scene["note"] for scene in board["scenes"]] == [
        "a dog in the snow", "a cat in a meadow", "a dog in the snow",
    ]  # fmt: skip
    ada.delete(f"/storyboards/{made['token']}")
    ada.get(f"/storyboards/{made['token']}", 404)


def test_only_its_owner_changes_a_storyboard(ada: Api, bob: Api, demo_film: Film) -> None:
    made = ada.post("/storyboards", {"script": "a cat"})
    row = f"/storyboards/{made['token']}/rows/{made['rows'][0]['id']}"
    assert "someone else" in bob.patch(row, {"reject": True}, 403)["error"]
    bob.delete(f"/storyboards/{made['token']}", 403)
    assert ada.post("/storyboards", {"script": " \n"}, 400)["code"] == "invalid"


def test_the_first_row_is_linked_to_and_the_lengths_are_named(page: Client, db: None) -> None:
    made = page.post("/storyboards/", {"script": SCRIPT})
    row = StoryboardRow.objects.get(position=0)
    assert made["Location"].endswith(f"/#row-{row.pk}")
    shown = page.get(made["Location"]).content.decode()
    assert "0:00 found of 0:06 needed" in shown
    assert f'id="row-{row.pk}" tabindex="-1"' in shown


# --- command --------------------------------------------------------------------------------------


def run(*arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("storyboard", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_the_command_prints_and_saves(demo_film: Film, tmp_path: Any) -> None:
    get_user_model().objects.create_user("ada")
    file = tmp_path / "script.txt"
    file.write_text("\ufeffa dog in the snow\n宇航员（2秒）\n", encoding="utf-8")
    out, err = run(str(file), "--user", "ada", "--board", "--json")
    rows = json.loads(out)
    assert [(row["text"], row["shot"]) for row in rows] == [
        ("a dog in the snow", 4),
        ("宇航员", 29),
    ]
    assert rows[1]["seconds"] == pytest.approx(2.0)
    board = Board.objects.get()
    assert f"http://127.0.0.1:8000{board.get_absolute_url()}" in err
    assert board.owner is not None
    out, _err = run(str(file), "--user", "ada")
    assert re.search(r"00:00:10:20-.*  \d+%\n", out)
    file.write_text("a submarine under a glacier")
    out, _err = run(str(file), "--user", "ada")
    assert out.endswith("  weak\n")
    assert "%" not in out


def test_the_command_says_what_is_wrong(demo_film: Film, tmp_path: Any) -> None:
    file = tmp_path / "script.txt"
    file.write_text("a cat", encoding="utf-8")
    with pytest.raises(CommandError, match="There is no user bob"):
        run(str(file), "--user", "bob")
    get_user_model().objects.create_user("bob")
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        run(str(tmp_path / "missing.txt"), "--user", "bob")
    file.write_text("\n", encoding="utf-8")
    with pytest.raises(CommandError, match="empty"):
        run(str(file), "--user", "bob")
