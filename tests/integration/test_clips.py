"""Clips and stills: rendered once, few at a time, cached up to a limit, never incomplete."""

import contextlib
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings as product
from django.test import Client
from PIL import Image

from gallery.core.errors import ClipBusy, FilmError, QueryError
from gallery.films.models import Film
from gallery.media import clip_jobs, clip_slots, cutting, ffmpeg
from gallery.media.clip_jobs import ClipJob, ClipOrder, ClipStream
from gallery.media.store import shrink_to
from gallery.scenes import clips
from tests.coded import create_film, make_coded_film, read_codes
from tests.films import make_film
from tests.importing import clean_up
from tests.processes import Web, find_children, wait_for


@pytest.fixture
def numbered_film(db: None, tmp_path: Path) -> Film:
    """A film that browsers cannot play, MPEG-2 and AC-3 in MKV, with numbers in its pictures."""
    path = make_coded_film(
        tmp_path / "counted.mkv",
        rate="24000/1001",
        seconds=6,
        codec=("-c:v", "mpeg2video", "-q:v", "3", "-bf", "2"),
        sound=("-c:a", "ac3"),
    )
    return create_film(path, "Counted")


@pytest.fixture(autouse=True)
def _check_leftovers() -> Iterator[None]:
    """No test leaves a rendering thread or a draft, here or in the web server."""
    before = list_drafts()
    yield
    wait_for(lambda: not [t for t in threading.enumerate() if t.name == "clip-job"])
    # The web server notices a disconnected client a moment later.
    wait_for(lambda: list_drafts() <= before)


def list_drafts() -> set[Path]:
    """Files being written, or left by failures."""
    folder = product.MEDIA_ROOT / "drafts"
    return set(folder.iterdir()) if folder.is_dir() else set()


# --- output -----------------------------------------------------------------------------------


def test_a_clip_between_two_times_has_these_frames(numbered_film: Film) -> None:
    step = 1001 / 24000
    for first, last in ((0, 10), (37, 60), (100, 143)):
        path = clips.render_clip(numbered_film, first * step, last * step)
        assert read_codes(path) == list(range(first, last))


def test_a_file_is_rendered_once(numbered_film: Film) -> None:
    for order in (
        clips.playback_order(numbered_film, 10, 40),
        clips.export_order(numbered_film, 10, 40),
        clips.animation_order(numbered_film, 10, 20, "gif"),
    ):
        path = clip_jobs.get_or_render(order)
        path.write_bytes(b"kept")
        assert clip_jobs.get_or_render(order).read_bytes() == b"kept"
        assert product.MEDIA_ROOT / "clips" / numbered_film.uid in path.parents


@pytest.mark.parametrize(("first", "last"), [(20, 20), (30, 20), (9999, 10010)])
def test_an_invalid_span_is_refused(numbered_film: Film, first: int, last: int) -> None:
    with pytest.raises(QueryError, match="must start before it ends"):
        clips.playback_order(numbered_film, first, last)


def test_a_span_ends_with_its_film(numbered_film: Film) -> None:
    assert clips.make_cut(numbered_film, 100, 99_999).last == 144


def test_a_span_that_is_too_long_is_refused(numbered_film: Film, settings: Any) -> None:
    settings.MAX_CLIP_SECONDS = 2
    clips.export_order(numbered_film, 0, 48)
    with pytest.raises(QueryError, match="up to 2 seconds"):
        clips.export_order(numbered_film, 0, 60)
    with pytest.raises(QueryError, match="up to 15 seconds"):
        clips.animation_order(Film(duration=60, rate_numerator=24), 0, 500, "gif")


def test_a_missing_source_file_is_reported(numbered_film: Film) -> None:
    numbered_film.files.source().unlink()
    with pytest.raises(FilmError, match="missing from the media store"):
        clips.playback_order(numbered_film, 0, 10)


def test_stills_are_exact_and_cached(numbered_film: Film) -> None:
    for number, kind in ((0, "jpg"), (77, "png"), (143, "jpg")):
        path = clips.render_still(numbered_film, number, kind)  # type: ignore[arg-type]
        with Image.open(path) as picture:
            assert picture.format == {"jpg": "JPEG", "png": "PNG"}[kind]
            bars = picture.convert("L").resize((12, 1), Image.Resampling.BOX).tobytes()
        assert sum((bar > 128) << bit for bit, bar in enumerate(bars)) == number
        assert clips.render_still(numbered_film, number, kind) == path  # type: ignore[arg-type]
    with pytest.raises(QueryError):
        clips.render_still(numbered_film, 5000)


