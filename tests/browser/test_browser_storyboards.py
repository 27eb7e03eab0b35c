"""Storyboards in a real browser: rows fill in, keys choose, lines change, a board is saved."""

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import APIResponse, Browser, Locator, Page, Route, expect

from gallery.boards.models import Board
from gallery.films.models import Film
from gallery.storyboards.models import StoryboardRow
from tests.browsing import DESKTOP, PHONE
from tests.processes import Web, wait_for

pytestmark = pytest.mark.django_db(transaction=True)

SCRIPT = "1. a dog in the snow\n2. an astronaut (2 s)\n3. a dog in the snow\n4. 夜晚的月亮"
DOG, ASTRONAUT = "00:00:10:20", "00:01:35:16"


def open_storyboard(tab: Page, web: Web, script: str = SCRIPT) -> None:
    """Paste a script and wait until all its rows are searched."""
    tab.goto(f"{web.url}/boards/")
    tab.get_by_role("link", name="From a script").click()
    submit_script(tab, script)
    if tab.locator("html.script").count():
        expect(tab.locator(".row[data-search]")).to_have_count(0, timeout=30_000)


def start_storyboard(tab: Page, url: str, script: str) -> None:
    """Paste a script; its rows are being searched then."""
    tab.goto(f"{url}/storyboards/")
    submit_script(tab, script)


def submit_script(tab: Page, script: str) -> None:
    tab.get_by_label("Script").fill(script)
    tab.get_by_role("button", name="Find scenes").click()
    tab.wait_for_url(re.compile("/storyboards/[^/]+/"))


def time_of(row: Locator) -> Locator:
    return row.locator(".in-out span").first


def test_from_a_script_to_a_board(
    web_server: Web, demo_film: Film, tab: Page, errors: list[str]
) -> None:
    open_storyboard(tab, web_server)
    rows = tab.locator(".row")
    expect(rows).to_have_count(4)
    expect(time_of(rows.nth(0))).to_have_text(DOG)
    expect(rows.nth(0)).to_be_focused()
    expect(tab.locator("h1")).to_be_in_viewport()
    expect(rows.nth(1).locator(".row-seconds")).to_contain_text("2.0 s")
    expect(time_of(rows.nth(2))).not_to_have_text(DOG)

    # Keys: the next scene, which leaves the first to the other row; reject; the row below.
    rows.nth(0).locator(".row-shown").focus()
    tab.keyboard.press("ArrowRight")
    expect(time_of(rows.nth(0))).not_to_have_text(DOG)
    expect(rows.nth(0)).to_have_class(re.compile("is-locked"))
    expect(time_of(rows.nth(2))).to_have_text(DOG)
    tab.keyboard.press("ArrowLeft")
    expect(rows.nth(0).locator(".row-shown")).to_be_focused()
    tab.keyboard.press("l")
    expect(rows.nth(0)).not_to_have_class(re.compile("is-locked"))
    before = time_of(rows.nth(0)).inner_text()
    tab.keyboard.press("x")
    expect(time_of(rows.nth(0))).not_to_have_text(before)
    tab.keyboard.press("ArrowDown")
    expect(rows.nth(1).locator(".row-shown")).to_be_focused()

    # Words being typed into one row survive an answer that concerns another.
    draft = rows.nth(3).locator("textarea")
    draft.fill("a cat in a meadow (4 s)")
    assert StoryboardRow.objects.get(position=3).text == "夜晚的月亮"
    rows.nth(1).locator(".row-offers button").nth(2).dispatch_event("click")
    expect(rows.nth(1)).to_have_class(re.compile("is-locked"))
    expect(draft).to_have_value("a cat in a meadow (4 s)")
    draft.press("Enter")
    expect(draft).to_have_value("a cat in a meadow")
    expect(rows.nth(3).locator("input[type=number]")).to_have_value("4.0")

    rows.nth(2).get_by_role("button", name="Remove line").click()
    expect(rows).to_have_count(3)
    expect(rows.nth(2).locator("textarea")).to_be_focused()

    tab.locator("#play-all").click()
    expect(tab.locator(".player-note")).to_have_text("a dog in the snow")
    expect(tab.locator(".player-number")).to_have_text("1/3")
    tab.keyboard.press("Escape")

    times = [time_of(row).inner_text() for row in rows.all()]
    tab.get_by_role("button", name="Save as board").click()
    tab.wait_for_url(re.compile("/boards/[^/]+/"))
    scenes = tab.locator(".board-scene")
    expect(scenes).to_have_count(3)
    assert [time_of(scene).inner_text() for scene in scenes.all()] == times
    expect(scenes.nth(2).locator("textarea")).to_have_value("a cat in a meadow")
    assert Board.objects.get().name == "a dog in the snow"
    assert errors == []


