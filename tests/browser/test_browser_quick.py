"""Users who are faster than the server: no Enter is lost, none reloads the page."""

import pytest
from playwright.sync_api import Page, expect

from gallery.boards.models import Board
from gallery.films.models import Film
from tests.browser.test_browser_boards import collect_hits, list_starts, open_board
from tests.browsing import Gate
from tests.processes import Web, wait_for

pytestmark = pytest.mark.django_db(transaction=True)

# Submits the form for a new board as soon as it is in the dialog.
SUBMIT_AT_ONCE = """() => {
  window.samePage = true;
  const chooser = document.querySelector("#chooser");
  const seen = new MutationObserver(() => {
    const field = chooser.querySelector("#new-board");
    if (!field) return;
    seen.disconnect();
    field.value = "Dogs";
    field.form.requestSubmit();
  });
  seen.observe(chooser, { childList: true, subtree: true });
}"""


def test_a_form_in_a_swapped_part_is_ready_when_it_is_there(
    web_server: Web, demo_film: Film, tab: Page, errors: list[str]
) -> None:
    collect_hits(tab, web_server, 1)
    tab.evaluate(SUBMIT_AT_ONCE)
    tab.locator("#toast").get_by_role("link", name="Change board").click()
    chooser = tab.locator("#chooser")
    expect(chooser.get_by_role("button", name="Dogs")).to_have_attribute("aria-pressed", "true")
    assert tab.evaluate("window.samePage")
    assert errors == []


def test_a_button_pressed_twice_acts_twice(
    web_server: Web, demo_film: Film, tab: Page, errors: list[str]
) -> None:
    collect_hits(tab, web_server, 4)
    board = open_board(tab, web_server)
    first = list_starts(board)
    gate = Gate(tab, "**/place/**")
    tab.locator(".board-scene").first.get_by_role("button", name="later").focus()
    tab.keyboard.press("Enter")
    tab.keyboard.press("Enter")
    wait_for(lambda: tab.evaluate("1") and gate.held)
    gate.open()
    expect(tab.locator("#board-status")).to_have_text("Moved to position 3 of 4")
    assert list_starts(board) == [first[1], first[2], first[0], first[3]]
    assert errors == []


def test_naming_a_new_board_creates_it_although_another_is_chosen(
    web_server: Web, demo_film: Film, tab: Page, errors: list[str]
) -> None:
    collect_hits(tab, web_server, 1)
    tab.locator("#toast").get_by_role("link", name="Change board").click()
    chooser = tab.locator("#chooser")
    gate = Gate(tab, "**/boards/**")
    chooser.get_by_role("button", name="My scenes").click()
    chooser.get_by_label("New board name").fill("Dogs")
    tab.keyboard.press("Enter")
    wait_for(lambda: tab.evaluate("1") and gate.held)
    gate.open()
    expect(chooser.get_by_role("button", name="Dogs")).to_have_attribute("aria-pressed", "true")
    assert {b.name: b.scenes.count() for b in Board.objects.all()} == {"My scenes": 0, "Dogs": 1}
    assert errors == []


def test_a_late_response_does_not_overwrite_the_next_search(
    web_server: Web, demo_film: Film, tab: Page, errors: list[str]
) -> None:
    tab.goto(f"{web_server.url}/?q=a+dog")
    gate = Gate(tab, "**/?q=cat")
    tab.fill("#q", "cat")
    tab.keyboard.press("Enter")
    tab.keyboard.press("Control+a")
    tab.keyboard.type("a bo")
    wait_for(lambda: tab.evaluate("1") and gate.held)
    gate.open()
    expect(tab).to_have_url(f"{web_server.url}/?q=cat")
    expect(tab.locator(".waiting")).to_have_count(0)
    tab.keyboard.type("at")
    expect(tab.locator("#q")).to_have_value("a boat")
    tab.keyboard.press("Enter")
    expect(tab).to_have_url(f"{web_server.url}/?q=a+boat")
    assert errors == []
