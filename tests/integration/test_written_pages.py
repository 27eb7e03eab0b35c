"""Pages, downloads, API and tools with lines that were read in the pictures of films."""

import json
import re
from io import StringIO
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client, RequestFactory

from gallery.boards import film_options
from gallery.core.errors import SubtitlesError
from gallery.films.film_job import MAX_ATTEMPTS
from gallery.films.models import Film
from gallery.importing import library_check
from gallery.importing.progress import progress_of
from gallery.mcp.tools import SceneTools
from gallery.scenes import scene_lines
from gallery.search.types import Mode, Query
from gallery.transcripts import corrections, dialogue, reading, reading_requests, subtitle_import
from gallery.transcripts.models import Line, Subtitles, TextReading
from gallery.transcripts.subtitle_formats import Cue
from gallery.transcripts.tracks import Track
from gallery.transcripts.types import LineKind
from tests.asking import Api
from tests.lines import find_lines

pytestmark = pytest.mark.django_db(transaction=True)
SIGN_BOX = [0.125, 0.25, 0.5, 0.375]
SUBTITLE_BOX = [0.25, 0.85, 0.75, 0.93]


@pytest.fixture(autouse=True)
def _reads(settings: LazySettings) -> None:
    settings.READ_TEXT = True


def add_read_lines(
    film: Film,
    source: Subtitles.Source,
    language: str,
    *lines: tuple[float, float, str, list[Any]],
) -> Subtitles:
    row = Subtitles.objects.create(
        film=film, language=language, source=source, line_count=len(lines)
    )
    Line.objects.bulk_create(
        Line(subtitles=row, number=number, start=start, end=end, text=text, box=box)
        for number, (start, end, text, box) in enumerate(lines)
    )
    return row


@pytest.fixture
def sign(demo_film: Film) -> Subtitles:
    """A sign in the fourth shot of the demo film (10.8 s to 13.9 s)."""
    row = add_read_lines(
        demo_film, Subtitles.Source.SCENE, "en", (11.5, 12.5, "HARBOUR HOTEL", SIGN_BOX)
    )
    subtitle_import.publish(demo_film.pk)
    return row


@pytest.fixture
def burned(demo_film: Film) -> Subtitles:
    """Chinese subtitles in the picture of the demo film."""
    row = add_read_lines(
        demo_film,
        Subtitles.Source.BURNED,
        "zh-Hans",
        (11.5, 13.5, "雪地里有一条龙", SUBTITLE_BOX),
        (20.5, 22.5, "我们回家吧", SUBTITLE_BOX),
    )
    subtitle_import.publish(demo_film.pk)
    return row


def hide(row: Subtitles) -> None:
    Subtitles.objects.filter(pk=row.pk).update(is_hidden=True)
    subtitle_import.publish(row.film_id)


def text(page: Client, address: str, status: int = 200) -> str:
    response = page.get(address)
    assert response.status_code == status
    return str(response.content.decode())


# --- results --------------------------------------------------------------------------------------


def test_a_hit_shows_that_its_line_is_in_the_picture(page: Client, sign: Subtitles) -> None:
    shown = text(page, "/?q=harbour+hotel")
    first = shown[shown.index('class="line"') :]
    first = first[: first.index("</q>")]
    assert "In the picture: " in first
    assert "#i-written" in first
    assert "<mark>HARBOUR</mark> <mark>HOTEL</mark>" in first or "<mark>HARBOUR HOTEL" in first
    spoken = text(page, "/?q=moon&in=said")
    assert "In the picture: " not in spoken


def test_the_switch_offers_what_the_library_has(page: Client, demo_film: Film) -> None:
    assert re.findall(r'id="in-(\w+)"', text(page, "/?q=hotel")) == ["both", "seen", "said"]
    row = add_read_lines(
        demo_film, Subtitles.Source.SCENE, "en", (11.5, 12.5, "HARBOUR HOTEL", SIGN_BOX)
    )
    subtitle_import.publish(demo_film.pk)
    modes = ["both", "seen", "said", "written"]
    assert re.findall(r'id="in-(\w+)"', text(page, "/?q=hotel")) == modes
    assert "No text in the picture contains these words." in text(page, "/?q=moon&in=written")
    hide(row)
    assert re.findall(r'id="in-(\w+)"', text(page, "/?q=hotel")) == modes[:3]


