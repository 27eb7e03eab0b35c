"""Slow clips, and clips for many clients: they do not slow down others."""

import http.client
import select
import threading
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as product

from gallery.core.errors import ClipBusy
from gallery.films.models import Film
from gallery.media import clip_jobs
from gallery.media.clip_slots import acquire_slot, clip_lock, try_clip_lock, try_lock
from gallery.scenes import clips
from tests.integration.test_clips import (
    find_ffmpegs_of,
    long_film,
    make_endless_order,
    start_watching,
    target_path,
)
from tests.integration.test_slow_clients import ask
from tests.processes import Web, wait_for

__all__ = ["long_film", "target_path"]  # fixtures

pytestmark = pytest.mark.django_db(transaction=True)


def request(server: Web, path: str) -> http.client.HTTPConnection:
    """Send a request without waiting for the response."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", path)
    return connection


def wait_for_answers(
    connections: list[http.client.HTTPConnection], count: int
) -> list[http.client.HTTPConnection]:
    """The first `count` connections with a response."""

    def find_answered() -> list[http.client.HTTPConnection]:
        ready, _writable, _failed = select.select([one.sock for one in connections], [], [], 0)
        return [one for one in connections if one.sock in ready]

    wait_for(lambda: len(find_answered()) >= count)
    return find_answered()[:count]


def test_slow_clips_leave_half_of_the_slots(web_server: Web, long_film: Film) -> None:
    clip = f"/films/{long_film.pk}/exact/0-999.mp4"
    connections = [request(web_server, clip) for _number in range(product.WEB_THREADS * 2)]
    # Clients without a slot get a response at once, although all want the same clip.
    refused = len(connections) - product.WEB_THREADS // 2
    busy = [connection.getresponse() for connection in wait_for_answers(connections, refused)]
    assert {answer.status for answer in busy} == {503}
    assert all(answer.headers["Retry-After"] for answer in busy)
    assert ask(web_server, "/healthz")[0] in (200, 503)
    assert ask(web_server, "/films/")[0] == 200
    for connection in connections:
        connection.close()
    wait_for(lambda: not find_ffmpegs_of(long_film))


def test_two_processes_render_a_clip_once(web_server: Web, long_film: Film) -> None:
    locks = product.MEDIA_ROOT / "turns" / "clips"
    others = set(locks.glob("*"))  # left by the servers that other tests kill
    order = clips.playback_order(long_film, 0, 20)
    with clip_lock(order.path, try_clip_lock(order.path), lambda: False):
        waiting = request(web_server, f"/films/{long_film.pk}/clips/0-20.mp4?stream")
        # This process renders it, also for the one that waits.
        order.path.parent.mkdir(parents=True)
        order.path.write_bytes(b"made elsewhere")
    assert waiting.getresponse().status == 204
    assert ask(web_server, f"/films/{long_film.pk}/clips/0-20.mp4") == (200, b"made elsewhere")
    assert not find_ffmpegs_of(long_film)
    wait_for(lambda: set(locks.iterdir()) <= others)


def test_a_clip_of_a_film_that_is_being_deleted_is_removed(
    web_server: Web,
    long_film: Film,
) -> None:
    folder = product.MEDIA_ROOT / "clips" / long_film.uid
    with start_watching(web_server, long_film) as line:
        number = long_film.pk
        long_film.delete()
        while line.recv(1 << 16):
            pass
    wait_for(lambda: not find_ffmpegs_of(long_film))
    wait_for(lambda: not folder.exists())
    assert ask(web_server, f"/films/{number}/clips/0-1000.mp4")[0] == 404


@pytest.mark.parametrize("how", ["exact", "still"])
def test_files_of_a_deleted_film_are_removed(
    how: str,
    long_film: Film,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The film is deleted when its clip is complete and about to be stored."""
    original = clip_jobs.drop_orphan

    def delete_first(path: Path, source: Path | None) -> None:
        long_film.files.remove()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        original(path, source)

    monkeypatch.setattr(clip_jobs, "drop_orphan", delete_first)
    monkeypatch.setattr(clips, "drop_orphan", delete_first)
    with pytest.raises(Exception, match="film file is missing"):
        if how == "exact":
            clip_jobs.get_or_render(clips.export_order(long_film, 0, 10))
        else:
            clips.render_still(long_film, 3)
    assert not (product.MEDIA_ROOT / "clips" / long_film.uid).exists()


def test_a_client_cannot_take_all_slots(target_path: Path, settings: Any) -> None:
    settings.CLIPS_AT_ONCE = 0
    joined = []

    def join(owner: str) -> None:
        joined.append(
            clip_jobs.join_job(
                make_endless_order(target_path.with_name(f"{len(joined)}.mp4")), owner
            )
        )

    for _number in range(clip_jobs.MAX_QUEUED_PER_OWNER):
        join("ann")
    with pytest.raises(ClipBusy):
        join("ann")
    join("bob")
    for one in joined:
        clip_jobs.leave_job(one)


def test_clients_that_had_a_slot_wait_behind_the_others(settings: Any) -> None:
    settings.CLIPS_AT_ONCE = 1
    got, done = threading.Event(), threading.Event()

    def other() -> None:
        with acquire_slot(30, lambda: False, has_priority=False):
            got.set()
            done.wait(30)

    with acquire_slot(5, lambda: False, has_priority=False):
        thread = threading.Thread(target=other)
        thread.start()
        wait_for(lambda: _is_taken("queue"))
    with pytest.raises(ClipBusy), acquire_slot(0.5, lambda: False, has_priority=False):
        pass
    assert got.wait(5)
    done.set()
    thread.join()


def _is_taken(name: str) -> bool:
    lock = try_lock(name)
    if lock:
        lock.close()
    return lock is None
