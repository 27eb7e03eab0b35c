"""The query as pages show it: its parts and filters, each with URLs that change them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gallery.films import catalogue as library
from gallery.films.catalogue import Catalogue, ListedFilm
from gallery.films.shortcuts import thumbnail_url
from gallery.index.types import FrameKey
from gallery.labels import scoring
from gallery.labels.models import Label
from gallery.labels.scoring import ShotCount
from gallery.search import refining
from gallery.search.address import search_url, to_parameters, urlencode
from gallery.search.named_films import find_named_films
from gallery.search.operators import has_operators
from gallery.search.spelling import correct_spelling
from gallery.search.types import Example, Mode, Order, ProbeKind, Query
from gallery.transcripts import dialogue
from gallery.transcripts.types import LineKind

UrlBuilder = Callable[[Query], str]
"""Returns the URL of the page that shows a query."""

BOX_PARAMETERS = ("q", "page")  # set by a search box itself
FILTER_PARAMETERS = ("not", "film", "from", "to", "label")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a query or a filter; `remove`, `lighter` and `heavier` are URLs or ""."""

    kind: str
    text: str
    remove: str
    weight: float = 1.0
    lighter: str = ""
    heavier: str = ""
    thumbnail: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several options, and the URL that selects it."""

    value: str
    text: str
    address: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class FilmChoice:
    """A film that the search can be limited to."""

    pk: int
    title: str
    year: int | None
    is_chosen: bool


def in_film(film_id: int) -> UrlBuilder:
    """Return a URL builder for the page of a film, which searches this film only."""

    page = reverse("film", args=[film_id])

    def place(query: Query) -> str:
        unfiltered = replace(query, films=(), years=(None, None), labels=())
        parameters = urlencode(to_parameters(unfiltered))
        return f"{page}?{parameters}" if parameters else page

    return place


class SearchPage:
    """A query and what its page shows of it. `place` builds the URLs of that page."""

    def __init__(self, query: Query, place: UrlBuilder = search_url) -> None:
        self.query = query
        self.place = place

    @cached_property
    def catalogue(self) -> Catalogue:
        """The searchable films."""
        return library.load_catalogue()

    # --- title ------------------------------------------------------------------------------------

    @property
    def title(self) -> str:
        """The query in a few words, for the page title."""
        query = self.query
        likes = len(query.examples) + len(query.more)
        if query.wanted:
            if not likes:
                return query.wanted
            return ngettext(
                "%(words)s, similar to %(n)d picture", "%(words)s, similar to %(n)d pictures", likes
            ) % {"words": query.wanted, "n": likes}
        if query.single_frame is not None:
            return _("Scenes similar to this frame")
        if query.kind is ProbeKind.PICTURE:
            return _("Scenes similar to your picture")
        if likes:
            return ngettext(
                "Scenes similar to %(n)d picture", "Scenes similar to %(n)d pictures", likes
            ) % {"n": likes}
        return _("Search")

    # --- parts of the query -----------------------------------------------------------------------

    @cached_property
    def parts(self) -> list[Part]:
        """The removable parts of the query. Words on their own are already in the search box."""
        query = self.query
        weighted = self._count > 1
        found = []
        if query.wanted and (weighted or query.words_weight != 1):
            found.append(self._words(weighted=weighted))
        found += [self._example(example, weighted=weighted) for example in query.examples]
        found += [
            self._frame("more", key, self.place(refining.more_like(query, key)))
            for key in query.more
        ]
        found += [
            self._frame("less", key, self.place(refining.less_like(query, key)))
            for key in query.less
        ]
        found += [
            Part("avoided", phrase, self.place(refining.without_avoided(query, phrase)))
            for phrase in query.avoided
        ]
        return found

    @property
    def _count(self) -> int:
        """How many parts are weighted against each other."""
        query = self.query
        words = bool(query.wanted) + len(query.avoided)
        return words + len(query.examples) + bool(query.more) + bool(query.less)

    def _words(self, *, weighted: bool) -> Part:
        query = self.query

        def weighing(weight: float | None) -> str:
            if weight is None or not weighted:
                return ""
            return self.place(replace(query, words_weight=weight, page=1))

        return Part(
            "words",
            query.wanted,
            self.place(refining.without_words(query)),
            query.words_weight,
            weighing(refining.lighter(query.words_weight)),
            weighing(refining.heavier(query.words_weight)),
        )

    def _example(self, example: Example, *, weighted: bool) -> Part:
        query = self.query

        def weighing(weight: float | None) -> str:
            if weight is None or not weighted:
                return ""
            return self.place(refining.with_weight(query, example, weight))

        remove = self.place(refining.without_example(query, example))
        lighter = weighing(refining.lighter(example.weight))
        heavier = weighing(refining.heavier(example.weight))
        if example.frame:
            part = self._frame("frame", example.frame, remove)
            return replace(part, weight=example.weight, lighter=lighter, heavier=heavier)
        picture = reverse("probe_picture", args=[example.picture])
        return Part(
            "picture", _("Your picture"), remove, example.weight, lighter, heavier, picture, picture
        )

    def _frame(self, kind: str, key: FrameKey, remove: str) -> Part:
        film = self.catalogue.films.get(key[0])
        if film is None:
            return Part(kind, _("deleted film"), remove)
        link = reverse("frame", args=key)
        return Part(kind, film.title, remove, thumbnail=thumbnail_url(film, key[1]), link=link)

    # --- filters ----------------------------------------------------------------------------------

    @cached_property
    def filters(self) -> list[Part]:
        """The active filters, each removable."""
        query = self.query
        found = [
            Part(
                "film",
                str(self.catalogue.films.get(film, _("deleted film"))),
                self.place(replace(query, films=tuple(o for o in query.films if o != film))),
            )
            for film in query.films
        ]
        if any(query.years):
            all_years = replace(query, years=(None, None))
            found.append(Part("years", format_years(query.years), self.place(all_years)))
        names = Label.objects.in_bulk(query.labels) if query.labels else {}
        found += [
            Part(
                "label",
                names[label].name if label in names else _("deleted label"),
                self.place(replace(query, labels=tuple(o for o in query.labels if o != label))),
            )
            for label in query.labels
        ]
        return found

    @cached_property
    def named_films(self) -> list[ListedFilm]:
        """The films that the words name, or those of a filter without anything to search for."""
        if self.query.kind is None and any(self.query.years):
            return self.catalogue.select(self.query.films, self.query.years)
        if self.query.films or self.query.page > 1:
            return []
        if has_operators(self.query.words):
            return []
        return find_named_films(self.query.wanted, self.catalogue.searchable)

    @cached_property
    def correction(self) -> Choice | None:
        """The same search with misspelt words corrected, if there are any.

        Raises IndexUnavailable.
        """
        if self.query.page > 1:
            return None
        words = correct_spelling(self.query.words, self._list_names())
        if not words:
            return None
        return Choice("", words, self.place(replace(self.query, words=words)), is_current=False)

    def _list_names(self) -> Iterator[str]:
        """Yield the names in the library. Nothing is read unless they are asked for."""
        for film in self.catalogue.searchable:
            yield from (film.title, film.original_name)
        yield from (label.name for label in self._label_counts)

    @property
    def everywhere(self) -> str:
        """The URL of the same search in the whole library."""
        return self.place(refining.without_filters(self.query))

    @cached_property
    def film_choices(self) -> list[FilmChoice]:
        """All films, the selected ones first."""
        chosen = set(self.query.films)
        found = [
            FilmChoice(film.pk, film.title, film.year, is_chosen=film.pk in chosen)
            for film in self.catalogue.searchable
        ]
        return sorted(found, key=lambda choice: not choice.is_chosen)

    @cached_property
    def label_choices(self) -> list[tuple[ShotCount, bool]]:
        """The labels that occur in the selected films and years, and whether each is selected."""
        chosen = set(self.query.labels)
        return [
            (one, one.label in chosen)
            for one in self._label_counts
            if one.shots or one.label in chosen
        ]

    @cached_property
    def _label_counts(self) -> list[ShotCount]:
        """All labels, with their shots in the selected films and years."""
        return scoring.count_shots(self.query.films, self.query.years)

    @cached_property
    def known_years(self) -> dict[str, int | None]:
        """The `first` and `last` year of the library's films; None when no film has a year."""
        years = [film.year for film in self.catalogue.searchable if film.year is not None]
        return {"first": min(years, default=None), "last": max(years, default=None)}

    # --- mode and order ---------------------------------------------------------------------------

    @cached_property
    def modes(self) -> list[Choice]:
        """Where words can be searched for; empty without words or without any lines."""
        kinds = dialogue.line_kinds() if self.query.wanted else frozenset()
        if not kinds:
            return []
        texts = [(Mode.BOTH, _("Everything")), (Mode.SEEN, _("Seen"))]
        if LineKind.SAID in kinds or self.mode is Mode.SAID:
            texts.append((Mode.SAID, _("Said")))
        if LineKind.WRITTEN in kinds or self.mode is Mode.WRITTEN:
            texts.append((Mode.WRITTEN, _("Written")))
        return [
            Choice(mode, text, self.place(refining.with_mode(self.query, mode)), mode == self.mode)
            for mode, text in texts
        ]

    @property
    def mode(self) -> Mode:
        """Where words are searched for."""
        return self.query.mode

    @cached_property
    def orders(self) -> list[Choice]:
        """The available orders of hits."""
        texts = ((Order.RELEVANCE, _("Best first")), (Order.TIME, _("By film")))
        return [
            Choice(
                order,
                text,
                self.place(refining.with_order(self.query, order)),
                order == self.query.order,
            )
            for order, text in texts
        ]

    # --- hidden fields of forms -------------------------------------------------------------------

    @property
    def carried(self) -> list[tuple[str, str]]:
        """Hidden fields of a search box: all of the query but its words and page."""
        return [pair for pair in to_parameters(self.query) if pair[0] not in BOX_PARAMETERS]

    @property
    def hidden_fields_without_filters(self) -> list[tuple[str, str]]:
        """Hidden fields of a search box whose filters are visible fields."""
        return [pair for pair in self.carried if pair[0] not in FILTER_PARAMETERS]

    @property
    def whole(self) -> list[tuple[str, str]]:
        """Hidden fields of the form that adds a picture: everything but the page."""
        return [pair for pair in to_parameters(self.query) if pair[0] != "page"]

    # --- suggestions when nothing matches ---------------------------------------------------------

    @property
    def suggestions(self) -> list[tuple[str, str]]:
        """Other searches that may find more, as (sentence, URL)."""
        query = self.query
        found = []
        if query.quoted:
            text = _("Search without quotation marks")
            found.append((text, self.place(refining.without_quotes(query))))
        modes = set[str]()
        if self.catalogue.select(query.films, query.years):
            modes = {choice.value for choice in self.modes if not choice.is_current}
        if query.quoted:  # said and written lines were searched
            modes &= {Mode.BOTH}
        texts = {
            Mode.BOTH: _("Search everything"),
            Mode.SAID: _("Search dialogue only"),
            Mode.WRITTEN: _("Search text in the picture only"),
        }
        found += [
            (text, self.place(refining.with_mode(query, mode)))
            for mode, text in texts.items()
            if mode in modes
        ]
        found += [
            (
                _("Stop avoiding “%(words)s”") % {"words": phrase},
                self.place(refining.without_avoided(query, phrase)),
            )
            for phrase in query.avoided
        ]
        if self.filters:
            found.append((_("Search the whole library"), self.everywhere))
        return found


def format_years(years: tuple[int | None, int | None]) -> str:
    """Format a range of years."""
    first, last = years
    if first and last:
        return str(first) if first == last else f"{first}\u2013{last}"
    if first:
        return _("%(year)d or later") % {"year": first}
    return _("%(year)d or earlier") % {"year": last}