# --- rendering ----------------------------------------------------------------------------------


def make_endless_order(path: Path, **how: Any) -> ClipOrder:
    """An order that never ends: FFmpeg writes a test picture at playing speed."""
    picture = [
        *("-v", "error", "-nostdin", "-re", "-f", "lavfi", "-i", "testsrc2=size=64x36:rate=25"),
        *("-t", "600", "-c:v", "libx264", "-preset", "ultrafast", "-g", "5"),
    ]
    if how.get("streams"):
        tail = ["-movflags", "+frag_keyframe+empty_moov", "-f", "mp4", "pipe:1"]
    else:
        tail = ["-progress", "pipe:1", "-f", "mp4"]

    def arguments(draft: Path) -> list[str]:
        return [*picture, *tail, *([] if how.get("streams") else [str(draft)])]

    return ClipOrder(path, arguments, **{"seconds": 600.0, "limit": 60.0, **how})


@pytest.fixture
def target_path() -> Path:
    return Path(product.MEDIA_ROOT) / "clips" / "0123456789abcdef" / "made.mp4"


def find_ffmpegs(mark: str = "") -> set[int]:
    """The process ids of the FFmpegs of this test and its servers."""
    found = set()
    for process in find_children(os.getpid(), mark):
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[0] == ffmpeg.binary():
                found.add(process.pid)
    return found


def open_stream(order: ClipOrder, is_gone: Callable[[], bool] = lambda: False) -> ClipStream:
    return ClipStream(clip_jobs.join_job(order), is_gone)


def test_a_stream_arrives_while_it_is_rendered(target_path: Path) -> None:
    before = find_ffmpegs()
    stream = open_stream(make_endless_order(target_path, streams=True))
    got = b""
    while got.count(b"moof") < 3:
        got += next(stream)
    assert got[4:8] == b"ftyp"
    assert not stream.job.is_over
    assert find_ffmpegs() - before
    stream.close()


def test_ffmpeg_ends_when_the_last_client_disconnects(target_path: Path) -> None:
    before = find_ffmpegs()
    one, other = (open_stream(make_endless_order(target_path, streams=True)) for _ in range(2))
    assert one.job is other.job
    next(one), next(other)
    assert len(find_ffmpegs() - before) == 1
    one.close()
    one.close()
    next(other)
    assert len(find_ffmpegs() - before) == 1
    other.close()
    wait_for(lambda: not find_ffmpegs() - before)
    assert not target_path.exists()


def test_a_client_that_joins_later_gets_the_whole_clip(target_path: Path) -> None:
    one = open_stream(make_endless_order(target_path, streams=True))
    begun = next(one) + next(one)
    other = open_stream(make_endless_order(target_path, streams=True))
    got = b""
    while len(got) < len(begun):
        got += next(other)
    assert got[: len(begun)] == begun
    one.close()
    other.close()


def test_nothing_is_sent_to_a_disconnected_client(target_path: Path) -> None:
    disconnected = threading.Event()
    stream = open_stream(make_endless_order(target_path, streams=True), disconnected.is_set)
    next(stream)
    disconnected.set()
    assert list(stream) == []
    stream.close()
    begun = time.monotonic()
    with pytest.raises(ClipBusy):
        clip_jobs.get_or_render(
            make_endless_order(target_path), is_cancelled=lambda: time.monotonic() > begun + 0.5
        )
    assert time.monotonic() - begun < 5


def test_an_abandoned_clip_is_not_logged_as_an_error(
    page: Client, numbered_film: Film, caplog: pytest.LogCaptureFixture
) -> None:
    here, there = socket.socketpair()
    there.close()
    # Waiting for the lock of the file takes longer than noticing that the client has gone.
    order = clips.playback_order(numbered_film, 0, 100)
    with clip_slots.clip_lock(order.path, None, lambda: False):
        answer = page.get(f"/films/{numbered_film.pk}/clips/0-100.mp4", **{"gunicorn.socket": here})
    here.close()
    assert (answer.status_code, answer.content) == (204, b"")
    assert caplog.records == []


def test_an_abandoned_clip_can_be_requested_again(numbered_film: Film) -> None:
    order = clips.playback_order(numbered_film, 0, 100)
    stream = open_stream(order)
    next(stream)
    stream.close()
    assert read_codes(clip_jobs.get_or_render(order)) == list(range(100))


