"""Addresses of frames and pictures of this site among the words of a query.

Somebody who has found a frame pastes its address, or drops its picture, into the search box: it
becomes an example.
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
    """The names under which this site is known to who asks, with their ports."""
    return {request.get_host(), urlsplit(settings.PUBLIC_URL).netloc} - {""}


def replace_pasted_urls(query: Query, hosts: Collection[str]) -> Query:
    """The query with each address of a frame or picture here as an example instead of a word.

    `hosts` are the names under which this site is known, with their ports. Other addresses stay
    words.
    """
    found = {word: _example(word, hosts) for word in query.words.split() if "/" in word}
    examples = [example for example in found.values() if example is not None]
    if not examples:
        return query
    kept = [word for word in query.words.split() if found.get(word) is None]
    return reduce(with_example, examples, replace(query, words=" ".join(kept)))


def _example(word: str, hosts: Collection[str]) -> Example | None:
    found = _resolved(word, hosts)
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


def _resolved(word: str, hosts: Collection[str]) -> ResolverMatch | None:
    """What lies at an address of this site; None for other words."""
    try:
        parts = urlsplit(word)
        if parts.netloc and (parts.scheme not in ("http", "https") or parts.netloc not in hosts):
            return None
        return resolve(parts.path)
    except (ValueError, Resolver404):
        return None
