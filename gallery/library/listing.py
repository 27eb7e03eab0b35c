"""Lists the film and subtitle files in a library folder without opening them."""

import os
import re
import stat
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pathspec import GitIgnoreSpec

from gallery.library.paths import to_stored
from gallery.transcripts import subtitles
from gallery.transcripts.subtitle_import import has_film_type

# Thumbnails, previews and deleted files of storage and operating systems.
SYSTEM_FOLDERS = frozenset(
    ("@eadir", "#recycle", "#snapshot", "$recycle.bin", "system volume information", "lost+found")
)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """The size (bytes) and modification time (nanoseconds since 1970) of a file."""

    size: int
    mtime_ns: int


@dataclass(slots=True)
class Listing:
    """The files in a folder and its sub-folders, by stored relative path.

    `unreadable` maps sub-folders that could not be read to the reason.
    """

    films: dict[str, FoundFile] = field(default_factory=dict)
    subtitles: dict[str, FoundFile] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)

    def is_readable(self, path: str) -> bool:
        """Return whether the folder of a stored path, and those above it, could be read."""
        return not any(path.startswith(f"{folder}/") for folder in self.unreadable)


def compile_patterns(text: str) -> GitIgnoreSpec:
    """Compile ignore patterns, one per line, as in .gitignore. Raises ValueError: the bad line."""
    for line in text.splitlines():
        try:
            GitIgnoreSpec.from_lines([line])
        except (ValueError, re.error) as error:
            raise ValueError(line) from error
    return GitIgnoreSpec.from_lines(text.splitlines())


def list_folder(
    root: Path, ignored: GitIgnoreSpec, check: Callable[[], None] = lambda: None
) -> Listing:
    """List the films and subtitles in a folder; `check` is called for each sub-folder.

    Hidden files are skipped. Links are followed, but no folder is listed twice: real folders come
    before links to them. Raises OSError if the folder itself cannot be read.
    """
    listing = Listing()
    seen: set[tuple[int, int]] = set()
    folders, linked = deque([""]), deque[str]()
    while folders or linked:
        place = folders.popleft() if folders else linked.popleft()
        check()
        try:
            status = (root / place).stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(root / place) as entries:
                for entry in entries:
                    _add_entry(entry, place, listing, ignored, (folders, linked))
        except OSError as error:
            if not place:
                raise
            listing.unreadable[to_stored(place)] = error.strerror or str(error)
    return listing


def _add_entry(
    entry: os.DirEntry[str],
    place: str,
    listing: Listing,
    ignored: GitIgnoreSpec,
    folders: tuple[deque[str], deque[str]],
) -> None:
    """Add a file to the listing, or a folder to the queues of real and of linked folders."""
    name = entry.name
    if name.startswith(".") or name.casefold() in SYSTEM_FOLDERS:
        return
    path = f"{place}/{name}" if place else name
    try:
        is_folder = entry.is_dir()
    except OSError:
        return  # a link to itself
    if is_folder:
        if not ignored.match_file(f"{path}/"):
            folders[entry.is_symlink()].append(path)
        return
    is_film = has_film_type(name)
    if not is_film and not name.lower().endswith(subtitles.EXTENSIONS):
        return
    if ignored.match_file(path):
        return
    try:
        status = entry.stat()
    except OSError:
        return  # a broken link, or a file that was just removed
    if stat.S_ISREG(status.st_mode):
        found = FoundFile(status.st_size, status.st_mtime_ns)
        (listing.films if is_film else listing.subtitles)[to_stored(path)] = found
