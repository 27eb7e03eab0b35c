"""Searching in a real browser: composed queries, keyboard, filters, history, film pages."""

import base64
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Error, Page, Route, expect

from gallery.films.models import Film
from tests.browsing import DESKTOP, PHONE, Gate
from tests.films import make_scenes
from tests.processes import Web, wait_for

Make = Callable[..., Film]
TIMEOUT = 60_000  # milliseconds

SHIFTS = """
window.shifted = 0;
window.moved = [];
const text = ({ x, y, width, height }) => `${x},${y} ${width}x${height}`;
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) {
    window.shifted += one.value;
    for (const { node, previousRect, currentRect } of one.sources)
      window.moved.push(`${node?.nodeName} ${text(previousRect)} -> ${text(currentRect)}`);
  }
}).observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture
def searchable(web_server: Web, demo_film: Film) -> Film:
    """The demo film, visible to the web server's process."""
    return demo_film


def read_query(tab: Page) -> dict[str, list[str]]:
    """The query in the address bar. Playwright's `url` misses changes by a drop."""
    return parse_qs(urlsplit(tab.evaluate("location.href")).query)


def read_hits(tab: Page) -> list[str]:
    """The hits on the page, by the frames that they link to."""
    hrefs = tab.locator(".hits .card .shown").evaluate_all("all => all.map(a => a.pathname)")
    return [str(href) for href in hrefs]


def wait_for_value(what: Callable[[], Any]) -> Any:
    """Wait for a true value, also across page loads."""

    def look() -> Any:
        try:
            return what()
        except Error:
            return None

    return wait_for(look, timeout=30)


def get_focus(tab: Page) -> str:
    return str(tab.evaluate("document.activeElement.id"))


def search_for(tab: Page, url: str, words: str) -> None:
    tab.goto(url)
    tab.fill("#q", words)
    tab.keyboard.press("Enter")
    # The first search of a server loads the model.
    expect(tab.locator(".hits .card").first).to_be_visible(timeout=TIMEOUT)


def drop_picture(tab: Page, path: Path) -> None:
    """Drop a picture on the page, as from a folder."""
    tab.evaluate(
        """(data) => {
          const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
          const carrier = new DataTransfer();
          carrier.items.add(new File([bytes], "screenshot.jpg", { type: "image/jpeg" }));
          for (const type of ["dragover", "drop"]) {
            document.querySelector("main").dispatchEvent(
              new DragEvent(type, { dataTransfer: carrier, bubbles: true, cancelable: true }));
          }
        }""",
        base64.b64encode(path.read_bytes()).decode(),
    )


# --- queries --------------------------------------------------------------------------------------


def test_a_query_of_words_a_dropped_picture_and_less_like_this(
    web_server: Web, searchable: Film, tab: Page, errors: list[str], browser: Browser
) -> None:
    search_for(tab, web_server.url, "a dog")
    assert read_query(tab) == {"q": ["a dog"]}
    by_words = read_hits(tab)
    drop_picture(tab, searchable.files.run(searchable.searchable_run or 1).thumbnail(40))
    expect(tab.locator(".part")).to_have_count(2)
    assert sorted(read_query(tab)) == ["picture", "q"]
    expect(tab.locator("#q")).to_have_value("a dog")
    composed = read_hits(tab)
    assert composed != by_words

    wrong = tab.locator(".hits .card").nth(2)
    unwanted = composed[2]
    wrong.hover()
    wrong.locator(".less-like").click()
    expect(tab.locator(".part.is-less")).to_be_visible()
    assert read_query(tab)["less"] == [
        unwanted.replace("/films/", "").replace("/frames/", "-")[:-1]
    ]
    assert unwanted not in read_hits(tab)

    # The picture counts twice; the URL has the whole query.
    tab.locator(".part.is-picture .weigh a").last.click()
    wait_for_value(lambda: read_query(tab)["picture"][0].endswith("*2"))
    final = read_hits(tab)
    elsewhere = browser.new_page(viewport=DESKTOP)
    elsewhere.goto(tab.evaluate("location.href"))
    assert read_hits(elsewhere) == final
    elsewhere.close()

    # And back, step by step.
    for expected in ({"q", "picture", "less"}, {"q", "picture"}, {"q"}):
        tab.go_back()
        wait_for_value(lambda expected=expected: set(read_query(tab)) == expected)
        expect(tab.locator("#q")).to_have_value("a dog")
    wait_for_value(lambda: read_hits(tab) == by_words)
    tab.go_forward()
    wait_for_value(lambda: read_hits(tab) == composed)
    assert errors == []


