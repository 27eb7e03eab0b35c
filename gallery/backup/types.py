"""The parts of a backup."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, Protocol

from gallery.core.errors import GalleryError


class BackupError(GalleryError):
    """The backup or the restore failed. Nothing was lost."""


class Kind(StrEnum):
    """The kind of an entry."""

    FILE = "file"
    FOLDER = "folder"  # many small files, stored as one tar
    LINK = "link"  # a symbolic link: `Entry.target` is where it leads


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, folder or link of an installation, and where the backup stores it.

    `path` is relative to the media store, except for `database/TABLE.jsonl.gz` and `secret_key`.
    `stored` is the file in the backup, relative to its folder, with its `size` in bytes and its
    `sha256`; a link has none. `signature` shows whether the original has changed since then.
    `rows` is the number of rows of a table.
    """

    path: str
    kind: Kind
    stored: str = ""
    size: int = 0
    sha256: str = ""
    target: str = ""
    signature: tuple[int, ...] = ()
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Header:
    """The metadata of a backup.

    It was made by `version` at `made_at` (ISO 8601). `migrations` are the last ones of each app,
    which define its tables. `counts` are the numbers of films, boards and so on, for display.
    `settings` are the environment variables that matter on another machine, `model` the
    fingerprint and the name of the active model. `has_secrets`: it contains the secret key and the
    sessions. `working_copies` are the folders of films that need a working copy.
    """

    version: str
    made_at: str
    migrations: dict[str, str]
    counts: dict[str, int]
    settings: dict[str, str]
    model: tuple[str, str]
    has_secrets: bool
    working_copies: list[str]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A complete backup: its header, and its entries by path."""

    header: Header
    entries: dict[str, Entry]

    @property
    def tables(self) -> list[Entry]:
        """The tables of the database."""
        return [entry for path, entry in self.entries.items() if path.startswith(DATABASE)]

    @property
    def store(self) -> list[Entry]:
        """The entries of the media store."""
        return [entry for path, entry in self.entries.items() if path.startswith(STORE)]

    @property
    def film_files(self) -> int:
        """The number of film files."""
        return sum(
            entry.kind is Kind.FILE and PurePosixPath(entry.path).name.startswith("source")
            for entry in self.store
        )

    @property
    def size(self) -> int:
        """The size of all stored files in bytes."""
        return sum(entry.size for entry in self.entries.values())


DATABASE = "database/"
STORE = ("films/", "probes/")
SECRET_KEY = "secret_key"


class Reporter(Protocol):
    """Shows progress."""

    def say(self, sentence: str) -> None:
        """Show a sentence."""

    def start(self, title: str, total: int) -> None:
        """Start a step of `total` bytes."""

    def advance(self, count: int) -> None:
        """Report that `count` more bytes of the step are done."""

    def end(self) -> None:
        """End the step."""


JsonRow = list[Any]
