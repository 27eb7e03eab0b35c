"""The life of a label in a real browser: preview, save, compute, filter."""

from axe_playwright_python.sync_playwright import Axe
from django.template.defaultfilters import floatformat
from playwright.sync_api import Page, expect

from gallery.films.models import Film
from gallery.labels import scoring
from gallery.labels import survey as label_survey
from gallery.labels.models import Label
from gallery.search import baseline
from tests.browsing import PHONE, log_in
from tests.integration.test_labels import shots_with
from tests.processes import Web, Worker, wait_for

ADD = "/admin/gallery/label/add/"


def find_violations(tab: Page) -> list[str]:
    """The serious and critical findings of axe on the page."""
    found = Axe().run(tab).response["violations"]
    return [
        f"{v['id']}: {v['nodes'][0]['html']}"
        for v in found
        if v["impact"] in ("serious", "critical")
    ]


def test_staff_create_a_label_from_examples_and_find_its_scenes(
    tab: Page, web_server: Web, worker: Worker, demo_film: Film, errors: list[str]
) -> None:
    baseline._cache.clear()
    label_survey._survey.cache_clear()
    log_in(tab, web_server.url)
    tab.goto(web_server.url + ADD)
    tab.fill("#id_name", "雪 & dogs")
    tab.fill("#id_prompts", "dog")

    # Scenes appear while typing, with a suggested threshold.
    expect(tab.locator(".label-said")).to_contain_text("4 shots match, in 1 film")
    expect(tab.locator("#id_threshold")).not_to_have_value("")
    suggested = float(tab.input_value("#id_threshold"))
    # Until a threshold is chosen, another prompt gives another suggestion.
    tab.fill("#id_prompts", "dog\nsnow")
    expect(tab.locator(".label-said")).to_contain_text("match")
    wait_for(lambda: float(tab.input_value("#id_threshold")) != suggested)

    # A click on an example includes or excludes it; nothing is saved.
    tab.fill("#id_prompts", "dog")
    expect(tab.locator(".label-said")).to_contain_text("4 shots")
    tab.locator(".label-examples.outside button").nth(1).click()
    expect(tab.locator(".label-said")).to_contain_text("6 shots")
    expect(tab.locator(".label-examples.outside li")).to_have_count(12)
    tab.locator(".label-examples:not(.outside) button").nth(1).click()
    expect(tab.locator(".label-said")).to_contain_text("1 shot matches")
    shown = floatformat(tab.input_value("#id_threshold"), 2)
    expect(tab.locator(".label-line")).to_contain_text(shown)

    # The slider works by keyboard, and updates the examples.
    slider = tab.get_by_role("slider", name="Threshold")
    slider.focus()
    tab.keyboard.press("Home")
    expect(tab.locator(".label-said")).to_contain_text("32 shots")
    tab.get_by_role("button", name="Use the suggested threshold").click()
    expect(tab.locator(".label-said")).to_contain_text("4 shots")
    assert not Label.objects.exists()
    assert find_violations(tab) == []
    tab.emulate_media(color_scheme="dark", reduced_motion="reduce")
    assert find_violations(tab) == []
    tab.emulate_media(color_scheme="light", reduced_motion="reduce")

    tab.get_by_role("button", name="Save", exact=True).click()
    expect(tab.locator(".success")).to_contain_text("雪 & dogs")
    expect(tab.locator(".label-progress strong")).to_have_text("4 shots", timeout=60_000)
    assert find_violations(tab) == []
    label = Label.objects.get()
    assert label.applied is not None
    assert [(t.name, t.shots) for t in scoring.count_shots()] == [("雪 & dogs", 4)]

    # Every search can be filtered by it.
    tab.goto(f"{web_server.url}/?q=night&in=seen&label={label.pk}")
    found = tab.locator("ul.hits .card")
    expect(found).to_have_count(4)
    expect(found.first).to_be_visible()
    seconds = {
        int(str(link.get_attribute("href")).split("/frames/")[1].split("/")[0].split("?")[0])
        for link in found.locator("a[href*='/frames/']").all()
    }
    shots = {
        shot.number
        for second in seconds
        for shot in demo_film.shots.filter(start__lte=second + 0.5, end__gt=second + 0.5)
    }
    assert shots == shots_with("dog")
    assert errors == []
    create_without_script(tab, web_server.url)


def create_without_script(tab: Page, url: str) -> None:
    """On a phone: buttons preview, move the threshold and save."""
    assert tab.context.browser
    phone = tab.context.browser.new_context(
        viewport=PHONE,
        java_script_enabled=False,
        storage_state=tab.context.storage_state(),
    )
    page = phone.new_page()
    page.goto(url + ADD)
    page.fill("#id_name", "Snow")
    page.fill("#id_prompts", "snow")
    page.get_by_role("button", name="Show examples").click()
    expect(page.locator(".label-said")).to_contain_text("2 shots")
    page.locator(".label-examples.outside button").nth(1).click()
    expect(page.locator(".label-said")).to_contain_text("4 shots")
    expect(page.locator("#id_name")).to_have_value("Snow")
    box = page.locator(".label-examples").first.bounding_box()
    assert box
    assert box["x"] + box["width"] <= PHONE["width"]
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".success")).to_contain_text("Snow")
    label = Label.objects.get(name="Snow")
    survey = label_survey.survey(["snow"], scoring.levels_of(label))
    assert survey is not None
    assert survey.coverage(label.threshold).shots == 4
    phone.close()
