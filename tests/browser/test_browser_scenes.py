"""Scenes in a real browser: playing, trimming by mouse and keyboard, exact clips.

The film is MPEG-2 in MKV, which Chromium cannot play. Each picture shows its own number, so the
tests can read the frame number from the screen.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from gallery.films.models import Film
from tests.browsing import DESKTOP
from tests.coded import make_coded_film, read_codes
from tests.processes import Web, wait_for

READ = """() => {
  const video = document.querySelector("video.scene");
  const peek = document.querySelector(".peek");
  const shown = peek && !peek.hidden ? peek : video;
  if (!shown || (shown === video && video.readyState < 2)) return -1;
  // One copy of the picture: the video may go on to the next frame between two readings.
  const canvas = document.createElement("canvas");
  canvas.width = shown.videoWidth || shown.naturalWidth;
  canvas.height = shown.videoHeight || shown.naturalHeight;
  const paint = canvas.getContext("2d", { willReadFrequently: true });
  paint.drawImage(shown, 0, 0, canvas.width, canvas.height);
  const bars = [...Array(12).keys()].map((bar) => {
    const x = Math.floor((bar + 0.5) * canvas.width / 12);
    return paint.getImageData(x, canvas.height >> 1, 1, 1).data[1] > 128 ? 1 << bar : 0;
  });
  return bars.reduce((sum, bit) => sum + bit, 0);
}"""


@pytest.fixture
def numbered_film(web_server: Web, ready_film: Callable[..., Film], tmp_path: Path) -> Film:
    """A film that Chromium cannot play, 24000/1001, with cuts where many bars change."""
    path = make_coded_film(
        tmp_path / "numbered.mkv",
        rate="24000/1001",
        seconds=16,
        codec=("-c:v", "mpeg2video", "-q:v", "3", "-bf", "2", "-g", "15"),
        sound=("-c:a", "ac3"),
    )
    film = ready_film(path, "Numbered")
    assert film.video_codec == "mpeg2video"
    return film


def read_number(tab: Page) -> int:
    """The number in the picture shown; -1 without a picture."""
    return int(tab.evaluate(READ))


def open_scene(tab: Page, server: Web, film: Film, second: int = 3, asked: str = "") -> None:
    tab.goto(f"{server.url}/films/{film.pk}/frames/{second}/{asked}")
    wait_for(lambda: read_number(tab) >= 0)


def read_playhead(tab: Page) -> str:
    """The timecode of the current frame on the page."""
    return tab.locator("#playhead-time").inner_text()


def read_span(tab: Page) -> tuple[int, int]:
    """The first and last frame, read from the handles."""
    values = [
        int(tab.locator(f".handle.{end}").get_attribute("aria-valuenow") or -1)
        for end in ("begin", "end")
    ]
    return values[0], values[1]


def wait_until_updated(tab: Page) -> Locator:
    """The part of the page that depends on the span, once it has that of the handles."""
    first, last = read_span(tab)
    link = tab.locator("a.save")
    expect(link).to_have_attribute("href", re.compile(f"/exact/{first}-{last}.mp4$"))
    return link


def test_a_scene_plays_although_the_browser_does_not_support_its_codec(
    web_server: Web, numbered_film: Film, tab: Page, errors: list[str]
) -> None:
    open_scene(tab, web_server, numbered_film, asked="?in=40f&out=64f")
    assert read_span(tab) == (40, 64)
    seen = set()
    for _look in range(60):
        seen.add(read_number(tab))
        tab.wait_for_timeout(40)
    seen.discard(-1)  # no picture while the video loops
    # It loops, and shows only its own frames.
    assert len(seen) > 8
    assert seen <= set(range(40, 64))
    state = tab.evaluate("(v => [v.muted, v.paused, v.duration])(document.querySelector('video'))")
    assert state[:2] == [True, False]
    assert state[2] == pytest.approx(24 * 1001 / 24000, abs=0.005)
    # The still has the size of the clip, so nothing moves when it loads.
    screen = tab.locator(".screen").bounding_box()
    assert screen is not None
    assert screen["width"] / screen["height"] == pytest.approx(3, abs=0.02)
    assert errors == []


def test_the_handles_move_by_keyboard(
    web_server: Web, numbered_film: Film, tab: Page, errors: list[str]
) -> None:
    open_scene(tab, web_server, numbered_film, asked="?in=40f&out=64f")
    begin, end = tab.locator(".handle.begin"), tab.locator(".handle.end")
    begin.focus()
    for _press in range(3):
        tab.keyboard.press("ArrowRight")
    assert read_span(tab) == (43, 64)
    # The picture is the frame at the handle, from the loaded clip.
    wait_for(lambda: read_number(tab) == 43)
    expect(tab.locator("#mark-in")).to_have_value("00:00:01:19")
    expect(begin).to_have_attribute("aria-valuetext", "00:00:01:19")
    end.focus()
    tab.keyboard.press("Shift+ArrowRight")
    assert read_span(tab) == (43, 88)
    # Beyond the clip, the frame is a still.
    wait_for(lambda: read_number(tab) == 87)
    wait_until_updated(tab)
    assert "in=43f&out=88f" in tab.url
    expect(tab.locator("#citation")).to_have_value(
        re.compile(r"Numbered, 00:00:01:19–00:00:03:16, http.*\?in=43f&out=88f$")
    )
    # The handles never pass each other.
    begin.focus()
    tab.keyboard.press("End")
    tab.keyboard.press("Shift+ArrowRight")
    assert read_span(tab)[0] < read_span(tab)[1]
    tab.locator("#mark-own").click()
    expect(tab.locator("#mark-own")).to_be_hidden()
    assert "in=" not in wait_until_updated(tab).page.url
    assert errors == []


def test_a_handle_is_dragged_and_snaps_to_a_cut(
    web_server: Web, demo_film: Film, tab: Page, errors: list[str]
) -> None:
    tab.goto(f"{web_server.url}/films/{demo_film.pk}/frames/12/")
    shot = demo_film.shots.get(number=3)
    first, last = read_span(tab)
    assert (first, last) == tuple(demo_film.clock.frame_from(t) for t in (shot.start, shot.end))
    box = tab.locator(".track").bounding_box()
    handle = tab.locator(".handle.end span").bounding_box()
    assert box is not None
    assert handle is not None
    strip = tab.locator("#trim")
    from_, to = (int(strip.get_attribute(name) or 0) for name in ("data-first", "data-last"))

    def x_of(frame: float) -> float:
        return box["x"] + (frame - from_) / (to - from_) * box["width"]

    middle = handle["y"] + handle["height"] / 2
    tab.mouse.move(handle["x"] + 4, middle)
    tab.mouse.down()
    tab.mouse.move(x_of(last - 30), middle, steps=5)
    assert read_span(tab)[1] == pytest.approx(last - 30, abs=2)
    tab.mouse.move(x_of(last) + 5, middle, steps=5)
    assert read_span(tab) == (first, last)
    after = demo_film.clock.frame_from(demo_film.shots.get(number=4).end)
    tab.mouse.move(x_of(after) - 6, middle, steps=5)
    tab.mouse.up()
    assert read_span(tab) == (first, after)
    wait_until_updated(tab)
    # It plays the chosen span.
    wait_for(
        lambda: (
            tab.evaluate("document.querySelector('video').duration")
            == pytest.approx((after - first) / float(demo_film.clock.grid), abs=0.01)
        )
    )
    assert errors == []


def test_a_touched_handle_moves(web_server: Web, demo_film: Film, browser: Browser) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, locale="en"
    )
    tab = context.new_page()
    tab.goto(f"{web_server.url}/films/{demo_film.pk}/frames/12/")
    first, last = read_span(tab)
    handle = tab.locator(".handle.begin span")
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    assert box is not None
    line = context.new_cdp_session(tab)
    y = box["y"] + box["height"] / 2
    for kind, x in (("touchStart", box["x"] + 5), ("touchMove", box["x"] + 25),
                    ("touchMove", box["x"] + 40), ("touchEnd", None)):  # fmt: skip
        points = [] if x is None else [{"x": x, "y": y}]
        line.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert first < read_span(tab)[0] < last
    context.close()


def test_times_can_be_typed(web_server: Web, numbered_film: Film, tab: Page) -> None:
    open_scene(tab, web_server, numbered_film, asked="?in=40f&out=64f")
    tab.fill("#mark-out", "00:00:03:00")
    tab.keyboard.press("Enter")
    assert read_span(tab) == (40, 72)
    tab.fill("#mark-in", "nonsense")
    tab.keyboard.press("Tab")
    expect(tab.locator("#mark-error")).to_contain_text("Not a time in this film")
    expect(tab.locator("#mark-in")).to_have_attribute("aria-invalid", "true")
    assert read_span(tab) == (40, 72)
    # For a time far away, the strip shows another part of the film.
    tab.fill("#mark-in", "0:12")
    tab.fill("#mark-out", "0:14")
    tab.keyboard.press("Enter")
    expect(tab).to_have_url(re.compile("in=288f&out=336f"))
    wait_for(lambda: read_number(tab) >= 288)


def test_the_exact_scene_is_saved(
    web_server: Web, numbered_film: Film, tab: Page, tmp_path: Path
) -> None:
    open_scene(tab, web_server, numbered_film, asked="?in=40f&out=64f")
    tab.locator(".handle.end").focus()
    tab.keyboard.press("ArrowLeft")
    link = wait_until_updated(tab)
    with tab.expect_download() as waiting:
        link.click()
    assert waiting.value.suggested_filename == "Numbered 00.00.01.16-00.00.02.15.mp4"
    saved = tmp_path / "saved.mp4"
    waiting.value.save_as(saved)
    assert read_codes(saved) == list(range(40, 63))
    expect(tab.locator(".saving")).to_contain_text("Saved.")
    for name in ("GIF", "WebP", "Still PNG"):
        with tab.expect_download() as waiting:
            tab.get_by_role("link", name=name).click()
        assert waiting.value.suggested_filename.endswith(name.split()[-1].lower())


def test_keys_set_in_and_out_and_play_and_navigate(
    web_server: Web, numbered_film: Film, tab: Page, errors: list[str]
) -> None:
    tab.goto(f"{web_server.url}/?q=black+and+white")
    tab.locator(".hits .shown").first.click()
    wait_for(lambda: read_number(tab) >= 0)
    found = tab.url
    assert "q=black+and+white" in found
    tab.keyboard.press(" ")
    assert tab.evaluate("document.querySelector('video').paused")
    # The page has the timecode of the frame shown.
    tab.wait_for_timeout(100)
    wait_for(lambda: read_playhead(tab) == numbered_film.clock.timecode_of(read_number(tab)))
    # So does a picture that arrives after the pause.
    before = read_number(tab)
    tab.evaluate(
        "at => { document.querySelector('video').currentTime += at }",
        (-2 if before > read_span(tab)[0] + 2 else 2) * 1001 / 24000,
    )
    wait_for(lambda: read_number(tab) != before)
    wait_for(lambda: read_playhead(tab) == numbered_film.clock.timecode_of(read_number(tab)))
    first, last = read_span(tab)
    here = read_number(tab)
    assert first <= here < last
    if here > first:
        tab.keyboard.press("i")
        assert read_span(tab) == (here, last)
    tab.keyboard.press("o")
    assert read_span(tab) == (here, here + 1)
    wait_until_updated(tab)
    tab.keyboard.press(" ")
    assert not tab.evaluate("document.querySelector('video').paused")
    beside = tab.locator(".strip a[rel=next], .strip a[rel=prev]").first.get_attribute("rel")
    tab.keyboard.press(f"Shift+Arrow{'Right' if beside == 'next' else 'Left'}")
    expect(tab).not_to_have_url(re.compile("out="))
    assert "q=black+and+white" in tab.url
    tab.keyboard.press("Escape")
    expect(tab).to_have_url(re.compile(r"/\?q=black\+and\+white"))
    assert errors == []


def test_without_javascript_a_scene_is_a_player_and_a_form(
    web_server: Web, numbered_film: Film, browser: Browser
) -> None:
    context = browser.new_context(java_script_enabled=False, locale="en")
    tab = context.new_page()
    tab.goto(f"{web_server.url}/films/{numbered_film.pk}/frames/3/?q=cat&in=seen")
    tab.fill("#mark-in", "00:00:01:00")
    tab.fill("#mark-out", "00:00:02:00")
    tab.get_by_role("button", name="Set").click()
    assert "q=cat" in tab.url
    assert "in=seen" in tab.url
    source = tab.locator("video").get_attribute("src") or ""
    assert source.endswith("/clips/24-48.mp4")
    expect(tab.locator(".handle.begin")).to_be_hidden()
    assert tab.locator("a.save").get_attribute("href") == source.replace("clips", "exact")
    tab.fill("#mark-out", "tomorrow")
    tab.get_by_role("button", name="Set").click()
    expect(tab.locator("#mark-error")).to_contain_text("“tomorrow” is not a valid time")
    context.close()


def test_with_reduced_motion_nothing_plays_until_a_button_is_pressed(
    web_server: Web, numbered_film: Film, browser: Browser
) -> None:
    context = browser.new_context(viewport=DESKTOP, reduced_motion="reduce", locale="en")
    tab = context.new_page()
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(f"{web_server.url}/films/{numbered_film.pk}/frames/3/")
    expect(tab.locator(".big-play")).to_be_visible()
    tab.wait_for_timeout(500)
    assert not [url for url in asked if "/clips/" in url]
    tab.locator(".big-play").click()
    wait_for(lambda: read_number(tab) >= 0)
    expect(tab.locator(".big-play")).to_be_hidden()
    context.close()


def test_a_failed_clip_is_reported_and_the_still_stays(
    web_server: Web, numbered_film: Film, tab: Page
) -> None:
    numbered_film.files.source().unlink()
    tab.goto(f"{web_server.url}/films/{numbered_film.pk}/frames/3/")
    expect(tab.locator(".screen-note")).to_contain_text(
        "cannot be played right now", timeout=20_000
    )
    expect(tab.locator(".poster")).to_be_visible()
    expect(tab.locator(".big-play")).to_be_visible()
