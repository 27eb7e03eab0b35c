"""Films with shots of an older detector get new ones; on real films."""

import logging
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from gallery import tasks
from gallery.films.models import Film
from gallery.importing import healing, publish_step, shot_detection, transitions
from gallery.importing.library_check import check_library
from gallery.importing.models import ShotDetection
from gallery.importing.progress import progress_of
from gallery.index import frame_index
from gallery.labels import jobs
from gallery.labels.models import Label, LabelCount
from gallery.media import shots
from gallery.search import relevance_curve
from gallery.search.types import Example, Query
from gallery.transcripts import dialogue, subtitle_import
from tests.films import make_moving_scenes
from tests.importing import add_film, assert_complete, import_here, sweep
from tests.lines import find_lines
from tests.processes import Worker, wait_for

pytestmark = pytest.mark.django_db(transaction=True)

SUBTITLES = b"1\n00:00:07,000 --> 00:00:08,000\nA rocket in the garden\n"
OLD_CUT = 4.0  # the only cut that the older detector found


@pytest.fixture
def film(ready_film: Callable[..., Film], tmp_path: Path) -> Film:
    """Four shots of three seconds, in three segments, with a line in the third shot."""
    made = ready_film(make_moving_scenes(tmp_path / "a.mp4", 4, seconds=3), "Four shots")
    subtitle_import.add_subtitles(made, "a.en.srt", SUBTITLES)
    Label.objects.create(name="Everything", prompts="a dog", threshold=-100)
    for film_id in jobs.prepare():
        jobs.label_film(film_id)
    made.refresh_from_db()
    assert made.shots_version == shots.VERSION
    assert made.shot_count == 4
    return made


def make_outdated(film: Film) -> Film:
    """Change a film to the state of an older version, with the cuts of its detector."""
    run = film.files.run(film.searchable_run or 0)
    for number in run.segments():
        cuts = np.array([OLD_CUT] if number == 0 else [], np.float64)
        run.save_segment(number, replace(run.load_segment(number), cuts=cuts))
    publish_step.reindex(film)
    Film.objects.filter(pk=film.pk).update(shots_version="")
    film.refresh_from_db()
    assert film.shot_count == 2
    return film


def read_state(film: Film) -> dict[str, Any]:
    """Everything that depends on the shots of a film."""
    film.refresh_from_db()
    data = film.files.run(film.searchable_run or 0).load()
    columns = ("number", "start", "end", "second", "dull")
    keys = [(film.pk, int(second)) for second in data.seconds]
    return {
        "cuts": data.cuts.tolist(),
        "rows": list(film.shots.values_list(*columns)),
        "count": film.shot_count,
        "records": frame_index.current().records(keys),
        "lines": [line.record for line in find_lines("rocket", film=film)],
        "labels": list(LabelCount.objects.filter(film=film).values_list("shots", flat=True)),
    }


def read_vectors(film: Film) -> tuple[bytes, list[bytes]]:
    """The stored vectors of a film, and those in the index."""
    here, data = frame_index.current(), film.files.run(film.searchable_run or 0).load()
    keys = [here.frame_key(film.pk, int(second)) for second in data.seconds]
    return data.vectors.tobytes(), [here.client.hget(key, "embedding") or b"" for key in keys]


def detect() -> int:
    """Run shot detection to the end. Returns the number of steps."""
    steps = 1
    while shot_detection.JOB.do_next():
        steps += 1
    return steps


def doctor() -> str:
    out = StringIO()
    with pytest.raises(CommandError):  # no worker runs
        call_command("doctor", stdout=out)
    return out.getvalue()


