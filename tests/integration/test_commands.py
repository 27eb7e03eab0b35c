"""manage.py: import_film, search, doctor, and the system checks."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import CommandError, call_command

from gallery.films.models import Film
from gallery.films.template_tags import clock, span, timecode
from gallery.index import frame_index
from gallery.media import ffmpeg
from gallery.site import checks
from tests.films import noise
from tests.importing import queue_client
from tests.integration.test_search import broken_pictures
from tests.processes import find_free_port, run_manage

pytestmark = pytest.mark.django_db(transaction=True)


def run_command(name: str, *arguments: Any, **options: Any) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command(name, *arguments, stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


# --- search ---------------------------------------------------------------------------------------


def test_search_prints_json(demo_film: Film) -> None:
    done = run_manage("search", "a dog in the snow", "--json", "--count", "5")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert len(rows) == 5
    for row in rows:
        assert set(row) == {
            "film", "title", "start", "end", "time", "second", "score", "relevance", "line",
            "line_kinds", "line_box", "thumbnail",
        }  # fmt: skip
        assert (row["film"], row["title"]) == (demo_film.pk, demo_film.title)
        assert row["start"] <= row["time"] < row["end"]
        assert -1 <= row["score"] <= 1
        assert row["thumbnail"] == f"/thumbs/{demo_film.uid}/1/{row['second']}.jpg"
    assert [row["score"] for row in rows] == sorted((r["score"] for r in rows), reverse=True)
    assert len({row["start"] for row in rows}) == 5


def test_search_prints_lines(demo_film: Film) -> None:
    out, _ = run_command("search", "一只狗", count=3)
    lines = out.splitlines()
    assert len(lines) == 3
    for line in lines:
        assert re.match(rf" *\d+%  00:0\d:\d\d:\d\d  {re.escape(demo_film.title)}", line)
    assert lines[0].startswith("100%")
    out, _ = run_command("search", "zzzz qqqq", count=3)
    assert out.startswith("No close matches. Closest scenes:")


def test_search_takes_words_and_a_picture_together(demo_film: Film) -> None:
    thumbnail = demo_film.files.run(demo_film.searchable_run or 0).thumbnail(8)
    out, _ = run_command("search", "a dog", image=thumbnail, avoid="snow", json=True, count=9)
    alone, _ = run_command("search", image=thumbnail, json=True, count=9)
    assert [hit["second"] for hit in json.loads(out)] != [
        hit["second"] for hit in json.loads(alone)
    ]


def test_search_takes_a_picture(demo_film: Film) -> None:
    thumbnail = demo_film.files.run(demo_film.searchable_run or 0).thumbnail(30)
    out, _ = run_command("search", image=thumbnail, json=True, count=1)
    (row,) = json.loads(out)
    assert row["start"] <= 30 < row["end"]


def test_search_can_be_limited_to_one_film(demo_film: Film) -> None:
    assert json.loads(run_command("search", "dog", film=demo_film.pk + 1, json=True)[0]) == []
    assert "No results" in run_command("search", "dog", film=demo_film.pk + 1)[0]


def test_search_refuses_invalid_arguments(demo_film: Film, tmp_path: Path) -> None:
    for arguments, sentence in (
        (([],), "Nothing to search for"),
        ((["x" * 10_000],), "10000 characters"),
        ((["dog"], 0), "at least 1"),
    ):
        words, *count = arguments
        with pytest.raises(CommandError, match=sentence):
            run_command("search", *words, **({"count": count[0]} if count else {}))
    with pytest.raises(CommandError, match="No such file"):
        run_command("search", image=tmp_path / "missing.jpg")
    for path, sentence in broken_pictures(tmp_path).values():
        with pytest.raises(CommandError, match=sentence):
            run_command("search", image=path)
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(CommandError, match="is empty"):
        run_command("search", image=tmp_path / "empty.jpg")


def test_search_says_when_redis_is_down(demo_film: Film) -> None:
    done = run_manage("search", "dog", REDIS_URL=f"redis://127.0.0.1:{find_free_port()}/0")
    assert done.returncode == 1
    assert "The search index cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr


# --- import_film ----------------------------------------------------------------------------------


def test_import_film_accepts_a_title_for_a_single_film_only(
    make_video: Callable[..., Path],
) -> None:
    with pytest.raises(CommandError, match="one film at a time"):
        run_command("import_film", make_video("a.mp4", seconds=1), "b.mp4", title="Title")


def test_a_film_is_stored_although_the_queue_is_down(
    redis_server: redis.Redis, make_video: Callable[..., Path]
) -> None:
    started_at = time.monotonic()
    done = run_manage(
        "import_film", str(make_video(seconds=1)),
        CELERY_BROKER_URL=f"redis://127.0.0.1:{find_free_port()}/1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "the queue cannot be reached" in done.stderr
    assert Film.objects.get().state == Film.State.WAITING
    assert time.monotonic() - started_at < 60
    assert queue_client().llen("films-probing") == 0


# --- doctor ---------------------------------------------------------------------------------------


def run_doctor() -> tuple[str, str]:
    """What the doctor prints, and its error message."""
    out = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("doctor", stdout=out)
    return out.getvalue(), str(caught.value)


def test_the_doctor_reports_problems(demo_film: Film) -> None:
    frame_index.current().drop(demo_film.pk)
    report, verdict = run_doctor()
    assert re.search(r"BAD  Index .*0 frames, but the films have \d+: .*rebuild_index", report)
    assert re.search(r"BAD  Workers .*no Celery worker is running", report)
    assert re.search(r"BAD  Beat .*not running", report)
    assert verdict == "3 of 15 checks failed."
    Film.objects.update(model="000000000000")
    assert re.search(r"BAD  Films .*run manage\.py reembed", run_doctor()[0])


def test_the_doctor_reports_a_redis_that_evicts_keys(
    demo_film: Film, redis_server: redis.Redis
) -> None:
    """It would lose frames without an error when its memory is full."""
    redis_server.config_set("maxmemory", "1gb")
    redis_server.config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert re.search(r"BAD  Redis .*set maxmemory-policy to noeviction", run_doctor()[0])
    finally:
        redis_server.config_set("maxmemory", "0")
        redis_server.config_set("maxmemory-policy", "noeviction")
    assert re.search(r"ok   Redis ", run_doctor()[0])


def test_the_doctor_works_without_redis(transactional_db: None) -> None:
    address = f"redis://user:hush@127.0.0.1:{find_free_port()}/0"
    done = run_manage("doctor", REDIS_URL=address, CELERY_BROKER_URL=address)
    assert done.returncode == 1
    assert re.search(r"BAD  Redis +The search index cannot be reached", done.stdout)
    assert "ok   FFmpeg" in done.stdout
    assert "hush" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


# --- checks ---------------------------------------------------------------------------------------


def test_invalid_settings_are_reported_at_start() -> None:
    done = run_manage("check", CLIP_EDGES="crop", SEGMENT_SECONDS="0", CLIP_PRECISION="int4")
    assert done.returncode == 1
    assert "CLIP_PRECISION is 'int4'" in done.stderr
    assert "auto, fp32, bf16, int8" in done.stderr
    assert "gallery.E003" in done.stderr
    assert "SEGMENT_SECONDS must be at least 1" in done.stderr


def test_a_missing_gpu_is_reported(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "has_gpu", lambda: False)
    for device, reported in (("cuda", ["gallery.W003"]), ("auto", []), ("cpu", [])):
        settings.CLIP_DEVICE = device
        assert [message.id for message in checks.check_gpu()] == reported
    settings.CLIP_DEVICE = "cuda"
    monkeypatch.setattr(checks, "has_gpu", lambda: True)
    assert checks.check_gpu() == []


def test_int8_without_its_package_is_reported(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CLIP_PRECISION = "int8"
    monkeypatch.setattr("gallery.clip.conversion.has_quantizer", lambda: False)
    assert [message.id for message in checks.check_int8()] == ["gallery.W002"]
    monkeypatch.undo()
    assert checks.check_int8() == []


def test_a_missing_model_is_reported_at_start(tmp_path: Path) -> None:
    done = run_manage("check", CLIP_MODEL=str(tmp_path))
    assert "gallery.W001" in done.stderr
    assert "has no config.json" in done.stderr


def write_script(path: Path, script: str) -> str:
    """An executable shell script."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def use_ffmpeg(settings: Any) -> Iterator[Callable[[str], None]]:
    """Set FFMPEG as if the process had started with it."""

    def use(path: str) -> None:
        settings.FFMPEG = path
        ffmpeg.binary.cache_clear()

    yield use
    ffmpeg.binary.cache_clear()


