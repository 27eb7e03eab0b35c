"""Addresses that change the query of a page a little: what a hit can be used for."""

from dataclasses import dataclass

from django import template
from django.template.context import RequestContext
from django.urls import reverse
from django.utils.http import urlencode

from gallery.finding import composing
from gallery.finding.address import address, parameters
from gallery.types import Hit, Query

register = template.Library()


@dataclass(frozen=True, slots=True)
class Uses:
    """What a hit can be used for, each an address.

    `frame` shows it; `more` and `less` mark it as right or wrong, or take the mark off; `similar`
    searches for its like alone; `in_film` looks for the same in its film only.
    """

    frame: str
    similar: str
    in_film: str
    more: str = ""
    less: str = ""
    is_more: bool = False


@register.simple_tag(takes_context=True)
def uses_of(context: RequestContext, hit: Hit) -> Uses:
    """What a hit can be used for, given the page's `query`; `place` makes addresses of queries."""
    query: Query = context.get("query") or Query()
    place = context.get("place") or address
    asked = urlencode(parameters(query))
    frame = reverse("frame", args=hit.key)
    return Uses(
        frame=f"{frame}?{asked}" if asked else frame,
        similar=address(composing.similar_to(query, hit.key)),
        in_film=address(query, films=(hit.film,)),
        more=place(composing.more_like(query, hit.key)) if query.kind else "",
        less=place(composing.less_like(query, hit.key)) if query.kind else "",
        is_more=hit.key in query.more,
    )


@register.filter
def ends_film(hit: Hit, hits: list[Hit]) -> bool:
    """Whether a hit is the last of its film among `hits`, and the film has more of them."""
    return hit.more_in_film and [one for one in hits if one.film == hit.film][-1] is hit


@register.filter
def weight(number: float) -> str:
    """A weight as people write it: ½, 1, 2."""
    return {0.5: "½", 0.25: "¼"}.get(number, f"{number:g}")


@register.filter
def percent_whole(part: float) -> str:
    """A part of one as people say it: 83 %."""
    return f"{round(part * 100)}\u00a0%"
