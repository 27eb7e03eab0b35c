"""Finds the lines that match a phrase query, best first: Redis selects them, `phrases` scores them.

The first query asks for lines that contain everything that is needed, or the query word for word.
If these are too few, a second one asks for lines with a similar word in place of one that occurs in
no line, and for lines that contain only a part.
"""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from gallery.transcripts import words
from gallery.transcripts.line_index import Expression, IndexedLine, LineIndex, ScoredLine, restrict
from gallery.transcripts.phrases import (
    LineMatch,
    LineMatcher,
    LineText,
    PhraseQuery,
    Unit,
    max_typos,
)
from gallery.transcripts.types import FoundLine, LineKind

EXTRA_LINES = 100  # requested from the index beyond those wanted: a shot may have several lines
MAX_REQUESTED = 2000


@dataclass(frozen=True)
class LineSearch:
    """A phrase query to the lines of `films` and of a `kind` (None: all) in languages `groups`."""

    index: LineIndex
    query: PhraseQuery
    groups: Sequence[str]
    films: Collection[int] | None
    kind: LineKind | None = None

    def best(self, count: int, *, partly: bool = True) -> list[FoundLine]:
        """Return at most `count` lines, best first, one per shot.

        Unless `partly`, lines that contain only some of what is needed are not searched for.
        """
        limit = min(MAX_REQUESTED, count + EXTRA_LINES)
        found = self._ask(limit, self._word_for_word, self._with_all)
        ranked = rank_lines(found, LineMatcher(self.query))
        if len(ranked) >= count:
            return ranked[:count]
        weights, misspelt = self._weigh_units()
        more: list[Callable[[Expression], str]] = []
        if misspelt:
            more.append(partial(self._with_all, misspelt=misspelt))
        if partly:
            more.append(self._with_some)
        if not more:
            return ranked
        found += self._ask(limit, *more)
        return rank_lines(found, LineMatcher(self.query, weights, misspelt))[:count]

    # --- conditions -----------------------------------------------------------------------------

    def _ask(self, limit: int, *conditions: Callable[[Expression], str]) -> list[ScoredLine]:
        """Return at most `limit` lines for each condition, in one round trip."""
        questions = []
        for write in conditions:
            expression = Expression()
            condition = write(expression)
            if condition:
                scope = restrict(expression, self.films, self.kind)
                questions.append((scope + condition, expression))
        return [line for lines in self.index.ask(questions, limit) for line in lines]

    def _word_for_word(self, expression: Expression) -> str:
        """Match lines that contain the words next to each other as they were typed."""
        return " ".join(expression.phrase(forms) for forms in self.query.sequences)

    def _with_all(self, expression: Expression, misspelt: Collection[Unit] = frozenset()) -> str:
        """Match lines that contain everything that is needed, in any form and order."""

        def in_language(group: str) -> str:
            return " ".join(
                expression.similar(unit.forms[0], max_typos(unit.forms[0]))
                if unit in misspelt
                else _contains(expression, unit, [group])
                for unit in self.query.needed(group)
            )

        return self._in_any_language(expression, in_language)

    def _with_some(self, expression: Expression) -> str:
        """Match lines that contain some of the needed words, and everything that is quoted."""

        def in_language(group: str) -> str:
            needed = self.query.needed(group)
            quoted = [_contains(expression, unit, [group]) for unit in needed if unit.quoted]
            pieces = [
                _contains(expression, piece, [group])
                for unit in needed
                if not unit.quoted
                for piece in unit.pieces
            ]
            # Quoted phrases are required ("~": the rest only improves the score).
            rest = [f"{'~' if quoted else ''}({' | '.join(pieces)})"] if pieces else []
            return " ".join(quoted + rest)

        return self._in_any_language(expression, in_language)

    def _in_any_language(self, expression: Expression, write: Callable[[str], str]) -> str:
        """Join the conditions for each language: stems and stop words depend on it."""
        return _any_of(f"({expression.tag('group', [g])} {write(g)})" for g in self.groups)

    # --- weights --------------------------------------------------------------------------------

    def _weigh_units(self) -> tuple[dict[Unit, float], frozenset[Unit]]:
        """Return the weight of each unit, higher for rare ones, and the words that no line
        contains.
        """
        line_count = self.index.lines()
        weights: dict[Unit, float] = {}
        misspelt: set[Unit] = set()
        expressions = [Expression() for _unit in self.query.units]
        # Without a condition on the language, only one posting list is read per unit.
        totals = self.index.totals(
            [
                (_contains(expression, unit, self.groups), expression)
                for unit, expression in zip(self.query.units, expressions, strict=True)
            ]
        )
        for unit, total in zip(self.query.units, totals, strict=True):
            weights[unit] = math.log(1 + max(1, line_count) / (total + 0.5))
            if not total and unit.is_word and max_typos(unit.forms[0]):
                misspelt.add(unit)
        return weights, frozenset(misspelt)


def _contains(expression: Expression, unit: Unit, groups: Iterable[str]) -> str:
    """Return the condition that a line in one of these languages contains a unit."""
    if unit.is_word:
        return expression.stems({words.stem(unit.forms[0], group): None for group in groups})
    return expression.phrase(unit.forms)


def _any_of(conditions: Iterable[str]) -> str:
    listed = list(conditions)
    return f"({' | '.join(listed)})" if len(listed) > 1 else "".join(listed)


# --- ranking --------------------------------------------------------------------------------------


def rank_lines(found: Iterable[ScoredLine], matcher: LineMatcher) -> list[FoundLine]:
    """Rank lines by how well they match, the best of each shot; those that do not are left out."""
    unique = {(f.line.record.film, f.line.subtitles, f.line.number): f for f in found}
    matches = [
        (scored, match)
        for scored in unique.values()
        if (match := matcher.match(LineText(scored.line.text, scored.line.language))) is not None
    ]
    matches.sort(key=lambda pair: _rank_key(*pair))
    best: dict[tuple[int, int], FoundLine] = {}
    for scored, match in matches:
        record = scored.line.record
        if (record.film, record.shot) not in best:
            best[record.film, record.shot] = _to_found_line(scored.line, match)
    return list(best.values())


def _rank_key(scored: ScoredLine, match: LineMatch) -> tuple[float, ...]:
    return (
        not match.complete,
        -match.contained,
        -match.in_sequence,
        -match.density,
        -scored.score,
        scored.line.record.film,
        scored.line.start,
    )


def _to_found_line(line: IndexedLine, match: LineMatch) -> FoundLine:
    return FoundLine(
        record=line.record,
        start=line.start,
        end=line.end,
        language=line.language,
        parts=match.parts,
        complete=match.complete,
        kinds=line.kinds,
        box=line.box,
    )
