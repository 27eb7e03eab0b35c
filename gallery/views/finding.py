"""The search: its box, its results, and the pictures that are searched with."""

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST, require_safe

from gallery import pictures, search, weights
from gallery.address import address
from gallery.errors import GalleryError, IndexUnavailable
from gallery.forms import PictureForm, SearchForm
from gallery.models import Film
from gallery.types import Example, Query
from gallery.views.common import BY_HTMX, FOR_EVER, jpeg, searchable

NEWEST = 12


@require_safe
@BY_HTMX
def home(request: HttpRequest) -> HttpResponse:
    """The search box with the newest films, or the results of the search in the address."""
    form = SearchForm(request.GET)
    context: dict[str, Any] = {
        "newest": [],
        "films": searchable().order_by("title"),
        "others": Film.objects.embedded_otherwise(weights.current().fingerprint).count(),
    }
    status = HTTPStatus.OK
    try:
        query = form.query()
        context["query"] = query
        if query.film is not None:
            context["film"] = Film.objects.filter(pk=query.film).first()
        if query.kind is None:
            context["newest"] = searchable()[:NEWEST]
        else:
            context["results"] = search.search(query)
            context["more_address"] = address(query, page=query.page + 1)
    except IndexUnavailable as error:
        context["error"], status = error, HTTPStatus.SERVICE_UNAVAILABLE
    except GalleryError as error:
        context["error"], status = error, HTTPStatus.BAD_REQUEST
    template = "gallery/home.html"
    if request.htmx and not request.htmx.boosted and "results" in context:  # type: ignore[attr-defined]
        template = "gallery/_hits.html"
    return render(request, template, context, status=status)


@require_POST
def upload_picture(request: HttpRequest) -> HttpResponse:
    """Keep a picture, and go to the search for what looks like it."""
    form = PictureForm(request.POST, request.FILES)
    if "upload_error" in request.__dict__:
        message = str(request.__dict__["upload_error"])
        return render(request, "gallery/error.html", {"message": message}, status=507)
    if not form.is_valid():
        message = " ".join(str(m) for messages in form.errors.values() for m in messages)
        return render(request, "gallery/error.html", {"message": message}, status=400)
    films = tuple(filter(None, [form.cleaned_data["film"]]))
    token = pictures.keep(form.cleaned_data["picture"])
    return redirect(address(Query(examples=(Example(picture=token),), films=films)))


@require_GET
@FOR_EVER
def probe_picture(_request: HttpRequest, token: str) -> HttpResponseBase:
    """A picture that is searched with."""
    return jpeg(pictures.probe_path(token))
