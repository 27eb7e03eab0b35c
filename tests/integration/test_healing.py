"""Losses in Redis or the media store are restored from the rest, and reported on pages."""

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from gallery.films import catalogue, rebuilding, shortcuts
from gallery.films.footage import load_footage
from gallery.films.models import Film, Leftover
from gallery.importing import healing, probe_step, publish_step, segment_step, transitions
from gallery.importing.library_check import check_library
from gallery.importing.models import Segment
from gallery.importing.progress import progress_of
from gallery.index import frame_index
from gallery.index.film_stamp import build_stamp
from gallery.search import engine
from gallery.search.types import Example, Query
from gallery.transcripts import dialogue
from tests.films import make_moving_scenes
from tests.importing import (
    add_film,
    assert_complete,
    assert_gone,
    clean_up,
    delete_rows,
    import_here,
    import_segment,
    list_keys,
    sweep,
)
from tests.lines import find_texts
from tests.processes import run_manage, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def heal() -> list[tuple[object, ...]]:
    """Heal to the end, as the task does. Returns the tasks that it queued."""
    handed_out: list[tuple[object, ...]] = []
    while healing.heal(lambda *step: handed_out.append(step)):
        pass
    return handed_out


def nearest(film: Film, second: int) -> list[tuple[int, int, float]]:
    """Film, second and score of the frames closest to one."""
    hits = engine.search(Query(examples=(Example((film.pk, second)),))).hits
    return [(hit.film, hit.second, hit.score) for hit in hits]


def find_problems(*films: Film) -> list[str]:
    """The problems of these films; the media store may have files of other tests."""
    found = check_library()
    ids = {film.pk for film in films}
    assert ids <= {one.film for one in found.films}
    return [text for one in found.films if one.film in ids for text in one.problems]


# --- the index is lost ----------------------------------------------------------------------------


def test_pages_report_an_incomplete_index_and_use_it(
    ready_film: Callable[..., Film], tmp_path: Path, redis_server: redis.Redis, page: Client
) -> None:
    here = ready_film(make_moving_scenes(tmp_path / "a.mp4", 3, seconds=3), "Here")
    lost = ready_film(make_moving_scenes(tmp_path / "b.mp4", 2, seconds=4), "Lost")
    redis_server.flushdb()
    answer = page.get("/", {"q": "a dog"})
    assert answer.status_code == 503
    assert "being rebuilt from the stored films" in answer.content.decode()
    assert "Import a film" not in answer.content.decode()

    publish_step.reindex(here)
    wait_for(lambda: frame_index.current().status().ready == 1)
    notice = "The search index is being rebuilt: 1 of 2 films can be searched"
    answer = page.get("/", {"q": "a dog"})
    assert answer.status_code == 200
    assert notice in answer.content.decode()
    assert "Here" in answer.content.decode()
    assert notice in page.get("/").content.decode()
    health = page.get("/healthz")
    assert health.status_code == 200
    state = json.loads(health.content)
    assert (state["index"], state["searchable_films"], state["films"]) == ("rebuilding", 1, 2)
    found = page.get("/api/v1/search", {"q": "a dog"}).json()
    assert found["notices"][0].startswith(notice)
    assert found["results"]
    User.objects.create_superuser("ada", password="x")
    page.force_login(User.objects.get())
    assert notice in page.get("/admin/gallery/film/").content.decode()

    rebuilding.record_speed(100, 2.0)
    about = rebuilding.state(catalogue.load_catalogue())
    assert about is not None
    assert about.seconds_left == pytest.approx(lost.frame_count / 50)
    assert ", about 1 second left." in str(about)
    assert sweep() == [("heal",)]
    assert heal() == []
    assert sweep() == []
    assert json.loads(page.get("/healthz").content)["index"] == "ok"
    assert "being rebuilt" not in page.get("/", {"q": "a dog"}).content.decode()
    assert find_problems(here, lost) == []


