"""Subtitles in the admin, by import_film, and as a file that a player shows."""

import hashlib
import os
import shutil
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client

from gallery.films.models import Film
from gallery.media import store, uploads
from gallery.transcripts import dialogue, subtitle_import
from gallery.transcripts.models import Line, Subtitles
from gallery.transcripts.subtitles import read
from tests.importing import DEMO, add_film, import_here
from tests.lines import find_texts
from tests.unit.test_subtitle_formats import make_ssa_with_fonts
from tests.unit.test_subtitles import SRT, VTT, srt

pytestmark = pytest.mark.django_db(transaction=True)
ADD = "/admin/gallery/film/add/"


def file(name: str, content: str | bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content if isinstance(content, bytes) else content.encode())


def send(client: Client, film: bytes, *subtitles: SimpleUploadedFile) -> Any:
    data = {"file": file("a.mp4", film), "title": "A film", "year": "", "subtitles": subtitles}
    return client.post(ADD, data, follow=True)


def get_change_page(film: Film) -> str:
    return f"/admin/gallery/film/{film.pk}/change/"


def change(client: Client, film: Film, *new: SimpleUploadedFile, **fields: str) -> Any:
    rows = list(film.subtitles.all())
    data: dict[str, Any] = {
        "title": film.title,
        "year": "",
        "subtitles": new,
        "subtitles-TOTAL_FORMS": len(rows),
        "subtitles-INITIAL_FORMS": len(rows),
    }
    for number, row in enumerate(rows):
        data[f"subtitles-{number}-id"] = row.pk
        data[f"subtitles-{number}-film"] = film.pk
        data[f"subtitles-{number}-language"] = row.language
    return client.post(get_change_page(film), {**data, **fields}, follow=True)


def text(response: Any) -> str:
    content: str = response.content.decode()
    return content


def list_incoming() -> set[Path]:
    return set(settings.FILE_UPLOAD_TEMP_DIR.iterdir())


# --- with the film --------------------------------------------------------------------------------


def test_subtitles_can_be_uploaded_with_the_film(
    staff: Client, make_video: Callable[..., Path]
) -> None:
    before = list_incoming()
    response = send(
        staff, make_video(seconds=3).read_bytes(),
        file("a.en.srt", SRT), file("a.zh.vtt", VTT.replace("paws", "爪子")),
    )  # fmt: skip
    page_text = text(response)
    assert "Subtitles a.en.srt: 2 lines, English." in page_text
    assert "Subtitles a.zh.vtt: 2 lines, Chinese." in page_text
    film = Film.objects.get()
    assert [(s.language, s.source, s.line_count) for s in film.subtitles.all()] == [
        ("en", "uploaded", 2), ("zh", "uploaded", 2),
    ]  # fmt: skip
    kept = film.files.subtitles(film.subtitles.get(language="en").pk)
    assert kept.read_bytes() == SRT.encode()
    assert kept.suffix == ".srt"
    assert list_incoming() == before
    assert import_here(film).state == Film.State.READY
    assert find_texts("where did she go") == ["Where did she go?"]
    # The other line starts a minute after the end of this film.
    assert find_texts("freezing") == []
    shown = text(staff.get(get_change_page(film)))
    assert "1 line starts after the end of the film." in shown


def test_a_film_needs_no_subtitles(staff: Client, make_video: Callable[..., Path]) -> None:
    assert send(staff, make_video(seconds=1).read_bytes()).status_code == 200
    assert Film.objects.count() == 1
    assert not Subtitles.objects.exists()


def test_refused_subtitles_do_not_cost_the_film(
    staff: Client, make_video: Callable[..., Path]
) -> None:
    before = list_incoming()
    response = send(
        staff, make_video(seconds=1).read_bytes(),
        file("good.en.srt", SRT), file("empty.srt", ""), file("film.zip", b"PK\x03\x04..."),
    )  # fmt: skip
    page_text = text(response)
    assert "Uploaded: A film." in page_text
    assert "The subtitles empty.srt were not added: The file is empty." in page_text
    assert "The subtitles film.zip were not added: This is an archive." in page_text
    assert "Subtitles good.en.srt: 2 lines, English." in page_text
    assert [row.original_name for row in Film.objects.get().subtitles.all()] == ["good.en.srt"]
    assert list_incoming() == before


