"""What was asked, as pages show it: the parts of a query, each with addresses that change it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gallery.films import catalogue as library
from gallery.films.catalogue import Catalogue
from gallery.films.shortcuts import thumbnail_url
from gallery.index.types import FrameKey
from gallery.labels import scoring
from gallery.labels.models import Label
from gallery.labels.scoring import Tally
from gallery.search import refining
from gallery.search.address import search_url, to_parameters, urlencode
from gallery.search.types import Example, Mode, Order, ProbeKind, Query
from gallery.transcripts.models import Subtitles

UrlBuilder = Callable[[Query], str]
"""Gives the address of the page that shows a query."""

IN_THE_BOX = ("q", "page")  # parameters that a search box sets itself
IN_THE_FILTERS = ("not", "film", "from", "to", "label")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a query or a filter; `remove`, `lighter` and `heavier` are addresses or ""."""

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
    """One of several ways to search, and the address that takes it."""

    value: str
    text: str
    address: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class FilmChoice:
    """A film that the search can keep to."""

    pk: int
    title: str
    year: int | None
    is_chosen: bool


def in_film(film_id: int) -> UrlBuilder:
    """The page of a film, where all that a query asks for is looked for in it alone."""

    page = reverse("film", args=[film_id])

    def place(query: Query) -> str:
        asked = urlencode(to_parameters(replace(query, films=(), years=(None, None), labels=())))
        return f"{page}?{asked}" if asked else page

    return place


class SearchPage:
    """A query and what its page needs to show of it. `place` says which page that is."""

    def __init__(self, query: Query, place: UrlBuilder = search_url) -> None:
        self.query = query
        self.place = place

    @cached_property
    def catalogue(self) -> Catalogue:
        """The films of now."""
        return library.load_catalogue()

    # --- what it says in words --------------------------------------------------------------------

    @property
    def title(self) -> str:
        """The query in a few words, for the page's title."""
        query = self.query
        likes = len(query.examples) + len(query.more)
        if query.wanted:
            if not likes:
                return query.wanted
            return ngettext(
                "%(words)s, similar to %(n)d picture", "%(words)s, similar to %(n)d pictures", likes
            ) % {"words": query.wanted, "n": likes}
        if query.own is not None:
            return _("Scenes similar to this frame")
        if query.kind is ProbeKind.PICTURE:
            return _("Scenes similar to your picture")
        if likes:
            return ngettext(
                "Scenes similar to %(n)d picture", "Scenes similar to %(n)d pictures", likes
            ) % {"n": likes}
        return _("Search")

    # --- its parts --------------------------------------------------------------------------------

    @cached_property
    def parts(self) -> list[Part]:
        """What it is made of, each part removable; words alone are in the search box already."""
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
        """How many parts are weighed against each other."""
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

    # --- the filters ------------------------------------------------------------------------------

    @cached_property
    def filters(self) -> list[Part]:
        """The part of the library that it keeps to, each filter removable."""
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
            everywhen = replace(query, years=(None, None))
            found.append(Part("years", years_text(query.years), self.place(everywhen)))
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

    @property
    def everywhere(self) -> str:
        """The address of the same search in the whole library."""
        return self.place(refining.without_filters(self.query))

    @cached_property
    def film_choices(self) -> list[FilmChoice]:
        """All films, the chosen ones first."""
        chosen = set(self.query.films)
        found = [
            FilmChoice(film.pk, film.title, film.year, is_chosen=film.pk in chosen)
            for film in self.catalogue.searchable
        ]
        return sorted(found, key=lambda choice: not choice.is_chosen)

    @cached_property
    def label_choices(self) -> list[tuple[Tally, bool]]:
        """All labels that a scene of the chosen films and years carries, and which are chosen."""
        chosen = set(self.query.labels)
        tallies = scoring.counts(self.query.films, self.query.years)
        return [(one, one.label in chosen) for one in tallies if one.shots or one.label in chosen]

    @cached_property
    def known_years(self) -> dict[str, int | None]:
        """The `first` and the `last` year of the library's films; None when none has a year."""
        years = [film.year for film in self.catalogue.searchable if film.year is not None]
        return {"first": min(years, default=None), "last": max(years, default=None)}

    # --- where and in which order -----------------------------------------------------------------

    @cached_property
    def modes(self) -> list[Choice]:
        """Where the words are looked for; none when there are no words, or no lines of dialogue."""
        if not self.query.wanted or not Subtitles.objects.exists():
            return []
        texts = ((Mode.BOTH, _("All")), (Mode.SEEN, _("Picture")), (Mode.SAID, _("Dialogue")))
        return [
            Choice(mode, text, self.place(refining.with_mode(self.query, mode)), mode == self.mode)
            for mode, text in texts
        ]

    @property
    def mode(self) -> Mode:
        """Where the words are looked for."""
        return self.query.mode

    @cached_property
    def orders(self) -> list[Choice]:
        """In which order hits can stand."""
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

    # --- what forms carry along -------------------------------------------------------------------

    @property
    def carried(self) -> list[tuple[str, str]]:
        """All of it but the words: hidden in a search box, so that new words keep the rest."""
        return [pair for pair in to_parameters(self.query) if pair[0] not in IN_THE_BOX]

    @property
    def hidden_fields_without_filters(self) -> list[tuple[str, str]]:
        """The same for a search box whose filters are fields of their own."""
        return [pair for pair in self.carried if pair[0] not in IN_THE_FILTERS]

    @property
    def whole(self) -> list[tuple[str, str]]:
        """All of it but the page: hidden in the form that adds a picture."""
        return [pair for pair in to_parameters(self.query) if pair[0] != "page"]

    # --- what can be tried when nothing matches ---------------------------------------------------

    @property
    def suggestions(self) -> list[tuple[str, str]]:
        """Other searches that may find more: a sentence and an address each."""
        query = self.query
        found = []
        if self.modes and query.mode is not Mode.BOTH:
            text = _("Search picture and dialogue")
            found.append((text, self.place(refining.with_mode(query, Mode.BOTH))))
        if self.modes and query.mode is not Mode.SAID:
            text = _("Search dialogue only")
            found.append((text, self.place(refining.with_mode(query, Mode.SAID))))
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


def years_text(years: tuple[int | None, int | None]) -> str:
    """A stretch of years in words."""
    first, last = years
    if first and last:
        return str(first) if first == last else f"{first}\u2013{last}"
    if first:
        return _("%(year)d or later") % {"year": first}
    return _("%(year)d or earlier") % {"year": last}
