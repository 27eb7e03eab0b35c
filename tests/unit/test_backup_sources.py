"""The parts of backups that do not need a database."""

import json
import tarfile
from dataclasses import replace
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest

from gallery.backup import copying, manifest, sources
from gallery.backup.manifest import read_journal, read_manifest, write_manifest
from gallery.backup.reporting import TerminalReporter, format_bytes, format_counts
from gallery.backup.types import BackupError, Entry, Header, Kind, Manifest
from tests.unit.test_docs import SETTINGS

HEADER = Header(
    version="1.0.0", made_at="2026-01-02T03:04:05+00:00", migrations={"gallery": "0001_initial"},
    counts={"film": 1}, settings={"CLIP_EDGES": "pad"}, model=("abc", "demo"), has_secrets=False,
    working_copies=[],
)  # fmt: skip


def count_nothing(_count: int) -> None:
    pass


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A complete backup of one file."""
    folder = tmp_path / "backup" / "20260102T030405Z"
    stored = folder / "films" / "a" / "source.mp4"
    size, sha256 = copying.copy_file(Path(__file__), stored, count_nothing)
    path = stored.relative_to(folder).as_posix()
    entry = Entry(path, Kind.FILE, f"{folder.name}/{path}", size, sha256, signature=(size, 2))
    write_manifest(folder.parent, folder, Manifest(HEADER, {path: entry}))
    return folder.parent


def change_header(backup: Path, **values: Any) -> None:
    path = backup / manifest.NAME
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_manifest_round_trips(backup: Path) -> None:
    found = read_manifest(backup)
    assert found.header == HEADER
    (entry,) = found.entries.values()
    assert entry.signature == (entry.size, 2)
    assert found.film_files == 1
    assert manifest.missing_files(backup, [entry]) == []


def test_a_missing_or_truncated_manifest_is_refused(backup: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="no complete backup"):
        read_manifest(tmp_path)
    text = (backup / manifest.NAME).read_text()
    for damaged in (text[:100], "", "[]", "{}", "\0" * 100):
        (backup / manifest.NAME).write_text(damaged)
        with pytest.raises(BackupError, match=r"cannot be read: backup\.json is damaged\.$"):
            read_manifest(backup)
    (backup / manifest.NAME).write_text(text)
    listed = next(backup.rglob(manifest.LIST_NAME))
    listed.write_bytes(listed.read_bytes()[:-10])
    with pytest.raises(BackupError, match="list of files is damaged"):
        read_manifest(backup)
    listed.unlink()
    with pytest.raises(BackupError, match=r"files\.jsonl is missing"):
        read_manifest(backup)


def test_another_format_is_refused(backup: Path) -> None:
    change_header(backup, format=manifest.FORMAT + 1, version="9.0.0")
    with pytest.raises(BackupError, match=r"newer version \(9.0.0\)"):
        read_manifest(backup)


@pytest.mark.parametrize("path", ["../etc/passwd", "/etc/passwd", "films/../../x"])
def test_paths_that_leave_the_folder_are_refused(backup: Path, path: str) -> None:
    found = read_manifest(backup)
    (entry,) = found.entries.values()
    entries = {path: replace(entry, path=path)}
    write_manifest(backup, manifest.list_folders(backup)[0], Manifest(HEADER, entries))
    with pytest.raises(BackupError, match="not a path inside a backup"):
        read_manifest(backup)


def test_a_journal_may_end_in_the_middle_of_a_line(tmp_path: Path) -> None:
    entries = [Entry(f"films/{name}/source.mp4", Kind.FILE, name, 1) for name in "abc"]
    lines = b"".join(map(manifest.to_line, entries))
    (tmp_path / manifest.JOURNAL_NAME).write_bytes(lines[:-20])
    assert list(read_journal(tmp_path)) == entries[:2]
    assert list(read_journal(tmp_path / "none")) == []


def test_a_packed_folder_round_trips(tmp_path: Path) -> None:
    source = tmp_path / "thumbs"
    source.mkdir()
    for number in range(30):
        (source / f"{number:06d}.jpg").write_bytes(bytes([number]) * (300 * number))
    (source / ".draft-x").write_bytes(b"unfinished")
    signature = copying.compute_folder_signature(source)
    assert signature[:2] == (30, 300 * sum(range(30)))
    size, sha256 = copying.pack_folder(source, tmp_path / "thumbs.tar", count_nothing)
    assert size == (tmp_path / "thumbs.tar").stat().st_size
    copying.unpack_folder(tmp_path / "thumbs.tar", tmp_path / "out", sha256, count_nothing)
    finished = {path.name: path.read_bytes() for path in source.glob("*.jpg")}
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == finished


def test_damage_is_detected(tmp_path: Path) -> None:
    source = tmp_path / "thumbs"
    source.mkdir()
    (source / "000000.jpg").write_bytes(b"a picture" * 200)
    tar = tmp_path / "thumbs.tar"
    _size, sha256 = copying.pack_folder(source, tar, count_nothing)
    data = bytearray(tar.read_bytes())
    data[600] ^= 1
    tar.write_bytes(data)
    with pytest.raises(BackupError, match="damaged"):
        copying.unpack_folder(tar, tmp_path / "out", sha256, count_nothing)
    with pytest.raises(BackupError, match="damaged"):
        copying.restore_file(tar, tmp_path / "copy", sha256, count_nothing)
    tar.write_bytes(data[:700])
    with pytest.raises(BackupError, match="damaged"):
        copying.unpack_folder(tar, tmp_path / "out", sha256, count_nothing)


def test_a_tar_cannot_write_elsewhere(tmp_path: Path) -> None:
    tar = tmp_path / "thumbs.tar"
    with tarfile.open(tar, "w") as file:
        member = tarfile.TarInfo("../outside.jpg")
        member.size = 1
        file.addfile(member, BytesIO(b"x"))
    with pytest.raises(BackupError, match="is not a file"):
        copying.unpack_folder(tar, tmp_path / "out" / "thumbs", "", count_nothing)
    assert not (tmp_path / "out" / "outside.jpg").exists()


def test_settings_in_a_backup_exist() -> None:
    assert [name for name in sources.SETTINGS if f"`{name}`" not in SETTINGS] == []


def test_progress_is_printed_as_lines_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    output = StringIO()
    reporter = TerminalReporter(output, StringIO())
    reporter.start("Files", 4_000_000)
    reporter.advance(500_000)
    now += 20
    reporter.advance(500_000)
    reporter.end()
    assert output.getvalue() == "Files: 1.0 MB of 4.0 MB, about 60 seconds left\n"


def test_the_time_left_is_not_estimated_from_the_first_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    output = StringIO()
    reporter = TerminalReporter(output, StringIO())
    reporter.start("Database", 20_000)
    now += 11
    reporter.advance(2)
    now += 11
    reporter.advance(9_998)
    assert output.getvalue().splitlines() == [
        "Database: 2 bytes of 20.0 kB",
        "Database: 10.0 kB of 20.0 kB, about 22 seconds left",
    ]


def test_sizes_and_counts_are_readable() -> None:
    assert [format_bytes(n) for n in (0, 999, 1000, 2_500_000, 7 * 10**12)] == [
        "0 bytes", "999 bytes", "1.0 kB", "2.5 MB", "7.0 TB",
    ]  # fmt: skip
    assert format_counts({"film": 1, "board": 3}) == "1 film, 3 boards"