# --- the page of a scene --------------------------------------------------------------------------


def test_the_scene_page_has_what_is_said_and_what_is_written(
    page: Client, sign: Subtitles, burned: Subtitles
) -> None:
    shown = text(page, f"/films/{sign.film_id}/frames/12/?q=hotel&in=written")
    titles = re.findall(r'<h3 id="lines-of-\d">(\w+) <span class="quiet">([^<]+)</span>', shown)
    assert titles == [
        ("Said", "English"),
        ("Said", "Chinese"),
        ("Said", "Chinese (Simplified) · subtitles in the picture"),
        ("Written", "English · text in the picture"),
    ]
    # The frame at 12 s has both; the query finds one.
    boxes = re.findall(r'<span class="text-box([^"]*)" style="([^"]+)"', shown)
    assert boxes == [
        ("", "left: 25.00%; top: 85.00%; width: 50.00%; height: 8.00%"),
        (" is-found", "left: 12.50%; top: 25.00%; width: 37.50%; height: 12.50%"),
    ]
    assert 'class="is-found" data-start="11.5" data-end="12.5" data-seek="12.0"' in shown
    assert 'data-path="0 0.125 0.25 0.5 0.375"' in shown
    assert "HARBOUR <mark>HOTEL</mark>" in shown
    assert f'href="/films/{sign.film_id}/frames/12/?q=hotel&amp;in=written"' in shown
    # At 11 s it is not there yet.
    assert 'class="text-box"' not in text(page, f"/films/{sign.film_id}/frames/11/")


def test_a_line_that_moves_is_shown_where_it_is_in_the_frame(
    page: Client, anonymous: Api, demo_film: Film
) -> None:
    rolling = [[11.0, 0.25, 0.8, 0.75, 0.9], [13.0, 0.25, 0.4, 0.75, 0.5]]
    source = Subtitles.Source.SCENE
    row = add_read_lines(demo_film, source, "en", (10.5, 13.5, "Gaffer Anna Berg", rolling))
    subtitle_import.publish(demo_film.pk)
    tops = {}
    for second in (11, 12, 13):
        shown = text(page, f"/films/{demo_film.pk}/frames/{second}/")
        [tops[second]] = re.findall(r'class="text-box" style="left: 25.00%; top: ([\d.]+)%', shown)
        path = "11 0.25 0.8 0.75 0.9; 13 0.25 0.4 0.75 0.5"
        assert f'data-path="{path}"' in shown
    assert tops == {11: "80.00", 12: "60.00", 13: "40.00"}
    [hit] = anonymous.get("/search?q=gaffer&in=written")["results"]
    assert hit["frame"]["second"] == 12
    middle = {"left": 0.25, "top": 0.6, "right": 0.75, "bottom": 0.7}
    assert hit["line"]["box"] == middle
    lines = anonymous.get(f"/films/{demo_film.pk}/lines?kind=written")["results"]
    assert [line["box"] for line in lines] == [middle]
    corrected = download(page, row).replace("Gaffer", "Best boy").encode()
    new, _is_new = subtitle_import.add_subtitles(demo_film, "credits.en.vtt", corrected)
    assert [(line.text, line.box) for line in new.lines.all()] == [("Best boy Anna Berg", rolling)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (Query("hotel"), True),
        (Query("hotel", mode=Mode.WRITTEN), True),
        (Query("hotel", mode=Mode.SAID), False),
        (Query("hotel", mode=Mode.SEEN), False),
        (Query('"harbour hotel" at night'), True),
        (Query("a dog in the snow"), False),
    ],
)
def test_lines_are_marked_where_they_are_searched(
    query: Query, found: bool, sign: Subtitles
) -> None:
    groups = scene_lines.list_lines(sign.film, 10.8, 13.9, query)
    assert [line.is_found for line in scene_lines.boxes_at(groups, 12.0)] == [found]


