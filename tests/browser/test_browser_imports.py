"""Several films in one upload, and what visitors see of films that are not ready yet."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from gallery.films.models import Film
from gallery.importing.models import Segment, ShotDetection
from gallery.media import shots
from tests.browsing import log_in
from tests.processes import Web

pytestmark = pytest.mark.django_db(transaction=True)
ADD = "/admin/gallery/film/add/"


def test_several_films_are_uploaded_each_with_its_title_and_progress(
    web_server: Web, tab: Page, make_video: Callable[..., Path], tmp_path: Path, errors: list[str]
) -> None:
    rain = make_video("The.Town.That.Rain.Forgot.2019.1080p.mkv", seconds=1)
    snow = make_video("The.Town.mp4", seconds=2)
    empty = tmp_path / "empty.mp4"
    empty.touch()
    subtitles = [tmp_path / f"{path.stem}.en.srt" for path in (rain, snow)]
    for path in subtitles:
        path.write_text(f"1\n00:00:00,000 --> 00:00:01,000\n{path.name}\n")
    log_in(tab, web_server.url)
    tab.goto(f"{web_server.url}{ADD}")
    tab.set_input_files("#id_file", [rain, snow, empty])
    tab.set_input_files("#id_subtitles", subtitles)
    rows = tab.locator(".film-queue li")
    expect(rows).to_have_count(3)
    title, year = rows.first.locator("[data-field=title]"), rows.first.locator("[data-field=year]")
    expect(title).to_have_value("The Town That Rain Forgot")
    expect(year).to_have_value("2019")
    expect(tab.locator("#id_title")).to_be_hidden()
    rows.nth(1).locator("[data-field=title]").fill("Snow White")
    assert Axe().run(tab, context="#film_form").violations_count == 0

    # One is refused; the others are kept, and it can be removed.
    tab.click("[name=_save]")
    expect(rows.nth(2)).to_contain_text("The file is empty.")
    expect(rows.nth(0)).to_contain_text("Uploaded.")
    films = Film.objects.order_by("pk")
    assert [(film.title, film.year) for film in films] == [
        ("The Town That Rain Forgot", 2019), ("Snow White", None),
    ]  # fmt: skip
    # Subtitles go to the film with the longest name that theirs begins with.
    names = [[row.original_name for row in film.subtitles.all()] for film in films]
    assert names == [[path.name] for path in subtitles]
    tab.click("[name=_save]")
    expect(rows.nth(2)).to_contain_text("The file is empty.")
    assert Film.objects.count() == 2
    assert not errors


def test_dropped_files_go_to_their_fields(web_server: Web, tab: Page) -> None:
    log_in(tab, web_server.url)
    tab.goto(f"{web_server.url}{ADD}")
    tab.evaluate(
        """() => {
          const data = new DataTransfer();
          for (const name of ["a.mp4", "b.mkv", "a.en.srt"]) data.items.add(new File(["x"], name));
          document.body.dispatchEvent(
            new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }"""
    )
    expect(tab.locator(".film-queue li")).to_have_count(2)
    assert tab.evaluate("[...document.querySelector('#id_subtitles').files].map(f => f.name)") == [
        "a.en.srt"
    ]
    tab.locator(".film-queue li").first.get_by_role("button", name="Remove").click()
    expect(tab.locator(".film-queue")).to_be_hidden()
    expect(tab.locator("#id_title")).to_be_visible()


def test_an_import_is_followed_until_its_film_can_be_searched(
    web_server: Web, tab: Page, demo_film: Film
) -> None:
    coming = Film.objects.create(title="Coming soon", sha256="x", state=Film.State.IMPORTING)
    segment = Segment.objects.create(
        film=coming, run=1, number=0, start=0, end=100, frames_expected=100, frames_done=25
    )
    tab.goto(web_server.url)
    shown = tab.locator(f"#import-{coming.pk}")
    expect(shown).to_contain_text(re.compile(r"25\s%"))
    Segment.objects.filter(pk=segment.pk).update(frames_done=50)
    expect(shown).to_contain_text(re.compile(r"50\s%"))
    assert Axe().run(tab).violations_count == 0
    tab.goto(f"{web_server.url}/films/{coming.pk}/")
    expect(shown).to_contain_text(re.compile(r"50\s%"))
    assert Axe().run(tab).violations_count == 0
    # Its page becomes that of the film.
    Film.objects.filter(pk=coming.pk).update(state=Film.State.READY, searchable_run=1)
    expect(tab.get_by_role("heading", name="All shots")).to_be_visible()


def test_the_page_of_a_film_follows_a_background_job(
    web_server: Web, tab: Page, demo_film: Film, errors: list[str]
) -> None:
    film = Film.objects.filter(pk=demo_film.pk)
    film.update(shots_version="older")
    job = ShotDetection.objects.create(
        film=demo_film, run=demo_film.searchable_run, version=shots.VERSION,
        position=int(demo_film.duration * 0.4) + 1,
    )  # fmt: skip
    tab.goto(f"{web_server.url}/films/{demo_film.pk}/")
    activity = tab.locator(".film-head .facts [role=status]")
    expect(activity).to_have_text("Detecting shots: 40%")
    # The page stays as it is: a search in the film is not lost.
    tab.fill("#in-film", "a dog in the snow")
    job.update(position=int(demo_film.duration * 0.8) + 1)
    expect(activity).to_have_text("Detecting shots: 80%", timeout=20_000)
    film.update(shots_version=shots.VERSION)
    expect(activity).to_have_text("Done: show the result", timeout=20_000)
    expect(tab.locator("#in-film")).to_have_value("a dog in the snow")
    assert not errors