def test_a_hit_can_be_dragged_and_an_address_pasted_into_the_box(
    web_server: Web, searchable: Film, tab: Page, errors: list[str]
) -> None:
    search_for(tab, web_server.url, "a dog")
    first = re.sub(r"\D+", "-", read_hits(tab)[0]).strip("-")
    picture = tab.locator(".hits .card .still").first.bounding_box()
    box = tab.locator("#q").bounding_box()
    assert picture
    assert box
    tab.mouse.move(picture["x"] + 150, picture["y"] + 90)
    tab.mouse.down()
    tab.mouse.move(picture["x"] + 170, picture["y"] + 70, steps=4)
    tab.mouse.move(box["x"] + 100, box["y"] + 15, steps=8)
    tab.mouse.up()
    wait_for_value(lambda: read_query(tab).get("frame") == [first])
    expect(tab.locator("#q")).to_have_value("a dog")
    expect(tab.locator(".part.is-frame")).to_have_count(1)

    address = f"{web_server.url}/films/{searchable.pk}/frames/40/?q=somewhere+else"
    tab.locator("#q").evaluate(
        """(box, text) => {
          const carrier = new DataTransfer();
          carrier.setData("text/plain", text);
          box.focus();
          box.dispatchEvent(new ClipboardEvent("paste",
            { clipboardData: carrier, bubbles: true, cancelable: true }));
        }""",
        address,
    )
    wait_for_value(lambda: read_query(tab).get("frame") == [first, f"{searchable.pk}-40"])
    assert errors == []


def test_an_invalid_query_is_reported_in_place_of_the_hits(
    web_server: Web, searchable: Film, tab: Page
) -> None:
    search_for(tab, web_server.url, "a dog")
    tab.fill("#q", "-snow")
    tab.keyboard.press("Enter")
    expect(tab.locator(".note.bad")).to_contain_text("Words to avoid are not enough")
    assert read_query(tab) == {"q": ["-snow"]}
    tab.go_back()
    wait_for_value(lambda: len(read_hits(tab)) == 24)


def test_placeholders_are_shown_while_hits_load(
    web_server: Web, searchable: Film, tab: Page
) -> None:
    tab.goto(f"{web_server.url}/?q=a+dog")
    gate = Gate(tab, "**/?q=cat")
    skeleton = "getComputedStyle(document.querySelector('.hits .card .shown'), '::after').opacity"
    # Read by the page when the search begins; from here it could be too late.
    tab.evaluate(
        f"""new MutationObserver((_changes, observer) => {{
          if (!document.querySelector(".waiting")) return;
          observer.disconnect();
          window.opacityAtOnce = {skeleton};
        }}).observe(document.querySelector("#found"), {{ attributes: true }})"""
    )
    tab.fill("#q", "cat")
    tab.keyboard.press("Enter")
    assert (
        float(wait_for_value(lambda: tab.evaluate("window.opacityAtOnce"))) == 0
    )  # nothing changes at once
    wait_for_value(lambda: float(tab.evaluate(skeleton)) > 0.5)
    gate.open()
    wait_for_value(lambda: read_query(tab) == {"q": ["cat"]})
    expect(tab.locator(".waiting")).to_have_count(0)


# --- the keyboard ---------------------------------------------------------------------------------


