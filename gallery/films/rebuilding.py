"""Progress of rebuilding the index after data loss."""

from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gallery.films.catalogue import Catalogue
from gallery.films.models import Film
from gallery.index import frame_index
from gallery.index.film_stamp import is_of_run
from gallery.index.server import connect_index, translate_redis_errors

MAX_SPEED_AGE = 3600  # seconds for which a measured speed is used
MINUTE = 60


@dataclass(frozen=True, slots=True)
class Rebuilding:
    """`searchable` of `films` can be searched; `seconds_left` is None while it is unknown."""

    searchable: int
    films: int
    seconds_left: float | None

    def __str__(self) -> str:
        """A sentence for users."""
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
    """Return the progress, in one round trip to Redis; None when nothing is missing.

    Raises IndexUnavailable.
    """
    index = frame_index.current()
    stamps = index.stamps()
    films = catalogue.searchable
    missing = [
        film
        for film in films
        # While an import is being indexed, its stamp is that of the next run.
        if film.state != Film.State.INDEXING
        and not is_of_run(stamps.get(film.pk, ""), film.searchable_run)
    ]
    if any(film.pk not in stamps for film in missing):
        # Films indexed by an earlier version have no stamps.
        listed = set(index.films())
        missing = [film for film in missing if film.pk in stamps or film.pk not in listed]
    if not missing:
        return None
    frames = sum(film.frame_count for film in missing)
    speed = _speed()
    return Rebuilding(len(films) - len(missing), len(films), frames / speed if speed else None)


def record_speed(frames: int, seconds: float) -> None:
    """Record how long it took to index a film. Raises IndexUnavailable."""
    if frames:
        with translate_redis_errors():
            connect_index().set(_key(), frames / max(seconds, 1e-3), ex=MAX_SPEED_AGE)


def _speed() -> float | None:
    """Return the frames per second of the last measurement."""
    with translate_redis_errors():
        found = connect_index().get(_key())
    return float(found) if found else None


def _key() -> str:
    return f"{settings.INDEX_PREFIX}:rebuild-speed"
