"""The demo: the film matches its script, and the model was not trained on the test data."""

from itertools import combinations
from pathlib import Path

import emoji
import pytest

from demo import film_check, splits
from demo.captions import LANGUAGES
from demo.concepts import BACKGROUNDS, CONCEPTS
from demo.film_script import SHOTS

DEMO = Path(__file__).resolve().parents[2] / "demo"
MEGABYTE = 1_000_000


def test_the_model_is_small() -> None:
    files = [path for path in (DEMO / "model").rglob("*") if path.is_file()]
    assert {"config.json", "model.safetensors", "preprocessor_config.json"} <= {
        path.name for path in files
    }
    assert sum(path.stat().st_size for path in files) <= 16 * MEGABYTE


def test_the_film_is_small() -> None:
    assert 100_000 < (DEMO / "film.mp4").stat().st_size <= 6 * MEGABYTE


def test_the_script_of_the_film_is_consistent() -> None:
    assert film_check.script_faults() == []


def test_the_streams_of_the_film_match_the_script() -> None:
    assert film_check.stream_faults(DEMO / "film.mp4") == []


def test_cuts_and_beeps_of_the_film_match_the_script() -> None:
    assert film_check.time_faults(DEMO / "film.mp4") == []


def test_subtitles_and_ground_truth_match_the_script() -> None:
    assert film_check.text_faults(DEMO) == []


def test_emoji_have_names_in_chinese() -> None:
    emoji.config.load_language("zh")
    for sign, english in (("🐕", ":dog:"), ("🧑\u200d🚀", ":astronaut:"), ("🚀", ":rocket:")):
        chinese = emoji.demojize(sign, language="zh")
        assert emoji.demojize(sign, language="en") == english
        assert chinese not in (english, sign)
        assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese)


@pytest.mark.parametrize("kind", ["things", "backgrounds"])
def test_everything_has_names_in_both_languages(kind: str) -> None:
    for known in CONCEPTS if kind == "things" else BACKGROUNDS:
        assert known.en[0].isascii()
        assert any("\u4e00" <= letter <= "\u9fff" for letter in known.zh[0]), known.slug
    assert set(LANGUAGES) == {"en", "zh"}


def test_training_evaluation_and_film_seeds_are_disjoint() -> None:
    kept = (splits.TRAINING_SEEDS, splits.EVALUATION_SEEDS, splits.FILM_SEEDS)
    for one, other in combinations(kept, 2):
        assert len(one) > 0
        assert max(one.start, other.start) >= min(one.stop, other.stop)


def test_pairs_are_held_out_in_either_order_and_by_a_fixed_rule() -> None:
    slugs = [concept.slug for concept in CONCEPTS]
    held = [(a, b) for a, b in combinations(slugs, 2) if splits.is_held_out_pair(a, b)]
    share = len(held) / (len(slugs) * (len(slugs) - 1) / 2)
    assert share == pytest.approx(splits.HELD_OUT_SHARE, abs=0.02)
    assert all(splits.is_held_out_pair(b, a) for a, b in held)
    assert splits.is_held_out_pair("cat", "rocket")
    assert not splits.is_held_out_pair("man", "wave")


def test_no_training_picture_shows_a_pair_that_is_held_out() -> None:
    """Batches from the start, the middle and the end of the training, drawn again."""
    from demo.batches import FACTS, Painter

    painter = Painter()
    painter.fill_bank()
    pairs_seen = 0
    for number, progress in ((0, 0.0), (2000, 0.5), (4000, 1.0)):
        for row in painter.batch(number, 64, progress).shown:
            slugs = [fact for fact, is_shown in zip(FACTS, row, strict=True) if is_shown]
            things = [slug for slug in slugs if not slug.startswith("@")]
            assert splits.is_trainable(things), things
            pairs_seen += len(things) > 1
    assert pairs_seen >= 20


def test_the_pictures_of_the_film_were_never_trained() -> None:
    seeds = {shot.film_seed() for shot in SHOTS}
    assert len(seeds) == len(SHOTS) >= 25
    assert all(seed in splits.FILM_SEEDS for seed in seeds)