def test_new_shots_are_used_everywhere(film: Film) -> None:
    new, vectors = read_state(film), read_vectors(film)
    assert [line.shot for line in new["lines"]] == [2]
    assert new["labels"] == [4]
    old = read_state(make_outdated(film))
    assert [line.shot for line in old["lines"]] == [1]
    assert (old["cuts"], old["count"], old["labels"]) == ([OLD_CUT], 2, [2])
    assert "1 films are waiting for new shot detection" in doctor()
    query = Query(examples=(Example((film.pk, 7)),))
    relevance_curve.curve(film, query)  # caches the film's frames

    assert sweep() == [("find_shots",)]
    assert detect() == 4  # three parts, and the last step
    assert read_state(film) == new
    assert read_vectors(film) == vectors
    assert film.shots_version == shots.VERSION
    assert not ShotDetection.objects.exists()
    peaks = [peak.record for peak in relevance_curve.curve(film, query).peaks]
    assert peaks
    assert all(new["records"][record.film, record.second] == record for record in peaks)
    assert sweep() == []
    assert "found again" not in doctor()
    assert_complete(film)
    assert [one.problems for one in check_library().films if one.film == film.pk] == [[]]


def test_a_lost_index_is_rebuilt_with_new_shots(film: Film) -> None:
    new = read_state(film)
    make_outdated(film)
    detect()
    frame_index.current().client.flushdb()
    call_command("rebuild_index", stdout=StringIO())
    assert read_state(film) == new
    frame_index.current().client.flushdb()
    while healing.heal(lambda *_step: None):
        pass
    assert read_state(film) == new


@pytest.mark.parametrize("kept", [0, 20, 140])  # of 152 bytes
def test_damaged_cuts_are_logged_and_detected_again(
    film: Film, kept: int, caplog: pytest.LogCaptureFixture
) -> None:
    new = read_state(film)
    make_outdated(film)
    detect()
    path = film.files.run(film.searchable_run or 0).folder / "cuts.npy"
    path.write_bytes(path.read_bytes()[:kept])
    call_command("rebuild_index", stdout=StringIO())
    assert f"{path} is damaged" in caplog.text
    assert read_state(film)["cuts"] == [OLD_CUT]
    assert sweep() == [("find_shots",)]
    detect()
    assert read_state(film) == new
    assert film.shots_version == shots.VERSION


