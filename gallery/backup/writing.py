"""Backs up the installation while it is running.

The database snapshot comes first, then the files that it refers to. Files do not change once an
import has published them. If a film was deleted or re-imported meanwhile, some of its files are
gone, so the database is written again.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from gallery.backup import copying, manifest, sources, tables
from gallery.backup.copying import create
from gallery.backup.reporting import format_bytes
from gallery.backup.sources import Source
from gallery.backup.tables import SNAPSHOT
from gallery.backup.types import (
    SECRET_KEY,
    BackupError,
    Entry,
    Header,
    Kind,
    Manifest,
    Reporter,
)
from gallery.clip import weights
from gallery.core import disk
from gallery.media.store import FilmFiles

MAX_ROUNDS = 5  # snapshots, while films are deleted or re-imported
COUNTED_MODELS = ("film", "board", "storyboard", "label", "line")  # models whose counts are shown
RESERVE = 50_000_000  # bytes to leave free on the disk of the backup


@dataclass(frozen=True, slots=True)
class Done:
    """A finished backup and the bytes copied for it.

    `missing` are the folders of films whose files were missing in the media store.
    """

    manifest: Manifest
    copied: int
    missing: list[str]


def make_backup(
    backup: Path, reporter: Reporter, *, with_films: bool = False, with_secrets: bool = False
) -> Done:
    """Back up the installation to a folder, which may contain an earlier backup of it.

    Only new files are copied; then files that the new backup does not need are removed. After an
    error, the earlier backup is intact. Raises BackupError.
    """
    _require_own_folder(backup)
    migrations = tables.list_migrations()
    try:
        backup.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _lock(backup):
            work = _Work(backup, _new_folder(backup), reporter)
            try:
                work.find_earlier()
                _write_consistently(work, with_films=with_films, with_secrets=with_secrets)
            except BaseException:
                if not work.copied:
                    shutil.rmtree(work.folder, ignore_errors=True)
                raise
            header = _header(migrations, work, with_secrets=with_secrets)
            done = Manifest(header, dict(sorted(work.entries.items())))
            manifest.write_manifest(backup, work.folder, done)
            _remove_unused(work)
    except OSError as error:
        if disk.is_disk_full(error):
            raise BackupError(
                f"The disk of {backup} is full. Free some space and run the backup again: it "
                f"resumes where it stopped.{_describe_previous(backup)}"
            ) from error
        raise BackupError(f"The backup cannot be written: {error}.") from error
    return Done(done, work.copied, work.missing)


def _require_own_folder(backup: Path) -> None:
    """Raise BackupError for a folder that contains anything but a backup."""
    for name, folder in (("VAR_DIR", settings.VAR_DIR), ("MEDIA_DIR", settings.MEDIA_ROOT)):
        if backup.resolve().is_relative_to(folder.resolve()):
            raise BackupError(
                f"{backup} is inside {name} ({folder}), which is to be backed up. Choose a folder "
                "on another disk."
            )
    if not backup.exists():
        return
    if not backup.is_dir():
        raise BackupError(f"{backup} is not a folder.")
    is_backup = (backup / manifest.NAME).exists() or manifest.list_folders(backup)
    if not is_backup and any(backup.iterdir()):
        raise BackupError(f"{backup} contains other files. Choose an empty or a new folder.")


@contextmanager
def _lock(backup: Path) -> Iterator[None]:
    with create(backup / ".lock") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BackupError(f"Another backup to {backup} is running.") from error
        yield


def _new_folder(backup: Path) -> Path:
    name = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    number = 0
    while True:
        folder = backup / (f"{name}-{number}" if number else name)
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            number += 1
        else:
            return folder


@dataclass
class _Work:
    """A backup being made in `folder`.

    `earlier` are the entries of earlier backups by path, `unverified` those of interrupted ones,
    whose files are verified before reuse. `entries` are those of this backup. `films` are the
    folders of all films, `missing` those without their searchable run.
    """

    backup: Path
    folder: Path
    reporter: Reporter
    earlier: dict[str, Entry] = field(default_factory=dict)
    unverified: dict[str, Entry] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    films: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    copied: int = 0

    def find_earlier(self) -> None:
        """Find the entries that need not be copied again."""
        if (self.backup / manifest.NAME).exists():
            self.earlier = manifest.read_manifest(self.backup).entries
        for folder in manifest.list_folders(self.backup):
            for entry in manifest.read_journal(folder):
                self.unverified[entry.path] = entry

    def begin_round(self) -> None:
        """Start over, reusing what was copied so far."""
        self.earlier |= self.entries
        self.entries.clear()

    def note(self, entry: Entry) -> None:
        """Add an entry to this backup, and to its journal in case it is interrupted."""
        self.entries[entry.path] = entry
        with (self.folder / manifest.JOURNAL_NAME).open("ab") as journal:
            journal.write(manifest.to_line(entry))

    def reuse(self, path: str, kind: Kind, signature: tuple[int, ...]) -> Entry | None:
        """Return the entry of an earlier copy that is still valid."""
        for entries in (self.earlier, self.unverified):
            found = entries.get(path)
            if found is None or (found.kind, found.signature) != (kind, signature):
                continue
            if manifest.missing_files(self.backup, [found]):
                continue
            if entries is self.unverified and not self._is_undamaged(found):
                continue
            return found
        return None

    def _is_undamaged(self, entry: Entry) -> bool:
        try:
            copying.check_file(self.backup / entry.stored, entry.sha256, lambda _count: None)
        except (BackupError, OSError):
            return False
        return True

    def advance(self, count: int) -> None:
        """Count copied bytes."""
        self.copied += count
        self.reporter.advance(count)


def _write_consistently(work: _Work, *, with_films: bool, with_secrets: bool) -> None:
    """Write the database and its files, repeating until no file has disappeared meanwhile."""
    for _round in range(MAX_ROUNDS):
        if _write_round(work, with_films=with_films, with_secrets=with_secrets):
            return
        work.reporter.say("Films were deleted or re-imported meanwhile: starting over.")
    raise BackupError("Films kept being deleted or re-imported. Try again later.")


def _write_round(work: _Work, *, with_films: bool, with_secrets: bool) -> bool:
    """Write the database and its files. Return False if some files disappeared meanwhile.

    That happens only to searchable films that were deleted or have a new run.
    """
    work.begin_round()
    with tables.open_snapshot():
        runs = sources.searchable_runs(SNAPSHOT)  # this first query takes the snapshot
        work.reporter.say("Database ...")
        for model in tables.list_models(with_sessions=with_secrets):
            entry = tables.write_table(model, work.backup, work.folder.name, lambda _count: None)
            work.entries[entry.path] = entry
        found = list(sources.list_sources())
    if with_secrets:
        _write_secret(work)
    _copy_all(work, found, with_films=with_films)
    now = sources.searchable_runs("default")
    work.films = list(runs)
    wanted = {uid: run for uid, run in runs.items() if run is not None}
    stored = {tuple(path.split("/")[1:3]) for path in work.entries if path.startswith("films/")}
    work.missing = [uid for uid, run in wanted.items() if (uid, str(run)) not in stored]
    return all(now.get(uid) == run for uid, run in wanted.items())


def _write_secret(work: _Work) -> None:
    stored = f"{work.folder.name}/{SECRET_KEY}"
    with create(work.backup / stored) as file:
        hashing = copying.HashingFile(file, lambda _count: None)
        hashing.write(settings.SECRET_KEY.encode())
    work.entries[SECRET_KEY] = Entry(SECRET_KEY, Kind.FILE, stored, hashing.size, hashing.sha256)


def _copy_all(work: _Work, found: list[Source], *, with_films: bool) -> None:
    """Copy the sources that have no valid copy yet. Raises BackupError and OSError.

    Film files that were copied once are kept, even without `with_films`.
    """
    todo: list[tuple[Source, tuple[int, ...]]] = []
    for source in found:
        try:
            if source.kind is Kind.LINK:
                target = os.fspath(source.location.readlink())
                work.note(Entry(source.path, Kind.LINK, target=target))
                continue
            signature = _compute_signature(source)
        except FileNotFoundError:
            continue  # deleted or re-imported since the snapshot
        known = work.reuse(source.path, source.kind, signature)
        if known is not None:
            work.note(known)
        elif with_films or not source.is_film:
            todo.append((source, signature))
    total = sum(_size(source, signature) for source, signature in todo)
    _require_space(work.backup, total)
    work.reporter.start("Files", total)
    for source, signature in todo:
        copy = copying.pack_folder if source.kind is Kind.FOLDER else copying.copy_file
        ending = ".tar" if source.kind is Kind.FOLDER else ""
        stored = f"{work.folder.name}/{source.path}{ending}"
        try:
            size, sha256 = copy(source.location, work.backup / stored, work.advance)
        except FileNotFoundError:
            (work.backup / stored).unlink(missing_ok=True)
            continue
        work.note(Entry(source.path, source.kind, stored, size, sha256, signature=signature))
    work.reporter.end()


def _compute_signature(source: Source) -> tuple[int, ...]:
    if source.kind is Kind.FOLDER:
        return copying.compute_folder_signature(source.location)
    return copying.compute_file_signature(source.location)


def _size(source: Source, signature: tuple[int, ...]) -> int:
    """Return the size of a source in the backup: in a tar, files are padded to whole blocks."""
    if source.kind is Kind.FOLDER:
        count, size, _newest = signature
        return size + count * 1024
    return signature[0]


def _require_space(backup: Path, size: int) -> None:
    free = shutil.disk_usage(backup).free
    if size + RESERVE > free:
        raise BackupError(
            f"The backup needs {format_bytes(size)} more, but the disk of {backup} has only "
            f"{format_bytes(free)} free, of which {format_bytes(RESERVE)} are reserved. "
            f"Nothing was copied.{_describe_previous(backup)}"
        )


def _describe_previous(backup: Path) -> str:
    is_there = (backup / manifest.NAME).exists()
    return " The previous backup there is unchanged." if is_there else ""


def _header(migrations: dict[str, str], work: _Work, *, with_secrets: bool) -> Header:
    rows = {path: entry.rows for path, entry in work.entries.items()}
    model = weights.current()
    return Header(
        version=settings.VERSION,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        migrations=migrations,
        counts={name: rows[f"database/gallery.{name}.jsonl.gz"] for name in COUNTED_MODELS},
        settings={name: os.environ[name] for name in sources.SETTINGS if os.environ.get(name)},
        model=(model.fingerprint, model.name),
        has_secrets=with_secrets,
        working_copies=[uid for uid in work.films if _needs_working_copy(FilmFiles(uid))],
    )


def _needs_working_copy(files: FilmFiles) -> bool:
    return files.working_copy().is_file() or files.has_lost_working_copy


def _remove_unused(work: _Work) -> None:
    """Remove files that the new backup does not need."""
    used = {entry.stored for entry in work.entries.values()}
    used.add(f"{work.folder.name}/{manifest.LIST_NAME}")
    for folder in manifest.list_folders(work.backup):
        for parent, _folders, names in os.walk(folder, topdown=False):
            for name in names:
                path = Path(parent, name)
                if path.relative_to(work.backup).as_posix() not in used:
                    path.unlink()
            with suppress(OSError):  # it is not empty
                Path(parent).rmdir()
