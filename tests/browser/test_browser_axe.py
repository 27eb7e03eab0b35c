"""axe-core on every page: nothing serious or critical, in both themes, on desktop and phone."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth import get_user_model
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page

from gallery.boards.models import Board
from gallery.films.models import Film
from gallery.labels.models import Label, LabelCount
from gallery.library.models import LibraryFile, LibraryFolder
from gallery.workers import installation, records
from gallery.workers.records import RunningTask
from tests.browsing import DESKTOP, PASSWORD, PHONE
from tests.processes import Web, wait_for
from tests.workers import make_record

HARMFUL = ("serious", "critical")
# All rules in one theme, those about colours in the other: a theme is nothing but a color-scheme.
RULES: dict[str, dict[str, Any]] = {
    "light": {"resultTypes": ["violations"]},
    "dark": {
        "resultTypes": ["violations"],
        "runOnly": {"type": "rule", "values": ["color-contrast"]},
    },
}


@pytest.fixture
def library(web_server: Web, demo_film: Film) -> Film:
    """The demo film with a label, so that all filters are shown."""
    label = Label.objects.create(name="Night", prompts="night", model=demo_film.model)
    LabelCount.objects.create(label=label, film=demo_film, model=demo_film.model, shots=7)
    return demo_film


@pytest.fixture
def still_tab(browser: Browser) -> Iterator[Page]:
    """A tab without animations, so that colours are final."""
    context = browser.new_context(viewport=DESKTOP, reduced_motion="reduce", locale="en-GB")
    yield context.new_page()
    context.close()


def check_page(tab: Page, address: str, status: int = 200) -> None:
    """Check a page with all its details open, in both themes and sizes."""
    answer = tab.goto(address)
    assert answer
    assert answer.status == status, address
    tab.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    check_current_page(tab)


def check_current_page(tab: Page) -> None:
    pictures = "[...document.images].every((one) => one.loading === 'lazy' || one.complete)"
    for size in (DESKTOP, PHONE):
        tab.set_viewport_size(size)
        for theme, rules in RULES.items():
            tab.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
            wait_for(lambda: tab.evaluate(pictures))
            found: list[dict[str, Any]] = Axe().run(tab, options=rules).response["violations"]
            bad = [
                (one["id"], [node["html"][:200] for node in one["nodes"]])
                for one in found
                if one["impact"] in HARMFUL
            ]
            assert bad == [], (tab.url, theme, size)


def test_public_pages(web_server: Web, library: Film, still_tab: Page) -> None:
    film = library.pk
    composed = (
        f"/?q=moon+-snow&w=2&frame={film}-40*2&more={film}-64&less={film}-12"
        f"&film={film}&from=1900&in=seen"
    )
    for path in (
        "/",
        "/?q=moon",
        composed.replace("&from=1900", ""),
        "/?q=qwertz+uiop",
        "/?q=moon&to=1900",
        "/films/",
        "/films/?title=nothing",
        f"/films/{film}/",
        f"/films/{film}/?q=moon",
        f"/films/{film}/lines/",
        f"/films/{film}/frames/40/?q=moon&words=dog,cat",
        reverse("boards"),
        reverse("login"),
        reverse("admin:login"),
        reverse("api:openapi-view"),
    ):
        check_page(still_tab, web_server.url + path)
    check_page(still_tab, f"{web_server.url}/nothing/", status=404)
    check_page(still_tab, f"{web_server.url}/?q=-snow", status=400)


def test_overlays_on_the_page_of_hits(web_server: Web, library: Film, still_tab: Page) -> None:
    still_tab.goto(f"{web_server.url}/?q=moon")
    still_tab.keyboard.press("?")
    check_current_page(still_tab)
    still_tab.keyboard.press("Escape")
    still_tab.locator(".hits .card .shown").first.focus()
    check_current_page(still_tab)
    still_tab.keyboard.press("c")
    still_tab.locator("#toast p").wait_for()
    check_current_page(still_tab)
    board = Board.objects.get()
    check_page(still_tab, web_server.url + board.get_absolute_url())
    still_tab.goto(f"{web_server.url}/films/{library.pk}/?q=moon")
    still_tab.locator(".scrub").focus()
    still_tab.keyboard.press("End")
    check_current_page(still_tab)


def test_pages_of_the_admin(web_server: Web, library: Film, still_tab: Page) -> None:
    get_user_model().objects.create_superuser("admin", password=PASSWORD)
    still_tab.goto(f"{web_server.url}/admin/")
    still_tab.fill("#id_username", "admin")
    still_tab.fill("#id_password", PASSWORD)
    still_tab.click("[type=submit]")
    still_tab.wait_for_url("**/admin/")
    label = Label.objects.get()
    now = timezone.now()
    folder = LibraryFolder.objects.create(path="/mnt/films", scanned_at=now, error="Not there.")
    LibraryFolder.objects.create(path="/mnt/more")
    LibraryFile.objects.create(
        folder=folder,
        path="a.mkv",
        size=1,
        mtime_ns=1,
        settles_since=now,
        state=LibraryFile.State.UNREADABLE,
        error="Permission denied",
    )
    tasks = (RunningTask("some-id", "segment", time.time()),)
    records.write(make_record(tasks=tasks, model="another"))
    installation.register()
    Film.objects.create(title="Broken", sha256="2", size=1, state=Film.State.FAILED, error="Why")
    for name, arguments in (
        ("index", []),
        ("gallery_film_changelist", []),
        ("gallery_film_add", []),
        ("gallery_film_change", [library.pk]),
        ("gallery_film_frames", [library.pk]),
        ("gallery_film_delete", [library.pk]),
        ("gallery_label_changelist", []),
        ("gallery_label_add", []),
        ("gallery_label_change", [label.pk]),
        ("gallery_libraryfolder_changelist", []),
        ("gallery_libraryfolder_add", []),
        ("gallery_libraryfolder_change", [folder.pk]),
        ("gallery_installation_changelist", []),
    ):
        check_page(still_tab, web_server.url + reverse(f"admin:{name}", args=arguments))
    for page in ("home", "tokens"):
        check_page(still_tab, web_server.url + reverse(page))
