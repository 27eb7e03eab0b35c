"""Labels: scores, labelled shots, and updates of all films."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from gallery.clip import weights
from gallery.clip.encoder import Encoder
from gallery.core.errors import GalleryError
from gallery.films.footage import load_footage
from gallery.films.models import Film
from gallery.importing import publish_step, transitions
from gallery.index import frame_index
from gallery.index.types import Scope
from gallery.labels import jobs, scoring, survey
from gallery.labels.models import Label, LabelCount
from gallery.labels.survey import Survey
from gallery.media.types import FrameKind
from gallery.search import baseline
from tests.films import make_moving_scenes, run_ffmpeg
from tests.importing import DEMO, add_film, import_here
from tests.processes import Worker, wait_for

TRUTH = json.loads((DEMO / "ground_truth.json").read_text(encoding="utf-8"))["shots"]


@pytest.fixture(autouse=True)
def _reset_sample() -> None:
    """Forget the sample, which may have films of earlier tests."""
    baseline._cache.clear()
    survey._survey.cache_clear()


@pytest.fixture
def no_embedding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Embedding a picture is an error."""

    def refuse(*_arguments: Any) -> None:
        raise AssertionError("a picture was embedded")

    monkeypatch.setattr(Encoder, "embed_squares", refuse)  # imports and `pictures` both use it


def shots_with(thing: str) -> set[int]:
    """The demo film's shots, from 0, that show a thing or have a background."""
    return {
        shot["number"] - 1
        for shot in TRUTH
        if thing == shot["background"] or thing in {one["slug"] for one in shot["things"]}
    }


def survey_prompts(prompts: str) -> Survey:
    found = survey.survey(scoring.parse_prompts(prompts))
    assert found is not None
    return found


def make_label(prompts: str, name: str = "") -> Label:
    """A label with the suggested threshold, computed for all films in this process."""
    label = Label.objects.create(
        name=name or prompts, prompts=prompts, threshold=survey_prompts(prompts).suggestion()
    )
    compute_labels()
    label.refresh_from_db()
    return label


def compute_labels() -> None:
    for film_id in jobs.prepare():
        jobs.label_film(film_id)


def list_labelled_shots(*labels: Label) -> dict[int, set[int]]:
    """The shots, by film, that the index has for the labels."""
    here = frame_index.current()
    scope = Scope(labels=tuple(label.pk for label in labels))
    found: dict[int, set[int]] = {}
    for neighbour in here.nearest(np.eye(1, here.width, dtype=np.float32)[0], 5000, scope):
        found.setdefault(neighbour.film, set()).add(neighbour.shot)
    return found


def count_shots() -> dict[str, int]:
    return {tally.name: tally.shots for tally in scoring.count_shots()}


# --- scores ---------------------------------------------------------------------------------------


def test_prompts_are_one_per_line() -> None:
    assert scoring.parse_prompts(" a dog \n\n狗\r\na dog\n") == ("a dog", "狗")
    assert scoring.parse_prompts(" \n ") == ()


def test_prompts_longer_than_the_model_reads_are_refused(settings: Any) -> None:
    settings.MAX_QUERY_CHARACTERS = 5
    assert scoring.parse_prompts("a dog in the snow") == ("a dog",)


def test_a_score_is_in_standard_deviations_above_ordinary_frames(demo_film: Film) -> None:
    assert demo_film.searchable_run is not None
    data = demo_film.files.run(demo_film.searchable_run).load()
    for prompt in ("dog", "a man in the city", "夜晚"):
        levels = scoring.measure_levels([prompt])
        assert levels is not None
        found = scoring.score_frames(data.vectors, levels)
        # The library is this film, and the sample is all of it.
        assert float(found.mean()) == pytest.approx(0, abs=0.01)
        assert float(found.std()) == pytest.approx(1, abs=0.01)


def test_a_frame_has_the_score_of_its_best_prompt(demo_film: Film) -> None:
    assert demo_film.searchable_run is not None
    data = demo_film.files.run(demo_film.searchable_run).load()
    levels = scoring.measure_levels(["dog", "cat"])
    assert levels is not None
    alone = [scoring.score_frames(data.vectors, {one: level}) for one, level in levels.items()]
    assert scoring.score_frames(data.vectors, levels) == pytest.approx(np.maximum(*alone), abs=1e-5)


