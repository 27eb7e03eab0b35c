"""A film's whole length as its page draws it."""

from dataclasses import dataclass
from functools import cached_property

from django.urls import reverse
from django.utils.http import urlencode

from gallery.films import drawing
from gallery.films.drawing import Stretch
from gallery.films.models import Film
from gallery.films.shortcuts import nearest_frame
from gallery.search.address import to_parameters
from gallery.search.relevance_curve import Curve, Peak
from gallery.search.types import Query

STRIP = 16  # pictures in a strip over the whole film


@dataclass(frozen=True)
class Glance:
    """A film's whole length as its page draws it; `curve` is None without a query."""

    film: Film
    query: Query
    curve: Curve | None = None

    @cached_property
    def _shots(self) -> list[tuple[float, float, int]]:
        return list(self.film.shots.values_list("start", "end", "second"))

    def frame(self, second: int) -> str:
        """The address of a frame, with the query that led to it."""
        asked = urlencode(to_parameters(self.query))
        page = reverse("frame", args=[self.film.pk, second])
        return f"{page}?{asked}" if asked else page

    @property
    def area(self) -> str:
        """The curve as a closed SVG path."""
        return self._path(closed=True)

    @property
    def edge(self) -> str:
        """The curve as an SVG path."""
        return self._path(closed=False)

    def _path(self, *, closed: bool) -> str:
        if self.curve is None:
            return ""
        return drawing.curve_path(
            self.curve.times, self.curve.relevance, self.film.duration, closed=closed
        )

    @property
    def points(self) -> str:
        """The curve for scripts: SECOND:PERCENT, one a point."""
        if self.curve is None:
            return ""
        percents = (self.curve.relevance * 100).round().astype(int).tolist()
        seconds = self.curve.seconds.tolist()
        return " ".join(f"{a}:{b}" for a, b in zip(seconds, percents, strict=True))

    @cached_property
    def peaks(self) -> list[tuple[Peak, float, float, str]]:
        """What stands out: the peak, its place in percent from the left and the ground, a link."""
        length = self.film.duration or 1
        return [
            (
                peak,
                peak.record.time / length * 100,
                peak.relevance * 100,
                self.frame(peak.record.second),
            )
            for peak in (self.curve.peaks if self.curve else ())
        ]

    @cached_property
    def heard(self) -> list[tuple[float, float]]:
        """Where the words are said: from the left and width, in percent."""
        length = self.film.duration or 1
        lines = self.curve.lines if self.curve else ()
        return [(one.start / length * 100, (one.end - one.start) / length * 100) for one in lines]

    @cached_property
    def bands(self) -> list[tuple[Stretch, str]]:
        """The shots as stretches of the film's length, with links."""
        found = drawing.bands(self._shots, self.film.duration)
        return [(one, self.frame(one.second)) for one in found]

    @property
    def cuts(self) -> str:
        """Where shots begin, as an SVG path."""
        return drawing.cuts_path([start for start, _end, _second in self._shots], self.duration)

    @property
    def duration(self) -> float:
        """How long the film is, in seconds."""
        return self.film.duration

    @cached_property
    def strip(self) -> list[tuple[int, str]]:
        """Pictures from the whole film at even distances: their seconds, and links."""
        middles = ((n + 0.5) / STRIP * self.duration for n in range(STRIP))
        seconds = (nearest_frame(self.film, middle) for middle in middles)
        return [(second, self.frame(second)) for second in seconds if second is not None]

    @property
    def scale(self) -> list[tuple[float, int]]:
        """Marks along the film: percent of its length, and seconds."""
        return drawing.scale(self.duration)