def test_players_and_films_of_boards_do_not_offer_what_is_in_the_picture(
    page: Client, sign: Subtitles, burned: Subtitles
) -> None:
    film = sign.film
    shown = text(page, f"/films/{film.pk}/tracks")
    assert re.findall(r'srclang="([^"]+)"', shown) == ["en", "zh"]
    assert sorted(film_options.subtitle_languages([film.pk])) == ["en", "zh"]
    hide(film.subtitles.get(language="zh", source=Subtitles.Source.UPLOADED))
    assert film_options.subtitle_languages([film.pk]) == ["en"]


# --- the page of a film ---------------------------------------------------------------------------


def test_the_transcript_offers_the_sources(
    page: Client, sign: Subtitles, burned: Subtitles
) -> None:
    address = f"/films/{sign.film_id}/"
    shown = text(page, f"{address}?q=hotel&in=written&lines={sign.pk}")
    choices = re.findall(r'id="lines-(\d+)"[^>]*>([^<]+)</a>', shown)
    assert [label for _number, label in choices] == [
        "English",
        "Chinese",
        "Chinese (Simplified) · subtitles in the picture",
        "English · text in the picture",
    ]
    assert "Dialogue and text" in shown
    assert "HARBOUR <mark>HOTEL</mark>" in shown
    assert "Read by machine: letters may be wrong." in shown
    assert f"/films/{sign.film_id}/subtitles/{sign.pk}.vtt?save" in shown
    # Words that are only said are not found in what is written.
    assert "<mark>" not in text(page, f"{address}?q=moon&in=written&lines={sign.pk}")
    plain = text(page, address)
    assert "Read by machine" not in plain


def download(client: Client, row: Subtitles) -> str:
    return text(client, f"/films/{row.film_id}/subtitles/{row.pk}.vtt?save")


def test_a_download_says_where_its_lines_come_from(page: Client, burned: Subtitles) -> None:
    response = page.get(f"/films/{burned.film_id}/subtitles/{burned.pk}.vtt?save")
    name = "The Cat Who Borrowed a Rocket.burned.zh-Hans.vtt"
    assert name in response["Content-Disposition"]
    note = "NOTE burned: subtitles in the picture, read by machine, letters may be wrong"
    assert response.content.decode().startswith(f"WEBVTT\n\n{note}\n\n00:00:11.500")
    spoken = burned.film.subtitles.get(language="en")
    assert "NOTE" not in download(page, spoken)


def test_a_corrected_download_replaces_what_was_read(
    page: Client, staff: Client, sign: Subtitles, burned: Subtitles
) -> None:
    film = sign.film
    read = download(page, sign).replace("HOTEL", "HOSTEL")
    new = "\n00:00:30.000 --> 00:00:32.000\nNO PARKING\n"
    file = SimpleUploadedFile("signs.en.vtt", f"\ufeff{read}{new}".replace("\n", "\r\n").encode())
    assert (
        "Subtitles signs.en.vtt: 2 lines, which replace: text in the picture."
        in change(staff, film, subtitles=file).content.decode()
    )
    corrected = film.subtitles.get(source=Subtitles.Source.SCENE)
    assert [(line.text, line.box) for line in corrected.lines.all()] == [
        ("HARBOUR HOSTEL", SIGN_BOX),
        ("NO PARKING", None),
    ]
    [found] = find_lines("harbour hostel")
    assert found.is_written
    assert find_lines("harbour hotel")[0].text == "HARBOUR HOSTEL"
    assert "signs.en.vtt" in text(staff, f"/admin/gallery/film/{film.pk}/change/")
    assert "NOTE scene: text in the picture, corrected\n" in download(page, corrected)
    # It stays when the film is read again, and what is read then is hidden.
    reading_requests.read_again(film)
    assert ("scene", "en") in subtitle_import.remove_recognized(film, Subtitles.SEEN)
    assert [row.pk for row in film.subtitles.filter(source__in=Subtitles.READ)] == [corrected.pk]