def lose_some_hashes(film: Film, client: redis.Redis) -> None:
    for second in (1, 5, 6):
        client.delete(frame_index.current().frame_key(film.pk, second))


def lose_the_list(film: Film, client: redis.Redis) -> None:
    client.delete(frame_index.current().seconds_key(film.pk))


def lose_its_entry_among_the_films(film: Film, client: redis.Redis) -> None:
    client.srem(f"{frame_index.current().prefix}:films", film.pk)


def lose_all_of_the_film(film: Film, client: redis.Redis) -> None:
    client.delete(*list_keys(film))


def drop_the_search_index(film: Film, client: redis.Redis) -> None:
    client.ft(frame_index.current().status().name).dropindex()


def make_the_index_with_other_fields(film: Film, client: redis.Redis) -> None:
    here = frame_index.current()
    name = here.status().name
    client.ft(name).dropindex()
    client.execute_command(
        *("FT.CREATE", name, "ON", "HASH", "PREFIX", 1, f"{here.prefix}:{{"),
        *("SCHEMA", "film", "TAG", "embedding", "VECTOR", "FLAT", 6),
        *("TYPE", "FLOAT16", "DIM", here.width, "DISTANCE_METRIC", "COSINE"),
    )


def put_back_an_older_import(film: Film, client: redis.Redis) -> None:
    """As from a backup of Redis: the same number of frames with other vectors."""
    footage = load_footage(film, 1)
    wrong = np.roll(footage.vectors.astype(np.float32), 5, axis=0)
    frame_index.current().put(
        film.pk, footage.records, wrong, stamp=build_stamp(0, film.labelled_as)
    )


def die_while_writing(film: Film, client: redis.Redis) -> None:
    def die() -> None:
        raise KeyboardInterrupt

    footage = load_footage(film, 1)
    vectors = footage.vectors.astype(np.float32)
    with pytest.raises(KeyboardInterrupt):
        frame_index.current().put(film.pk, footage.records, vectors, check=die)


LOSSES = [
    lose_some_hashes,
    lose_the_list,
    lose_its_entry_among_the_films,
    lose_all_of_the_film,
    drop_the_search_index,
    make_the_index_with_other_fields,
    put_back_an_older_import,
    die_while_writing,
]


@pytest.mark.parametrize("lose", LOSSES, ids=lambda f: f.__name__)
def test_each_loss_is_repaired(
    lose: Callable[[Film, redis.Redis], None], demo_film: Film, redis_server: redis.Redis
) -> None:
    before = nearest(demo_film, 40)
    heal()
    lose(demo_film, redis_server)
    sweep()
    wait_for(lambda: frame_index.current().status().ready == 1)
    heal()
    assert find_problems(demo_film) == []
    assert frame_index.current().films() == [demo_film.pk]
    assert nearest(demo_film, 40) == before
    assert find_texts("refrigerator")
    assert "heal" not in [step for step, *_key in sweep()]


def test_labels_of_an_older_backup_are_computed_again(demo_film: Film) -> None:
    here = frame_index.current()
    here.set_stamps({demo_film.pk: build_stamp(1, "of last year")})
    assert healing.find_films_to_index() == []
    demo_film.refresh_from_db()
    assert demo_film.labelled_as == ""


def test_index_entries_of_an_earlier_version_stay(
    demo_film: Film, redis_server: redis.Redis
) -> None:
    here = frame_index.current()
    redis_server.delete(f"{here.prefix}:made")
    assert healing.find_films_to_index() == []
    assert here.stamps()[demo_film.pk] == build_stamp(1, demo_film.labelled_as)


# --- orphans --------------------------------------------------------------------------------------