def test_without_films_there_are_no_scores(page: Any) -> None:
    assert scoring.measure_levels(["dog"]) is None
    assert survey.survey(["dog"]) is None
    label = Label.objects.create(name="Dogs", prompts="dog", threshold=1)
    assert jobs.prepare() == []
    label.refresh_from_db()
    assert (label.scale, label.applied) == ({}, None)


# --- labelled shots -------------------------------------------------------------------------------


@pytest.mark.parametrize("thing", ["dog", "snow", "night", "indoors", "space", "meadow"])
def test_the_suggested_threshold_finds_what_the_film_shows(thing: str, demo_film: Film) -> None:
    label = make_label(thing)
    assert list_labelled_shots(label) == {demo_film.pk: shots_with(thing)}
    assert count_shots() == {thing: len(shots_with(thing))}


def test_a_shot_needs_to_match_one_prompt_only(demo_film: Film) -> None:
    label = make_label("snow\nindoors", "Snow, or indoors")
    assert list_labelled_shots(label)[demo_film.pk] == shots_with("snow") | shots_with("indoors")


def test_several_labels_select_the_shots_with_all_of_them(demo_film: Film) -> None:
    dog, night = make_label("dog"), make_label("night")
    assert list_labelled_shots(dog, night) == {
        demo_film.pk: shots_with("dog") & shots_with("night")
    }


def test_the_preview_agrees_with_the_computed_label(demo_film: Film) -> None:
    seen = survey_prompts("dog\ncat")
    threshold = seen.threshold_for(6)
    label = Label.objects.create(name="Pets", prompts="dog\ncat", threshold=threshold)
    compute_labels()
    expected = {one.record.shot for one in seen.shots[:6]}
    assert list_labelled_shots(label) == {demo_film.pk: expected}
    assert seen.coverage(threshold).shots == 6
    assert count_shots() == {"Pets": 6}


def test_all_frames_of_a_shot_carry_its_labels(demo_film: Film) -> None:
    label = make_label("dog")
    here = frame_index.current()
    found = {
        (n.shot, n.second)
        for n in here.nearest(
            np.eye(1, here.width, dtype=np.float32)[0],
            5000,
            Scope(labels=(label.pk,), include_dull=True),
        )
    }
    assert demo_film.searchable_run is not None
    rows = load_footage(demo_film, demo_film.searchable_run).records
    assert found == {(r.shot, r.second) for r in rows if r.shot in shots_with("dog")}


def test_blank_frames_and_credits_do_not_label_a_shot(demo_film: Film) -> None:
    label = make_label("dog")
    assert demo_film.searchable_run is not None
    film = load_footage(demo_film, demo_film.searchable_run)
    rows = film.records
    dull = [replace(r, look=FrameKind.CREDITS) if r.shot == 3 else r for r in rows]
    assert scoring.compute_labels(rows, film.vectors).shots == {label.pk: 4}
    assert scoring.compute_labels(dull, film.vectors).shots == {label.pk: 3}


def test_computing_a_label_embeds_no_picture(demo_film: Film, no_embedding: None) -> None:
    label = make_label("dog")
    Label.objects.filter(pk=label.pk).update(threshold=-10)
    compute_labels()
    assert count_shots() == {"dog": len(TRUTH)}


# --- updates of all films -------------------------------------------------------------------------


def test_a_new_threshold_replaces_the_labelled_shots(demo_film: Film) -> None:
    label = make_label("dog")
    assert label.applied is not None
    label.threshold = survey_prompts("dog").threshold_for(1)
    label.save()
    assert label.applied is None
    assert len(list_labelled_shots(label)[demo_film.pk]) == 4
    compute_labels()
    assert len(list_labelled_shots(label)[demo_film.pk]) == 1
    label.refresh_from_db()
    assert label.applied is not None


def test_renaming_a_label_recomputes_nothing(demo_film: Film) -> None:
    label = make_label("dog")
    label.name = "Dogs"
    label.save()
    assert label.applied is not None
    assert jobs.prepare() == []
    assert count_shots() == {"Dogs": 4}


def test_a_deleted_label_leaves_the_index(demo_film: Film) -> None:
    dog, night = make_label("dog"), make_label("night")
    number = dog.pk
    dog.delete()
    compute_labels()
    scope = Scope(labels=(number,))
    assert frame_index.current().nearest(np.eye(1, 512, dtype=np.float32)[0], 10, scope) == []
    assert list_labelled_shots(night) == {demo_film.pk: shots_with("night")}
    assert count_shots() == {"night": 4}