def test_the_keyboard_opens_a_scene_and_returns(
    web_server: Web, searchable: Film, tab: Page, errors: list[str]
) -> None:
    tab.goto(web_server.url)
    tab.keyboard.press("/")
    tab.keyboard.type("a dog")
    tab.keyboard.press("Enter")
    wait_for_value(lambda: len(read_hits(tab)) == 24)
    tab.keyboard.press("ArrowDown")
    ids = tab.locator(".hits .card .shown").evaluate_all("all => all.map(a => a.id)")
    assert get_focus(tab) == ids[0]
    across = tab.evaluate(
        "getComputedStyle(document.querySelector('.hits')).gridTemplateColumns.split(' ').length"
    )
    assert across >= 3
    for key, at in (
        ("ArrowRight", 1), ("ArrowDown", 1 + across), ("ArrowLeft", across),
        ("ArrowUp", 0), ("ArrowDown", across), ("ArrowRight", across + 1),
    ):  # fmt: skip
        tab.keyboard.press(key)
        assert get_focus(tab) == ids[at], key
    assert tab.locator(f"#{ids[across + 1]}").evaluate("e => e.matches(':focus-visible')")

    # Enter opens and plays it; Esc returns to it.
    tab.keyboard.press("Enter")
    expect(tab).to_have_url(re.compile(r"/frames/\d+/\?q=a"))
    playing = "[...document.querySelectorAll('video')].some((v) => v.currentTime > 0 && !v.paused)"
    wait_for_value(lambda: tab.evaluate(playing))
    tab.keyboard.press("Escape")
    wait_for_value(lambda: len(read_hits(tab)) == 24)
    wait_for_value(lambda: get_focus(tab) == ids[across + 1])

    # m, l and s: more like this, less like this, similar.
    tab.keyboard.press("m")
    wait_for_value(lambda: "more" in read_query(tab))
    wait_for_value(lambda: get_focus(tab).startswith("more-"))
    tab.keyboard.press("m")
    wait_for_value(lambda: "more" not in read_query(tab))
    tab.keyboard.press("l")
    wait_for_value(lambda: "less" in read_query(tab))
    wait_for_value(lambda: get_focus(tab).startswith("hit-"))
    tab.keyboard.press("s")
    wait_for_value(lambda: set(read_query(tab)) == {"frame"})
    # Esc: back to the previous search. ?: the keyboard shortcuts.
    wait_for_value(lambda: get_focus(tab).startswith(("similar-", "hit-")))
    tab.keyboard.press("Escape")
    wait_for_value(lambda: "less" in read_query(tab))
    wait_for_value(lambda: len(read_hits(tab)) == 24)
    # Esc leaves the box, which shows the words of the search that is shown.
    tab.keyboard.press("/")
    assert get_focus(tab) == "q"
    tab.keyboard.type("dog")
    tab.keyboard.press("Enter")
    wait_for_value(lambda: read_query(tab).get("q") == ["dog"])
    expect(tab.locator("#q")).to_be_focused()
    tab.keyboard.press("Escape")
    expect(tab.locator("#q")).not_to_be_focused()
    expect(tab.locator("#q")).to_have_value("dog")
    assert read_query(tab).get("q") == ["dog"]
    tab.keyboard.press("?")
    expect(tab.locator("#keys")).to_be_visible()
    tab.keyboard.press("Escape")
    expect(tab.locator("#keys")).to_be_hidden()
    assert errors == []


# --- scrolling ------------------------------------------------------------------------------------


