"""Changes to a query that pages offer as links. Each function returns a new query."""

import re
from dataclasses import replace

from gallery.index.types import FrameKey
from gallery.search.types import AVOIDED_PHRASE, Example, Mode, Order, Query
from gallery.transcripts.phrases import QUOTED

WEIGHTS = (0.5, 1.0, 2.0)
MAX_EXAMPLES = 12  # of a kind in one query; adding another removes the oldest


def heavier(weight: float) -> float | None:
    """Return the next larger weight, or None at the maximum."""
    return next((step for step in WEIGHTS if step > weight), None)


def lighter(weight: float) -> float | None:
    """Return the next smaller weight, or None at the minimum."""
    return next((step for step in reversed(WEIGHTS) if step < weight), None)


def with_example(query: Query, example: Example) -> Query:
    """Add an example, unless the query has it already."""
    if any(_is_same(one, example) for one in query.examples):
        return query
    return replace(query, examples=(*query.examples, example)[-MAX_EXAMPLES:], page=1)


def without_example(query: Query, example: Example) -> Query:
    """Remove an example."""
    kept = tuple(one for one in query.examples if not _is_same(one, example))
    return replace(query, examples=kept, page=1)


def with_weight(query: Query, example: Example, weight: float) -> Query:
    """Set the weight of an example."""
    changed = tuple(
        replace(one, weight=weight) if _is_same(one, example) else one for one in query.examples
    )
    return replace(query, examples=changed, page=1)


def more_like(query: Query, key: FrameKey) -> Query:
    """Toggle the mark of a hit as right."""
    more, less = _toggle(key, query.more, query.less)
    return replace(query, more=more, less=less, page=1)


def less_like(query: Query, key: FrameKey) -> Query:
    """Toggle the mark of a hit as wrong."""
    less, more = _toggle(key, query.less, query.more)
    return replace(query, more=more, less=less, page=1)


def similar_to(query: Query, key: FrameKey) -> Query:
    """Return a search for this frame only, with the same filters."""
    return Query(
        examples=(Example(frame=key),),
        films=query.films,
        years=query.years,
        labels=query.labels,
        page_size=query.page_size,
    )


def without_words(query: Query) -> Query:
    """Remove the words; those to avoid remain."""
    phrases = [match[0] for match in AVOIDED_PHRASE.finditer(query.words)]
    return replace(query, words=" ".join(phrases), words_weight=1.0, mode=Mode.BOTH, page=1)


def without_quotes(query: Query) -> Query:
    """Search for the words in quotation marks in any order, and in pictures, too."""
    avoided = [match[0] for match in AVOIDED_PHRASE.finditer(query.words)]
    wanted = " ".join(QUOTED.sub(r" \1 ", query.wanted).split())
    return replace(query, words=" ".join([wanted, *avoided]), page=1)


def without_avoided(query: Query, phrase: str) -> Query:
    """Stop avoiding a phrase, whether typed with a minus sign or listed in `avoid`."""

    def kept(match: re.Match[str]) -> str:
        return "" if (match[1] or match[2] or "").strip() == phrase else match[0]

    words = " ".join(AVOIDED_PHRASE.sub(kept, query.words).split())
    listed = [one for one in replace(query, words="").avoided if one != phrase]
    return replace(query, words=words, avoid=", ".join(listed), page=1)


def without_filters(query: Query) -> Query:
    """Remove all filters."""
    return replace(query, films=(), years=(None, None), labels=(), page=1)


def with_mode(query: Query, mode: Mode) -> Query:
    """Set where words are searched for: pictures, dialogue or both."""
    return replace(query, mode=mode, page=1)


def with_order(query: Query, order: Order) -> Query:
    """Set the order of the hits."""
    return replace(query, order=order, page=1)


def _is_same(one: Example, other: Example) -> bool:
    return (one.frame, one.picture) == (other.frame, other.picture)


def _toggle(
    key: FrameKey, marks: tuple[FrameKey, ...], opposite: tuple[FrameKey, ...]
) -> tuple[tuple[FrameKey, ...], tuple[FrameKey, ...]]:
    """Toggle a frame in `marks` and remove it from `opposite`: it is never marked both ways."""
    opposite = tuple(other for other in opposite if other != key)
    if key in marks:
        return tuple(other for other in marks if other != key), opposite
    return (*marks, key)[-MAX_EXAMPLES:], opposite