def test_completed_work_is_not_repeated(demo_film: Film) -> None:
    make_label("dog")
    before = Film.objects.get(pk=demo_film.pk).labelled
    assert jobs.prepare() == []
    assert jobs.label_film(demo_film.pk) is False
    assert Film.objects.get(pk=demo_film.pk).labelled == before


def test_a_deleted_film_is_no_error(demo_film: Film) -> None:
    make_label("dog")
    assert jobs.label_film(demo_film.pk + 1) is False


def test_a_film_without_vectors_does_not_block_the_others(demo_film: Film) -> None:
    assert demo_film.searchable_run is not None
    shutil.rmtree(demo_film.files.run(demo_film.searchable_run).folder)
    label = Label.objects.create(name="Dogs", prompts="dog", threshold=1.4)
    compute_labels()
    assert jobs.prepare() == []
    label.refresh_from_db()
    assert label.applied is not None
    shutil.rmtree(demo_film.files.folder)


def test_a_label_that_changes_meanwhile_is_not_done(
    demo_film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    label = make_label("dog")
    label.threshold = survey_prompts("dog").threshold_for(2)
    label.save()
    compute_film = scoring.compute_labels

    def change(*arguments: Any) -> scoring.FilmLabels:
        found = compute_film(*arguments)
        Label.objects.filter(pk=label.pk).update(
            threshold=survey_prompts("dog").threshold_for(1), applied=None
        )
        return found

    monkeypatch.setattr(scoring, "compute_labels", change)
    assert jobs.label_film(demo_film.pk)
    monkeypatch.undo()
    label.refresh_from_db()
    assert label.applied is None
    assert jobs.prepare() == [demo_film.pk]
    compute_labels()
    assert len(list_labelled_shots(label)[demo_film.pk]) == 1


def test_an_imported_film_has_its_labels_when_it_becomes_searchable(
    demo_film: Film, tmp_path: Path
) -> None:
    label = make_label("dog")
    copy = tmp_path / "again.mkv"
    run_ffmpeg("-ss", "9", "-t", "8", "-i", str(DEMO / "film.mp4"), "-an", str(copy))
    film = import_here(add_film(copy, "Another"))
    assert film.state == Film.State.READY, film.error
    # From 9 to 17 s: the end of shot 3, the dog in the snow, the elephant.
    assert list_labelled_shots(label)[film.pk] == {1}
    assert jobs.prepare() == []
    assert LabelCount.objects.get(film=film).shots == 1
    label.refresh_from_db()
    assert label.applied is not None


def test_a_re_imported_film_has_its_labels_again(
    ready_film: Callable[..., Film], tmp_path: Path
) -> None:
    film = ready_film(make_moving_scenes(tmp_path / "film.mp4", 2))
    label = Label.objects.create(name="Anything", prompts="dog", threshold=-10)
    compute_labels()
    label.refresh_from_db()
    scale = label.scale
    assert transitions.restart(film)
    film.refresh_from_db()
    assert import_here(film).searchable_run == 2
    assert list_labelled_shots(label) == {film.pk: {0, 1}}
    assert count_shots() == {"Anything": 2}
    label.refresh_from_db()
    assert label.scale == scale


def test_a_rebuilt_index_has_the_labels(demo_film: Film) -> None:
    label = make_label("dog")
    frame_index.current().client.flushdb()
    publish_step.reindex(demo_film)
    assert list_labelled_shots(label) == {demo_film.pk: shots_with("dog")}


def test_new_films_do_not_change_scores(
    demo_film: Film, ready_film: Callable[..., Film], tmp_path: Path
) -> None:
    label = make_label("dog")
    ready_film(make_moving_scenes(tmp_path / "other.mp4", 6))
    compute_labels()
    assert list_labelled_shots(label)[demo_film.pk] == shots_with("dog")
    again = survey.survey(["dog"], scoring.levels_of(label))
    assert again is not None
    assert again.levels == scoring.levels_of(label)
    assert dict(survey_prompts("dog").levels) != dict(again.levels)


def test_labels_are_recomputed_for_a_new_model(demo_film: Film) -> None:
    label = make_label("dog")
    Label.objects.filter(pk=label.pk).update(scale={"another": {"levels": {"dog": [0, 1]}}})
    label.refresh_from_db()
    assert scoring.levels_of(label) is None
    assert scoring.measured_labels() == []
    compute_labels()
    label.refresh_from_db()
    assert scoring.levels_of(label) == survey_prompts("dog").levels
    assert list_labelled_shots(label) == {demo_film.pk: shots_with("dog")}


def test_labels_computed_during_a_model_change_are_preliminary(
    demo_film: Film,
) -> None:
    waiting = Film.objects.create(title="Elsewhere", sha256="0", searchable_run=1, model="another")
    label = make_label("dog")
    assert scoring.has_preliminary_levels(label)
    waiting.delete()
    compute_labels()
    label.refresh_from_db()
    assert not scoring.has_preliminary_levels(label)
    assert label.applied is not None


# --- a worker -------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_worker_computes_saved_labels_even_if_the_message_is_lost(
    worker: Worker, demo_film: Film
) -> None:
    label = Label.objects.create(name="dog", prompts="dog", threshold=1.4)

    def applied() -> bool:
        label.refresh_from_db()
        return label.applied is not None

    wait_for(applied)
    assert list_labelled_shots(label) == {demo_film.pk: shots_with("dog")}
    # A change without a signal: the sweep notices.
    Label.objects.filter(pk=label.pk).update(threshold=-9, applied=None)
    wait_for(applied)
    assert count_shots() == {"dog": len(TRUTH)}
    label.delete()
    wait_for(lambda: jobs.prepare() == [])
    Film.objects.all().delete()


