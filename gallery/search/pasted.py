"""Replaces URLs of this site in a query by examples.

A user who pastes the URL of a frame into the search box, or drops its picture there, searches for
similar frames.
"""

from collections.abc import Collection
from dataclasses import replace
from functools import reduce
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.urls import Resolver404, ResolverMatch, resolve

from gallery.films.models import Film
from gallery.search.refining import with_example
from gallery.search.types import Example, Query


def hosts_of(request: HttpRequest) -> set[str]:
    """Return the host names of this site, with ports, as this client knows them."""
    return {request.get_host(), urlsplit(settings.PUBLIC_URL).netloc} - {""}


def replace_pasted_urls(query: Query, hosts: Collection[str]) -> Query:
    """Return the query with each URL of a frame or picture of this site turned into an example.

    `hosts` are this site's host names, with ports. Other URLs remain words.
    """
    found = {word: _parse_example(word, hosts) for word in query.words.split() if "/" in word}
    examples = [example for example in found.values() if example is not None]
    if not examples:
        return query
    kept = [word for word in query.words.split() if found.get(word) is None]
    return reduce(with_example, examples, replace(query, words=" ".join(kept)))


def _parse_example(word: str, hosts: Collection[str]) -> Example | None:
    found = _resolve(word, hosts)
    if found is None:
        return None
    given = found.kwargs
    match found.url_name:
        case "frame":
            return Example(frame=(given["film_id"], given["second"]))
        case "thumbnail" | "still":
            film = Film.objects.filter(uid=given["uid"]).values_list("pk", flat=True).first()
            return Example(frame=(film, given["second"])) if film is not None else None
        case "probe_picture":
            return Example(picture=given["token"])
        case _:
            return None


def _resolve(word: str, hosts: Collection[str]) -> ResolverMatch | None:
    """Resolve a URL of this site; return None for any other word."""
    try:
        parts = urlsplit(word)
        if parts.netloc and (parts.scheme not in ("http", "https") or parts.netloc not in hosts):
            return None
        return resolve(parts.path)
    except (ValueError, Resolver404):
        return None