def test_oversized_or_too_many_subtitles_are_reported(
    staff: Client, make_video: Callable[..., Path], settings: Any
) -> None:
    settings.MAX_SUBTITLE_BYTES = 1000
    content = make_video(seconds=1).read_bytes()
    many = [file(f"{n}.srt", SRT) for n in range(51)]
    assert "Choose at most 50 files" in text(send(staff, content, *many))
    assert not Film.objects.exists()
    page_text = text(send(staff, content, file("a.srt", SRT * 100)))
    assert "a.srt were not added: This file is larger than 1 kB" in page_text
    assert Film.objects.count() == 1


def test_subtitles_of_several_films_go_to_the_film_they_are_named_after(
    staff: Client, make_video: Callable[..., Path]
) -> None:
    first, second = make_video(seconds=1).read_bytes(), make_video("b.mp4", seconds=2).read_bytes()
    data = {
        "file": [file("Rain.2019.mp4", first), file("snow.mkv", second), file("c.mp4", "")],
        "title": "Ignored", "year": "1999",
        "subtitles": [file("rain.2019.en.srt", SRT), file("Snow.zh.srt", SRT), file("x.srt", SRT)],
    }  # fmt: skip
    page_text = text(staff.post("/admin/gallery/film/add/", data, follow=True))
    films = Film.objects.order_by("pk")
    assert [(film.title, film.year) for film in films] == [("Rain", 2019), ("snow", None)]
    names = [[row.original_name for row in film.subtitles.all()] for film in films]
    assert names == [["rain.2019.en.srt"], ["Snow.zh.srt"]]
    assert "Uploaded: Rain (2019). The file is now checked and imported." in page_text
    assert "Not uploaded: c.mp4: The file is empty." in page_text
    assert "The subtitles x.srt were not added: no film that was added has their name." in page_text
    assert "added successfully" not in page_text
    again = text(staff.post("/admin/gallery/film/add/", {**data, "file": file("c.mp4", "")}))
    assert "The file is empty." in again


def test_subtitles_go_to_the_film_with_the_longest_name_that_they_begin_with(
    staff: Client, make_video: Callable[..., Path]
) -> None:
    first, second = make_video(seconds=1).read_bytes(), make_video("b.mp4", seconds=2).read_bytes()
    subtitles = [file("Foo.2.en.srt", SRT), file("foo.en.srt", SRT)]
    data = {"file": [file("Foo.mp4", first), file("Foo.2.mp4", second)], "subtitles": subtitles}
    staff.post("/admin/gallery/film/add/", data, follow=True)
    names = {
        film.original_name: [row.original_name for row in film.subtitles.all()]
        for film in Film.objects.all()
    }
    assert names == {"Foo.mp4": ["foo.en.srt"], "Foo.2.mp4": ["Foo.2.en.srt"]}

    # Subtitles of a film that is refused do not go to another one.
    third = make_video("c.mp4", seconds=3).read_bytes()
    data = {"file": [file("Foo.mp4", third), file("Foo.2.mp4", "")]}
    data["subtitles"] = [file("Foo.2.en.srt", SRT)]
    page_text = text(staff.post("/admin/gallery/film/add/", data, follow=True))
    assert "The subtitles Foo.2.en.srt were not added" in page_text
    assert Film.objects.get(sha256=hashlib.sha256(third).hexdigest()).subtitles.count() == 0


