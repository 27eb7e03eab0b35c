"""Players: subtitles, keys, full screen, trims that are kept, pictures of any shape."""

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from gallery.films.models import Film, Shot
from gallery.transcripts.models import Line, Subtitles
from tests.browser.test_browser_scenes import open_scene, read_number, read_playhead, read_span
from tests.browsing import DESKTOP, PHONE, Gate, log_in
from tests.coded import create_film, make_coded_film
from tests.processes import Web, wait_for

ENGLISH, CHINESE = "It never snows & never will.", "从来不下雪。"
VIDEO = "document.querySelector('video.scene')"


@pytest.fixture
def film(web_server: Web, tmp_path: Path) -> Film:
    """A film of 16 s with numbered pictures, 24 a second, and subtitles up to 10 s."""
    film = create_film(make_coded_film(tmp_path / "numbered.mp4", seconds=16), "Numbered")
    for second in range(16):
        thumbnail = film.files.run(1).thumbnail(second)
        thumbnail.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (160, 90), "gray").save(thumbnail)
    Shot.objects.bulk_create(
        Shot(film=film, number=n, start=n * 4.0, end=n * 4.0 + 4, second=n * 4 + 2)
        for n in range(4)
    )
    for language, text in (("en", ENGLISH), ("zh-Hans", CHINESE)):
        row = Subtitles.objects.create(
            film=film, language=language, source=Subtitles.Source.UPLOADED, line_count=1
        )
        Line.objects.create(subtitles=row, number=0, start=0.0, end=10.0, text=text)
    return film


def is_paused(tab: Page) -> bool:
    return bool(tab.evaluate(f"{VIDEO}.paused"))


def is_full_screen(tab: Page) -> bool:
    return bool(tab.evaluate("document.fullscreenElement?.matches('.stage') ?? false"))


def pause_at(tab: Page, frame: int) -> None:
    """Pause, and go to a frame of the loaded clip by keyboard."""
    if not is_paused(tab):
        tab.keyboard.press("k")
    for press in range(200):
        wait_for(lambda: not tab.evaluate(f"{VIDEO}.seeking"), timeout=30)
        number = read_number(tab)
        if number == frame:
            return
        tab.keyboard.press("." if number < frame else ",")
        # At the moment of the pause, the picture may be a frame ahead of what the browser has
        # reported. The first step then stays at that frame.
        if press:
            wait_for(lambda before=number: read_number(tab) != before, timeout=30)  # type: ignore[misc]
    raise AssertionError(frame)


# --- subtitles ------------------------------------------------------------------------------------


def test_subtitles_are_chosen_and_remembered(
    web_server: Web, film: Film, tab: Page, errors: list[str]
) -> None:
    shown = tab.locator(".screen .subtitles")
    open_scene(tab, web_server, film, asked="?in=40f&out=90f")
    expect(shown).to_be_hidden()
    tab.keyboard.press("v")
    expect(shown).to_have_text(ENGLISH)
    tab.get_by_label("Subtitles", exact=True).select_option(label="Chinese (Simplified)")
    expect(shown).to_have_text(CHINESE)
    expect(shown).to_have_attribute("lang", "zh-Hans")
    # They have the times of the clip: this one begins after the line has ended.
    open_scene(tab, web_server, film, asked="?in=250f&out=300f")
    expect(tab.locator("#subtitle-choice")).to_have_class(re.compile("is-on"))
    wait_for(lambda: tab.evaluate(f"[...{VIDEO}.textTracks].some(one => one.mode === 'hidden')"))
    expect(shown).to_be_hidden()
    open_scene(tab, web_server, film, asked="?in=230f&out=250f")
    pause_at(tab, 236)
    expect(shown).to_have_text(CHINESE)
    pause_at(tab, 243)
    expect(shown).to_be_hidden()
    tab.keyboard.press("v")
    open_scene(tab, web_server, film, asked="?in=40f&out=90f")
    expect(tab.locator("#subtitle-choice")).not_to_have_class(re.compile("is-on"))
    assert errors == []


