"""Leases and locks are renewed during work, lost ones are noticed, and writers queue."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
from django.utils import timezone

from gallery.core.errors import IndexUnavailable, LostClaim, RetryableError
from gallery.core.leases import keep_lease
from gallery.films.footage import load_footage
from gallery.films.models import Film
from gallery.importing import probe_step, publish_step, segment_step, transitions
from gallery.importing.models import Segment
from gallery.index import frame_index
from gallery.media import working_copy
from tests.importing import add_film, assert_complete, import_here, import_segment, sweep
from tests.processes import Process, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_lock_is_renewed_before_it_expires(
    redis_server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_index, "LOCK_SECONDS", 1.0)
    monkeypatch.setattr(frame_index, "MAX_LOCK_WAIT", 0.1)
    here = frame_index.current()
    with here.film_lock(7) as check:
        key = f"{here.prefix}:lock:7"
        token = redis_server.get(key)
        end = time.monotonic() + 3
        while time.monotonic() < end:
            assert redis_server.get(key) == token
            time.sleep(0.1)
        check()
        with pytest.raises(IndexUnavailable), here.film_lock(7):
            pass
    with here.film_lock(7):
        pass


def test_a_lost_lock_is_noticed_before_a_write(
    demo_film: Film, redis_server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis lost the lease, and another worker writes: the first must not overwrite."""
    monkeypatch.setattr(frame_index, "LOCK_SECONDS", 1.0)
    here = frame_index.current()
    film = load_footage(demo_film, 1)
    zeroes = np.roll(film.vectors, 7, axis=0).astype(np.float32)
    before = here.vector(demo_film.pk, 3)
    with pytest.raises(LostClaim), here.film_lock(demo_film.pk) as check:
        redis_server.set(f"{here.prefix}:lock:{{{demo_film.pk}}}", "another worker")
        time.sleep(1.2)
        here.put(demo_film.pk, film.records, zeroes, check=check)
    assert np.array_equal(here.vector(demo_film.pk, 3), before)
    # The lease of the other worker is not released.
    assert redis_server.get(f"{here.prefix}:lock:{{{demo_film.pk}}}") == b"another worker"


def test_a_suspended_process_notices_a_lost_lease_at_once() -> None:
    """The renewing thread was suspended, too: the check asks Redis."""
    is_ours = True
    with keep_lease(lambda: is_ours, 0.4) as check:
        check()
        is_ours = False
        time.sleep(0.3)
        with pytest.raises(LostClaim):
            check()


def test_a_long_probe_is_not_done_twice(
    redis_server: redis.Redis,
    make_video: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> None:
    settings.LEASE_SECONDS = 2
    film = add_film(make_video(seconds=3))
    genuine, looks = working_copy.prepare, []

    def slow(*args: Any, **kwargs: Any) -> Any:
        looks.append(time.monotonic())
        time.sleep(5)
        return genuine(*args, **kwargs)

    monkeypatch.setattr(working_copy, "prepare", slow)
    looker = threading.Thread(target=probe_step.probe_film, args=(film.pk,))
    looker.start()
    wait_for(lambda: looks)
    while looker.is_alive():
        assert probe_step.probe_film(film.pk) == []
        time.sleep(0.2)
    assert len(looks) == 1
    film.refresh_from_db()
    assert (film.state, film.attempts) == (Film.State.IMPORTING, 0)


def test_transient_failures_are_retried_three_times(
    redis_server: redis.Redis, make_video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when FFmpeg hangs: it is retried twice, then the film fails with a message."""
    film = add_film(make_video(seconds=3))
    genuine, failures = segment_step._embed_segment, 0

    def fails(*args: Any) -> Any:
        nonlocal failures
        if failures:
            failures -= 1
            raise RetryableError("FFmpeg made no progress.")
        return genuine(*args)

    monkeypatch.setattr(segment_step, "_embed_segment", fails)
    failures = 2
    [number] = probe_step.probe_film(film.pk)
    assert import_segment(number) is None
    assert ("segment", number) in sweep()
    assert import_segment(number) is None
    assert import_segment(number) == film.pk
    assert publish_step.finish_film(film.pk)
    assert_complete(film)

    failures = 3
    assert transitions.restart(film)
    [number] = probe_step.probe_film(film.pk)
    for _attempt in range(3):
        import_segment(number)
    film.refresh_from_db()
    assert (film.state, film.error) == (Film.State.FAILED, "FFmpeg made no progress.")
    assert film.searchable_run == 1
    assert transitions.restart(film)
    assert_complete(import_here(film))


def test_an_unreachable_redis_uses_no_attempt(
    redis_server: redis.Redis, make_video: Callable[..., Path], settings: Any
) -> None:
    film = add_film(make_video(seconds=3))
    [number] = probe_step.probe_film(film.pk)
    import_segment(number)
    alive = settings.REDIS_URL
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    for _attempt in range(5):
        assert not publish_step.finish_film(film.pk)
        Film.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    settings.REDIS_URL = alive
    assert publish_step.finish_film(film.pk)
    assert_complete(film)


WRITER = """
import django, sys
django.setup()
from django.db import transaction
from django.db.models import F
from gallery.models import Film, Segment
for number in range(60):
    with transaction.atomic():
        film = Film.objects.get(title="Counted")
        Film.objects.filter(pk=film.pk).update(size=film.size + 1)
    segment = Segment.next_in_turn()
    while segment is not None and not segment.claim():
        segment = Segment.next_in_turn()
    if segment is not None:
        assert segment.renew(number)
        assert segment.complete(1, 0.0)
"""


def test_concurrent_writers_wait_for_each_other(tmp_path: Path) -> None:
    """No "database is locked", no lost update, and each segment is done once."""
    film = Film.objects.create(
        title="Counted", sha256="counted", size=0, state=Film.State.IMPORTING
    )
    Segment.objects.bulk_create(
        Segment(film=film, run=1, number=number, start=number) for number in range(200)
    )
    writers = [Process(["-c", WRITER], tmp_path / f"{n}.log") for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        assert writer.process is not None
        assert writer.process.wait(180) == 0, writer.output()
        assert "locked" not in writer.output()
    film.refresh_from_db()
    assert film.size == 240
    done = Segment.objects.filter(state=Segment.State.DONE)
    assert done.count() == 200
    assert set(done.values_list("attempts", flat=True)) == {1}
