"""The films, and one film at a glance."""

from dataclasses import replace
from http import HTTPStatus

from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_safe

from gallery.errors import GalleryError, status_of
from gallery.finding import barcode as barcodes
from gallery.finding import glance, pasted
from gallery.finding.address import address
from gallery.finding.glance import Curve
from gallery.forms import SearchForm
from gallery.models import Film, FilmQuerySet
from gallery.nearest import library
from gallery.types import Query
from gallery.views.asked import Asked, Choice, in_film
from gallery.views.common import FOR_EVER, SEARCHES, film_or_404, jpeg
from gallery.views.glances import Glance
from gallery.views.transcripts import transcript

FILMS_PER_PAGE = 48
SHOTS_PER_PAGE = 60
SORTED = {
    "newest": ("-created", "-pk"),
    "title": ("title", "pk"),
    "year": ("year", "title", "pk"),
    "length": ("-duration", "pk"),
}


# --- the list -------------------------------------------------------------------------------------


@require_safe
def film_list(request: HttpRequest) -> HttpResponse:
    """All films, or those with some words in their titles, in one of several orders."""
    # PostgreSQL takes no NUL.
    wanted = request.GET.get("title", "").replace("\0", "").strip()[:200]
    order = request.GET.get("sort", "")
    order = order if order in SORTED else "newest"
    found = _titled(library.searchable(), wanted).order_by(*SORTED[order])
    page = Paginator(found.with_posters(), FILMS_PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "wanted": wanted, "order": order, "orders": _orders(wanted, order)}
    return render(request, "gallery/films.html", context)


def _titled(films: FilmQuerySet, wanted: str) -> FilmQuerySet:
    """Films with each of these words in their title, or of that year."""
    for word in wanted.split():
        match = Q(title__icontains=word)
        if word.isdecimal() and len(word) == len("1999"):
            match |= Q(year=int(word))
        films = films.filter(match)
    return films


def _orders(wanted: str, current: str) -> list[Choice]:
    texts = {
        "newest": _("Newest"),
        "title": _("Title"),
        "year": _("Year"),
        "length": _("Length"),
    }
    home = reverse("films")
    found = []
    for order, text in texts.items():
        given = {"title": wanted, "sort": order if order != "newest" else ""}
        asked = urlencode({name: value for name, value in given.items() if value})
        found.append(Choice(order, text, f"{home}?{asked}" if asked else home, order == current))
    return found


# --- one film -------------------------------------------------------------------------------------


@require_safe
@SEARCHES
def film(request: HttpRequest, film_id: int) -> HttpResponse:
    """A film: where it is relevant to the query in the address, its shots, and its lines."""
    shown = film_or_404(film_id)
    place = in_film(shown.pk)
    query, curve, error = Query(), None, None
    try:
        query = _within(SearchForm(request.GET).query())
        meant = pasted.understood(query, pasted.hosts_of(request))
        if meant != query or any("" in values for _name, values in request.GET.lists()):
            return redirect(place(meant))
        if query.kind or query.avoided or query.less:
            curve = _curve(shown, query)
    except GalleryError as failure:
        error = failure
    context = {
        "film": shown,
        "query": query,
        "asked": Asked(query, place),
        "place": place,
        "all_hits": address(query, films=(shown.pk,)),
        "everywhere": address(query),
        "glance": Glance(shown, query, curve),
        "curve": curve,
        "error": error,
        "page": Paginator(shown.shots.all(), SHOTS_PER_PAGE).get_page(request.GET.get("page")),
        "transcript": transcript(shown, query, request.GET, curve.lines if curve else ()),
    }
    status = status_of(error) if error else HTTPStatus.OK
    return render(request, "gallery/film.html", context, status=status)


@require_safe
@SEARCHES
def film_lines(request: HttpRequest, film_id: int) -> HttpResponse:
    """What is said in a film, part by part."""
    shown = film_or_404(film_id)
    try:
        query = _within(SearchForm(request.GET).query())
    except GalleryError:
        query = Query()
    found = transcript(shown, query, request.GET)
    if found is None:
        raise Http404
    return render(
        request, "gallery/lines.html", {"film": shown, "query": query, "transcript": found}
    )


@require_GET
@FOR_EVER
def barcode(_request: HttpRequest, uid: str, run: int) -> HttpResponseBase:
    """A film as one picture, made when it is first asked for."""
    shown = get_object_or_404(Film, uid=uid, searchable_run=run)
    try:
        return jpeg(barcodes.of_film(shown))
    except FileNotFoundError as error:
        raise Http404 from error


def _within(query: Query) -> Query:
    """A query on a film's own page: there is nothing to choose films by."""
    return replace(query, films=(), years=(None, None), labels=(), page=1)


def _curve(shown: Film, query: Query) -> Curve:
    try:
        return glance.curve(shown, query)
    except FileNotFoundError as error:
        raise GalleryError(_("This film's search data is missing. Re-import the film.")) from error
