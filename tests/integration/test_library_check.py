"""The command that compares database, media store and Redis reports all differences."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from django.conf import settings

from gallery.films.models import Film
from gallery.importing.library_check import check_library
from gallery.index import frame_index
from tests.importing import delete_rows
from tests.processes import run_manage

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _store_without_leftovers(db: None) -> None:
    """Remove folders without rows, which other tests leave."""
    known = set(Film.objects.values_list("uid", flat=True))
    for path in (settings.MEDIA_ROOT / "films").glob("*"):
        if path.name not in known:
            shutil.rmtree(path)
    for place in (settings.MEDIA_ROOT / "drafts", settings.FILE_UPLOAD_TEMP_DIR):
        shutil.rmtree(place, ignore_errors=True)


def find_problems(film: Film) -> list[str]:
    """The problems of this film, without leftovers of other tests in the media store."""
    [counts] = [one for one in check_library().films if one.film == film.pk]
    return counts.problems


def test_an_intact_library_has_no_problems(demo_film: Film) -> None:
    done = run_manage("check_library", "--json")
    assert done.returncode == 0, done.stdout
    found = json.loads(done.stdout)
    [counts] = found["films"]
    frames = demo_film.frame_count
    for name in ("frames", "thumbnails", "stored", "hashes", "listed", "indexed"):
        assert counts[name] == frames > 100, name
    assert counts["lines"] == counts["line_hashes"] == counts["lines_indexed"] == 64
    assert found["problems"] == []
    text = run_manage("check_library")
    assert text.stdout.strip() == f"1 films, {frames} frames, 64 lines: no problems found."


def test_each_loss_is_reported(demo_film: Film, redis_server: redis.Redis) -> None:
    n = demo_film.frame_count
    here, run = frame_index.current(), demo_film.files.run(1)
    redis_server.delete(here.frame_key(demo_film.pk, 7), here.frame_key(demo_film.pk, 8))
    [line] = redis_server.keys(f"*:dialogue:{{{demo_film.pk}}}:*:0")[:1]
    redis_server.delete(line)
    run.thumbnail(3).unlink()
    damaged = run.segment(2)
    damaged.write_bytes(damaged.read_bytes()[:-40])
    source = demo_film.files.source()
    source.unlink()
    assert find_problems(demo_film) == [
        f"{n - 1} thumbnails, not {n}",
        f"{n - 5} stored vectors, not {n}",
        f"{n - 2} frames in Redis, not {n}",
        f"{n - 2} frames in the index, not {n}",
        "63 lines in Redis, not 64",
        "63 lines in the index, not 64",
        "the film's file is missing",
    ]
    done = run_manage("check_library")
    shutil.rmtree(demo_film.files.folder)  # the next test gets a new copy
    assert done.returncode == 1
    assert "7 problems found." in done.stderr


def test_orphans_are_reported(
    ready_film: Callable[..., Film], make_video: Callable[..., Path], redis_server: redis.Redis
) -> None:
    film = ready_film(make_video(seconds=3))
    here = frame_index.current()
    redis_server.delete(here.seconds_key(film.pk))
    delete_rows(film)
    (settings.MEDIA_ROOT / "drafts" / "half").mkdir(parents=True)
    orphans = check_library(draft_age=0).orphans
    model = here.prefix.rpartition(":")[2]
    assert f"3 frames in Redis belong to no film (film {film.pk}, model {model})." in orphans
    assert f"The folder {film.files.folder} belongs to no film." in orphans
    assert f"{settings.MEDIA_ROOT / 'drafts' / 'half'} was never finished." in orphans
    assert not any("drafts" in one for one in check_library().orphans)
