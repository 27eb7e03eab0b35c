"""What somebody typed to find a line, and how much of it a line holds.

A wording is cut into units: a word, a word of Chinese, a phrase in quotes. A line holds a unit when
it has the word in any form (freeze, freezing), the characters next to each other, or the phrase
word for word. What a language is full of (the, of, 的) a line may lack.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cached_property, lru_cache
from itertools import pairwise

import regex

from gallery.transcripts import words
from gallery.transcripts.words import Term

MAX_UNITS = 40  # of a wording that are looked for; nobody remembers more of a line
MAX_PHRASE_WORDS = 60  # terms that are looked for side by side
MIN_TYPO_LENGTH = 4  # letters from which on a word may have a letter wrong,
LONG_WORD = 8  # and from which on two
_QUOTED = regex.compile(r'["“”„«»＂「『]([^"“”„«»＂「」『』]+)["“”„«»＂」』]')


@dataclass(frozen=True, slots=True)
class Unit:
    """Something that a line holds or lacks: `forms` are its terms, in their order.

    `characters`: they are of a script without spaces. `quoted`: every line must hold it as it is.
    """

    forms: tuple[str, ...]
    characters: bool = False
    quoted: bool = False

    @property
    def is_word(self) -> bool:
        """Whether it is one word that may be inflected."""
        return not self.quoted and not self.characters

    @property
    def pieces(self) -> tuple["Unit", ...]:
        """What of it may be held alone: pairs of characters, where nothing cuts its words."""
        if not self.characters or self.quoted or len(self.forms) < 3:
            return (self,)
        return tuple(Unit(pair, characters=True) for pair in pairwise(self.forms))


@dataclass(frozen=True)
class Wording:
    """What was typed: its `units`, and its `stretches`, terms that were typed side by side."""

    units: tuple[Unit, ...]
    stretches: tuple[tuple[str, ...], ...]

    def needed(self, language: str) -> tuple[Unit, ...]:
        """The units without which a line in `language` is not what is meant."""
        rare = tuple(unit for unit in self.units if not _is_common(unit, language))
        return rare or self.units


def _is_common(unit: Unit, language: str) -> bool:
    return not unit.quoted and words.is_common("".join(unit.forms), language)


def parse_phrases(text: str) -> Wording:
    """What a text asks for. Nothing in it is taken for a command but quotes."""
    units: list[Unit] = []
    stretches: list[tuple[str, ...]] = []
    for piece, quoted in _pieces(text):
        terms = words.terms(piece)
        if quoted and terms:
            forms = tuple(term.form for term in terms[:MAX_PHRASE_WORDS])
            units.append(Unit(forms, characters=all(t.character for t in terms), quoted=True))
            stretches.append(forms)
            continue
        for run in _runs(terms):
            stretches.append(tuple(term.form for term in run[:MAX_PHRASE_WORDS]))
            units += _cut(run)
    chosen = tuple(dict.fromkeys(units))[:MAX_UNITS]
    return Wording(chosen, tuple(dict.fromkeys(stretches))[:MAX_UNITS])


def _pieces(text: str) -> list[tuple[str, bool]]:
    """A text in pieces, each with whether it stands in quotes."""
    found, at = [], 0
    for match in _QUOTED.finditer(text):
        found += [(text[at : match.start()], False), (match[1], True)]
        at = match.end()
    return [*found, (text[at:], False)]


def _runs(terms: Sequence[Term]) -> list[list[Term]]:
    """Terms that belong together: words side by side, characters without a gap."""
    runs: list[list[Term]] = []
    for term in terms:
        last = runs[-1][-1] if runs else None
        joined = last is not None and last.character == term.character
        if joined and term.character and last is not None:
            joined = last.end == term.start
        if joined:
            runs[-1].append(term)
        else:
            runs.append([term])
    return runs


def _cut(run: Sequence[Term]) -> list[Unit]:
    forms = tuple(term.form for term in run[: MAX_UNITS * 2])
    if not run[0].character:
        return [Unit((form,)) for form in forms]
    if any(len(form) > 1 for form in forms):
        return [Unit(forms[:MAX_PHRASE_WORDS], characters=True)]
    return [Unit(tuple(word), characters=True) for word in words.parts("".join(forms))]


@dataclass(frozen=True)
class Line:
    """A line that may hold a wording: its text, and its language."""

    text: str
    language: str

    @cached_property
    def terms(self) -> list[Term]:
        """Its terms."""
        return words.terms(self.text)

    @cached_property
    def stems(self) -> list[str]:
        """The stem of each term; of a character, itself."""
        return [t.form if t.character else words.stem(t.form, self.language) for t in self.terms]

    @cached_property
    def forms(self) -> list[str]:
        """The form of each term."""
        return [term.form for term in self.terms]

    def places(self, unit: Unit) -> list[range]:
        """Where it holds a unit: ranges of its terms."""
        if unit.is_word:
            wanted = words.stem(unit.forms[0], self.language)
            return [
                range(at, at + 1)
                for at, stem in enumerate(self.stems)
                if stem == wanted and not self.terms[at].character
            ]
        first, long = unit.forms[0], len(unit.forms)
        return [
            range(at, at + long)
            for at, form in enumerate(self.forms)
            if form == first and tuple(self.forms[at : at + long]) == unit.forms
        ]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How well a line answers a wording.

    `complete`: it holds all that is needed. `held` is the part of it, 0 to 1; `together` the
    part of the wording that stands in the line as it was typed; `filled` the part of the line that
    was asked for. `parts` is the text in pieces, each with whether it was asked for.
    """

    complete: bool
    held: float
    together: float
    filled: float
    parts: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class Judge:
    """Judges lines by a wording. `weights` say how much a unit counts (1 by default);

    `misspelt` are words that no line holds: one that is nearly the same will do.
    """

    wording: Wording
    weights: Mapping[Unit, float] = field(default_factory=dict)
    misspelt: frozenset[Unit] = frozenset()

    def verdict(self, line: Line) -> Verdict | None:
        """How well a line answers; None when it does not at all."""
        needed = self.wording.needed(line.language)
        marked: set[int] = set()
        held = total = 0.0
        complete = True
        for unit in needed:
            weight = self.weights.get(unit, 1.0)
            total += weight
            part, places = self._held(line, unit)
            if unit.quoted and part < 1:
                return None
            complete = complete and part == 1
            held += weight * part
            marked.update(at for place in places for at in place)
        if not marked:
            return None
        marked = self._beside(line, marked)
        filled = len(marked) / len(line.terms)
        return Verdict(complete, held / total, self._together(line), filled, _parts(line, marked))

    def _held(self, line: Line, unit: Unit) -> tuple[float, list[range]]:
        """How much of a unit a line holds, 0 to 1, and where."""
        places = line.places(unit)
        if places:
            return 1.0, places
        if unit in self.misspelt:
            # Not quite what was asked for: never as good as the word itself.
            return 0.9, [
                range(at, at + 1)
                for at, term in enumerate(line.terms)
                if not term.character and is_misspelling_of(unit.forms[0], term.form)
            ]
        pieces = [line.places(piece) for piece in unit.pieces] if len(unit.pieces) > 1 else []
        found = [places for places in pieces if places]
        return (len(found) / len(pieces) if pieces else 0.0), [p for ps in found for p in ps]

    def _beside(self, line: Line, marked: set[int]) -> set[int]:
        """What was found, and the common words beside it: "the moon" is one thing."""
        needed = self.wording.needed(line.language)
        common = [unit for unit in self.wording.units if unit not in needed]
        places = [place for unit in common for place in line.places(unit)]
        all_marked = set(marked)
        while True:
            beside = [p for p in places if p.start - 1 in all_marked or p.stop in all_marked]
            more = {at for place in beside for at in place} - all_marked
            if not more:
                return all_marked
            all_marked |= more

    def _together(self, line: Line) -> float:
        typed = [
            form if unit.characters else words.stem(form, line.language)
            for unit in self.wording.units
            for form in unit.forms
        ]
        matcher = SequenceMatcher(None, typed, line.stems, autojunk=False)
        return matcher.find_longest_match().size / max(1, len(typed))


