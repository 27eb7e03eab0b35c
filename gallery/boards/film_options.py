"""What a film made out of a board looks like: the choices, and the settings that follow from them.

The choices leave open what depends on the board, such as the most common frame rate. The settings
do not: they are stored with an export.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any, TypeVar

from gallery.boards.timelines import Edit, nearest_standard_rate
from gallery.media.film_parts import FilmFormat
from gallery.transcripts.models import Subtitles

MAX_LONG_SIDE, MAX_SHORT_SIDE = Fraction(3840), Fraction(2160)  # pixels
SAME_AS_FILMS = "source"
MAX_ROUNDING = Fraction(1, 200)  # of a ratio, by sides that are even
SHORT_SIDES = ("1080", "720", "480")  # pixels
SHAPES = {"16:9": Fraction(16, 9), "9:16": Fraction(9, 16), "1:1": Fraction(1)}

Value = TypeVar("Value")


class SubtitleMode(StrEnum):
    """Whether a film has subtitles."""

    NONE = "none"
    TRACK = "track"  # that players show or hide
    BURNT_IN = "burnt"  # part of the picture


@dataclass(frozen=True, slots=True)
class FilmChoices:
    """What a user chose.

    `size` is one of SHORT_SIDES, `shape` one of SHAPES, or SAME_AS_FILMS. `crops`: scenes of
    another shape are cropped, otherwise they get bars. `rate` is frames per second, None for the
    most common one. `language` is that of the subtitles, a BCP 47 tag.
    """

    size: str = "1080"
    shape: str = "16:9"
    crops: bool = False
    rate: Fraction | None = None
    subtitles: SubtitleMode = SubtitleMode.NONE
    language: str = ""
    has_timecode: bool = False
    has_source: bool = False


def read_choices(given: Mapping[str, Any]) -> FilmChoices:
    """Return what a user chose, from the valid fields of the form or of the API."""
    return FilmChoices(
        size=given["size"],
        shape=given["shape"],
        crops=given["fit"] == "crop",
        rate=Fraction(given["rate"]) if given["rate"] else None,
        subtitles=SubtitleMode(given["subtitles"]),
        language=given["language"],
        has_timecode=given["timecode"],
        has_source=given["source"],
    )


@dataclass(frozen=True, slots=True)
class FilmSettings:
    """The settings of a film: see `FilmChoices`. `rate` is a fraction such as "24000/1001"."""

    width: int
    height: int
    rate: str
    crops: bool
    subtitles: str
    language: str
    has_timecode: bool
    has_source: bool

    @property
    def shape(self) -> str:
        """Return the name of its shape in SHAPES, "" for another one."""
        ratio = Fraction(self.width, self.height)
        return next((name for name, shape in SHAPES.items() if _is_close(ratio, shape)), "")

    @property
    def format(self) -> FilmFormat:
        """Return what all parts of the film have in common."""
        return FilmFormat(self.width, self.height, Fraction(self.rate), self.crops)

    def to_plan(self) -> dict[str, Any]:
        """Return the settings for `Export.plan`."""
        return asdict(self)


def choose_settings(choices: FilmChoices, edits: Sequence[Edit]) -> FilmSettings:
    """Return the settings of a film of these scenes."""
    width, height = _choose_size(choices, common_size(edits))
    return FilmSettings(
        width=width,
        height=height,
        rate=str(choices.rate or common_rate(edits)),
        crops=choices.crops,
        subtitles=choices.subtitles,
        language=choices.language,
        has_timecode=choices.has_timecode,
        has_source=choices.has_source,
    )


def common_size(edits: Iterable[Edit]) -> tuple[int, int]:
    """Return the displayed width and height that most seconds of the scenes have."""
    return _most_common((edit, (edit.film.width, edit.film.height)) for edit in edits)


def common_rate(edits: Iterable[Edit]) -> Fraction:
    """Return the standard frame rate that suits most seconds of the scenes."""
    return _most_common((edit, nearest_standard_rate(edit.clock.grid)) for edit in edits)


def _most_common(values: Iterable[tuple[Edit, Value]]) -> Value:
    seconds: defaultdict[Value, float] = defaultdict(float)
    for edit, value in values:
        seconds[value] += edit.end - edit.start
    return max(seconds, key=seconds.__getitem__)


def _choose_size(choices: FilmChoices, common: tuple[int, int]) -> tuple[int, int]:
    """Return width and height, both even, for films that mostly have the size `common`."""
    ratio = SHAPES.get(choices.shape, Fraction(*common))
    short = Fraction(min(common) if choices.size == SAME_AS_FILMS else choices.size)
    if choices.shape != SAME_AS_FILMS:
        long = short * max(ratio, 1 / ratio)
    elif choices.size == SAME_AS_FILMS:
        long = Fraction(max(common))
    else:
        long = short * Fraction(16, 9)
    sides = min(long, MAX_LONG_SIDE), min(short, MAX_SHORT_SIDE)
    most_width, most_height = sides if ratio >= 1 else reversed(sides)
    width = min(most_width, most_height * ratio)
    return _even(width), _even(width / ratio)


def _is_close(ratio: Fraction, shape: Fraction) -> bool:
    """Return whether a ratio is that of a shape, but for sides rounded to even pixels."""
    return abs(ratio / shape - 1) < MAX_ROUNDING


def _even(length: Fraction) -> int:
    return max(2, round(length / 2) * 2)


def subtitle_languages(films: Iterable[int]) -> list[str]:
    """Return the languages of the subtitles of films (ids), those of most films first."""
    found = Subtitles.objects.tracks().filter(film__in=films)
    counted = Counter(language for language, _film in set(found.values_list("language", "film")))
    return [language for language, _count in counted.most_common()]
