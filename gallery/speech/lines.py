"""Lines as long as subtitles, from what was recognized with the times of its words."""

from collections.abc import Iterator, Sequence

import regex

from gallery.speech.types import SpokenLine, Word

MAX_CHARACTERS = 84  # two rows of 42, as is usual for subtitles; a wide character counts as two
MAX_LINE_SECONDS = 7.0
MAX_PAUSE = 0.8  # seconds between two words of a line
MIN_SENTENCE = 24  # characters of a line that the end of a sentence ends

_SENTENCE_END = regex.compile(r"[.?!。？！…]['\"”’」』)]*$")
_WIDE = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]")


def to_lines(words: Sequence[Word]) -> list[SpokenLine]:
    """Return words in time order as lines."""
    lines = []
    for group in _group(words):
        said = "".join(word.text for word in group).strip()
        if said:
            lines.append(SpokenLine(group[0].start, group[-1].end, said))
    return lines


def _group(words: Sequence[Word]) -> Iterator[list[Word]]:
    group: list[Word] = []
    for word in words:
        if group and _ends_before(group, word):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _ends_before(group: Sequence[Word], word: Word) -> bool:
    said = "".join(one.text for one in group).strip()
    return (
        word.start - group[-1].end > MAX_PAUSE
        or word.end - group[0].start > MAX_LINE_SECONDS
        or _width(said + word.text) > MAX_CHARACTERS
        or (_width(said) >= MIN_SENTENCE and _SENTENCE_END.search(said) is not None)
    )


def _width(text: str) -> int:
    return len(text) + len(_WIDE.findall(text))
