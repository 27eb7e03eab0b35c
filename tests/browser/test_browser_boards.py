"""Boards in a real browser: collecting, notes, order, sharing, export."""

import re
import zipfile
from pathlib import Path

import opentimelineio as otio
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from gallery.boards.models import Board
from gallery.films.models import Film
from tests.browsing import DESKTOP, PHONE, Gate
from tests.processes import Web, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def get_board(tab: Page) -> Board:
    return Board.objects.get(token=tab.url.rstrip("/").rsplit("/", 1)[-1])


def list_starts(board: Board) -> list[float]:
    return list(board.scenes.values_list("start", flat=True))


def collect_hits(tab: Page, web: Web, count: int) -> None:
    """Collect the first hits of a search by keyboard."""
    tab.goto(f"{web.url}/?q=dog")
    for number in range(count):
        card = tab.locator(".hits .card").nth(number)
        card.locator("a").first.focus()
        tab.keyboard.press("c")
        expect(card.locator(".collect")).to_have_class(re.compile("is-collected"))


def open_board(tab: Page, web: Web) -> Board:
    tab.goto(f"{web.url}/boards/")
    tab.locator(".board-list a").first.click()
    expect(tab.locator("#scenes")).to_be_visible()
    tab.wait_for_load_state()  # the scripts run
    return get_board(tab)


def drag(tab: Page, grip: Locator, to: Locator, part: float) -> None:
    """Drag to a position on another scene: 0.1 is near its left edge."""
    grip.scroll_into_view_if_needed()
    box, target = grip.bounding_box(), to.bounding_box()
    assert box
    assert target
    tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tab.mouse.down()
    x, y = target["x"] + target["width"] * part, target["y"] + target["height"] / 2
    tab.mouse.move(x, y, steps=8)
    tab.mouse.up()


def test_a_note_typed_before_the_scripts_are_loaded_is_saved(
    web_server: Web, demo_film: Film, tab: Page, errors: list[str]
) -> None:
    collect_hits(tab, web_server, 1)
    board = open_board(tab, web_server)
    gate = Gate(tab, "**/django_htmx/*.js")
    tab.reload(wait_until="commit")
    tab.get_by_label("Note for scene 1").fill("hold on the dog")
    wait_for(lambda: tab.evaluate("1") and gate.held)
    gate.open()
    expect(tab.locator(".note-state")).to_have_text("Saved")
    assert board.scenes.get().note == "hold on the dog"
    assert errors == []


def test_scenes_are_collected_by_keyboard_annotated_and_reordered(
    web_server: Web, demo_film: Film, tab: Page, errors: list[str]
) -> None:
    collect_hits(tab, web_server, 4)
    expect(tab.locator("#collected-count")).to_contain_text("4")
    expect(tab.locator("#toast")).to_contain_text("Saved to My scenes")
    # The same key removes it, and the link in the message restores it.
    tab.keyboard.press("c")
    expect(tab.locator("#toast")).to_contain_text("Removed from")
    expect(tab.locator("#collected-count")).to_contain_text("3")
    tab.locator("#toast").get_by_role("button", name="Undo").click()
    expect(tab.locator("#collected-count")).to_contain_text("4")
    expect(tab.locator(".hits .card").nth(3).locator(".is-collected")).to_be_visible()

    # Notes are saved automatically.
    board = open_board(tab, web_server)
    first = list_starts(board)
    tab.get_by_label("Note for scene 2").fill("hold on the dog")
    expect(tab.locator(".note-state").nth(1)).to_have_text("Saved")

    # By keyboard; the focus stays on the scene.
    later = tab.locator(".board-scene").first.get_by_role("button", name="later")
    later.focus()
    tab.keyboard.press("Enter")
    expect(tab.locator("#board-status")).to_have_text("Moved to position 2 of 4")
    assert list_starts(board) == [first[1], first[0], first[2], first[3]]
    expect(tab.locator(".board-scene").nth(1).get_by_role("button", name="later")).to_be_focused()
    tab.get_by_label("Position of scene 2").fill("4")
    tab.keyboard.press("Enter")
    expect(tab.locator("#board-status")).to_have_text("Moved to position 4 of 4")
    assert list_starts(board) == [first[1], first[2], first[3], first[0]]

    # By mouse: the last one before the first.
    scenes = tab.locator(".board-scene")
    drag(tab, scenes.nth(3).locator(".grip"), scenes.first, 0.1)
    expect(tab.locator("#board-status")).to_have_text("Moved to position 1 of 4")
    assert list_starts(board) == first
    drag(tab, scenes.first.locator(".grip"), scenes.nth(2), 0.9)
    expect(tab.locator("#board-status")).to_have_text("Moved to position 3 of 4")
    assert list_starts(board) == [first[1], first[2], first[0], first[3]]

    expect(tab.get_by_label("Note for scene 1")).to_have_value("hold on the dog")
    tab.reload()
    expect(tab.get_by_label("Note for scene 1")).to_have_value("hold on the dog")
    assert errors == []


