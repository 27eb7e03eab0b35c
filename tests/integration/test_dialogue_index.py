"""Lines in Redis agree with the database after crashes, restarts, deletions and changes."""

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import call_command

from gallery.core.errors import IndexMissing, IndexUnavailable, IndexWarmingUp, NoSearchCommands
from gallery.films.models import Film
from gallery.importing import healing
from gallery.index import search_commands
from gallery.index.server import connect
from gallery.index.types import FrameRecord
from gallery.media.types import FrameKind
from gallery.transcripts import dialogue, line_index, subtitle_import
from gallery.transcripts.line_index import IndexedLine, LineIndex
from gallery.transcripts.line_search import LineSearch
from gallery.transcripts.line_shots import ShotLookup
from gallery.transcripts.models import Subtitles
from gallery.transcripts.phrases import parse_phrases
from imgsearch.local import redis_server as embedded
from imgsearch.local.sockets import embedded_redis_url
from tests.films import make_scenes
from tests.importing import add_film, assert_complete, import_here, list_keys, sweep
from tests.lines import add_lines, find_lines, find_texts, make_frames, make_spoken_film
from tests.processes import find_free_port, redis_process, wait_for

pytestmark = pytest.mark.usefixtures("redis_server", "db")


def line_keys(client: redis.Redis) -> list[bytes]:
    return sorted(client.keys("*:dialogue:{*}:*"))


# --- the frame of a line --------------------------------------------------------------------------


def make_records(*shots: tuple[float, float, list[float]]) -> list[FrameRecord]:
    return [
        FrameRecord(1, int(time), time, number, start, end)
        for number, (start, end, times) in enumerate(shots)
        for time in times
    ]


@pytest.mark.parametrize(
    ("start", "end", "shot", "second"),
    [
        (0.0, 2.0, 0, 1),  # the whole line is in one shot: its middle
        (3.0, 5.0, 1, 4),  # half a second in the first, the rest in the second
        (1.0, 4.0, 0, 2),
        (3.4, 3.6, 0, 3),  # half in each shot: where it begins
        (4.4, 4.7, 1, 5),
        (5.0, 9.0, 3, 7),  # the third shot has no frame
        (5.55, 5.9, 1, 5),  # in the shot without a frame: the nearest shot with one
        (9.5, 9.5, 3, 9),  # no duration
        (-1.0, 0.2, 0, 0),
        (9.9, 30.0, 3, 9),
        (40.0, 41.0, 3, 9),
    ],
)
def test_a_line_belongs_to_the_shot_it_overlaps_most(
    start: float, end: float, shot: int, second: int
) -> None:
    film = make_records(
        (0.0, 3.5, [0.0, 1.0, 2.0, 3.0]), (3.5, 5.5, [4.0, 5.0]), (6.0, 10.0, [6.0, 7.0, 8.0, 9.0])
    )
    # Shot 2, from 5.5 to 6.0, has no frame.
    film = [FrameRecord(1, r.second, r.time, 3, r.start, r.end) if r.shot == 2 else r for r in film]
    record = ShotLookup(film).frame_for_line(start, end)
    assert (record.shot, record.second) == (shot, second)


def test_blank_frames_are_skipped() -> None:
    film = [
        FrameRecord(1, 0, 0.0, 0, 0.0, 4.0, FrameKind.BLANK),
        FrameRecord(1, 1, 1.0, 0, 0.0, 4.0, FrameKind.BLANK),
        FrameRecord(1, 2, 2.0, 0, 0.0, 4.0),
        FrameRecord(1, 4, 4.0, 1, 4.0, 6.0, FrameKind.BLANK),
    ]
    assert ShotLookup(film).frame_for_line(0.0, 2.0).second == 2
    assert ShotLookup(film).frame_for_line(4.0, 6.0).second == 4


