"""Template tags for cards of hits and the URLs on them."""

from collections.abc import Callable
from typing import TypedDict

from django import template
from django.template.context import RequestContext
from django.urls import reverse
from django.utils.translation import gettext as _

from gallery.films.shortcuts import thumbnail_url
from gallery.films.template_tags import clock, percent, timecode
from gallery.films.thumbnails import thumbnail_srcset
from gallery.search import refining
from gallery.search.address import search_url, to_parameters, urlencode
from gallery.search.types import Hit, Order, Query, Results
from gallery.transcripts.types import FoundLine

register = template.Library()


class Card(TypedDict):
    """What the card of a hit shows: texts and URLs.

    It is a dictionary because templates look up keys several times faster than attributes. `key`
    identifies the frame within the page, `pick` the scene in a selection. `frame` is its page;
    `more` and `less` toggle its marks; `similar` searches for this frame only; `in_film` searches
    its film only, "" unless that finds more. `is_faint`: in order of time, a hit that hardly
    matches.
    """

    film: int
    title: str
    year: int | None
    second: int
    start: float
    end: float
    thumbnail: str
    thumbnail_sizes: str
    shape: str
    is_upright: bool
    line: FoundLine | None
    is_faint: bool
    key: str
    pick: str
    time: str
    timecode: str
    description: str
    shot: str
    relevance: str
    relevance_help: str
    relevance_width: str
    frame: str
    similar: str
    more: str
    less: str
    is_more: bool
    in_film: str


@register.simple_tag(takes_context=True)
def cards_of(context: RequestContext, hits: list[Hit], are_results: bool = False) -> list[Card]:
    """Return the cards of hits, for the page's `query`; the context's `place` builds URLs of
    queries.

    `are_results`: the last hit of each film links to more hits in that film.
    """
    query: Query = context.get("query") or Query()
    place: Callable[[Query], str] = context.get("place") or search_url
    parameters, can_mark = urlencode(to_parameters(query)), query.kind is not None
    results: Results | None = context.get("results")
    can_fade = query.order is Order.TIME and results is not None and results.matches
    last_of_film = {hit.film: hit for hit in hits} if are_results else {}

    def card(hit: Hit) -> Card:
        film = hit.listed_film
        time, frame = clock(hit.time), reverse("frame", args=hit.key)
        part = {"part": percent_whole(hit.relevance)}
        is_last = last_of_film.get(hit.film) is hit
        return Card(
            film=hit.film,
            title=film.title,
            year=film.year,
            second=hit.second,
            start=hit.start,
            end=hit.end,
            thumbnail=thumbnail_url(film, hit.second),
            thumbnail_sizes=thumbnail_srcset(film, hit.second),
            shape=f"{film.thumbnail_shape:.4f}",
            is_upright=film.thumbnail_shape < 1,
            line=hit.line,
            is_faint=can_fade and not hit.matches,
            pick=f"{hit.film} {hit.second} {hit.start:.6f} {hit.end:.6f}",
            key=f"{hit.film}-{hit.second}",
            time=time,
            timecode=timecode(hit.time, film.rate),
            description=_("Frame of %(film)s at %(time)s") % {"film": film.title, "time": time},
            shot=_("Shot from %(start)s to %(end)s")
            % {"start": clock(hit.start), "end": clock(hit.end)},
            relevance=_("Relevance %(part)s") % part,
            relevance_help=_("%(part)s of this search's best match") % part,
            relevance_width=percent(hit.relevance),
            frame=f"{frame}?{parameters}" if parameters else frame,
            similar=search_url(refining.similar_to(query, hit.key)),
            more=place(refining.more_like(query, hit.key)) if can_mark else "",
            less=place(refining.less_like(query, hit.key)) if can_mark else "",
            is_more=hit.key in query.more,
            in_film=search_url(query, films=(hit.film,)) if is_last and hit.more_in_film else "",
        )

    return [card(hit) for hit in hits]


@register.filter
def weight(number: float) -> str:
    """Format a weight: ½, 1, 2."""
    return {0.5: "½", 0.25: "¼"}.get(number, f"{number:g}")


@register.filter
def percent_whole(part: float) -> str:
    """Format a fraction as a whole percentage: 83 %."""
    return f"{round(part * 100)}\u00a0%"