def test_subtitles_in_a_folder_go_to_the_film_that_they_are_named_after(
    tmp_path: Path, make_video: Callable[..., Path]
) -> None:
    for name, seconds in (("Foo.mp4", 1), ("Foo.2.mkv", 2)):
        shutil.copy(make_video("a.mp4", seconds=seconds), tmp_path / name)
    for name in ("Foo.en.srt", "Foo.2.en.srt", "Foo.poster.zh.srt", "Food.srt", "foo.2.nfo"):
        (tmp_path / name).write_text(SRT.replace("Where", name))
    call_command("import_film", str(tmp_path / "Foo.mp4"), str(tmp_path / "Foo.2.mkv"))
    names = {
        film.original_name: sorted(row.original_name for row in film.subtitles.all())
        for film in Film.objects.all()
    }
    assert names == {"Foo.mp4": ["Foo.en.srt", "Foo.poster.zh.srt"], "Foo.2.mkv": ["Foo.2.en.srt"]}


def test_frame_based_subtitles_use_the_frame_rate_of_the_film(
    staff: Client, make_video: Callable[..., Path]
) -> None:
    """The film is uploaded with them, so its rate is not yet in the database."""
    content = make_video(seconds=3, rate=20).read_bytes()
    page_text = text(send(staff, content, file("a.en.sub", "{20}{30}Hello\n{40}{50}there\n")))
    assert "Subtitles a.en.sub: 2 lines, English." in page_text
    assert [(line.start, line.end) for line in Line.objects.all()] == [(1, 1.5), (2, 2.5)]


def test_frame_based_subtitles_without_a_film_are_reported(staff: Client) -> None:
    page_text = text(send(staff, b"not a film", file("a.sub", "{20}{30}Hello\n")))
    assert (
        "The subtitles a.sub were not added: These subtitles count frames, and the film"
        in page_text
    )
    assert not Subtitles.objects.exists()


def test_embedded_fonts_do_not_count_towards_the_size_limit(
    staff: Client, make_video: Callable[..., Path], settings: Any
) -> None:
    settings.MAX_SUBTITLE_BYTES = 10_000
    page_text = text(
        send(staff, make_video(seconds=2).read_bytes(), file("a.ass", make_ssa_with_fonts(100_000)))
    )
    assert "Subtitles a.ass: 1 line" in page_text
    row = Subtitles.objects.get()
    assert row.film.files.subtitles(row.pk).stat().st_size < 1000


def test_a_file_name_that_is_not_utf8_is_accepted(
    staff: Client, make_video: Callable[..., Path]
) -> None:
    """Browsers send such names with replacement characters."""
    film = make_video(seconds=1).read_bytes()
    page_text = text(send(staff, film, file("\ufffdt\ufffd.fr.srt", SRT)))
    assert "Subtitles \ufffdt\ufffd.fr.srt: 2 lines, French." in page_text
    row = Subtitles.objects.get()
    assert (row.language, row.original_name) == ("fr", "\ufffdt\ufffd.fr.srt")


