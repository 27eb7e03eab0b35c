"""Backfilling a second model, switching to it, rolling back, and discarding it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.test import Client

from gallery.clip import conversion, encoder, weights
from gallery.clip.models import EmbeddingModel
from gallery.core.errors import GalleryError, ModelError
from gallery.films import catalogue
from gallery.films.film_job import MAX_ATTEMPTS
from gallery.films.models import Film, FilmVectors
from gallery.importing import (
    healing,
    housekeeping,
    model_choice,
    publish_step,
    reembedding,
    shot_detection,
    transitions,
)
from gallery.importing.library_check import check_library
from gallery.importing.models import Reembedding, ShotDetection
from gallery.index import frame_index
from gallery.labels import scoring, survey
from gallery.labels.models import Label, LabelCount
from gallery.media import shots
from gallery.media.model_vectors import ModelVectors
from gallery.search import baseline, engine, relevance_curve, warming
from gallery.search.types import Example, Query
from tests.asking import Api
from tests.films import make_moving_scenes
from tests.importing import assert_complete, import_here, list_keys
from tests.models import fill, switch, work

State = EmbeddingModel.State


@pytest.fixture
def small_film(ready_film: Callable[..., Film], tmp_path: Path) -> Film:
    """A film of seven frames in two segments, which is faster than the demo film."""
    return ready_film(make_moving_scenes(tmp_path / "small.mp4", 2, seconds=3.5))


@pytest.fixture(autouse=True)
def _forget_earlier_tests(db: None, redis_server: redis.Redis, restore_demo_film: None) -> None:
    baseline._cache.clear()
    survey._survey.cache_clear()
    relevance_curve._load_run.cache_clear()


def hits(words: str = "a dog") -> list[tuple[int, int, float]]:
    """The results of a search with the active model: film, second and score."""
    with weights.use():
        return [(hit.film, hit.second, hit.score) for hit in engine.search(Query(words=words)).hits]


def keys_of(model: str, film: Film) -> list[bytes]:
    return [key for key in list_keys(film) if f":{model}:".encode() in key]


def problems() -> list[str]:
    found = check_library()
    return [text for one in (*found.films, *found.others) for text in one.problems]


# --- filling and switching ------------------------------------------------------------------------


def test_searches_use_the_old_model_until_the_switch_and_after_a_rollback(
    demo_film: Film, other_model: Path
) -> None:
    before, first = hits(), weights.configured()
    row = fill(other_model, switches_itself=False)
    assert (row.state, row.error) == (State.FILLING, "")
    assert hits() == before
    assert model_choice.is_filled(row)
    assert problems() == []

    assert switch().fingerprint == row.fingerprint
    after = hits()
    assert {film for film, _second, _score in after} == {demo_film.pk}
    assert after[0][:2] == before[0][:2]  # its results are nearly the same
    assert [score for *_frame, score in after] != [score for *_frame, score in before]
    with weights.use():
        similar = engine.search(Query(examples=(Example((demo_film.pk, 30)),))).hits
        assert (similar[0].film, similar[0].second) == (demo_film.pk, 30)
        assert similar[0].score == pytest.approx(1, abs=2e-3)
        assert len(relevance_curve.curve(demo_film, Query(words="a dog")).peaks) > 0
        assert problems() == []

    assert switch().fingerprint == first.fingerprint
    assert hits() == before
    assert switch().fingerprint == row.fingerprint
    assert hits() == after


def test_a_filled_model_becomes_active_when_it_is_loaded_everywhere(
    small_film: Film, other_model: Path, redis_server: redis.Redis
) -> None:
    with weights.use(weights.configured()):
        web_server = warming.Warmer()
        web_server.update()
    row = model_choice.fill(str(other_model))
    assert warming.find_unready(row.fingerprint) != []
    assert model_choice.switch_when_ready() == []
    row.refresh_from_db()
    assert (row.state, row.is_next) == (State.FILLING, False)

    work()
    assert len(model_choice.switch_when_ready()) == 1
    row.refresh_from_db()
    assert (row.state, row.is_next) == (State.FILLING, True)
    web_server.update()
    assert {weights.configured().fingerprint, row.fingerprint} <= encoder.loaded()
    assert model_choice.switch_when_ready() == []
    row.refresh_from_db()
    assert (row.state, row.is_next) == (State.ACTIVE, False)
    # The other model is released once no earlier request can still use it.
    web_server.update()
    assert weights.configured().fingerprint in encoder.loaded()
    web_server._unneeded_since[weights.configured().fingerprint] -= 2 * warming.RELEASE_SECONDS
    kept = encoder._encoders[weights.configured().fingerprint]
    web_server.update()
    assert weights.configured().fingerprint not in encoder.loaded()
    encoder._encoders[weights.configured().fingerprint] = kept  # the one of other tests


def test_a_block_of_work_uses_one_model_throughout(small_film: Film, other_model: Path) -> None:
    before = hits()
    row = fill(other_model)
    with weights.use():
        assert weights.current() == weights.configured()
        switch()
        assert weights.current() == weights.configured()
        found = engine.search(Query(words="a dog")).hits
    assert [(hit.film, hit.second, hit.score) for hit in found] == before
    with weights.use():
        assert weights.current().fingerprint == row.fingerprint


def test_pages_and_tasks_use_the_active_model(
    small_film: Film, other_model: Path, page: Client, anonymous: Api
) -> None:
    fill(other_model)
    row = switch()
    assert page.get("/", {"q": "a dog"}).context["model"].fingerprint == row.fingerprint
    assert sorted(page.get("/healthz").json()["models"].values()) == ["active", "previous"]
    listed = anonymous.get("/models")["results"]
    assert [(one["fingerprint"], one["state"], one["films"]) for one in listed] == [
        (row.fingerprint, "active", 1),
        (weights.configured().fingerprint, "previous", 1),
    ]
    assert small_film.model != row.fingerprint
    assert "uses another model" not in page.get(f"/films/{small_film.pk}/").content.decode()


# --- films added during a backfill ----------------------------------------------------------------


def test_films_added_during_a_backfill_go_into_both_indexes(
    small_film: Film, ready_film: Callable[..., Film], tmp_path: Path, other_model: Path
) -> None:
    row = model_choice.fill(str(other_model), switches_itself=False)
    reembedding.do_next()
    early = ready_film(make_moving_scenes(tmp_path / "a.mp4", 2, seconds=3))
    assert not model_choice.is_filled(row)
    work()
    assert model_choice.is_filled(row)
    with weights.use(weights.resolve(row)):
        assert catalogue.searchable().count() == 2

    switch()
    with weights.use():
        late = ready_film(make_moving_scenes(tmp_path / "b.mp4", 3, seconds=2))
        assert late.model == row.fingerprint
    work()
    for model in weights.kept():
        with weights.use(model):
            found = {hit.film for hit in engine.search(Query(words="a film")).hits}
        assert found == {small_film.pk, early.pk, late.pk}
    assert problems() == []


def test_a_film_that_is_imported_again_is_embedded_again(
    ready_film: Callable[..., Film], tmp_path: Path, other_model: Path
) -> None:
    film = ready_film(make_moving_scenes(tmp_path / "a.mp4", 2, seconds=3))
    row = fill(other_model, switches_itself=False)
    transitions.restart(film)
    film.refresh_from_db()
    assert import_here(film).searchable_run == 2
    assert not model_choice.is_filled(row)
    assert keys_of(row.fingerprint, film) == []
    work()
    assert model_choice.is_filled(row)
    assert FilmVectors.objects.get(film=film).run == 2
    assert problems() == []


def test_an_import_that_was_running_at_the_switch_starts_over(
    small_film: Film, make_video: Callable[..., Path], other_model: Path
) -> None:
    from gallery.importing import probe_step
    from tests.importing import add_film

    fill(other_model)
    film = add_film(make_video(seconds=6))
    probe_step.probe_film(film.pk)
    row = switch()
    with weights.use():
        film.refresh_from_db()
        assert transitions.restart_if_model_changed(film)
        film.refresh_from_db()
        assert import_here(film).model == row.fingerprint
    work()
    assert problems() == []


def test_a_deleted_film_leaves_nothing_in_any_index(
    ready_film: Callable[..., Film],
    tmp_path: Path,
    other_model: Path,
    django_capture_on_commit_callbacks: Any,
) -> None:
    film = ready_film(make_moving_scenes(tmp_path / "a.mp4", 2, seconds=3))
    fill(other_model)
    number, folder = film.pk, film.files.folder
    with django_capture_on_commit_callbacks(execute=True):
        film.delete()
    assert list_keys(number) == []
    assert not folder.exists()


# --- from thumbnails or decoded again -------------------------------------------------------------


def test_decoding_again_gives_the_vectors_of_an_import(
    ready_film: Callable[..., Film], tmp_path: Path, other_model: Path, settings: Any
) -> None:
    settings.SHARE_VECTORS = False
    film = ready_film(make_moving_scenes(tmp_path / "a.mp4", 3, seconds=4))
    row = fill(other_model, is_exact=True, switches_itself=False)
    again = ModelVectors(film.files.run(1), row.fingerprint).load()
    with weights.use(weights.resolve(row)):
        transitions.restart(film)
        film.refresh_from_db()
        imported = import_here(film).files.run(2).load()
    assert again.seconds.tolist() == imported.seconds.tolist()
    assert np.array_equal(again.vectors, imported.vectors)


def test_thumbnails_give_nearly_the_vectors_of_an_import(demo_film: Film) -> None:
    """With the same model, so that only the thumbnails make a difference."""
    run = demo_film.files.run(1)
    found = [
        reembedding.embed_thumbnails(encoder.current(), run, run.load_segment(n), lambda: None)
        for n in run.segments()
    ]
    thumbnails, own = np.concatenate(found).astype(np.float32), run.load().vectors
    cosines = (thumbnails * own.astype(np.float32)).sum(axis=1)
    assert cosines.min() > 0.95
    assert cosines.mean() > 0.99


def test_frames_that_share_a_vector_share_the_new_one(
    ready_film: Callable[..., Film], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = ready_film(make_moving_scenes(tmp_path / "a.mp4", 1, seconds=4))
    run = film.files.run(1)
    data = run.load_segment(0)
    data.vectors[2] = data.vectors[0]
    embedded: list[int] = []
    to_squares = encoder.Encoder.to_squares

    def count(self: encoder.Encoder, picture: Any) -> Any:
        embedded.append(1)
        return to_squares(self, picture)

    monkeypatch.setattr(encoder.Encoder, "to_squares", count)
    found = reembedding.embed_thumbnails(encoder.current(), run, data, lambda: None)
    assert len(found) == 4
    assert len(embedded) == 3
    assert np.array_equal(found[2], found[0])
    assert not np.array_equal(found[1], found[0])


@pytest.mark.parametrize("how", ["gone", "empty", "half"])
def test_a_lost_thumbnail_is_replaced_by_decoding_the_film(
    how: str, ready_film: Callable[..., Film], tmp_path: Path, other_model: Path
) -> None:
    film = ready_film(make_moving_scenes(tmp_path / "a.mp4", 2, seconds=3))
    path = film.files.run(1).thumbnail(2)
    data = path.read_bytes()
    path.unlink() if how == "gone" else path.write_bytes(data[: len(data) // 2 * (how == "half")])
    row = fill(other_model)
    assert ModelVectors(film.files.run(1), row.fingerprint).count_frames() == film.frame_count
    assert path.exists() is (how != "gone")  # restoring thumbnails is left to healing


def test_a_film_that_cannot_be_embedded_is_given_up_and_can_be_retried(
    demo_film: Film, ready_film: Callable[..., Film], tmp_path: Path, other_model: Path
) -> None:
    film = ready_film(make_moving_scenes(tmp_path / "a.mp4", 2, seconds=3))
    path, source = film.files.run(1).thumbnail(2), film.files.source()
    away = [(one, tmp_path / one.name) for one in (path, source)]
    for one, elsewhere in away:
        shutil.move(one, elsewhere)
    row = fill(other_model)
    progress = model_choice.progress_of(row)
    assert (progress.films_done, progress.films, progress.failed) == (1, 2, 1)
    assert "1 failed" in str(progress)
    assert Reembedding.objects.get().attempts == MAX_ATTEMPTS
    assert not reembedding.has_work()
    assert model_choice.switch_when_ready() == []
    with pytest.raises(CommandError, match="1 films are not embedded"):
        call_command("reembed", "--switch")

    for one, elsewhere in away:
        shutil.move(elsewhere, one)
    assert reembedding.retry() == 1
    work()
    assert model_choice.is_filled(row)


# --- discarding -----------------------------------------------------------------------------------


def test_films_adopt_the_vectors_of_the_model_that_is_kept(
    small_film: Film, other_model: Path
) -> None:
    own = weights.configured().fingerprint
    fill(other_model)
    row = switch()
    before = hits()
    with weights.use():
        vectors = ModelVectors(small_film.files.run(1), row.fingerprint).load().vectors
    previous = model_choice.other_row()
    assert previous is not None
    model_choice.discard(previous)
    assert hits() == before
    work()
    assert [one.fingerprint for one in EmbeddingModel.objects.all()] == [row.fingerprint]
    small_film.refresh_from_db()
    assert (small_film.model, small_film.model_name) == (row.fingerprint, str(other_model))
    assert not FilmVectors.objects.exists()
    assert list(small_film.files.folder.rglob("vectors-*")) == []
    assert np.array_equal(small_film.files.run(1).load().vectors, vectors)
    assert keys_of(own, small_film) == []
    assert frame_index.for_model(own).client.keys(f"*:{own}:*") == []
    assert hits() == before
    with weights.use():
        assert_complete(small_film)
        assert problems() == []
    # As before the second model.
    with pytest.raises(GalleryError, match="is in use"):
        model_choice.discard(row)


def test_a_model_that_was_never_active_can_be_discarded(
    small_film: Film, other_model: Path
) -> None:
    before = hits()
    row = model_choice.fill(str(other_model))
    reembedding.do_next()
    model_choice.discard(row)
    work()
    assert hits() == before
    assert list(small_film.files.folder.rglob("vectors-*")) == []
    assert not Reembedding.objects.exists()
    assert frame_index.current().client.keys(f"*:{row.fingerprint}:*") == []
    assert EmbeddingModel.objects.get().fingerprint == weights.configured().fingerprint
    fill(other_model)
    assert switch().fingerprint == row.fingerprint


def test_an_interrupted_adoption_is_finished(
    demo_film: Film, other_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(other_model)
    row = switch()
    before = hits()
    previous = model_choice.other_row()
    assert previous is not None
    model_choice.discard(previous)
    run = demo_film.files.run(1)
    with weights.use():
        vectors = ModelVectors(run, row.fingerprint).load().vectors
        calls: list[int] = []

        def die() -> None:
            calls.append(1)
            if len(calls) > 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            ModelVectors(run, row.fingerprint).move_into_segments(die)
    assert hits() == before
    work()
    assert hits() == before
    assert np.array_equal(run.load().vectors, vectors)
    demo_film.refresh_from_db()
    assert demo_film.model == row.fingerprint


def test_a_damaged_vector_file_is_rebuilt_before_an_adoption(
    small_film: Film, other_model: Path
) -> None:
    fill(other_model)
    row = switch()
    previous = model_choice.other_row()
    assert previous is not None
    model_choice.discard(previous)
    path = ModelVectors(small_film.files.run(1), row.fingerprint)._path(1)
    path.write_bytes(path.read_bytes()[:-40])
    work()
    small_film.refresh_from_db()
    assert small_film.model == row.fingerprint
    with weights.use():
        assert problems() == []


# --- labels ---------------------------------------------------------------------------------------


def test_labels_are_ready_before_the_switch_and_after_it(
    demo_film: Film, other_model: Path
) -> None:
    found = survey.survey(["dog"])
    assert found is not None
    label = Label.objects.create(name="Dog", prompts="dog", threshold=found.suggestion())
    work()

    def counts() -> list[int]:
        with weights.use():
            return [one.shots for one in scoring.count_shots()]

    def labelled() -> set[int]:
        with weights.use():
            found = engine.search(Query(words="a dog", labels=(label.pk,)))
            return {hit.shot for hit in found.hits}

    before, shots_before = counts(), labelled()
    assert before == [len(shots_before)] != [0]
    row = model_choice.fill(str(other_model))
    while reembedding.has_work():
        reembedding.do_next()
    assert not model_choice.is_filled(row)
    assert "labels are being computed" in str(model_choice.progress_of(row))
    work()
    assert model_choice.is_filled(row)
    label.refresh_from_db()
    assert label.applied is not None
    assert (counts(), labelled()) == (before, shots_before)

    switch()
    assert counts() == [len(labelled())] != [0]
    assert LabelCount.objects.count() == 2
    switch()
    assert (counts(), labelled()) == (before, shots_before)
    # A change is applied to both.
    Label.objects.filter(pk=label.pk).update(threshold=100)
    work()
    assert counts() == [0]
    switch()
    assert counts() == [0]


# --- healing --------------------------------------------------------------------------------------


def test_both_indexes_are_restored(
    small_film: Film, other_model: Path, redis_server: redis.Redis
) -> None:
    row = fill(other_model, switches_itself=False)
    redis_server.flushdb()
    assert problems() != []
    housekeeping._ensure_index(housekeeping.Sweeper(lambda _step: False, lambda *_key: None))
    assert not healing.is_healthy()
    while healing.heal(lambda *_key: None):
        pass
    assert problems() == []
    switch()
    assert hits() != []
    assert row.fingerprint in weights.kept_fingerprints()


def test_lost_vectors_of_the_other_model_are_rebuilt(small_film: Film, other_model: Path) -> None:
    row = fill(other_model, switches_itself=False)
    path = ModelVectors(small_film.files.run(1), row.fingerprint)._path(1)
    path.write_bytes(path.read_bytes()[:-40])
    assert problems() != []
    frame_index.for_model(row.fingerprint).drop(small_film.pk)
    while healing.heal(lambda *_key: None):
        pass
    small_film.refresh_from_db()
    assert small_film.state == Film.State.READY  # not imported again
    assert not model_choice.is_filled(row)
    work()
    assert model_choice.is_filled(row)
    assert problems() == []


def test_new_shots_reach_both_indexes(demo_film: Film, other_model: Path) -> None:
    row = fill(other_model, switches_itself=False)
    detection = ShotDetection.objects.create(
        film=demo_film, run=1, version=shots.VERSION, position=None, cuts=[20.0, 40.0]
    )
    shot_detection.JOB.finish(demo_film, detection, lambda: None)
    while healing.heal(lambda *_key: None):
        pass
    key = (demo_film.pk, 50)
    assert frame_index.current().records([key])[key].shot == 2
    with weights.use(weights.resolve(row)):
        assert frame_index.current().records([key])[key].shot == 2


def test_hashes_of_a_kept_model_are_not_orphans(small_film: Film, other_model: Path) -> None:
    fill(other_model)
    assert healing.remove_orphan_hashes() == 0
    assert problems() == []
    assert not any("Redis" in text for text in check_library().orphans)


def test_the_index_is_rebuilt_for_both(
    small_film: Film, other_model: Path, redis_server: redis.Redis, capsys: Any
) -> None:
    fill(other_model)
    redis_server.flushdb()
    call_command("rebuild_index")
    frames = f"{small_film.frame_count} frames of 1 films"
    assert frames in capsys.readouterr().out
    assert problems() == []


def test_publishing_for_the_same_model_again_changes_nothing(
    small_film: Film, other_model: Path
) -> None:
    row = fill(other_model)
    with weights.use(weights.resolve(row)):
        publish_step.publish_other_vectors(small_film)
    assert problems() == []


# --- which model ----------------------------------------------------------------------------------


def test_there_is_at_most_one_model_besides_the_active_one(
    small_film: Film, other_model: Path, tmp_path: Path
) -> None:
    fill(other_model)
    third = tmp_path / "third"
    shutil.copytree(other_model, third)
    config = third / "config.json"
    config.write_text(config.read_text().replace('"model_type"', '"note": 3, "model_type"', 1))
    with pytest.raises(GalleryError, match="Remove them first"):
        model_choice.fill(str(third))
    switch()
    with pytest.raises(GalleryError, match="reembed --back"):
        model_choice.fill("demo")


def test_a_folder_without_a_model_is_refused(small_film: Film, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json"):
        model_choice.fill(str(tmp_path))
    assert model_choice.other_row() is None


def test_an_id_that_no_model_can_have_is_refused(small_film: Film) -> None:
    for name in ("a b", "models/clip/vit", "''"):
        with pytest.raises(ModelError, match="neither a folder nor the id"):
            model_choice.fill(name)


def test_a_model_that_cannot_be_loaded_changes_nothing(
    small_film: Film, other_model: Path, tmp_path: Path
) -> None:
    """CLIP_MODEL still decides which model is used."""
    damaged = shutil.copytree(other_model, tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(GalleryError):
        model_choice.fill(str(damaged))
    (damaged / "config.json").write_text('{"x')
    with pytest.raises(ModelError, match=r"config\.json"):
        model_choice.fill(str(damaged))
    assert not EmbeddingModel.objects.exists()


def test_a_backfill_from_thumbnails_does_not_become_an_exact_one(
    small_film: Film, other_model: Path
) -> None:
    row = model_choice.fill(str(other_model), switches_itself=False)
    assert model_choice.fill(str(other_model), switches_itself=False) == row
    with pytest.raises(GalleryError, match="already being filled from thumbnails"):
        model_choice.fill(str(other_model), is_exact=True, switches_itself=False)


def test_a_model_whose_files_changed_is_not_used(small_film: Film, tmp_path: Path) -> None:
    EmbeddingModel.objects.create(
        fingerprint="0123456789ab", name="demo", edges="squash", state=State.ACTIVE
    )
    with weights.use(), pytest.raises(ModelError, match="have changed since films were embedded"):
        weights.current()


def test_a_model_that_is_not_on_this_machine_is_reported(small_film: Film) -> None:
    EmbeddingModel.objects.create(
        fingerprint="0123456789ab", name="nobody/has-this", edges="squash", state=State.ACTIVE
    )
    with weights.use(), pytest.raises(ModelError, match="fetch_model nobody/has-this"):
        weights.current()


def test_the_edges_are_part_of_a_model(small_film: Film, settings: Any) -> None:
    padded = weights.describe("demo", settings.DEMO_MODEL_DIR, "pad")
    assert padded.fingerprint != weights.configured().fingerprint
    EmbeddingModel.objects.create(
        fingerprint=padded.fingerprint, name="demo", edges="pad", state=State.ACTIVE
    )
    with weights.use():
        assert weights.current() == padded
        assert conversion.load_with_torch(weights.current()).edges == "pad"


def test_films_of_an_unknown_model_adopt_the_active_one(
    small_film: Film, other_model: Path
) -> None:
    """As after a change of CLIP_MODEL: the model that embedded the films is unknown."""
    Film.objects.update(model="0123456789ab", labelled_as="")
    frame_index.current().drop(small_film.pk)
    call_command("reembed")
    work()
    small_film.refresh_from_db()
    assert small_film.model == weights.configured().fingerprint
    assert not FilmVectors.objects.exists()
    assert_complete(small_film)
    assert problems() == []


def test_a_differing_setting_is_reported(
    small_film: Film, other_model: Path, staff: Client
) -> None:
    def warnings() -> list[str]:
        checks = run_checks(databases=["default"])
        return [str(one.id) for one in checks if one.id == "gallery.W004"]

    assert warnings() == []
    assert "set by CLIP_MODEL" in staff.get("/admin/gallery/embeddingmodel/").content.decode()
    fill(other_model)
    assert warnings() == []
    assert any("kept" in note or "being filled" in note for note in model_choice.notes())
    switch()
    assert warnings() == ["gallery.W004"]
    assert any("CLIP_MODEL is" in note for note in model_choice.notes())
    shown = staff.get("/admin/gallery/embeddingmodel/").content.decode()
    assert "1 of 1 films" in shown
    assert "which was chosen with manage.py reembed" in shown


# --- the command and the admin --------------------------------------------------------------------


def test_the_command(small_film: Film, other_model: Path, capsys: Any) -> None:
    def run(*arguments: str) -> str:
        call_command("reembed", *arguments)
        return str(capsys.readouterr().out)

    assert "All films use demo" in run()
    assert "in use, from CLIP_MODEL" in run("--status")
    for action in ("--switch", "--back", "--discard"):
        with pytest.raises(CommandError):
            run(action)
    assert "1 films will be embedded with" in (said := run(str(other_model), "--hold"))
    assert "Then run manage.py reembed --switch" in said
    with pytest.raises(CommandError, match=r"not embedded with .* yet"):
        run("--switch")
    work()
    assert "being filled; 1 of 1 films" in run("--status")
    assert f"Searches now use {other_model}" in run("--switch")
    assert "kept; 1 of 1 films" in run("--status")
    assert "Searches now use demo" in run("--back")
    assert "are being removed" in run("--discard")
    work()
    assert "demo" in run("--status")
    assert EmbeddingModel.objects.count() == 1


def test_a_switch_can_be_forced_before_all_films_are_embedded(
    small_film: Film, other_model: Path
) -> None:
    row = model_choice.fill(str(other_model))
    call_command("reembed", "--switch", "--force")
    row.refresh_from_db()
    assert row.state == State.ACTIVE
    with weights.use():
        assert catalogue.waiting_for_model().count() == 1
    work()
    assert hits() != []


def test_the_admin_switches_and_discards(
    small_film: Film, other_model: Path, staff: Client
) -> None:
    row = model_choice.fill(str(other_model), switches_itself=False)

    def act(name: str, chosen: EmbeddingModel) -> str:
        data = {"action": name, "_selected_action": [str(chosen.pk)]}
        address = "/admin/gallery/embeddingmodel/"
        return staff.post(address, data, follow=True).content.decode()

    assert "has not embedded all films yet" in act("use", row)
    work()
    assert "as soon as all web servers have loaded it" in act("use", row)
    housekeeping._switch_model(housekeeping.Sweeper(lambda _step: False, lambda *_key: None))
    row.refresh_from_db()
    assert row.state == State.ACTIVE
    assert "Choose a model that is not in use" in act("discard", row)
    previous = model_choice.other_row()
    assert previous is not None
    assert "are being removed" in act("discard", previous)
    assert "Retrying 0 films" in act("retry", row)
    work()
    assert EmbeddingModel.objects.count() == 1
