"""The film library in the admin: upload, progress, retry, frames, deletion, a full disk."""

import http.client
import os
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from gallery.films.models import Film
from gallery.index.server import connect
from gallery.media import uploads
from tests.films import make_film
from tests.importing import add_film, import_here, import_segment, queue_client
from tests.processes import Web, find_children, wait_for

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "only-for-these-tests"
ADD = "/admin/gallery/film/add/"
LIST = "/admin/gallery/film/"


@pytest.fixture
def staff(static_files: None, redis_server: Any, transactional_db: None) -> Client:
    """An administrator, logged in."""
    get_user_model().objects.create_superuser("admin", "admin@example.org", PASSWORD)
    client = Client()
    assert client.login(username="admin", password=PASSWORD)
    return client


def send(client: Client, name: str, content: bytes, **fields: str) -> Any:
    return client.post(
        ADD, {"file": SimpleUploadedFile(name, content), "title": "", "year": "", **fields}
    )


def text(response: Any) -> str:
    content: str = response.content.decode()
    return content


def list_incoming() -> set[Path]:
    return set(settings.FILE_UPLOAD_TEMP_DIR.iterdir())


# --- permissions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", [LIST, ADD, "/admin/", f"{LIST}1/progress/", f"{LIST}1/frames/"]
)
def test_the_library_needs_a_login(address: str, page: Client) -> None:
    response = page.get(address)
    assert response.status_code == 302
    assert response.url.startswith("/admin/login/")


def test_an_anonymous_upload_is_not_stored(page: Client) -> None:
    before = list_incoming()
    response = send(page, "a.mp4", bytes(1000))
    assert response.status_code == 302
    assert "/admin/login/" in response.url
    assert list_incoming() == before
    assert not Film.objects.exists()


def test_a_user_without_rights_cannot_upload(page: Client) -> None:
    get_user_model().objects.create_user("someone", password=PASSWORD)
    page.login(username="someone", password=PASSWORD)
    assert page.get(LIST).status_code == 302


# --- uploading ------------------------------------------------------------------------------------


def test_an_upload_becomes_a_film_whose_import_is_queued(
    staff: Client, make_video: Callable[..., Path]
) -> None:
    before = list_incoming()
    content = make_video(seconds=2).read_bytes()
    response = send(staff, "The_Third_Man.mp4", content, year="1949")
    assert response.status_code == 302
    film = Film.objects.get()
    assert (film.title, film.year, film.state) == ("The Third Man", 1949, Film.State.WAITING)
    assert film.original_name == "The_Third_Man.mp4"
    assert film.size == len(content)
    assert film.files.source().read_bytes() == content
    assert film.files.source().name == "source.mp4"
    assert list_incoming() == before
    message = queue_client().lindex("films-probing", 0)
    assert b"gallery.tasks.probe" in message
    assert str(film) in text(staff.get(LIST))


def test_a_title_can_be_given(staff: Client, make_video: Callable[..., Path]) -> None:
    send(staff, "a.mp4", make_video(seconds=1).read_bytes(), title="影片 & Co")
    assert Film.objects.get().title == "影片 & Co"


def test_title_and_year_come_from_the_file_name(
    staff: Client, make_video: Callable[..., Path]
) -> None:
    name = "The.Town.That.Rain.Forgot.2019.1080p.mkv"
    send(staff, name, make_video(seconds=1).read_bytes())
    send(staff, name, make_video(seconds=2).read_bytes(), title="Rain")
    films = Film.objects.order_by("pk").values_list("title", "year")
    assert list(films) == [("The Town That Rain Forgot", 2019), ("Rain", None)]


def test_the_upload_form_asks_for_a_guess(staff: Client) -> None:
    guess = staff.get("/admin/gallery/film/guess/", {"name": "流浪地球.2019." + "x" * 300})
    assert guess.json() == {"title": "流浪地球", "year": 2019}


def test_a_duplicate_file_is_reported(staff: Client, make_video: Callable[..., Path]) -> None:
    content = make_video(seconds=1).read_bytes()
    send(staff, "a.mp4", content, title="First")
    response = send(staff, "b.mkv", content, title="Second")
    assert response.status_code == 200
    film = Film.objects.get()
    assert "This file has already been uploaded: First." in text(response)
    assert film.files.source().read_bytes() == content
    assert queue_client().llen("films-probing") == 1


def test_an_empty_or_missing_file_is_reported(staff: Client) -> None:
    before = list_incoming()
    response = send(staff, "a.mp4", b"")
    assert "The file is empty." in text(response)
    missing = staff.post(ADD, {"title": "x", "year": ""})
    assert "Choose a film file." in text(missing)
    assert not Film.objects.exists()
    assert list_incoming() == before