def test_scrolling_loads_more_hits_and_going_back_keeps_them(
    web_server: Web, searchable: Film, tab: Page, errors: list[str]
) -> None:
    tab.goto(f"{web_server.url}/?q=dog")
    hits = tab.locator(".hits .card")
    expect(hits).to_have_count(24)
    tab.mouse.wheel(0, 5000)
    expect(hits).to_have_count(searchable.shot_count)
    assert len(set(read_hits(tab))) == searchable.shot_count
    assert read_query(tab) == {"q": ["dog"]}
    tab.locator("footer").scroll_into_view_if_needed()
    expect(tab.locator("footer")).to_be_in_viewport()

    last = hits.nth(searchable.shot_count - 3)
    last.scroll_into_view_if_needed()
    scrolled = wait_for_value(lambda: tab.evaluate("scrollY"))
    leads_to = read_hits(tab)[-3]
    last.locator(".shown").click()
    expect(tab).to_have_url(re.compile(re.escape(leads_to)))

    def slowly(route: Route) -> None:
        time.sleep(1)  # so that scrolling happens before the page arrives
        route.continue_()

    tab.route("**/*page=2*", slowly)
    tab.go_back()
    expect(hits).to_have_count(searchable.shot_count)
    wait_for_value(lambda: abs(tab.evaluate("scrollY") - scrolled) < 60)
    wait_for_value(lambda: get_focus(tab) == last.locator(".shown").get_attribute("id"))
    assert errors == []


# --- filters and switches -------------------------------------------------------------------------


@pytest.fixture
def flag(ready_film: Make, tmp_path: Path) -> Film:
    """A film of 1950, of three colours."""
    film = ready_film(make_scenes(tmp_path / "flag.mp4", ["red", "lime", "blue"]), "Flag")
    Film.objects.filter(pk=film.pk).update(year=1950)
    return film


@pytest.mark.usefixtures("searchable")
def test_filters_take_effect_at_once_and_stay_open(
    web_server: Web, flag: Film, tab: Page, errors: list[str]
) -> None:
    search_for(tab, web_server.url, "a dog")
    tab.click("#refine summary")
    tab.check(f"#film-{flag.pk}")
    expect(tab.locator(".hits .card")).to_have_count(3)
    assert read_query(tab) == {"q": ["a dog"], "film": [str(flag.pk)]}
    expect(tab.locator(".refine-panel")).to_be_visible()
    assert get_focus(tab) == f"film-{flag.pk}"
    expect(tab.locator(".tally-of")).to_contain_text("1")

    tab.uncheck(f"#film-{flag.pk}")
    wait_for_value(lambda: "film" not in read_query(tab))
    tab.fill("#to-year", "1960")
    tab.keyboard.press("Tab")
    expect(tab.locator(".hits .card")).to_have_count(3)
    assert read_query(tab) == {"q": ["a dog"], "to": ["1960"]}
    tab.fill("#avoid", "night")
    tab.keyboard.press("Enter")
    wait_for_value(lambda: read_query(tab).get("not") == ["night"])
    expect(tab.locator(".part.is-avoided s")).to_have_text("night")
    tab.get_by_role("link", name="Clear filters").click()
    wait_for_value(lambda: read_query(tab) == {"q": ["a dog"], "not": ["night"]})
    tab.get_by_role("link", name="Remove: night").click()
    wait_for_value(lambda: read_query(tab) == {"q": ["a dog"]})
    expect(tab.locator(".hits .card").first).to_be_visible()
    assert errors == []


def test_the_switch_searches_the_dialogue(
    web_server: Web, searchable: Film, tab: Page, errors: list[str]
) -> None:
    search_for(tab, web_server.url, "moon")
    tab.get_by_role("link", name="Said", exact=True).click()
    quote = tab.locator(".hits .card q").first
    expect(quote).to_have_text("Sorry, madam. This flight does not stop at the moon.")
    expect(quote.locator("mark")).to_have_text("moon")
    expect(tab.locator(".hits .card")).to_have_count(1)
    assert read_query(tab) == {"q": ["moon"], "in": ["said"]}
    tab.get_by_role("link", name="Seen", exact=True).click()
    wait_for_value(lambda: read_query(tab)["in"] == ["seen"])
    expect(tab.locator(".hits .card q")).to_have_count(0)
    assert errors == []


# --- a film at a glance ---------------------------------------------------------------------------