def correct(client: Client, row: Subtitles, name: str, data: str, **fields: Any) -> str:
    file = SimpleUploadedFile(name, data.encode())
    response = change(client, row.film, subtitles=file, corrects=row.pk, **fields)
    return response.content.decode()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("corrected.srt", "1\n00:00:11,500 --> 00:00:12,500\nHARBOUR HOSTEL\n"),
        (
            "corrected.ass",
            "[Script Info]\n\n[Events]\n"
            "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
            "Dialogue: 0,0:00:11.50,0:00:12.50,Default,,0,0,0,,HARBOUR HOSTEL\n",
        ),
        ("corrected.sub", "{276}{300}HARBOUR HOSTEL\n"),  # frames, of 24 a second
    ],
)
def test_a_file_in_any_format_corrects_what_staff_choose(
    staff: Client, sign: Subtitles, burned: Subtitles, name: str, data: str
) -> None:
    film = sign.film
    shown = text(staff, f"/admin/gallery/film/{film.pk}/change/")
    choices = re.findall(r'<option value="(\d*)"[^>]*>([^<]+ · [^<]+|Nothing[^<]+)</option>', shown)
    assert choices == [
        ("", "Nothing (new subtitles)"),
        (str(sign.pk), "English · text in the picture"),
        (str(burned.pk), "Chinese (Simplified) · subtitles in the picture"),
    ]
    # What is changed in the row at the same time is kept.
    assert f"Subtitles {name}: 1 line, which replaces: text in the picture." in correct(
        staff, sign, name, data, **{f"language-{sign.pk}": "fr"}
    )
    [corrected] = film.subtitles.filter(source=Subtitles.Source.SCENE)
    assert (corrected.is_corrected, corrected.language) == (True, "fr")
    [line] = corrected.lines.all()
    assert (line.start, line.end) == pytest.approx((11.5, 12.5), abs=0.02)
    assert (line.text, line.box) == ("HARBOUR HOSTEL", SIGN_BOX)
    assert [line.text for line in find_lines("harbour hostel")] == ["HARBOUR HOSTEL"]
    assert film.subtitles.filter(source=Subtitles.Source.UPLOADED).count() == 2
    assert Subtitles.objects.filter(pk=burned.pk).exists()


def test_a_correction_is_one_file(staff: Client, sign: Subtitles) -> None:
    response = change(staff, sign.film, corrects=sign.pk)
    assert "Choose one file: the one with the corrected lines." in response.content.decode()
    srt = "1\n00:00:11,500 --> 00:00:12,500\nHARBOUR HOSTEL\n"
    files = [SimpleUploadedFile(f"{n}.srt", srt.encode()) for n in range(2)]
    response = change(staff, sign.film, corrects=sign.pk, subtitles=files)
    assert "Choose one file: the one with the corrected lines." in response.content.decode()
    assert "<li>a.srt: " in correct(staff, sign, "a.srt", "\0\0")
    assert Line.objects.get(subtitles=sign).text == "HARBOUR HOTEL"


def test_a_correction_of_hidden_lines_stays_hidden(staff: Client, sign: Subtitles) -> None:
    hide(sign)
    srt = "1\n00:00:11,500 --> 00:00:12,500\nHARBOUR HOSTEL\n"
    correct(staff, sign, "a.srt", srt, **{f"is_hidden-{sign.pk}": "on"})
    [corrected] = sign.film.subtitles.filter(source=Subtitles.Source.SCENE)
    assert (corrected.is_corrected, corrected.is_hidden) == (True, True)
    assert find_lines("harbour hostel") == []


def test_nothing_can_be_corrected_where_nothing_was_read(staff: Client, demo_film: Film) -> None:
    assert "corrects" not in text(staff, f"/admin/gallery/film/{demo_film.pk}/change/")


