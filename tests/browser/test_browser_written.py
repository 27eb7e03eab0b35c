"""Text in the picture: read by the worker, searched, shown where it stands, and quoted."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import ImageDraw, ImageFont
from playwright.sync_api import Locator, Page, expect

from gallery.films.models import Film
from gallery.transcripts import dialogue, reading
from gallery.transcripts.models import Subtitles
from tests.browser.test_browser_subtitles import find_violations
from tests.browsing import DESKTOP, PHONE, log_in
from tests.films import H264, noise, run_ffmpeg
from tests.processes import Web, Worker, wait_for

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


Place = tuple[float, float, float, float]
"""Left, top, right and bottom, in shares of the picture."""


def draw_film(path: Path) -> dict[str, Place]:
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
        draw.text(
            *((320, 325), text, "white", subtitle_font, "mm"),
            stroke_width=3, stroke_fill="black",
        )  # fmt: skip
        places[text] = draw.textbbox((320, 325), text, subtitle_font, "mm", stroke_width=3)
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


def measure_box(tab: Page, box: Locator) -> Place:
    """Where a box stands over the picture, without its padding, which is outside the text."""
    edges: list[float] = tab.evaluate(
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
    left, top, right, bottom = edges
    return left, top, right, bottom


@pytest.fixture(scope="module")
def _worker_of_module(
    _redis_session: str, django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Worker]:
    process = Worker(tmp_path_factory.mktemp("worker"), READ_TEXT="1")
    process.start()
    yield process
    process.stop()


def upload_film(tab: Page, url: str, path: Path) -> Film:
    """Upload a film in the admin, and wait until a worker has read its text."""
    log_in(tab, url)
    tab.goto(f"{url}/admin/gallery/film/add/")
    tab.set_input_files("#id_file", path)
    tab.fill("#id_title", "The Ferry")
    tab.click("[name=_save]")
    expect(tab.locator("#result_list tbody tr")).to_contain_text("ready", timeout=TIMEOUT)
    wait_for(lambda: Film.objects.get().text_version == reading.VERSION, timeout=120)
    film = Film.objects.get()
    wait_for(lambda: dialogue.is_current(film.pk))
    return film


def check_boxes(tab: Page, line: str, places: dict[str, Place]) -> None:
    """Check the boxes on the scene page of the second shot, opened by a search for `line`."""
    found = tab.locator(".text-box.is-found")
    expect(found).to_have_count(1)
    for window in (DESKTOP, PHONE):
        tab.set_viewport_size(window)
        assert measure_box(tab, found) == pytest.approx(places[line], abs=0.03)
    expect(tab.locator(".said li.is-found q")).to_have_text(line)
    assert find_violations(tab) == []

    # Focusing another entry shows where that stands.
    tab.locator(".said li").filter(has_text=SIGN).locator(".when").focus()
    chosen = tab.locator(".text-box.is-chosen")
    expect(chosen).to_have_count(1)
    assert measure_box(tab, chosen) == pytest.approx(places[SIGN], abs=0.03)

    # At another time, the box is gone with its line, and that of the sign is still there.
    other = tab.locator(".said li").filter(has_text=SUBTITLES[4])
    other.locator(".when").click()
    expect(other).to_have_class(re.compile("is-said"), timeout=TIMEOUT)
    expect(found).to_have_count(0)
    expect(tab.locator(".text-box")).to_have_count(2)


@pytest.mark.usefixtures("worker")
def test_a_line_in_the_picture_is_found_shown_and_quoted(
    web_server: Web, tab: Page, errors: list[str], tmp_path: Path
) -> None:
    places = draw_film(tmp_path / "film.mp4")
    line = SUBTITLES[3]
    tab.emulate_media(reduced_motion="reduce")  # the still stays until somebody plays
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    film = upload_film(tab, web_server.url, tmp_path / "film.mp4")
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

    # Open the hit.
    hit.locator(".shown").click()
    check_boxes(tab, line, places)

    # Quote the line: copy it, and download all lines of the film.
    entry = tab.locator(".said li.is-found")
    entry.get_by_role("button").click()
    expect(entry.get_by_role("button")).to_have_text("Copied")
    assert tab.evaluate("navigator.clipboard.readText()") == line
    tab.goto(f"{web_server.url}/films/{film.pk}/?lines={sources['burned'].pk}")
    expect(tab.locator(".transcript")).to_contain_text("Read by machine")
    assert find_violations(tab) == []
    with tab.expect_download() as started:
        tab.get_by_role("link", name="Download these lines").click()
    file = started.value.path().read_text(encoding="utf-8")
    assert "NOTE burned: subtitles in the picture" in file
    assert line in file

    # The admin lists what was read.
    tab.goto(f"{web_server.url}/admin/gallery/film/{film.pk}/change/")
    expect(tab.locator("#subtitles-group .has_original")).to_have_count(2)
    assert find_violations(tab) == []
    assert errors == []
