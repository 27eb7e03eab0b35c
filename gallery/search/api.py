"""API: search by the parameters of the search page's address, and pictures to search with."""

from dataclasses import replace
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from ninja import Field, File, Query, Status
from ninja.files import UploadedFile

from gallery.core.api_errors import ApiError
from gallery.core.errors import QueryError
from gallery.films import catalogue, rebuilding
from gallery.rest import schemas
from gallery.rest.paging import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, neighbour_urls
from gallery.rest.routing import Router
from gallery.rest.serializers import Serializer
from gallery.search import engine, pasted, pictures, types
from gallery.search.address import MAX_PAGES, PageParameters, search_url
from gallery.search.forms import PictureForm
from gallery.search.operators import apply_operators, names_films_only
from gallery.search.search_page import SearchPage
from gallery.search.types import Example

router = Router(tags=["Search"])


class Parameters(PageParameters):
    """A search, the page of its results, and their number."""

    page_size: int = Field(
        DEFAULT_PAGE_SIZE, ge=1, le=MAX_PAGE_SIZE, description="Results per page."
    )


def _rebuilding_notices() -> list[str]:
    """Return a notice while the index is being rebuilt, as a list of at most one sentence."""
    state = rebuilding.state(catalogue.load_catalogue())
    return [str(state)] if state else []


@router.get("/search", response=schemas.Hits, summary=gettext_noop("Find scenes"))
def search(
    request: HttpRequest,
    parameters: Query[Parameters],
) -> Any:
    """Shots that match words, frames and pictures, best first.

    Takes the parameters of the search page and returns the same results in the same order. At
    least one of `q`, `frame`, `picture` and `more` is required. A search that only names films
    or years, such as `year:1967`, gets error 400: `GET /films` lists films.
    """
    query = replace(parameters.to_query(), page_size=parameters.page_size)
    query = apply_operators(pasted.replace_pasted_urls(query, pasted.hosts_of(request)))
    if names_films_only(query):
        raise QueryError(
            _("This names films, but not what to find in them. Add words, a picture or a frame. "
              "GET /api/v1/films lists films by title and year.")
        )  # fmt: skip
    results = engine.search(query)
    correction = SearchPage(query).correction
    serializer = Serializer(request)
    has_more = results.more and query.page < MAX_PAGES
    return {
        "results": serializer.hits(results.hits),
        **neighbour_urls(request, query.page, query.page_size, has_more),
        "matches": results.matches,
        "did_you_mean": correction.text if correction else None,
        "notices": [*_rebuilding_notices(), *results.notices],
        "search_page": serializer.absolute(search_url(query, page=query.page)),
    }


@router.post(
    "/pictures",
    response={201: schemas.KeptPicture, 413: schemas.Error, 507: schemas.Error},
    summary=gettext_noop("Upload a picture to search with"),
)
def keep_picture(
    request: HttpRequest,
    picture: File[UploadedFile],  # noqa: ARG001 - documented; parsed by the form
) -> Any:
    """Upload a picture, such as a screenshot, and search with `picture=TOKEN`.

    JPEG, PNG, WebP, GIF, AVIF, HEIC, TIFF or BMP. The same picture always gets the same token and
    is kept for 30 days.
    """
    form = PictureForm(request.POST, request.FILES)
    if not form.is_valid():
        messages = (str(m) for errors in form.errors.values() for m in errors)
        raise ApiError(400, " ".join(messages))
    token = pictures.store_picture(form.cleaned_data["picture"])
    serializer = Serializer(request)
    query = types.Query(examples=(Example(picture=token),))
    return Status(
        201,
        {
            "picture": token,
            "url": serializer.here("probe_picture", token),
            "search": f"{serializer.resource('search')}?{search_url(query).partition('?')[2]}",
        },
    )
