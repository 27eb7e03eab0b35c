"""Selecting several scenes in a real browser, and what is done with them."""

import re
import time
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from gallery.boards.models import Board, Export
from gallery.films.models import Film
from tests.browsing import DESKTOP, PHONE
from tests.processes import Web

pytestmark = pytest.mark.django_db(transaction=True)


def open_results(tab: Page, web: Web) -> None:
    tab.goto(f"{web.url}/?q=dog")
    expect(tab.locator(".hits .pick").first).to_be_attached()


def test_scenes_are_selected_by_keyboard_and_added_to_a_new_board(
    web_server: Web, demo_film: Film, tab: Page, errors: list[str]
) -> None:
    open_results(tab, web_server)
    bar, cards = tab.locator("#selection"), tab.locator(".hits .card")
    expect(bar).to_be_hidden()
    cards.first.locator("a").first.focus()
    tab.keyboard.press("x")
    expect(bar.get_by_role("status")).to_have_text("1 selected")
    tab.keyboard.press("Shift+ArrowRight")
    tab.keyboard.press("Shift+ArrowRight")
    expect(bar.get_by_role("status")).to_have_text("3 selected")
    expect(tab.locator(".is-selected")).to_have_count(3)
    assert not [v for v in Axe().run(tab).response["violations"] if v["impact"] != "minor"]
    tab.keyboard.press("?")
    expect(tab.locator("#keys")).to_contain_text("add them to a board")
    tab.keyboard.press("Escape")
    tab.keyboard.press("c")
    expect(tab.locator("#chooser")).to_contain_text("Add 3 scenes to a board")
    tab.fill("#new-board", "Dogs")
    tab.keyboard.press("Enter")
    expect(tab.locator("#toast")).to_contain_text("Saved 3 scenes to Dogs")
    expect(tab.locator("#chooser")).to_be_hidden()
    expect(bar).to_be_hidden()
    expect(cards.first.locator(".collect")).to_have_class(re.compile("is-collected"))
    assert Board.objects.get().scenes.count() == 3
    # Esc clears a selection before it goes back.
    cards.first.locator("a").first.focus()
    tab.keyboard.press("x")
    tab.keyboard.press("Escape")
    expect(bar).to_be_hidden()
    assert "q=dog" in tab.url
    assert errors == []


def test_a_double_click_creates_one_board(
    web_server: Web, demo_film: Film, tab: Page, errors: list[str]
) -> None:
    tab.route("**/boards/**", _answer_late)
    open_results(tab, web_server)
    bar, cards = tab.locator("#selection"), tab.locator(".hits .card")
    cards.first.hover()
    cards.first.locator(".pick").click()
    bar.get_by_role("button", name="Add to board").click()
    tab.fill("#new-board", "Dogs")
    tab.locator("#chooser").get_by_role("button", name="Create and add").dblclick()
    expect(tab.locator("#toast")).to_contain_text("Saved 1 scene to Dogs")
    expect(tab.locator("#chooser")).to_be_hidden()

    # A download makes a board, too.
    cards.nth(1).hover()
    cards.nth(1).locator(".pick").click()
    bar.get_by_role("button", name="Download").dblclick()
    expect(tab).to_have_url(re.compile("/boards/."))
    tab.goto(f"{web_server.url}/boards/")
    tab.fill("[name=name]", "Cats")
    tab.locator(".new-board button").dblclick()
    expect(tab).to_have_url(re.compile("/boards/."))

    # The dialog of one scene.
    open_results(tab, web_server)
    cards.first.hover()
    tab.goto(tab.locator(".hits .card a").first.evaluate("link => link.href"))
    tab.locator(".collect-button").first.click()
    tab.get_by_role("button", name="Change board").or_(
        tab.get_by_role("link", name="Change board")
    ).first.click()
    tab.fill("#new-board", "Birds")
    tab.locator("#new-board-button").dblclick()
    expect(tab.locator("#chooser")).to_contain_text("Birds")
    tab.wait_for_load_state("networkidle")
    names = [board.name for board in Board.objects.order_by("pk")]
    assert [name for name in names if not name.startswith("Selection")] == ["Dogs", "Cats", "Birds"]
    assert len(names) == 4
    assert errors == []