def test_the_whole_film_has_subtitles_a_bar_and_the_keys(
    web_server: Web, film: Film, tab: Page, errors: list[str]
) -> None:
    log_in(tab, web_server.url)
    tab.goto(f"{web_server.url}/films/{film.pk}/frames/2/#whole")
    bar = tab.get_by_label("Position in the film")
    expect(bar).to_be_visible()
    expect(tab.locator("#trim")).to_be_hidden()
    wait_for(lambda: tab.evaluate(f"{VIDEO}.duration") == pytest.approx(16, abs=0.1), timeout=30)
    tab.keyboard.press("v")
    expect(tab.locator(".screen .subtitles")).to_have_text(ENGLISH)
    # Without a click on this page, the browser plays no sound.
    tab.get_by_role("button", name="Play the scene").click()
    wait_for(lambda: tab.evaluate(f"{VIDEO}.currentTime") > 0)
    expect(tab.locator(".big-play")).to_be_hidden()
    tab.keyboard.press(" ")
    before = tab.evaluate(f"{VIDEO}.currentTime")
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate(f"{VIDEO}.currentTime") == pytest.approx(before + 5, abs=0.1)
    bar.fill("12")
    wait_for(lambda: read_playhead(tab).startswith("00:00:12"), timeout=30)
    expect(tab.locator(".screen .subtitles")).to_be_hidden()
    # The keys are the same on the bar.
    bar.focus()
    tab.keyboard.press("ArrowLeft")
    wait_for(lambda: read_playhead(tab) == "00:00:07:00", timeout=30)
    tab.keyboard.press("ArrowRight")
    wait_for(lambda: read_playhead(tab) == "00:00:12:00", timeout=30)
    tab.keyboard.press(".")
    wait_for(lambda: read_playhead(tab) == "00:00:12:01", timeout=30)
    # A shot of 4 s after or before, not another page.
    for key, start in (("Left", "08"), ("Left", "04"), ("Right", "08"), ("Right", "12")):
        tab.keyboard.press(f"Shift+Arrow{key}")
        wait_for(lambda start=start: read_playhead(tab) == f"00:00:{start}:00", timeout=30)
    tab.keyboard.press("Shift+ArrowRight")
    assert "/frames/2/" in tab.url
    tab.get_by_role("link", name="Back to the scene").click()
    expect(tab.locator("#trim")).to_be_visible()
    assert errors == []


# --- full screen ----------------------------------------------------------------------------------


def test_full_screen_has_the_controls_and_subtitles(
    web_server: Web, film: Film, tab: Page, errors: list[str]
) -> None:
    open_scene(tab, web_server, film, asked="?in=40f&out=90f")
    tab.keyboard.press("v")
    tab.keyboard.press("f")
    wait_for(lambda: is_full_screen(tab))
    for part in ("#trim", "#playhead-time", "#play", "#subtitle-choice", ".screen .subtitles"):
        expect(tab.locator(f".stage {part}")).to_be_visible()
    text, controls = (
        tab.locator(one).bounding_box() for one in (".subtitles span", ".stage .controls")
    )
    assert text is not None
    assert controls is not None
    assert text["y"] + text["height"] <= controls["y"] + 1
    picture = tab.locator(".screen").bounding_box()
    assert picture == {"x": 0, "y": 0, **DESKTOP}
    # The controls hide while it plays, until the pointer moves.
    stage = tab.locator(".stage")
    expect(stage).to_have_class(re.compile("is-idle"), timeout=30_000)
    tab.mouse.move(300, 300)
    expect(stage).not_to_have_class(re.compile("is-idle"))
    tab.keyboard.press("f")
    wait_for(lambda: not is_full_screen(tab))
    assert errors == []