def test_the_film_page_shows_everything_at_a_glance(
    web_server: Web, searchable: Film, tab: Page, errors: list[str]
) -> None:
    tab.goto(f"{web_server.url}/films/{searchable.pk}/")
    tab.fill("#in-film", "a dog in the snow")
    tab.keyboard.press("Enter")
    expect(tab.locator(".curve-edge")).to_be_visible()
    assert urlsplit(tab.evaluate("location.href")).path == f"/films/{searchable.pk}/"
    best = re.search(r"/frames/(\d+)/", read_hits(tab)[0])
    assert best
    peaks = tab.locator(".peaks a").evaluate_all("all => all.map(a => Number(a.dataset.second))")
    assert int(best[1]) in peaks

    # The pointer shows the time and highlights the line spoken then.
    scrub = tab.locator(".scrub")
    box = scrub.bounding_box()
    assert box
    second = 40
    tab.mouse.move(box["x"] + box["width"] * (second + 0.5) / searchable.duration, box["y"] + 120)
    expect(tab.locator(".preview .timecode")).to_have_text("0:40")
    loaded = "document.querySelector('.preview img').naturalWidth"
    wait_for_value(lambda: tab.evaluate(loaded) == 480)
    now = tab.locator("#lines .is-now")
    expect(now).to_have_count(1)
    expect(now).to_be_in_viewport()
    tab.mouse.down()
    tab.mouse.up()
    expect(tab).to_have_url(re.compile(rf"/films/\d+/frames/{second}/\?q=a\+dog"))
    tab.go_back()

    # The keyboard does the same.
    scrub.focus()
    for _step in range(5):
        tab.keyboard.press("ArrowRight")
    assert scrub.get_attribute("aria-valuenow") == "5"
    assert re.fullmatch(r"0:05, \d+ %", scrub.get_attribute("aria-valuetext") or "")
    tab.keyboard.press("Enter")
    expect(tab).to_have_url(re.compile(r"/films/\d+/frames/5/"))
    assert errors == []


# --- nothing moves --------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_nothing_moves_while_pages_load(
    web_server: Web, searchable: Film, browser: Browser, window: Any
) -> None:
    context = browser.new_context(viewport=window)
    context.add_init_script(SHIFTS)
    tab = context.new_page()
    # A page that arrives in pieces is laid out in pieces.
    network = context.new_cdp_session(tab)
    network.send("Network.enable")
    slow = {"offline": False, "latency": 50, "downloadThroughput": 400_000, "uploadThroughput": -1}
    network.send("Network.emulateNetworkConditions", slow)
    film = f"/films/{searchable.pk}/"
    for path in (
        "/", "/?q=moon", "/?q=qwertz+uiop", f"{film}?q=moon", f"{film}frames/40/?q=moon", "/films/",
    ):  # fmt: skip
        tab.goto(web_server.url + path, wait_until="networkidle")
        for _step in range(6):
            tab.mouse.wheel(0, 600)
            tab.wait_for_timeout(50)
        tab.wait_for_load_state("networkidle")
        assert tab.evaluate("window.shifted") < 0.01, (path, tab.evaluate("window.moved"))
    context.close()


@pytest.mark.parametrize("width", [360, 2560])
def test_pages_fit_the_smallest_and_the_largest_window(
    web_server: Web, searchable: Film, browser: Browser, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900})
    tab = context.new_page()
    film = searchable.pk
    for path in (
        "/", "/films/", f"/films/{film}/?q=moon", f"/films/{film}/lines/",
        f"/?q=moon+-snow&w=2&frame={film}-40*2&more={film}-64&less={film}-12&film={film}&from=1",
        "/?q=" + "verylongwordwithoutanyspace" * 8,
    ):  # fmt: skip
        tab.goto(web_server.url + path)
        if tab.locator("#refine summary").count():
            tab.click("#refine summary")
        assert tab.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        ), path
    context.close()
