"""Films that the words of a search name by title, year or file name."""

import re
from collections.abc import Iterable
from functools import lru_cache

from gallery.films.catalogue import ListedFilm

MAX_NAMED_FILMS = 3
MIN_LETTERS = 3  # of the longest word of a search that is only a part of a title
_WORD = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]|[^\W_]+")  # each Chinese character is a word
_YEAR = re.compile(r"(?:18|19|20|21)\d\d")


def find_named_films(words: str, films: Iterable[ListedFilm]) -> list[ListedFilm]:
    """Return films whose title holds the words in order, or whose title the words hold.

    A year among the words has to be that of the film, unless it is in the title; a year on its own
    names the films of that year. Films whose whole title is named come first; at most
    MAX_NAMED_FILMS. If there are none, the words may be a part of the name of a file.
    """
    asked = _split(words)
    if not asked:
        return []
    films = list(films)
    ranked = [(rank, film) for film in films if (rank := _rank(asked, film)) is not None]
    if ranked:
        ranked.sort(key=lambda pair: pair[0])
        return [film for _rank_of, film in ranked[:MAX_NAMED_FILMS]]
    by_file = [film for film in films if _contains(_split(film.original_name), asked)]
    # Words of many file names, such as 1080p, mean none of them.
    return by_file if len(by_file) <= MAX_NAMED_FILMS and _is_telling(asked) else []


def find_films_by_name(name: str, films: Iterable[ListedFilm]) -> list[ListedFilm]:
    """Return the films with this title; else those whose title contains it; else by file name."""
    asked = _split(name)
    films = list(films)
    return (
        [film for film in films if _split(film.title) == asked]
        or [film for film in films if _contains(_split(film.title), asked)]
        or [film for film in films if _contains(_split(film.original_name), asked)]
    )


@lru_cache(maxsize=16_384)
def _split(text: str) -> tuple[str, ...]:
    """Return the words of a text. Cached, because each search compares all titles."""
    return tuple(_WORD.findall(text.casefold()))


def _rank(asked: tuple[str, ...], film: ListedFilm) -> int | None:
    """Return 0 if the words name the whole title, 1 for a part of it or the year, else None."""
    title = _split(film.title)
    years: tuple[str, ...] = ()
    wanted = asked
    if not _contains(title, asked):
        years = tuple(word for word in asked if _YEAR.fullmatch(word))
        if any(year != str(film.year) for year in years):
            return None
        wanted = tuple(word for word in asked if word not in years)
        if years and not wanted:
            return 1
    # A title of one word, such as It, is part of many searches that do not mean the film.
    if wanted == title or (_contains(wanted, title) and (len(title) > 1 or years)):
        return 0
    is_part = _contains(title, wanted) and _is_telling(wanted)
    return 1 if is_part else None


def _is_telling(words: tuple[str, ...]) -> bool:
    """Return whether a part of a title is long enough to mean the film."""
    return max(map(len, words), default=0) >= MIN_LETTERS or len(words) > 1


def _contains(whole: tuple[str, ...], part: tuple[str, ...]) -> bool:
    """Return whether the words of a part stand in the whole one after the other."""
    count = len(part)
    return count > 0 and any(whole[at : at + count] == part for at in range(len(whole) - count + 1))