def test_an_iphone_shows_its_own_full_screen_with_subtitles(
    web_server: Web, film: Film, browser: Browser
) -> None:
    context = browser.new_context(viewport=PHONE, locale="en")
    # Only videos can be in full screen there.
    context.add_init_script(
        """delete Element.prototype.requestFullscreen;
        HTMLVideoElement.prototype.webkitEnterFullscreen = function () {
          this.dispatchEvent(new Event("webkitbeginfullscreen"));
        };"""
    )
    tab = context.new_page()
    open_scene(tab, web_server, film, asked="?in=40f&out=90f")
    tab.keyboard.press("v")
    expect(tab.locator(".screen .subtitles")).to_have_text(ENGLISH)
    tab.get_by_role("button", name="Full screen").click()
    modes = f"[...{VIDEO}.textTracks].map(one => one.mode)"
    assert tab.evaluate(modes) == ["showing", "disabled"]
    expect(tab.locator(".screen .subtitles")).to_be_hidden()
    tab.evaluate(f"{VIDEO}.dispatchEvent(new Event('webkitendfullscreen'))")
    assert tab.evaluate(modes) == ["hidden", "disabled"]
    context.close()


# --- keys -----------------------------------------------------------------------------------------


def test_each_quick_press_is_a_step(
    web_server: Web, film: Film, tab: Page, errors: list[str]
) -> None:
    open_scene(tab, web_server, film, asked="?in=40f&out=160f")
    pause_at(tab, 60)
    for key, frame in ((".", 90), (",", 60), (".", 90)):
        for _press in range(30):
            tab.keyboard.press(key)
        expect(tab.locator("#playhead-time")).to_have_text(film.clock.timecode_of(frame))
        wait_for(lambda shown=frame: read_number(tab) == shown, timeout=30)  # type: ignore[misc]
    assert errors == []


def test_the_keys_of_players_work_but_not_while_typing(
    web_server: Web, film: Film, tab: Page, errors: list[str]
) -> None:
    open_scene(tab, web_server, film, asked="?in=40f&out=160f")
    pause_at(tab, 60)
    expect(tab.locator("#playhead-time")).to_have_text(film.clock.timecode_of(60))
    tab.keyboard.press("ArrowRight")
    wait_for(lambda: read_number(tab) == 84, timeout=30)
    # Play, faster, and stop.
    tab.keyboard.press("l")
    assert not is_paused(tab)
    tab.keyboard.press("l")
    assert tab.evaluate(f"{VIDEO}.playbackRate") == 2
    expect(tab.locator("#speed")).to_have_text("2×")
    tab.keyboard.press("k")
    assert is_paused(tab)
    expect(tab.locator("#speed")).to_have_text("")
    # Backwards, to the first frame.
    tab.keyboard.press("j")
    tab.keyboard.press("j")
    expect(tab.locator("#speed")).to_have_text("−2×")
    wait_for(lambda: read_number(tab) == 40, timeout=30)
    expect(tab.locator("#speed")).to_have_text("")
    muted = tab.evaluate(f"{VIDEO}.muted")
    tab.keyboard.press("m")
    assert tab.evaluate(f"{VIDEO}.muted") != muted
    here = tab.url
    words = tab.locator("#words")
    words.fill("")
    words.press_sequentially("jklmfvionp,. ")
    expect(words).to_have_value("jklmfvionp,. ")
    assert (is_paused(tab), read_number(tab), read_span(tab)) == (True, 40, (40, 160))
    assert not is_full_screen(tab)
    assert tab.url == here
    tab.locator("#words").blur()
    tab.keyboard.press("?")
    for text in ("play backwards", "previous or next frame", "subtitles on or off", "full screen"):
        expect(tab.locator("#keys")).to_contain_text(text)
    assert errors == []


