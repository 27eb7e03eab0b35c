"""Updates the links of library films, and marks films without a reachable file as away."""

import logging
from collections import defaultdict
from collections.abc import Collection

from django.utils import timezone

from gallery.films.models import Film
from gallery.library.models import LibraryFile
from gallery.media.source_names import readable_name

log = logging.getLogger(__name__)

State = LibraryFile.State
MAX_VALUES = 500  # in one query


def update_presence(films: Collection[int]) -> None:
    """Point the links of films to present files, and mark films without one as away.

    A film with its own file in the media store needs no link. Raises DiskFull.
    """
    wanted = sorted(films)
    for start in range(0, len(wanted), MAX_VALUES):
        _update_some(wanted[start : start + MAX_VALUES])


def _update_some(films: Collection[int]) -> None:
    present: dict[int, list[LibraryFile]] = defaultdict(list)
    rows = LibraryFile.objects.present().filter(film__in=films).select_related("folder")
    for row in rows.order_by("pk"):
        if row.state in (State.IMPORTED, State.SETTLING) and row.film_id is not None:
            present[row.film_id].append(row)
    away, back = [], []
    for film in Film.objects.filter(pk__in=films).only("pk", "uid", "away_since"):
        is_there = _link(film, present[film.pk])
        if is_there and film.away_since is not None:
            back.append(film.pk)
        elif is_there is False and film.away_since is None:
            away.append(film.pk)
    Film.objects.filter(pk__in=away).update(away_since=timezone.now())
    Film.objects.filter(pk__in=back).update(away_since=None)


def _link(film: Film, rows: list[LibraryFile]) -> bool | None:
    """Point a film's link to one of its files. Return whether it has one, None if unclear.

    It is unclear while its only file is changing: then the film stays as it is, away or not.
    """
    target = film.files.link_target()
    if target is None and film.files.source_size() is not None:
        return True
    paths = [row.real_path for row in rows if row.state == State.IMPORTED]
    if not paths:
        return None if rows else False
    if target not in paths:
        film.files.link_source_here(paths[0])
        log.debug("film %s: its file is %s", film.pk, readable_name(str(paths[0])))
    return True
