"""The layout of a backup.

    backup.json                 the header of the latest complete backup, replaced atomically
    TIME/files.jsonl            its list of entries
    TIME/database/TABLE.jsonl.gz
    TIME/films/UID/...          files copied by this backup; entries may refer to earlier folders
    TIME/journal.jsonl          the entries so far, while a backup is being made

Each backup writes to a new folder, named after the time, and its list refers to files there and in
earlier folders. So the last complete backup stays intact until `backup.json` is replaced.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

from gallery.backup.types import BackupError, Entry, Header, Kind, Manifest

FORMAT = 1
NAME = "backup.json"
LIST_NAME = "files.jsonl"
JOURNAL_NAME = "journal.jsonl"
FOLDER_NAME = re.compile(r"\d{8}T\d{6}Z(-\d+)?")


def list_folders(backup: Path) -> list[Path]:
    """Return the TIME folders of complete and interrupted backups, oldest first."""
    return sorted(one for one in backup.iterdir() if FOLDER_NAME.fullmatch(one.name))


def read_manifest(backup: Path) -> Manifest:
    """Read the latest complete backup. Raises BackupError if it is missing or unreadable."""
    try:
        data = json.loads((backup / NAME).read_text("utf-8"))
        if data["format"] > FORMAT:
            raise BackupError(
                f"The backup in {backup} was made by a newer version ({data['version']}). Update "
                "this installation first."
            )
        listed = (backup / data["list"]).read_bytes()
        if hashlib.sha256(listed).hexdigest() != data["list_sha256"]:
            raise ValueError("its list of files is damaged")
        entries = [_to_entry(json.loads(line)) for line in listed.splitlines()]
        header = Header(
            **{name: data[name] for name in Header.__dataclass_fields__ if name != "model"},
            model=(data["model"][0], data["model"][1]),
        )
    except FileNotFoundError as error:
        raise BackupError(
            f"There is no complete backup in {backup}: {Path(error.filename).name} is missing."
        ) from error
    except (json.JSONDecodeError, UnicodeError, KeyError, TypeError, IndexError) as error:
        raise BackupError(f"The backup in {backup} cannot be read: {NAME} is damaged.") from error
    except (ValueError, OSError) as error:
        raise BackupError(f"The backup in {backup} cannot be read: {error}.") from error
    return Manifest(header, {entry.path: entry for entry in entries})


def write_manifest(backup: Path, folder: Path, manifest: Manifest) -> None:
    """Make a backup the latest complete one, after syncing its files to disk."""
    listed = b"".join(map(to_line, manifest.entries.values()))
    _write_synced(folder / LIST_NAME, listed)
    header = {
        "format": FORMAT,
        **asdict(manifest.header),
        "list": f"{folder.name}/{LIST_NAME}",
        "list_sha256": hashlib.sha256(listed).hexdigest(),
    }
    draft = backup / f".{NAME}"
    _write_synced(draft, json.dumps(header, indent=1, ensure_ascii=False).encode())
    # Sync the copied files before the file that refers to them.
    os.sync()
    draft.replace(backup / NAME)
    folder_handle = os.open(backup, os.O_RDONLY)
    try:
        os.fsync(folder_handle)
    finally:
        os.close(folder_handle)


def _write_synced(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def read_journal(folder: Path) -> Iterator[Entry]:
    """Yield the entries of an interrupted backup; its last line may be incomplete."""
    try:
        lines = (folder / JOURNAL_NAME).read_bytes().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            yield _to_entry(json.loads(line))
        except (ValueError, KeyError, TypeError):
            return


def to_line(entry: Entry) -> bytes:
    """Return an entry as a line of a list."""
    return json.dumps(asdict(entry), ensure_ascii=True).encode() + b"\n"


def _to_entry(data: dict[str, Any]) -> Entry:
    """Parse an entry. Raises ValueError, KeyError or TypeError if it is malformed."""
    entry = Entry(**{**data, "kind": Kind(data["kind"]), "signature": tuple(data["signature"])})
    for path in (entry.path, entry.stored):
        parts = PurePosixPath(path).parts
        if path.startswith("/") or ".." in parts or "\0" in path:
            raise ValueError(f"{path!r} is not a path inside a backup")
    return entry


def missing_files(backup: Path, entries: Iterable[Entry]) -> list[str]:
    """Return the stored files that are missing or have another size."""
    found = []
    for entry in entries:
        if entry.kind is Kind.LINK:
            continue
        try:
            size = (backup / entry.stored).stat().st_size
        except OSError:
            size = -1
        if size != entry.size:
            found.append(entry.stored)
    return found
