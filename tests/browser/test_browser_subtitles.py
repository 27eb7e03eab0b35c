"""Subtitles: uploaded with a film from a phone, corrected on the film's page, and found."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from gallery.films.models import Film
from tests.browsing import PHONE, log_in
from tests.importing import import_here
from tests.lines import find_highlights, find_lines
from tests.processes import Web
from tests.unit.test_subtitles import srt

pytestmark = pytest.mark.django_db(transaction=True)
TIMEOUT = 30_000  # milliseconds


def find_violations(tab: Page) -> list[str]:
    """The serious and critical findings of axe on the page."""
    return [
        f"{find_lines['id']}: {find_lines['nodes'][0]['html']}"
        for find_lines in Axe().run(tab).response["violations"]
        if find_lines["impact"] in ("serious", "critical")
    ]


def test_subtitles_go_through_upload_search_and_player(
    web_server: Web,
    tab: Page,
    errors: list[str],
    make_video: Callable[..., Path],
    tmp_path: Path,
) -> None:
    film_file = make_video("a.mp4", seconds=3)
    english, chinese, broken = (tmp_path / name for name in ("a.en.srt", "a.zh.srt", "b.srt"))
    english.write_text(srt("Where did she go?", "My paws are freezing!"), "utf-8")
    chinese.write_text(srt("她去哪儿了？", "我的爪子都冻僵了！"), "gb18030")
    broken.write_text("nothing with a time")
    tab.set_viewport_size(PHONE)
    log_in(tab, web_server.url)

    # Unreadable subtitles do not cost the film.
    tab.goto(f"{web_server.url}/admin/gallery/film/add/")
    tab.set_input_files("#id_file", film_file)
    tab.set_input_files("#id_subtitles", [english, chinese, broken])
    tab.click("[name=_save]")
    expect(tab).to_have_url(re.compile("/admin/gallery/film/$"), timeout=TIMEOUT)
    refused = re.compile("b.srt were not added: No timed lines")
    expect(tab.locator(".messagelist")).to_contain_text(refused)
    expect(tab.locator(".messagelist")).to_contain_text("Subtitles a.en.srt: 2 lines, English.")
    expect(tab.locator(".messagelist")).to_contain_text("Subtitles a.zh.srt: 2 lines, Chinese.")
    film = import_here(Film.objects.get())
    assert film.state == Film.State.READY
    # The open list updates automatically.
    expect(tab.locator(".field-frame_count")).to_have_text("3", timeout=TIMEOUT)
    expect(tab.locator(".field-length")).to_have_text("0:03")
    expect(tab.locator(".field-picture img")).to_be_visible()
    (line,) = find_lines("爪子")
    assert find_highlights(line) == ["爪子"]

    # On the film's page: change a language, delete one; nothing overflows on the phone.
    tab.goto(f"{web_server.url}/admin/gallery/film/{film.pk}/change/")
    rows = tab.locator("#subtitles-group .has_original")
    expect(rows).to_have_count(2)
    assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    for row in rows.all():
        hide, delete = (
            row.locator(f"[name$={name}]").bounding_box() for name in ("is_hidden", "DELETE")
        )
        assert hide is not None
        assert delete is not None
        assert hide["x"] + hide["width"] <= delete["x"]
        assert delete["x"] + delete["width"] <= PHONE["width"]
        name = row.locator(".subtitles-name").bounding_box()
        assert name is not None
        assert 70 <= name["width"] <= hide["x"] - name["x"]
    assert find_violations(tab) == []
    rows.filter(has_text="a.zh.srt").locator("select").select_option("zh-Hans")
    rows.filter(has_text="a.en.srt").locator("[name$=DELETE]").check()
    tab.click("[name=_continue]")
    expect(rows).to_have_count(1, timeout=TIMEOUT)
    assert film.subtitles.get().language == "zh-Hans"
    assert find_lines("freezing paws") == []
    (line,) = find_lines("冻僵")
    assert line.language == "zh-Hans"
    assert errors == []
