"""The parameters of a search, as API operations declare them."""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Field, Schema
from pydantic import BeforeValidator

from gallery.films.models import LAST_YEAR
from gallery.search import pasted, types
from gallery.search.forms import MAX_CHOICES, SearchForm

FRAME = r"^\d{1,9}-\d{1,9}$"
WEIGHTED_FRAME = r"^\d{1,9}-\d{1,9}(\*\d{1,2}(\.\d{1,3})?)?$"
WEIGHTED_PICTURE = r"^[0-9a-f]{32}(\*\d{1,2}(\.\d{1,3})?)?$"


def drop_empty(value: Any) -> Any:
    """Treat an empty parameter as absent: HTML forms send empty fields."""
    if isinstance(value, list):
        return [item for item in value if item]
    return value or None


EmptyIsAbsent = BeforeValidator(drop_empty)
Year = Annotated[Annotated[int, Field(ge=1, le=LAST_YEAR)] | None, EmptyIsAbsent]
Ids = Annotated[
    list[Annotated[int, Field(ge=1, lt=10**18)]], EmptyIsAbsent, Field(max_length=MAX_CHOICES)
]
Frames = Annotated[list[Annotated[str, Field(pattern=FRAME)]], EmptyIsAbsent]
WeightedFrames = Annotated[list[Annotated[str, Field(pattern=WEIGHTED_FRAME)]], EmptyIsAbsent]
WeightedPictures = Annotated[list[Annotated[str, Field(pattern=WEIGHTED_PICTURE)]], EmptyIsAbsent]


class SearchParameters(Schema):
    """A search with the parameters of the search page: words, frames and pictures."""

    q: str = Field(
        "", description="Words to search for; -word excludes a word.", examples=["a dog -snow"]
    )
    w: Annotated[Annotated[float, Field(ge=0, le=99)] | None, EmptyIsAbsent] = Field(
        None, description="Weight of the words, 1 by default."
    )
    not_: str = Field("", alias="not", description="Words to avoid, separated by commas.")
    frame: WeightedFrames = Field(
        [], description="Frames to find similar scenes to: FILM-SECOND or FILM-SECOND*WEIGHT."
    )
    picture: WeightedPictures = Field(
        [],
        description="Pictures to find similar scenes to: TOKEN of POST /pictures, or TOKEN*WEIGHT.",
    )
    more: Frames = Field([], description="Good results: FILM-SECOND.")
    less: Frames = Field([], description="Bad results: FILM-SECOND.")
    in_: Annotated[types.Mode | None, EmptyIsAbsent] = Field(
        None,
        alias="in",
        description="Where to search: seen, said or both (the default).",
    )
    sort: Annotated[types.Order | None, EmptyIsAbsent] = Field(
        None, description="Sort order; by relevance by default."
    )
    film: Ids = Field([], description="Only these films.")
    from_: Year = Field(None, alias="from", description="Only films from this year or later.")
    to: Year = Field(None, description="Only films from this year or earlier.")
    label: Ids = Field([], description="Only shots that have all of these labels.")


def parse_query(request: HttpRequest) -> types.Query:
    """Parse the search in the request's address as the search page does. Raises QueryError."""
    return pasted.replace_pasted_urls(SearchForm(request.GET).query(), pasted.hosts_of(request))
