"""The drawn film with text: what it contains, and that the text is where the truth says."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from benchmarks import text_drawing
from benchmarks.text_films import BODY, KINDS, TextFilm


@pytest.fixture(scope="module")
def film() -> TextFilm:
    return TextFilm(1, (640, 360), 12)


def test_the_film_has_every_kind_of_text(film: TextFilm) -> None:
    texts = film.list_texts()
    number = Counter(text.kind for text in texts)
    assert set(number) == {*KINDS, BODY}
    assert (number["headline"], number["card"], number["credits"]) == (4, 4, 20)
    assert number["sign"] >= 12
    cues = [text for text in texts if text.kind == "subtitle"]
    assert len({(cue.start, cue.end) for cue in cues}) >= 60
    assert all(3 <= len(cue.text) <= 45 for cue in cues)
    assert all(1.9 <= cue.end - cue.start <= 4.1 for cue in cues)
    assert {cue.language for cue in cues} == {"en", "zh-Hans"}


def test_no_text_is_used_twice(film: TextFilm) -> None:
    number = Counter(text.text for text in film.list_texts())
    assert [text for text, times in number.items() if times > 1] == []


def test_there_is_a_stretch_without_text(film: TextFilm) -> None:
    texts = film.list_texts()
    ends = np.maximum.accumulate([text.end for text in texts])
    gaps = [after.start - end for end, after in zip(ends, texts[1:], strict=False)]
    assert max(gaps) >= 40


def test_subtitles_follow_each_other(film: TextFilm) -> None:
    cues = [text for text in film.list_texts() if text.kind == "subtitle"]
    times = sorted({(cue.start, cue.end) for cue in cues})
    assert all(before[1] <= after[0] for before, after in pairwise(times))


def test_the_same_seed_gives_the_same_texts(film: TextFilm) -> None:
    assert TextFilm(1, (640, 360), 12).list_texts() == film.list_texts()
    assert TextFilm(2, (640, 360), 12).list_texts() != film.list_texts()


def test_a_title_card_is_drawn_within_its_box(film: TextFilm) -> None:
    card = film.list_texts()[0]
    assert (card.kind, card.start) == ("card", 0)
    pixels = np.asarray(next(film.draw()).convert("L"))
    rows, columns = np.nonzero(pixels > 40)
    left, top, right, bottom = np.array(card.box) * [640, 360, 640, 360]
    assert columns.min() == pytest.approx(left, abs=2)
    assert columns.max() == pytest.approx(right, abs=2)
    assert rows.min() == pytest.approx(top, abs=2)
    assert rows.max() == pytest.approx(bottom, abs=2)


def test_a_missing_font_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(text_drawing.PACKAGES, "Missing", "fonts-missing")
    with pytest.raises(RuntimeError, match=r"Missing Sans is not installed.*fonts-missing"):
        text_drawing.font("Missing Sans", False, 20)