def test_a_scene_is_removed_and_restored_and_the_board_exported(
    web_server: Web, demo_film: Film, tab: Page, errors: list[str], tmp_path: Path
) -> None:
    collect_hits(tab, web_server, 4)
    board = open_board(tab, web_server)
    first = list_starts(board)
    scenes = tab.locator(".board-scene")
    scenes.nth(1).get_by_role("button", name="Remove scene").click()
    expect(scenes).to_have_count(3)
    expect(tab.locator("#board-facts")).to_contain_text("3 scenes")
    tab.locator("#toast").get_by_role("button", name="Undo").click()
    expect(scenes).to_have_count(4)
    assert list_starts(board) == first

    # Edit list and timeline, read back.
    files = {}
    for name in ("EDL", "OTIO"):
        tab.locator(".menu summary", has_text="Export").click()
        with tab.expect_download() as saved:
            tab.locator(".export-kind", has_text=f"({name}").click()
        files[name] = tmp_path / saved.value.suggested_filename
        saved.value.save_as(files[name])
        tab.keyboard.press("Escape")
    assert [path.name for path in files.values()] == ["My scenes.edl", "My scenes.otio"]
    rate = float(demo_film.rate)
    listed = otio.adapters.read_from_file(str(files["EDL"]), rate=rate)
    timeline = otio.adapters.read_from_file(str(files["OTIO"]))
    spans = [clip.source_range for clip in timeline.video_tracks()[0]]
    assert spans == [clip.source_range for clip in listed.video_tracks()[0]]
    frames = [demo_film.clock.frame_from(start) for start in list_starts(board)]
    assert [span.start_time.value for span in spans] == frames
    shown = tab.locator(".in-out span:first-child").all_inner_texts()
    assert [span.start_time.to_timecode() for span in spans] == shown
    assert errors == []


def test_another_board_is_chosen_in_a_dialog(
    web_server: Web, demo_film: Film, tab: Page, errors: list[str]
) -> None:
    collect_hits(tab, web_server, 1)
    tab.locator("#toast").get_by_role("link", name="Change board").click()
    chooser = tab.locator("#chooser")
    expect(chooser).to_be_visible()
    expect(chooser.get_by_role("button", name="My scenes")).to_have_attribute(
        "aria-pressed", "true"
    )
    chooser.get_by_label("New board name").fill("Dogs")
    tab.keyboard.press("Enter")
    expect(chooser.get_by_role("button", name="Dogs")).to_have_attribute("aria-pressed", "true")
    chooser.get_by_role("button", name="My scenes").click()
    expect(chooser.get_by_role("button", name="My scenes")).to_have_attribute(
        "aria-pressed", "false"
    )
    tab.keyboard.press("Escape")
    expect(chooser).not_to_be_visible()
    assert {b.name: b.scenes.count() for b in Board.objects.all()} == {"My scenes": 0, "Dogs": 1}
    expect(tab.locator(".hits .card").first.locator(".is-collected")).to_have_count(1)
    assert errors == []


def test_a_scene_is_collected_from_its_player(
    web_server: Web, demo_film: Film, tab: Page, errors: list[str]
) -> None:
    tab.goto(f"{web_server.url}/films/{demo_film.pk}/frames/12/?in=290f&out=350f")
    tab.keyboard.press("c")
    own = tab.locator("main .collect:not(.card > .collect)")
    expect(own.get_by_role("button", name="Saved ✓ (undo)")).to_be_visible()
    own.get_by_role("link", name="My scenes").click()
    board = get_board(tab)
    assert [(scene.start, scene.end) for scene in board.scenes.all()] == [
        (pytest.approx(290 / 24, abs=1e-3), pytest.approx(350 / 24, abs=1e-3))
    ]
    # And back: its picture opens the scene, which is marked as collected.
    tab.locator(".board-scene a").first.click()
    assert tab.url.endswith("?in=290f&out=350f")
    own.get_by_role("button", name="Saved ✓ (undo)").click()
    expect(own.get_by_role("button", name="Save the scene")).to_be_visible()
    expect(tab.locator("#collected-count")).to_be_empty()
    own.get_by_role("link", name="Change board").click()
    expect(tab.locator("#chooser").get_by_role("button", name="My scenes")).to_be_visible()
    tab.keyboard.press("Escape")
    expect(tab.locator("#chooser")).not_to_be_visible()
    assert tab.url.endswith("?in=290f&out=350f")
    assert errors == []


