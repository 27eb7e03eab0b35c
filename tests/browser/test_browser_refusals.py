"""How the browser shows files that are not films."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from gallery.films.models import Film
from tests.browsing import Gate, log_in
from tests.processes import Web

TIMEOUT = 120_000  # milliseconds


@pytest.mark.usefixtures("worker")
def test_the_admin_says_why_a_file_is_not_a_film(
    web_server: Web, tab: Page, tmp_path: Path
) -> None:
    text = tmp_path / "diary.mp4"
    text.write_text("Dear diary, this is no film.\n" * 50)
    log_in(tab, web_server.url)
    tab.goto(f"{web_server.url}/admin/gallery/film/add/")
    tab.set_input_files("input[type=file]", text)
    tab.click("[name=_save]")
    expect(tab).to_have_url(re.compile("/admin/gallery/film/$"), timeout=TIMEOUT)
    row = tab.locator("#result_list tbody tr").first
    expect(row).to_contain_text("failed", timeout=TIMEOUT)
    expect(row).to_contain_text("This file is damaged or not a video.")
    film = Film.objects.get()
    assert film.error
    assert film.error in row.inner_text()


def test_an_upload_with_errors_keeps_the_file_and_can_be_cancelled(
    web_server: Web, tab: Page, tmp_path: Path
) -> None:
    film = tmp_path / "Rain.2019.mp4"
    film.write_bytes(bytes(3_000_000))
    log_in(tab, web_server.url)
    tab.goto(f"{web_server.url}/admin/gallery/film/add/")
    tab.set_input_files("#id_file", film)
    tab.fill("#id_title", "Drizzle")
    tab.evaluate("document.querySelector('#id_year').type = 'text'")
    tab.fill("#id_year", "soon")
    tab.click("[name=_save]")
    expect(tab.locator(".errornote")).to_be_visible()
    expect(tab.locator(".field-year .errorlist")).to_be_visible()
    expect(tab.locator(".film-upload")).to_be_hidden()
    expect(tab.locator("#id_title")).to_have_value("Drizzle")
    assert tab.evaluate("document.querySelector('#id_file').files[0].name") == film.name

    tab.fill("#id_year", "2019")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 100_000}
    network = tab.context.new_cdp_session(tab)
    network.send("Network.emulateNetworkConditions", slow)
    tab.click("[name=_save]")
    message = tab.locator(".film-upload-said")
    expect(message).to_contain_text(re.compile(r"of 3 MB, \d+ %"))
    expect(tab.locator("[name=_save]")).to_be_disabled()
    tab.click(".film-upload-stop")
    expect(message).to_have_text("Upload cancelled.")
    expect(tab.locator("[name=_save]")).to_be_enabled()

    network.send("Network.emulateNetworkConditions", {**slow, "offline": True})
    tab.click("[name=_save]")
    expect(message).to_contain_text("The connection was lost and nothing was saved.")
    network.send("Network.emulateNetworkConditions", {**slow, "uploadThroughput": -1})
    tab.context.clear_cookies()
    tab.click("[name=_save]")
    expect(message).to_contain_text("The server did not accept the film")
    assert not Film.objects.exists()


def test_a_guess_does_not_disturb_who_is_about_to_type(
    web_server: Web, tab: Page, tmp_path: Path
) -> None:
    film = tmp_path / "Rain.2019.mp4"
    film.write_bytes(bytes(1000))
    log_in(tab, web_server.url)
    tab.goto(f"{web_server.url}/admin/gallery/film/add/")
    gate = Gate(tab, "**/guess/*")
    tab.set_input_files("#id_file", film)
    tab.focus("#id_title")
    gate.open()
    expect(tab.locator("#id_year")).to_have_value("2019")
    tab.keyboard.type("Drizzle")
    expect(tab.locator("#id_title")).to_have_value("Drizzle")
