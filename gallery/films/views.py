"""The list of films, and the page of one film."""

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
from django_htmx.http import HttpResponseClientRefresh

from gallery.core import access
from gallery.core.errors import GalleryError, ModelError, http_status
from gallery.core.pages import cache_forever, jpeg_response, limit_searches
from gallery.films import barcode as barcodes
from gallery.films import catalogue, import_list
from gallery.films.curve_page import Glance
from gallery.films.models import Film, FilmQuerySet
from gallery.films.shortcuts import film_or_404
from gallery.search import pasted, relevance_curve
from gallery.search.address import parse_query, search_url
from gallery.search.relevance_curve import Curve
from gallery.search.search_page import Choice, SearchPage, in_film
from gallery.search.types import Query
from gallery.transcripts.transcript_page import build_transcript

FILMS_PER_PAGE = 48
SHOTS_PER_PAGE = 60
SORT_ORDERS = {
    "newest": ("-created", "-pk"),
    "title": ("title", "pk"),
    "year": ("year", "title", "pk"),
    "length": ("-duration", "pk"),
}


# --- the list -------------------------------------------------------------------------------------


@require_safe
def film_list(request: HttpRequest) -> HttpResponse:
    """List all films, or those whose titles contain the given words."""
    # PostgreSQL does not accept NUL.
    wanted = request.GET.get("title", "").replace("\0", "").strip()[:200]
    order = request.GET.get("sort", "")
    order = order if order in SORT_ORDERS else "newest"
    found = _filter_by_title(catalogue.searchable(), wanted).order_by(*SORT_ORDERS[order])
    page = Paginator(found.with_posters(), FILMS_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "wanted": wanted,
        "order": order,
        "orders": _sort_choices(wanted, order),
    }
    if not wanted and page.number == 1:
        context |= import_list.list_imports(request)
    return render(request, "gallery/films/films.html", context)


def _filter_by_title(films: FilmQuerySet, wanted: str) -> FilmQuerySet:
    """Return films that have each of these words in their title or file name, or as their year."""
    for word in wanted.split():
        match = Q(title__icontains=word) | Q(original_name__icontains=word)
        if word.isdecimal() and len(word) == len("1999"):
            match |= Q(year=int(word))
        films = films.filter(match)
    return films


def _sort_choices(wanted: str, current: str) -> list[Choice]:
    texts = {
        "newest": _("Newest"),
        "title": _("Title"),
        "year": _("Year"),
        "length": _("Length"),
    }
    page = reverse("films")
    choices = []
    for order, text in texts.items():
        given = {"title": wanted, "sort": order if order != "newest" else ""}
        parameters = urlencode({name: value for name, value in given.items() if value})
        url = f"{page}?{parameters}" if parameters else page
        choices.append(Choice(order, text, url, order == current))
    return choices


@require_safe
def imports(request: HttpRequest) -> HttpResponse:
    """Show the progress of imports, for pages that list them."""
    given = [value for value in request.GET.getlist("film") if value.isdecimal()]
    watched = [int(value[:18]) for value in given[: 2 * import_list.MAX_LISTED]]
    context = import_list.list_imports(request, watched)
    return render(request, "gallery/films/_imports.html", context)


# --- one film -------------------------------------------------------------------------------------


@require_safe
@limit_searches
def film(request: HttpRequest, film_id: int) -> HttpResponse:
    """Show a film: its relevance to the query in the address, its shots and its dialogue.

    During its first import, show the progress.
    """
    shown = get_object_or_404(Film, pk=film_id)
    if shown.searchable_run is None:
        return render(request, "gallery/films/importing.html", {"film": shown})
    if request.htmx and request.htmx.target == f"import-{film_id}":  # type: ignore[attr-defined]
        return HttpResponseClientRefresh()  # its import has just finished
    place = in_film(shown.pk)
    query, curve, error = Query(), None, None
    try:
        query = _drop_filters(parse_query(request.GET))
        meant = pasted.replace_pasted_urls(query, pasted.hosts_of(request))
        if meant != query or any("" in values for _name, values in request.GET.lists()):
            return redirect(place(meant))
        if query.kind or query.avoided or query.less:
            curve = _load_curve(shown, query)
    except GalleryError as failure:
        error = failure
    context = {
        "film": shown,
        "is_away": shown.is_away,
        "uses_another_model": _uses_another_model(shown),
        "query": query,
        "asked": SearchPage(query, place),
        "place": place,
        "all_hits": search_url(query, films=(shown.pk,)),
        "everywhere": search_url(query),
        "glance": Glance(shown, query, curve),
        "curve": curve,
        "error": error,
        "page": Paginator(shown.shots.all(), SHOTS_PER_PAGE).get_page(request.GET.get("page")),
        "transcript": build_transcript(shown, query, request.GET, curve.lines if curve else ()),
        "play_url": _play_url(request, shown),
    }
    status = http_status(error) if error else HTTPStatus.OK
    return render(request, "gallery/films/film.html", context, status=status)


def _uses_another_model(shown: Film) -> bool:
    """Return whether the model in use cannot search a film; False when there is no model."""
    try:
        return not catalogue.is_searchable(shown)
    except ModelError:
        return False


def _play_url(request: HttpRequest, shown: Film) -> str:
    """Return where the whole film plays: on the page of its first shot. "" if it cannot."""
    first = shown.shots.first()
    if first is None or shown.is_away or not access.may_play_films(request.user):
        return ""
    return f"{reverse('frame', args=[shown.pk, first.second])}#whole"


@require_safe
def film_activity(request: HttpRequest, film_id: int) -> HttpResponse:
    """Show what a background job does with a film, for its page that asks while one is running."""
    shown = get_object_or_404(Film, pk=film_id)
    context = {"film": shown, "has_ended": True}
    return render(request, "gallery/films/_activity.html", context)


@require_safe
@limit_searches
def film_lines(request: HttpRequest, film_id: int) -> HttpResponse:
    """Show a part of a film's dialogue."""
    shown = film_or_404(film_id)
    try:
        query = _drop_filters(parse_query(request.GET))
    except GalleryError:
        query = Query()
    found = build_transcript(shown, query, request.GET)
    if found is None:
        raise Http404
    return render(
        request,
        "gallery/transcripts/lines.html",
        {"film": shown, "query": query, "transcript": found},
    )


@require_GET
@cache_forever
def barcode(_request: HttpRequest, uid: str, run: int) -> HttpResponseBase:
    """Serve a film's barcode, rendered on first use."""
    shown = get_object_or_404(Film, uid=uid, searchable_run=run)
    try:
        return jpeg_response(barcodes.of_film(shown))
    except FileNotFoundError as error:
        raise Http404 from error


def _drop_filters(query: Query) -> Query:
    """Return a query for a film's own page, without filters."""
    return replace(query, films=(), years=(None, None), labels=(), page=1)


def _load_curve(shown: Film, query: Query) -> Curve:
    try:
        return relevance_curve.curve(shown, query)
    except FileNotFoundError as error:
        raise GalleryError(_("This film's search data is missing. Re-import the film.")) from error
