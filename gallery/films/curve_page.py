"""The overview of a film's whole length on its page."""

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

STRIP_FRAMES = 16  # in a strip over the whole film


@dataclass(frozen=True)
class Glance:
    """The overview of a film; `curve` is None without a query."""

    film: Film
    query: Query
    curve: Curve | None = None

    @cached_property
    def _shots(self) -> list[tuple[float, float, int]]:
        return list(self.film.shots.values_list("start", "end", "second"))

    def frame(self, second: int) -> str:
        """Return the URL of a frame, with the query that led to it."""
        parameters = urlencode(to_parameters(self.query))
        page = reverse("frame", args=[self.film.pk, second])
        return f"{page}?{parameters}" if parameters else page

    @property
    def first_frame(self) -> str:
        """The URL of second 0, in which scripts replace the number."""
        return self.frame(0)

    @property
    def area(self) -> str:
        """The area below the curve as a closed SVG path."""
        return self._path(closed=True)

    @property
    def edge(self) -> str:
        """The curve as an open SVG path."""
        return self._path(closed=False)

    def _path(self, *, closed: bool) -> str:
        if self.curve is None:
            return ""
        return drawing.curve_path(
            self.curve.times, self.curve.relevance, self.film.duration, closed=closed
        )

    @property
    def points(self) -> str:
        """The curve for scripts: space-separated SECOND:PERCENT."""
        if self.curve is None:
            return ""
        percents = (self.curve.relevance * 100).round().astype(int).tolist()
        seconds = self.curve.seconds.tolist()
        return " ".join(f"{a}:{b}" for a, b in zip(seconds, percents, strict=True))

    @cached_property
    def peaks(self) -> list[tuple[Peak, float, float, str]]:
        """The peaks, each with its position in percent from the left and the bottom, and a URL."""
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
        """Where the words are spoken: position from the left and width, in percent."""
        length = self.film.duration or 1
        lines = self.curve.lines if self.curve else ()
        return [
            (line.start / length * 100, (line.end - line.start) / length * 100) for line in lines
        ]

    @cached_property
    def bands(self) -> list[tuple[Stretch, str]]:
        """The shots as parts of the film's length, with URLs."""
        bands = drawing.bands(self._shots, self.film.duration)
        return [(band, self.frame(band.second)) for band in bands]

    @property
    def cuts(self) -> str:
        """The cuts as an SVG path."""
        return drawing.cuts_path([start for start, _end, _second in self._shots], self.duration)

    @property
    def duration(self) -> float:
        """The length of the film in seconds."""
        return self.film.duration

    @cached_property
    def strip(self) -> list[tuple[int, str]]:
        """Evenly spaced frames of the film: their seconds and URLs."""
        middles = ((n + 0.5) / STRIP_FRAMES * self.duration for n in range(STRIP_FRAMES))
        seconds = (nearest_frame(self.film, middle) for middle in middles)
        return [(second, self.frame(second)) for second in seconds if second is not None]

    @property
    def scale(self) -> list[tuple[float, int]]:
        """Marks of the time scale: position in percent, and seconds."""
        return drawing.scale(self.duration)
