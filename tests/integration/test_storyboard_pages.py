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
from gallery.storyboards import candidates, service
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


def choose(page: Client, row: StoryboardRow, index: int) -> StoryboardRow:
    scene = candidates.load_candidates(row)[index].scene_id
    return change(page, row, "choose", choose=scene)


def chosen_shot(row: StoryboardRow) -> int:
    candidate = candidates.chosen_candidate(row)
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
    choose(page, row, 2)
    chosen, following = (one.key for one in candidates.load_candidates(row)[2:4])
    change(page, row, "unlock")
    candidate = candidates.chosen_candidate(row)
    assert candidate is not None
    assert (candidate.key, row.is_locked) == (chosen, False)
    change(page, row, "reject")
    candidate = candidates.chosen_candidate(row)
    assert candidate is not None
    assert candidate.key == following


def test_two_rows_that_are_given_the_same_shot_both_show_it(page: Client, demo_film: Film) -> None:
    storyboard = create(page)
    first, _second, third = search(page, storyboard)
    change(page, first, "lock")
    choose(page, third, 0)
    assert (chosen_shot(first), chosen_shot(third)) == (4, 4)
    text = page.get(storyboard.get_absolute_url()).content.decode()
    assert text.count('class="row-shown"') == 3


def test_a_word_that_somebody_says_does_not_lead_astray(page: Client, demo_film: Film) -> None:
    row = search(page, create(page, script="a dog runs through the snow"))[0]
    assert chosen_shot(row) == 4


def test_a_candidate_can_be_chosen(page: Client, demo_film: Film) -> None:
    row = search(page, create(page))[1]
    choose(page, row, 3)
    assert (row.chosen, row.is_locked) == (3, True)
    path = f"{row.storyboard.get_absolute_url()}rows/{row.pk}/choose/"
    response = page.post(path, {"choose": f"{demo_film.pk}-999"})
    assert response.status_code == 400
    assert "not among those of its line" in response.content.decode()
    row.refresh_from_db()
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
    scene = candidates.fitted_scene(row, {film.pk: film})
    assert scene is not None
    assert scene.end - scene.start == pytest.approx(2.0)
    change(page, row, "edit", text=row.text, seconds="1.5")
    scene = candidates.fitted_scene(row, {film.pk: film})
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


# --- rows that changed in the meantime ------------------------------------------------------------


def post_by_script(page: Client, row: StoryboardRow, action: str, **given: Any) -> Any:
    path = f"{row.storyboard.get_absolute_url()}rows/{row.pk}/{action}/"
    return page.post(path, given, headers={"HX-Request": "true"})


def test_a_choice_in_an_old_tab_gets_the_scene_that_was_clicked(
    page: Client, demo_film: Film
) -> None:
    row = search(page, create(page, script="a dog"))[0]
    third = candidates.load_candidates(row)[2]
    change(page, row, "reject")  # in another tab: now another scene has that index
    response = post_by_script(page, row, "choose", choose=third.scene_id)
    assert response.status_code == 200
    row.refresh_from_db()
    assert candidates.chosen_candidate(row) == third


@pytest.mark.parametrize("action", ["reject", "step", "lock", "unlock", "similar"])
def test_an_action_on_a_scene_that_is_not_the_one_shown_does_nothing(
    page: Client, demo_film: Film, action: str
) -> None:
    row = search(page, create(page, script="a dog"))[0]
    seen = candidates.chosen_scene_id(row)
    change(page, row, "reject", shown=seen)
    before = StoryboardRow.objects.values().get()
    response = post_by_script(page, row, action, shown=seen, step="1")
    assert response.status_code == 409
    text = response.content.decode()
    assert 'id="error-message">This line has changed' in text
    assert f'name="shown" value="{candidates.chosen_scene_id(row)}"' in text
    assert StoryboardRow.objects.values().get() == before
    path = f"{row.storyboard.get_absolute_url()}rows/{row.pk}/{action}/"
    assert page.post(path, {"shown": seen, "step": "1"}).status_code == 400