def test_unlisted_orphans_are_found(
    demo_film: Film, ready_film: Callable[..., Film], tmp_path: Path, redis_server: redis.Redis
) -> None:
    gone = ready_film(make_moving_scenes(tmp_path / "a.mp4", 2, seconds=3))
    here, lines = frame_index.current(), dialogue.current()
    vector = redis_server.hget(here.frame_key(gone.pk, 1), "embedding")
    redis_server.delete(here.seconds_key(gone.pk))
    number = gone.pk
    gone.delete()
    stray = {"film": str(demo_film.pk), "embedding": vector}
    redis_server.hset(here.frame_key(demo_film.pk, 9999), mapping=stray)
    redis_server.hset(f"{lines.prefix}:{{{number}}}:7:0", mapping={"film": str(number)})
    other_model = f"{settings.INDEX_PREFIX}:0123456789ab:{{{demo_film.pk}}}:3"
    redis_server.hset(other_model, mapping=stray)
    assert len(list_keys(number)) == 7
    clean_up()
    assert list_keys(number) == []
    assert find_problems(demo_film) == []
    assert not redis_server.exists(other_model)


def test_an_interrupted_deletion_is_completed(
    ready_film: Callable[..., Film], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = ready_film(make_moving_scenes(tmp_path / "a.mp4", 2, seconds=3))
    number, folder = film.pk, film.files.folder
    with monkeypatch.context() as killed:
        killed.setattr(publish_step, "purge", lambda _film: None)
        film.delete()
    assert folder.exists()
    clean_up()
    assert_gone(number, folder)
    assert not Leftover.objects.exists()


def test_folders_of_another_database_are_never_removed(
    ready_film: Callable[..., Film], tmp_path: Path
) -> None:
    """DATABASE_URL was changed, or a backup restored: the films must not be deleted."""
    film = ready_film(make_moving_scenes(tmp_path / "a.mp4", 2, seconds=3))
    source = film.files.source()
    delete_rows(film)
    os.utime(film.files.folder, (0, 0))
    clean_up()
    assert source.is_file()
    assert any(film.files.folder.name in one for one in check_library().orphans)
    film.files.remove()


def test_an_upload_without_a_row_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_moving_scenes(tmp_path / "a.mp4", 2, seconds=3)
    before = set((settings.MEDIA_ROOT / "films").glob("*"))

    def die(*_args: Any, **_kwargs: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(Film, "save", die)
        killed.setattr("gallery.media.store.FilmFiles.remove", lambda _self: None)
        with pytest.raises(KeyboardInterrupt):
            add_film(path)
    [folder] = set((settings.MEDIA_ROOT / "films").glob("*")) - before
    clean_up()
    assert folder.exists()  # an upload may still be running
    os.utime(folder / ".unfinished", (0, 0))
    clean_up()
    assert not folder.exists()


# --- losses in the media store --------------------------------------------------------------------


def lose_a_segment(film: Film) -> None:
    film.files.run(1).segment(1).unlink()


def damage_a_segment(film: Film) -> None:
    path = film.files.run(1).segment(1)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def lose_the_pictures(film: Film) -> None:
    for path in (film.files.run(1).folder / "thumbs").glob("*.jpg"):
        path.unlink()


@pytest.mark.parametrize("lose", [lose_a_segment, damage_a_segment, lose_the_pictures])
def test_lost_files_of_the_media_store_are_restored(
    lose: Callable[[Film], None], ready_film: Callable[..., Film], tmp_path: Path
) -> None:
    film = ready_film(make_moving_scenes(tmp_path / "a.mp4", 4, seconds=3))
    before, vectors = nearest(film, 7), film.files.run(1).load().vectors
    lose(film)
    assert not film.is_stored
    assert nearest(film, 7) == before
    assert ("probe", film.pk) in clean_up()
    film.refresh_from_db()
    assert (film.state, film.searchable_run) == (Film.State.WAITING, 1)
    assert nearest(film, 7) == before
    import_here(film)
    assert_complete(film)
    assert film.searchable_run == 2
    assert film.files.run(2).load().vectors.tobytes() == vectors.tobytes()
    assert clean_up() == []


def test_a_missing_picture_is_reported_and_restored(
    ready_film: Callable[..., Film], tmp_path: Path, page: Client
) -> None:
    film = ready_film(make_moving_scenes(tmp_path / "a.mp4", 3, seconds=3))
    lose_the_pictures(film)
    address = shortcuts.thumbnail_url(film, 4)
    answer = page.get(address)
    assert answer.status_code == 503
    assert answer["Content-Type"] == "image/svg+xml"
    assert answer["Cache-Control"] == "no-store"
    assert "This picture is being restored." in answer.content.decode()
    assert page.get(f"/films/{film.pk}/frames/4/").status_code != 404
    assert page.get(f"/api/v1/films/{film.pk}/frames/4").status_code == 200
    assert page.get(shortcuts.thumbnail_url(film, 400)).status_code == 404
    assert transitions.restart(film)
    import_here(film)
    whole = page.get(shortcuts.thumbnail_url(film, 4))
    assert whole["Content-Type"] == "image/jpeg"
    assert "immutable" in whole["Cache-Control"]


def test_an_empty_picture_is_a_missing_one(
    ready_film: Callable[..., Film], tmp_path: Path, page: Client
) -> None:
    """A power failure may leave files without their content."""
    film = ready_film(make_moving_scenes(tmp_path / "a.mp4", 1, seconds=3))
    film.files.run(1).thumbnail(1).write_bytes(b"")
    assert page.get(shortcuts.thumbnail_url(film, 1)).status_code == 503
    assert not film.is_stored


def test_a_lost_index_and_a_lost_segment_leave_the_rest(
    ready_film: Callable[..., Film], tmp_path: Path, redis_server: redis.Redis
) -> None:
    """Without the film's file nothing can be restored: the rest is searched."""
    film = ready_film(make_moving_scenes(tmp_path / "a.mp4", 4, seconds=3))
    lose_a_segment(film)
    film.files.source().unlink()
    redis_server.flushdb()
    assert heal() == []
    assert nearest(film, 11)[0][1] == 11
    assert frame_index.current().count(film.pk) == film.frame_count - 5
    assert rebuilding.state(catalogue.load_catalogue()) is None
    assert sweep() == []


# --- a film without its file ----------------------------------------------------------------------


def test_uploading_a_lost_source_again_restores_it(
    ready_film: Callable[..., Film], tmp_path: Path, page: Client
) -> None:
    path = make_moving_scenes(tmp_path / "a.mp4", 2, seconds=3)
    film = ready_film(path, "The Cat")
    assert progress_of(film).note == ""
    film.files.source().unlink()
    assert "Upload the same file again" in progress_of(film).note
    User.objects.create_superuser("ada", password="x")
    page.force_login(User.objects.get())
    assert "The film file is missing." in page.get("/admin/gallery/film/").content.decode()
    file = SimpleUploadedFile("b.mkv", path.read_bytes())
    answer = page.post("/admin/gallery/film/add/", {"file": file}, follow=True)
    assert "has been restored." in answer.content.decode()
    film.refresh_from_db()
    assert (film.title, film.state, Film.objects.count()) == ("The Cat", Film.State.READY, 1)
    assert film.files.source().read_bytes() == path.read_bytes()
    assert progress_of(film).note == ""
    assert_complete(film)
    again = page.post(
        "/admin/gallery/film/add/", {"file": SimpleUploadedFile("c.mp4", path.read_bytes())}
    )
    assert "This file has already been uploaded" in again.content.decode()


def test_replacing_a_damaged_source_restores_the_rest(
    ready_film: Callable[..., Film], tmp_path: Path
) -> None:
    path = make_moving_scenes(tmp_path / "a.mp4", 3, seconds=3)
    film = ready_film(path)
    film.files.source().write_bytes(b"half")
    lose_the_pictures(film)
    assert clean_up() == []  # a partial file restores nothing
    done = run_manage("import_film", str(path))
    assert f"restored as the file of film {film.pk}" in done.stdout, done.stderr
    film.refresh_from_db()
    assert film.state == Film.State.WAITING
    import_here(film)
    assert_complete(film)


def test_a_film_that_failed_without_its_file_is_retried_with_it(tmp_path: Path) -> None:
    path = make_moving_scenes(tmp_path / "a.mp4", 2, seconds=3)
    film = add_film(path)
    film.files.source().unlink()
    import_here(film)
    assert film.state == Film.State.FAILED
    assert "Upload the same file again" in film.error
    assert add_film(path).pk == film.pk
    assert_complete(import_here(film))


# --- steps that fail repeatedly -------------------------------------------------------------------


def expire() -> None:
    past = timezone.now() - timedelta(seconds=1)
    Segment.objects.filter(state=Segment.State.RUNNING).update(lease_until=past)
    Film.objects.exclude(lease_until=None).update(lease_until=past)


def test_a_step_that_kills_each_worker_fails_the_film(
    redis_server: redis.Redis, make_video: Callable[..., Path]
) -> None:
    film = add_film(make_video(seconds=8))
    first, _second = probe_step.probe_film(film.pk)
    for _attempt in range(3):
        assert Segment.objects.get(pk=first).claim()
        expire()
    assert not Segment.objects.get(pk=first).claim()
    sweep()
    film.refresh_from_db()
    assert film.state == Film.State.FAILED
    assert "killed 3 times" in film.error
    assert "CLIP_BATCH" in film.error
    assert transitions.restart(film)
    assert_complete(import_here(film))


@pytest.mark.parametrize("state", [Film.State.PROBING, Film.State.INDEXING])
def test_other_steps_that_kill_each_worker_fail_the_film(
    state: str, redis_server: redis.Redis, make_video: Callable[..., Path]
) -> None:
    film = add_film(make_video(seconds=3))
    Film.objects.filter(pk=film.pk).update(state=state, attempts=3, lease_until=timezone.now())
    assert sweep() == []
    film.refresh_from_db()
    assert film.state == Film.State.FAILED
    assert "killed 3 times" in film.error
    assert transitions.restart(film)
    assert_complete(import_here(film))


# --- late messages, and taking turns --------------------------------------------------------------


def test_a_late_message_does_not_publish_a_partial_film(
    redis_server: redis.Redis, make_video: Callable[..., Path]
) -> None:
    film = add_film(make_video(seconds=12))
    first, *others = probe_step.probe_film(film.pk)
    import_segment(first)
    assert not publish_step.finish_film(film.pk)
    film.refresh_from_db()
    assert film.state == Film.State.IMPORTING
    for number in others:
        done = import_segment(number)
    assert done == film.pk
    assert publish_step.finish_film(film.pk)
    assert not publish_step.finish_film(film.pk)
    assert_complete(film)


def test_a_segment_without_its_file_is_repeated(
    redis_server: redis.Redis, make_video: Callable[..., Path]
) -> None:
    film = add_film(make_video(seconds=12))
    for number in probe_step.probe_film(film.pk):
        import_segment(number)
    film.files.run(1).segment(1).write_bytes(b"PK damaged")
    assert not publish_step.finish_film(film.pk)
    [(_step, number)] = [one for one in sweep() if one[0] == "segment"]
    assert import_segment(int(str(number))) == film.pk
    assert publish_step.finish_film(film.pk)
    assert_complete(film)


def test_films_take_turns_in_repairs(
    redis_server: redis.Redis, make_video: Callable[..., Path]
) -> None:
    long, short = (
        add_film(make_video("a.mp4", seconds=40)),
        add_film(make_video("b.mp4", seconds=8)),
    )
    probe_step.probe_film(long.pk)
    served = []
    for number in range(6):
        if number == 2:
            probe_step.probe_film(short.pk)
        segment = segment_step.claim_next()
        assert segment is not None
        served.append((segment.film_id, segment.number))
    a, b = long.pk, short.pk
    assert served == [(a, 0), (a, 1), (b, 0), (a, 2), (b, 1), (a, 3)]