# --- database and index agree ---------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_lines_of_a_published_film_are_found(tmp_path: Path, redis_server: redis.Redis) -> None:
    path = make_scenes(tmp_path / "a.mp4", ["red", "white", "blue"], frames=48)
    film = add_film(path)
    content = "\n".join(
        f"{n}\n00:00:0{n * 2},200 --> 00:00:0{n * 2 + 1},500\ncolour number {n}\n" for n in range(4)
    ).encode()
    row, _new = subtitle_import.add_subtitles(film, "a.en.srt", content)
    assert (row.language, row.line_count) == ("en", 4)
    assert find_lines("colour") == []
    import_here(film)
    assert_complete(film)
    lines = {line.text: line.record for line in find_lines("colour")}
    # The fourth begins after the end of the film.
    assert {text: record.shot for text, record in lines.items()} == {
        "colour number 0": 0, "colour number 1": 1, "colour number 2": 2,
    }  # fmt: skip
    assert [lines[f"colour number {n}"].second for n in range(3)] == [1, 3, 5]
    assert dialogue.is_current(film.pk)
    # More subtitles, later.
    subtitle_import.add_subtitles(film, "a.zh.srt", content.replace(b"colour", "颜色".encode()))
    assert len(find_lines("颜色")) == 3
    number = film.pk
    film.delete()
    assert list_keys(number) == []
    assert line_keys(redis_server) == []
    assert find_lines("colour") == []


def test_deleted_subtitles_are_not_found(demo_film: Film, redis_server: redis.Redis) -> None:
    assert find_texts("refrigerator")
    assert find_texts("冰箱")
    assert len(line_keys(redis_server)) == 64
    row = demo_film.subtitles.get(language="en")
    path = demo_film.files.subtitles(row.pk)
    assert path.is_file()
    row.delete()
    subtitle_import.publish(demo_film.pk)
    assert find_texts("refrigerator") == []
    assert find_texts("冰箱")
    assert len(line_keys(redis_server)) == 32


@pytest.mark.django_db(transaction=True)
def test_deleting_a_row_deletes_its_file_and_its_lines(
    demo_film: Film, redis_server: redis.Redis
) -> None:
    row = demo_film.subtitles.get(language="en")
    path = demo_film.files.subtitles(row.pk)
    row.delete()
    assert not path.exists()
    assert find_texts("refrigerator") == []
    number = demo_film.pk
    demo_film.delete()
    assert line_keys(redis_server) == list_keys(number) == []


def test_changing_the_language_changes_the_analysis() -> None:
    film = make_spoken_film(und=["Die Pfoten frieren."])
    assert not find_lines("pfote")[0].complete
    Subtitles.objects.update(language="de")
    assert not dialogue.is_current(film.pk)
    dialogue.put_run(film, 1, make_frames(film.pk, 1))
    (line,) = find_lines("pfote")
    assert (line.text, line.language, line.complete) == ("Die Pfoten frieren.", "de", True)


def test_replaced_subtitles_leave_no_old_lines(redis_server: redis.Redis) -> None:
    film = make_spoken_film(en=["one moon", "two moons", "three moons"], fr=["la lune"])
    row = film.subtitles.get(language="en")
    row.lines.filter(number__gt=0).delete()
    Subtitles.objects.filter(pk=row.pk).update(line_count=1)
    film.subtitles.get(language="fr").delete()
    assert dialogue.put_run(film, 1, make_frames(film.pk, 3)) == 1
    assert len(line_keys(redis_server)) == 1
    assert find_texts("moon") == ["one moon"]
    assert find_texts("lune") == []


def test_the_sweep_restores_missing_lines(demo_film: Film, redis_server: redis.Redis) -> None:
    assert dialogue.reconcile() == 0
    redis_server.flushdb()
    assert dialogue.reconcile() == 1
    assert find_texts("refrigerator")
    assert dialogue.reconcile() == 0
    # Subtitles added, and a film deleted, while Redis was down.
    add_lines(demo_film, "fr", ["Un réfrigérateur."])
    line = IndexedLine(1, 0, "en", 0, 1, "a ghost", make_frames(999, 1)[0])
    dialogue.current().put(999, [line], "old")
    assert find_texts("ghost")
    wait_for(lambda: sweep() == [("heal",)])
    healing.heal(lambda *_step: None)
    assert find_texts("refrigerateur") == ["Un réfrigérateur."]
    assert find_texts("ghost") == []


def test_a_film_without_frames_does_not_block_others(demo_film: Film) -> None:
    deleted = Film.objects.create(
        title="Gone", sha256="gone", state=Film.State.READY, searchable_run=1, tracks_run=1
    )
    add_lines(deleted, "en", ["unheard"])
    connect(dialogue.settings.REDIS_URL).flushdb()
    assert dialogue.reconcile() == 1
    assert find_texts("refrigerator")
    assert find_texts("unheard") == []


