"""Compare what was read in a film with what is written in it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.text_films import BODY, WrittenText

MAX_DISTANCE = 0.6  # of a text that counts as found, as a share of its characters
SAID, WRITTEN = "said", "written"

# Chinese characters and punctuation, and full-width forms.
_CHINESE = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef"
_LOOSE_SPACE = re.compile(rf"(?<=[{_CHINESE}]) | (?=[{_CHINESE}])")


@dataclass(frozen=True, slots=True)
class FoundLine:
    """A line that was read from `start` to `end` (seconds).

    `source` is "said" for burnt-in subtitles, otherwise "written". Rows are separated by line
    breaks.
    """

    text: str
    start: float
    end: float
    source: str


@dataclass(slots=True)
class Score:
    """How well the texts of one kind were read.

    `characters` are those of the truth, `wrong` the edit distances, with all characters of a text
    that was not found. Errors of begin and end are in seconds, of those found. `misfiled` are those
    found in the wrong source: a subtitle as written, or another text as said.
    """

    truths: int = 0
    found: int = 0
    exact: int = 0
    misfiled: int = 0
    characters: int = 0
    wrong: int = 0
    begin_errors: list[float] = field(default_factory=list)
    end_errors: list[float] = field(default_factory=list)

    @property
    def character_error_rate(self) -> float:
        """Return the edit distance divided by the characters of the truth."""
        return self.wrong / self.characters if self.characters else 0.0

    @property
    def begin_error(self) -> tuple[float, float]:
        """Return the 95th percentile and the largest error of the begin, in seconds."""
        return _summarise(self.begin_errors)

    @property
    def end_error(self) -> tuple[float, float]:
        """Return the 95th percentile and the largest error of the end, in seconds."""
        return _summarise(self.end_errors)


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores by kind, those of subtitles by style, and the lines that are not in the film.

    `without_text` are invented lines at times when there is no text at all, `unlike` those that
    differ too much from every text of their time. `repeated` are lines of which a text was already
    found by another line.
    """

    kinds: dict[str, Score]
    styles: dict[str, Score]
    without_text: list[FoundLine]
    unlike: list[FoundLine]
    repeated: list[FoundLine]
    missed: list[WrittenText]

    @property
    def invented(self) -> int:
        """Return the number of lines that are not in the film."""
        return len(self.without_text) + len(self.unlike)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A text, and rows of a found line that could be it."""

    truth: int
    line: int
    rows: frozenset[int]
    distance: int
    share: float  # the distance as a share of the text's characters
    overlap: float  # seconds


def score(found: Sequence[FoundLine], truth: Sequence[WrittenText]) -> Scores:
    """Match each text to the found line of its time that is most like it, and count the errors.

    A found line of several rows may contain several texts (a subtitle in two languages). Rows of a
    newspaper below its headlines are not counted: they may be found or not.
    """
    pairs = list(_list_pairs(found, truth))
    chosen = _choose(pairs)
    kinds: dict[str, Score] = {}
    styles: dict[str, Score] = {}
    missed = []
    for number, text in enumerate(truth):
        if text.kind == BODY:
            continue
        pair = chosen.get(number)
        if pair is None:
            missed.append(text)
        targets = [kinds.setdefault(text.kind, Score())]
        if text.kind == "subtitle":
            targets.append(styles.setdefault(text.style, Score()))
        for target in targets:
            _count(target, text, found[pair.line] if pair else None, pair.distance if pair else 0)
    used = {pair.line for pair in chosen.values()}
    alike = {pair.line for pair in pairs}
    rest = [(number, line) for number, line in enumerate(found) if number not in used]
    unmatched = [line for number, line in rest if number not in alike]
    return Scores(
        kinds=kinds,
        styles=styles,
        without_text=[line for line in unmatched if not any(_meet(line, text) for text in truth)],
        unlike=[line for line in unmatched if any(_meet(line, text) for text in truth)],
        repeated=[line for number, line in rest if number in alike],
        missed=missed,
    )


def describe(scores: Scores) -> list[str]:
    """Return the scores as the rows of a table (times: 95th percentile and largest error)."""
    rows = ["| Kind | Found | Exact | Misfiled | Wrong characters | Begin (s) | End (s) |"]
    rows.append("|---|---|---|---|---|---|---|")
    for name, one in [*scores.kinds.items(), *scores.styles.items()]:
        (begin, latest), (end, last) = one.begin_error, one.end_error
        rows.append(
            f"| {name} | {one.found} of {one.truths} | {one.exact} | {one.misfiled} "
            f"| {one.character_error_rate:.1%} | {begin:.2f}, {latest:.2f} "
            f"| {end:.2f}, {last:.2f} |"
        )
    return [
        *rows,
        f"Lines without text: {len(scores.without_text)}, unlike the text: {len(scores.unlike)}, "
        f"repeated: {len(scores.repeated)}",
    ]


def normalise(text: str) -> str:
    """Return a text in one row, with single spaces, and none beside Chinese characters.

    In Chinese subtitles a space of any width stands for a comma.
    """
    return _LOOSE_SPACE.sub("", " ".join(text.split()))


def edit_distance(one: str, other: str) -> int:
    """Return the least number of characters to insert, delete or replace (Levenshtein)."""
    before = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        now = [row]
        for column, against in enumerate(other, start=1):
            replaced = before[column - 1] + (letter != against)
            now.append(min(replaced, before[column] + 1, now[-1] + 1))
        before = now
    return before[-1]


def _meet(line: FoundLine, text: WrittenText) -> bool:
    # A line that was seen in one picture only may begin and end at the same time.
    return line.start < text.end and max(line.end, line.start) >= text.start


def _list_pairs(found: Sequence[FoundLine], truth: Sequence[WrittenText]) -> Iterator[_Pair]:
    for number, text in enumerate(truth):
        right = normalise(text.text)
        for index, line in enumerate(found):
            if not _meet(line, text):
                continue
            overlap = min(line.end, text.end) - max(line.start, text.start)
            rows = line.text.split("\n")
            for first in range(len(rows)):
                for end in range(first + 1, len(rows) + 1):
                    distance = edit_distance(normalise("\n".join(rows[first:end])), right)
                    share = distance / max(1, len(right))
                    if share <= MAX_DISTANCE:
                        own = frozenset(range(first, end))
                        yield _Pair(number, index, own, distance, share, overlap)


def _choose(pairs: Sequence[_Pair]) -> dict[int, _Pair]:
    """Return the best pair of each text, with no row of a line in two of them."""
    chosen: dict[int, _Pair] = {}
    taken: dict[int, set[int]] = {}
    for pair in sorted(pairs, key=lambda pair: (pair.share, -pair.overlap)):
        rows = taken.setdefault(pair.line, set())
        if pair.truth not in chosen and not rows & pair.rows:
            chosen[pair.truth] = pair
            rows |= pair.rows
    return chosen


def _count(target: Score, text: WrittenText, line: FoundLine | None, distance: int) -> None:
    length = len(normalise(text.text))
    target.truths += 1
    target.characters += length
    if line is None:
        target.wrong += length
        return
    target.found += 1
    target.exact += distance == 0
    target.wrong += distance
    target.misfiled += (line.source == SAID) != (text.kind == "subtitle")
    target.begin_errors.append(abs(line.start - text.start))
    target.end_errors.append(abs(line.end - text.end))


def _summarise(errors: Sequence[float]) -> tuple[float, float]:
    if not errors:
        return 0.0, 0.0
    return float(np.percentile(errors, 95)), max(errors)