def test_an_answer_that_comes_late_changes_nothing_newer(
    web_server: Web, demo_film: Film, tab: Page, errors: list[str]
) -> None:
    late: list[tuple[Route, APIResponse]] = []

    def hold_first(route: Route) -> None:
        if late:
            route.fulfill(response=route.fetch())
        else:
            late.append((route, route.fetch()))

    edits: list[str] = []
    tab.on("request", lambda sent: edits.append(sent.url) if "/edit/" in sent.url else None)
    tab.route("**/rows/*/search/", hold_first)
    start_storyboard(tab, web_server.url, "an astronaut")
    while not late:
        tab.wait_for_timeout(50)
    [(route, answer)] = late
    assert "in-out" in answer.text() and DOG not in answer.text()

    row = tab.locator(".row")
    draft = row.locator("textarea")
    draft.fill("a dog in the snow")
    draft.press("Enter")
    expect(time_of(row)).to_have_text(DOG)
    with tab.expect_response("**/rows/*/search/"):
        route.fulfill(response=answer)
    tab.wait_for_timeout(300)
    expect(time_of(row)).to_have_text(DOG)
    expect(draft).to_have_value("a dog in the snow")
    assert len(edits) == 1
    assert errors == []


def test_everything_works_without_javascript(
    web_server: Web, demo_film: Film, browser: Browser
) -> None:
    context = browser.new_context(viewport=DESKTOP, java_script_enabled=False)
    tab = context.new_page()
    open_storyboard(tab, web_server, "a dog in the snow\nan astronaut")
    tab.get_by_role("button", name="Find scenes for all lines").click()
    rows = tab.locator(".row")
    expect(time_of(rows.nth(0))).to_have_text(DOG)
    rows.nth(0).get_by_role("button", name="Next scene").click()
    expect(time_of(rows.nth(0))).not_to_have_text(DOG)
    rows.nth(1).get_by_role("textbox", name="Line 2").fill("a cat in a meadow")
    rows.nth(1).get_by_role("button", name="Search again").click()
    expect(time_of(rows.nth(1))).not_to_have_text(ASTRONAUT)
    tab.get_by_role("button", name="Save as board").click()
    expect(tab.locator(".board-scene")).to_have_count(2)
    context.close()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_window(
    web_server: Web, demo_film: Film, browser: Browser, size: dict[str, int], theme: str
) -> None:
    context = browser.new_context(viewport=size, color_scheme=theme, reduced_motion="reduce")
    tab = context.new_page()
    tab.goto(f"{web_server.url}/storyboards/")
    pages = [tab.url]
    open_storyboard(tab, web_server)
    tab.locator(".row .row-tools button:enabled").first.click()
    pages.append(tab.url)
    for address in pages:
        tab.goto(address)
        found = Axe().run(tab).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
    context.close()


def press_while_composing(field: Locator, key: str) -> None:
    """Press a key as an input method does: it belongs to the words being composed."""
    field.evaluate(
        """(field, key) => field.dispatchEvent(new KeyboardEvent("keydown", {
             key, isComposing: true, bubbles: true, cancelable: true }))""",
        key,
    )


def test_a_key_of_an_input_method_submits_nothing(
    web_server: Web, demo_film: Film, tab: Page, errors: list[str]
) -> None:
    open_storyboard(tab, web_server, "an astronaut")
    posts: list[str] = []
    tab.on("request", lambda sent: posts.append(sent.url) if sent.method == "POST" else None)
    field = tab.locator(".row textarea")
    field.fill("a dog ni")
    press_while_composing(field, "Enter")
    tab.wait_for_timeout(300)
    assert posts == []
    expect(field).to_be_focused()
    with tab.expect_response("**/edit/"):
        field.press("Enter")

    # On the search page an arrow would go from the box to the results.
    tab.goto(f"{web_server.url}/?q=dog")
    box = tab.get_by_role("searchbox").first
    box.focus()
    press_while_composing(box, "ArrowDown")
    expect(box).to_be_focused()
    box.press("ArrowDown")
    expect(box).not_to_be_focused()
    assert errors == []


def test_a_length_with_two_decimals_can_be_edited(
    web_server: Web, demo_film: Film, tab: Page, errors: list[str]
) -> None:
    open_storyboard(tab, web_server, "an astronaut (2.25 s)")
    row = tab.locator(".row")
    expect(row.locator("input[type=number]")).to_have_value("2.25")
    row.locator("textarea").fill("a dog in the snow")
    row.locator("textarea").press("Enter")
    expect(time_of(row)).to_have_text(DOG)
    row.locator("input[type=number]").fill("1.125")
    row.locator("input[type=number]").press("Enter")
    expect(row.locator("input[type=number]")).to_have_value("1.125")
    expect(row.locator(".row-seconds")).to_contain_text("1.1 s")
    assert StoryboardRow.objects.get().seconds == pytest.approx(1.125)
    assert errors == []


