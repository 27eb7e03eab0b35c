"""Operators in the words of a search: `film:playtime`, `film:"the town"`, `year:1960-1970`.

They set the same filters as the Refine panel. The Chinese names and the full-width colon work, too.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches

from django.utils.translation import gettext as _

from gallery.core.errors import QueryError
from gallery.films.catalogue import Catalogue, ListedFilm, YearRange, load_catalogue
from gallery.films.models import LAST_YEAR
from gallery.search.address import MAX_CHOICES
from gallery.search.named_films import find_films_by_name
from gallery.search.types import Query

OPERATOR = re.compile(
    r"(?<!\S)(?P<minus>[-\u2212\uff0d]?)(?:(?P<film>film|影片|电影)|year|年份)[:：]"
    r"(?:[\"“「《](?P<quoted>[^\"”」》]+)[\"”」》]?|(?P<word>[^\s\"“「《]+))",
    re.IGNORECASE,
)
# An operator without a value: at the end, or before another one.
_UNFINISHED = re.compile(
    r"(?<!\S)[-\u2212\uff0d]?(?P<operator>(?:(?P<film>film|影片|电影)|year|年份)[:：])"
    r"[\"“”「」《》]*(?=\s*$|\s+[-\u2212\uff0d]?(?:film|影片|电影|year|年份)[:：])",
    re.IGNORECASE,
)
_YEARS = re.compile(r"(\d{4})?(?:(-|–|—|~|\.\.)(\d{4})?)?")


def apply_operators(query: Query, catalogue: Catalogue | None = None) -> Query:
    """Return the query with its operators turned into filters.

    `catalogue`: the films, if already loaded. Several films are alternatives, as in the Refine
    panel; of several years, the last one counts. Raises QueryError for a film or a year that it
    does not understand.
    """
    if unfinished := _UNFINISHED.search(query.words):
        raise QueryError(_ask_for_value(unfinished))
    if not OPERATOR.search(query.words):
        return query
    catalogue = catalogue or load_catalogue()
    films, years = list(query.films), query.years
    for match in OPERATOR.finditer(query.words):
        if match["minus"]:
            raise QueryError(
                _("Films and years cannot be left out of a search. Write %(operator)s without "
                  "the minus sign.") % {"operator": match[0][1:]}
            )  # fmt: skip
        value = (match["quoted"] or match["word"]).strip()
        if match["film"]:
            films += [film.pk for film in _films_named(value, catalogue.searchable)]
        else:
            years = _parse_years(value)
    words = " ".join(OPERATOR.sub(" ", query.words).split())
    return replace(query, words=words, films=tuple(dict.fromkeys(films)), years=years)


def has_operators(words: str) -> bool:
    """Return whether there are operators among some words, also such as are refused."""
    return bool(OPERATOR.search(words) or _UNFINISHED.search(words))


def names_films_only(query: Query) -> bool:
    """Return whether a query without operators has filters, but nothing to search for."""
    is_filtered = bool(query.films or any(query.years))
    return is_filtered and query.kind is None and not query.avoided and not query.less


def _ask_for_value(unfinished: re.Match[str]) -> str:
    if unfinished["film"]:
        text = _("Write a title after “%(operator)s”, such as %(operator)splaytime.")
    else:
        text = _("Write a year after “%(operator)s”, such as %(operator)s1967.")
    return text % {"operator": unfinished["operator"]}


def _films_named(name: str, films: Sequence[ListedFilm]) -> list[ListedFilm]:
    found = find_films_by_name(name, films)
    if len(found) > MAX_CHOICES:
        raise QueryError(
            _("“%(name)s” is in more than %(most)d titles. Write more of the title.")
            % {"name": name, "most": MAX_CHOICES}
        )
    if found:
        return found
    titles = {film.title.casefold(): film.title for film in films}
    near = get_close_matches(name.casefold(), titles, n=1, cutoff=0.7)
    if near:
        raise QueryError(
            _("No film is called “%(name)s”. Did you mean film:\"%(title)s\"?")
            % {"name": name, "title": titles[near[0]]}
        )  # fmt: skip
    raise QueryError(
        _("No film is called “%(name)s”. Look up its title in the list of films, or choose films "
          "under Refine.") % {"name": name}
    )  # fmt: skip


def _parse_years(value: str) -> YearRange:
    """Return the first and last year of 1967, 1960-1970, 1960- or -1970."""
    match = _YEARS.fullmatch(value)
    years = [int(year) for year in (match[1], match[3]) if year] if match else []
    if match is None or not years or not all(1 <= year <= LAST_YEAR for year in years):
        raise QueryError(
            _("“%(value)s” is not a year. Write year:1967 or year:1960-1970.") % {"value": value}
        )
    if len(years) == 2:
        return min(years), max(years)
    if not match[2]:
        return years[0], years[0]
    return (years[0], None) if match[1] else (None, years[0])