def test_other_files_replace_nothing(burned: Subtitles) -> None:
    for note in ("burned: at sea", "nothing"):
        file = f"WEBVTT\n\nNOTE {note}\n\n00:01.000 --> 00:02.000\nHello\n".encode()
        row, is_new = subtitle_import.add_subtitles(burned.film, "a.en.vtt", file)
        assert (row.source, is_new) == (Subtitles.Source.UPLOADED, True)
    assert Subtitles.objects.filter(pk=burned.pk).exists()


def test_a_download_of_another_installation_keeps_its_kind(burned: Subtitles) -> None:
    file = (
        b"WEBVTT\n\nNOTE scene: text in the picture, read by machine, letters may be wrong\n\n"
        b"00:11.500 --> 00:12.500\nHARBOUR HOTEL\n"
    )
    row, is_new = subtitle_import.add_subtitles(burned.film, "film.scene.en.vtt", file)
    assert (row.source, row.language, is_new) == (Subtitles.Source.SCENE, "en", True)
    assert Subtitles.objects.filter(pk=burned.pk).exists()
    assert dialogue.find("harbour", None, 10, kind=LineKind.SAID) == []
    assert len(dialogue.find("harbour", None, 10, kind=LineKind.WRITTEN)) == 1


def test_a_file_does_not_correct_another_source(
    page: Client, staff: Client, sign: Subtitles, burned: Subtitles
) -> None:
    file = page.get(f"/films/{sign.film_id}/subtitles/{burned.pk}.vtt").content
    with pytest.raises(SubtitlesError, match="the lines of another source"):
        subtitle_import.add_subtitles(sign.film, "a.vtt", file, corrects=sign)
    assert Subtitles.objects.filter(pk=sign.pk).exists()


def test_a_correction_of_long_lines_is_quick(burned: Subtitles) -> None:
    """Texts are compared by the product of their lengths, while the database is locked."""
    lines = [(n * 0.3, 20.0, f"{n} " + "ab" * 1000, SUBTITLE_BOX) for n in range(60)]
    row = add_read_lines(burned.film, Subtitles.Source.SCENE, "en", *lines)
    cues = [Cue(start, end, text.replace("a", "c")) for start, end, text, _box in lines]
    compared = corrections.find_paths(row, cues)
    assert len(compared) == 60


def test_hidden_lines_are_nowhere_but_in_the_admin(
    page: Client, staff: Client, anonymous: Api, sign: Subtitles
) -> None:
    hide(sign)
    film = sign.film
    assert find_lines("harbour hotel") == []
    for address in (
        "/?q=harbour+hotel",
        f"/films/{film.pk}/?q=harbour+hotel&lines={sign.pk}",
        f"/films/{film.pk}/lines/?lines={sign.pk}",
        f"/films/{film.pk}/frames/12/",
    ):
        assert "HARBOUR" not in text(page, address), address
    assert "HARBOUR" not in json.dumps(anonymous.get(f"/films/{film.pk}/lines?page_size=100"))
    file = f"/films/{film.pk}/subtitles/{sign.pk}.vtt"
    text(page, file, 404)
    text(page, file.replace(".vtt", "/260-334.vtt"), 404)
    assert "HARBOUR" in text(staff, file)
    assert "Text in the picture" in text(staff, f"/admin/gallery/film/{film.pk}/change/")
    [counts] = library_check.check_library().films
    assert counts.problems == []


# --- API, tools and commands ----------------------------------------------------------------------