def test_the_timecode_is_that_of_the_picture(web_server: Web, film: Film, tab: Page) -> None:
    open_scene(tab, web_server, film, asked="?in=40f&out=64f")
    stills = Gate(tab, "**/stills/*.jpg")
    tab.locator(".handle.end").focus()
    with tab.expect_request("**/stills/*.jpg"):
        tab.keyboard.press("Shift+ArrowRight")
    assert read_span(tab) == (40, 88)
    assert read_playhead(tab) != film.clock.timecode_of(87)
    stills.open()
    wait_for(lambda: read_number(tab) == 87, timeout=30)
    assert read_playhead(tab) == film.clock.timecode_of(87)


def test_a_slip_of_the_fingers_leaves_no_clip_of_one_frame(
    web_server: Web, film: Film, tab: Page
) -> None:
    open_scene(tab, web_server, film, asked="?in=40f&out=160f")
    wait_for(lambda: not is_paused(tab) and 44 < read_number(tab) < 120, timeout=30)
    tab.evaluate(
        """() => { for (const key of ["i", "o"])
          document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true })); }"""
    )
    expect(tab.locator("#mark-error")).to_contain_text("only a few frames")
    first, last = read_span(tab)
    assert first > 40
    assert last == 160


# --- trims ----------------------------------------------------------------------------------------


def test_a_trim_is_kept_when_another_shot_is_opened(
    web_server: Web, film: Film, tab: Page, errors: list[str]
) -> None:
    second = film.shots.get(number=1).second
    open_scene(tab, web_server, film, second=second)
    first, last = read_span(tab)
    begin = tab.locator(".handle.begin")
    begin.focus()
    tab.keyboard.press("ArrowRight")
    # At once, before the address has the trim.
    begin.blur()
    tab.keyboard.press("Shift+ArrowRight")
    expect(tab.locator("#toast")).to_contain_text("is kept")
    tab.locator("#toast").get_by_role("link", name="Back to it").click()
    wait_for(lambda: read_span(tab) == (first + 1, last))
    # Opened again from its neighbour, it is trimmed as it was left.
    tab.locator(".strip a[rel=next]").click()
    expect(tab).not_to_have_url(re.compile("out="))
    tab.locator(".strip a[rel=prev]").click()
    expect(tab.locator(".screen-note")).to_contain_text("Trimmed as you left it")
    assert read_span(tab) == (first + 1, last)
    tab.locator(".strip a[rel=next]").click()
    expect(tab).not_to_have_url(re.compile("out="))
    tab.go_back()
    wait_for(lambda: read_span(tab) == (first + 1, last))
    # Until it is taken back.
    tab.locator("#mark-own").click()
    tab.goto(f"{web_server.url}/films/{film.pk}/frames/{second}/")
    assert read_span(tab) == (first, last)
    assert errors == []


def test_a_start_typed_after_the_end_moves_the_end(web_server: Web, film: Film, tab: Page) -> None:
    open_scene(tab, web_server, film, asked="?in=40f&out=64f")
    tab.fill("#mark-in", "72f")
    tab.keyboard.press("Enter")
    assert read_span(tab) == (72, 96)
    expect(tab.locator("#mark-error")).to_contain_text("The end was moved, too")
    tab.fill("#mark-out", "48f")
    tab.keyboard.press("Tab")
    assert read_span(tab) == (24, 48)
    expect(tab.locator("#mark-error")).to_contain_text("The start was moved, too")
    tab.fill("#mark-in", "1:00:00")
    tab.keyboard.press("Tab")
    expect(tab.locator("#mark-error")).to_contain_text("Not a time in this film")
    expect(tab.locator("#mark-in")).to_have_value("1:00:00")
    assert read_span(tab) == (24, 48)


# --- the page -------------------------------------------------------------------------------------


