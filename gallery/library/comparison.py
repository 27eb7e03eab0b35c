"""Compares the rows of a library folder with its files."""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from gallery.library import paths
from gallery.library.fingerprints import quick_fingerprint
from gallery.library.listing import FoundFile, Listing
from gallery.library.models import LibraryFile, LibraryFolder

State = LibraryFile.State


@dataclass(slots=True)
class Changes:
    """The changes that a scan found, as rows that are updated but not saved.

    `moved`: at another path, or with another modification time. `changed`: with new content.
    `settled`: unchanged for long enough. `gone` and `back`: no longer found, and found again.
    `forgotten`: gone before they were imported. `readable`: they can be opened again.
    `lost_all`: no known file was found, for example because a disk is not connected.
    """

    new: list[LibraryFile] = field(default_factory=list)
    moved: list[LibraryFile] = field(default_factory=list)
    changed: list[LibraryFile] = field(default_factory=list)
    settled: list[LibraryFile] = field(default_factory=list)
    gone: list[LibraryFile] = field(default_factory=list)
    back: list[LibraryFile] = field(default_factory=list)
    forgotten: list[LibraryFile] = field(default_factory=list)
    readable: list[LibraryFile] = field(default_factory=list)
    lost_all: bool = False


@dataclass(slots=True)
class _Differences:
    """Paths without a row, rows whose file has a new size or time, and rows without a file."""

    fresh: list[str] = field(default_factory=list)
    altered: dict[str, LibraryFile] = field(default_factory=dict)
    lost: list[LibraryFile] = field(default_factory=list)


def compare(
    folder: LibraryFolder,
    rows: Iterable[LibraryFile],
    listing: Listing,
    *,
    settles_after: timedelta,
    now: datetime,
) -> Changes:
    """Compare the rows of a folder with its files. Only files that may have moved are opened."""
    found, differing = Changes(), _Differences()
    # Present files first: the row of a missing file may have the same path.
    ordered = sorted(rows, key=lambda row: row.away_since is not None)
    known: dict[str, LibraryFile] = {}
    differing.lost = [row for row in ordered if known.setdefault(row.path, row) is not row]
    for path, file in listing.films.items():
        row = known.pop(path, None)
        if row is None:
            differing.fresh.append(path)
        elif (row.size, row.mtime_ns) != (file.size, file.mtime_ns):
            differing.altered[path] = row
        else:
            _update_unchanged(row, found, now - settles_after)
    differing.lost += known.values()
    moves = _find_moves(folder, listing, differing)
    found.lost_all = bool(ordered) and len(differing.lost) == len(ordered) and not moves
    _apply_moves(moves, listing, found)
    _apply_changes(differing, moves, listing, now, found)
    for path in differing.fresh:
        if path not in moves:
            new = LibraryFile(folder=folder, settles_since=now)
            _set_location(new, path, listing.films[path])
            found.new.append(new)
    moved = {row.pk for row in moves.values()}
    _mark_missing([row for row in differing.lost if row.pk not in moved], listing, now, found)
    return found


def _apply_moves(moves: dict[str, LibraryFile], listing: Listing, found: Changes) -> None:
    """Update the paths of rows whose content has moved."""
    for path, row in moves.items():
        if row.mtime_ns != listing.films[path].mtime_ns:
            row.sha256 = ""  # the samples are the same, but the rest may not be
        _set_location(row, path, listing.films[path])
        row.state = row.state if row.state == State.IGNORED else State.IMPORTED
        found.moved.append(row)


def _apply_changes(
    differing: _Differences,
    moves: dict[str, LibraryFile],
    listing: Listing,
    now: datetime,
    found: Changes,
) -> None:
    """Wait for files with new content to settle, unless they took part in a move.

    In place of an ignored file, they get a row of their own: its content stays ignored.
    """
    moved = {row.pk for row in moves.values()}
    for path, row in differing.altered.items():
        if row.pk in moved:
            if path not in moves:
                differing.fresh.append(path)
        elif path in moves:
            differing.lost.append(row)  # another file has replaced it
        elif row.state == State.IGNORED:
            differing.lost.append(row)
            differing.fresh.append(path)
        else:
            _start_settling(row, listing.films[path], now)
            found.changed.append(row)


def _update_unchanged(row: LibraryFile, found: Changes, settled_before: datetime) -> None:
    """Record that an unchanged file is back, has settled, or can be read again."""
    if row.away_since is not None:
        row.away_since = None
        found.back.append(row)
    if row.state == State.SETTLING and row.settles_since <= settled_before:
        found.settled.append(row)
    elif row.state == State.UNREADABLE and os.access(row.real_path, os.R_OK):
        row.state = State.WAITING if row.film_id is None else State.SETTLING
        found.readable.append(row)


def _find_moves(
    folder: LibraryFolder, listing: Listing, differing: _Differences
) -> dict[str, LibraryFile]:
    """Map paths to the rows whose content is there now: moved, or only with a new time."""
    movable: dict[tuple[int, str], list[LibraryFile]] = defaultdict(list)
    for row in (*differing.lost, *differing.altered.values()):
        if row.fingerprint and (row.film_id is not None or row.state == State.IGNORED):
            movable[row.size, row.fingerprint].append(row)
    sizes = {size for size, _content in movable}
    moves: dict[str, LibraryFile] = {}
    for path in (*differing.altered, *differing.fresh):
        size = listing.films[path].size
        if size not in sizes:
            continue
        try:
            content = quick_fingerprint(paths.join(folder.path, path))
        except OSError:
            continue
        same = movable.get((size, content))
        if same:
            moves[path] = max(same, key=lambda row: _similarity(row, path))
            same.remove(moves[path])
    return moves


def _similarity(row: LibraryFile, path: str) -> tuple[bool, bool]:
    """Return whether a row has this path, and whether it has the same file name."""
    return row.path == path, PurePosixPath(row.path).name == PurePosixPath(path).name


def _set_location(row: LibraryFile, path: str, file: FoundFile) -> None:
    row.path, row.size, row.mtime_ns, row.away_since = path, file.size, file.mtime_ns, None


def _start_settling(row: LibraryFile, file: FoundFile, now: datetime) -> None:
    """Wait for a file with new content to settle. If it has a film, it keeps its fingerprint."""
    _set_location(row, row.path, file)
    row.settles_since, row.sha256, row.error, row.state = now, "", "", State.SETTLING
    if row.film_id is None:
        row.fingerprint = ""


def _mark_missing(
    lost: Sequence[LibraryFile], listing: Listing, now: datetime, found: Changes
) -> None:
    """Mark rows of missing files as away, or forget those that were never imported.

    Nothing is forgotten if the disk may be disconnected.
    """
    for row in lost:
        is_used = row.film_id is not None or row.state == State.IGNORED
        if not is_used and not found.lost_all and listing.is_readable(row.path):
            found.forgotten.append(row)
        elif row.away_since is None:
            row.away_since = now
            found.gone.append(row)