def test_a_killed_last_step_is_repeated(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    new = read_state(film)
    make_outdated(film)

    def die(*_args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(dialogue, "put_run", die)
        with pytest.raises(KeyboardInterrupt):
            detect()
    assert read_state(film) != new
    assert film.shots_version == ""
    assert sweep() == [("find_shots",)]
    assert detect() == 1
    assert read_state(film) == new
    assert film.shots_version == shots.VERSION


def test_a_film_without_its_file_waits_for_it(film: Film) -> None:
    new = read_state(film)
    old = read_state(make_outdated(film))
    source = film.files.source()
    aside = source.rename(source.with_name("aside"))
    assert sweep() == []
    assert shot_detection.JOB.do_next() is False
    assert not ShotDetection.objects.exists()
    assert read_state(film) == old
    waits = "1 films are waiting for new shot detection, 1 of them without their file"
    assert waits in doctor()
    aside.rename(source)
    assert sweep() == [("find_shots",)]
    detect()
    assert read_state(film) == new


def test_a_failure_is_logged_and_retried_three_times(
    film: Film, caplog: pytest.LogCaptureFixture
) -> None:
    new = read_state(film)
    old = read_state(make_outdated(film))
    source = film.files.source()
    whole = source.read_bytes()
    source.write_bytes(bytes(len(whole)))
    with caplog.at_level(logging.ERROR, "gallery.importing.shot_detection"):
        for attempt in (1, 2, 3):
            assert sweep() == [("find_shots",)]
            assert shot_detection.JOB.do_next() is False
            assert f"(attempt {attempt} of 3)" in caplog.text
    assert sweep() == []
    assert read_state(film) == old
    assert progress_of(film).note.startswith("Shot detection failed.")
    assert "1 films keep the shots of an earlier version" in doctor()

    source.write_bytes(whole)
    assert transitions.restart(film)
    import_here(film)
    assert not ShotDetection.objects.exists()
    assert (progress_of(film).note, film.shots_version) == ("", shots.VERSION)
    assert read_state(film) == new


def test_missing_pictures_in_the_file_are_a_failure(film: Film) -> None:
    """A file that is truncated now would leave the film without its last cuts."""
    old = read_state(make_outdated(film))
    source = film.files.source()
    whole = source.read_bytes()
    # The header is at the end of the file; the middle is damaged.
    half = len(whole) // 3
    source.write_bytes(whole[:half] + bytes(half) + whole[2 * half :])
    for _attempt in range(6):
        shot_detection.JOB.do_next()
    assert read_state(film) == old
    assert shot_detection.JOB.find_given_up().get() == film


def test_imports_have_priority(film: Film, tmp_path: Path) -> None:
    make_outdated(film)
    other = add_film(make_moving_scenes(tmp_path / "b.mp4", 2, seconds=3))
    assert ("find_shots",) not in sweep()
    assert shot_detection.JOB.do_next() is False
    import_here(other)
    assert sweep() == [("find_shots",)]
    assert sweep(is_busy=True) == []


def test_an_import_ends_shot_detection(film: Film) -> None:
    make_outdated(film)
    assert shot_detection.JOB.do_next() is True
    assert ShotDetection.objects.get(film=film).position == 5
    assert transitions.restart(film)
    import_here(film)
    assert (film.shots_version, film.shot_count) == (shots.VERSION, 4)
    assert not ShotDetection.objects.exists()


def test_a_changed_detector_starts_again(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    make_outdated(film)
    assert shot_detection.JOB.do_next() is True
    monkeypatch.setattr(shots, "VERSION", "another")
    job = replace(shot_detection.JOB, version="another")
    monkeypatch.setattr(shot_detection, "JOB", job)
    assert shot_detection.JOB.do_next() is True
    row = ShotDetection.objects.get(film=film)
    assert (row.version, row.position) == ("another", 5)
    detect()
    film.refresh_from_db()
    assert (film.shots_version, film.shot_count) == ("another", 4)


def test_a_deleted_film_leaves_nothing(film: Film) -> None:
    make_outdated(film)
    assert shot_detection.JOB.do_next() is True
    folder = film.files.folder
    film.delete()
    assert detect() == 1
    assert not ShotDetection.objects.exists()
    assert not folder.exists()


def test_the_admin_shows_the_progress(film: Film, page: Client) -> None:
    make_outdated(film)
    User.objects.create_superuser("ada", password="x")
    page.force_login(User.objects.get())
    assert "Detecting shots" not in page.get("/admin/gallery/film/").content.decode()
    assert shot_detection.JOB.do_next() is True
    for address in ("/admin/gallery/film/", f"/admin/gallery/film/{film.pk}/change/"):
        assert "Detecting shots: 41%" in page.get(address).content.decode()
    detect()
    assert "Detecting shots" not in page.get("/admin/gallery/film/").content.decode()


# --- with a worker, which runs until the end of this file and takes all work ---------------------


def test_shot_detection_survives_a_killed_worker(
    worker: Worker, ready_film: Callable[..., Film], tmp_path: Path
) -> None:
    film = ready_film(make_moving_scenes(tmp_path / "a.mp4", 6, seconds=15))
    new, vectors = read_state(film), read_vectors(film)
    make_outdated(film)
    tasks.find_shots.delay()
    wait_for(lambda: ShotDetection.objects.filter(film=film, position__gte=10).exists(), pause=0.01)
    worker.kill()
    assert ShotDetection.objects.get(film=film).position is not None
    film.refresh_from_db()
    assert (film.shots_version, film.shot_count) == ("", 2)

    worker.start()

    def is_done() -> bool:
        film.refresh_from_db()
        return film.shots_version == shots.VERSION

    wait_for(is_done, 60)
    assert read_state(film) == new
    assert read_vectors(film) == vectors