def test_an_ffmpeg_that_does_not_run_is_reported(
    use_ffmpeg: Callable[[str], None], tmp_path: Path
) -> None:
    assert checks.check_ffmpeg() == []
    for path in (write_script(tmp_path / "ffmpeg", "exit 1"), str(tmp_path / "missing")):
        use_ffmpeg(path)
        (message,) = checks.check_ffmpeg()
        assert message.id == "gallery.E001"
        assert "Unset FFMPEG" in (message.hint or "")


def test_an_ffmpeg_on_the_path_is_used_only_if_configured(tmp_path: Path) -> None:
    old = write_script(
        tmp_path / "bin" / "ffmpeg",
        "echo ffmpeg version 5.1.9-0+deb12u1 Copyright \\(c\\) 2000-2026",
    )
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    assert run_manage("check", PATH=path, FFMPEG="").returncode == 0
    for name in (old, "ffmpeg"):
        done = run_manage("check", PATH=path, FFMPEG=name)
        assert done.returncode == 1
        assert "is version 5.1.9-0+deb12u1, but at least 9.0 is needed" in done.stderr
    done = run_manage("doctor", "--skip-checks", PATH=path, FFMPEG=old)
    assert f"BAD  FFmpeg       {old} is version 5.1.9-0+deb12u1, but at least 9.0" in done.stdout