# --- deleted films --------------------------------------------------------------------------------


def move_to_deleted_film(row: StoryboardRow, count: int) -> None:
    """Make the first candidates those of a film that does not exist any more."""
    for fields in row.candidates[:count]:
        fields["film"] += 1000
    row.save()


def test_scenes_of_deleted_films_are_skipped(page: Client, ada: Api, demo_film: Film) -> None:
    storyboard = create(page, script="a dog\na cat")
    rows = search(page, storyboard)
    change(page, rows[0], "lock")
    shots = [one.shot for one in candidates.load_candidates(rows[0])]
    move_to_deleted_film(rows[0], 4)
    text = page.get(storyboard.get_absolute_url()).content.decode()
    assert "No scene is left" not in text
    assert text.count('class="row-shown"') == 2
    shown = ada.get(f"/storyboards/{storyboard.token}")["rows"][0]
    assert (shown["chosen"], shown["is_locked"]) == (0, False)
    assert len(shown["candidates"]) == len(shots) - 4

    # A step goes to the next scene that exists, a rejected one is followed by such a one.
    change(page, rows[0], "step", step="1", shown=f"{demo_film.pk}-{shots[4]}")
    assert chosen_shot(rows[0]) == shots[5] + 1
    change(page, rows[0], "reject")
    assert chosen_shot(rows[0]) == shots[6] + 1
    assert all(one.film == demo_film.pk for one in candidates.load_candidates(rows[0]))


def test_a_row_whose_films_are_all_deleted_is_searched_again(page: Client, demo_film: Film) -> None:
    storyboard = create(page, script="a dog in the snow\na cat")
    rows = search(page, storyboard)
    move_to_deleted_film(rows[0], 99)
    assert "Not searched yet" in page.get(storyboard.get_absolute_url()).content.decode()
    change(page, rows[1], "lock")
    assert chosen_shot(search(page, storyboard)[0]) == 4


def test_saving_says_which_lines_have_no_scene(page: Client, demo_film: Film) -> None:
    storyboard = create(page, script="a dog\n-dog\na cat")
    rows = search(page, storyboard)
    move_to_deleted_film(rows[2], 99)
    save = f"{storyboard.get_absolute_url()}save/"
    text = page.post(save).content.decode()
    assert "Lines 2, 3 have no scene and are left out." in text
    assert not Board.objects.exists()
    assert page.post(save, {"confirmed": "1"}).status_code == 302
    assert [scene.note for scene in Board.objects.get().scenes.all()] == ["a dog"]


# --- the board of a storyboard --------------------------------------------------------------------


def test_only_a_board_that_was_saved_from_it_is_updated(page: Client, demo_film: Film) -> None:
    first, second = create(page, name="Opening"), create(page, name="Opening")
    save = f"{first.get_absolute_url()}save/"
    search(page, first)
    page.post(f"{second.get_absolute_url()}search/")
    page.post(f"{second.get_absolute_url()}save/")
    other = Board.objects.get()
    # A board of the same name, saved from another storyboard, is not its own.
    assert "Update board" not in page.get(first.get_absolute_url()).content.decode()
    assert page.post(save, {"board": other.token}).status_code == 400
    page.post(save)
    first.refresh_from_db()
    own = first.board
    assert own is not None
    assert own != other
    # New names of both keep the link.
    page.post(f"{first.get_absolute_url()}rename/", {"name": "Ending"})
    page.post(f"{own.get_absolute_url()}rename/", {"name": "Final"})
    assert f'value="{own.token}"' in page.get(first.get_absolute_url()).content.decode()
    own.delete()
    first.refresh_from_db()
    assert first.board is None
    assert "Update board" not in page.get(first.get_absolute_url()).content.decode()


