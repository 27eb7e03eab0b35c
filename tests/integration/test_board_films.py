"""One film out of a board: choices, limits, resuming, cancelling, subtitles, API and command."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import LazySettings
from django.contrib.auth import get_user_model
from django.test import Client

from gallery import tasks
from gallery.boards import export_files, export_work, exports, service
from gallery.boards.film_options import (
    SAME_AS_FILMS,
    FilmChoices,
    SubtitleMode,
    choose_settings,
)
from gallery.boards.models import Board, Export
from gallery.boards.owners import Visitor
from gallery.boards.service import Scene
from gallery.boards.timelines import Edit
from gallery.films.models import Film
from gallery.media import ffmpeg
from gallery.transcripts import subtitle_import
from tests.asking import Api
from tests.coded import create_film, find_beeps, make_coded_film, read_codes
from tests.films import decode_all, make_film, run_ffmpeg
from tests.importing import queue_client
from tests.processes import Worker, find_children, run_manage, wait_for

VISITOR = Visitor(key="k" * 32)
CODED = FilmChoices(size=SAME_AS_FILMS, shape=SAME_AS_FILMS)  # keeps the codes readable

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_leftovers() -> Iterator[None]:
    """Remove exports of other tests: the session has one media store."""
    shutil.rmtree(export_files.exports_folder(), ignore_errors=True)
    yield
    shutil.rmtree(export_files.exports_folder(), ignore_errors=True)


@pytest.fixture
def film(tmp_path: Path, db: None) -> Film:
    return create_film(make_coded_film(tmp_path / "a.mp4", rate="25"), "First")


def make_board(*scenes: tuple[Film, int, int]) -> Board:
    """A board with scenes given by their first frame and the frame after their last."""
    board = service.create_board(VISITOR, "My film")
    for film, first, end in scenes:
        span = (float(film.clock.exact_seconds(frame)) for frame in (first, end))
        service.add_scene(VISITOR, Scene(film.pk, *span, 0), board)
    return board


def request_film(board: Board, choices: FilmChoices = CODED) -> Export:
    edits = exports.edits_of(board, service.scene_url)
    return exports.request_export(board, edits, choose_settings(choices, edits))


def run_export(export: Export) -> Export:
    """Run the export in this process."""
    while export_work.continue_export(export.pk):
        pass
    export.refresh_from_db()
    return export


def is_done(export: Export) -> bool:
    export.refresh_from_db()
    return export.state not in exports.ACTIVE


def make_film_of(board: Board, choices: FilmChoices = CODED) -> Path:
    export = run_export(request_film(board, choices))
    assert (export.state, export.error) == (Export.State.DONE, "")
    return export_files.result_path(export)


# --- choices --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choices", "size"),
    [
        (FilmChoices(), (1920, 1080)),
        (FilmChoices(shape="9:16"), (1080, 1920)),
        (FilmChoices(shape="1:1", size="720"), (720, 720)),
        (FilmChoices(shape=SAME_AS_FILMS), (1920, 804)),
        (FilmChoices(shape=SAME_AS_FILMS, size=SAME_AS_FILMS), (860, 360)),
        (FilmChoices(size=SAME_AS_FILMS), (640, 360)),
        (FilmChoices(shape="9:16", size=SAME_AS_FILMS), (360, 640)),
    ],
)
def test_the_size_follows_the_choices_and_most_seconds_of_the_scenes(
    choices: FilmChoices, size: tuple[int, int]
) -> None:
    wide = Film(width=860, height=360, rate_numerator=24000, rate_denominator=1001)
    upright = Film(width=1080, height=1920, rate_numerator=30)
    edits = [Edit(1, wide, 0, 2), Edit(2, upright, 0, 3), Edit(3, wide, 5, 7)]
    settings = choose_settings(choices, edits)
    assert (settings.width, settings.height) == size
    assert settings.rate == "24000/1001"
    assert choose_settings(replace(choices, rate=Fraction(50)), edits).rate == "50"


def test_an_upright_film_stays_upright_and_a_large_one_is_reduced() -> None:
    same = FilmChoices(shape=SAME_AS_FILMS, size=SAME_AS_FILMS)
    upright = [Edit(1, Film(width=1080, height=1920, rate_numerator=30), 0, 2)]
    assert choose_settings(same, upright).format.height == 1920
    assert choose_settings(replace(same, size="720"), upright).format.width == 720
    large = [Edit(1, Film(width=7680, height=4320, rate_numerator=24), 0, 2)]
    settings = choose_settings(same, large)
    assert (settings.width, settings.height) == (3840, 2160)


# --- the film -------------------------------------------------------------------------------------


def test_the_scenes_follow_each_other_in_the_order_of_the_board(film: Film, tmp_path: Path) -> None:
    other = create_film(make_coded_film(tmp_path / "b.mkv", rate="24000/1001"), "Second")
    board = make_board((film, 100, 137), (other, 24, 72), (film, 0, 50))
    path = make_film_of(board)
    codes = read_codes(path)
    # 48 frames of 24000/1001 last as long as 50 of 25; the last one begins after the last of these.
    assert (codes[:37], codes[87:]) == (list(range(100, 137)), list(range(50)))
    assert codes[37:87] == sorted(codes[37:87])
    assert set(codes[37:87]) == set(range(24, 71))
    # Seconds 4 and 5, 2, and 0 and 1 of the films.
    beeps = [0.0, 25 / 25, 37 / 25 + 2 - 24 * 1.001 / 24, 87 / 25, 112 / 25]
    assert find_beeps(path) == pytest.approx(beeps, abs=0.005)
    assert [p.name for p in export_files.exports_folder().iterdir()] == [path.name]


def test_subtitles_are_timed_for_the_film(film: Film, tmp_path: Path) -> None:
    srt = (
        "1\n00:00:00,500 --> 00:00:01,500\nOne\n\n2\n00:00:03,900 --> 00:00:04,600\nTwo\n\n"
        "3\n00:00:05,900 --> 00:00:06,500\nThree\n"
    )
    subtitle_import.add_subtitles(film, "a.en.srt", srt.encode())
    # The first line begins before its scene, the second ends after it, the third is cut to nothing.
    board = make_board((film, 100, 110), (film, 25, 50), (film, 90, 105), (film, 150, 151))
    track = replace(CODED, subtitles=SubtitleMode.TRACK, language="en")
    path = make_film_of(board, track)
    listed = run_ffmpeg("-i", str(path), "-map", "0:s", "-f", "srt", "-").decode()
    times = re.findall(r"(\S+) --> (\S+)\n(?:<[^>]*>)*([^<\n]*)", listed)
    assert times == [
        ("00:00:00,000", "00:00:00,400", "Two"),
        ("00:00:00,400", "00:00:00,900", "One"),
        ("00:00:01,700", "00:00:02,000", "Two"),
    ]
    assert "(eng): Subtitle: mov_text" in ffmpeg.run(["-i", str(path)], 20).log_text


def test_texts_are_drawn_into_the_picture(film: Film, tmp_path: Path) -> None:
    gray = create_film(make_film(tmp_path / "g.mp4", picture="color=gray:s=640x360:r=25:d=4"))
    srt = "1\n00:00:02,000 --> 00:00:03,000\nHello\n"
    subtitle_import.add_subtitles(gray, "a.en.srt", srt.encode())
    board = make_board((gray, 40, 60), (film, 0, 5))
    choices = FilmChoices(
        size=SAME_AS_FILMS, subtitles=SubtitleMode.BURNT_IN, language="en", has_source=True,
        has_timecode=True,
    )  # fmt: skip
    frames = decode_all(make_film_of(board, choices), 640, 360)
    assert len(frames) == 25
    assert [bool(frame[300:, 200:440].max() > 200) for frame in frames[:20]] == [False] * 10 + [
        True
    ] * 10
    assert all(frame[:60, :300].max() > 170 for frame in frames)
    # The timecode changes with every frame.
    corners = [frame[:60, 440:].astype(int) for frame in frames]
    assert all(abs(a - b).max() > 60 for a, b in pairwise(corners))


# --- limits and failures --------------------------------------------------------------------------


def test_a_film_and_a_zip_of_a_board_exist_side_by_side(film: Film, page: Client) -> None:
    board = make_board((film, 0, 10))
    made = run_export(request_film(board))
    edits = exports.edits_of(board, service.scene_url)
    archive = run_export(exports.request_export(board, edits))
    assert request_film(board) == made
    assert request_film(board, FilmChoices()) != made
    shown = page.get(board.get_absolute_url()).content.decode()
    assert "The clips are ready." in shown
    assert f'id="export-{made.token}"' in shown
    assert exports.request_export(board, edits) == archive


def test_the_page_lists_every_stored_film_the_last_requested_first(
    film: Film, page: Client
) -> None:
    board = make_board((film, 0, 10))
    upright, square = replace(CODED, shape="9:16"), replace(CODED, shape="1:1")
    tall = run_export(request_film(board, upright))
    wide = run_export(request_film(board, square))

    def listed() -> list[str]:
        shown = page.get(board.get_absolute_url()).content.decode()
        return re.findall(r'href="[^"]*/exports/([^/]+)/file/" download', shown)

    assert listed() == [wide.token, tall.token]
    shown = page.get(board.get_absolute_url()).content.decode()
    assert "1:1 · 80 × 80 · 25 fps · no subtitles · made " in shown
    assert "9:16 · 80 × 142 · 25 fps · no subtitles · made " in shown
    # The one that exists is shown when it is asked for again.
    address = f"{board.get_absolute_url()}film/"
    fields = {"shape": "9:16", "size": "source", "fit": "bars", "subtitles": "none"}
    answer = page.post(address, fields)
    assert answer["Location"] == f"{board.get_absolute_url()}#export-{tall.token}"
    assert listed() == [tall.token, wide.token]
    export_files.result_path(wide).unlink()
    assert listed() == [tall.token]


def test_a_film_says_when_the_board_has_changed(film: Film, page: Client) -> None:
    board = make_board((film, 0, 10))
    run_export(request_film(board))
    assert "The film is ready." in page.get(board.get_absolute_url()).content.decode()
    service.set_note(board, board.scenes.all()[0].pk, "later")
    shown = page.get(board.get_absolute_url()).content.decode()
    assert "The board has changed since this film was made." in shown
    assert f'href="{board.get_absolute_url()}film/">Make a new film' in shown


def test_scenes_of_deleted_films_are_named(film: Film, tmp_path: Path) -> None:
    other = create_film(make_film(tmp_path / "b.mp4", seconds=2, rate="25"))
    export = request_film(make_board((film, 5, 10), (other, 0, 20), (film, 50, 55)))
    other.delete()
    assert run_export(export).state == Export.State.DONE
    assert export.error == "1 scene is missing. Scene 2: The film was deleted."
    assert read_codes(export_files.result_path(export)) == [*range(5, 10), *range(50, 55)]


def test_a_film_larger_than_allowed_is_refused(film: Film, settings: LazySettings) -> None:
    settings.EXPORT_BYTES = 1000
    export = run_export(request_film(make_board((film, 0, 24))))
    assert export.state == Export.State.FAILED
    assert "EXPORT_BYTES" in export.error
    assert list(export_files.exports_folder().iterdir()) == []


def test_a_full_disk_is_reported(film: Film, settings: LazySettings) -> None:
    export = request_film(make_board((film, 0, 24)))
    settings.MIN_FREE_BYTES = 10**15
    assert run_export(export).state == Export.State.FAILED
    assert export.error == "The disk is full. Ask an administrator to free some space."
    assert list(export_files.exports_folder().iterdir()) == []


def test_progress_counts_the_scene_being_made(film: Film) -> None:
    export = request_film(make_board((film, 0, 25), (film, 50, 125)))
    assert exports.progress_of(export).part == 0
    export.done_count, export.scene_part = 1, 0.5
    assert exports.progress_of(export).part == pytest.approx(0.625)


# --- workers --------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_killed_worker_continues_with_the_next_scene(worker: Worker, film: Film) -> None:
    board = make_board(*((film, n, n + 60) for n in range(30)))
    export = request_film(board)
    assert tasks.queue_export(export)
    folder = export_files.work_folder(export)
    wait_for(lambda: len(list(folder.glob("*.mov"))) >= 3, pause=0.01)
    worker.kill()
    kept = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.mov")}
    assert 3 <= len(kept) < 30
    queue_client().delete("films-exports", "unacked", "unacked_index")
    worker.start()
    seen: dict[str, int] = {}

    def look() -> bool:
        seen.update({path.name: path.stat().st_mtime_ns for path in folder.glob("*.mov")})
        return is_done(export)

    wait_for(look, timeout=120)
    assert (export.state, export.error) == (Export.State.DONE, "")
    assert {name: seen[name] for name in kept} == kept
    path = export_files.result_path(export)
    assert read_codes(path) == [code for n in range(30) for code in range(n, n + 60)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", [Export.Kind.FILM, Export.Kind.CLIPS])
def test_cancelling_ends_ffmpeg_and_removes_everything(
    worker: Worker, tmp_path: Path, db: None, kind: str
) -> None:
    large = create_film(make_film(tmp_path / "large.mp4", seconds=20, rate="60", size="1920x1080"))
    drafts = large.files.folder.parents[1] / "drafts"
    before = set(drafts.glob("*"))  # of workers that other tests have killed
    board = make_board((large, 0, 10), (large, 0, 1199))
    if kind == Export.Kind.FILM:
        export = request_film(board, FilmChoices(has_timecode=True))
    else:
        export = exports.request_export(board, exports.edits_of(board, service.scene_url))
    assert tasks.queue_export(export)

    def is_cutting() -> list[psutil.Process]:
        export.refresh_from_db()
        cutting = find_children(worker.pid, "-progress")
        return cutting if export.done_count == 1 else []

    [process] = wait_for(is_cutting, pause=0.01)
    exports.cancel_export(export)
    wait_for(lambda: not process.is_running())
    wait_for(lambda: not list(export_files.exports_folder().iterdir()))
    wait_for(lambda: not set(drafts.glob("*")) - before)


# --- page, API and command ------------------------------------------------------------------------


def test_the_page_offers_what_the_board_has(film: Film, page: Client) -> None:
    board = make_board((film, 0, 25))
    address = f"{board.get_absolute_url()}film/"
    shown = page.get(address).content.decode()
    assert "Most common: 25 fps" in shown
    assert "Language of the subtitles" not in shown
    srt = "1\n00:00:00,500 --> 00:00:01,500\nOne\n"
    subtitle_import.add_subtitles(film, "a.zh-Hans.srt", srt.encode())
    assert "Chinese (Simplified)" in page.get(address).content.decode()
    wrong = page.post(address, {"shape": "5:4"})
    assert wrong.status_code == 400
    answer = page.post(
        address,
        {"shape": "9:16", "size": "480", "fit": "crop", "rate": "30000/1001", "subtitles": "track",
         "timecode": "on"},
    )  # fmt: skip
    assert answer["Location"] == f"{board.get_absolute_url()}#export-{board.exports.get().token}"
    plan = board.exports.get().plan["film"]
    assert plan == {
        "width": 480, "height": 854, "rate": "30000/1001", "crops": True, "subtitles": "track",
        "language": "zh-Hans", "has_timecode": True, "has_source": False,
    }  # fmt: skip
    empty = service.create_board(VISITOR, "Empty")
    assert page.get(f"{empty.get_absolute_url()}film/").status_code == 404


def test_the_page_is_closed_where_downloads_are(
    film: Film, page: Client, settings: LazySettings
) -> None:
    board = make_board((film, 0, 25))
    settings.DOWNLOADS_FOR = "staff"
    assert page.get(f"{board.get_absolute_url()}film/").status_code == 403
    assert "One film (MP4)" not in page.get(board.get_absolute_url()).content.decode()


def test_a_program_makes_a_film(film: Film, ada: Api, bob: Api) -> None:
    board = make_board((film, 0, 25))
    owner = get_user_model().objects.get(username="ada")
    Board.objects.filter(pk=board.pk).update(owner=owner, visitor="")
    address = f"/boards/{board.token}/film"
    ada.post(address, {"shape": "5:4"}, 400)
    started = ada.post(address, {"shape": "1:1", "size": "480"}, 202)
    assert (started["kind"], started["total"], started["progress"]) == ("film", 1, 0.0)
    export = run_export(board.exports.get())
    done = ada.get(started["url"])
    assert (done["state"], done["progress"], done["is_outdated"]) == ("done", 1.0, False)
    saved = ada.client.get(done["download"], headers=ada.headers)
    assert saved["Content-Disposition"] == 'attachment; filename="My film.mp4"'
    assert saved["Content-Type"] == "video/mp4"
    bob.delete(started["url"], 403)
    ada.delete(started["url"])
    assert not Export.objects.filter(pk=export.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_the_command_makes_a_film(redis_server: Any, film: Film, tmp_path: Path) -> None:
    board = make_board((film, 3, 28), (film, 100, 110))
    target = tmp_path / "out.mp4"
    choices = ("--shape", "source", "--size", "source")
    link = f"http://localhost{board.get_absolute_url()}"
    done = run_manage("export_board", link, str(target), *choices)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(target)
    assert read_codes(target) == [*range(3, 28), *range(100, 110)]
    missing = run_manage("export_board", "nothing", str(target))
    assert "There is no board nothing." in missing.stderr