def _answer_late(route: Route) -> None:
    """Pass a request on after a double click can have ended."""
    time.sleep(0.3)
    route.continue_()


def test_the_mouse_selects_single_scenes_and_ranges_that_survive_more_results(
    web_server: Web, demo_film: Film, tab: Page, errors: list[str]
) -> None:
    open_results(tab, web_server)
    cards, status = tab.locator(".hits .card"), tab.locator("#selection").get_by_role("status")
    cards.nth(0).hover()
    cards.nth(0).locator(".pick").click()
    cards.nth(3).locator("a").first.click(modifiers=["Shift"])
    expect(status).to_have_text("4 selected")
    cards.nth(1).locator("a").first.click()
    expect(status).to_have_text("3 selected")
    before = cards.count()
    tab.locator(".more").scroll_into_view_if_needed()  # it loads the next results
    expect(cards.nth(before)).to_be_attached()
    expect(status).to_have_text("3 selected")
    cards.nth(before).locator(".pick").click(force=True)
    expect(status).to_have_text("4 selected")
    tab.get_by_role("link", name="More like these").click()
    expect(tab.locator(".parts .part.is-frame")).to_have_count(4)
    assert errors == []


def test_a_long_press_selects_on_a_phone_and_downloads_make_a_board(
    web_server: Web, demo_film: Film, browser: Browser
) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True, locale="en-GB")
    tab = context.new_page()
    open_results(tab, web_server)
    first = tab.locator(".hits .shown").first
    box = first.bounding_box()
    assert box
    client = context.new_cdp_session(tab)
    point = {"x": box["x"] + 60, "y": box["y"] + 60}
    client.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
    expect(tab.locator("#selection").get_by_role("status")).to_have_text("1 selected")
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert "/frames/" not in tab.url
    assert first.evaluate("one => getComputedStyle(one, '::before').display") == "none"  # the loop
    # While something is selected, a tap selects.
    tab.locator(".hits .shown").nth(2).tap()
    expect(tab.locator("#selection").get_by_role("status")).to_have_text("2 selected")
    wide = "document.documentElement.scrollWidth - innerWidth"
    assert tab.evaluate(wide) <= 0
    tab.get_by_role("button", name="Download").tap()
    expect(tab.locator("h1")).to_contain_text("Selection, ")
    assert Export.objects.get().total_count == 2
    context.close()


def test_keys_download_a_selection_and_search_for_more_like_it(
    web_server: Web, demo_film: Film, tab: Page, errors: list[str]
) -> None:
    open_results(tab, web_server)
    for key in ("m", "d"):
        tab.locator(".hits .card a").first.focus()
        tab.keyboard.press("x")
        tab.keyboard.press("Shift+ArrowRight")
        expect(tab.locator("#selection").get_by_role("status")).to_have_text("2 selected")
        tab.keyboard.press(key)
        if key == "m":
            expect(tab.locator(".parts .part.is-frame")).to_have_count(2)
            expect(tab.locator(".hits .pick").first).to_be_attached()
    expect(tab.locator("h1")).to_contain_text("Selection, ")
    assert Export.objects.get().total_count == 2
    assert errors == []


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_a_scene_plays_its_frames_while_it_is_pointed_at(
    web_server: Web, demo_film: Film, browser: Browser, motion: Literal["no-preference", "reduce"]
) -> None:
    context = browser.new_context(viewport=DESKTOP, reduced_motion=motion)
    tab = context.new_page()
    open_results(tab, web_server)
    card = tab.locator(".hits .card").first
    playing = card.locator("img.playing")
    before = card.bounding_box()
    card.locator("a").first.hover()
    if motion == "reduce":
        tab.wait_for_timeout(1000)
        expect(playing).to_have_count(0)
    else:
        expect(playing).to_be_visible()
        shown = str(playing.get_attribute("src"))
        expect(playing).not_to_have_attribute("src", shown)
        assert card.bounding_box() == before
        tab.mouse.move(0, 0)
        expect(playing).to_have_count(0)
    context.close()
