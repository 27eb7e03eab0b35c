"""The film file in a film's folder of the media store: the film itself, or a link to it.

A film that was uploaded lies there as `source.EXT`. For a film in a library folder, `source.EXT` is
a symbolic link to its file there, which is only ever read. When the disk of the library is not
connected, the link leads nowhere: the film is away.
"""

import shutil
from pathlib import Path

from gallery.core.disk import raise_disk_full

MAX_EXTENSION_LENGTH = 8
_DRAFT = ".draft-source"


class SourceAway(FileNotFoundError):  # noqa: N818 - the name states the problem
    """The film lies in a library folder and cannot be reached at the moment."""


def safe_suffix(name: str) -> str:
    """Return the extension of a user's file name, as it may be part of a path: ".mp4" or ""."""
    extension = "".join(c for c in Path(name).suffix.lower() if c.isascii() and c.isalnum())
    return f".{extension[:MAX_EXTENSION_LENGTH]}" if extension else ""


class SourceFiles:
    """The film file, or the link to it, in the folder of one film."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def source(self) -> Path:
        """Return the film file. Raises FileNotFoundError when it is missing, SourceAway if away."""
        found = self._find()
        if found is None:
            raise FileNotFoundError(self.folder / "source")
        if found.is_symlink() and not _is_reachable(found):
            raise SourceAway(found)
        return found

    def source_size(self) -> int | None:
        """Return the bytes of the film file; None when it is missing or away."""
        try:
            return self.source().stat().st_size
        except OSError:
            return None

    @property
    def is_link(self) -> bool:
        """Whether the film lies in a library folder."""
        return self.link_target() is not None

    def link_target(self) -> Path | None:
        """Return the file in a library folder that the film is; None for an uploaded film."""
        found = self._find()
        return found.readlink() if found is not None and found.is_symlink() else None

    def is_away(self) -> bool:
        """Return whether the film lies in a library folder and cannot be reached."""
        found = self._find()
        return found is not None and found.is_symlink() and not _is_reachable(found)

    def move_source_here(self, path: Path, name: str) -> Path:
        """Move an uploaded file into the folder, with the extension of `name`. Raises DiskFull.

        It replaces the file that is there, or a link, never what the link leads to.
        """
        draft = self.folder / _DRAFT
        with raise_disk_full():
            self.folder.mkdir(parents=True, exist_ok=True)
            draft.unlink(missing_ok=True)
            shutil.move(path, draft)
        draft.chmod(0o640)
        return self._put(draft, safe_suffix(name))

    def link_source_here(self, target: Path) -> bool:
        """Make the film file a link to a file in a library folder. Raises DiskFull.

        Returns False, and changes nothing, when the film has a file of its own.
        """
        found = self._find()
        if found is not None and not found.is_symlink():
            return False
        suffix = safe_suffix(target.name)
        if found is not None and found.readlink() == target and found.suffix == suffix:
            return True
        draft = self.folder / _DRAFT
        with raise_disk_full():
            self.folder.mkdir(parents=True, exist_ok=True)
            draft.unlink(missing_ok=True)
            draft.symlink_to(target)
        self._put(draft, suffix)
        return True

    def _find(self) -> Path | None:
        return next(self.folder.glob("source*"), None)

    def _put(self, draft: Path, suffix: str) -> Path:
        """Give a draft its name, and remove what was the film file before."""
        target = self.folder / f"source{suffix}"
        draft.replace(target)
        for other in self.folder.glob("source*"):
            if other != target:
                other.unlink()
        return target


def _is_reachable(link: Path) -> bool:
    """Return whether a link leads to a file; what goes wrong on a network share counts as no."""
    try:
        link.stat()
    except OSError:
        return False
    return True
