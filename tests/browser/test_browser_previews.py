"""What pointing at a scene shows: its frames, and words on its buttons."""

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from gallery.films.models import Film
from tests.browsing import DESKTOP, PHONE
from tests.processes import Web, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def seen_pictures(layer: Locator) -> set[str]:
    """The addresses of the pictures that are shown, until there are three."""
    seen: set[str] = set()

    def look() -> bool:
        address = layer.get_attribute("src")
        if address:
            seen.add(address)
        return len(seen) >= 3

    wait_for(look)
    return seen


def test_pointing_at_a_scene_plays_its_frames(
    web_server: Web, demo_film: Film, tab: Page, errors: list[str]
) -> None:
    tab.goto(f"{web_server.url}/?q=dog")
    card = tab.locator(".hits .card").first
    card.locator("a.shown").hover()
    start, end = (float(value) for value in (card.get_attribute("data-pick") or "").split()[2:4])
    for address in seen_pictures(card.locator("img.playing")):
        assert address.startswith(f"{web_server.url}/thumbs/{demo_film.uid}/")
        second = int(address.rsplit("/", 1)[1].partition("-")[0])
        assert start <= second < end
    tab.locator("footer").hover()
    expect(card.locator("img.playing")).to_have_count(0)
    assert errors == []


def test_pointing_at_the_strip_of_a_film_plays_its_frames(
    web_server: Web, demo_film: Film, tab: Page, errors: list[str]
) -> None:
    tab.goto(f"{web_server.url}/films/{demo_film.pk}/")
    frame = tab.locator(".film-strip a").nth(2)
    frame.hover()
    assert len(seen_pictures(frame.locator("img.playing"))) >= 3
    assert errors == []


def test_a_button_of_a_scene_says_in_a_word_what_it_does(
    web_server: Web, demo_film: Film, tab: Page, errors: list[str]
) -> None:
    tab.goto(f"{web_server.url}/?q=dog")
    card = tab.locator(".hits .card").first
    card.locator("a.shown").hover()
    for name, text in (("more-like", "More"), ("less-like", "Less"), ("similar", "Find similar")):
        button = card.locator(f".use.{name}")
        word = button.locator(".use-word")
        expect(word).to_be_hidden()
        button.hover()
        expect(word).to_be_visible()
        expect(word).to_have_text(text)
    assert errors == []


@pytest.mark.parametrize("on", ["phone", "reduced motion"])
def test_nothing_plays_where_it_is_not_wanted(
    web_server: Web, demo_film: Film, browser: Browser, on: str
) -> None:
    if on == "phone":
        context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    else:
        context = browser.new_context(viewport=DESKTOP, reduced_motion="reduce")
    page = context.new_page()
    page.goto(f"{web_server.url}/?q=dog")
    card = page.locator(".hits .card").first
    card.locator("a.shown").hover()
    page.wait_for_timeout(1500)
    expect(card.locator("img.playing")).to_have_count(0)
    context.close()
