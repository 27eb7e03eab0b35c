"""Listing a library folder, and matching subtitles to films."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from gallery.library import paths
from gallery.library.fingerprints import SAMPLE_BYTES, quick_fingerprint
from gallery.library.folders import FolderError, check_patterns
from gallery.library.listing import Listing, compile_patterns, list_folder
from gallery.library.subtitle_files import match_subtitles


def list_films(root: Path, ignored: str = "") -> Listing:
    return list_folder(root, compile_patterns(ignored))


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def test_films_and_subtitles_of_sub_folders_are_found(tmp_path: Path) -> None:
    make(tmp_path, "a.mkv", "b/c/d.MP4", "b/c/d.en.srt", "b/cover.jpg", "readme.txt", "x.mkv.part")
    found = list_films(tmp_path)
    assert set(found.films) == {"a.mkv", "b/c/d.MP4"}
    assert set(found.subtitles) == {"b/c/d.en.srt"}
    assert found.films["a.mkv"].size == len("a.mkv")


def test_hidden_files_and_system_folders_are_skipped(tmp_path: Path) -> None:
    make(tmp_path, ".a.mkv", ".trash/b.mkv", "@eaDir/c.mkv", "$RECYCLE.BIN/d.mkv", "e.mkv")
    assert set(list_films(tmp_path).films) == {"e.mkv"}


def test_patterns_are_those_of_gitignore(tmp_path: Path) -> None:
    make(tmp_path, "a/Sample/a.mkv", "a/a.mkv", "a/a-trailer.mkv", "extras/x.mkv", "a/extras/y.mkv")
    assert set(list_films(tmp_path, "Sample/\n*-trailer.*\n/extras\n").films) == {
        *("a/a.mkv", "a/extras/y.mkv")
    }
    assert "a/Sample/a.mkv" in list_films(tmp_path).films  # ignored only if configured


@pytest.mark.parametrize("pattern", ["[z-a]", "[a-\\]", "!", "\\"])
def test_invalid_patterns_are_refused_in_words(pattern: str) -> None:
    with pytest.raises(FolderError) as refused:
        check_patterns(f"Sample/\n{pattern}\n*-trailer.*")
    assert str(refused.value) == f"This ignore pattern is invalid: {pattern}"


def test_links_are_followed_without_loops(tmp_path: Path) -> None:
    root, other = tmp_path / "library", tmp_path / "other"
    make(root, "a/film.mkv")
    make(other, "linked.mkv")
    (root / "a" / "loop").symlink_to(root)
    (root / "itself").symlink_to("itself")
    (root / "elsewhere").symlink_to(other)
    (root / "0 again").symlink_to(root / "a")  # listed first, but the folder itself counts
    (root / "gone.mkv").symlink_to(tmp_path / "nowhere.mkv")
    os.mkfifo(root / "pipe.mkv")
    assert set(list_films(root).films) == {"a/film.mkv", "elsewhere/linked.mkv"}


def test_an_unreadable_folder_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The permission is faked, because root can read everything."""
    make(tmp_path, "a/film.mkv", "b/film.mkv")
    scandir = os.scandir

    def refuse(path: Path) -> Any:
        if path == tmp_path / "b":
            raise PermissionError(errno.EACCES, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = list_films(tmp_path)
    assert set(found.films) == {"a/film.mkv"}
    assert found.unreadable == {"b": "Permission denied"}
    assert not found.is_readable("b/film.mkv")
    assert found.is_readable("bb/film.mkv")


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list_films(tmp_path / "nowhere")


def test_names_that_are_not_utf8_are_kept(tmp_path: Path) -> None:
    name = os.fsdecode("Amélie.mkv".encode("latin-1"))
    make(tmp_path, "x")
    (tmp_path / name).write_bytes(b"film")
    [stored] = list_films(tmp_path).films
    stored.encode()  # databases accept it
    assert paths.join(paths.to_stored(str(tmp_path)), stored).read_bytes() == b"film"
    assert paths.readable(stored) == "Amélie.mkv"


def test_a_fingerprint_detects_changes_at_both_ends_and_in_the_middle(tmp_path: Path) -> None:
    data = bytes(10 * SAMPLE_BYTES)
    seen = set()
    for at in (None, 0, len(data) // 2, len(data) - 1):
        changed = bytearray(data)
        if at is not None:
            changed[at] = 1
        (tmp_path / "film.mkv").write_bytes(changed)
        seen.add(quick_fingerprint(tmp_path / "film.mkv"))
    (tmp_path / "film.mkv").write_bytes(data + b"\0")
    seen.add(quick_fingerprint(tmp_path / "film.mkv"))
    assert len(seen) == 5
    for short in (b"", b"a", b"b"):
        (tmp_path / "film.mkv").write_bytes(short)
        seen.add(quick_fingerprint(tmp_path / "film.mkv"))
    assert len(seen) == 8


@pytest.mark.parametrize(
    ("films", "subtitles", "film"),
    [
        (["Rain.mkv"], "Rain.srt", "Rain.mkv"),
        (["a/Rain.mkv"], "a/rain.EN.srt", "a/Rain.mkv"),
        (["Foo.mp4", "Foo.2.mp4"], "Foo.2.en.srt", "Foo.2.mp4"),
        (["Foo.mp4", "Foo.2.mp4"], "Foo.en.srt", "Foo.mp4"),
        (["a/Rain.mkv"], "a/Subs/English.srt", "a/Rain.mkv"),
        (["a/One.mkv", "a/Two.mkv"], "a/Subs/Two.en.srt", "a/Two.mkv"),
        (["a/One.mkv", "a/Two.mkv"], "a/Subs/Two/2_English.srt", "a/Two.mkv"),
        (["a/One.mkv", "a/Two.mkv"], "a/Subs/English.srt", None),
        (["a/Rain.mkv"], "a/English.srt", None),
        (["a/Rain.mkv"], "b/Rain.srt", None),
        (["Rain.mkv"], "Rainbow.srt", None),
    ],
)
def test_subtitles_belong_to_the_film_they_are_named_after(
    films: list[str], subtitles: str, film: str | None
) -> None:
    assert dict(match_subtitles(films, [subtitles])) == ({film: [subtitles]} if film else {})