def test_pictures_of_any_shape_fit_the_window_with_the_strip(
    web_server: Web, film: Film, tab: Page
) -> None:
    log_in(tab, web_server.url)
    sizes = (DESKTOP, {"width": 1024, "height": 768}, {"width": 768, "height": 1024}, PHONE)
    for width, height in ((1080, 1920), (2390, 1000), (640, 480), (600, 600)):
        Film.objects.filter(pk=film.pk).update(width=width, height=height)
        for size in sizes:
            tab.set_viewport_size(size)  # type: ignore[arg-type]
            tab.goto(f"{web_server.url}/films/{film.pk}/frames/3/")
            box = tab.locator("#trim").bounding_box()
            assert box is not None
            assert box["y"] + box["height"] <= size["height"], (width, height, size)
            picture = tab.locator(".screen .poster").bounding_box()
            assert picture is not None
            assert picture["width"] / picture["height"] == pytest.approx(width / height, rel=0.02)
            assert tab.evaluate("document.documentElement.scrollWidth") == size["width"]
            label = tab.locator("#whole span")
            assert label.evaluate("one => one.scrollWidth <= one.clientWidth || !one.clientWidth")


def test_the_focus_stays_on_the_button_that_was_pressed(
    web_server: Web, demo_film: Film, tab: Page
) -> None:
    tab.goto(f"{web_server.url}/films/{demo_film.pk}/frames/12/")
    button = tab.get_by_role("button", name="Score these words")
    button.focus()
    tab.keyboard.press("Enter")
    expect(tab.locator("#probabilities .odds")).to_be_visible()
    expect(button).to_be_focused()


def test_a_message_on_a_phone_leaves_the_buttons_free(
    web_server: Web, film: Film, tab: Page
) -> None:
    log_in(tab, web_server.url)  # staff has the most links in the header
    tab.set_viewport_size(PHONE)
    tab.goto(f"{web_server.url}/films/{film.pk}/frames/3/")
    header = tab.locator(".top").bounding_box()
    save = tab.locator("#of-span .collect-button")
    save.scroll_into_view_if_needed()
    save.click()
    expect(tab.locator("#toast")).not_to_be_empty()
    expect(save).to_contain_text("Saved")
    toast, button = tab.locator("#toast").bounding_box(), save.bounding_box()
    assert toast is not None
    assert button is not None
    assert toast["y"] + toast["height"] <= button["y"]
    # The first saved scene makes the header no higher: its number has no room there.
    expect(tab.locator(".tally > [aria-hidden]")).to_be_hidden()
    tab.evaluate("scrollTo(0, 0)")
    assert tab.locator(".top").bounding_box() == header
    # The board chooser has the name of the link that opens it.
    tab.locator("#toast").get_by_role("link", name="Change board").click()
    expect(tab.locator("#chooser h2")).to_have_text("Change board")
    # Its button to close leaves the first board's focus room; names start where the title does.
    close = tab.locator("#chooser .close").bounding_box()
    first = tab.locator("#chooser .choose-board").first.bounding_box()
    title = tab.locator("#chooser h2").bounding_box()
    name = tab.locator("#chooser .choose-name").first.bounding_box()
    assert close and first and title and name
    assert close["y"] + close["height"] + 6 <= first["y"]
    assert name["x"] == pytest.approx(title["x"], abs=1)


def test_the_list_of_keys_keeps_each_section_in_one_column(
    web_server: Web, demo_film: Film, tab: Page
) -> None:
    tab.goto(f"{web_server.url}/films/{demo_film.pk}/frames/12/")
    tab.keyboard.press("?")
    expect(tab.locator("#keys")).to_be_visible()
    sections = tab.locator("#keys dl")
    assert sections.count() == 4
    for section in sections.all():
        assert section.evaluate("one => one.getClientRects().length") == 1
    assert tab.locator("#keys").evaluate("one => one.scrollHeight <= one.clientHeight")