def max_misspelt(form: str) -> int:
    """How many letters of a word may be wrong."""
    return 0 if len(form) < MIN_TYPO_LENGTH else 1 if len(form) < LONG_WORD else 2


@lru_cache(maxsize=10_000)
def is_misspelling_of(one: str, other: str) -> bool:
    """Whether two words differ by no more letters than the first may have wrong."""
    most = max_misspelt(one)
    if abs(len(one) - len(other)) > most:
        return False
    row = list(range(len(other) + 1))
    for number, letter in enumerate(one, 1):
        before, row = row, [number]
        for at, match in enumerate(other, 1):
            row.append(min(before[at] + 1, row[-1] + 1, before[at - 1] + (letter != match)))
        if min(row) > most:
            return False
    return row[-1] <= most


def _parts(line: Line, marked: set[int]) -> tuple[tuple[str, bool], ...]:
    """The text in pieces, marked and unmarked in turn; characters side by side are one piece."""
    spans: list[list[int]] = []
    for at in sorted(marked):
        term = line.terms[at]
        if spans and spans[-1][1] == term.start:
            spans[-1][1] = term.end
        else:
            spans.append([term.start, term.end])
    parts: list[tuple[str, bool]] = []
    at = 0
    for start, end in spans:
        parts += [(line.text[at:start], False), (line.text[start:end], True)]
        at = end
    parts.append((line.text[at:], False))
    return tuple(part for part in parts if part[0])
