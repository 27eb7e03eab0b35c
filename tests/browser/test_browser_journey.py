"""A user's whole journey through the product, in a real browser.

Nothing here may be skipped: without Chromium these tests fail.
"""

import json
import re
import shutil
from math import ceil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from gallery.films.models import Film
from tests.browsing import DESKTOP, PHONE, log_in
from tests.processes import Web, wait_for

DEMO_FILM = Path(__file__).resolve().parents[2] / "demo" / "film.mp4"
TITLE = "The Cat Who Borrowed a Rocket"
TIMEOUT = 120_000  # milliseconds


def match_right_frames(text: str) -> re.Pattern[str]:
    """Match the URLs of all frames that are right for a query of the ground truth."""
    truth = json.loads((DEMO_FILM.parent / "ground_truth.json").read_text(encoding="utf-8"))
    numbers = next(query["shots"] for query in truth["queries"] if query["text"] == text)
    seconds = [
        str(second)
        for shot in truth["shots"]
        if shot["number"] in numbers
        for second in range(ceil(shot["start"]), ceil(shot["end"]))
    ]
    return re.compile(rf"/films/\d+/frames/({'|'.join(seconds)})/")


def fits_window(page: Page) -> bool:
    """Whether nothing overflows the window to the right."""
    return bool(
        page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
    )


@pytest.mark.usefixtures("worker")
def test_the_whole_journey(web_server: Web, tab: Page, errors: list[str]) -> None:
    # Upload in the admin.
    log_in(tab, web_server.url)
    tab.goto(f"{web_server.url}/admin/gallery/film/add/")
    named = {"name": "Rain.2019.1080p.mkv", "mimeType": "video/x-matroska", "buffer": b"no film"}
    tab.set_input_files("#id_file", named)
    expect(tab.locator("#id_title")).to_have_value("Rain")
    expect(tab.locator("#id_year")).to_have_value("2019")
    tab.set_input_files("#id_file", DEMO_FILM)
    expect(tab.locator("#id_title")).to_have_value("film")
    expect(tab.locator("#id_year")).to_have_value("")
    tab.fill("#id_title", TITLE)
    tab.click("[name=_save]")
    expect(tab).to_have_url(re.compile("/admin/gallery/film/$"), timeout=TIMEOUT)

    # Wait for the end of the import without touching the page.
    row = tab.locator("#result_list tbody tr").first
    expect(row).to_contain_text(TITLE)
    expect(row).to_contain_text("ready", timeout=TIMEOUT)
    film = Film.objects.get()
    assert film.title == TITLE
    assert film.frame_count > 100

    # Search by words, in English.
    tab.goto(web_server.url)
    tab.fill("#q", "an astronaut at night")
    tab.keyboard.press("Enter")
    first = tab.locator(".hits li").first
    expect(first.locator(".shown")).to_have_attribute(
        "href", match_right_frames("an astronaut at night")
    )
    expect(tab).to_have_url(re.compile(r"q=an\+astronaut\+at\+night"))

    # And in Chinese.
    tab.fill("input[name=q]", "一个微笑的男人在挥手")
    tab.keyboard.press("Enter")
    expect(tab.locator("h1")).to_have_text("一个微笑的男人在挥手")
    right = match_right_frames("一个微笑的男人在挥手")
    expect(tab.locator(".hits li").first.locator(".shown")).to_have_attribute("href", right)

    # Click the hit: the frame, its neighbours, similar frames.
    tab.locator(".hits .shown").first.click()
    expect(tab).to_have_url(right)
    still = tab.locator(".screen > .poster")
    expect(still).to_be_visible()
    # The content security policy forbids wait_for_function, so poll until it is loaded.
    assert wait_for(lambda: tab.evaluate("document.querySelector('.poster').naturalWidth")) == 640
    assert 5 <= tab.locator(".strip a").count() <= 9
    assert tab.locator("ul.hits li").count() == 12

    # Ask how probable words are.
    tab.fill("#words", "dog, cat, night, astronaut, man, smiling, wave, smiling man wave")
    tab.click(".ask button")
    answers = tab.locator("#probabilities li")
    expect(answers).to_have_count(8)
    expect(answers.first).to_contain_text("smiling man wave")
    shares = [float(n) for n in re.findall(r"([\d.]+)\s?%", tab.inner_text("#probabilities ol"))]
    assert sum(shares[:8]) == pytest.approx(100, abs=1)
    assert errors == []


