"""What is not ready yet can be seen: imports on the pages, failures and Retry for staff."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from gallery.films.models import Film
from gallery.importing.models import Segment
from tests.integration.test_views import body


def test_imports_are_shown_with_their_progress(page: Client, admin_client: Client) -> None:
    film = Film.objects.create(
        title="Coming", sha256="x", state=Film.State.IMPORTING, run=2,
        started=timezone.now() - timedelta(hours=2),
    )  # fmt: skip
    Segment.objects.create(
        film=film, run=2, number=0, start=0, end=100, frames_expected=100, frames_done=25
    )
    failed = Film.objects.create(
        title="Broken", sha256="y", state=Film.State.FAILED, error="It is damaged."
    )
    for address in ("/", "/films/", "/films/imports/", f"/films/{film.pk}/"):
        shown = body(page.get(address))
        assert "Coming" in shown, address
        said = re.sub(r"<[^>]+>|\s+", " ", shown)
        assert "25 % imported, about 6.0 hours left" in said, address
        assert "Broken" not in shown
        assert "No films yet" not in shown
    assert "Coming" not in body(page.get("/films/?title=other"))

    # After the last frame, its shots are found.
    film.segments.update(frames_done=100)
    said = body(page.get(f"/films/{film.pk}/"))
    assert "finding shots" in said
    assert "100 %" not in said
    assert "left" not in re.sub(r"<[^>]+>", " ", said)

    # Visitors learn that an import failed, staff also why.
    assert "The import failed." in body(page.get(f"/films/{failed.pk}/"))
    assert "It is damaged." not in body(page.get(f"/films/{failed.pk}/"))
    for address in ("/", "/films/", f"/films/{failed.pk}/"):
        shown = body(admin_client.get(address))
        assert "It is damaged." in shown
        assert reverse("admin:gallery_film_retry", args=[failed.pk]) in shown

    # The list keeps showing a film whose import has ended, until the page is loaded again.
    Film.objects.filter(pk=film.pk).update(state=Film.State.READY, searchable_run=2)
    assert "ready to be searched" in body(page.get(f"/films/imports/?film={film.pk}&film=x"))
    assert "Coming" not in body(page.get("/films/imports/"))


def test_the_page_of_an_import_becomes_that_of_the_film(page: Client, demo_film: Film) -> None:
    target = f"import-{demo_film.pk}"
    response = page.get(
        demo_film.get_absolute_url(), headers={"HX-Request": "true", "HX-Target": target}
    )
    assert response["HX-Refresh"] == "true"


@pytest.mark.parametrize("origin", ["http://testserver/films/", "https://elsewhere.example/"])
def test_staff_retry_a_failed_import_where_it_is_told(
    origin: str, page: Client, admin_client: Client
) -> None:
    film = Film.objects.create(title="Broken", sha256="y", state=Film.State.FAILED, error="Bad.")
    retry = reverse("admin:gallery_film_retry", args=[film.pk])
    films = reverse("admin:gallery_film_changelist")
    change = reverse("admin:gallery_film_change", args=[film.pk])
    for address in (films, change):
        assert f'formaction="{retry}"' in body(admin_client.get(address))

    assert admin_client.get(retry).status_code == 405
    assert page.post(retry).status_code == 302  # to the login
    response = admin_client.post(retry, headers={"Referer": origin})
    assert response["Location"] == (origin if "testserver" in origin else films)
    film.refresh_from_db()
    assert (film.state, film.run) == (Film.State.WAITING, 2)


def test_staff_who_may_only_look_get_no_retry(page: Client) -> None:
    film = Film.objects.create(title="Broken", sha256="y", state=Film.State.FAILED, error="Bad.")
    viewer = get_user_model().objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_film"))
    page.force_login(viewer)
    retry = reverse("admin:gallery_film_retry", args=[film.pk])
    for address in (reverse("admin:gallery_film_changelist"), "/films/"):
        shown = body(page.get(address))
        assert "Bad." in shown
        assert retry not in shown
    assert page.post(retry).status_code == 403


def test_retry_says_why_there_is_nothing_to_retry(admin_client: Client, db: None) -> None:
    films = reverse("admin:gallery_film_changelist")

    def retry(film: Film) -> str:
        data = {"action": "retry", "_selected_action": [film.pk]}
        return body(admin_client.post(films, data, follow=True))

    ready = Film.objects.create(title="A", sha256="a", state=Film.State.READY)
    assert "Nothing to retry: no import has failed." in retry(ready)
    running = Film.objects.create(title="B", sha256="b", state=Film.State.IMPORTING)
    assert "they are being imported already" in retry(running)
