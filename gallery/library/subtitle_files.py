"""Tracks the subtitle files next to films: film.en.srt, Subs/English.srt."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from django.db import transaction

from gallery.core.errors import DiskFull, GalleryError
from gallery.films.models import Film
from gallery.library import paths
from gallery.library.listing import FoundFile, Listing
from gallery.library.models import LibraryFile, LibraryFolder, LibrarySubtitles
from gallery.media.source_names import readable_name
from gallery.transcripts import subtitle_import, subtitles
from gallery.transcripts.models import Subtitles

log = logging.getLogger(__name__)

SUBTITLE_FOLDERS = frozenset(("subs", "sub", "subtitles", "subtitle"))

Wanted = dict[tuple[int, str], FoundFile]
"""Subtitle files by the id of the film's file and their own path."""


def sync(folder: LibraryFolder, listing: Listing) -> None:
    """Add the subtitles next to imported films, replace changed ones, and remove missing ones.

    Subtitles of films that are away are kept. Read errors are stored in the row of the file.
    Raises DiskFull.
    """
    files = _imported_files(folder)
    matches = match_subtitles(listing.films, listing.subtitles)
    wanted: Wanted = {
        (file.pk, path): listing.subtitles[path]
        for file in files.values()
        for path in matches.get(file.path, ())
    }
    known: dict[tuple[int, str], LibrarySubtitles] = {}
    left: list[LibrarySubtitles] = []
    rows = LibrarySubtitles.objects.filter(file__folder=folder)
    for row in rows.select_related("file__film", "subtitles"):
        key = row.file_id, row.path
        if key in wanted:
            known[key] = row
        elif row.file.away_since is None and listing.is_readable(row.path):
            left.append(row)
    for key, found in wanted.items():
        new = LibrarySubtitles(file=files[key[0]], path=key[1], size=-1, mtime_ns=0)
        one = known.get(key) or _find_renamed(left, key, found) or new
        if (one.size, one.mtime_ns) != (found.size, found.mtime_ns):
            _read(one, folder, found)
    for gone in left:
        _remove(gone)


def _imported_files(folder: LibraryFolder) -> dict[int, LibraryFile]:
    files = LibraryFile.objects.present().filter(
        folder=folder, state=LibraryFile.State.IMPORTED, film__isnull=False
    )
    return {file.pk: file for file in files.select_related("film")}


def _find_renamed(
    left: list[LibrarySubtitles], key: tuple[int, str], found: FoundFile
) -> LibrarySubtitles | None:
    """Return the row of a file that was renamed with its film, at its new path."""
    for row in left:
        same = (row.file_id, row.size, row.mtime_ns) == (key[0], found.size, found.mtime_ns)
        if same and PurePosixPath(row.path).suffix == PurePosixPath(key[1]).suffix:
            left.remove(row)
            row.path = key[1]
            row.save(update_fields=["path"])
            return row
    return None


def _read(row: LibrarySubtitles, folder: LibraryFolder, found: FoundFile) -> None:
    """Import subtitles from a file, replacing those from its earlier content."""
    film = row.file.film
    assert film is not None
    path = paths.join(folder.path, row.path)
    row.size, row.mtime_ns, row.error = found.size, found.mtime_ns, ""
    try:
        with path.open("rb") as opened:
            data = subtitles.read_file(opened)
        with transaction.atomic():
            _replace(row, film, path.name, data)
            row.save()
        log.info("film %s: subtitles from %s", film.pk, row)
    except DiskFull:
        raise
    except (GalleryError, OSError) as error:
        # Keep the lines of its earlier content.
        row.error = readable_name(str(error))
        row.save()
        log.warning("film %s: %s: %s", film.pk, row, row.error)


def _replace(row: LibrarySubtitles, film: Film, name: str, data: bytes) -> None:
    before = row.subtitles
    made, is_new = subtitle_import.add_subtitles(
        film, name, data, before.language if before is not None else ""
    )
    if before is not None and made.pk != before.pk:
        Subtitles.objects.filter(pk=made.pk).update(is_hidden=before.is_hidden)
        if not before.library_subtitles.exclude(pk=row.pk).exists():
            before.delete()
    # Uploaded subtitles are kept when the file is removed.
    is_ours = is_new or made.library_subtitles.exists()
    row.subtitles = made if is_ours else None


def _remove(row: LibrarySubtitles) -> None:
    """Remove the subtitles of a missing file, unless another file has the same content."""
    made = row.subtitles
    with transaction.atomic():
        row.delete()
        if made is not None and not made.library_subtitles.exists():
            made.delete()
            log.info("film %s: the subtitles of %s were removed", made.film_id, row)


# --- matching subtitles to films ----------------------------------------------------------------


def match_subtitles(films: Iterable[str], subtitle_paths: Iterable[str]) -> dict[str, list[str]]:
    """Map the paths of films to the paths of their subtitles.

    Subtitles are in the film's folder or its folder Subs, and begin with the film's name; if two
    films match, the longer name wins (see `subtitle_import.belongs_to`). In Subs, a sub-folder may
    have the film's name instead; if a folder has only one film, all files in Subs belong to it.
    """
    by_folder: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for film in films:
        folder, _, name = film.rpartition("/")
        by_folder[folder][PurePosixPath(name).stem.casefold()].append(film)
    found: dict[str, list[str]] = defaultdict(list)
    for path in subtitle_paths:
        for film in _films_of(path, by_folder):
            found[film].append(path)
    return found


def _films_of(path: str, by_folder: dict[str, dict[str, list[str]]]) -> list[str]:
    """Return the films that a subtitle file belongs to."""
    folder, _, name = path.rpartition("/")
    here = by_folder.get(folder, {})
    if match := _longest_match(name, here):
        return match
    above, _, last = folder.rpartition("/")
    if last.casefold() in SUBTITLE_FOLDERS:
        there = by_folder.get(above, {})
        return _longest_match(name, there) or _only_film(there)
    top, _, middle = above.rpartition("/")
    if middle.casefold() in SUBTITLE_FOLDERS:
        return by_folder.get(top, {}).get(last.casefold(), [])
    return []


def _longest_match(name: str, films: dict[str, list[str]]) -> list[str]:
    """Return the films with the longest name, without extension, that a name begins with."""
    return next((films[stem] for stem in _prefixes(name.casefold()) if stem in films), [])


def _prefixes(name: str) -> Iterator[str]:
    """Yield the part of a name before each full stop, longest first."""
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _only_film(films: dict[str, list[str]]) -> list[str]:
    names = [film for same in films.values() for film in same]
    return names if len(names) == 1 else []
