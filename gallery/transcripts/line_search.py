"""The lines that answer a wording, best first: asked of Redis in steps, judged here.

First lines that hold all that is needed, or what was typed word for word. When these are too few:
those where a word that no line holds is spelt a little otherwise, and those that hold a part.
"""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from gallery.transcripts import words
from gallery.transcripts.line_index import Expression, FoundLine, HeardLine, LineIndex, in_films
from gallery.transcripts.phrases import Judge, Line, Unit, Verdict, Wording, max_misspelt
from gallery.transcripts.types import SpokenLine

MORE_ASKED = 100  # of the index in one step than are wanted: several lines may lie in one shot
MAX_ASKED = 2000


@dataclass(frozen=True)
class LineSearch:
    """A wording, looked for in the lines of `films` (None: all) in languages `groups`."""

    here: LineIndex
    wording: Wording
    groups: Sequence[str]
    films: Collection[int] | None

    def best(self, count: int, *, partly: bool = True) -> list[SpokenLine]:
        """At most `count` lines, best first, one of each shot.

        Without `partly`, lines that hold only some of what is needed are not looked for.
        """
        most = min(MAX_ASKED, count + MORE_ASKED)
        found = self._ask(most, self._word_for_word, self._with_all)
        spoken = ranked(found, Judge(self.wording))
        if len(spoken) >= count:
            return spoken[:count]
        weights, misspelt = self._weighed()
        more: list[Callable[[Expression], str]] = []
        if misspelt:
            more.append(partial(self._with_all, misspelt=misspelt))
        if partly:
            more.append(self._with_some)
        if not more:
            return spoken
        found += self._ask(most, *more)
        return ranked(found, Judge(self.wording, weights, misspelt))[:count]

    # --- what is asked ------------------------------------------------------------------------

    def _ask(self, most: int, *writes: Callable[[Expression], str]) -> list[FoundLine]:
        """At most so many lines for each of the conditions, in one round trip."""
        questions = []
        for write in writes:
            expression = Expression()
            asked = write(expression)
            if asked:
                questions.append((in_films(expression, self.films) + asked, expression))
        return [line for lines in self.here.ask(questions, most) for line in lines]

    def _word_for_word(self, expression: Expression) -> str:
        """What was typed side by side stands in the line side by side."""
        return " ".join(expression.phrase(forms) for forms in self.wording.stretches)

    def _with_all(self, expression: Expression, misspelt: Collection[Unit] = frozenset()) -> str:
        """All that is needed stands in the line, in whatever form and order."""

        def in_language(group: str) -> str:
            return " ".join(
                expression.nearly(unit.forms[0], max_misspelt(unit.forms[0]))
                if unit in misspelt
                else _held(expression, unit, [group])
                for unit in self.wording.needed(group)
            )

        return self._in_any_language(expression, in_language)

    def _with_some(self, expression: Expression) -> str:
        """Something of what is needed stands in the line; what is quoted does in any case."""

        def in_language(group: str) -> str:
            needed = self.wording.needed(group)
            quoted = [_held(expression, unit, [group]) for unit in needed if unit.quoted]
            some = [
                _held(expression, piece, [group])
                for unit in needed
                if not unit.quoted
                for piece in unit.pieces
            ]
            # What is quoted is needed; the rest only makes a line better.
            rest = [f"{'~' if quoted else ''}({' | '.join(some)})"] if some else []
            return " ".join(quoted + rest)

        return self._in_any_language(expression, in_language)

    def _in_any_language(self, expression: Expression, write: Callable[[str], str]) -> str:
        """What is to be found depends on the language of the line: its stems, its common words."""
        return _either(f"({expression.tag('group', [g])} {write(g)})" for g in self.groups)

    # --- what words weigh -----------------------------------------------------------------------

    def _weighed(self) -> tuple[dict[Unit, float], frozenset[Unit]]:
        """How much each unit tells, the rarer the more; and the words that no line holds."""
        lines = self.here.lines()
        weights: dict[Unit, float] = {}
        misspelt: set[Unit] = set()
        expressions = [Expression() for _unit in self.wording.units]
        # Without looking at the line's language: this reads one list of the index only.
        totals = self.here.totals(
            [
                (_held(expression, unit, self.groups), expression)
                for unit, expression in zip(self.wording.units, expressions, strict=True)
            ]
        )
        for unit, held_by in zip(self.wording.units, totals, strict=True):
            weights[unit] = math.log(1 + max(1, lines) / (held_by + 0.5))
            if not held_by and unit.is_word and max_misspelt(unit.forms[0]):
                misspelt.add(unit)
        return weights, frozenset(misspelt)


def _held(expression: Expression, unit: Unit, groups: Iterable[str]) -> str:
    """The condition that a line of these languages holds a unit."""
    if unit.is_word:
        return expression.stems({words.stem(unit.forms[0], group): None for group in groups})
    return expression.phrase(unit.forms)


def _either(conditions: Iterable[str]) -> str:
    listed = list(conditions)
    return f"({' | '.join(listed)})" if len(listed) > 1 else "".join(listed)


# --- judging --------------------------------------------------------------------------------------


def ranked(found: Iterable[FoundLine], judge: Judge) -> list[SpokenLine]:
    """Lines by how well they answer, the best of each shot; lines that do not are left out."""
    each = {(f.line.record.film, f.line.subtitles, f.line.number): f for f in found}
    judged = [(one, judge.verdict(Line(one.line.text, one.line.language))) for one in each.values()]
    answers = [(one, verdict) for one, verdict in judged if verdict is not None]
    answers.sort(key=lambda pair: _rank(*pair))
    best: dict[tuple[int, int], SpokenLine] = {}
    for one, verdict in answers:
        record = one.line.record
        if (record.film, record.shot) not in best:
            best[record.film, record.shot] = _spoken(one.line, verdict)
    return list(best.values())


def _rank(one: FoundLine, verdict: Verdict) -> tuple[float, ...]:
    record = one.line.record
    return (
        not verdict.complete,
        -verdict.held,
        -verdict.together,
        -verdict.filled,
        -one.score,
        record.film,
        one.line.start,
    )


def _spoken(line: HeardLine, verdict: Verdict) -> SpokenLine:
    return SpokenLine(
        record=line.record,
        start=line.start,
        end=line.end,
        language=line.language,
        parts=verdict.parts,
        complete=verdict.complete,
    )
