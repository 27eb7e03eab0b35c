"""The search page, and the pictures to search with."""

from dataclasses import replace
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST, require_safe

from gallery.core.errors import GalleryError, IndexMissing, http_status
from gallery.core.pages import cache_forever, jpeg_response, limit_searches
from gallery.films import rebuilding
from gallery.films.rebuilding import Rebuilding
from gallery.search import engine, pasted, pictures, refining
from gallery.search.address import MAX_PAGES, parse_query, search_url
from gallery.search.forms import PictureForm
from gallery.search.home import home_context
from gallery.search.operators import apply_operators
from gallery.search.search_page import SearchPage, in_film
from gallery.search.types import Example, Query

# Pages loaded while scrolling. Then a button loads more, so that the footer can be reached.
MAX_AUTOLOADED_PAGES = 4


@require_safe
@limit_searches
def home(request: HttpRequest) -> HttpResponse:
    """Show the start page, or the results of the search in the address."""
    try:
        query = parse_query(request.GET)
    except GalleryError as error:
        return _render_query(request, Query(), error)
    meant = pasted.replace_pasted_urls(query, pasted.hosts_of(request))
    try:
        meant = apply_operators(meant)
    except GalleryError as error:
        return _render_query(request, query, error)
    if meant != query and meant.kind is None and meant == Query(films=meant.films[:1]):
        return redirect("film", *meant.films)  # nothing but the name of a film
    if meant != query or any("" in values for _name, values in request.GET.lists()):
        # Each search has one canonical address, whichever form or pasted URL it came from.
        return redirect(search_url(meant, page=meant.page))
    return _render_query(request, query)


def _render_query(
    request: HttpRequest, query: Query, error: GalleryError | None = None
) -> HttpResponse:
    """Render the page of a query. An error is shown above the hits, if these can be found."""
    page = SearchPage(query)
    context: dict[str, Any] = {
        "query": query,
        "asked": page,
        "here": request.get_full_path() if request.method == "GET" else search_url(query),
        "first_page": search_url(query),
        "others": page.catalogue.waiting,
        "rebuilding": _rebuilding_state(page),
    }
    should_search = query.kind is not None or query.avoided or query.less
    try:
        if should_search:
            context |= _results_context(page)
    except GalleryError as failure:
        error = error or failure
    if not should_search:
        context |= home_context(request)
    context["error"] = error
    if isinstance(error, IndexMissing):
        context["rebuilding"] = None  # the error message says so
    status = HTTPStatus.OK if error is None else http_status(error)
    template = "gallery/search/results.html" if should_search else "gallery/search/home.html"
    return render(request, template, context, status=status)


def _rebuilding_state(page: SearchPage) -> Rebuilding | None:
    try:
        return rebuilding.state(page.catalogue)
    except GalleryError:
        return None  # the search shows the error


def _results_context(page: SearchPage) -> dict[str, Any]:
    """Return the template context of a page of hits."""
    query = page.query
    results = engine.search(query, page.catalogue)
    first = (query.page - 1) * query.page_size + 1
    one_film = query.film if query.film in page.catalogue.films else None
    context: dict[str, Any] = {
        "results": results,
        "first": first,
        "last": first + len(results.hits) - 1,
        "weaker": len(results.hits) - results.rest if results.rest else 0,
        "correction": page.correction,
        "at_a_glance": in_film(one_film)(query) if one_film else "",
    }
    if query.page > 1:
        context["before"] = search_url(query, page=query.page - 1)
    if results.more and query.page < MAX_PAGES:
        context["after"] = search_url(query, page=query.page + 1)
        context["comes_unasked"] = query.page % MAX_AUTOLOADED_PAGES != 0
    return context


@require_POST
@limit_searches
def upload_picture(request: HttpRequest) -> HttpResponse:
    """Store a picture, add it to the query, and redirect to the search."""
    form = PictureForm(request.POST, request.FILES)
    try:
        query = parse_query(request.POST)
    except GalleryError as error:
        return _render_query(request, Query(), error)
    if not form.is_valid():
        messages = (str(m) for messages in form.errors.values() for m in messages)
        return _render_query(request, query, GalleryError(" ".join(messages)))
    token = pictures.store_picture(form.cleaned_data["picture"])
    query = refining.with_example(replace(query, page=1), Example(picture=token))
    return redirect(search_url(query))


@require_GET
@cache_forever
def probe_picture(_request: HttpRequest, token: str) -> HttpResponseBase:
    """Serve an uploaded picture."""
    return jpeg_response(pictures.picture_path(token))