def test_an_interrupted_put_is_completed_later(
    redis_server: redis.Redis, monkeypatch: pytest.MonkeyPatch, demo_film: Film
) -> None:
    """The server fails between two batches; the lines already written are recorded."""
    redis_server.flushdb()
    monkeypatch.setattr(line_index, "PIPELINE", 10)
    real, calls = line_index._fields_of, []

    def break_off(line: IndexedLine) -> dict[str, str]:
        calls.append(line)
        if len(calls) > 25:
            raise redis.ConnectionError
        return real(line)

    monkeypatch.setattr(line_index, "_fields_of", break_off)
    with pytest.raises(IndexUnavailable):
        dialogue.put(demo_film.pk)
    monkeypatch.undo()
    assert len(line_keys(redis_server)) == 20
    assert not dialogue.is_current(demo_film.pk)
    # Dropping now leaves nothing; reconciling restores everything.
    assert dialogue.reconcile() == 1
    assert len(line_keys(redis_server)) == 64
    monkeypatch.setattr(line_index, "_fields_of", break_off)
    with pytest.raises(IndexUnavailable):
        dialogue.put(demo_film.pk)
    monkeypatch.undo()
    dialogue.drop(demo_film.pk)
    assert line_keys(redis_server) == []


def test_an_index_of_an_earlier_version_is_replaced(
    redis_server: redis.Redis, monkeypatch: pytest.MonkeyPatch, demo_film: Film
) -> None:
    monkeypatch.setattr(line_index, "SCHEMA", "v0")
    redis_server.flushdb()
    dialogue.reconcile()
    names = redis_server.execute_command("FT._LIST")
    assert b"imgsearch:dialogue:v0:lines" in names
    monkeypatch.undo()
    assert dialogue.reconcile() == 1
    names = redis_server.execute_command("FT._LIST")
    assert b"imgsearch:dialogue:v0:lines" not in names
    assert f"imgsearch:dialogue:{line_index.SCHEMA}:lines".encode() in names
    assert len(line_keys(redis_server)) == 64
    assert find_texts("refrigerator")


def test_rebuild_index_restores_the_lines(
    demo_film: Film, redis_server: redis.Redis, capsys: Any
) -> None:
    redis_server.flushdb()
    call_command("rebuild_index")
    assert "and 64 lines of dialogue are in the index." in capsys.readouterr().out
    assert find_texts("refrigerator")


# --- problems of Redis ----------------------------------------------------------------------------


def test_an_emptied_server_is_reported_only_if_lines_are_missing(
    demo_film: Film, redis_server: redis.Redis
) -> None:
    redis_server.flushdb()
    with pytest.raises(IndexMissing, match="is being rebuilt"):
        find_lines("refrigerator")
    Subtitles.objects.all().delete()
    assert find_lines("refrigerator") == []


def open_line_index(url: str) -> LineIndex:
    return LineIndex(connect(url), "t:dialogue")


def test_a_killed_server_recovers_every_line(tmp_path: Path) -> None:
    here = open_line_index(embedded_redis_url(tmp_path))
    frame = make_frames(1, 1)[0]
    lines = [IndexedLine(1, n, "en", n, n + 1, f"line number {n} moon", frame) for n in range(5000)]

    def ask() -> int:
        line_search = LineSearch(here, parse_phrases("moon"), here.groups(), None)
        return len(line_search.best(10))

    with redis_process(tmp_path) as process:
        here.put(1, lines, "state")
        assert ask() == 1
        time.sleep(1.5)  # the append-only file is written to disk every second
        process.send_signal(signal.SIGKILL)
        process.wait()
        with pytest.raises(IndexUnavailable, match="cannot be reached"):
            ask()
    with redis_process(tmp_path):
        warmed_up = []

        def answer() -> int:
            try:
                return ask()
            except IndexWarmingUp:
                # An error rather than results from a part of the lines.
                warmed_up.append(True)
                return 0

        assert wait_for(answer) == 1
        assert here.lines() == here.count(1) == 5000
        assert here.states() == {1: "state"}


