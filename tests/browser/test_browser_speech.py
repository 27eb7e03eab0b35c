"""Speech: recognized by a worker of its own, searched, shown as subtitles, and quoted."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from gallery.films.models import Film
from gallery.transcripts import dialogue, listening
from tests.browser.test_browser_subtitles import find_violations
from tests.browsing import log_in
from tests.processes import Web, Worker, wait_for
from tests.spoken import ENGLISH, make_speech_model, make_spoken_films

TIMEOUT = 120_000  # milliseconds
LINE = ENGLISH[1].text  # "Nobody knows where the captain went."


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The films in which somebody speaks, and the folder of the model."""
    folder = tmp_path_factory.mktemp("spoken")
    films = make_spoken_films(folder)
    return {**films, "model": make_speech_model(films, folder)}


@pytest.fixture(scope="module")
def _worker_of_module(
    _redis_session: str,
    django_db_setup: None,
    tmp_path_factory: pytest.TempPathFactory,
    spoken: dict[str, Path],
) -> Iterator[Worker]:
    """The worker that imports; another one recognizes speech, as with `make run`."""
    folder, model = tmp_path_factory.mktemp("worker"), str(spoken["model"])
    imports = Worker(folder, SPEECH_MODEL=model)
    listens = Worker(folder, "speech", SPEECH_MODEL=model)
    listens.arguments.remove("-B")
    listens.arguments.append("--queues=films-speech")
    for process in (imports, listens):
        process.start()
    yield imports
    for process in (imports, listens):
        process.stop()


@pytest.mark.usefixtures("worker")
def test_a_spoken_line_is_found_shown_and_quoted(
    web_server: Web, tab: Page, errors: list[str], spoken: dict[str, Path]
) -> None:
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    log_in(tab, web_server.url)
    tab.goto(f"{web_server.url}/admin/gallery/film/add/")
    tab.set_input_files("#id_file", spoken["en"])
    tab.fill("#id_title", "The Boat")
    tab.click("[name=_save]")
    expect(tab.locator("#result_list tbody tr")).to_contain_text("ready", timeout=TIMEOUT)
    wait_for(lambda: Film.objects.get().speech_version == listening.VERSION, timeout=120)
    film = Film.objects.get()
    wait_for(lambda: dialogue.is_current(film.pk))

    # Search a word of it among what is said.
    tab.goto(web_server.url)
    tab.fill("#q", "captain")
    tab.keyboard.press("Enter")
    tab.locator("#in-said").click()
    hit = tab.locator(".hits .card").first
    expect(hit.locator(".line")).to_have_text(LINE)
    expect(hit.locator(".line mark")).to_have_text("captain")

    # Open the hit, and copy the line.
    hit.locator(".shown").click()
    entry = tab.locator(".said li.is-found")
    expect(entry.locator("q")).to_have_text(LINE)
    entry.get_by_role("button").click()
    expect(entry.get_by_role("button")).to_have_text("Copied")
    assert tab.evaluate("navigator.clipboard.readText()") == LINE

    # The film's page says where the lines come from.
    tab.goto(f"{web_server.url}/films/{film.pk}/")
    expect(tab.locator(".transcript")).to_contain_text("Recognised by machine: words may be wrong.")
    assert find_violations(tab) == []
    with tab.expect_download() as started:
        tab.get_by_role("link", name="Download these lines").click()
    assert "NOTE speech: recognized speech" in started.value.path().read_text(encoding="utf-8")

    # The admin lists them, and offers to do it again.
    tab.goto(f"{web_server.url}/admin/gallery/film/{film.pk}/change/")
    expect(tab.locator("#subtitles-group")).to_contain_text(re.compile("recognised speech", re.I))
    assert find_violations(tab) == []
    assert errors == []
