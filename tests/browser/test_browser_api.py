"""A user creates a token in the browser; their program works with the same data as the pages."""

import json
from typing import Any
from urllib.request import Request, urlopen

from django.contrib.auth import get_user_model
from playwright.sync_api import Page, expect

from gallery.films.models import Film
from tests.browsing import PASSWORD
from tests.processes import Web


def ask(web: Web, token: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """Call the API as a program does: no cookies, one header."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body is not None else None
    request = Request(f"{web.url}/api/v1{path}", data, headers)
    with urlopen(request, timeout=20) as answer:
        return json.load(answer)


def test_the_api_finds_and_collects_the_scenes_of_the_pages(
    web_server: Web, demo_film: Film, tab: Page, errors: list[str]
) -> None:
    get_user_model().objects.create_user("ann", password=PASSWORD)
    # From the footer to the API documentation, and via the login to the tokens.
    tab.goto(web_server.url)
    tab.get_by_role("contentinfo").get_by_role("link", name="API").click()
    expect(tab.get_by_role("heading", name="Find scenes", exact=True)).to_be_visible()
    tab.get_by_role("link", name="create a token").click()
    tab.fill("#id_username", "ann")
    tab.fill("#id_password", PASSWORD)
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", name="API tokens")).to_be_visible(timeout=20_000)
    tab.fill("#id_name", "edit script")
    tab.keyboard.press("Enter")
    token = tab.locator("#secret").input_value()

    # The program finds the hits of the page, in the same order.
    tab.goto(f"{web_server.url}/?q=a+dog+-snow")
    shown = tab.locator(".hits .shown").evaluate_all("all => all.map(a => a.id)")
    found = ask(web_server, token, "/search?q=a+dog+-snow")
    hits = found["results"]
    assert [f"hit-{hit['film']['id']}-{hit['frame']['second']}" for hit in hits] == shown

    # Scenes that it collects are on the board in the browser.
    board = ask(web_server, token, "/boards", {"name": "Rough cut"})
    scene = hits[0]["scene"]
    body = {"film": demo_film.pk, "start": scene["start"], "end": scene["end"], "note": "opening"}
    ask(web_server, token, f"/boards/{board['token']}/scenes", body)
    tab.goto(f"{web_server.url}/boards/")
    tab.get_by_role("link", name="Rough cut").first.click()
    expect(tab.get_by_role("heading", name="Rough cut")).to_be_visible()
    expect(tab.get_by_text("opening").first).to_be_visible()
    assert errors == []
