"""Lines from what was read in single frames: times, votes, subtitles and signs."""

import json
from collections.abc import Sequence

import pytest

from gallery.ocr.rows import join_rows
from gallery.ocr.types import Box, Text
from gallery.transcripts.box_path import BoxPath
from gallery.transcripts.written import ReadFrame, join_frames

BOTTOM = 0.86  # the top of a subtitle
DIALOGUE = ("It never snows here.", "Where are the keys?", "Not yet.", "We leave at five.")
CHINESE = ("从来不下雪。", "钥匙在哪儿？", "还没有。", "我们五点出发。")


def row(
    text: str, top: float = BOTTOM, left: float | None = None, *, score: float = 0.98, **more: float
) -> Text:
    """A row of text, centred unless `left` is given."""
    width = 0.02 * len(text)
    left = 0.5 - width / 2 if left is None else left
    height = more.get("height", 0.06)
    return Text(
        text, score, Box(left, top, left + width, top + height), height, more.get("angle", 0)
    )


def frames(*rows: Sequence[Text]) -> list[ReadFrame]:
    return [ReadFrame(float(second), texts) for second, texts in enumerate(rows)]


def dialogue(lines: Sequence[str], seconds: int = 2, pause: int = 1) -> list[list[Text]]:
    """Frames of subtitles that follow each other."""
    return [rows for line in lines for rows in (*[[row(line)]] * seconds, *[[]] * pause)]


def test_a_line_lasts_from_its_first_to_its_last_frame() -> None:
    [line] = join_frames(frames([], [], [row("EXIT", 0.3)], [row("EXIT", 0.3)], [], [])).others
    assert (line.text, line.start, line.end) == ("EXIT", 1.5, 3.5)


def test_a_frame_in_which_it_is_overlooked_does_not_split_a_line() -> None:
    there = [row("EXIT ONLY", 0.3)]
    [line] = join_frames(frames(there, there, [], there, [])).others
    assert (line.start, line.end) == (0.0, 3.5)


def test_readings_of_a_line_vote() -> None:
    read = ["SUNDAY MARKEI", "SUNDAY MARKET", "SUNDAY MARKET", "SUNDAV MARKET"]
    [line] = join_frames(frames(*([row(text, 0.3)] for text in read), [])).others
    assert line.text == "SUNDAY MARKET"


def test_of_equally_frequent_readings_the_longest_counts() -> None:
    [line] = join_frames(frames([row("The end of it", 0.4)], [row("The end of", 0.4)], [])).others
    assert line.text == "The end of it"


def test_a_line_that_stays_has_one_box() -> None:
    # In two of the frames a word was overlooked, or letters stand a little beside.
    read = [
        row("SUNDAY", 0.3, 0.1),
        row("SUNDAY MARKET", 0.3, 0.1),
        row("SUNDAY MARKET", 0.31, 0.1),
    ]
    [line] = join_frames(frames(*([one] for one in [*read, read[1]]), [])).others
    assert line.path.points == ((2.0, read[2].box),)


def test_a_sign_that_the_camera_passes_is_where_it_is_in_each_frame() -> None:
    panned = [[row("SUNDAY MARKET", 0.3, 0.6 - 0.1 * second)] for second in range(6)]
    [line] = join_frames(frames(*panned)).others
    assert [line.path.box_at(time).left for time in (0, 1.5, 5, 9)] == pytest.approx(
        [0.6, 0.45, 0.1, 0.1]
    )
    assert BoxPath.from_json(json.loads(json.dumps(line.path.to_json()))) == line.path


def test_noise_is_left_out() -> None:
    noise = [[row("小", 0.4, score=0.6)], [row("小", 0.4, score=0.7)], [row("— · —", 0.4)], []]
    assert join_frames(frames(*noise)).others == []
    unsure = [[], [row("Lnger wrds", 0.4, score=0.7)], []]
    assert join_frames(frames(*unsure)).others == []


def test_what_changes_in_one_place_at_the_bottom_is_subtitles() -> None:
    sign = row("BAKERY", 0.3, 0.1)
    with_sign = [[*rows, sign] for rows in dialogue(DIALOGUE)]
    found = join_frames(frames(*with_sign))
    [lines] = found.subtitles
    assert tuple(line.text for line in lines) == DIALOGUE
    assert [(line.start, line.end) for line in lines[1:3]] == [(2.5, 4.5), (5.5, 7.5)]
    assert [line.text for line in found.others] == ["BAKERY"]


def test_subtitles_without_a_pause_are_lines_of_their_own() -> None:
    [lines] = join_frames(frames(*dialogue(DIALOGUE, pause=0))).subtitles
    assert tuple(line.text for line in lines) == DIALOGUE


def test_two_rows_are_one_line_and_two_languages_two_lists() -> None:
    shown = []
    for chinese, first in zip(CHINESE, DIALOGUE, strict=True):
        rows = [row(chinese, 0.74), row(first, 0.80), row(first[::-1], 0.86)]
        shown += [rows, rows, []]
    found = join_frames(frames(*shown))
    assert [[line.text for line in lines] for lines in found.subtitles] == [
        [f"{line}\n{line[::-1]}" for line in DIALOGUE],
        list(CHINESE),
    ]


