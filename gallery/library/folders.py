"""Adds and removes library folders."""

import logging
import os
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from gallery.core.errors import GalleryError
from gallery.library import paths
from gallery.library.listing import compile_patterns
from gallery.library.models import MAX_PATH_LENGTH, LibraryFolder

log = logging.getLogger(__name__)


class FolderError(GalleryError):
    """The folder cannot be a library folder; the message says why."""


def normalize(path: str) -> str:
    """Return a path as it is stored: absolute, without `~`, `..` or a trailing slash."""
    return paths.to_stored(os.path.normpath(Path(path).expanduser().absolute()))


def check_folder(stored: str, itself: LibraryFolder | None = None) -> None:
    """Raise FolderError if a stored path cannot be a library folder.

    `itself`: the existing folder whose path would change, if any.
    """
    real = paths.join(stored)
    if len(stored) > MAX_PATH_LENGTH:
        raise FolderError(_("The path is too long."))
    if not real.is_absolute():
        raise FolderError(_("Enter the absolute path of the folder, starting with /."))
    if not real.is_dir():
        raise FolderError(
            _(
                "There is no folder %(path)s on the server. If it is on an external disk or a "
                "network share, connect it first."
            )
            % {"path": paths.readable(stored)}
        )
    if not os.access(real, os.R_OK | os.X_OK):
        raise FolderError(
            _("The server cannot read %(path)s. Grant read access to the user that runs it.")
            % {"path": paths.readable(stored)}
        )
    for own in (settings.MEDIA_ROOT, settings.VAR_DIR):
        if _overlap(real, own):
            raise FolderError(
                _("%(path)s overlaps with the data of this installation (%(own)s).")
                % {"path": paths.readable(stored), "own": own}
            )
    for other in LibraryFolder.objects.all():
        if other == itself:
            continue
        if other.path == stored:
            raise FolderError(
                _("%(path)s is already a library folder.") % {"path": paths.readable(stored)}
            )
        if _overlap(real, other.real_path):
            raise FolderError(
                _("%(path)s overlaps with the library folder %(other)s.")
                % {"path": paths.readable(stored), "other": other}
            )


def check_patterns(text: str) -> None:
    """Raise FolderError if ignore patterns are invalid."""
    try:
        compile_patterns(text)
    except ValueError as error:
        said = _("This ignore pattern is invalid: %(pattern)s")
        raise FolderError(said % {"pattern": error}) from error


def _overlap(one: Path, other: Path) -> bool:
    """Return whether two folders are the same, or one contains the other."""
    a, b = Path(os.path.realpath(one)), Path(os.path.realpath(other))
    return a.is_relative_to(b) or b.is_relative_to(a)


def add_folder(path: str, ignored: str = "", order: str = "") -> LibraryFolder:
    """Add a library folder; the next sweep scans it. Raises FolderError."""
    stored = normalize(path)
    check_folder(stored)
    check_patterns(ignored)
    return LibraryFolder.objects.create(
        path=stored, ignored=ignored, order=order or LibraryFolder.Order.NEWEST
    )


def is_configured(folder: LibraryFolder) -> bool:
    """Return whether a folder is in LIBRARY_DIRS."""
    return folder.path in map(normalize, settings.LIBRARY_DIRS)


def remove_folder(folder: LibraryFolder) -> None:
    """Remove a folder. Its films are kept with links to their files, but no longer tracked.

    Raises FolderError for a folder in LIBRARY_DIRS.
    """
    if is_configured(folder):
        raise FolderError(
            _("%(path)s is in the setting LIBRARY_DIRS. Remove it there first.") % {"path": folder}
        )
    folder.delete()


_reported: set[str] = set()


def add_configured() -> None:
    """Add the folders in LIBRARY_DIRS. Log those that cannot be added, once each."""
    known = set(LibraryFolder.objects.values_list("path", flat=True))
    for path in settings.LIBRARY_DIRS:
        if normalize(path) in known:
            continue
        try:
            add_folder(path)
        except FolderError as error:
            if str(error) not in _reported:
                log.warning("LIBRARY_DIRS: %s It will be retried.", error)
            _reported.add(str(error))