@pytest.mark.parametrize(
    ("line", "is_too_old"),
    [
        ("ffmpeg version 5.1.9-0+deb12u1", True),
        ("ffmpeg version 6.1", True),
        ("ffmpeg version 7.0.2-static https://johnvansickle.com/ffmpeg/", True),
        ("ffmpeg version n9.0.2-17-g2a571b6068-20260930", False),
        ("ffmpeg version 10.0", False),
        ("ffmpeg version N-118000-g0c3ce9fa25", False),
    ],
)
def test_versions_of_ffmpeg_are_compared_as_numbers(line: str, is_too_old: bool) -> None:
    assert bool(ffmpeg.describe_outdated_version(line)) == is_too_old


def test_an_unwritable_media_store_is_reported(settings: Any, tmp_path: Path) -> None:
    noise(1).save(tmp_path / "file.png")
    settings.MEDIA_ROOT = tmp_path / "file.png" / "media"
    assert [message.id for message in checks.check_media_store()] == ["gallery.E002"]


# --- time formats ---------------------------------------------------------------------------------


def test_times_are_readable() -> None:
    from fractions import Fraction

    assert [clock(t) for t in (0, 59.9, 61, 3600, 7384.5)] == [
        "0:00", "0:59", "1:01", "1:00:00", "2:03:04",
    ]  # fmt: skip
    assert timecode(3.5, Fraction(24)) == "00:00:03:12"
    assert timecode(3661.0, Fraction(0)) == "01:01:01"
    film_rate = Fraction(24000, 1001)
    codes = [timecode(float(n / film_rate), film_rate) for n in range(24)]
    assert codes == [f"00:00:00:{n:02d}" for n in range(24)]
    assert [span(t) for t in (None, 0.2, 59, 90, 6000)] == [
        "", "1 second", "59 seconds", "2 minutes", "1.7 hours",
    ]  # fmt: skip
