"""What is said: found in a real Redis with RediSearch, in any language, with the words marked."""

import json

import pytest

from gallery import dialogue
from gallery.models import Film
from tests.importing import DEMO

TRUTH = json.loads((DEMO / "ground_truth.json").read_text("utf-8"))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_right_shot_of_the_demo_film_is_first(language: str, demo_film: Film) -> None:
    queries = [q for q in TRUTH["dialogue_queries"] if q["lang"] == language]
    right, wrong = 0, []
    for query in queries:
        found = dialogue.find(query["text"], None, 5)
        # Shots are counted from 1 in the ground truth.
        if found and found[0].record.shot == query["shot"] - 1 and found[0].language == language:
            right += 1
        else:
            wrong.append((query["text"], [(line.text, line.record.shot + 1) for line in found]))
    part = right / len(queries)
    print(f"\ndialogue, {language}: {len(queries)} queries, right shot first {part:.3f}")
    assert len(queries) >= 20
    assert right / len(queries) >= 0.95, wrong
