"""Scripts, the choice of scenes, and the parts of shots that fit a line."""

from fractions import Fraction

import pytest

from gallery.core.errors import BoardError
from gallery.media.timecodes import Clock
from gallery.storyboards import scripts
from gallery.storyboards.choosing import RowChoice, choose_scenes, fit_span
from gallery.storyboards.types import SceneCandidate, ScriptLine


def candidate(
    shot: int, relevance: float = 1.0, start: float = 0.0, end: float = 10.0, time: float = 5.0
) -> SceneCandidate:
    return SceneCandidate(
        film=1, shot=shot, second=int(time), time=time, start=start, end=end,
        relevance=relevance, matches=True,
    )  # fmt: skip


# --- scripts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a cat", ScriptLine("a cat")),
        ("  1. A town at night ", ScriptLine("A town at night")),
        ("12) rain", ScriptLine("rain")),
        ("#3: rain", ScriptLine("rain")),
        ("- rain", ScriptLine("rain")),
        ("• rain", ScriptLine("rain")),
        ("3、下雨", ScriptLine("下雨")),
        ("1.5 metres of snow", ScriptLine("1.5 metres of snow")),
        ("2001: A Space Odyssey", ScriptLine("2001: A Space Odyssey")),
        ("300. The Movie", ScriptLine("300. The Movie")),
        ("-- ", ScriptLine("")),
        ("-", ScriptLine("")),
        (" * * *", ScriptLine("")),
        ("=====", ScriptLine("")),
        ("───", ScriptLine("")),
        ("……", ScriptLine("")),
        ("🐱", ScriptLine("🐱")),
        ("a cat (3 s)", ScriptLine("a cat", 3.0)),
        ("a cat [2.5sec]", ScriptLine("a cat", 2.5)),
        ("一只猫（4秒）", ScriptLine("一只猫", 4.0)),
        ("a cat (300 s)", ScriptLine("a cat", scripts.MAX_SECONDS)),
        ("the sea (1000 s)", ScriptLine("the sea", scripts.MAX_SECONDS)),
        ("the sea (2,25 s)", ScriptLine("the sea", 2.25)),
        ("a cat (0 s)", ScriptLine("a cat", scripts.MIN_SECONDS)),
        ("a cat (asleep)", ScriptLine("a cat (asleep)")),
        ("a\0cat", ScriptLine("acat")),
    ],
)
def test_a_line_loses_its_marker_and_its_length(text: str, line: ScriptLine) -> None:
    assert scripts.parse_line(text) == line


def test_empty_lines_are_dropped() -> None:
    lines = scripts.parse_script("\r\n1. a cat\r\n\r\n  \n2. a dog (2 s)\n")
    assert lines == [ScriptLine("a cat"), ScriptLine("a dog", 2.0)]


def test_separators_are_dropped() -> None:
    assert scripts.parse_script("a cat\n-\n***\na dog") == [
        ScriptLine("a cat"),
        ScriptLine("a dog"),
    ]


def test_a_part_of_a_longer_list_loses_its_numbers() -> None:
    lines = scripts.parse_script("300. a cat\n301. a dog\n\n303. a house")
    assert [line.text for line in lines] == ["a cat", "a dog", "303. a house"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n \n", "The script is empty"),
        ("cat\n" * 201, "201 lines"),
        ("cat\n" + "x" * 501, "Line 2 is too long: 501 characters"),
    ],
)
def test_a_script_that_cannot_be_searched_is_rejected(text: str, message: str) -> None:
    with pytest.raises(BoardError, match=message):
        scripts.parse_script(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("cat", 1.5),
        ("A woman opens a letter from her brother in Paris", 4.0),
        ("don't stop", 1.5),
        ("夜里的小镇下着大雨", 2.2),
        ("一只猫 runs home", 1.6),
        ("word " * 400, 60.0),
    ],
)
def test_a_line_lasts_as_long_as_it_takes_to_read_it_aloud(text: str, seconds: float) -> None:
    assert scripts.reading_seconds(text) == pytest.approx(seconds, abs=0.06)


# --- choosing -------------------------------------------------------------------------------------


def test_each_row_gets_its_best_scene() -> None:
    rows = [RowChoice([candidate(1), candidate(2)]), RowChoice([candidate(3)])]
    assert choose_scenes(rows, allows_repeats=False) == [0, 0]


def test_the_most_relevant_row_gets_a_shot_that_several_want() -> None:
    rows = [
        RowChoice([candidate(1, 0.6), candidate(2, 0.5)]),
        RowChoice([candidate(1, 0.9), candidate(3, 0.8)]),
        RowChoice([candidate(1, 0.5)]),
    ]
    assert choose_scenes(rows, allows_repeats=False) == [1, 0, None]
    assert choose_scenes(rows, allows_repeats=True) == [0, 0, 0]


def test_a_locked_choice_stays_and_a_rejected_scene_is_not_chosen() -> None:
    rows = [
        RowChoice([candidate(1), candidate(2)], locked=1),
        RowChoice([candidate(2, 1.0), candidate(1, 0.2)]),
        RowChoice([candidate(4), candidate(5)], rejected=frozenset({(1, 4)})),
    ]
    assert choose_scenes(rows, allows_repeats=False) == [1, 1, 1]


# --- lengths --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("time", "seconds", "span"),
    [
        (5.0, 4.0, (3.0, 7.0)),
        (0.5, 4.0, (0.0, 4.0)),  # not before the cut
        (9.9, 4.0, (6.0, 10.0)),  # not after it
        (5.0, 30.0, (0.0, 10.0)),  # a shorter shot is taken whole
    ],
)
def test_a_scene_is_cut_to_length_within_its_shot(
    time: float, seconds: float, span: tuple[float, float]
) -> None:
    found = fit_span(Clock(Fraction(24)), candidate(1, time=time), seconds)
    assert found == pytest.approx(span)


def test_a_cut_scene_begins_and_ends_on_frames() -> None:
    clock = Clock(Fraction(24000, 1001))
    start, end = fit_span(clock, candidate(1, start=1.001, end=9.5, time=4.0), 2.0)
    for time in (start, end):
        assert float(clock.exact_seconds(clock.frame_from(time))) == pytest.approx(time)
    assert clock.frame_from(end) - clock.frame_from(start) == 48