@pytest.mark.parametrize("size", [1000, 300_000])
def test_a_full_disk_is_reported_and_nothing_is_kept(
    size: int, staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The upload is written to /dev/full, the kernel's own full disk."""
    before = list_incoming()
    made: list[Path] = []

    def on_full_disk(dir: Path, prefix: str) -> tuple[int, str]:
        path = Path(dir) / f"{prefix}full"
        path.touch()
        made.append(path)
        return os.open("/dev/full", os.O_RDWR), str(path)

    monkeypatch.setattr(uploads.tempfile, "mkstemp", on_full_disk)
    response = send(staff, "a.mp4", bytes(size))
    assert response.status_code == 507
    assert "The disk is full, so this was not saved." in text(response)
    assert made
    assert list_incoming() == before
    assert not Film.objects.exists()
    picture = staff.post(
        reverse("upload_picture"), {"picture": SimpleUploadedFile("a.jpg", bytes(1000))}
    )
    assert picture.status_code == 507
    assert "The disk is full" in text(picture)
    assert list_incoming() == before


def test_a_full_disk_at_the_end_of_an_upload_is_reported(
    staff: Client, make_video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A media store on another disk than the uploads: the move runs out of space.

    Only the system's error is faked: filling a second disk needs root.
    """
    import errno

    from gallery.media import store

    def full(_source: Path, _target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before, folders = list_incoming(), set((settings.MEDIA_ROOT / "films").glob("*"))
    monkeypatch.setattr(store.shutil, "move", full)
    response = send(staff, "a.mp4", make_video(seconds=1).read_bytes())
    monkeypatch.undo()
    assert response.status_code == 507
    assert "The disk is full" in text(response)
    assert not Film.objects.exists()
    assert list_incoming() == before
    assert set((settings.MEDIA_ROOT / "films").glob("*")) == folders


def test_changing_title_and_year_does_not_affect_the_import(
    staff: Client, make_video: Callable[..., Path]
) -> None:
    film = add_film(make_video(seconds=1))
    page = staff.get(f"{LIST}{film.pk}/change/")
    assert 'name="file"' not in text(page)
    Film.objects.filter(pk=film.pk).update(state=Film.State.PROBING)
    staff.post(
        f"{LIST}{film.pk}/change/",
        {
            "title": "Better",
            "year": "2001",
            "subtitles-TOTAL_FORMS": 0,
            "subtitles-INITIAL_FORMS": 0,
        },
    )
    film.refresh_from_db()
    assert (film.title, film.year, film.state) == ("Better", 2001, Film.State.PROBING)


# --- progress, actions, frames, deletion ----------------------------------------------------------


def test_progress_polls_until_the_end(staff: Client, make_video: Callable[..., Path]) -> None:
    film = add_film(make_video(seconds=11))
    address = f"{LIST}{film.pk}/progress/"
    assert "waiting" in text(staff.get(address))
    assert "every 1s" in text(staff.get(address))
    from gallery.importing import probe_step, publish_step

    first, *_others = probe_step.probe_film(film.pk)
    import_segment(first)
    half = text(staff.get(address))
    assert "5 of 11 frames" in half
    assert "45.5%" in half
    for segment_id in _others:
        done = import_segment(segment_id)
    assert done is not None
    publish_step.finish_film(done)
    end = text(staff.get(address))
    assert "ready" in end
    assert "every 1s" not in end
    assert "<html" not in end
    film.delete()
    assert text(staff.get(address)) == ""


def run_action(client: Client, action: str, *films: Film) -> str:
    response = client.post(
        LIST, {"action": action, "_selected_action": [film.pk for film in films]}, follow=True
    )
    return text(response)


def test_failed_films_can_be_retried(staff: Client, make_video: Callable[..., Path]) -> None:
    film = add_film(make_video(seconds=2))
    source = film.files.source()
    aside = source.rename(source.with_name("aside"))
    import_here(film)
    assert film.state == Film.State.FAILED
    assert "missing from the media store" in text(staff.get(LIST))
    aside.rename(source)
    assert "1 film queued." in run_action(staff, "retry", film)
    assert queue_client().llen("films-probing") == 1
    assert import_here(film).state == Film.State.READY
    # A ready film can be re-imported but not retried; a running import neither.
    assert "Nothing to retry" in run_action(staff, "retry", film)
    assert "1 film queued." in run_action(staff, "import_again", film)
    assert "they are being imported already" in run_action(staff, "import_again", film)
    film.refresh_from_db()
    assert (film.state, film.run, film.searchable_run) == (Film.State.WAITING, 3, 2)


def test_all_frames_can_be_viewed(staff: Client, demo_film: Film) -> None:
    address = f"{LIST}{demo_film.pk}/frames/"
    response = staff.get(address)
    assert response.status_code == 200
    assert len(re.findall(r"/thumbs/", text(response))) == min(120, demo_film.frame_count)
    waiting = Film.objects.create(title="Waiting", sha256="w")
    assert "No frames yet" in text(staff.get(f"{LIST}{waiting.pk}/frames/"))
    assert staff.get(f"{LIST}999999/frames/").status_code == 404


def test_the_list_shows_ready_waiting_and_failed_films(staff: Client, demo_film: Film) -> None:
    Film.objects.create(title="Bad", sha256="b", state=Film.State.FAILED, error="It is broken.")
    Film.objects.create(title="Next", sha256="n")
    listed = text(staff.get(LIST))
    assert "It is broken." in listed
    assert "waiting" in listed
    assert f"{demo_film.frame_count} frames" in listed
    assert staff.get(f"{LIST}?q=Bad&state__exact=failed").status_code == 200


def test_deleting_in_the_admin_removes_everything(
    staff: Client, ready_film: Callable[..., Film], make_video: Callable[..., Path]
) -> None:
    films = [ready_film(make_video(f"{n}.mp4", seconds=n)) for n in (1, 2, 3)]
    folders = [film.files.folder for film in films]
    one = f"{LIST}{films[0].pk}/delete/"
    shown = staff.get(one).content.decode()
    assert "1 (its uploaded file is deleted)" in shown
    assert "Shots: 1<" in shown
    assert "Shot: " not in shown
    assert staff.post(one, {"post": "yes"}).status_code == 302
    chosen = {"action": "delete_selected", "_selected_action": [f.pk for f in films[1:]]}
    staff.post(LIST, {**chosen, "post": "yes"})
    assert not Film.objects.exists()
    assert not any(folder.exists() for folder in folders)
    client = connect(settings.REDIS_URL)
    assert client.keys("*{*}*") == []


# --- large films, with a real server --------------------------------------------------------------

MEGABYTE = 1 << 20


def measure_peak_memory(pid: int) -> int:
    """The peak memory of a process and its children, in bytes."""
    found = 0
    for one in (pid, *(child.pid for child in find_children(pid))):
        match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{one}/status").read_text())
        found += int(match[1]) * 1024 if match else 0
    return found


def upload_zeros(web: Web, cookie: str, token: str, megabytes: int) -> int:
    """Send a file of zeros in chunks, as a browser does. Returns the status."""
    head = (
        f'--x\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n{token}\r\n'
        '--x\r\nContent-Disposition: form-data; name="title"\r\n\r\nZeros\r\n'
        '--x\r\nContent-Disposition: form-data; name="year"\r\n\r\n\r\n'
        '--x\r\nContent-Disposition: form-data; name="file"; filename="zeros.mp4"\r\n'
        "Content-Type: video/mp4\r\n\r\n"
    ).encode()
    tail = b"\r\n--x--\r\n"
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=120)
    connection.putrequest("POST", ADD)
    connection.putheader("Cookie", cookie)
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.putheader("Content-Length", str(len(head) + megabytes * MEGABYTE + len(tail)))
    connection.endheaders()
    connection.send(head)
    for _ in range(megabytes):
        connection.send(bytes(MEGABYTE))
    connection.send(tail)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


def test_memory_stays_flat_while_a_large_film_is_uploaded(
    web_server: Web, staff: Client, demo_film: Film
) -> None:
    # Load the model before measuring.
    with urllib.request.urlopen(f"{web_server.url}/?q=dog", timeout=60) as found:
        assert found.status == 200
    staff.get(ADD)
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in staff.cookies.items())
    token = staff.cookies[settings.CSRF_COOKIE_NAME].value
    assert upload_zeros(web_server, cookie, token, 1) == 302
    before = measure_peak_memory(web_server.pid)
    assert before > 20 * MEGABYTE
    assert upload_zeros(web_server, cookie, token, 300) == 302
    assert measure_peak_memory(web_server.pid) - before < 50 * MEGABYTE
    large = Film.objects.get(size=300 * MEGABYTE)
    assert large.files.source().stat().st_size == 300 * MEGABYTE
    large.delete()


def test_an_interrupted_upload_leaves_no_file(web_server: Web, staff: Client) -> None:

    staff.get(ADD)
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in staff.cookies.items())
    before = list_incoming()
    connection = http.client.HTTPConnection("127.0.0.1", web_server.port, timeout=30)
    connection.putrequest("POST", ADD)
    connection.putheader("Cookie", cookie)
    connection.putheader("X-CSRFToken", staff.cookies[settings.CSRF_COOKIE_NAME].value)
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.putheader("Content-Length", str(50 * MEGABYTE))
    connection.endheaders()
    connection.send(b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n')
    connection.send(bytes(5 * MEGABYTE))
    wait_for(lambda: list_incoming() - before)
    connection.close()
    wait_for(lambda: list_incoming() == before)
    assert not Film.objects.exists()


@pytest.mark.usefixtures("staff")
def test_the_film_list_follows_an_import_from_start_to_end(staff: Client, tmp_path: Path) -> None:
    """The change page works in every state."""
    film = add_film(make_film(tmp_path / "a.mp4", seconds=1))
    for state in Film.State:
        Film.objects.filter(pk=film.pk).update(state=state)
        assert staff.get(f"{LIST}{film.pk}/change/").status_code == 200
        assert staff.get(f"{LIST}{film.pk}/progress/").status_code == 200