def test_replacing_scenes_that_were_changed_by_hand_asks_first(
    page: Client, demo_film: Film
) -> None:
    storyboard = create(page)
    search(page, storyboard)
    save = f"{storyboard.get_absolute_url()}save/"
    page.post(save)
    board = Board.objects.get()
    scene = board.scenes.first()
    assert scene is not None
    boards.set_note(board, scene.pk, "my own note")
    response = page.post(save, {"board": board.token})
    assert response.status_code == 200
    assert "were changed after it was saved" in response.content.decode()
    assert board.scenes.first() == scene
    assert page.post(save, {"board": board.token, "confirmed": "1"}).status_code == 302
    assert board.scenes.first().note == "a dog in the snow"
    # What the storyboard itself has saved is replaced without a question.
    assert page.post(save, {"board": board.token}).status_code == 302


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
    assert "12, counted from 0" in ada.patch(row, {"chosen": 999, "seconds": 9.0}, 400)["error"]
    assert ada.get(f"/storyboards/{made['token']}")["rows"] == rows
    changed = ada.patch(row, {"chosen": 2, "seconds": 1.0})["rows"][1]
    assert (changed["chosen"], changed["is_locked"], changed["seconds"]) == (2, True, 1.0)
    rejected = ada.patch(row, {"reject": True})["rows"][1]
    assert rejected["chosen"] == 1
    assert ada.patch(row, {"text": "a cat in a meadow"})["rows"][1]["text"] == "a cat in a meadow"

    saved = ada.post(f"/storyboards/{made['token']}/board", {})
    assert saved["left_out"] == []
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


@pytest.mark.parametrize(
    ("film", "error"),
    [
        (999, "cannot be searched: 999."),
        (10**30, "films.1: Input should be less than"),
        (-1, "films.1: Input should be greater than or equal to 0"),
    ],
)
def test_unknown_films_are_refused(ada: Api, demo_film: Film, film: int, error: str) -> None:
    given = {"script": "a cat", "films": [demo_film.pk, film]}
    assert error in ada.post("/storyboards", given, 400)["error"]
    assert not Storyboard.objects.exists()


def test_a_given_length_goes_before_that_in_the_text(ada: Api, demo_film: Film) -> None:
    made = ada.post("/storyboards", {"script": "a cat (4 s)"})
    row = f"/storyboards/{made['token']}/rows/{made['rows'][0]['id']}"

    def patch(**given: Any) -> tuple[str, float]:
        changed = ada.patch(row, given)["rows"][0]
        return changed["text"], changed["seconds"]

    assert patch(text="a dog") == ("a dog", 4.0)
    assert patch(text="a cat (9 s)", seconds=2) == ("a cat", 2.0)
    assert patch(text="a dog (9 s)") == ("a dog", 9.0)
    assert patch(seconds=2.25) == ("a dog", 2.25)


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


def give_input(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))


def test_the_command_reads_standard_input(demo_film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    get_user_model().objects.create_user("ada")
    give_input(monkeypatch, "\ufeff一只猫".encode())
    out, _err = run("-", "--user", "ada")
    assert "  1  一只猫" in out
    give_input(monkeypatch, b"a cat \xff\xfe")
    with pytest.raises(CommandError, match="Standard input is not UTF-8 text"):
        run("-", "--user", "ada")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--name", "x" * 121], "name is too long: 121 characters"),
        (["--film", "999", "--board"], "cannot be searched: 999"),
    ],
)
def test_wrong_options_leave_no_storyboard(
    demo_film: Film, tmp_path: Any, options: list[str], message: str
) -> None:
    get_user_model().objects.create_user("ada")
    file = tmp_path / "script.txt"
    file.write_text("a cat", encoding="utf-8")
    with pytest.raises(CommandError, match=message):
        run(str(file), "--user", "ada", *options)
    assert not Storyboard.objects.exists()


def test_the_command_says_what_is_left_out(demo_film: Film, tmp_path: Any) -> None:
    get_user_model().objects.create_user("ada")
    file = tmp_path / "script.txt"
    file.write_text("a cat\n-dog\n", encoding="utf-8")
    _out, err = run(str(file), "--user", "ada", "--board")
    assert "Left out, since they have no scene: lines 2" in err
