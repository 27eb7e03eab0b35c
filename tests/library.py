"""A library folder with small files, scanned and imported step by step in the test process."""

import os
from pathlib import Path

from gallery.films.models import Film
from gallery.library import folders
from gallery.library.imports import start_imports
from gallery.library.models import LibraryFile, LibraryFolder
from gallery.library.scan import ScanResult, scan_folder


class Library:
    """A library folder; `queued` are the steps that scans and imports have queued."""

    def __init__(self, root: Path, **how: str) -> None:
        self.root = root
        root.mkdir(exist_ok=True)
        self.folder: LibraryFolder = folders.add_folder(str(root), **how)
        self.queued: list[tuple[object, ...]] = []

    def write(self, name: str, content: str | bytes = "") -> Path:
        """Write a file, by default with unique content."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(data or f"the film {name}".encode())
        return path

    def scan(self) -> ScanResult:
        result = scan_folder(self.folder.pk, self._queue)
        assert result is not None
        return result

    def settle(self) -> ScanResult:
        """Scan twice, so that unchanged files settle."""
        self.scan()
        return self.scan()

    def start(self) -> int:
        return start_imports(self._queue)

    def follow(self) -> None:
        """Scan twice, and start the imports of new files."""
        self.settle()
        self.start()

    def file(self, path: str) -> LibraryFile:
        """The row of the file that is, or was last, at a path."""
        rows = LibraryFile.objects.filter(folder=self.folder, path=path)
        found = rows.order_by("-away_since").last() if rows.count() > 1 else rows.first()
        assert found is not None, path
        return found

    def film(self, path: str) -> Film:
        film = self.file(path).film
        assert film is not None
        return film

    def states(self) -> dict[str, str]:
        """The states of all files, with the prefix "away" for missing ones."""
        return {
            row.path: f"{'away ' if row.away_since else ''}{row.state}"
            for row in LibraryFile.objects.filter(folder=self.folder)
        }

    def snapshot(self) -> dict[str, tuple[int, int, bytes]]:
        """The mode, the times and the content of each file, which must never change."""
        found = {}
        for parent, _folders, names in os.walk(self.root):
            for path in (Path(parent, name) for name in names):
                status = path.lstat()
                data = b"" if path.is_symlink() else path.read_bytes()
                found[str(path)] = (status.st_mode, status.st_mtime_ns, data)
        return found

    def _queue(self, step: str, *key: int) -> None:
        self.queued.append((step, *key))


def finish(film: Film) -> None:
    """Mark a film as imported, without its frames."""
    Film.objects.filter(pk=film.pk).update(
        state=Film.State.READY, searchable_run=1, duration=60, tracks_run=1
    )