def test_words_typed_while_their_row_is_searched_stay(
    web_server: Web, demo_film: Film, tab: Page, errors: list[str]
) -> None:
    held: list[Route] = []
    tab.route("**/rows/*/search/", lambda route: held.append(route))  # noqa: PLW0108 - methods of C
    start_storyboard(tab, web_server.url, "a dog")
    row = tab.locator(".row")
    draft = row.locator("textarea")
    while not held:
        tab.wait_for_timeout(50)
    draft.press("End")
    draft.press_sequentially(" in the snow")
    held[0].continue_()
    expect(time_of(row)).to_be_visible()
    expect(draft).to_have_value("a dog in the snow")
    expect(draft).to_be_focused()
    # The cursor is where it was, too; and Enter searches for these words.
    draft.press_sequentially(" (2 s)")
    draft.press("Enter")
    expect(draft).to_have_value("a dog in the snow")
    expect(time_of(row)).to_have_text(DOG)
    expect(row.locator(".row-seconds")).to_contain_text("2.0 s")
    assert StoryboardRow.objects.get().text == "a dog in the snow"
    assert errors == []


def test_words_typed_after_enter_stay(web_server: Web, demo_film: Film, tab: Page) -> None:
    open_storyboard(tab, web_server, "an astronaut")
    held: list[Route] = []
    tab.route("**/edit/", lambda route: held.append(route))  # noqa: PLW0108 - methods of C
    row = tab.locator(".row")
    draft = row.locator("textarea")
    draft.fill("a dog in the snow (2 s)")
    draft.press("Enter")
    while not held:
        tab.wait_for_timeout(50)
    draft.fill("a dog in the snow at night")
    held.pop().continue_()
    expect(time_of(row)).to_have_text(DOG)
    expect(draft).to_have_value("a dog in the snow at night")
    expect(row.locator("input[type=number]")).to_have_value("2.0")
    draft.blur()
    while not held:
        tab.wait_for_timeout(50)
    held.pop().continue_()
    wait_for(lambda: StoryboardRow.objects.get().text == "a dog in the snow at night")


def test_a_click_in_an_old_tab_shows_the_row_as_it_is(
    web_server: Web, demo_film: Film, tab: Page
) -> None:
    open_storyboard(tab, web_server, "a dog")
    row = tab.locator(".row")
    old = tab.context.new_page()
    old.goto(tab.url)
    row.get_by_role("button", name="Reject").click()
    expect(time_of(row)).not_to_have_text(time_of(old.locator(".row")).inner_text())
    shown = time_of(row).inner_text()
    old.locator(".row").get_by_role("button", name="Reject").click()
    expect(old.locator("#toast")).to_contain_text("has changed in the meantime")
    expect(time_of(old.locator(".row"))).to_have_text(shown)
    assert len(StoryboardRow.objects.get().rejected) == 1


def test_rows_wait_while_there_are_too_many_searches(
    web_server: Web, demo_film: Film, tab: Page, tmp_path: Path
) -> None:
    # One search in each window of 10 s: three lines are limited unless they take 10 s to search.
    server = Web(tmp_path, SEARCH_RATE="1/10s")
    server.start()
    try:
        start_storyboard(tab, server.url, "\n".join(f"a cat {n}" for n in range(3)))
        state = tab.locator("#search-state")
        expect(state).to_contain_text("Waiting: too many searches at once", timeout=60_000)
        expect(state.get_by_role("button")).to_be_hidden()
        tab.wait_for_timeout(1000)  # a search that was sent before the refused one may be answered
        expect(state).to_contain_text("Waiting: too many searches at once")
        expect(tab.locator(".row[data-search]")).to_have_count(0, timeout=90_000)
        expect(state).to_be_hidden()
    finally:
        server.stop()


def test_rows_that_cannot_be_searched_can_be_tried_again(
    web_server: Web, demo_film: Film, tab: Page
) -> None:
    tab.clock.install()
    broken = True
    tab.route("**/rows/*/search/", lambda route: route.abort() if broken else route.continue_())
    start_storyboard(tab, web_server.url, "a dog in the snow")
    retry = tab.get_by_role("button", name="Retry")
    for _attempt in range(20):
        tab.clock.run_for(61_000)
        if retry.is_visible():
            break
        tab.wait_for_timeout(100)
    expect(tab.locator("#search-state")).to_contain_text("Some lines could not be searched")
    broken = False
    retry.click()
    expect(time_of(tab.locator(".row"))).to_have_text(DOG)
    expect(tab.locator("#search-state")).to_be_hidden()


def test_quick_steps_add_up(web_server: Web, demo_film: Film, tab: Page) -> None:
    open_storyboard(tab, web_server, "a dog")
    tab.locator(".row-shown").focus()
    for _step in range(3):
        tab.keyboard.press("ArrowRight")
    wait_for(lambda: StoryboardRow.objects.get().chosen == 3)
    expect(tab.locator(".row [data-key=ArrowRight]")).to_be_enabled()
    expect(tab.locator("#toast .bad")).to_have_count(0)
