"""Labels in the admin without a script: preview, threshold, permissions."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from gallery.films.models import Film
from gallery.index import frame_index
from gallery.labels import jobs, scoring
from gallery.labels import survey as label_survey
from gallery.labels.models import Label
from gallery.search import baseline
from tests.importing import queue_client

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "only-for-these-tests"
LIST = "/admin/gallery/label/"
ADD = f"{LIST}add/"
LOOK = f"{LIST}look/"


@pytest.fixture
def staff(static_files: None, redis_server: Any, transactional_db: None) -> Iterator[Client]:
    """An administrator, logged in."""
    baseline._cache.clear()
    label_survey._survey.cache_clear()
    get_user_model().objects.create_superuser("admin", "admin@example.org", PASSWORD)
    client = Client()
    assert client.login(username="admin", password=PASSWORD)
    yield client
    Label.objects.all().delete()


def text(response: Any) -> str:
    content: str = response.content.decode()
    return content


def read_threshold(page: str) -> float:
    found = re.search(r'name="threshold" value="([^"]*)"', page)
    assert found, page
    return float(found[1])


def read_examples(page: str) -> dict[bool, list[tuple[float, int]]]:
    """The examples above (True) and below the threshold: score and second."""
    found: dict[bool, list[tuple[float, int]]] = {True: [], False: []}
    for group in re.findall(r'<ol class="label-examples(.*?)</ol>', page, re.DOTALL):
        carries = not group.startswith(" outside")
        scores = re.findall(r'class="label-score">([^<]*)<', group)
        seconds = re.findall(r"/frames/(\d+)/", group)
        found[carries] += [(float(a), int(b)) for a, b in zip(scores, seconds, strict=True)]
    return found


def compute_labels() -> None:
    for film_id in jobs.prepare():
        jobs.label_film(film_id)


def test_labels_need_a_login(page: Client) -> None:
    for address in (LIST, ADD, LOOK, f"{LIST}1/progress/"):
        response = page.get(address)
        assert response.status_code == 302
        assert response.url.startswith("/admin/login/")


def test_saving_without_a_threshold_uses_the_suggested_one(staff: Client, demo_film: Film) -> None:
    queue_client().delete("films-soon")
    response = staff.post(ADD, {"name": "Dogs", "prompts": " dog \n\n", "threshold": ""})
    assert response.status_code == 302, text(response)
    label = Label.objects.get()
    survey = label_survey.survey(["dog"])
    assert survey is not None
    assert label.prompts == "dog"
    assert label.threshold == pytest.approx(survey.suggestion(), abs=1e-3)
    assert scoring.levels_of(label) == survey.levels
    assert label.model == demo_film.model
    assert queue_client().llen("films-soon") == 1
    assert b"gallery.tasks.labels" in queue_client().lindex("films-soon", 0)
    compute_labels()
    assert [(t.name, t.shots) for t in scoring.count_shots()] == [("Dogs", 4)]


def test_a_preview_saves_nothing_and_keeps_the_input(staff: Client, demo_film: Film) -> None:
    page = text(
        staff.post(ADD, {"name": "Dogs & co", "prompts": "dog", "threshold": "", "_look": "1"})
    )
    assert not Label.objects.exists()
    assert 'value="Dogs &amp; co"' in page
    assert "errorlist" not in page
    assert "<strong>4 shots</strong> match" in page
    assert "in 1 film" in page
    assert "12.5 % of all shots" in " ".join(page.split())
    # The four dogs, best first; then the shots below the threshold, best first.
    seen = read_examples(page)
    assert len(seen[True]) == 4
    assert seen[True] == sorted(seen[True], reverse=True)
    assert seen[False] == sorted(seen[False], key=lambda one: -one[0])
    assert seen[True][-1][0] > read_threshold(page) > seen[False][0][0]


@pytest.mark.parametrize(("group", "place", "expected"), [(True, 2, 2), (False, 1, 6)])
def test_clicking_an_example_moves_the_threshold_past_it(
    group: bool, place: int, expected: int, staff: Client, demo_film: Film
) -> None:
    given = {"name": "Dogs", "prompts": "dog", "threshold": "1.4"}
    page = text(staff.post(ADD, {**given, "_look": "1"}))
    clicked = read_examples(page)[group][place]
    buttons = re.findall(r'<button name="_take" value="([^"]+)"[^>]*aria-label', page)
    at = [one for some in read_examples(page).values() for one in some].index(clicked)
    after = text(staff.post(ADD, {**given, "_take": buttons[at]}))
    assert read_threshold(after) == float(buttons[at])
    assert f"<strong>{expected} shots</strong>" in after
    assert (clicked in read_examples(after)[True]) is not group


def test_the_suggestion_is_offered_when_another_threshold_is_chosen(
    staff: Client, demo_film: Film
) -> None:
    page = text(staff.post(LOOK, {"prompts": "dog", "threshold": "0.5"}))
    assert "Use the suggested threshold" in page
    assert 'hx-swap-oob="true"' in page
    assert "<html" not in page
    assert "Use the suggested" not in text(staff.post(LOOK, {"prompts": "dog", "threshold": ""}))


def test_the_best_matches_are_shown_when_there_are_many(staff: Client, demo_film: Film) -> None:
    page = text(staff.post(LOOK, {"prompts": "dog", "threshold": "-0.5"}))
    assert "Best matches" in page
    assert "Best matches" not in text(staff.post(LOOK, {"prompts": "dog", "threshold": "1.4"}))
    everything = text(staff.post(LOOK, {"prompts": "dog", "threshold": "-20"}))
    assert "Every shot matches." in everything
    assert "<strong>32 shots</strong>" in everything
    nothing = text(staff.post(LOOK, {"prompts": "dog", "threshold": "40"}))
    assert "No shot reaches the threshold." in nothing


def test_the_histogram_colours_the_matching_shots(staff: Client, demo_film: Film) -> None:
    page = text(staff.post(LOOK, {"prompts": "dog", "threshold": "1.4"}))
    bars = re.findall(r'<rect x="([\d.]+)"[^>]*?( class="carries")?/>', page)
    line = re.search(r'<line x1="([\d.]+)"', page)
    assert line
    assert bars
    for x, carries in bars:
        assert (float(x) + 5 >= float(line[1])) is bool(carries)


def test_missing_input_is_reported(staff: Client, demo_film: Film) -> None:
    empty = text(staff.post(ADD, {"name": "", "prompts": " ", "threshold": "x"}))
    assert empty.count("errorlist") >= 3
    many = "\n".join(f"prompt {n}" for n in range(scoring.MAX_PROMPTS + 1))
    assert "Enter at most 20 prompts" in text(staff.post(ADD, {"name": "a", "prompts": many}))
    long = "x" * (settings.MAX_QUERY_CHARACTERS + 1)
    assert "at most 500 characters" in text(staff.post(ADD, {"name": "a", "prompts": long}))
    Label.objects.create(name="Dogs", prompts="dog")
    assert "already exists" in text(staff.post(ADD, {"name": "Dogs", "prompts": "dog"}))


@pytest.mark.parametrize("number", ["nan", "inf", "1e9", "x", "1.2.3"])
def test_a_threshold_must_be_a_number(number: str, staff: Client, demo_film: Film) -> None:
    page = staff.post(LOOK, {"prompts": "dog", "threshold": number, "label": "x" * 30})
    assert page.status_code == 200
    assert "<strong>4 shots</strong>" in text(page)
    assert staff.post(ADD, {"name": "a", "prompts": "dog", "threshold": number}).status_code == 200


def test_without_films_a_threshold_must_be_given(staff: Client) -> None:
    assert "Import a film" in text(staff.post(LOOK, {"prompts": "dog"}))
    assert "Import a film" in text(staff.post(ADD, {"name": "Dogs", "prompts": "dog"}))
    assert staff.post(ADD, {"name": "Dogs", "prompts": "dog", "threshold": "2"}).status_code == 302
    assert "waiting for the first film" in text(staff.get(LIST))


def test_a_label_can_be_saved_without_the_index(
    staff: Client, demo_film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as away:
        away.setattr(settings, "REDIS_URL", "unix:///nowhere/redis.sock?db=0")
        assert "cannot be reached" in text(staff.post(LOOK, {"prompts": "dog"}))
        sent = {"name": "Dogs", "prompts": "dog", "threshold": "1.4"}
        assert staff.post(ADD, sent).status_code == 302
    label = Label.objects.get()
    assert label.scale == {}
    compute_labels()
    label.refresh_from_db()
    assert label.applied is not None
    assert [(t.name, t.shots) for t in scoring.count_shots()] == [("Dogs", 4)]


def test_the_list_shows_matches_and_progress_of_a_label(staff: Client, demo_film: Film) -> None:
    staff.post(ADD, {"name": "Dogs", "prompts": "dog\n狗", "threshold": ""})
    label = Label.objects.get()
    before = text(staff.get(LIST))
    assert "computing" in before
    assert "0 of 1 films" in before
    assert "every 2s" in before
    assert "dog · 狗" in before
    compute_labels()
    after = text(staff.get(f"{LIST}{label.pk}/progress/"))
    assert "<strong>4 shots</strong> in 1 film" in " ".join(after.split())
    assert "every 2s" not in after
    assert "<html" not in after
    label.delete()
    assert text(staff.get(f"{LIST}{label.pk or 99}/progress/")) == ""


def test_the_change_page_shows_the_saved_examples(staff: Client, demo_film: Film) -> None:
    staff.post(ADD, {"name": "Dogs", "prompts": "dog", "threshold": "1.4"})
    compute_labels()
    label = Label.objects.get()
    address = f"{LIST}{label.pk}/change/"
    page = text(staff.get(address))
    assert read_threshold(page) == 1.4
    assert "<strong>4 shots</strong>" in page
    # Only its name changes: nothing is recomputed.
    staff.post(address, {"name": "Good dogs", "prompts": "dog", "threshold": "1.4"})
    label.refresh_from_db()
    assert (label.name, label.applied is None) == ("Good dogs", False)
    staff.post(address, {"name": "Dogs", "prompts": "dog\ncat", "threshold": ""})
    label.refresh_from_db()
    assert label.applied is None
    assert set(scoring.levels_of(label) or ()) == {"dog", "cat"}


def test_a_new_model_asks_for_another_preview(staff: Client, demo_film: Film) -> None:
    staff.post(ADD, {"name": "Dogs", "prompts": "dog", "threshold": "1.4"})
    label = Label.objects.get()
    assert "another model" not in text(staff.get(LIST))
    Label.objects.update(model="another")
    assert "chosen with another model" in text(staff.get(LIST))
    address = f"{LIST}{label.pk}/change/"
    assert "chosen with another model" in text(staff.get(address))
    staff.post(address, {"name": "Dogs", "prompts": "dog", "threshold": "1.4"})
    assert "another model" not in text(staff.get(LIST))


def test_deleting_a_label_removes_it_from_the_index(staff: Client, demo_film: Film) -> None:
    staff.post(ADD, {"name": "Dogs", "prompts": "dog", "threshold": ""})
    compute_labels()
    number = Label.objects.get().pk
    here = frame_index.current()
    keys = here.client.keys(f"{here.prefix}:{{{demo_film.pk}}}:*")
    assert any(here.client.hget(key, "labels") for key in keys)
    staff.post(f"{LIST}{number}/delete/", {"post": "yes"})
    compute_labels()
    assert not any(here.client.hget(key, "labels") for key in keys)


@pytest.mark.parametrize(("right", "may_look"), [("view_label", False), ("change_label", True)])
def test_permissions_for_labels(right: str, may_look: bool, page: Client, demo_film: Film) -> None:
    label = Label.objects.create(name="Dogs", prompts="dog", threshold=1.4)
    user = get_user_model().objects.create_user("helper", password=PASSWORD, is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename=right))
    page.login(username="helper", password=PASSWORD)
    assert page.get(LIST).status_code == 200
    shown = text(page.get(f"{LIST}{label.pk}/change/"))
    assert ('id="label-look"' in shown) is may_look
    assert (page.post(LOOK, {"prompts": "dog"}).status_code == 200) is may_look
    sent = {"name": "x", "prompts": "dog", "threshold": "1", "_look": "1"}
    assert (page.post(f"{LIST}{label.pk}/change/", sent).status_code == 200) is may_look
    assert page.post(ADD, sent).status_code == 403
    Label.objects.all().delete()
