"""What the start page shows: frames to begin with, an example of each kind of search, new films."""

import random
from dataclasses import dataclass
from functools import reduce
from itertools import chain, zip_longest
from operator import or_
from typing import Any

from django.db.models import Q
from django.db.models.functions import Length
from django.utils import timezone
from django.utils.translation import get_language

from gallery.films.catalogue import searchable
from gallery.films.models import Film, Shot
from gallery.transcripts.models import Line

NEWEST = 12  # films
WALL_FRAMES = 24  # frames to begin with
EDGE = 0.08  # of a film at either end: titles and credits
SHORTEST, LONGEST = 12, 48  # characters of a line that serves as an example
LINES = 200  # that an example is chosen from


@dataclass(frozen=True, slots=True)
class Pictured:
    """A frame of a film."""

    film: Film
    second: int


def home_context() -> dict[str, Any]:
    """The newest films, a wall of frames, and a line of dialogue; another choice every day."""
    films = list(searchable().with_posters()[:NEWEST])
    chance = random.Random(timezone.localdate().toordinal())
    return {"newest": films, "wall": _wall(films, chance), "line": _line(films, chance)}


def _wall(films: list[Film], chance: random.Random) -> list[Pictured]:
    """Frames of these films in turn, from all over each."""
    if not films:
        return []
    # One film may have few shots: then others have more.
    wanted = [
        Q(film=film, number__in=_some(film.shot_count, WALL_FRAMES, chance)) for film in films
    ]
    seconds: dict[int, list[int]] = {film.pk: [] for film in films}
    for film, second in Shot.objects.filter(reduce(or_, wanted)).values_list("film", "second"):
        seconds[film].append(second)
    for some in seconds.values():
        chance.shuffle(some)
    rows = ([Pictured(film, second) for second in seconds[film.pk]] for film in films)
    in_turn = [one for one in chain.from_iterable(zip_longest(*rows)) if one is not None]
    return in_turn[:WALL_FRAMES]


def _some(count: int, each: int, chance: random.Random) -> list[int]:
    """The numbers of some of a film's shots, its ends left out."""
    inner = range(int(count * EDGE), max(1, int(count * (1 - EDGE))))
    return chance.sample(inner, min(each, len(inner)))


def _line(films: list[Film], chance: random.Random) -> Line | None:
    """A short line of dialogue, in the reader's language if there is one."""
    language = (get_language() or "en").partition("-")[0]
    short = (
        Line.objects.filter(subtitles__film__in=films)
        .annotate(length=Length("text"))
        .filter(length__gte=SHORTEST, length__lte=LONGEST)
        .select_related("subtitles")
    )
    own = list(short.filter(subtitles__language__startswith=language)[:LINES])
    some = own or list(short[:LINES])
    return chance.choice(some) if some else None