def test_the_number_of_concurrent_renders_is_limited(target_path: Path, settings: Any) -> None:
    """One of two slots is reserved for clients with an empty player."""
    settings.CLIPS_AT_ONCE = 2
    before = find_ffmpegs()
    saved = [
        clip_jobs.join_job(make_endless_order(target_path.with_name(f"{n}.mp4"))) for n in range(3)
    ]
    wait_for(lambda: find_ffmpegs() - before)
    time.sleep(0.5)
    assert len(find_ffmpegs() - before) == 1
    played = [
        clip_jobs.join_job(
            make_endless_order(target_path.with_name(f"p{n}.mp4"), streams=True, has_priority=True)
        )
        for n in range(2)
    ]
    wait_for(lambda: len(find_ffmpegs() - before) == 2)
    time.sleep(0.5)
    assert len(find_ffmpegs() - before) == 2
    for one in [*saved, *played]:
        clip_jobs.leave_job(one)
    wait_for(lambda: not find_ffmpegs() - before)


def test_slots_are_shared_by_processes(target_path: Path, settings: Any) -> None:
    settings.CLIPS_AT_ONCE = 1
    folder = product.VAR_DIR / "turns"
    folder.mkdir(exist_ok=True)
    with (folder / "0").open("ab") as taken:
        fcntl.flock(taken, fcntl.LOCK_EX)
        with pytest.raises(ClipBusy):
            clip_jobs.get_or_render(make_endless_order(target_path, max_wait=0.3))
    stream = open_stream(make_endless_order(target_path, streams=True))
    assert next(stream)
    stream.close()


def test_too_many_requests_are_told_to_retry_later(target_path: Path, settings: Any) -> None:
    settings.CLIPS_AT_ONCE = 1
    joined: list[ClipJob] = []
    with pytest.raises(ClipBusy):
        for number in range(clip_jobs.MAX_QUEUED + 3):
            joined.append(
                clip_jobs.join_job(make_endless_order(target_path.with_name(f"{number}.mp4")))
            )
            time.sleep(0.05)
    assert len(joined) >= clip_jobs.MAX_QUEUED
    for one in joined:
        clip_jobs.leave_job(one)


def test_progress_and_the_time_left_are_known(target_path: Path) -> None:
    one = clip_jobs.join_job(make_endless_order(target_path, seconds=20.0))
    assert one.remaining_seconds is None
    wait_for(lambda: one.progress > 0.1)
    left = one.remaining_seconds
    clip_jobs.leave_job(one)
    assert left is not None
    # FFmpeg writes at playing speed, a little faster at first, and starts late on a busy machine.
    assert 10 < left < 40


def test_the_time_limit_ends_ffmpeg_with_a_message(target_path: Path) -> None:
    before = find_ffmpegs()
    with pytest.raises(FilmError, match="took longer than 1 seconds"):
        clip_jobs.get_or_render(make_endless_order(target_path, limit=1.0))
    assert not find_ffmpegs() - before
    assert not target_path.exists()


def test_a_failure_is_reported_to_all_waiting_clients(target_path: Path) -> None:
    order = ClipOrder(
        target_path, lambda draft: ["-v", "error", "-i", "/nothing", str(draft)], 1.0, 20.0
    )
    one, other = clip_jobs.join_job(order), clip_jobs.join_job(order)
    for joined in (one, other):
        assert joined.wait(10)
        with pytest.raises(FilmError, match="Could not make this clip"):
            joined.result()
        clip_jobs.leave_job(joined)


def test_a_truncated_film_gives_no_short_clip(numbered_film: Film) -> None:
    """FFmpeg ends at the end of the file without an error."""
    source = numbered_film.files.source()
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    with pytest.raises(FilmError, match="Could not make this clip"):
        clip_jobs.get_or_render(clips.export_order(numbered_film, 40, 110))
    assert read_codes(clip_jobs.get_or_render(clips.export_order(numbered_film, 0, 30))) == list(
        range(30)
    )


# --- the cache ----------------------------------------------------------------------------------


def test_least_recently_used_files_are_removed_first(tmp_path: Path) -> None:
    for age, name in enumerate("abcd"):
        (tmp_path / name).write_bytes(b"x" * 100)
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    shrink_to(tmp_path, 250)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    shrink_to(tmp_path, 100)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_the_cache_keeps_its_limit_and_the_files_in_use(numbered_film: Film, settings: Any) -> None:
    first = clip_jobs.get_or_render(clips.playback_order(numbered_film, 0, 20))
    os.utime(first, (1000, first.stat().st_mtime))
    second = clip_jobs.get_or_render(clips.playback_order(numbered_film, 20, 40))
    os.utime(second, (2000, second.stat().st_mtime))
    changed = first.stat().st_mtime_ns
    assert clip_jobs.touch_if_cached(first)
    assert first.stat().st_mtime_ns == changed, "browsers would take it for another file"
    # They differ by some bytes: there is room for two but not for three.
    settings.CLIP_CACHE_BYTES = int(2.5 * second.stat().st_size)
    third = clip_jobs.get_or_render(clips.playback_order(numbered_film, 40, 60))
    assert not second.exists()
    assert first.exists()
    assert third.exists()


