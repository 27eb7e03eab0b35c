"""Small changes to a query, as the pages offer them: each gives a new query."""

import re
from dataclasses import replace

from gallery.index.types import FrameKey
from gallery.search.types import AVOIDED, Example, Mode, Order, Query

WEIGHTS = (0.5, 1.0, 2.0)  # how much a part can count
MAX_EXAMPLES = 12  # of a kind in one query; adding another lets go of the oldest


def heavier(weight: float) -> float | None:
    """The next step up, or None at the top."""
    return next((step for step in WEIGHTS if step > weight), None)


def lighter(weight: float) -> float | None:
    """The next step down, or None at the bottom."""
    return next((step for step in reversed(WEIGHTS) if step < weight), None)


def with_example(query: Query, example: Example) -> Query:
    """Look for what is like this, too. What is an example already stays as it is."""
    if any(_same(one, example) for one in query.examples):
        return query
    return replace(query, examples=(*query.examples, example)[-MAX_EXAMPLES:], page=1)


def without_example(query: Query, example: Example) -> Query:
    """Look no longer for what is like this."""
    kept = tuple(one for one in query.examples if not _same(one, example))
    return replace(query, examples=kept, page=1)


def with_weight(query: Query, example: Example, weight: float) -> Query:
    """Let an example count more or less."""
    changed = tuple(
        replace(one, weight=weight) if _same(one, example) else one for one in query.examples
    )
    return replace(query, examples=changed, page=1)


def more_like(query: Query, key: FrameKey) -> Query:
    """Mark a hit as right; marked so already, it is not any more."""
    more, less = _marked(key, query.more, query.less)
    return replace(query, more=more, less=less, page=1)


def less_like(query: Query, key: FrameKey) -> Query:
    """Mark a hit as wrong; marked so already, it is not any more."""
    less, more = _marked(key, query.less, query.more)
    return replace(query, more=more, less=less, page=1)


def similar_to(query: Query, key: FrameKey) -> Query:
    """Look for what is like this frame and nothing else, in the same part of the library."""
    return Query(
        examples=(Example(frame=key),),
        films=query.films,
        years=query.years,
        labels=query.labels,
        page_size=query.page_size,
    )


def without_words(query: Query) -> Query:
    """Look no longer for the words; those to avoid stay."""
    phrases = [match[0] for match in AVOIDED.finditer(query.words)]
    return replace(query, words=" ".join(phrases), words_weight=1.0, mode=Mode.BOTH, page=1)


def without_avoided(query: Query, phrase: str) -> Query:
    """Avoid this no longer, whether it was typed with a minus sign or listed."""

    def kept(match: re.Match[str]) -> str:
        return "" if (match[1] or match[2] or "").strip() == phrase else match[0]

    words = " ".join(AVOIDED.sub(kept, query.words).split())
    listed = [one for one in replace(query, words="").avoided if one != phrase]
    return replace(query, words=words, avoid=", ".join(listed), page=1)


def without_filters(query: Query) -> Query:
    """Look in the whole library."""
    return replace(query, films=(), years=(None, None), labels=(), page=1)


def with_mode(query: Query, mode: Mode) -> Query:
    """Look for the words elsewhere: in the pictures, in the dialogue, or in both."""
    return replace(query, mode=mode, page=1)


def with_order(query: Query, order: Order) -> Query:
    """The same hits, ordered otherwise."""
    return replace(query, order=order, page=1)


def _same(one: Example, other: Example) -> bool:
    return (one.frame, one.picture) == (other.frame, other.picture)


def _marked(
    key: FrameKey, here: tuple[FrameKey, ...], there: tuple[FrameKey, ...]
) -> tuple[tuple[FrameKey, ...], tuple[FrameKey, ...]]:
    """A mark put among those `here`, or taken off; a frame is never marked both ways."""
    others = tuple(one for one in there if one != key)
    if key in here:
        return tuple(one for one in here if one != key), others
    return (*here, key)[-MAX_EXAMPLES:], others
