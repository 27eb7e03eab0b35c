"""Compares what is known of a library folder with what is there now."""

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
    """What a scan found. The rows have their new values already, but are not saved.

    `moved`: at another path, or with another time. `changed`: with other content. `settled`: they
    have not changed for long enough. `gone` and `back`: not found any longer, and found again.
    `forgotten`: gone before anything was made of them. `readable`: they can be opened again.
    `lost_all`: nothing that is known is there, as when a disk is not connected.
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


def compare(
    folder: LibraryFolder,
    rows: Iterable[LibraryFile],
    listing: Listing,
    *,
    settles_after: timedelta,
    now: datetime,
) -> Changes:
    """Compare the rows of a folder with its files. Only files that may have moved are opened."""
    found = Changes()
    # Those that were there last come first: another one may have had the same path before.
    ordered = sorted(rows, key=lambda row: row.away_since is not None)
    known: dict[str, LibraryFile] = {}
    lost = [row for row in ordered if known.setdefault(row.path, row) is not row]
    altered: dict[str, LibraryFile] = {}
    fresh: list[str] = []
    for path, file in listing.films.items():
        row = known.pop(path, None)
        if row is None:
            fresh.append(path)
        elif (row.size, row.mtime_ns) != (file.size, file.mtime_ns):
            altered[path] = row
        else:
            _keep(row, found, now - settles_after)
    lost += known.values()
    moves = _find_moves(folder, listing, lost, altered, fresh)
    found.lost_all = bool(ordered) and len(lost) == len(ordered) and not moves
    moved = {row.pk for row in moves.values()}
    for path, row in moves.items():
        _place(row, path, listing.films[path])
        row.state = row.state if row.state == State.IGNORED else State.IMPORTED
        found.moved.append(row)
    for path, row in altered.items():
        if row.pk in moved:
            if path not in moves:
                fresh.append(path)
        elif path in moves:
            lost.append(row)  # its content was replaced by that of another file
        else:
            _alter(row, listing.films[path], now)
            found.changed.append(row)
    for path in fresh:
        if path not in moves:
            row = LibraryFile(folder=folder, settles_since=now)
            _place(row, path, listing.films[path])
            found.new.append(row)
    _lose([row for row in lost if row.pk not in moved], listing, now, found)
    return found


def _keep(row: LibraryFile, found: Changes, settled_before: datetime) -> None:
    """Note what is new about a file that has not changed."""
    if row.away_since is not None:
        row.away_since = None
        found.back.append(row)
    if row.state == State.SETTLING and row.settles_since <= settled_before:
        found.settled.append(row)
    elif row.state == State.UNREADABLE and os.access(row.real_path, os.R_OK):
        row.state = State.WAITING
        found.readable.append(row)


def _find_moves(
    folder: LibraryFolder,
    listing: Listing,
    lost: Sequence[LibraryFile],
    altered: dict[str, LibraryFile],
    fresh: Sequence[str],
) -> dict[str, LibraryFile]:
    """Return the rows whose content is at a new path now, or at its old one with another time."""
    movable: dict[int, list[LibraryFile]] = defaultdict(list)
    for row in (*lost, *altered.values()):
        if row.fingerprint and (row.film_id is not None or row.state == State.IGNORED):
            movable[row.size].append(row)
    moves: dict[str, LibraryFile] = {}
    for path in (*altered, *fresh):
        candidates = movable.get(listing.films[path].size)
        if not candidates:
            continue
        try:
            content = quick_fingerprint(paths.join(folder.path, path))
        except OSError:
            continue
        same = [row for row in candidates if row.fingerprint == content]
        if same:
            moves[path] = max(same, key=lambda row: _likeness(row, path))
            candidates.remove(moves[path])
    return moves


def _likeness(row: LibraryFile, path: str) -> tuple[bool, bool]:
    """Return whether a row has this path, and whether it has the same file name."""
    return row.path == path, PurePosixPath(row.path).name == PurePosixPath(path).name


def _place(row: LibraryFile, path: str, file: FoundFile) -> None:
    row.path, row.size, row.mtime_ns, row.away_since = path, file.size, file.mtime_ns, None


def _alter(row: LibraryFile, file: FoundFile, now: datetime) -> None:
    """Let a file with other content settle. That of a film keeps its fingerprint until then."""
    _place(row, row.path, file)
    row.settles_since, row.sha256, row.error = now, "", ""
    if row.film_id is None:
        row.fingerprint = ""
    if row.state != State.IGNORED:
        row.state = State.SETTLING


def _lose(lost: Sequence[LibraryFile], listing: Listing, now: datetime, found: Changes) -> None:
    """Mark rows whose file is not there as away, or forget those of which nothing was made.

    None is forgotten when the disk may not be connected.
    """
    for row in lost:
        is_used = row.film_id is not None or row.state == State.IGNORED
        if not is_used and not found.lost_all and listing.is_readable(row.path):
            found.forgotten.append(row)
        elif row.away_since is None:
            row.away_since = now
            found.gone.append(row)
