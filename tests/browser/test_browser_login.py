"""Logged-in users can play whole films if the browser supports the codec."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from playwright.sync_api import Page, Response, expect

from gallery.films.models import Film
from tests.browsing import PASSWORD, PHONE
from tests.coded import make_coded_film
from tests.processes import Web, wait_for

STATE = """() => {
  const video = document.querySelector("video.scene");
  return video && [video.readyState, video.videoWidth, video.currentTime, video.paused];
}"""


@pytest.fixture
def ann(transactional_db: None) -> str:
    get_user_model().objects.create_user("ann", password=PASSWORD)
    return "ann"


def log_in_at(tab: Page, server: Web, name: str, path: str) -> None:
    """Log in on the way to a page, from where the login returns."""
    tab.goto(server.url + path)
    tab.get_by_role("link", name="Log in").click()
    tab.fill("#id_username", name)
    tab.fill("#id_password", PASSWORD)
    tab.keyboard.press("Enter")
    expect(tab).to_have_url(server.url + path, timeout=20_000)


def is_playing(tab: Page) -> bool:
    state = tab.evaluate(STATE)
    return bool(state and state[0] >= 2 and state[1] and not state[3])


def test_the_whole_film_plays_from_the_scene_on(
    web_server: Web, demo_film: Film, ann: str, tab: Page, errors: list[str]
) -> None:
    log_in_at(tab, web_server, ann, f"/films/{demo_film.pk}/frames/40/")
    wait_for(lambda: is_playing(tab))
    answers: list[Response] = []
    tab.on("response", lambda r: answers.append(r) if r.url.endswith("/film") else None)
    begin = int(tab.locator("#trim .handle.begin").get_attribute("aria-valuenow") or 0)
    tab.keyboard.press(" ")
    tab.locator("#whole").click()
    wait_for(lambda: is_playing(tab) and tab.evaluate(STATE)[2] > 1)
    state = tab.evaluate(STATE)
    assert state[1] == demo_film.width
    assert begin / float(demo_film.rate) - 0.1 <= state[2] < begin / float(demo_film.rate) + 20
    assert tab.evaluate("document.querySelector('video.scene').duration") == pytest.approx(
        demo_film.duration, abs=0.5
    )
    assert answers
    assert {answer.status for answer in answers} == {206}
    # Seeking works.
    tab.evaluate("document.querySelector('video.scene').currentTime = 5")
    wait_for(lambda: 4.9 < tab.evaluate(STATE)[2] < 15 and is_playing(tab))
    tab.get_by_role("link", name="Back to the scene").click()
    length = "document.querySelector('video.scene').duration"
    wait_for(lambda: is_playing(tab) and 0 < tab.evaluate(length) < 20)
    assert errors == []


def test_an_unsupported_codec_is_reported_and_the_scene_plays(
    web_server: Web, ready_film: Callable[..., Film], ann: str, tab: Page, tmp_path: Path
) -> None:
    path = make_coded_film(
        tmp_path / "a.mkv",
        rate="25",
        seconds=6,
        codec=("-c:v", "mpeg2video", "-q:v", "3"),
        sound=("-c:a", "libopus"),
    )
    film = ready_film(path, "Old")
    log_in_at(tab, web_server, ann, f"/films/{film.pk}/frames/3/")
    wait_for(lambda: is_playing(tab))
    tab.locator("#whole").click()
    note = tab.locator(".screen-note")
    expect(note).to_contain_text("Your browser cannot play this film (MPEG2VIDEO)")
    wait_for(lambda: is_playing(tab))
    assert tab.evaluate(STATE)[1] == 240
    expect(tab.locator("#whole")).to_have_text("Play the whole film from here")


def test_the_header_of_a_logged_in_user_fits_a_phone(
    web_server: Web, demo_film: Film, ann: str, tab: Page
) -> None:
    tab.set_viewport_size({"width": 360, "height": PHONE["height"]})
    log_in_at(tab, web_server, ann, f"/films/{demo_film.pk}/frames/12/")
    assert tab.evaluate("document.documentElement.scrollWidth") == 360
    tab.locator("details.person summary").click()
    panel = tab.locator(".person .panel")
    expect(panel).to_contain_text("Logged in as ann")
    box = panel.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360
    tab.get_by_role("button", name="Log out").click()
    expect(tab.get_by_role("link", name="Log in")).to_be_visible()