@pytest.fixture
def searchable(web_server: Web, demo_film: Film) -> Film:
    """The demo film, visible to the web server's process."""
    return demo_film


def test_a_dropped_picture_finds_its_scene(
    web_server: Web, searchable: Film, tab: Page, errors: list[str], tmp_path: Path
) -> None:
    picture = tmp_path / "screenshot.jpg"
    shutil.copy(searchable.files.run(searchable.searchable_run or 1).thumbnail(40), picture)
    tab.goto(web_server.url)
    tab.set_input_files("input[type=file]", picture)
    expect(tab).to_have_url(re.compile(r"picture=[0-9a-f]{32}"))
    expect(tab.locator(".hits .shown").first).to_have_attribute(
        "href", re.compile(f"^/films/{searchable.pk}/frames/40/")
    )
    assert errors == []


def test_more_hits_load_on_demand_and_the_url_can_be_shared(
    web_server: Web, searchable: Film, tab: Page
) -> None:
    tab.goto(f"{web_server.url}/?q=dog")
    hits = tab.locator(".hits > li:has(img)")
    expect(hits).to_have_count(24)
    tab.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(hits).to_have_count(searchable.shot_count)
    links = tab.locator(".hits li a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert len(set(links)) == len(links)


def test_pages_work_without_javascript(
    web_server: Web, searchable: Film, browser: Browser, tmp_path: Path
) -> None:
    context: BrowserContext = browser.new_context(java_script_enabled=False, locale="en")
    tab = context.new_page()
    tab.goto(web_server.url)
    tab.fill("#q", "a dog in the snow")
    tab.keyboard.press("Enter")
    tab.locator(".more a").click()
    assert "page=2" in tab.url
    assert tab.locator(".hits li img").count() == searchable.shot_count - 24
    tab.go_back()
    tab.locator(".hits li a").first.click()
    tab.fill("#words", "dog\ncat")
    tab.click(".ask button")
    expect(tab.locator("#probabilities")).to_contain_text("dog")
    picture = tmp_path / "p.jpg"
    shutil.copy(searchable.files.run(searchable.searchable_run or 1).thumbnail(40), picture)
    tab.goto(web_server.url)
    tab.set_input_files("input[type=file]", picture)
    tab.locator("form:has(input[type=file]) button").first.click()
    assert "picture=" in tab.url
    context.close()


@pytest.mark.parametrize("window", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_its_window(
    web_server: Web, searchable: Film, browser: Browser, window: dict[str, int], scheme: str
) -> None:
    context = browser.new_context(
        viewport={"width": window["width"], "height": window["height"]},
        color_scheme="dark" if scheme == "dark" else "light",
        locale="zh-CN",
    )
    tab = context.new_page()
    for path in ("/", "/?q=狗", "/films/", f"/films/{searchable.pk}/", "/nothing/",
                 f"/films/{searchable.pk}/frames/12/?words=狗,猫"):  # fmt: skip
        tab.goto(web_server.url + path)
        assert tab.locator("html").get_attribute("lang") == "zh-Hans"
        assert fits_window(tab), path
        broken = tab.evaluate(
            "[...document.images].map(i => i.complete && !i.naturalWidth && i.src).filter(Boolean)"
        )
        assert broken == [], path
    context.close()


def test_a_scene_can_be_opened_by_keyboard(web_server: Web, searchable: Film, tab: Page) -> None:
    tab.goto(f"{web_server.url}/films/{searchable.pk}/")
    tab.keyboard.press("/")
    expect(tab.locator("input[name=q]").first).to_be_focused()
    tab.keyboard.type("cat")
    tab.keyboard.press("Enter")
    expect(tab.locator(".hits li").first).to_be_visible()
    tab.locator(".hits li a").first.focus()
    tab.keyboard.press("Enter")
    expect(tab.locator(".screen > .poster")).to_be_visible()


def test_the_language_is_a_click_away(web_server: Web, searchable: Film, tab: Page) -> None:
    tab.goto(f"{web_server.url}/films/{searchable.pk}/")
    tab.get_by_role("button", name="中").click()
    expect(tab.locator("html")).to_have_attribute("lang", "zh-Hans")
    assert tab.url.endswith(f"/films/{searchable.pk}/")


def test_the_footer_names_the_demo_model(web_server: Web, searchable: Film, tab: Page) -> None:
    for path in ("/", f"/films/{searchable.pk}/", "/?q=cat"):
        tab.goto(web_server.url + path)
        expect(tab.locator("footer")).to_contain_text("Demo model")
