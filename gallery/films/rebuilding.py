"""How far the index is while films are put into it again after something was lost."""

from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gallery.films.catalogue import Catalogue
from gallery.films.models import Film
from gallery.index import frame_index
from gallery.index.server import connect, translate_redis_errors

SPEED_KEPT = 3600  # seconds for which a measured speed is used
MINUTE = 60


@dataclass(frozen=True, slots=True)
class Rebuilding:
    """`searchable` of `films` can be searched; `seconds_left` is None while nobody can tell."""

    searchable: int
    films: int
    seconds_left: float | None

    def __str__(self) -> str:
        """For people, one sentence."""
        if self.seconds_left is None:
            return _(
                "The search index is being rebuilt: %(done)d of %(films)d films can be searched."
            ) % {"done": self.searchable, "films": self.films}
        return _(
            "The search index is being rebuilt: %(done)d of %(films)d films can be searched, "
            "about %(left)s left."
        ) % {"done": self.searchable, "films": self.films, "left": _span(self.seconds_left)}


def _span(seconds: float) -> str:
    if seconds < 2 * MINUTE:
        count = max(1, round(seconds))
        return ngettext("%(n)d second", "%(n)d seconds", count) % {"n": count}
    count = round(seconds / MINUTE)
    return ngettext("%(n)d minute", "%(n)d minutes", count) % {"n": count}


def state(catalogue: Catalogue) -> Rebuilding | None:
    """How far the index is, in one round trip; None when nothing is missing.

    Raises IndexUnavailable.
    """
    here = frame_index.current()
    notes = here.notes()
    films = catalogue.searchable
    missing = [
        film
        for film in films
        # While an import is being indexed, its notes are of the next run.
        if film.state != Film.State.INDEXING
        and not frame_index.is_of_run(notes.get(film.pk, ""), film.searchable_run)
    ]
    if any(film.pk not in notes for film in missing):
        # Earlier versions made no notes.
        listed = set(here.films())
        missing = [film for film in missing if film.pk in notes or film.pk not in listed]
    if not missing:
        return None
    frames = sum(film.frame_count for film in missing)
    speed = _speed()
    return Rebuilding(len(films) - len(missing), len(films), frames / speed if speed else None)


def note_speed(frames: int, seconds: float) -> None:
    """Remember how long it took to put a film into the index. Raises IndexUnavailable."""
    if frames:
        with translate_redis_errors():
            connect(settings.REDIS_URL).set(_key(), frames / max(seconds, 1e-3), ex=SPEED_KEPT)


def _speed() -> float | None:
    """Frames per second, as last measured."""
    with translate_redis_errors():
        found = connect(settings.REDIS_URL).get(_key())
    return float(found) if found else None


def _key() -> str:
    return f"{settings.INDEX_PREFIX}:rebuild-speed"
