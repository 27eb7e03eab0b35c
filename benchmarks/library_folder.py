"""Measures scans, moves and losses in a library folder with thousands of small films.

The films are copies of a few that FFmpeg makes, with different bytes at the end. All get rows and
links; a worker imports some, and the others are only marked as imported. Everything runs in a
separate process and folder.

    python -m benchmarks library_folder [--films 2000] [--imported 20] [--files 10000]
"""

import argparse
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.common import make_environment

BASES = 10  # films that FFmpeg makes
FILMS_IN_FOLDER = 100
RENAMED, MOVED, DELETED = "0002", "0003", "0004"  # folders; only some films of the last are deleted
DELETED_FILES = 10  # films that are deleted one by one


def parse(options: Sequence[str]) -> argparse.Namespace:
    """Parse the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks library_folder")
    parser.add_argument("--films", type=int, default=2000, help="at least 600")
    parser.add_argument("--imported", type=int, default=20, help="films imported by a worker")
    parser.add_argument(
        "--files", type=int, default=10_000, help="in a larger folder, which is only scanned"
    )
    return parser.parse_args(options)


def main(options: Sequence[str] = ()) -> None:
    """Measure in a separate process and installation."""
    from django.conf import settings

    parse(options)
    with tempfile.TemporaryDirectory() as name:
        environment = make_environment(Path(name) / "var", settings.DEMO_MODEL_DIR)
        command = [sys.executable, "-m", "benchmarks.library_folder", *options]
        environment |= {"LIBRARY_SETTLE_SECONDS": "0", "LIBRARY_IMPORTS_AT_ONCE": "1000000"}
        subprocess.run(command, env=environment, check=True)


def make_library(root: Path, films: int) -> None:
    """Create the films, 100 in each folder, each with its own content."""
    from gallery.media import ffmpeg

    bases = []
    for number in range(BASES):
        path = root.with_name(f"base-{number}.mp4")
        source = f"testsrc2=size={64 + 16 * number}x64:rate=12:duration=1"
        arguments = ["-y", "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", str(path)]
        done = ffmpeg.run(arguments, 60.0)
        assert done.status == 0, done.log_text
        bases.append(path.read_bytes())
    for number in range(films):
        path = root / f"{number // FILMS_IN_FOLDER:04d}" / f"Film.{number:05d}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        # A box that players skip, with a number that makes this film unique.
        path.write_bytes(bases[number % BASES] + struct.pack(">I4sQ", 16, b"free", number))


@contextmanager
def timed(what: str) -> Iterator[list[str]]:
    """Print a row: the step, its seconds, and the remarks that the block appends."""
    began_at, remarks = time.perf_counter(), list[str]()
    yield remarks
    print(f"| {what} | {time.perf_counter() - began_at:.2f} | {', '.join(remarks)} |", flush=True)


class Checks:
    """The steps of the measurement, each with its checks."""

    def __init__(self, root: Path, films: int) -> None:
        from gallery.library import folders

        self.root, self.films = root, films
        self.folder = folders.add_folder(str(root))

    def scan(self, what: str, **expected: int) -> None:
        """Scan, and check the counts of the result."""
        from gallery.library.scan import scan_folder

        with timed(what) as remarks:
            result = scan_folder(self.folder.pk, lambda *_step: None)
            assert result is not None
            remarks.append(str(result))
        for name, value in expected.items():
            assert getattr(result, name) == value, f"{what}: {name} is {getattr(result, name)}"

    def count_away(self) -> int:
        """Return how many films are marked as away."""
        from gallery.films.models import Film

        return Film.objects.filter(away_since__isnull=False).count()

    def begin(self) -> None:
        """Find all films, and create their rows and links."""
        from gallery.library.imports import start_imports

        self.scan("first scan", new=self.films)
        self.scan("second scan: files are complete", settled=self.films)
        with timed("rows and links for all films") as remarks:
            started = start_imports(lambda *_step: None)
            remarks.append(f"{started} films")
        assert started == self.films
        self.scan("repeated scan", new=0, changed=0, moved=0, gone=0)

    def follow(self) -> None:
        """Rename, move and delete files, and disconnect the disk."""
        from gallery.films.models import Film

        ids = set(Film.objects.values_list("pk", flat=True))
        (self.root / RENAMED).rename(self.root / "renamed")
        self.scan("folder of 100 films renamed", moved=FILMS_IN_FOLDER, new=0, gone=0)
        (self.root / "deep" / "down").mkdir(parents=True)
        for path in sorted((self.root / MOVED).iterdir()):
            path.rename(self.root / "deep" / "down" / f"moved {path.name}")
        self.scan("100 films moved and renamed", moved=FILMS_IN_FOLDER, new=0, gone=0)
        for path in sorted((self.root / DELETED).iterdir())[:DELETED_FILES]:
            path.unlink()
        self.scan("10 files deleted", gone=DELETED_FILES, new=0)
        assert self.count_away() == DELETED_FILES
        self._check_links(self.films - DELETED_FILES)
        disk = self.root.with_name("disk")
        self.root.rename(disk)
        self.root.mkdir()
        self.scan("disk unmounted", files=0, gone=self.films - DELETED_FILES)
        assert self.count_away() == self.films
        self.scan("scanned again", gone=0)
        self.root.rmdir()
        disk.rename(self.root)
        self.scan("disk mounted again", back=self.films - DELETED_FILES)
        assert self.count_away() == DELETED_FILES
        assert set(Film.objects.values_list("pk", flat=True)) == ids
        self._check_links(self.films - DELETED_FILES)

    def grow(self) -> None:
        """Scan while a file grows, then copy it."""
        from gallery.films.models import Film
        from gallery.library.imports import start_imports

        whole = (self.root / "0000" / "Film.00000.mp4").read_bytes()
        growing = self.root / "growing.mp4"
        for part in range(1, 4):
            growing.write_bytes(whole[: len(whole) * part // 4])
            self.scan(f"growing file ({part} of 4)", settled=0)
            assert start_imports(lambda *_step: None) == 0
        growing.write_bytes(whole + struct.pack(">I4sQ", 16, b"free", self.films))
        self.scan("file complete", changed=1)
        self.scan("file settled", settled=1)
        assert start_imports(lambda *_step: None) == 1
        shutil.copy(growing, self.root / "twice.mp4")
        self.scan("copy of that file", new=1)
        self.scan("copy settled", settled=1)
        assert start_imports(lambda *_step: None) == 0
        assert Film.objects.get(original_name="growing.mp4").library_files.count() == 2

    def _check_links(self, present: int) -> None:
        from gallery.films.models import Film

        with timed("all links checked") as remarks:
            leading = sum(film.has_source for film in Film.objects.all())
            remarks.append(f"{leading} point to their file")
        assert leading == present


def import_some(count: int, warm_up: Path) -> None:
    """Have a worker import some of the films, and mark the others as imported."""
    from benchmarks.installation import POLL_SECONDS, running_worker
    from gallery import tasks
    from gallery.films.models import Film

    chosen = list(Film.objects.order_by("pk").values_list("pk", flat=True)[:count])
    others = Film.objects.exclude(pk__in=chosen)
    others.update(state=Film.State.READY, searchable_run=None, duration=1, tracks_run=1)
    with running_worker(warm_up) as (children, _seconds):
        with timed(f"{count} films imported by one worker") as remarks:
            for film in Film.objects.filter(pk__in=chosen):
                tasks.queue_import(film)
            while Film.objects.filter(pk__in=chosen, state__in=Film.UNFINISHED).exists():
                time.sleep(POLL_SECONDS)
                children.check()
            ready = Film.objects.filter(pk__in=chosen, state=Film.State.READY).count()
            remarks.append(f"{ready} searchable")
        assert ready == count


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    """Return the modes and times of all files in a folder."""
    paths = (Path(parent, name) for parent, _folders, names in os.walk(root) for name in names)
    return {str(path): (path.stat().st_mode, path.stat().st_mtime_ns) for path in paths}


def measure(given: argparse.Namespace) -> None:
    """Print the table. Raises AssertionError if a check fails."""
    from django.conf import settings
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    root = settings.VAR_DIR.with_name("library")
    root.mkdir()
    print("| step | seconds | result |\n|---|---|---|", flush=True)
    with timed("films created") as remarks:
        make_library(root, given.films)
        remarks.append(f"{given.films} films")
    before = snapshot(root)
    checks = Checks(root, given.films)
    steps: list[Callable[[], None]] = [checks.begin]
    if given.imported:
        steps.append(lambda: import_some(given.imported, root.with_name("base-0.mp4")))
    for step in steps:
        step()
    assert snapshot(root) == before, "the library was changed"
    checks.follow()
    checks.grow()
    large = root.with_name("large")
    for number in range(given.files):
        path = large / f"{number // FILMS_IN_FOLDER:04d}" / f"Film.{number:05d}.mkv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"film" * (1 + number % 50))
    checks = Checks(large, given.files)
    checks.scan(f"{given.files} files: first scan", new=given.files)
    checks.scan("second scan", settled=given.files)
    checks.scan("repeated scan", new=0, changed=0, gone=0)
    (large / "0001").rename(large / "other")
    checks.scan("100 files moved before their import", new=FILMS_IN_FOLDER)


if __name__ == "__main__":
    import django

    django.setup()
    measure(parse(sys.argv[1:]))