def test_a_failed_collect_is_reported_and_not_shown_as_done(
    web_server: Web, demo_film: Film, tab: Page
) -> None:
    tab.goto(f"{web_server.url}/?q=dog")
    tab.route("**/boards/collect/", lambda route: route.abort())
    tab.locator(".hits .card a").first.focus()
    tab.keyboard.press("c")
    expect(tab.locator("#toast")).to_have_text("Something went wrong. Please try again.")
    expect(tab.locator(".is-collected")).to_have_count(0)
    tab.unroute("**/boards/collect/")
    tab.keyboard.press("c")
    expect(tab.locator("#toast")).to_contain_text("Saved to")
    # A film that was deleted meanwhile has its own message.
    Film.objects.all().delete()
    tab.locator(".hits .card").nth(5).locator("a").first.focus()
    tab.keyboard.press("c")
    expect(tab.locator("#toast")).to_contain_text("This film has been deleted")
    expect(tab.locator(".is-collected")).to_have_count(1)


def test_visitors_with_the_link_can_view_and_copy_but_not_change(
    web_server: Web, demo_film: Film, tab: Page, browser: Browser
) -> None:
    collect_hits(tab, web_server, 2)
    board = open_board(tab, web_server)
    tab.get_by_label("Note for scene 1").fill("for your eyes")
    expect(tab.locator(".note-state").first).to_have_text("Saved")
    tab.locator(".menu summary", has_text="Share").click()
    link = tab.locator("#address").input_value()
    tab.get_by_role("button", name="Copy").click()
    expect(tab.get_by_role("button", name="Copied")).to_be_visible()

    context = browser.new_context(viewport=DESKTOP, locale="en-GB")
    other = context.new_page()
    other.goto(link)
    expect(other.locator(".board-scene")).to_have_count(2)
    expect(other.locator(".note-text")).to_have_text("for your eyes")
    for gone in (".note-form", ".scene-tools", ".rename", "[href$='/delete/']"):
        expect(other.locator(gone)).to_have_count(0)
    other.get_by_role("button", name="Copy to my boards").click()
    expect(other.locator(".note-form")).to_have_count(2)
    assert get_board(other) != board
    other.locator(".board-scene").first.get_by_role("button", name="Remove scene").click()
    expect(other.locator(".board-scene")).to_have_count(1)
    assert len(list_starts(board)) == 2
    context.close()


def test_touch_drags_scenes_on_a_phone(web_server: Web, demo_film: Film, browser: Browser) -> None:
    context = browser.new_context(
        viewport=PHONE, has_touch=True, is_mobile=True, locale="en-GB", device_scale_factor=2
    )
    tab = context.new_page()
    tab.goto(f"{web_server.url}/?q=dog")
    for number in range(3):
        tab.locator(".hits .collect-button").nth(number).tap()
        expect(tab.locator("#collected-count")).to_contain_text(str(number + 1))
    board = open_board(tab, web_server)
    first = list_starts(board)
    grip = tab.locator(".board-scene").nth(1).locator(".grip")
    grip.scroll_into_view_if_needed()
    box = grip.bounding_box()
    assert box
    finger = context.new_cdp_session(tab)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": x, "y": y} for x, y in places]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    x, y = box["x"] + 20, box["y"] + 20
    touch("touchStart", (x, y))
    for step in range(1, 9):
        touch("touchMove", (x, y + (60 - y) * step / 8))
    # Near the edge of the window the page scrolls.
    expect(tab.locator(".board-scene").first).to_have_class(re.compile("goes-before"))
    touch("touchEnd")
    wait_for(lambda: list_starts(board) == [first[1], first[0], first[2]])
    context.close()


