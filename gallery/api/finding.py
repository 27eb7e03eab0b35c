"""Searching: by the same parameters as the address of a page, and with a picture of one's own."""

from dataclasses import replace
from typing import Annotated, Any

from django.http import HttpRequest
from django.utils.translation import gettext_noop
from ninja import Field, File, Query, Router, Schema, Status
from ninja.files import UploadedFile
from pydantic import BeforeValidator

from gallery import types as kinds
from gallery.api import schemas
from gallery.api.errors import ApiError
from gallery.api.guard import ANYBODY
from gallery.api.paging import MOST, USUAL, around
from gallery.api.refusals import refusals
from gallery.api.shown import Shower
from gallery.finding import pasted, search
from gallery.finding.address import address
from gallery.forms import MOST_CHOSEN, MOST_PAGES, PictureForm, SearchForm
from gallery.models import LAST_YEAR
from gallery.nearest import library, pictures, rebuilding
from gallery.types import Example

router = Router(tags=["Search"])

FRAME = r"^\d{1,9}-\d{1,9}$"
WEIGHED_FRAME = r"^\d{1,9}-\d{1,9}(\*\d{1,2}(\.\d{1,3})?)?$"
WEIGHED_PICTURE = r"^[0-9a-f]{32}(\*\d{1,2}(\.\d{1,3})?)?$"


def _given(value: Any) -> Any:
    """A parameter without a value is one that was left out; forms send such."""
    if isinstance(value, list):
        return [one for one in value if one]
    return value or None


Maybe = BeforeValidator(_given)
Year = Annotated[Annotated[int, Field(ge=1, le=LAST_YEAR)] | None, Maybe]
Ids = Annotated[list[Annotated[int, Field(ge=1, lt=10**18)]], Maybe, Field(max_length=MOST_CHOSEN)]
Frames = Annotated[list[Annotated[str, Field(pattern=FRAME)]], Maybe]


class Asked(Schema):
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
    in_: Annotated[kinds.Mode | None, Maybe] = Field(
        None,
        alias="in",
        description="Where to search: seen, said or both (the default).",
    )
    sort: Annotated[kinds.Order | None, Maybe] = Field(
        None, description="Sort order; by relevance by default."
    )
    film: Ids = Field([], description="Only these films.")
    from_: Year = Field(None, alias="from", description="Only films from this year or later.")
    to: Year = Field(None, description="Only films from this year or earlier.")
    label: Ids = Field([], description="Only shots that have all of these labels.")


class Pages(Schema):
    """Which results."""

    page: Annotated[Annotated[int, Field(ge=1, le=MOST_PAGES)] | None, Maybe] = Field(
        None, description="Page number, from 1."
    )
    page_size: int = Field(USUAL, ge=1, le=MOST, description="Results per page.")


def query_of(request: HttpRequest) -> kinds.Query:
    """The search in an address, understood as the page does. Raises QueryError."""
    return pasted.understood(SearchForm(request.GET).query(), pasted.hosts_of(request))


def _rebuilding() -> list[str]:
    """A sentence while films are put into the index again."""
    found = rebuilding.state(library.catalogue())
    return [str(found)] if found else []


@router.get(
    "/search",
    auth=ANYBODY,
    response={200: schemas.Hits, **refusals(400)},
    operation_id="search",
    url_name="search",
    summary=gettext_noop("Find scenes"),
)
def find(
    request: HttpRequest,
    asked: Query[Asked],  # noqa: ARG001 - described and checked; the page's own form reads it
    pages: Query[Pages],
) -> Any:
    """Shots that match words, frames and pictures, best first.

    Takes the parameters of the search page and returns the same results in the same order. At
    least one of `q`, `frame`, `picture` and `more` is required.
    """
    query = replace(query_of(request), page_size=pages.page_size)
    found = search.search(query)
    shower = Shower(request)
    more = found.more and query.page < MOST_PAGES
    return {
        "results": shower.hits(found.hits),
        **around(request, query.page, query.page_size, more),
        "matches": found.matches,
        "notices": [*_rebuilding(), *found.notices],
        "search_page": shower.absolute(address(query, page=query.page)),
    }


@router.post(
    "/pictures",
    auth=ANYBODY,
    response={201: schemas.KeptPicture, **refusals(400, 413, 503, 507)},
    operation_id="keep_picture",
    url_name="pictures",
    summary=gettext_noop("Upload a picture to search with"),
)
def keep_picture(
    request: HttpRequest,
    picture: File[UploadedFile],  # noqa: ARG001 - described; the page's own form reads it
) -> Any:
    """Upload a picture, such as a screenshot, and search with `picture=TOKEN`.

    JPEG, PNG, WebP, GIF, AVIF, HEIC, TIFF or BMP. The same picture always gets the same token and
    is kept for 30 days.
    """
    form = PictureForm(request.POST, request.FILES)
    if not form.is_valid():
        raise ApiError(400, " ".join(str(m) for some in form.errors.values() for m in some))
    token = pictures.keep(form.cleaned_data["picture"])
    shower = Shower(request)
    query = kinds.Query(examples=(Example(picture=token),))
    return Status(
        201,
        {
            "picture": token,
            "url": shower.here("probe_picture", token),
            "search": f"{shower.resource('search')}?{address(query).partition('?')[2]}",
        },
    )