def test_a_clip_larger_than_the_cache_is_still_sent(numbered_film: Film, settings: Any) -> None:
    settings.CLIP_CACHE_BYTES = 10
    assert clip_jobs.get_or_render(clips.export_order(numbered_film, 0, 20)).is_file()


def test_the_sweep_removes_leftovers_of_a_killed_server(redis_server: Any, db: None) -> None:
    draft = product.MEDIA_ROOT / "drafts" / "old"
    draft.mkdir(parents=True)
    (draft / "draft.mp4").write_bytes(b"half")
    long_ago = time.time() - 7200
    os.utime(draft, (long_ago, long_ago))
    clean_up()
    assert not draft.exists()


def test_deleting_a_film_removes_its_clips(
    numbered_film: Film, django_capture_on_commit_callbacks: Any
) -> None:
    path = clip_jobs.get_or_render(clips.playback_order(numbered_film, 0, 20))
    still = clips.render_still(numbered_film, 3)
    with django_capture_on_commit_callbacks(execute=True):
        numbered_film.delete()
    assert not path.exists()
    assert not still.exists()


# --- responses ----------------------------------------------------------------------------------


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


def test_a_clip_is_streamed_first_and_plain_afterwards(
    page: Client, numbered_film: Film, tmp_path: Path
) -> None:
    address = f"/films/{numbered_film.pk}/clips/24-72.mp4"
    answer: Any = page.get(f"{address}?stream")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "video/mp4"
    assert answer["Cache-Control"] == "no-store"
    assert "Content-Length" not in answer
    fragments = tmp_path / "fragments.mp4"
    fragments.write_bytes(body(answer))
    assert fragments.read_bytes().count(b"moof") >= 3
    assert read_codes(fragments) == list(range(24, 72))
    assert page.get(f"{address}?stream").status_code == 204

    whole: Any = page.get(address)
    assert whole["Accept-Ranges"] == "bytes"
    assert "max-age" in whole["Cache-Control"]
    data = body(whole)
    assert b"moof" not in data
    # Its index comes first, so that it plays before it is complete.
    assert data.index(b"moov") < data.index(b"mdat")
    part: Any = page.get(address, headers={"Range": "bytes=100-199"})
    assert part.status_code == 206
    assert part["Content-Range"] == f"bytes 100-199/{len(data)}"
    assert body(part) == data[100:200]
    assert page.get(address, headers={"Range": f"bytes={len(data)}-"}).status_code == 416


def test_a_clip_is_rendered_for_clients_that_do_not_stream(
    page: Client, numbered_film: Film
) -> None:
    answer: Any = page.get(
        f"/films/{numbered_film.pk}/clips/0-24.mp4", headers={"Range": "bytes=0-"}
    )
    assert answer.status_code == 206
    assert body(answer)[4:8] == b"ftyp"


@pytest.fixture
def long_film(transactional_db: None, tmp_path: Path) -> Film:
    """A film whose clip takes some seconds to render."""
    source = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "20", "-pix_fmt", "yuv420p")
    path = make_film(tmp_path / "a.mp4", seconds=100, size="1280x720", rate="10", codec=source)
    return create_film(path)


def find_ffmpegs_of(film: Film) -> set[int]:
    """The FFmpegs that read a film."""
    return find_ffmpegs(film.uid)


def start_watching(server: Web, film: Film) -> socket.socket:
    """A client that has received the beginning of a long scene."""
    line = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    target = f"/films/{film.pk}/clips/0-1000.mp4?stream"
    line.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    got = b""
    while b"moof" not in got:
        got += line.recv(65536)
    assert find_ffmpegs_of(film)
    return line


def test_a_stream_without_readers_is_abandoned(web_server: Web, long_film: Film) -> None:
    start_watching(web_server, long_film).close()
    wait_for(lambda: not find_ffmpegs_of(long_film))
    assert not clips.playback_order(long_film, 0, 1000).path.exists()


