"""One film out of a board in a real browser: choices, progress, download, cancelling."""

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from gallery.boards import export_files
from gallery.boards.film_options import FilmSettings
from gallery.boards.models import Export
from gallery.films.models import Film
from tests.browser.test_browser_boards import collect_hits, open_board
from tests.browsing import DESKTOP, PHONE
from tests.films import decode_all
from tests.processes import Web, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def open_choices(tab: Page) -> None:
    tab.locator(".menu summary", has_text="Export").click()
    tab.get_by_role("link", name="One film").click()
    expect(tab.locator("h1")).to_have_text("Export as one film")


@pytest.mark.usefixtures("worker")
def test_a_film_is_made_downloaded_and_another_is_cancelled(
    web_server: Web, demo_film: Film, tab: Page, errors: list[str], tmp_path: Path
) -> None:
    folder = export_files.exports_folder()
    before = set(folder.glob("*"))  # of other tests
    collect_hits(tab, web_server, 3)
    board = open_board(tab, web_server)
    open_choices(tab)
    expect(tab.get_by_role("radio", name="16:9")).to_be_checked()
    expect(tab.get_by_role("radio", name="1080p")).to_be_checked()
    # The previews show the crop.
    preview = tab.locator(".film-preview").first
    box = preview.bounding_box()
    assert box
    assert box["width"] > box["height"]
    tab.get_by_role("radio", name="9:16").check()
    tab.get_by_role("radio", name="Crop to the subject").check()
    box = preview.bounding_box()
    assert box
    assert box["height"] > box["width"]
    assert preview.locator("img").evaluate("i => getComputedStyle(i).objectFit") == "cover"
    # By keyboard: the next size.
    tab.get_by_role("radio", name="720p").focus()
    tab.keyboard.press("ArrowRight")
    expect(tab.get_by_role("radio", name="480p")).to_be_checked()
    tab.get_by_role("radio", name="As a track").check()
    tab.get_by_role("button", name="Make film").click()

    shown = tab.locator(".export").first
    expect(shown).to_contain_text("Making the film")
    expect(shown.get_by_role("progressbar")).to_be_visible()
    # On a fast machine the film may be ready before the page asks again.
    progress = re.compile(r"scene \d of 3 · \d+ %|The film is ready\.")
    expect(shown).to_contain_text(progress, timeout=60_000)
    expect(shown).to_contain_text("The film is ready.", timeout=120_000)
    with tab.expect_download() as saved:
        shown.get_by_role("link", name="Download film").click()
    path = tmp_path / saved.value.suggested_filename
    saved.value.save_as(path)
    assert path.name == "My scenes.mp4"
    frames = [scene.film.clock.frame_from(scene.end) - scene.film.clock.frame_from(scene.start)
              for scene in board.scenes.all()]  # fmt: skip
    assert len(decode_all(path, 480, 854)) == sum(frames)

    open_choices(tab)
    tab.get_by_role("checkbox", name="Running timecode").check()
    tab.get_by_role("button", name="Make film").click()
    expect(shown.get_by_role("progressbar")).to_be_visible()
    tab.get_by_role("button", name="Cancel").click()
    # The earlier film is still there.
    expect(shown).to_contain_text("The film is ready.")
    assert Export.objects.count() == 1
    wait_for(lambda: len(set(folder.glob("*")) - before) == 1)
    assert errors == []


@pytest.mark.usefixtures("worker")
def test_a_film_is_made_without_javascript(
    web_server: Web, demo_film: Film, browser: Browser
) -> None:
    context = browser.new_context(viewport=PHONE, java_script_enabled=False)
    tab = context.new_page()
    tab.goto(f"{web_server.url}/?q=dog")
    tab.locator(".hits .card").first.locator(".collect-button").click()
    open_board(tab, web_server)
    open_choices(tab)
    tab.get_by_role("radio", name="480p").check()
    tab.get_by_role("button", name="Make film").click()
    # The page reloads itself.
    expect(tab.locator(".export")).to_contain_text("The film is ready.", timeout=120_000)
    context.close()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_window(
    web_server: Web, demo_film: Film, browser: Browser, size: dict[str, int], theme: str
) -> None:
    context = browser.new_context(viewport=size, color_scheme=theme, reduced_motion="reduce")
    tab = context.new_page()
    collect_hits(tab, web_server, 3)
    board = open_board(tab, web_server)
    for state in (Export.State.RUNNING, Export.State.DONE):
        Export.objects.create(
            board=board, kind=Export.Kind.FILM, state=state, total_count=3, done_count=1,
            plan={"name": "My scenes", "language": "en", "scenes": [],
                  "film": FilmSettings(1920, 1080, "24000/1001", crops=False, subtitles="none",
                      language="", has_timecode=False, has_source=False).to_plan()},
        )  # fmt: skip
    path = export_files.result_path(board.exports.filter(state=Export.State.DONE).get())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"film")
    for page in (tab.url, f"{tab.url}film/"):
        tab.goto(page)
        found = Axe().run(tab).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), page
    context.close()
