"""Matches files to films by content."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from gallery.films.models import Film
from gallery.library.fingerprints import quick_fingerprint
from gallery.library.models import LibraryFile

log = logging.getLogger(__name__)

State = LibraryFile.State
MAX_VALUES = 500  # in one query


@dataclass(slots=True)
class Identified:
    """The result for settled files; the rows are updated but not saved.

    `films`: those that gained or lost a file. `replaced`: files whose content differs from what
    their film was imported from, where no other file has the old content.
    """

    rows: list[LibraryFile] = field(default_factory=list)
    films: set[int] = field(default_factory=set)
    replaced: list[LibraryFile] = field(default_factory=list)


def identify(settled: Sequence[LibraryFile]) -> Identified:
    """Find the film of each settled file. Files without one wait for their import.

    Those with the content of a deleted film are ignored. Only files that have a film, or the size
    of a known one, are opened.
    """
    found = Identified()
    known = KnownContent({row.size for row in settled})
    for row in settled:
        if row.film_id is None and not known.has_size(row.size):
            row.state = State.WAITING
        else:
            _identify(row, known, found)
        found.rows.append(row)
    return found


def _identify(row: LibraryFile, known: "KnownContent", found: Identified) -> None:
    try:
        content = quick_fingerprint(row.real_path)
    except OSError as error:
        row.state, row.error = State.UNREADABLE, error.strerror or str(error)
        return
    before, was = row.film_id, row.fingerprint
    row.fingerprint, row.state = content, State.IMPORTED
    if before is not None and content == was:
        found.films.add(before)
        return  # only its modification time has changed
    film = known.find_film(row)
    if film is None and before is not None and not _has_other_file(row):
        found.replaced.append(row)
    elif film is None:
        is_ignored = before is None and known.is_ignored(row)
        row.film_id, row.state = None, State.IGNORED if is_ignored else State.WAITING
    else:
        row.film_id = film
    found.films.update(one for one in (before, row.film_id) if one is not None)


def _has_other_file(row: LibraryFile) -> bool:
    """Return whether the film of a file has another file with its content."""
    film = row.film
    if film is None:
        return False
    others = film.library_files.filter(away_since__isnull=True, state=State.IMPORTED)
    if others.exclude(pk=row.pk).exists():
        return True
    return film.files.source_size() is not None and not film.files.is_link


class KnownContent:
    """The content of all library files and uploads of certain sizes."""

    def __init__(self, sizes: Iterable[int]) -> None:
        self._files: dict[int, list[LibraryFile]] = defaultdict(list)
        self._uploads: dict[int, list[Film]] = defaultdict(list)
        self._ignored: dict[int, list[LibraryFile]] = defaultdict(list)
        self._cache: dict[int, str] = {}
        for some in _batches(sorted(sizes)):
            for row in LibraryFile.objects.with_content().filter(
                size__in=some, state__in=(State.IMPORTED, State.IGNORED)
            ):
                files = self._ignored if row.state == State.IGNORED else self._files
                files[row.size].append(row)
            for film in Film.objects.filter(size__in=some, library_files__isnull=True):
                self._uploads[film.size].append(film)

    def has_size(self, size: int) -> bool:
        """Return whether a film, or a deleted one, has this size."""
        return any(size in one for one in (self._files, self._uploads, self._ignored))

    def find_film(self, row: LibraryFile) -> int | None:
        """Return the film that has another file with the content of a row."""
        for file in self._files.get(row.size, ()):
            if file.pk != row.pk and _is_same(file, row):
                return file.film_id
        for film in self._uploads.get(row.size, ()):
            if self._of_upload(film) == row.fingerprint:
                return film.pk
        return None

    def is_ignored(self, row: LibraryFile) -> bool:
        """Return whether a row has the content of a film that an administrator deleted."""
        return any(_is_same(file, row) for file in self._ignored.get(row.size, ()))

    def _of_upload(self, film: Film) -> str:
        if film.pk not in self._cache:
            try:
                self._cache[film.pk] = quick_fingerprint(film.files.source())
            except OSError:
                self._cache[film.pk] = ""
        return self._cache[film.pk]


def _is_same(one: LibraryFile, other: LibraryFile) -> bool:
    """Return whether two fingerprinted files of the same size have the same content."""
    differs = one.sha256 and other.sha256 and one.sha256 != other.sha256
    return one.fingerprint == other.fingerprint and not differs


def _batches(values: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(values), MAX_VALUES):
        yield values[start : start + MAX_VALUES]
