"""Lines of recognized words, pauses to cut sound at, and times in sound without its silence."""

import numpy as np
import pytest

from gallery.speech.lines import MAX_CHARACTERS, MAX_LINE_SECONDS, to_lines
from gallery.speech.types import SAMPLE_RATE, Voice, Word
from gallery.speech.voices import GAP, condense, find_pause


def words(text: str, seconds: float = 0.2, start: float = 0.0) -> list[Word]:
    """Words of the same length, one after the other."""
    return [
        Word(start + seconds * number, start + seconds * (number + 1), f" {word}")
        for number, word in enumerate(text.split())
    ]


def test_a_line_ends_with_a_sentence() -> None:
    lines = to_lines(
        words("The boat is under the bridge. No. Nobody knows where the captain went.")
    )
    assert [line.text for line in lines] == [
        "The boat is under the bridge.",
        "No. Nobody knows where the captain went.",
    ]
    assert (lines[0].start, lines[0].end) == (0.0, pytest.approx(1.2))


def test_a_line_ends_at_a_pause() -> None:
    said = [*words("We wait"), *words("for the captain", start=3.0)]
    assert [line.text for line in to_lines(said)] == ["We wait", "for the captain"]


def test_lines_are_short() -> None:
    for line in to_lines(words("and then " * 50, seconds=0.1)):
        assert len(line.text) <= MAX_CHARACTERS
    for line in to_lines(words("and then " * 20, seconds=1.0)):
        assert line.end - line.start <= MAX_LINE_SECONDS


def test_wide_characters_count_twice() -> None:
    said = [Word(0.1 * number, 0.1 * number + 0.1, "船") for number in range(60)]
    assert [len(line.text) for line in to_lines(said)] == [42, 18]


def test_nothing_said_is_no_line() -> None:
    assert to_lines([]) == []
    assert to_lines([Word(0, 1, " ")]) == []


@pytest.mark.parametrize(
    ("voices", "second"),
    [
        ([], 120),
        ([Voice(100.5, 119.5)], 120),
        ([Voice(100.5, 120.0)], 120),
        ([Voice(70.2, 99.5), Voice(100.5, 130.0)], 100),
        ([Voice(0.0, 130.0)], 120),  # no pause: in the middle of a word
        ([Voice(10.0, 50.0), Voice(50.9, 130.0)], 120),  # a pause in the first half is too early
    ],
)
def test_sound_is_cut_where_nobody_speaks(voices: list[Voice], second: int) -> None:
    assert find_pause(voices, 60, 120) == second


def test_silence_is_left_out_and_times_are_found_again() -> None:
    sound = np.arange(20 * SAMPLE_RATE, dtype=np.float32)
    condensed = condense(sound, [Voice(2.0, 4.0), Voice(10.0, 11.5)])
    assert len(condensed.samples) == (2.0 + GAP + 1.5) * SAMPLE_RATE
    assert condensed.samples[0] == 2 * SAMPLE_RATE
    assert condensed.samples[-1] == 11.5 * SAMPLE_RATE - 1
    assert condensed.original_span(0.5, 1.0) == (2.5, 3.0)
    assert condensed.original_span(2.6, 3.0) == pytest.approx((10.1, 10.5))
    # Times at the edge are inexact: the word belongs to where most of it is.
    assert condensed.original_span(1.9, 2.9) == pytest.approx((10.0, 10.4))
    assert condensed.original_span(1.5, 2.3) == (3.5, 4.0)
