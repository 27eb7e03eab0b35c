"""The parameters of a search, as operations of the API take them."""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Field, Schema
from pydantic import BeforeValidator

from gallery.films.models import LAST_YEAR
from gallery.search import pasted, types
from gallery.search.forms import MAX_CHOICES, SearchForm

FRAME = r"^\d{1,9}-\d{1,9}$"


WEIGHED_FRAME = r"^\d{1,9}-\d{1,9}(\*\d{1,2}(\.\d{1,3})?)?$"


WEIGHED_PICTURE = r"^[0-9a-f]{32}(\*\d{1,2}(\.\d{1,3})?)?$"


def split_given(value: Any) -> Any:
    """A parameter without a value is one that was left out; forms send such."""
    if isinstance(value, list):
        return [one for one in value if one]
    return value or None


Maybe = BeforeValidator(split_given)


Year = Annotated[Annotated[int, Field(ge=1, le=LAST_YEAR)] | None, Maybe]


Ids = Annotated[list[Annotated[int, Field(ge=1, lt=10**18)]], Maybe, Field(max_length=MAX_CHOICES)]


Frames = Annotated[list[Annotated[str, Field(pattern=FRAME)]], Maybe]


class SearchParameters(Schema):
    """A search with the parameters of the search page: words, frames and pictures."""

    q: str = Field(
        "", description="Words to search for; -word excludes a word.", examples=["a dog -snow"]
    )
    w: Annotated[Annotated[float, Field(ge=0, le=99)] | None, Maybe] = Field(
        None, description="Weight of the words, 1 by default."
    )
    not_: str = Field("", alias="not", description="Words to avoid, separated by commas.")
    frame: Annotated[list[Annotated[str, Field(pattern=WEIGHED_FRAME)]], Maybe] = Field(
        [], description="Frames to find similar scenes to: FILM-SECOND or FILM-SECOND*WEIGHT."
    )
    picture: Annotated[list[Annotated[str, Field(pattern=WEIGHED_PICTURE)]], Maybe] = Field(
        [],
        description="Pictures to find similar scenes to: TOKEN of POST /pictures, or TOKEN*WEIGHT.",
    )
    more: Frames = Field([], description="Good results: FILM-SECOND.")
    less: Frames = Field([], description="Bad results: FILM-SECOND.")
    in_: Annotated[types.Mode | None, Maybe] = Field(
        None,
        alias="in",
        description="Where to search: seen, said or both (the default).",
    )
    sort: Annotated[types.Order | None, Maybe] = Field(
        None, description="Sort order; by relevance by default."
    )
    film: Ids = Field([], description="Only these films.")
    from_: Year = Field(None, alias="from", description="Only films from this year or later.")
    to: Year = Field(None, description="Only films from this year or earlier.")
    label: Ids = Field([], description="Only shots that have all of these labels.")


def parse_query(request: HttpRequest) -> types.Query:
    """The search in an address, understood as the page does. Raises QueryError."""
    return pasted.replace_pasted_urls(SearchForm(request.GET).query(), pasted.hosts_of(request))
