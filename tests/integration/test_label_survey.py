"""The preview for choosing a threshold: shots by score, counts, a suggestion."""

import math

import numpy as np
import pytest

from gallery.films.models import Film, Shot
from gallery.index import frame_index
from gallery.index.types import FrameRecord
from gallery.labels import survey
from gallery.labels.survey import ScoredShot, Survey
from tests.integration.test_labels import _reset_sample, survey_prompts  # noqa: F401 - a fixture

# --- the survey -----------------------------------------------------------------------------------


def make_survey(scores: list[float], floor: float = -math.inf, total: int = 0) -> Survey:
    shots = [
        ScoredShot(FrameRecord(1 + at % 2, at, float(at), at, at, at + 1.0), score)
        for at, score in enumerate(sorted(scores, reverse=True))
    ]
    return Survey({"x": (0.0, 1.0)}, shots, floor, total or len(shots))


def test_the_suggested_threshold_is_in_the_gap_below_the_outliers() -> None:
    ordinary_scores = np.random.default_rng(3).normal(size=3000).tolist()
    outstanding = np.random.default_rng(4).normal(6.5, 0.5, size=40).tolist()
    found = make_survey(ordinary_scores + outstanding)
    assert found.coverage(found.suggestion()).shots == 40


def test_shots_just_above_and_below_a_threshold() -> None:
    found = make_survey([5.0, 4.0, 3.0, 2.0, 1.0])
    above, below = found.around(3.0, 2)
    assert [one.score for one in above] == [4.0, 3.0]
    assert [one.score for one in below] == [2.0, 1.0]
    assert [one.score for one in found.around(9.0, 2)[0]] == []
    assert [one.score for one in found.around(-9.0, 9)[0]] == [5.0, 4.0, 3.0, 2.0, 1.0]


@pytest.mark.parametrize("at", range(6))
def test_a_threshold_leaves_the_requested_number_above(at: int) -> None:
    found = make_survey([5.0, 4.0, 3.0, 2.0, 1.0])
    assert found.rank(found.threshold_for(at)) == at


def test_the_histogram_counts_every_shot() -> None:
    found = make_survey([5.0, 1.0, 1.0, 1.0, 0.0])
    bars = found.bars()
    assert bars[0].left == 0.0
    assert bars[-1].left + bars[-1].width == pytest.approx(5.0)
    assert max(bar.height for bar in bars) == pytest.approx(1.0)
    assert sum(bar.height > 0 for bar in bars) == 3
    assert make_survey([]).bars() == []


def test_a_large_library_is_sampled_evenly(
    demo_film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = survey_prompts("dog")
    survey._survey.cache_clear()
    monkeypatch.setattr(survey, "MAX_NEAREST", 12)
    monkeypatch.setattr(survey, "SAMPLED_SHOTS", 16)
    some = survey_prompts("dog")
    assert some.floor > 0
    assert len(some.shots) < len(whole.shots)
    # The best shots are all known,
    known = [one for one in some.shots if one.score >= some.floor]
    assert [o.record.shot for o in known] == [o.record.shot for o in whole.shots[: len(known)]]
    assert some.coverage(some.floor) == whole.coverage(some.floor)
    assert some.coverage(some.floor).exact
    # and the number of others is estimated.
    everything = some.coverage(-9.0)
    assert not everything.exact
    assert everything.shots == Shot.objects.count()
    assert some.coverage(0.0).shots == pytest.approx(whole.coverage(0.0).shots, abs=8)


def test_a_library_is_surveyed_once(demo_film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    first = survey_prompts("dog")
    monkeypatch.setattr(frame_index.FrameIndex, "nearest", None)
    assert survey_prompts("dog") is first
