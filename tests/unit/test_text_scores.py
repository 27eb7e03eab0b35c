"""The comparison of found lines with the text of a drawn film."""

import pytest

from benchmarks.text_films import WrittenText
from benchmarks.text_scores import FoundLine, describe, edit_distance, normalise, score

BOX = (0.2, 0.8, 0.8, 0.9)


def written(
    text: str, start: float, end: float, kind: str = "subtitle", style: str = "yellow"
) -> WrittenText:
    return WrittenText(kind, text, "en", start, end, BOX, style)


def found(text: str, start: float, end: float, source: str = "said") -> FoundLine:
    return FoundLine(text, start, end, source)


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ("", "", 0),
        ("abc", "", 3),
        ("", "abc", 3),
        ("kitten", "sitting", 3),
        ("Saturday", "Sunday", 3),
        ("flaw", "lawn", 2),
        ("Exit", "exit", 1),
        ("你好吗", "你好", 1),
    ],
)
def test_edit_distance(one: str, other: str, distance: int) -> None:
    assert edit_distance(one, other) == distance


def test_rows_are_joined_and_spaces_beside_chinese_do_not_count() -> None:
    assert normalise(" Go home\nand  rest. ") == "Go home and rest."
    assert normalise("对不起 我来晚了") == "对不起我来晚了"
    assert normalise("你是谁？\n我是 Tom") == "你是谁？我是Tom"


def test_exact_lines() -> None:
    truth = [written("Wait for me.", 1, 3), written("EXIT", 4, 8, "sign", "angle 12")]
    scores = score([found("Wait for me.", 1.25, 3.5), found("EXIT", 4, 8, "written")], truth)
    subtitles, signs = scores.kinds["subtitle"], scores.kinds["sign"]
    assert (subtitles.truths, subtitles.found, subtitles.exact, subtitles.misfiled) == (1, 1, 1, 0)
    assert subtitles.character_error_rate == 0
    assert subtitles.begin_error == (0.25, 0.25)
    assert subtitles.end_error == (0.5, 0.5)
    assert (signs.found, signs.misfiled, signs.begin_error) == (1, 0, (0, 0))
    assert list(scores.styles) == ["yellow"]
    assert scores.styles["yellow"] == subtitles
    assert (scores.invented, scores.repeated, scores.missed) == (0, [], [])


def test_character_errors_and_missed_lines() -> None:
    truth = [
        written("abcdefghij", 0, 2),
        written("klmnopqrst", 2, 4, style="top"),
        written("uvwxyz", 4, 6, "card"),
    ]
    scores = score([found("abcdefghiX", 0, 2)], truth)
    subtitles = scores.kinds["subtitle"]
    assert (subtitles.truths, subtitles.found, subtitles.exact) == (2, 1, 0)
    assert subtitles.character_error_rate == pytest.approx(11 / 20)
    assert scores.styles["yellow"].character_error_rate == pytest.approx(1 / 10)
    assert scores.styles["top"].character_error_rate == 1
    assert scores.kinds["card"].character_error_rate == 1
    assert scores.missed == truth[1:]
    assert scores.invented == 0


def test_case_counts() -> None:
    scores = score([found("exit", 0, 4, "written")], [written("Exit", 0, 4, "sign")])
    assert scores.kinds["sign"].wrong == 1


def test_the_wrong_source_is_counted() -> None:
    truth = [written("Wait for me.", 1, 3), written("EXIT", 4, 8, "sign")]
    scores = score([found("Wait for me.", 1, 3, "written"), found("EXIT", 4, 8)], truth)
    assert scores.kinds["subtitle"].misfiled == 1
    assert scores.kinds["sign"].misfiled == 1


def test_invented_lines() -> None:
    truth = [written("Wait for me.", 1, 3)]
    nowhere, other, right = (
        found("Wait for me.", 10, 12),
        found("Zebra crossing ahead", 1, 3, "written"),
        found("Wait for me.", 1, 3),
    )
    scores = score([nowhere, other, right], truth)
    assert scores.without_text == [nowhere]
    assert scores.unlike == [other]
    assert scores.invented == 2
    assert scores.kinds["subtitle"].exact == 1


def test_a_line_found_in_pieces_is_matched_once() -> None:
    truth = [written("Wait for me.", 1, 4)]
    long, short = found("Wait for me.", 1.5, 4), found("Wait for me.", 1, 1.5)
    scores = score([short, long], truth)
    assert scores.repeated == [short]
    assert scores.invented == 0
    assert scores.kinds["subtitle"].begin_error == (0.5, 0.5)


def test_each_text_gets_the_line_that_is_most_like_it() -> None:
    truth = [written("Row one here", 0, 4, "credits"), written("Row two here", 0, 4, "credits")]
    lines = [found("Row two here", 0, 4, "written"), found("Row ono here", 0, 4, "written")]
    scores = score(lines, truth)
    credits = scores.kinds["credits"]
    assert (credits.found, credits.exact, credits.wrong) == (2, 1, 1)
    assert scores.repeated == []


def test_two_languages_may_be_found_as_one_line_or_as_two() -> None:
    truth = [written("你欠我一顿晚饭", 0, 3), written("You owe me a dinner.", 0, 3)]
    for lines in (
        [found("你欠我一顿晚饭\nYou owe me a dinner.", 0, 3)],
        [found("你欠我一顿晚饭", 0, 3), found("You owe me a dinner.", 0, 3)],
    ):
        scores = score(lines, truth)
        assert scores.kinds["subtitle"].exact == 2
        assert (scores.invented, scores.repeated) == (0, [])


def test_two_rows_are_one_text() -> None:
    truth = [written("Go home and rest.\nWe'll talk.", 0, 3)]
    for text in ("Go home and rest.\nWe'll talk.", "Go home and rest. We'll talk."):
        assert score([found(text, 0, 3)], truth).kinds["subtitle"].exact == 1


def test_small_print_of_a_newspaper_is_neither_missed_nor_invented() -> None:
    truth = [
        written("LIGHTHOUSE GOES DARK", 0, 6, "headline", "headline"),
        written("The keeper has not been seen", 0, 6, "body", "body"),
        written("since Sunday, and the harbour", 0, 6, "body", "body"),
    ]
    lines = [
        found("LIGHTHOUSE GOES DARK", 0, 6, "written"),
        found("The keeper has not been seen", 0, 6, "written"),
    ]
    scores = score(lines, truth)
    assert list(scores.kinds) == ["headline"]
    assert (scores.invented, scores.repeated, scores.missed) == (0, [], [])


def test_a_line_seen_in_one_picture() -> None:
    scores = score([found("EXIT", 2, 2, "written")], [written("EXIT", 0, 4, "sign")])
    assert scores.kinds["sign"].found == 1


def test_nothing_found_and_nothing_written() -> None:
    assert score([], []).kinds == {}
    line = found("ghost", 0, 1)
    assert score([line], []).without_text == [line]


def test_percentiles_and_the_table() -> None:
    texts = [f"Line number {number} of the film" for number in range(20)]
    truth = [written(text, 5 * n, 5 * n + 3) for n, text in enumerate(texts)]
    lines = [found(text, 5 * n + 0.1 * n, 5 * n + 3) for n, text in enumerate(texts)]
    scores = score(lines, truth)
    middle, largest = scores.kinds["subtitle"].begin_error
    assert largest == pytest.approx(1.9)
    assert middle == pytest.approx(1.805)
    assert any(row.startswith("| subtitle | 20 of 20 | 20 | 0 | 0.0%") for row in describe(scores))