def test_a_killed_server_leaves_no_partial_clip(
    long_film: Film, redis_server: Any, static_files: None, tmp_path: Path
) -> None:
    server = Web(tmp_path)
    server.start()
    with start_watching(server, long_film):
        server.kill()
    # Its FFmpeg has no reader, and ends.
    wait_for(lambda: not find_ffmpegs_of(long_film))
    assert not clips.playback_order(long_film, 0, 1000).path.exists()
    left = list_drafts()
    assert left
    for draft in left:
        os.utime(draft, (1000, 1000))
    clean_up()


def test_a_terminated_server_leaves_nothing(
    long_film: Film, redis_server: Any, static_files: None, tmp_path: Path
) -> None:
    """Also with a connected client, for which gunicorn would wait until it kills the worker."""
    server = Web(tmp_path)
    server.start()
    before = list_drafts()
    with start_watching(server, long_film):
        assert list_drafts() > before
        server.stop()
    assert not find_ffmpegs_of(long_film)
    assert list_drafts() <= before


def test_saving_reports_its_progress(page: Client, numbered_film: Film, tmp_path: Path) -> None:
    address = f"/films/{numbered_film.pk}/exact/24-72.mp4"
    lines = [json.loads(line) for line in body(page.get(f"{address}?progress")).splitlines()]
    assert lines[-1] == {"done": True}
    assert all(0 <= line["part"] <= 1 for line in lines[:-1])
    answer: Any = page.get(address)
    assert answer["Content-Disposition"] == (
        'attachment; filename="Counted 00.00.01.00-00.00.03.00.mp4"'
    )
    saved = tmp_path / "saved.mp4"
    saved.write_bytes(body(answer))
    assert read_codes(saved) == list(range(24, 72))
    assert body(page.get(f"{address}?progress")) == b'{"done": true}\n'


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_animations_can_be_saved(page: Client, numbered_film: Film, kind: str) -> None:
    answer: Any = page.get(f"/films/{numbered_film.pk}/exact/24-48.{kind}")
    assert answer["Content-Type"] == f"image/{kind}"
    assert answer["Content-Disposition"].endswith(f'-00.00.02.00.{kind}"')
    assert len(body(answer)) > 100


def test_a_still_can_be_shown_or_saved(page: Client, numbered_film: Film) -> None:
    address = f"/films/{numbered_film.pk}/stills/77.jpg"
    assert "Content-Disposition" not in page.get(address)
    assert page.get(f"{address}?save")["Content-Disposition"] == (
        'attachment; filename="Counted 00.00.03.05.jpg"'
    )
    assert page.get(f"/films/{numbered_film.pk}/stills/77.png?save")["Content-Type"] == "image/png"


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("clips/20-10.mp4", 404),
        ("clips/99999-100000.mp4", 404),
        ("exact/0-9.avi", 404),
        ("exact/20-10.gif", 404),
        ("stills/999999.jpg", 404),
    ],
)
def test_invalid_addresses_are_not_found(
    address: str, status: int, page: Client, numbered_film: Film
) -> None:
    assert page.get(f"/films/{numbered_film.pk}/{address}").status_code == status
    assert page.get(f"/films/987654/{address}").status_code == 404


def test_excess_requests_are_answered_at_once(
    page: Client, numbered_film: Film, settings: Any
) -> None:
    settings.CLIPS_AT_ONCE = 0
    waiting = [
        clip_jobs.join_job(clips.export_order(numbered_film, 0, 10 + n))
        for n in range(clip_jobs.MAX_QUEUED)
    ]
    answer = page.get(f"/films/{numbered_film.pk}/clips/0-9.mp4?stream")
    assert answer.status_code == 503
    assert answer["Retry-After"]
    assert "try again in a few seconds" in answer.content.decode()
    for one in waiting:
        clip_jobs.leave_job(one)


# --- the film's own file ------------------------------------------------------------------------


def test_the_whole_film_and_parts_of_it_are_sent(
    page: Client, numbered_film: Film, settings: Any
) -> None:
    settings.WHOLE_FILMS_FOR = "everyone"
    data = numbered_film.files.source().read_bytes()
    address = f"/films/{numbered_film.pk}/film"
    whole: Any = page.get(address)
    assert whole["Content-Type"] == "video/webm"
    assert body(whole) == data
    part: Any = page.get(address, headers={"Range": "bytes=5-9"})
    assert (part.status_code, body(part)) == (206, data[5:10])


def test_nothing_of_the_url_reaches_ffmpeg(numbered_film: Film) -> None:
    arguments = cutting.playback_arguments(clips.make_cut(numbered_film, 3, 9))
    assert all("\n" not in argument for argument in arguments)
    assert arguments[arguments.index("-i") + 1].startswith("file:/")