def test_a_full_disk_is_reported_and_the_film_is_kept(
    staff: Client, make_video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The subtitles are written to /dev/full, the kernel's own full disk."""
    real = store.tempfile.mkstemp

    def on_full_disk(dir: Path, prefix: str) -> tuple[int, str]:
        if "subtitles" in str(dir):
            path = Path(dir) / f"{prefix}full"
            path.touch()
            return os.open("/dev/full", os.O_RDWR), str(path)
        return real(dir=dir, prefix=prefix)

    monkeypatch.setattr(store.tempfile, "mkstemp", on_full_disk)
    page_text = text(send(staff, make_video(seconds=2).read_bytes(), file("a.en.srt", SRT)))
    assert "The disk is full, so the subtitles a.en.srt were not saved." in page_text
    film = Film.objects.get()
    assert not film.subtitles.exists()
    assert not Line.objects.exists()
    assert list((film.files.folder / "subtitles").iterdir()) == []
    monkeypatch.undo()
    assert "Subtitles a.en.srt: 2 lines" in text(change(staff, film, file("a.en.srt", SRT)))


def test_a_disk_that_is_full_at_upload_is_reported(
    staff: Client, make_video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    film = add_film(make_video(seconds=1))
    before = list_incoming()

    def on_full_disk(dir: Path, prefix: str) -> tuple[int, str]:
        path = Path(dir) / f"{prefix}full"
        path.touch()
        return os.open("/dev/full", os.O_RDWR), str(path)

    monkeypatch.setattr(uploads.tempfile, "mkstemp", on_full_disk)
    answer = change(staff, film, file("a.en.srt", SRT))
    assert answer.status_code == 507
    assert "The disk is full, so this was not saved." in text(answer)
    assert not film.subtitles.exists()
    assert list_incoming() == before


# --- changes --------------------------------------------------------------------------------------


def test_subtitles_can_be_added_corrected_and_deleted_later(staff: Client, demo_film: Film) -> None:
    demo_film.subtitles.all().delete()
    assert find_texts("refrigerator") == []
    english = (DEMO / "film.en.srt").read_bytes()
    page_text = text(change(staff, demo_film, file("words.srt", english)))
    assert "Subtitles words.srt: 32 lines, English." in page_text
    row = demo_film.subtitles.get()
    assert find_texts("refrigerators") == ["It is a refrigerator. I hope you like it."]
    # The same file again.
    page_text = text(change(staff, demo_film, file("again.srt", english)))
    assert "The subtitles again.srt were already added." in page_text
    assert demo_film.subtitles.count() == 1
    shown = text(staff.get(get_change_page(demo_film)))
    assert "words.srt" in shown
    assert "32 lines" in shown
    assert '<option value="en" selected>English</option>' in shown
    assert f"/films/{demo_film.pk}/subtitles/{row.pk}.vtt" in shown
    # Another language has another analysis.
    change(staff, demo_film, **{"subtitles-0-language": "zh-Hant"})
    row.refresh_from_db()
    assert row.language == "zh-Hant"
    assert dialogue.find("refrigerator", None, 1)[0].language == "zh-Hant"
    refused = text(change(staff, demo_film, **{"subtitles-0-language": "nonsense"}))
    assert "Select a valid choice" in refused
    path = demo_film.files.subtitles(row.pk)
    change(staff, demo_film, **{"subtitles-0-DELETE": "on"})
    assert not demo_film.subtitles.exists()
    assert not path.exists()
    assert find_texts("refrigerator") == []


def test_the_page_reports_the_result_for_each_text_track(staff: Client, demo_film: Film) -> None:
    from django.utils import timezone

    Film.objects.update(tracks_error="Text track 1 (en): FFmpeg cannot read it.")
    shown = text(staff.get(get_change_page(demo_film)))
    assert "Some embedded text tracks could not be read" in shown
    assert "FFmpeg cannot read it." in shown
    Film.objects.update(tracks_error="", tracks_lease=timezone.now())
    assert "Reading embedded text tracks" in text(staff.get(get_change_page(demo_film)))


def test_view_permission_does_not_allow_changes(staff: Client, demo_film: Film) -> None:
    looker = get_user_model().objects.create_user("looker", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_film"))
    client = Client()
    client.force_login(looker)
    shown = text(client.get(get_change_page(demo_film)))
    assert "32 lines" in shown
    assert "DELETE" not in shown
    assert change(client, demo_film, file("a.srt", SRT)).status_code == 403
    assert demo_film.subtitles.count() == 2


# --- downloads ------------------------------------------------------------------------------------


def test_a_player_gets_webvtt(page: Client, demo_film: Film) -> None:
    row = demo_film.subtitles.get(language="zh")
    address = f"/films/{demo_film.pk}/subtitles/{row.pk}.vtt"
    response = page.get(address)
    assert response.status_code == 200
    assert response["Content-Type"] == "text/vtt; charset=utf-8"
    assert "inline" in response["Content-Disposition"]
    assert "private" in response["Cache-Control"]
    assert read(response.content) == read((DEMO / "film.zh.srt").read_bytes())
    saved = page.get(address, {"save": "1"})["Content-Disposition"]
    assert saved.startswith("attachment")
    assert "The Cat Who Borrowed a Rocket.zh.vtt" in saved
    assert page.get(f"/films/{demo_film.pk + 1}/subtitles/{row.pk}.vtt").status_code == 404
    assert page.get(f"/films/{demo_film.pk}/subtitles/99999.vtt").status_code == 404
    assert page.post(address).status_code == 405


# --- import_film ----------------------------------------------------------------------------------


def import_film(*arguments: Any, **options: Any) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("import_film", *arguments, stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def test_subtitles_next_to_a_film_are_imported(
    redis_server: Any, make_video: Callable[..., Path], tmp_path: Path
) -> None:
    path = make_video("My Film.mp4", seconds=2)
    for name, content in (
        ("My Film.srt", srt("Good morning to you, and a very good day to all of us here.")),
        ("my film.zh.SRT", srt("早上好")),
        ("My Film.de.forced.ass", SRT),
        ("My Film.fr.srt", "broken"),
        ("My Film 2.en.srt", SRT),
        ("Other.en.srt", SRT),
        ("My Film.en.txt", SRT),
    ):
        (tmp_path / name).write_text(content, "utf-8")
    out, err = import_film(path)
    film = Film.objects.get()
    assert [(s.language, s.original_name) for s in film.subtitles.all()] == [
        ("de", "My Film.de.forced.ass"), ("en", "My Film.srt"), ("zh", "my film.zh.SRT"),
    ]  # fmt: skip
    assert "My Film.srt: 1 lines, English." in out
    assert "My Film.fr.srt: No timed lines were found in this file." in err
    # Again: existing subtitles are not added twice, new ones are.
    (tmp_path / "My Film.it.srt").write_text(SRT.replace("paws", "zampe"))
    out, _err = import_film(path)
    assert "already uploaded" in out
    assert film.subtitles.count() == 4
    assert out.count(" lines, ") == 1


def test_subtitles_can_be_named_on_the_command_line(
    redis_server: Any, make_video: Callable[..., Path], tmp_path: Path
) -> None:
    path = make_video("a.mp4", seconds=2)
    for name in ("x.en.srt", "y.zh.srt", "a.de.srt"):
        (tmp_path / name).write_text(SRT + f"\n3\n00:00:09,000 --> 00:00:10,000\n{name}\n")
    import_film(path, subtitles=[tmp_path / "x.en.srt", tmp_path / "y.zh.srt"])
    film = Film.objects.get()
    assert [s.language for s in film.subtitles.all()] == ["de", "en", "zh"]


def test_unreadable_subtitles_are_reported_first(
    redis_server: Any, make_video: Callable[..., Path], tmp_path: Path
) -> None:
    path = make_video(seconds=1)
    (tmp_path / "bad.srt").write_text("nothing")
    with pytest.raises(CommandError, match="No timed lines"):
        import_film(path, subtitles=[tmp_path / "bad.srt"])
    with pytest.raises(CommandError, match="No such file"):
        import_film(path, subtitles=[tmp_path / "missing.srt"])
    with pytest.raises(CommandError, match="one film at a time"):
        import_film(path, path, subtitles=[tmp_path / "bad.srt"])
    assert not Film.objects.exists()


def test_the_demo_film_comes_with_its_subtitles(redis_server: Any) -> None:
    import_film(DEMO / "film.mp4")
    film = Film.objects.get()
    assert [(s.language, s.line_count) for s in film.subtitles.all()] == [("en", 32), ("zh", 32)]


def test_an_interrupted_upload_leaves_nothing(
    redis_server: Any, make_video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    film = add_film(make_video(seconds=1))

    def crash(*_arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "write_atomically", crash)
    with pytest.raises(KeyboardInterrupt):
        subtitle_import.add_subtitles(film, "a.srt", SRT.encode())
    monkeypatch.undo()
    assert not Subtitles.objects.exists()
    assert not Line.objects.exists()
    row, is_new = subtitle_import.add_subtitles(film, "../../a.en.srt", SRT.encode())
    assert is_new
    assert row.original_name == "a.en.srt"
    assert film.files.subtitles(row.pk).parent == film.files.folder / "subtitles"
    odd, _new = subtitle_import.add_subtitles(film, "a.s/../r t", VTT.encode())
    assert film.files.subtitles(odd.pk).name == str(odd.pk)
