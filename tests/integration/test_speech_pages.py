"""Pages, downloads, the admin and commands with speech that a machine recognized."""

import re
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.test import Client

from gallery.films.models import Film
from gallery.importing.progress import progress_of
from gallery.search.address import search_url
from gallery.search.types import Mode, Query
from gallery.speech import model
from gallery.transcripts import listening, subtitle_import
from gallery.transcripts.models import Line, Subtitles, Transcription
from tests.hub import serving_hub, silent_hub
from tests.lines import find_lines
from tests.processes import run_manage

pytestmark = pytest.mark.django_db(transaction=True)
SPEECH = Subtitles.Source.SPEECH
HUB_ID = "somebody/faster-whisper-tiny"


@pytest.fixture(autouse=True)
def speech_model(settings: LazySettings, tmp_path: Path) -> Path:
    """A folder with the files of a model: pages do not load it."""
    folder = tmp_path / "speech-model"
    folder.mkdir()
    for name in (*model.FILES, "vocabulary.json"):
        (folder / name).write_text(f'{{"name": "{name}"}}')
    settings.SPEECH_MODEL = str(folder)
    return folder


@pytest.fixture
def spoken(demo_film: Film) -> Subtitles:
    """French speech in the fourth shot of the demo film (10.8 s to 13.9 s)."""
    row = Subtitles.objects.create(film=demo_film, language="fr", source=SPEECH, line_count=1)
    Line.objects.create(subtitles=row, number=0, start=11.5, end=12.5, text="Où sont les clés ?")
    Film.objects.filter(pk=demo_film.pk).update(
        speech_run=demo_film.searchable_run, speech_version=listening.VERSION
    )
    subtitle_import.publish(demo_film.pk)
    return row


