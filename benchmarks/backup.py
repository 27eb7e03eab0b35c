"""Measures the time, size and memory of backing up and restoring a library.

The library has the rows and files of two-hour films, with random content. The restored installation
has no index; `python -m benchmarks index_size` measures that.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.common import run_in_installation
from benchmarks.library import FILM_SECONDS, LINES, random_shots

FILMS = 10
THUMBNAIL_BYTES = 35_000  # of a frame of 640 pixels, on average
SEGMENT_SECONDS = 120
WIDTH = 512


def main(arguments: Sequence[str]) -> None:
    """Measure in a separate installation."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks backup", description=__doc__)
    parser.add_argument("--films", type=int, default=FILMS, help="(default: %(default)s)")
    options = parser.parse_args(arguments)
    run_in_installation("benchmarks.backup", None, BENCHMARK_FILMS=str(options.films))


def add_film(number: int) -> None:
    """Store a film: its rows, vectors and thumbnails."""
    from gallery.films.models import Film, Shot
    from gallery.media.store import SegmentData
    from gallery.transcripts.models import Line, Subtitles

    rng = np.random.default_rng(number)
    shots = random_shots(rng, FILM_SECONDS)
    film = Film.objects.create(
        title=f"Film {number}",
        sha256=f"made up {number}",
        state=Film.State.READY,
        searchable_run=1,
        frame_count=FILM_SECONDS,
        duration=FILM_SECONDS,
    )
    Shot.objects.bulk_create(
        Shot(film=film, number=shot, start=shot, end=shot + 1, second=shot)
        for shot in range(int(shots[-1]) + 1)
    )
    said = Subtitles.objects.create(film=film, language="en", source="uploaded", line_count=LINES)
    Line.objects.bulk_create(
        Line(subtitles=said, number=n, start=n * 5, end=n * 5 + 3, text=f"What somebody says {n}.")
        for n in range(LINES)
    )
    run = film.files.run(1)
    for start in range(0, FILM_SECONDS, SEGMENT_SECONDS):
        seconds = np.arange(start, start + SEGMENT_SECONDS, dtype=np.int32)
        vectors = rng.normal(size=(SEGMENT_SECONDS, WIDTH)).astype(np.float16)
        looks, digests = np.array([""] * SEGMENT_SECONDS), np.zeros(SEGMENT_SECONDS, np.uint64)
        times = seconds.astype(np.float64)
        data = SegmentData(seconds, times, vectors, np.zeros(0), looks, digests)
        run.save_segment(start // SEGMENT_SECONDS, data)
    run.thumbnail(0).parent.mkdir()
    picture = rng.bytes(THUMBNAIL_BYTES)
    for second in range(FILM_SECONDS):
        run.thumbnail(second).write_bytes(picture)


def measure(title: str, *arguments: str, **variables: str) -> None:
    """Run a manage.py command, and print its time and memory."""
    began_at = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
    ) as process:
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{title} failed")
    wall = time.perf_counter() - began_at
    print(f"{title:<24} {wall:7.1f} s  {usage.ru_maxrss / 1024:6.0f} MB", flush=True)


def measure_all(folder: Path) -> None:
    """Fill the installation in `folder`, back it up twice, check the backup and restore it."""
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    films = int(os.environ["BENCHMARK_FILMS"])
    for number in range(films):
        add_film(number)
    there = folder / "there"
    backup = folder.with_name(f"{folder.name}-backup")  # must not be in VAR_DIR
    try:
        print(f"{films} films, {films * FILM_SECONDS} thumbnails, {films * LINES} lines")
        measure("first backup", "backup", str(backup))
        measure("second backup", "backup", str(backup))
        measure("check", "restore", str(backup), "--check")
        measure("restore", "restore", str(backup), VAR_DIR=str(there), MEDIA_DIR="")
        size = sum(path.stat().st_size for path in backup.rglob("*") if path.is_file())
        print(f"size of the backup {size / 1e9:.2f} GB")
    finally:
        shutil.rmtree(backup, ignore_errors=True)


if __name__ == "__main__":
    measure_all(Path(sys.argv[1]))
