"""The address of a query. Every search can be shared, and the back button works.

    q=WORDS  w=WEIGHT      words, with -avoided ones among them, and their weight
    not=WORDS              words to avoid, separated by commas
    frame=FILM-SECOND*WEIGHT  picture=TOKEN*WEIGHT    examples; the weight is optional
    more=FILM-SECOND  less=FILM-SECOND                hits marked as right or wrong
    in=both|seen|said  sort=relevance|time
    film=ID  from=YEAR  to=YEAR  label=ID  page=NUMBER

frame, picture, more, less, film and label may be repeated. Pages, forms and the API all parse it
with `SearchParameters` and write it with `to_parameters`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from typing import Annotated, Any, TypeVar, get_origin
from urllib.parse import quote_plus

from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from gallery.core.errors import QueryError
from gallery.films.models import LAST_YEAR
from gallery.index.types import FrameKey
from gallery.search.refining import MAX_EXAMPLES
from gallery.search.types import Example, Mode, Order, Query

MAX_CHOICES = 200  # films or labels in one query
MAX_PAGES = 200

# --- parsing --------------------------------------------------------------------------------------

FRAME = r"([0-9]{1,9})-([0-9]{1,9})"
TOKEN = r"([0-9a-f]{32})"
WEIGHT = r"(?:\*([0-9]{1,2}(?:\.[0-9]{1,3})?))?"


def _drop_empty(value: Any) -> Any:
    """Treat an empty parameter as absent: HTML forms send empty fields."""
    if isinstance(value, list):
        return [item for item in value if item]
    return value or None


def _clean_words(value: str) -> str:
    if "\0" in value:
        raise ValueError("null characters are not allowed")
    return value.strip()


EmptyIsAbsent = BeforeValidator(_drop_empty)
Words = Annotated[str, AfterValidator(_clean_words)]
Weight = Annotated[Annotated[float, Field(ge=0, le=99)] | None, EmptyIsAbsent]
Year = Annotated[Annotated[int, Field(ge=1, le=LAST_YEAR)] | None, EmptyIsAbsent]
Page = Annotated[Annotated[int, Field(ge=1, le=MAX_PAGES)] | None, EmptyIsAbsent]
Ids = Annotated[
    list[Annotated[int, Field(ge=0, lt=10**18)]], Field(max_length=MAX_CHOICES), EmptyIsAbsent
]
Frames = Annotated[
    list[Annotated[str, Field(pattern=f"^{FRAME}$")]], Field(max_length=MAX_EXAMPLES), EmptyIsAbsent
]
WeightedFrames = Annotated[
    list[Annotated[str, Field(pattern=f"^{FRAME}{WEIGHT}$")]],
    Field(max_length=MAX_EXAMPLES),
    EmptyIsAbsent,
]
WeightedPictures = Annotated[
    list[Annotated[str, Field(pattern=f"^{TOKEN}{WEIGHT}$")]],
    Field(max_length=MAX_EXAMPLES),
    EmptyIsAbsent,
]


class SearchParameters(BaseModel):
    """A search with the parameters of the search page: words, frames and pictures."""

    q: Words = Field(
        "",
        description="Words to search for, with the operators of the search box: -word excludes a "
        'word, "exact words" are said; film:playtime and year:1960-1970 are filters.',
        examples=["a dog -snow"],
    )
    w: Weight = Field(None, description="Weight of the words, 1 by default.")
    not_: Words = Field("", alias="not", description="Words to avoid, separated by commas.")
    frame: WeightedFrames = Field(
        [], description="Frames to find similar scenes to: FILM-SECOND or FILM-SECOND*WEIGHT."
    )
    picture: WeightedPictures = Field(
        [],
        description="Pictures to find similar scenes to: TOKEN of POST /pictures, or TOKEN*WEIGHT.",
    )
    more: Frames = Field([], description="Good results: FILM-SECOND.")
    less: Frames = Field([], description="Bad results: FILM-SECOND.")
    in_: Annotated[Mode | None, EmptyIsAbsent] = Field(
        None,
        alias="in",
        description="Where to search: seen (pictures), said (dialogue), written (text in the "
        "picture) or both (everything, the default).",
    )
    sort: Annotated[Order | None, EmptyIsAbsent] = Field(
        None, description="Sort order; by relevance by default."
    )
    film: Ids = Field([], description="Only these films.")
    from_: Year = Field(None, alias="from", description="Only films from this year or later.")
    to: Year = Field(None, description="Only films from this year or earlier.")
    label: Ids = Field([], description="Only shots that have all of these labels.")

    def to_query(self) -> Query:
        """Return the query, without repeated frames, pictures and filters."""
        return Query(
            words=self.q,
            words_weight=1.0 if self.w is None else self.w,
            avoid=self.not_,
            examples=_unique([_parse_example(text) for text in (*self.frame, *self.picture)]),
            more=_unique([_parse_frame(text) for text in self.more]),
            less=_unique([_parse_frame(text) for text in self.less]),
            mode=self.in_ or Mode.BOTH,
            order=self.sort or Order.RELEVANCE,
            films=_unique(self.film),
            years=(self.from_, self.to),
            labels=_unique(self.label),
        )


class PageParameters(SearchParameters):
    """A search and the page of its hits."""

    page: Page = Field(None, description="Page number, from 1.")

    def to_query(self) -> Query:
        """Return the query for one page of hits."""
        return replace(super().to_query(), page=self.page or 1)


T = TypeVar("T")

_REPEATABLE = {
    field.alias or name: get_origin(field.annotation) is list
    for name, field in PageParameters.model_fields.items()
}


def parse_query(given: QueryDict) -> Query:
    """Parse a search; other parameters are ignored. Raises QueryError if it is malformed."""
    values = {
        name: value
        for name, is_list in _REPEATABLE.items()
        if (value := given.getlist(name) if is_list else given.get(name)) is not None
    }
    try:
        return PageParameters.model_validate(values).to_query()
    except ValidationError as error:
        raise QueryError(_("This is not a valid search address.")) from error


def _unique(values: Sequence[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(values))


def _parse_frame(text: str) -> FrameKey:
    film, second = text.split("-")
    return int(film), int(second)


def _parse_example(text: str) -> Example:
    what, _star, weight = text.partition("*")
    if "-" in what:
        return Example(frame=_parse_frame(what), weight=float(weight or 1))
    return Example(picture=what, weight=float(weight or 1))


# --- writing --------------------------------------------------------------------------------------


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
