"""Parses a search for dialogue, and scores how well a line matches it.

A query consists of units: words, words of Chinese, and quoted phrases. A line contains a unit if it
has the word in any form (freeze, freezing), the characters next to each other, or the quoted phrase
exactly. A matching line may lack stop words (the, of, 的).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cached_property, lru_cache
from itertools import pairwise

import regex

from gallery.transcripts import words
from gallery.transcripts.words import Token

MAX_UNITS = 40  # of a query, more than people remember of a line
MAX_PHRASE_TOKENS = 60  # that are searched for next to each other
MIN_LENGTH_FOR_TYPO = 4  # letters of a word that may have one letter wrong
MIN_LENGTH_FOR_TWO_TYPOS = 8
MISSPELLING_SCORE = 0.9  # of a similar word, compared with 1 for the word itself
QUOTED = regex.compile(r'["“”„«»＂「『]([^"“”„«»＂「」『』]+)["“”„«»＂」』]')


@dataclass(frozen=True, slots=True)
class Unit:
    """A word or phrase of a query: `forms` are its tokens, in order.

    `unspaced`: it is of a script without spaces. `quoted`: every line must contain it exactly.
    """

    forms: tuple[str, ...]
    unspaced: bool = False
    quoted: bool = False

    @property
    def is_word(self) -> bool:
        """Whether it is a single word that may be inflected."""
        return not self.quoted and not self.unspaced

    @property
    def pieces(self) -> tuple["Unit", ...]:
        """The parts that a line may contain separately: pairs of characters of a longer word."""
        if not self.unspaced or self.quoted or len(self.forms) < 3:
            return (self,)
        return tuple(Unit(pair, unspaced=True) for pair in pairwise(self.forms))


@dataclass(frozen=True)
class PhraseQuery:
    """A parsed query: its `units`, and its `sequences` of tokens typed next to each other."""

    units: tuple[Unit, ...]
    sequences: tuple[tuple[str, ...], ...]

    def needed(self, language: str) -> tuple[Unit, ...]:
        """Return the units that a matching line in `language` must contain: no stop words."""
        needed = tuple(unit for unit in self.units if not _is_stop_word(unit, language))
        return needed or self.units


def _is_stop_word(unit: Unit, language: str) -> bool:
    return not unit.quoted and words.is_stop_word("".join(unit.forms), language)


# --- parsing --------------------------------------------------------------------------------------


def parse_phrases(text: str) -> PhraseQuery:
    """Parse a query. It has no syntax but quotes."""
    units: list[Unit] = []
    sequences: list[tuple[str, ...]] = []
    for piece, quoted in _split_quotes(text):
        tokens = words.tokenize(piece)
        if quoted and tokens:
            forms = tuple(token.form for token in tokens[:MAX_PHRASE_TOKENS])
            units.append(Unit(forms, unspaced=all(t.unspaced for t in tokens), quoted=True))
            sequences.append(forms)
            continue
        for group in _group_adjacent(tokens):
            sequences.append(tuple(token.form for token in group[:MAX_PHRASE_TOKENS]))
            units += _to_units(group)
    return PhraseQuery(
        tuple(dict.fromkeys(units))[:MAX_UNITS], tuple(dict.fromkeys(sequences))[:MAX_UNITS]
    )


def _split_quotes(text: str) -> list[tuple[str, bool]]:
    """Split a text into pieces, each with whether it is quoted."""
    pieces, end = [], 0
    for match in QUOTED.finditer(text):
        pieces += [(text[end : match.start()], False), (match[1], True)]
        end = match.end()
    return [*pieces, (text[end:], False)]


def _group_adjacent(tokens: Sequence[Token]) -> list[list[Token]]:
    """Group consecutive words, and consecutive characters without a gap."""
    groups: list[list[Token]] = []
    for token in tokens:
        last = groups[-1][-1] if groups else None
        if (
            last is not None
            and last.unspaced == token.unspaced
            and (not token.unspaced or last.end == token.start)
        ):
            groups[-1].append(token)
        else:
            groups.append([token])
    return groups


def _to_units(group: Sequence[Token]) -> list[Unit]:
    forms = tuple(token.form for token in group[: MAX_UNITS * 2])
    if not group[0].unspaced:
        return [Unit((form,)) for form in forms]
    if any(len(form) > 1 for form in forms):
        return [Unit(forms[:MAX_PHRASE_TOKENS], unspaced=True)]
    return [Unit(tuple(word), unspaced=True) for word in words.split_unspaced("".join(forms))]


# --- matching -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LineText:
    """The text of a line in a language (BCP 47), with its tokens."""

    text: str
    language: str

    @cached_property
    def tokens(self) -> list[Token]:
        """Its tokens."""
        return words.tokenize(self.text)

    @cached_property
    def stems(self) -> list[str]:
        """The stem of each token; a character is its own stem."""
        return [t.form if t.unspaced else words.stem(t.form, self.language) for t in self.tokens]

    @cached_property
    def forms(self) -> list[str]:
        """The form of each token."""
        return [token.form for token in self.tokens]

    def find(self, unit: Unit) -> list[range]:
        """Return where it contains a unit, as ranges of token indices."""
        if unit.is_word:
            wanted = words.stem(unit.forms[0], self.language)
            return [
                range(index, index + 1)
                for index, stem in enumerate(self.stems)
                if stem == wanted and not self.tokens[index].unspaced
            ]
        first, length = unit.forms[0], len(unit.forms)
        return [
            range(index, index + length)
            for index, form in enumerate(self.forms)
            if form == first and tuple(self.forms[index : index + length]) == unit.forms
        ]

    def find_similar(self, word: str) -> list[range]:
        """Return where it contains a word that `word` may be a misspelling of."""
        return [
            range(index, index + 1)
            for index, token in enumerate(self.tokens)
            if not token.unspaced and is_misspelling_of(word, token.form)
        ]

    def split_marked(self, marked: Iterable[int]) -> tuple[tuple[str, bool], ...]:
        """Split the text into pieces, each with whether it is one of the `marked` tokens.

        Adjacent characters of a script without spaces form one piece.
        """
        spans: list[list[int]] = []
        for index in sorted(marked):
            token = self.tokens[index]
            if spans and spans[-1][1] == token.start:
                spans[-1][1] = token.end
            else:
                spans.append([token.start, token.end])
        pieces: list[tuple[str, bool]] = []
        last = 0
        for start, end in spans:
            pieces += [(self.text[last:start], False), (self.text[start:end], True)]
            last = end
        pieces.append((self.text[last:], False))
        return tuple(piece for piece in pieces if piece[0])


@dataclass(frozen=True, slots=True)
class LineMatch:
    """How well a line matches a query.

    `complete`: it contains all that is needed. The scores are 0 to 1: `contained` is the weighted
    share of what is needed that the line contains, `in_sequence` the share of the query that it
    contains as one sequence, and `density` the share of the line that matches. `parts` is the text
    in pieces, each with whether it matches.
    """

    complete: bool
    contained: float
    in_sequence: float
    density: float
    parts: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class LineMatcher:
    """Matches lines against a query.

    `weights` are those of its units, 1 by default. For units in `misspelt`, which occur in no line,
    a similar word is accepted.
    """

    query: PhraseQuery
    weights: Mapping[Unit, float] = field(default_factory=dict)
    misspelt: frozenset[Unit] = frozenset()

    def match(self, line: LineText) -> LineMatch | None:
        """Return how well a line matches; None if it does not at all."""
        marked: set[int] = set()
        contained = total = 0.0
        complete = True
        for unit in self.query.needed(line.language):
            weight = self.weights.get(unit, 1.0)
            share, places = self._match_unit(line, unit)
            if unit.quoted and share < 1:
                return None
            complete = complete and share == 1
            total += weight
            contained += weight * share
            marked.update(index for place in places for index in place)
        if not marked:
            return None
        marked = self._add_adjacent_stop_words(line, marked)
        return LineMatch(
            complete=complete,
            contained=contained / total,
            in_sequence=self._share_in_sequence(line),
            density=len(marked) / len(line.tokens),
            parts=line.split_marked(marked),
        )

    def _match_unit(self, line: LineText, unit: Unit) -> tuple[float, list[range]]:
        """Return how much of a unit a line contains, 0 to 1, and where."""
        if places := line.find(unit):
            return 1.0, places
        if unit in self.misspelt:
            return MISSPELLING_SCORE, line.find_similar(unit.forms[0])
        if len(unit.pieces) == 1:
            return 0.0, []
        places_of_pieces = [line.find(piece) for piece in unit.pieces]
        share = sum(bool(places) for places in places_of_pieces) / len(places_of_pieces)
        return share, [place for places in places_of_pieces for place in places]

    def _add_adjacent_stop_words(self, line: LineText, marked: set[int]) -> set[int]:
        """Return the marked tokens and the query's stop words next to them: "the moon"."""
        needed = self.query.needed(line.language)
        stop_words = [unit for unit in self.query.units if unit not in needed]
        places = [place for unit in stop_words for place in line.find(unit)]
        marked = set(marked)
        while True:
            adjacent = [p for p in places if p.start - 1 in marked or p.stop in marked]
            added = {index for place in adjacent for index in place} - marked
            if not added:
                return marked
            marked |= added

    def _share_in_sequence(self, line: LineText) -> float:
        """Return the share of the query that the line contains as one sequence of stems."""
        typed = [
            form if unit.unspaced else words.stem(form, line.language)
            for unit in self.query.units
            for form in unit.forms
        ]
        matcher = SequenceMatcher(None, typed, line.stems, autojunk=False)
        return matcher.find_longest_match().size / max(1, len(typed))


# --- misspellings ---------------------------------------------------------------------------------


def max_typos(word: str) -> int:
    """Return how many letters of a word may be wrong."""
    if len(word) < MIN_LENGTH_FOR_TYPO:
        return 0
    return 1 if len(word) < MIN_LENGTH_FOR_TWO_TYPOS else 2


@lru_cache(maxsize=10_000)
def is_misspelling_of(word: str, other: str) -> bool:
    """Return whether the edit distance of two words is at most what the first one allows."""
    limit = max_typos(word)
    if abs(len(word) - len(other)) > limit:
        return False
    row = list(range(len(other) + 1))
    for number, letter in enumerate(word, 1):
        above, row = row, [number]
        for column, match in enumerate(other, 1):
            substitution = above[column - 1] + (letter != match)
            row.append(min(above[column] + 1, row[-1] + 1, substitution))
        if min(row) > limit:
            return False
    return row[-1] <= limit
