"""API: films, their shots and lines, and the relevance of a query over their length."""

from typing import Annotated, Any

from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_noop
from ninja import Field, Query

from gallery.films.catalogue import searchable
from gallery.films.models import Film
from gallery.films.shortcuts import film_or_404
from gallery.rest import schemas
from gallery.rest.paging import Page, Paging, paginate
from gallery.rest.routing import Router
from gallery.rest.serializers import Serializer, select_listed_films
from gallery.search import pasted, relevance_curve
from gallery.search.address import SearchParameters, Year
from gallery.transcripts.models import Line
from gallery.transcripts.types import LineKind

router = Router(tags=["Films"])


class FilmFilters(Paging):
    """Filters for the list of films."""

    title: Annotated[str, Field(max_length=200), schemas.STORABLE] = Field(
        "", description="Only titles that contain this text."
    )
    from_: Year = Field(None, alias="from", description="Only films from this year or later.")
    to: Year = Field(None, description="Only films from this year or earlier.")


@router.get("/films", response=Page[schemas.Film], summary=gettext_noop("List films"))
def list_films(request: HttpRequest, filters: Query[FilmFilters]) -> Any:
    """The searchable films, newest first."""
    films = searchable()
    if filters.title:
        films = films.filter(title__icontains=filters.title)
    if filters.from_ is not None:
        films = films.filter(year__gte=filters.from_)
    if filters.to is not None:
        films = films.filter(year__lte=filters.to)
    return paginate(request, select_listed_films(films), filters, Serializer(request).film)


@router.get("/films/{number:film_id}", response=schemas.Film, summary=gettext_noop("Get a film"))
def get_film(request: HttpRequest, film_id: int) -> Any:
    """Details of a film."""
    film = get_object_or_404(select_listed_films(Film.objects.filter(pk=film_or_404(film_id).pk)))
    return Serializer(request).film(film)


@router.get(
    "/films/{number:film_id}/shots",
    response=Page[schemas.Shot],
    summary=gettext_noop("List the shots of a film"),
)
def list_shots(request: HttpRequest, film_id: int, paging: Query[Paging]) -> Any:
    """The shots of a film in order. Shots without a frame are left out."""
    film = film_or_404(film_id)
    serializer = Serializer(request)
    return paginate(request, film.shots.all(), paging, lambda shot: serializer.shot(film, shot))


class LineFilters(Paging):
    """Filters for the lines."""

    language: Annotated[str, Field(max_length=20), schemas.STORABLE] = Field(
        "", description="Only this language, as a BCP 47 tag."
    )
    kind: LineKind | None = Field(
        None, description="Only dialogue (said), or only text in the picture (written)."
    )
    start: float = Field(0, ge=0, description="Only lines after this time, in seconds.")
    end: float | None = Field(None, ge=0, description="Only lines before this time, in seconds.")


@router.get(
    "/films/{number:film_id}/lines",
    response=Page[schemas.Line],
    summary=gettext_noop("List the lines of a film"),
)
def list_lines(request: HttpRequest, film_id: int, filters: Query[LineFilters]) -> Any:
    """The dialogue and the text in the picture in order, in every language."""
    film = film_or_404(film_id)
    lines = Line.objects.shown(filters.kind)
    lines = lines.filter(subtitles__film=film, end__gt=filters.start)
    if filters.language:
        lines = lines.filter(subtitles__language__iexact=filters.language)
    if filters.end is not None:
        lines = lines.filter(start__lt=filters.end)
    lines = lines.select_related("subtitles").order_by("start", "subtitles_id", "number")
    serializer = Serializer(request)
    return paginate(request, lines, filters, lambda line: serializer.line(film, line))


@router.get(
    "/films/{number:film_id}/relevance",
    response=schemas.Curve,
    summary=gettext_noop("Relevance over a film"),
)
def film_relevance(
    request: HttpRequest,
    film_id: int,
    parameters: Query[SearchParameters],
) -> Any:
    """How relevant a query is at each moment of a film, as its page shows it.

    Takes the parameters of a search; `film`, `from` and `to` are ignored.
    """
    film = film_or_404(film_id)
    query = pasted.replace_pasted_urls(parameters.to_query(), pasted.hosts_of(request))
    try:
        curve = relevance_curve.curve(film, query)
    except FileNotFoundError as error:
        raise Http404 from error
    serializer = Serializer(request)
    return {
        "times": curve.times.tolist(),
        "seconds": curve.seconds.tolist(),
        "relevance": curve.relevance.tolist(),
        "peaks": [
            {
                "frame": serializer.frame_name(film, peak.record.second, peak.record.time),
                "relevance": peak.relevance,
            }
            for peak in curve.peaks
        ],
        "matches": curve.results.matches,
    }
