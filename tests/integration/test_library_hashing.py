"""Library files are hashed in parts, by processes that may be stopped or killed."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from gallery.core import shutdown
from gallery.films.models import Film
from gallery.library import fingerprints, hashing
from gallery.library.models import LibraryFile
from tests.library import Library, finish

pytestmark = pytest.mark.django_db(transaction=True)
CHUNKS = 3  # of the first file


@pytest.fixture
def library(
    redis_server: redis.Redis, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Library]:
    """Two imported films; each part reads one chunk."""
    settings.LIBRARY_SETTLE_SECONDS = 0
    monkeypatch.setattr(fingerprints, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(hashing, "PART_SECONDS", -1)
    monkeypatch.setattr(hashing, "_begun", None)
    made = Library(tmp_path / "library")
    made.write("a.mkv", os.urandom(1000 * CHUNKS))
    made.scan()
    made.write("b.mkv", os.urandom(500))
    made.follow()
    for name in ("a.mkv", "b.mkv"):
        finish(made.film(name))
    yield made
    for film in Film.objects.all():
        film.files.remove()


def read_part() -> bool:
    return hashing.hash_next(lambda *_step: None)


def digest_of(library: Library, name: str) -> str:
    return hashlib.sha256((library.root / name).read_bytes()).hexdigest()


def hashed(library: Library) -> list[str]:
    """The names of the files with a SHA-256, which must be correct."""
    files = LibraryFile.objects.exclude(sha256="").order_by("path")
    for file in files:
        assert file.sha256 == digest_of(library, file.path)
        assert file.film is not None
        assert file.film.sha256 == file.sha256
    return [file.path for file in files]


def test_a_file_is_hashed_in_parts(library: Library) -> None:
    for _part in range(CHUNKS):
        assert read_part()
        assert hashed(library) == []
    assert read_part()
    assert hashed(library) == ["a.mkv"]
    while read_part():
        pass
    assert hashed(library) == ["a.mkv", "b.mkv"]


def test_a_stopped_worker_leaves_the_file_to_others(
    library: Library, redis_server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "PART_SECONDS", 60)
    with monkeypatch.context() as stopped:
        stopped.setattr(shutdown, "_requested", bytearray(b"\x01"))
        assert read_part()
    assert hashed(library) == []
    monkeypatch.setattr(hashing, "_begun", None)  # another process
    assert read_part()
    assert hashed(library) == ["a.mkv"]


def test_another_process_hashes_another_file(
    library: Library, redis_server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_part()
    begun = hashing._begun
    monkeypatch.setattr(hashing, "_begun", None)
    while read_part():
        pass
    assert hashed(library) == ["b.mkv"]
    assert hashing.next_to_hash() == library.file("a.mkv")
    monkeypatch.setattr(hashing, "_begun", begun)
    while read_part():
        pass
    assert hashed(library) == ["a.mkv", "b.mkv"]


def test_a_file_of_a_killed_worker_is_hashed_from_the_start(
    library: Library, redis_server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_part()
    key = hashing._key(library.file("a.mkv"))
    assert 0 < redis_server.ttl(key) <= hashing.KEPT_SECONDS
    redis_server.delete(key)  # as if it had expired
    monkeypatch.setattr(hashing, "_begun", None)
    while read_part():
        pass
    assert hashed(library) == ["a.mkv", "b.mkv"]


def test_a_file_that_changes_between_two_parts_is_hashed_from_the_start(library: Library) -> None:
    read_part()
    changed = library.write("a.mkv", os.urandom(1000 * CHUNKS))
    assert not read_part()
    library.settle()
    for name in ("a.mkv", "b.mkv"):
        finish(library.film(name))
    while read_part():
        pass
    assert hashed(library) == ["a.mkv", "b.mkv"]
    assert library.file("a.mkv").size == changed.stat().st_size
