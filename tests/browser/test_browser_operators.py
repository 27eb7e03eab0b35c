"""The search box in a real browser: operators, quoted words, a misspelt word, an unknown film."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from gallery.films.models import Film
from tests.browsing import PHONE
from tests.processes import Web

pytestmark = pytest.mark.django_db(transaction=True)
TIMEOUT = 60_000  # milliseconds


def type_search(tab: Page, words: str) -> None:
    tab.fill("#q", words)
    tab.keyboard.press("Enter")


def test_what_is_typed_becomes_filters_and_suggestions(
    web_server: Web, demo_film: Film, tab: Page, errors: list[str]
) -> None:
    tab.set_viewport_size(PHONE)
    tab.goto(web_server.url)
    type_search(tab, "film:rocket a dog in the snow")
    expect(tab.locator(".hits .card").first).to_be_visible(timeout=TIMEOUT)
    expect(tab.locator("#q")).to_have_value("a dog in the snow")
    expect(tab.locator(".is-filter.is-film")).to_contain_text(demo_film.title)

    type_search(tab, '"never forget" an elephant')
    expect(tab.locator(".hits .card")).to_have_count(1)
    expect(tab.locator(".is-filter.is-film")).to_contain_text(demo_film.title)

    # A misspelt word: one click leads to the corrected search.
    type_search(tab, "an astronuat at night")
    tab.get_by_role("link", name="an astronaut at night").click()
    expect(tab.locator("#q")).to_have_value("an astronaut at night")
    expect(tab.locator(".correction")).to_have_count(0)
    expect(tab.locator(".hits .card").first).to_be_visible()
    assert Axe().run(tab).violations_count == 0
    assert errors == []


def test_an_unknown_film_is_said_and_help_explains_operators(
    web_server: Web, demo_film: Film, browser: Browser
) -> None:
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(web_server.url)
    type_search(plain, "film:unknown a dog")
    expect(plain.get_by_role("alert")).to_contain_text("No film is called “unknown”.")
    expect(plain.locator("#q")).to_have_value("film:unknown a dog")
    expect(plain.locator("footer .keys")).to_be_hidden()
    context.close()
    tab = browser.new_page()
    tab.goto(web_server.url)
    tab.locator("#show-keys").click()
    expect(tab.locator("#keys")).to_contain_text("year:1960-1970")
    tab.close()