def test_everything_works_without_javascript(
    web_server: Web, demo_film: Film, browser: Browser
) -> None:
    context = browser.new_context(
        viewport=DESKTOP, java_script_enabled=False, locale="en-GB", accept_downloads=True
    )
    tab = context.new_page()
    tab.goto(f"{web_server.url}/?q=dog")
    for number in range(3):
        tab.locator(".hits .card").nth(number).locator(".collect-button").click()
        assert "q=dog" in tab.url
        expect(tab.locator(".hits .is-collected")).to_have_count(number + 1)
    board = open_board(tab, web_server)
    first = list_starts(board)
    tab.locator(".board-scene").first.get_by_role("button", name="later").click()
    assert list_starts(board) == [first[1], first[0], first[2]]
    tab.get_by_label("Position of scene 3").fill("1")
    with tab.expect_navigation():
        tab.keyboard.press("Enter")
    assert list_starts(board) == [first[2], first[1], first[0]]
    tab.get_by_label("Note for scene 1").fill("written by hand")
    tab.get_by_role("button", name="Save note").first.click()
    expect(tab.get_by_label("Note for scene 1")).to_have_value("written by hand")
    tab.locator(".board-scene").nth(2).get_by_role("button", name="Remove scene").click()
    expect(tab.locator(".board-scene")).to_have_count(2)
    tab.locator(".menu summary", has_text="Edit").click()
    tab.get_by_label("Board name").fill("Plain")
    tab.get_by_role("button", name="Rename").click()
    expect(tab.locator("h1")).to_have_text("Plain")
    tab.locator(".menu summary", has_text="Edit").click()
    tab.get_by_role("link", name="Delete board").click()
    tab.get_by_role("button", name="Delete board").click()
    expect(tab.locator("main h2")).to_contain_text("No boards yet")
    context.close()


def test_the_address_is_copied_where_the_browser_has_no_clipboard(
    web_server: Web, demo_film: Film, tab: Page
) -> None:
    # Browsers have one on https and localhost only, not for a phone in the same network.
    tab.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    collect_hits(tab, web_server, 1)
    board = open_board(tab, web_server)
    tab.locator(".menu summary", has_text="Share").click()
    tab.get_by_role("button", name="Copy", exact=True).click()
    expect(tab.get_by_role("button", name="Copied")).to_be_visible()
    tab.locator("#q").focus()
    tab.keyboard.press("Control+v")
    expect(tab.locator("#q")).to_have_value(f"{web_server.url}{board.get_absolute_url()}")


@pytest.mark.usefixtures("worker")
def test_the_clips_come_as_a_zip_and_all_scenes_play(
    web_server: Web,
    demo_film: Film,
    tab: Page,
    errors: list[str],
    tmp_path: Path,
) -> None:
    collect_hits(tab, web_server, 2)
    board = open_board(tab, web_server)
    tab.get_by_role("button", name="Play all").click()
    player = tab.locator("#player")
    expect(player.locator(".player-number")).to_have_text("1/2")
    playing = "[...document.querySelectorAll('#player video')].find(v => !v.hidden)"
    wait_for(lambda: tab.evaluate(f"{playing}.currentTime") > 0.1)
    tab.evaluate(f"void ({playing}.currentTime = {playing}.duration - 0.05)")
    expect(player.locator(".player-number")).to_have_text("2/2")
    wait_for(lambda: tab.evaluate(f"{playing}.currentTime") > 0.1)
    tab.keyboard.press("Escape")
    expect(player).not_to_be_visible()

    tab.locator(".menu summary", has_text="Export").click()
    tab.get_by_role("button", name="Clips").click()
    expect(tab.locator(".export")).to_contain_text("The clips are ready", timeout=60_000)
    with tab.expect_download() as saved:
        tab.get_by_role("link", name="Download ZIP").click()
    path = tmp_path / saved.value.suggested_filename
    saved.value.save_as(path)
    names = zipfile.ZipFile(path).namelist()
    assert len([name for name in names if name.endswith(".mp4")]) == 2
    assert path.name == "My scenes.zip"
    assert demo_film.title in names[0]
    assert board.scenes.count() == 2
    assert errors == []


def test_axe_finds_nothing_serious_in_menus_dialogs_and_shared_boards(
    web_server: Web, demo_film: Film, tab: Page, browser: Browser
) -> None:
    collect_hits(tab, web_server, 2)
    tab.locator("#toast").get_by_role("link", name="Change board").click()
    expect(tab.locator("#chooser")).to_be_visible()
    check_accessibility(tab)
    board = open_board(tab, web_server)
    for menu in ("Export", "Share", "Edit"):
        tab.locator(".menu summary", has_text=menu).click()
        check_accessibility(tab)
    tab.goto(f"{web_server.url}{board.get_absolute_url()}delete/")
    check_accessibility(tab)
    stranger = browser.new_context(locale="en-GB").new_page()
    stranger.goto(f"{web_server.url}{board.get_absolute_url()}")
    check_accessibility(stranger)
    stranger.context.close()


def check_accessibility(tab: Page) -> None:
    """Let axe look at the page in both themes."""
    for theme in ("light", "dark"):
        tab.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
        found = Axe().run(tab).response["violations"]
        bad = [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in found
               if v["impact"] in ("serious", "critical")]  # fmt: skip
        assert bad == [], (tab.url, theme)