def test_the_api_says_where_lines_come_from(
    anonymous: Api, sign: Subtitles, burned: Subtitles
) -> None:
    film = sign.film
    [hit] = anonymous.get("/search?q=harbour+hotel&in=written")["results"]
    assert (hit["line"]["text"], hit["line"]["kinds"]) == ("HARBOUR HOTEL", ["written"])
    assert hit["line"]["box"] == {"left": 0.125, "top": 0.25, "right": 0.5, "bottom": 0.375}
    hit, *_others = anonymous.get("/search?q=我们回家吧&in=said")["results"]
    assert (hit["line"]["text"], hit["line"]["kinds"]) == ("我们回家吧", ["said", "written"])
    lines = anonymous.get(f"/films/{film.pk}/lines?kind=written&page_size=100")["results"]
    assert [(line["text"], line["kinds"]) for line in lines] == [
        ("HARBOUR HOTEL", ["written"]),
        ("雪地里有一条龙", ["said", "written"]),
        ("我们回家吧", ["said", "written"]),
    ]
    [spoken] = anonymous.get(f"/films/{film.pk}/lines?kind=said&language=en&start=3.5&end=7")[
        "results"
    ]
    assert (spoken["kinds"], spoken["box"]) == (["said"], None)
    assert anonymous.get(f"/films/{film.pk}")["languages"] == ["en", "zh", "zh-Hans"]
    anonymous.get(f"/films/{film.pk}/lines?kind=sung", 400)


def test_the_terminal_searches_what_is_written(sign: Subtitles) -> None:
    out = StringIO()
    call_command("search", "harbour hotel", "--in", "written", stdout=out)
    assert "“HARBOUR HOTEL” (in the picture)" in out.getvalue()
    out = StringIO()
    call_command("search", "harbour hotel", "--in", "written", "--json", stdout=out)
    [row] = json.loads(out.getvalue())
    assert (row["line_kinds"], row["line_box"]) == (["written"], SIGN_BOX)


def test_tools_for_language_models_tell_what_is_written(
    sign: Subtitles, burned: Subtitles, rf: RequestFactory
) -> None:
    request = rf.get("/")
    request.user = get_user_model().objects.create_user("ada")
    tools = SceneTools(lambda: request)
    [scene] = tools.search_scenes(words="harbour hotel", where=Mode.WRITTEN).scenes
    assert (scene.line, scene.line_kinds) == ("HARBOUR HOTEL", ["written"])
    lines = tools.read_dialogue(sign.film_id, kind=LineKind.WRITTEN)
    assert [(line.text, line.kinds, line.box) for line in lines] == [
        ("HARBOUR HOTEL", ["written"], SIGN_BOX),
        ("雪地里有一条龙", ["said", "written"], SUBTITLE_BOX),
        ("我们回家吧", ["said", "written"], SUBTITLE_BOX),
    ]
    hide(sign)
    details = tools.get_frame(sign.film_id, 12)
    assert "雪地里有一条龙" in [line.text for line in details.lines]
    assert "HARBOUR HOTEL" not in [line.text for line in details.lines]


# --- the admin ------------------------------------------------------------------------------------


def change(client: Client, film: Film, **fields: Any) -> Any:
    rows = list(film.subtitles.exclude(line_count=0))
    data: dict[str, Any] = {
        "title": film.title,
        "year": "",
        "reads_text": "on",
        "hears_speech": "on",
        "subtitles-TOTAL_FORMS": len(rows),
        "subtitles-INITIAL_FORMS": len(rows),
    }
    for number, row in enumerate(rows):
        data[f"subtitles-{number}-id"] = row.pk
        data[f"subtitles-{number}-film"] = film.pk
        data[f"subtitles-{number}-language"] = fields.pop(f"language-{row.pk}", row.language)
        for name in ("is_hidden", "DELETE"):
            if fields.pop(f"{name}-{row.pk}", ""):
                data[f"subtitles-{number}-{name}"] = "on"
    data = {name: value for name, value in {**data, **fields}.items() if value != "off"}
    return client.post(f"/admin/gallery/film/{film.pk}/change/", data, follow=True)


def mark_as_read(film: Film) -> None:
    Film.objects.filter(pk=film.pk).update(
        text_run=film.searchable_run, text_version=reading.VERSION
    )


