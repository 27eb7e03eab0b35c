"""The search: its box, its results, and the pictures that are searched with."""

from dataclasses import replace
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST, require_safe

from gallery.core.errors import GalleryError, IndexMissing, status_of
from gallery.core.pages import cache_forever, jpeg_response, limit_searches
from gallery.films import rebuilding
from gallery.films.rebuilding import Rebuilding
from gallery.search import engine, pasted, pictures, refining
from gallery.search.address import search_url
from gallery.search.forms import MAX_PAGES, PictureForm, SearchForm
from gallery.search.home import home_context
from gallery.search.search_page import SearchPage, in_film
from gallery.search.types import Example, Query

PAGES_UNASKED = 4  # pages that come by themselves while scrolling; then a button: there is a footer


@require_safe
@limit_searches
def home(request: HttpRequest) -> HttpResponse:
    """The start page, or the results of the search in the address."""
    try:
        query = SearchForm(request.GET).query()
    except GalleryError as error:
        return _page(request, Query(), error)
    meant = pasted.replace_pasted_urls(query, pasted.hosts_of(request))
    if meant != query or "" in _values(request.GET):
        # Each search has one address, whichever form or pasted address it came from.
        return redirect(search_url(meant, page=meant.page))
    return _page(request, query)


def _values(given: QueryDict) -> list[str]:
    return [value for _name, values in given.lists() for value in values]


def _page(request: HttpRequest, query: Query, error: GalleryError | None = None) -> HttpResponse:
    """The page of a query; an error stands where the hits would."""
    asked = SearchPage(query)
    context: dict[str, Any] = {
        "query": query,
        "asked": asked,
        "here": request.get_full_path() if request.method == "GET" else search_url(query),
        "first_page": search_url(query),
        "others": asked.catalogue.waiting,
        "rebuilding": _rebuilding(asked),
    }
    should_search = query.kind is not None or query.avoided or query.less
    try:
        if should_search and error is None:
            context |= _found(asked)
    except GalleryError as failure:
        error = failure
    if not should_search:
        context |= home_context()
    context["error"] = error
    if isinstance(error, IndexMissing):
        context["rebuilding"] = None  # the error says it
    status = HTTPStatus.OK
    if error is not None:
        status = status_of(error)
    template = "gallery/results.html" if should_search else "gallery/home.html"
    return render(request, template, context, status=status)


def _rebuilding(asked: SearchPage) -> Rebuilding | None:
    try:
        return rebuilding.state(asked.catalogue)
    except GalleryError:
        return None  # the search says what is wrong


def _found(asked: SearchPage) -> dict[str, Any]:
    """What a page of hits shows."""
    query = asked.query
    results = engine.search(query, asked.catalogue)
    first = (query.page - 1) * query.page_size + 1
    one_film = query.film if query.film in asked.catalogue.films else None
    found: dict[str, Any] = {
        "results": results,
        "first": first,
        "last": first + len(results.hits) - 1,
        "weaker": len(results.hits) - results.rest if results.rest else 0,
        "at_a_glance": in_film(one_film)(query) if one_film else "",
    }
    if query.page > 1:
        found["before"] = search_url(query, page=query.page - 1)
    if results.more and query.page < MAX_PAGES:
        found["after"] = search_url(query, page=query.page + 1)
        found["comes_unasked"] = query.page % PAGES_UNASKED != 0
    return found


@require_POST
@limit_searches
def upload_picture(request: HttpRequest) -> HttpResponse:
    """Keep a picture, and go to the search for what looks like it and has all the rest."""
    form = PictureForm(request.POST, request.FILES)
    try:
        query = SearchForm(request.POST).query()
    except GalleryError as error:
        return _page(request, Query(), error)
    if not form.is_valid():
        messages = (str(m) for messages in form.errors.values() for m in messages)
        return _page(request, query, GalleryError(" ".join(messages)))
    token = pictures.store_picture(form.cleaned_data["picture"])
    query = refining.with_example(replace(query, page=1), Example(picture=token))
    return redirect(search_url(query))


@require_GET
@cache_forever
def probe_picture(_request: HttpRequest, token: str) -> HttpResponseBase:
    """A picture that is searched with."""
    return jpeg_response(pictures.picture_path(token))
