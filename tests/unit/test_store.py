"""The media store: atomic writes, names, a full disk."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gallery.core.errors import DiskFull
from gallery.media import store
from gallery.media.store import FilmFiles, RunFiles, SegmentData
from gallery.media.types import FrameKind, Span
from tests.films import noise


def segment(first: int, count: int, cuts: list[float]) -> SegmentData:
    seconds = np.arange(first, first + count, dtype=np.int32)
    vectors = np.random.default_rng(first).normal(size=(count, 8)).astype(np.float16)
    looks = np.array([FrameKind.PICTURE, FrameKind.BLANK] * count, store.FRAME_KIND_DTYPE)[:count]
    return SegmentData(
        seconds,
        seconds + 0.5,
        vectors,
        np.array(cuts, np.float64),
        looks,
        seconds.astype(np.uint64),
    )


def test_segments_are_joined_in_time_order(tmp_path: Path) -> None:
    run = RunFiles(tmp_path)
    parts = [segment(0, 5, [1.5]), segment(5, 5, []), segment(10, 2, [10.25, 11.0])]
    for number in (2, 0, 1):
        run.save_segment(number, parts[number])
    data = run.load()
    assert data.seconds.tolist() == list(range(12))
    assert data.cuts.tolist() == [1.5, 10.25, 11.0]
    assert data.vectors.tobytes() == b"".join(part.vectors.tobytes() for part in parts)
    assert data.times.dtype == np.float64
    assert data.looks.tolist() == [look for part in parts for look in part.looks.tolist()]


@pytest.mark.parametrize(
    ("span", "seconds"),
    [
        (Span(0, 5), [0, 1, 2, 3, 4]),
        (Span(4, 11), list(range(4, 11))),
        (Span(11, None), [11]),
        (Span(12, None), []),
    ],
)
def test_the_times_of_a_part_are_read_from_its_segments_only(
    tmp_path: Path, span: Span, seconds: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFiles(tmp_path)
    for number, first in enumerate((0, 5, 10)):
        run.save_segment(number, segment(first, min(5, 12 - first), []))
    read: list[tuple[int, tuple[str, ...]]] = []
    load = RunFiles._load_columns
    monkeypatch.setattr(
        RunFiles,
        "_load_columns",
        lambda run, number, names: read.append((number, names)) or load(run, number, names),
    )
    found, times = run.load_times(span)
    assert (found.tolist(), times.tolist()) == (seconds, [second + 0.5 for second in seconds])
    assert {names for _number, names in read} == {("seconds", "times")}
    assert max(number for number, _names in read) == (1 if span.end == 5 else 2)


def test_times_without_damaged_segments(tmp_path: Path) -> None:
    run = RunFiles(tmp_path)
    for number, first in enumerate((0, 5)):
        run.save_segment(number, segment(first, 5, []))
    run.segment(0).write_bytes(b"damaged")
    assert run.load_times(Span(0, 7))[0].tolist() == [5, 6]


def test_a_missing_segment_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        RunFiles(tmp_path / "none").load_times(Span(0, None))
    with pytest.raises(FileNotFoundError):
        RunFiles(tmp_path / "none").load()
    assert RunFiles(tmp_path / "none").count_thumbnails() == 0


def test_an_interrupted_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    store.write_atomically(path, lambda file: file.write(b"old"))

    def fail(file: Any) -> None:
        file.write(b"new, but not all of")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_full_disk_is_reported_and_leaves_nothing(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On /dev/full a small file fails when it is closed, a large one while it is written."""

    def on_full_disk(dir: Path, prefix: str) -> tuple[int, str]:
        path = Path(dir) / f"{prefix}x"
        path.touch()
        return os.open("/dev/full", os.O_WRONLY), str(path)

    monkeypatch.setattr(store.tempfile, "mkstemp", on_full_disk)
    with pytest.raises(DiskFull, match="The disk is full"):
        store.write_atomically(tmp_path / "a", lambda file: file.write(bytes(size)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("Film.MP4", "source.mp4"),
        ("film", "source"),
        ("../../etc/passwd", "source"),
        ("a.b/c.mkv", "source.mkv"),
        ("film.m p4;rm", "source.mp4rm"),
        ("film.影片", "source"),
        ("film." + "x" * 300, "source.xxxxxxxx"),
        ("film.mp4\x00.exe", "source.exe"),
    ],
)
def test_a_stored_name_keeps_only_the_extension(name: str, stored: str, tmp_path: Path) -> None:
    files = FilmFiles("0011223344556677")
    arrived = tmp_path / "arrived"
    arrived.write_bytes(b"film")
    try:
        path = files.move_source_here(arrived, name)
        assert path.parent == files.folder
        assert path.name == stored
        assert files.source() == path
        assert path.stat().st_mode & 0o777 == 0o640
        assert not arrived.exists()
    finally:
        files.remove()
    assert not files.folder.exists()
    files.remove()


def test_other_runs_are_removed() -> None:
    files = FilmFiles("8899aabbccddeeff")
    try:
        for run in (1, 2, 3):
            files.run(run).save_thumbnail(0, noise(run))
        files.remove_other_runs(keep=2)
        assert [p.name for p in files.folder.iterdir()] == ["2"]
    finally:
        files.remove()


def test_only_old_files_are_removed(tmp_path: Path) -> None:
    """Files, and folders with their content."""
    for age, name in ((100, "old"), (10, "new")):
        (tmp_path / f"{name}-folder").mkdir()
        (tmp_path / f"{name}-folder" / "draft").touch()
        (tmp_path / name).touch()
        for path in (tmp_path / name, tmp_path / f"{name}-folder"):
            os.utime(path, (time.time() - age, time.time() - age))
    store.remove_older(tmp_path, 50)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new", "new-folder"]
    assert (tmp_path / "new-folder" / "draft").is_file()
    store.remove_older(tmp_path / "missing", 50)