def test_an_unfinished_index_is_reported(tmp_path: Path) -> None:
    here = open_line_index(embedded_redis_url(tmp_path))
    frame = make_frames(1, 1)[0]
    lines = [IndexedLine(1, n, "en", n, n + 1, f"line number {n} moon", frame) for n in range(5000)]
    with redis_process(tmp_path):
        here.put(1, lines, "state")
        here.client.execute_command("FT.DROPINDEX", here.name)
        # As a server does after a start, with the hashes that it has loaded.
        search_commands._complete_indexes.clear()
        here._create(here.client, here.name)
        here.client.execute_command("FT.ALIASADD", here.alias, here.name)
        with pytest.raises(IndexWarmingUp, match="warming up"):
            here.groups()
        wait_for(lambda: here.lines() == 5000)
        assert wait_for(lambda: list_groups(here)) == ["en"]


def list_groups(here: LineIndex) -> list[str]:
    try:
        return here.groups()
    except IndexWarmingUp:
        return []


def test_an_unreachable_server_is_reported(settings: Any) -> None:
    film = make_spoken_film(en=["The moon."])
    settings.REDIS_URL = f"redis://127.0.0.1:{find_free_port()}/0"
    for ask in (
        lambda: find_lines("moon"),
        lambda: dialogue.put_run(film, 1, make_frames(film.pk, 1)),
        lambda: dialogue.drop(film.pk),
        dialogue.reconcile,
        lambda: dialogue.is_current(film.pk),
    ):
        with pytest.raises(IndexUnavailable, match="cannot be reached"):
            ask()
    # Adding subtitles still works: the sweep indexes them later.
    subtitle_import.publish(film.pk)


def test_a_server_without_redisearch_is_reported() -> None:
    port = find_free_port()
    program, _module = embedded.binaries()
    command = [str(program), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        url = f"redis://127.0.0.1:{port}/0"
        try:
            embedded.wait_ready(url, lambda _text: None)
            with pytest.raises(NoSearchCommands):
                open_line_index(url).ensure()
            with pytest.raises(NoSearchCommands):
                open_line_index(url).groups()
        finally:
            process.kill()


def test_timeouts_are_errors(redis_server: redis.Redis) -> None:
    redis_server.execute_command("FT.CONFIG", "SET", "ON_TIMEOUT", "RETURN")
    dialogue.current().ensure()
    assert redis_server.execute_command("FT.CONFIG", "GET", "ON_TIMEOUT")[0][1] == b"fail"


# --- listing --------------------------------------------------------------------------------------


def test_the_film_page_lists_the_dialogue(demo_film: Film) -> None:
    from django.utils import translation

    whole = dialogue.lines(demo_film)
    assert [(t.language, t.label, len(t.lines)) for t in whole] == [
        ("en", "English", 32),
        ("zh", "Chinese", 32),
    ]
    with translation.override("zh-hans"):
        assert [t.label for t in dialogue.lines(demo_film)] == ["中文", "英语"]
    around = dialogue.lines(demo_film, 3.0, 8.0)
    assert [[cue.start for cue in t.lines] for t in around] == [[0.25, 3.833, 7.25]] * 2
    assert [t.language for t in dialogue.lines(demo_film.pk, tags=["zh"])] == ["zh"]
    assert dialogue.lines(demo_film, 1000.0, 2000.0) == []
    add_lines(demo_film, "en", ["Again."])
    assert len({t.label for t in dialogue.lines(demo_film)}) == 3
    assert dialogue.lines(demo_film.pk + 1) == []


def test_the_doctor_checks_the_dialogue(demo_film: Film, redis_server: redis.Redis) -> None:
    from gallery.core.errors import GalleryError
    from gallery.management.commands.doctor import _dialogue

    assert _dialogue() == "64 lines in 2 languages"
    dialogue.drop(demo_film.pk)
    with pytest.raises(GalleryError, match="dialogue of 1 films is not in the index yet"):
        _dialogue()
    Subtitles.objects.all().delete()
    assert _dialogue() == "no film has subtitles yet"


def test_a_repair_has_a_time_limit(redis_server: redis.Redis) -> None:
    for number in range(3):
        Film.objects.create(
            title="Gone", sha256=f"gone {number}", state=Film.State.READY, searchable_run=1,
            tracks_run=1,
        )  # fmt: skip
        line = IndexedLine(1, 0, "en", 0, 1, "a ghost", make_frames(900 + number, 1)[0])
        dialogue.current().put(900 + number, [line], "old")
    assert dialogue.reconcile(time_limit=-1) == 1
    assert dialogue.reconcile() == 2