def text(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def change(client: Client, film: Film, **fields: Any) -> Any:
    """Save the film's page in the admin; "off" leaves a checkbox out."""
    rows = film.subtitles.all()
    data: dict[str, Any] = {
        "title": film.title,
        "reads_text": "on",
        "hears_speech": "on",
        "spoken_language": film.spoken_language,
        "subtitles-TOTAL_FORMS": len(rows),
        "subtitles-INITIAL_FORMS": len(rows),
    }
    for number, row in enumerate(rows):
        data[f"subtitles-{number}-id"] = row.pk
        data[f"subtitles-{number}-film"] = film.pk
        data[f"subtitles-{number}-language"] = row.language
    data = {name: value for name, value in {**data, **fields}.items() if value != "off"}
    return client.post(f"/admin/gallery/film/{film.pk}/change/", data, follow=True)


def test_speech_is_found_as_said_and_shown_as_subtitles(page: Client, spoken: Subtitles) -> None:
    found = text(page, search_url(Query(words="clés", mode=Mode.SAID)))
    assert "Où sont les <mark>clés</mark> ?" in found
    assert spoken in spoken.film.subtitles.tracks()
    shown = text(page, f"/films/{spoken.film_id}/?lines={spoken.pk}")
    assert "French · Recognised speech" in shown or "French · recognised speech" in shown
    assert "Recognised by machine: words may be wrong." in shown
    assert "letters may be wrong" not in shown


def test_a_download_says_that_it_was_recognized_and_corrects_it(
    page: Client, spoken: Subtitles
) -> None:
    film = spoken.film
    file = text(page, f"/films/{film.pk}/subtitles/{spoken.pk}.vtt")
    assert "NOTE speech: recognized speech, by machine, words may be wrong" in file
    corrected = file.replace("clés", "clefs").encode()
    row, is_new = subtitle_import.add_subtitles(film, "clefs.vtt", corrected)
    assert (row.source, row.is_corrected, is_new) == (SPEECH, True, True)
    assert [line.text for line in find_lines("clefs")] == ["Où sont les clefs ?"]
    assert film.subtitles.filter(source=SPEECH).get() == row
    assert "Recognised by machine" not in text(page, f"/films/{film.pk}/?lines={row.pk}")


def test_staff_switch_recognition_off_and_on(staff: Client, spoken: Subtitles) -> None:
    film = spoken.film
    change(staff, film)
    assert find_lines("clés")
    change(staff, film, hears_speech="off")
    film.refresh_from_db()
    assert (film.hears_speech, listening.JOB.next_film()) == (False, None)
    assert find_lines("clés") == []
    shown = text(staff, f"/admin/gallery/film/{film.pk}/change/")
    assert "Recognise speech again" not in shown
    change(staff, film)
    assert listening.JOB.next_film() == film


def test_another_language_has_the_film_heard_again(staff: Client, spoken: Subtitles) -> None:
    film = spoken.film
    assert '<option value="fr">French</option>' in text(
        staff, f"/admin/gallery/film/{film.pk}/change/"
    )
    change(staff, film, spoken_language="fr")
    film.refresh_from_db()
    assert film.spoken_language == "fr"
    assert listening.JOB.next_film() == film
    refused = change(staff, film, spoken_language="klingon")
    assert "Choose a language from the list." in refused.content.decode()


def test_speech_can_be_recognized_again(staff: Client, spoken: Subtitles) -> None:
    film = spoken.film
    assert listening.JOB.next_film() is None
    address = f"/admin/gallery/film/{film.pk}/hear-speech/"
    assert "will be recognised again" in staff.post(address, follow=True).content.decode()
    assert listening.JOB.next_film() == film
    assert find_lines("clés")
    assert staff.get(address).status_code == 405
    assert Client().post(address).status_code == 302


def test_the_action_says_why_there_is_nothing_to_do(
    staff: Client, spoken: Subtitles, settings: LazySettings
) -> None:
    data = {"action": "hear_speech", "_selected_action": [spoken.film_id]}
    Film.objects.update(hears_speech=False)
    done = staff.post("/admin/gallery/film/", data, follow=True).content.decode()
    assert "speech recognition is off for these films" in done
    settings.SPEECH_MODEL = "off"
    done = staff.post("/admin/gallery/film/", data, follow=True).content.decode()
    assert "Speech recognition is off for all films (SPEECH_MODEL)." in done


def test_the_progress_of_recognition_is_shown(page: Client, demo_film: Film) -> None:
    job = Transcription.objects.create(
        film=demo_film, run=demo_film.searchable_run, version=listening.VERSION, position=53
    )
    percent = int(100 * 53 / demo_film.duration)
    assert progress_of(demo_film).activity == f"Recognising speech: {percent}%"
    assert f"Recognising speech: {percent}%" in text(page, f"/films/{demo_film.pk}/")
    job.update(attempts=3)
    assert progress_of(demo_film).activity == ""
    assert "Recognising the speech failed." in progress_of(demo_film).note
    Film.objects.update(hears_speech=False)
    demo_film.refresh_from_db()
    assert progress_of(demo_film).note == ""


# --- the model ------------------------------------------------------------------------------------


def doctor() -> str:
    output = StringIO()
    with suppress(CommandError):
        call_command("doctor", stdout=output)
    [line] = re.findall(r".*Speech .*", output.getvalue())
    return line


def test_the_doctor_says_what_keeps_speech_from_being_recognized(
    demo_film: Film, settings: LazySettings, speech_model: Path
) -> None:
    assert re.search(r"BAD  Speech .*no worker takes from the queue films-speech", doctor())
    settings.SPEECH_MODEL = "nobody/has-this-model"
    assert re.search(r"BAD  Speech .*is not downloaded", doctor())
    (speech_model / "tokenizer.json").unlink()
    settings.SPEECH_MODEL = str(speech_model)
    assert re.search(r"BAD  Speech .*that folder has no tokenizer\.json", doctor())
    settings.SPEECH_MODEL = "off"
    assert re.search(r"ok   Speech .*SPEECH_MODEL is not set", doctor())


def fetch(endpoint: str, home: Path) -> tuple[int, str]:
    done = run_manage(
        "fetch_model",
        HF_ENDPOINT=endpoint,
        HF_HUB_OFFLINE="0",
        HF_HOME=str(home),
        SPEECH_MODEL=HUB_ID,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_model_is_downloaded_once(speech_model: Path, tmp_path: Path) -> None:
    (speech_model / "README.md").write_text("a model")
    with serving_hub(HUB_ID, speech_model) as (endpoint, fetched):
        code, output = fetch(endpoint, tmp_path / "home")
        assert code == 0, output
        assert f"Downloading {HUB_ID}. This happens only once." in output
        assert {*model.FILES, "vocabulary.json"} <= set(fetched)
        assert "README.md" not in fetched
        fetched.clear()
        code, output = fetch(endpoint, tmp_path / "home")
    assert (code, fetched) == (0, [])
    assert f"Speech model: {HUB_ID}, from" in output


def test_without_a_hub_all_else_works(speech_model: Path, tmp_path: Path) -> None:
    with silent_hub() as endpoint:
        code, output = fetch(endpoint, tmp_path / "home")
    assert code == 0
    assert "Speech is not recognised until the model is there" in output


def test_a_model_of_another_format_is_refused(speech_model: Path, tmp_path: Path) -> None:
    (speech_model / "model.bin").rename(speech_model / "model.safetensors")
    with serving_hub(HUB_ID, speech_model) as (endpoint, _fetched):
        code, output = fetch(endpoint, tmp_path / "home")
    assert code == 0
    assert f"{HUB_ID} has no usable weights." in output