def test_a_film_page_on_a_phone_shows_the_best_matches_first(
    web_server: Web, demo_film: Film, tab: Page
) -> None:
    log_in(tab, web_server.url)
    tab.set_viewport_size(PHONE)
    tab.goto(f"{web_server.url}/films/{demo_film.pk}/?q=dog")
    play = tab.get_by_role("link", name="Play", exact=True)
    first = demo_film.shots.get(number=0)
    expect(play).to_have_attribute("href", f"/films/{demo_film.pk}/frames/{first.second}/#whole")
    tops = [
        tab.locator(one).evaluate("one => one.getBoundingClientRect().top + scrollY")
        for one in (".moments", ".transcript", "section[aria-labelledby=shots]")
    ]
    assert tops == sorted(tops)
    for size in (PHONE, DESKTOP):
        tab.set_viewport_size(size)
        last = tab.locator(".scale span:visible").last
        assert last.evaluate(
            """one => one.getBoundingClientRect().right
                <= one.parentElement.getBoundingClientRect().right"""
        )


# --- boards ---------------------------------------------------------------------------------------


def test_a_click_counts_although_the_scripts_have_not_run_yet(
    web_server: Web, film: Film, tab: Page
) -> None:
    tab.goto(f"{web_server.url}/films/{film.pk}/frames/2/")
    tab.keyboard.press("c")
    expect(tab.locator("#toast")).not_to_be_empty()
    tab.goto(f"{web_server.url}/boards/")
    board = tab.locator(".board-list a").first.get_attribute("href")
    gate = Gate(tab, "**/board-player*.js")
    tab.goto(f"{web_server.url}{board}", wait_until="commit")
    tab.get_by_role("button", name="Play all").click()
    wait_for(lambda: gate.held)
    expect(tab.locator("#player")).to_be_hidden()
    gate.open()
    expect(tab.locator("#player #play")).to_be_focused()


def test_the_player_of_a_board_has_the_same_controls(
    web_server: Web, film: Film, tab: Page, errors: list[str]
) -> None:
    for second in (2, 12):
        tab.goto(f"{web_server.url}/films/{film.pk}/frames/{second}/")
        tab.keyboard.press("c")
        expect(tab.locator("#toast")).not_to_be_empty()
    tab.goto(f"{web_server.url}/boards/")
    tab.locator(".board-list a").first.click()
    gate = Gate(tab, "**/clips/*.mp4")
    tab.get_by_role("button", name="Play all").click()
    player = tab.locator("#player")
    expect(player.locator("#play")).to_be_focused()
    # Until the clip is made: its still, and a line that moves.
    still = player.locator(".player-still")
    expect(still).to_be_visible()
    wait_for(lambda: still.evaluate("one => one.complete && one.naturalWidth > 0"))
    line = "one => getComputedStyle(one, '::after').animationName"
    assert player.locator(".player-screen").evaluate(line) == "coming"
    gate.open()
    expect(still).to_be_hidden(timeout=30_000)
    shown = "[...document.querySelectorAll('#player video')].find(one => !one.hidden)"
    wait_for(lambda: tab.evaluate(f"{shown}.currentTime") > 0, timeout=30)
    tab.keyboard.press("k")
    tab.keyboard.press("v")
    expect(player.locator(".subtitles")).to_have_text(ENGLISH)
    expect(player.locator("#playhead-time")).to_have_text(re.compile(r"^\d\d:\d\d:\d\d:\d\d$"))
    before = player.locator("#playhead-time").inner_text()
    tab.keyboard.press(".")
    expect(player.locator("#playhead-time")).not_to_have_text(before)
    violations = Axe().run(tab).response["violations"]
    assert [one["id"] for one in violations if one["impact"] in ("serious", "critical")] == []
    tab.keyboard.press("f")
    wait_for(lambda: tab.evaluate("document.fullscreenElement?.matches('.player-box') ?? false"))
    expect(player.locator("#playhead-time")).to_be_visible()
    tab.keyboard.press("f")
    tab.keyboard.press("n")
    expect(player.locator(".player-number")).to_have_text("2/2")
    tab.keyboard.press("Shift+ArrowLeft")
    expect(player.locator(".player-number")).to_have_text("1/2")
    tab.keyboard.press("Escape")
    expect(player).to_be_hidden()
    expect(tab.get_by_role("button", name="Play all")).to_be_focused()
    assert errors == []
