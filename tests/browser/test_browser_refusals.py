"""What the browser shows of films that are none.

A file of its own, because each of these files has a web server of its own: the server remembers the
ids of content types, which are created again after every test.
"""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from gallery.films.models import Film
from tests.browsing import log_in
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