def test_staff_hide_and_show_what_was_read(staff: Client, sign: Subtitles) -> None:
    shown = text(staff, f"/admin/gallery/film/{sign.film_id}/change/")
    assert "Text in the picture" in shown
    assert "read by machine · " in shown
    assert "To correct what was read or recognised, download its lines below" in shown
    assert change(staff, sign.film, **{f"is_hidden-{sign.pk}": "on"}).status_code == 200
    sign.refresh_from_db()
    assert sign.is_hidden
    assert find_lines("harbour hotel") == []
    change(staff, sign.film)
    assert [line.text for line in find_lines("harbour hotel")] == ["HARBOUR HOTEL"]


def test_what_was_deleted_stays_deleted_until_it_is_read_again(
    staff: Client, sign: Subtitles, burned: Subtitles
) -> None:
    film = sign.film
    mark_as_read(film)
    change(staff, film, **{f"DELETE-{sign.pk}": "on"})
    assert find_lines("harbour hotel") == []
    assert not Line.objects.filter(subtitles=sign).exists()
    assert "Text in the picture" not in text(staff, f"/admin/gallery/film/{film.pk}/change/")
    assert reading.JOB.next_film() is None
    # A new version of the reader finds it again: it stays hidden.
    [hidden] = subtitle_import.remove_recognized(film, Subtitles.SEEN) & {("scene", "en")}
    assert hidden == ("scene", "en")


def test_a_picture_track_that_was_deleted_stays_hidden(demo_film: Film) -> None:
    track, cues = Track(0, "en", "Full", "hdmv_pgs_subtitle"), [Cue(1.0, 2.0, "All aboard!")]
    subtitle_import.save_track(demo_film, Subtitles.Source.DRAWN, track, cues)
    drawn = demo_film.subtitles.get(source=Subtitles.Source.DRAWN)
    assert (drawn.is_hidden, drawn in demo_film.subtitles.tracks()) == (False, True)
    reading_requests.delete_source(drawn)
    hidden = subtitle_import.remove_recognized(demo_film, Subtitles.SEEN)
    subtitle_import.save_track(demo_film, Subtitles.Source.DRAWN, track, cues, hidden)
    assert demo_film.subtitles.get(source=Subtitles.Source.DRAWN).is_hidden


def test_text_can_be_read_again(staff: Client, sign: Subtitles, burned: Subtitles) -> None:
    film = sign.film
    mark_as_read(film)
    reading_requests.delete_source(sign)
    response = staff.post(f"/admin/gallery/film/{film.pk}/read-text/", follow=True)
    assert "will be read again" in response.content.decode()
    assert reading.JOB.next_film() == film
    assert [row.source for row in film.subtitles.filter(source__in=Subtitles.READ)] == ["burned"]
    assert dialogue.line_kinds()
    assert staff.get(f"/admin/gallery/film/{film.pk}/read-text/").status_code == 405
    assert Client().post(f"/admin/gallery/film/{film.pk}/read-text/").status_code == 302


def test_a_row_that_is_changed_while_reading_is_switched_off_is_removed(
    staff: Client, sign: Subtitles, burned: Subtitles
) -> None:
    """The form would store the row again that the switch has removed."""
    film = sign.film
    change(staff, film, reads_text="off", **{f"is_hidden-{sign.pk}": "on"})
    assert not film.subtitles.filter(source__in=Subtitles.READ).exists()


def test_a_correction_of_what_is_deleted_at_the_same_time_is_shown(
    page: Client, staff: Client, sign: Subtitles
) -> None:
    film = sign.film
    file = page.get(f"/films/{film.pk}/subtitles/{sign.pk}.vtt").content
    upload = SimpleUploadedFile("a.vtt", file.replace(b"HOTEL", b"MOTEL"))
    change(staff, film, subtitles=upload, corrects=str(sign.pk), **{f"DELETE-{sign.pk}": "on"})
    [row] = film.subtitles.filter(source=Subtitles.Source.SCENE, line_count__gt=0)
    assert (row.is_hidden, row.is_corrected) == (False, True)


