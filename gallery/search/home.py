"""The start page: frames to start from, an example of each kind of search, and the newest films."""

import random
from dataclasses import dataclass
from functools import reduce
from itertools import chain, zip_longest
from operator import or_
from typing import Any

from django.db.models import Q
from django.db.models.functions import Length
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import get_language

from gallery.films.catalogue import searchable
from gallery.films.import_list import list_imports
from gallery.films.models import Film, Shot
from gallery.transcripts.models import Line
from gallery.transcripts.types import LineKind

MAX_NEW_FILMS = 12
MAX_WALL_FRAMES = 24
SKIPPED_PART = 0.08  # of a film at either end: titles and credits
MIN_LINE_LENGTH, MAX_LINE_LENGTH = 12, 48  # characters of a line that serves as an example
MAX_LINES = 200  # that an example is chosen from


@dataclass(frozen=True, slots=True)
class WallFrame:
    """A frame of a film."""

    film: Film
    second: int


def home_context(request: HttpRequest) -> dict[str, Any]:
    """Return the newest films, imports, and frames and a line of dialogue that change daily."""
    films = list(searchable().with_posters()[:MAX_NEW_FILMS])
    rng = random.Random(timezone.localdate().toordinal())
    return {
        "newest": films,
        "wall": _pick_frames(films, rng),
        "line": _pick_line(films, rng),
        **list_imports(request),
    }


def _pick_frames(films: list[Film], rng: random.Random) -> list[WallFrame]:
    """Return frames of these films, alternating between films."""
    if not films:
        return []
    # Where one film has few shots, the others fill the wall.
    wanted = [
        Q(film=film, number__in=_sample_shots(film.shot_count, MAX_WALL_FRAMES, rng))
        for film in films
    ]
    seconds: dict[int, list[int]] = {film.pk: [] for film in films}
    for film, second in Shot.objects.filter(reduce(or_, wanted)).values_list("film", "second"):
        seconds[film].append(second)
    for seconds_of_film in seconds.values():
        rng.shuffle(seconds_of_film)
    rows = ([WallFrame(film, second) for second in seconds[film.pk]] for film in films)
    alternating = [frame for frame in chain.from_iterable(zip_longest(*rows)) if frame is not None]
    return alternating[:MAX_WALL_FRAMES]


def _sample_shots(shot_count: int, count: int, rng: random.Random) -> list[int]:
    """Return the numbers of random shots of a film, excluding both ends."""
    inner = range(int(shot_count * SKIPPED_PART), max(1, int(shot_count * (1 - SKIPPED_PART))))
    return rng.sample(inner, min(count, len(inner)))


def _pick_line(films: list[Film], rng: random.Random) -> Line | None:
    """Return a short line of dialogue, in the reader's language if possible."""
    language = (get_language() or "en").partition("-")[0]
    short = (
        Line.objects.shown(LineKind.SAID)
        .filter(subtitles__film__in=films)
        .annotate(length=Length("text"))
        .filter(length__gte=MIN_LINE_LENGTH, length__lte=MAX_LINE_LENGTH)
        .select_related("subtitles")
    )
    lines = list(short.filter(subtitles__language__startswith=language)[:MAX_LINES])
    lines = lines or list(short[:MAX_LINES])
    return rng.choice(lines) if lines else None
