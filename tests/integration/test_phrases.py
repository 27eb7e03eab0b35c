"""Matching a line of dialogue against a phrase query, without an index."""

import pytest

from gallery.transcripts.phrases import (
    MISSPELLING_SCORE,
    LineMatch,
    LineMatcher,
    LineText,
    Unit,
    is_misspelling_of,
    max_typos,
    parse_phrases,
)


def match(query: str, line: str, language: str = "en") -> LineMatch | None:
    return LineMatcher(parse_phrases(query)).match(LineText(line, language))


def find_highlights(found: LineMatch | None) -> list[str]:
    assert found is not None
    return [text for text, is_marked in found.parts if is_marked]


def test_a_query_is_split_into_words_phrases_and_chinese_terms() -> None:
    query = parse_phrases('frozen "my paws" 月亮')
    assert query.units == (
        Unit(("frozen",)),
        Unit(("my", "paws"), quoted=True),
        Unit(("月", "亮"), unspaced=True),
    )
    assert query.sequences == (("frozen",), ("my", "paws"), ("月", "亮"))


@pytest.mark.parametrize(
    ("query", "line", "contained", "parts"),
    [
        ("freeze", "My paws are freezing.", 1.0, ["freezing"]),  # another inflection
        ("freeze moon", "My paws are freezing.", 0.5, ["freezing"]),
        ("the moon", "Look at the moon!", 1.0, ["the", "moon"]),  # a stop word next to a match
        ("the moon", "The dog saw a moon.", 1.0, ["moon"]),  # and not next to it
        ('"the moon"', "Look at the moon!", 1.0, ["the", "moon"]),
    ],
)
def test_words_match_in_any_inflection(
    query: str, line: str, contained: float, parts: list[str]
) -> None:
    found = match(query, line)
    assert find_highlights(found) == parts
    assert found is not None
    assert found.contained == pytest.approx(contained)
    assert found.complete is (contained == 1.0)


@pytest.mark.parametrize("line", ["My freezing paws.", "Paws."])
def test_a_quoted_phrase_must_match_exactly(line: str) -> None:
    assert match('"my paws" freezing', line) is None


def test_no_common_word_is_no_match() -> None:
    assert match("dog", "Look at the moon!") is None


def test_part_of_a_chinese_word_is_a_partial_match() -> None:
    unit = Unit(("电", "冰", "箱"), unspaced=True)
    assert unit.pieces == (Unit(("电", "冰"), unspaced=True), Unit(("冰", "箱"), unspaced=True))
    found = match("电冰箱", "冰箱里有什么", "zh")
    assert find_highlights(found) == ["冰箱"]
    assert found is not None
    assert found.contained == pytest.approx(0.5)
    assert not found.complete


def test_a_misspelt_word_matches_a_similar_one() -> None:
    query = parse_phrases("refridgerator")
    (unit,) = query.units
    line = LineText("It is in the refrigerator.", "en")
    assert LineMatcher(query).match(line) is None
    found = LineMatcher(query, misspelt=frozenset({unit})).match(line)
    assert find_highlights(found) == ["refrigerator"]
    assert found is not None
    assert found.contained == pytest.approx(MISSPELLING_SCORE)
    assert not found.complete


def test_rarer_words_weigh_more() -> None:
    query = parse_phrases("freeze moon")
    weights = dict(zip(query.units, (3.0, 1.0), strict=True))
    found = LineMatcher(query, weights).match(LineText("My paws are freezing.", "en"))
    assert found is not None
    assert found.contained == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("word", "other", "expected"),
    [
        ("moon", "moon", True),
        ("moon", "mood", True),
        ("moon", "mud", False),
        ("dog", "dig", False),  # too short for a typing error
        ("freezing", "frezzing", True),
        ("freezing", "freeing", True),
        ("freezing", "frightening", False),
    ],
)
def test_longer_words_may_have_more_typos(word: str, other: str, expected: bool) -> None:
    assert is_misspelling_of(word, other) is expected


def test_typos_by_length() -> None:
    assert [max_typos("x" * length) for length in (3, 4, 7, 8)] == [0, 1, 1, 2]