def test_subtitles_may_stand_at_the_top() -> None:
    shown = [[row(line, 0.05)] for line in DIALOGUE for _second in range(2)]
    [lines] = join_frames(frames(*shown)).subtitles
    assert len(lines) == len(DIALOGUE)


@pytest.mark.parametrize(
    "signs",
    [
        [row(text, left=0.05) for text in DIALOGUE],  # not centred
        [row(text, angle=8.0) for text in DIALOGUE],
        [row(text, top=0.45) for text in DIALOGUE],  # in the middle
        [row(text) for text in DIALOGUE[:3]],  # too few
    ],
)
def test_other_text_is_no_subtitles(signs: Sequence[Text]) -> None:
    found = join_frames(frames(*([sign] for sign in signs for _second in range(2))))
    assert found.subtitles == []
    assert len(found.others) == len(signs)


@pytest.mark.parametrize(("top", "pause"), [(0.1, 5), (0.1, 60), (0.74, 60)])
def test_two_cards_of_two_rows_in_one_place_are_no_subtitles(top: float, pause: int) -> None:
    cards = [("CHAPTER TWO", "The Letter"), ("CHAPTER THREE", "The Ferry")]
    shown = [
        rows
        for card in cards
        for rows in (
            *[[row(text, top + 0.1 * n) for n, text in enumerate(card)]] * 4,
            *[[]] * pause,
        )
    ]
    found = join_frames(frames(*shown))
    assert found.subtitles == []
    assert [line.text for line in found.others] == [text for card in cards for text in card]


def test_titles_that_are_far_apart_are_no_subtitles() -> None:
    titles = [f"Chapter {name}" for name in ("One", "Two", "Three", "Four", "Five")]
    found = join_frames(frames(*dialogue(titles, seconds=4, pause=60)))
    assert found.subtitles == []
    assert [line.text for line in found.others] == titles


def test_a_headline_above_is_no_subtitle_of_a_film_with_subtitles_at_the_top() -> None:
    lines = [[row(line, 0.05)] for line in DIALOGUE for _second in range(2)]
    headlines = [[row("LIGHTHOUSE GOES DARK", 0.16)]] * 4 + [[row("Bank Robbers Escape", 0.16)]] * 4
    found = join_frames(frames(*headlines, *lines))
    assert [[line.text for line in lines] for lines in found.subtitles] == [list(DIALOGUE)]
    assert [line.text for line in found.others] == ["LIGHTHOUSE GOES DARK", "Bank Robbers Escape"]


@pytest.mark.parametrize("top", [BOTTOM, BOTTOM + 0.04])  # of the lower row
def test_single_subtitles_of_two_rows_keep_both(top: float) -> None:
    both = [row("If you open that door,", top - 0.08), row("I can't help you.", top)]
    [lines] = join_frames(frames(*dialogue(DIALOGUE), both, both, [])).subtitles
    assert lines[-1].text == "If you open that door,\nI can't help you."


def test_a_subtitle_long_after_the_others_is_one() -> None:
    shown = [*dialogue(DIALOGUE), *[[]] * 90, [row("It does.")], [row("It does.")], []]
    found = join_frames(frames(*shown))
    assert [line.text for line in found.subtitles[0]] == [*DIALOGUE, "It does."]


def test_rolling_credits_are_one_line_each() -> None:
    names = ["Gaffer  Anna Berg", "Music  Boris Kim", "Stunts  Carla Novak", "Edited  Hana Meyer"]
    rolling = [
        [
            row(name, 1.0 + 0.3 * number - 0.1 * second)
            for number, name in enumerate(names)
            if 0 <= 1.0 + 0.3 * number - 0.1 * second <= 0.94
        ]
        for second in range(21)
    ]
    found = join_frames(frames(*rolling))
    assert found.subtitles == []
    assert [line.text for line in found.others] == names
    for number, line in enumerate(found.others):
        for time in range(round(line.start + 0.5), round(line.end)):
            top = 1.0 + 0.3 * number - 0.1 * time
            assert line.path.box_at(time).top == pytest.approx(top, abs=0.001)
            assert line.path.box_at(time + 0.5).top == pytest.approx(top - 0.05, abs=0.051)


def test_pieces_side_by_side_are_one_row() -> None:
    pieces = [row("keys?", left=0.42), row("Where are the", left=0.13), row("12", 0.1, 0.8)]
    assert [one.text for one in join_rows(pieces, 16 / 9)] == ["12", "Where are the keys?"]
    chinese = [row("钥匙", left=0.40), row("在哪儿", left=0.45)]
    assert [one.text for one in join_rows(chinese, 16 / 9)] == ["钥匙在哪儿"]
    apart = [row("NORTH", left=0.1), row("SOUTH", left=0.7)]
    assert len(join_rows(apart, 16 / 9)) == 2
