"""Text in the picture: read by the worker, searched, shown where it stands, and quoted."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from PIL import ImageDraw, ImageFont
from playwright.sync_api import Locator, Page, expect

from gallery.films.models import Film
from gallery.transcripts import reading
from gallery.transcripts.models import Subtitles
from tests.browser.test_browser_subtitles import find_violations
from tests.browsing import PHONE, log_in
from tests.films import H264, noise, run_ffmpeg
from tests.processes import Web, wait_for

TIMEOUT = 120_000  # milliseconds
FONT = "/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc"
SIZE = (640, 360)
SUBTITLES = (
    "你昨天晚上去哪里了？", "我在码头等船。", "船已经开走了。", "我们明天一起去看海吧。",
    "那家旅馆还开着吗？", "开着，灯还亮着。",
)  # fmt: skip
SUBTITLE_SECONDS = 3
SHOTS = 2
SIGN = "HARBOUR HOTEL"
SIGN_SECONDS = range(9, 18)  # the second shot


def draw_film(path: Path) -> dict[str, tuple[float, float, float, float]]:
    """Draw a film with burnt-in subtitles and a sign. Return where texts stand, in shares."""
    subtitle_font, sign_font = ImageFont.truetype(FONT, 28), ImageFont.truetype(FONT, 34)
    places = {}
    seconds = SUBTITLE_SECONDS * len(SUBTITLES)
    for second in range(seconds):
        picture = noise(second * SHOTS // seconds, SIZE)
        draw = ImageDraw.Draw(picture)
        if second in SIGN_SECONDS:
            draw.rectangle((40, 60, 330, 120), fill="white")
            draw.text((52, 64), SIGN, font=sign_font, fill="black")
            places[SIGN] = draw.textbbox((52, 64), SIGN, font=sign_font)
        text = SUBTITLES[second // SUBTITLE_SECONDS]
        options = {"font": subtitle_font, "anchor": "mm", "stroke_width": 3}
        draw.text((320, 325), text, fill="white", stroke_fill="black", **options)
        places[text] = draw.textbbox((320, 325), text, **options)
        picture.save(path.with_name(f"frame-{second:02d}.png"))
    run_ffmpeg(
        *("-framerate", "1", "-i", str(path.with_name("frame-%02d.png")), "-r", "24"),
        *(*H264, "-crf", "12", str(path)),
    )
    width, height = SIZE
    return {
        text: (left / width, top / height, right / width, bottom / height)
        for text, (left, top, right, bottom) in places.items()
    }


def measure_box(tab: Page, box: Locator) -> Iterable[float]:
    """Where a box stands over the picture: left, top, right and bottom, in shares of it.

    Without its padding, which is outside the text.
    """
    return tab.evaluate(
        """([box, picture]) => {
            const padding = parseFloat(getComputedStyle(box).paddingLeft);
            const [inner, outer] = [box, picture].map((one) => one.getBoundingClientRect());
            return [
                (inner.left + padding - outer.left) / outer.width,
                (inner.top + padding - outer.top) / outer.height,
                (inner.right - padding - outer.left) / outer.width,
                (inner.bottom - padding - outer.top) / outer.height,
            ];
        }""",
        [box.element_handle(), tab.locator(".screen > .poster").element_handle()],
    )


@pytest.mark.usefixtures("worker")
def test_a_line_in_the_picture_is_found_shown_and_quoted(
    web_server: Web, tab: Page, errors: list[str], tmp_path: Path
) -> None:
    places = draw_film(tmp_path / "film.mp4")
    line = SUBTITLES[3]
    tab.emulate_media(reduced_motion="reduce")  # the still stays until somebody plays
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])

    # Upload, and wait for the import and the reader.
    log_in(tab, web_server.url)
    tab.goto(f"{web_server.url}/admin/gallery/film/add/")
    tab.set_input_files("#id_file", tmp_path / "film.mp4")
    tab.fill("#id_title", "The Ferry")
    tab.click("[name=_save]")
    expect(tab.locator("#result_list tbody tr")).to_contain_text("ready", timeout=TIMEOUT)
    film = Film.objects.get()
    wait_for(lambda: not reading.find_unread().exists(), timeout=120)
    sources = {row.source: row for row in film.subtitles.all()}
    assert set(sources) == set(Subtitles.READ)
    assert [one.text for one in sources["burned"].lines.all()] == list(SUBTITLES)
    assert [one.text for one in sources["scene"].lines.all()] == [SIGN]

    # Search a line of it.
    tab.goto(web_server.url)
    tab.fill("#q", line.strip("。"))
    tab.keyboard.press("Enter")
    tab.locator("#in-written").click()
    expect(tab).to_have_url(re.compile("in=written"))
    hit = tab.locator(".hits .card").first
    expect(hit.locator(".line")).to_contain_text(f"In the picture: {line}")
    assert find_violations(tab) == []

    # Open the hit: the box is around the line.
    hit.locator(".shown").click()
    box = tab.locator(".text-box.is-found")
    expect(box).to_have_count(1)
    for window in (tab.viewport_size, PHONE):
        assert window is not None
        tab.set_viewport_size(window)
        assert measure_box(tab, box) == pytest.approx(places[line], abs=0.03)
    entry = tab.locator(".said li.is-found")
    expect(entry.locator("q")).to_have_text(line)
    assert find_violations(tab) == []

    # Pointing at another entry, or focusing it, shows where that stands.
    sign = tab.locator(".said li").filter(has_text=SIGN)
    sign.locator(".when").focus()
    chosen = tab.locator(".text-box.is-chosen")
    expect(chosen).to_have_count(1)
    assert measure_box(tab, chosen) == pytest.approx(places[SIGN], abs=0.03)

    # Playing on, the box goes with its line.
    first = tab.locator(".said li").filter(has_text=SUBTITLES[4])
    first.locator(".when").click()
    expect(first).to_have_class(re.compile("is-said"), timeout=TIMEOUT)
    expect(box).to_have_count(0)
    expect(tab.locator(".text-box").first).to_be_visible()

    # Quote the line: copy it, and download all lines of the film.
    entry.get_by_role("button", name="Copy").click()
    expect(entry.get_by_role("button")).to_have_text("Copied")
    assert tab.evaluate("navigator.clipboard.readText()") == line
    tab.goto(f"{web_server.url}/films/{film.pk}/?lines={sources['burned'].pk}")
    expect(tab.locator(".transcript")).to_contain_text("Read in the picture by machine")
    assert find_violations(tab) == []
    with tab.expect_download() as started:
        tab.get_by_role("link", name="Download these lines").click()
    file = started.value.path().read_text(encoding="utf-8")
    assert "NOTE Subtitles in the picture" in file
    assert line in file

    # The admin lists what was read.
    tab.goto(f"{web_server.url}/admin/gallery/film/{film.pk}/change/")
    expect(tab.locator("#subtitles-group .has_original")).to_have_count(2)
    assert find_violations(tab) == []
    assert errors == []
