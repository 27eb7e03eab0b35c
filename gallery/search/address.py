"""The address of a query. Every search can be shared, and the back button works.

    q=WORDS  w=WEIGHT      words, with -avoided ones among them, and their weight
    not=WORDS              words to avoid, separated by commas
    frame=FILM-SECOND*WEIGHT  picture=TOKEN*WEIGHT    examples; the weight is optional
    more=FILM-SECOND  less=FILM-SECOND                hits marked as right or wrong
    in=both|seen|said  sort=relevance|time
    film=ID  from=YEAR  to=YEAR  label=ID  page=NUMBER

frame, picture, more, less, film and label may be repeated.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any
from urllib.parse import quote_plus

from django.urls import reverse

from gallery.index.types import FrameKey
from gallery.search.types import Example, Mode, Order, Query


def to_parameters(query: Query) -> list[tuple[str, str]]:
    """Return the query as (name, value) pairs in a fixed order, without defaults."""
    pairs: list[tuple[str, Any]] = [
        ("q", query.words),
        ("w", _number(query.words_weight) if query.words_weight != 1 else ""),
        ("not", query.avoid),
    ]
    for example in query.examples:
        name = "frame" if example.frame else "picture"
        pairs.append((name, example_text(example)))
    pairs += [("more", frame_text(key)) for key in query.more]
    pairs += [("less", frame_text(key)) for key in query.less]
    pairs.append(("in", query.mode if query.mode is not Mode.BOTH else ""))
    pairs.append(("sort", query.order if query.order is not Order.RELEVANCE else ""))
    pairs += [("film", film) for film in query.films]
    pairs += [("from", query.years[0] or ""), ("to", query.years[1] or "")]
    pairs += [("label", label) for label in query.labels]
    pairs.append(("page", query.page if query.page > 1 else ""))
    return [(name, str(value)) for name, value in pairs if value != ""]


def search_url(query: Query, **changes: Any) -> str:
    """Return the URL of a search, with changes; any change but `page` leads to page 1."""
    changes.setdefault("page", 1)
    return f"{page_url('home')}?{urlencode(to_parameters(replace(query, **changes)))}"


@cache
def page_url(name: str) -> str:
    """Return the URL of a page without arguments, which never changes."""
    return reverse(name)


def urlencode(pairs: Iterable[tuple[str, str]]) -> str:
    """Encode pairs as a query string. Values are cached: pages repeat most of them many times."""
    return "&".join(f"{name}={_quoted(value)}" for name, value in pairs)


_quoted = lru_cache(maxsize=1024)(quote_plus)


def frame_text(key: FrameKey) -> str:
    """Format a frame for an address: FILM-SECOND."""
    return f"{key[0]}-{key[1]}"


def example_text(example: Example) -> str:
    """Format an example for an address, with its weight unless that is 1."""
    what = frame_text(example.frame) if example.frame else example.picture
    return what if example.weight == 1 else f"{what}*{_number(example.weight)}"


def _number(weight: float) -> str:
    return f"{weight:g}"
