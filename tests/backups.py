"""Backups in tests: small stored films, and installations to restore into."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gallery.backup.types import Manifest
from gallery.films.models import Film
from gallery.media.store import SegmentData
from tests.processes import run_manage, run_python

FRAMES = 3


class Reporter:
    """Shows nothing; calls `on_advance` whenever something was copied."""

    def __init__(self, on_advance: Callable[[], None] = lambda: None) -> None:
        self.on_advance = on_advance
        self.said: list[str] = []

    def say(self, sentence: str) -> None:
        self.said.append(sentence)

    def start(self, title: str, total: int) -> None:
        pass

    def advance(self, _count: int) -> None:
        self.on_advance()

    def end(self) -> None:
        pass


def store_film(title: str, run: int = 1) -> Film:
    """A searchable film with a few frames and a film file in the media store, not in the index."""
    content = title.encode() * 100
    film = Film.objects.create(
        title=title, sha256=title.encode().hex().ljust(64, "0")[:64], size=len(content),
        state=Film.State.READY, run=run, searchable_run=run, frame_count=FRAMES, duration=FRAMES,
        model="none",
    )  # fmt: skip
    store_run(film, run)
    (film.files.folder / "source.mp4").write_bytes(content)
    return film


def store_run(film: Film, run: int) -> None:
    """The files of a run."""
    files = film.files.run(run)
    for second in range(FRAMES):
        files.save_thumbnail(second, Image.new("RGB", (64, 36), (40 * second, run, 0)))
    seconds = np.arange(FRAMES, dtype=np.int32)
    vectors = np.eye(FRAMES, 8, dtype=np.float16)
    digests, looks = np.zeros(FRAMES, np.uint64), np.array([""] * FRAMES)
    files.save_segment(0, SegmentData(seconds, seconds * 1.0, vectors, np.zeros(0), looks, digests))


def stored_files(film: Film) -> dict[str, bytes]:
    """The files of a film, by their path within its folder."""
    folder = film.files.folder
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def read_rows(backup: Path, manifest: Manifest) -> dict[str, list[Any]]:
    """The rows of each table in a backup."""
    return {
        entry.path: [json.loads(line) for line in gzip.open(backup / entry.stored)]
        for entry in manifest.tables
    }


class Restored:
    """Another installation, with its own folder and embedded Redis."""

    def __init__(self, folder: Path, database_url: str = "") -> None:
        self.folder = folder
        self.environment = {
            "VAR_DIR": str(folder),
            "MEDIA_DIR": str(folder / "media"),
            "DATABASE_URL": database_url or f"sqlite:///{folder / 'db.sqlite3'}",
        }

    def manage(self, *arguments: str) -> str:
        """The output of manage.py, which must succeed."""
        done = run_manage(*arguments, **self.environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fetch(self, questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The responses to requests: see `tests.fetch`."""
        done = run_python("-m", "tests.fetch", json.dumps(questions), **self.environment)
        assert done.returncode == 0, done.stderr
        answers: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
        return answers