def test_an_unreachable_index_leaves_no_partial_work(
    demo_film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    label = make_label("dog")
    label.threshold = survey_prompts("dog").threshold_for(1)
    label.save()
    monkeypatch.setattr(frame_index, "MAX_LOCK_WAIT", 0.05)
    with frame_index.current().film_lock(demo_film.pk), pytest.raises(GalleryError):
        jobs.label_film(demo_film.pk)
    assert count_shots() == {"dog": 4}
    assert jobs.prepare() == [demo_film.pk]


# --- progress and counts --------------------------------------------------------------------------


def film_row(number: int, **fields: Any) -> Film:
    return Film.objects.create(
        title=f"Film {number}",
        sha256=str(number),
        state=Film.State.READY,
        searchable_run=1,
        frame_count=100,
        model=weights.current().fingerprint,
        **fields,
    )


def test_progress_estimates_the_remaining_time(db: None) -> None:
    now = timezone.now()
    state = scoring.labels_state([])
    for number in range(3):
        film_row(number, labelled_as=state, labelled=now + timedelta(seconds=2 * number))
    left = [film_row(number) for number in (8, 9)]
    progress = jobs.progress()
    assert (progress.done, progress.films) == (3, 5)
    assert progress.part == pytest.approx(0.6)
    assert progress.seconds_left == pytest.approx(4.0)
    Film.objects.filter(pk__in=[film.pk for film in left]).update(labelled_as=state, labelled=now)
    assert jobs.progress().seconds_left is None


def test_counts_respect_films_and_years_in_one_query(db: None) -> None:
    old, new = film_row(1, year=1927), film_row(2, year=2010)
    other = film_row(3, year=2010)
    Film.objects.filter(pk=other.pk).update(model="another")
    night = Label.objects.create(name="Night", prompts="night")
    Label.objects.create(name="dog", prompts="dog")
    LabelCount.objects.create(label=night, film=old, model=old.model, shots=3)
    LabelCount.objects.create(label=night, film=new, model=new.model, shots=5)
    LabelCount.objects.create(label=night, film=other, model="another", shots=100)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        everything = scoring.count_shots()
    assert len(queries) == 1
    assert {(t.name, t.shots, t.films) for t in everything} == {("Night", 8, 2), ("dog", 0, 0)}
    assert {t.name: t.shots for t in scoring.count_shots([new.pk])} == {"Night": 5, "dog": 0}
    assert {t.name: t.shots for t in scoring.count_shots(years=(None, 1950))} == {
        "Night": 3,
        "dog": 0,
    }
    assert {t.name: t.shots for t in scoring.count_shots(years=(1950, 2020))}["Night"] == 5