def test_a_form_whose_rows_were_replaced_says_so(staff: Client, sign: Subtitles) -> None:
    film = sign.film
    rows = list(film.subtitles.all())
    sign.delete()
    data = {
        "title": film.title,
        "subtitles-TOTAL_FORMS": len(rows),
        "subtitles-INITIAL_FORMS": len(rows),
    }
    for number, row in enumerate(rows):
        data[f"subtitles-{number}-id"] = row.pk or sign.pk
        data[f"subtitles-{number}-film"] = film.pk
        data[f"subtitles-{number}-language"] = row.language
    answer = staff.post(f"/admin/gallery/film/{film.pk}/change/", data).content.decode()
    assert "These subtitles have changed in the meantime." in answer


def test_only_those_who_may_change_films_have_actions(static_files: None, sign: Subtitles) -> None:
    user = get_user_model().objects.create_user("viewer", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_film"))
    client = Client()
    client.force_login(user)
    mark_as_read(sign.film)
    for action in ("retry", "import_again", "read_text", "hear_speech"):
        data = {"action": action, "_selected_action": [sign.film_id]}
        client.post("/admin/gallery/film/", data, follow=True)
        assert action not in client.get("/admin/gallery/film/").content.decode()
    sign.film.refresh_from_db()
    assert (sign.film.state, sign.film.text_version) == (Film.State.READY, reading.VERSION)


def test_reading_can_be_switched_off_and_on_for_a_film(staff: Client, sign: Subtitles) -> None:
    film = sign.film
    mark_as_read(film)
    change(staff, film, reads_text="off")
    film.refresh_from_db()
    assert not film.reads_text
    assert not film.subtitles.filter(source__in=Subtitles.READ).exists()
    assert film.subtitles.count() == 2
    assert find_lines("harbour hotel") == []
    assert "Read text again" not in text(staff, f"/admin/gallery/film/{film.pk}/change/")
    assert reading.JOB.next_film() is None
    change(staff, film)
    assert reading.JOB.next_film() == film
    assert "Read text again" in text(staff, f"/admin/gallery/film/{film.pk}/change/")


def test_the_progress_of_reading_is_shown(page: Client, staff: Client, demo_film: Film) -> None:
    attempt = TextReading.objects.create(
        film=demo_film, run=demo_film.searchable_run, version=reading.VERSION,
        position=int(demo_film.duration * 0.4) + 1,
    )  # fmt: skip
    assert progress_of(demo_film).activity == "Reading text: 40%"
    activity = f"/films/{demo_film.pk}/activity/"
    for address in (f"/films/{demo_film.pk}/", activity):
        shown = text(page, address)
        assert "Reading text: 40%" in shown
        assert f'<li hx-get="{activity}" hx-trigger="every 5s" hx-swap="outerHTML"' in shown
    assert "Reading text: 40%" in text(staff, "/admin/gallery/film/")
    TextReading.objects.filter(pk=attempt.pk).update(attempts=MAX_ATTEMPTS)
    failed = progress_of(demo_film)
    assert failed.activity == ""
    assert "“Read text again”" in failed.note
    assert "“Read text again”" in text(staff, f"/admin/gallery/film/{demo_film.pk}/change/")
    assert "Done" not in text(page, activity)
    mark_as_read(demo_film)
    demo_film.refresh_from_db()
    assert progress_of(demo_film).note == ""
    assert f'<a href="/films/{demo_film.pk}/">Done: show the result</a>' in text(page, activity)
    assert "Done" not in text(page, f"/films/{demo_film.pk}/")


def test_the_doctor_says_what_is_still_to_be_read(
    demo_film: Film, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from gallery.management.commands.doctor import _text

    assert "PP-OCRv6" in _text()
    assert "1 films are waiting to be read" in _text()
    mark_as_read(demo_film)
    assert "waiting" not in _text()
    settings.READ_TEXT = False
    assert _text() == "text in pictures is not read (READ_TEXT=0)"
