"""manage.py import_film: import films from the local disk."""

import time
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from gallery import tasks
from gallery.core.disk import raise_disk_full
from gallery.core.errors import GalleryError
from gallery.films.models import Film
from gallery.importing import intake, transitions
from gallery.importing.progress import Progress, progress_of
from gallery.media.source_names import readable_name
from gallery.transcripts import languages, subtitle_import, subtitles
from gallery.transcripts.subtitle_formats import UnknownFrameRate

POLL_SECONDS = 0.5
LINE_SECONDS = 10.0  # between two lines of progress without a terminal


class Command(BaseCommand):
    """Copies films into the media store and queues their import."""

    help = "Import films: copy them into the media store and queue the import."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add paths, titles and subtitles."""
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
        parser.add_argument("--title", help="title of the film (default: the file name)")
        parser.add_argument("--year", type=int)
        parser.add_argument(
            "--subtitles",
            nargs="+",
            type=Path,
            default=[],
            metavar="FILE",
            help="subtitle files (.srt, .vtt, .ass, .ttml, .smi, .lrc, .sub, .mpl); files next to "
            "the film with the same name are added automatically",
        )
        parser.add_argument(
            "--wait",
            action="store_true",
            help="show progress until the import ends",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Store and queue each film; with --wait, show the progress."""
        paths: list[Path] = options["paths"]
        if options["title"] and len(paths) > 1:
            raise CommandError("--title is for one film at a time.")
        if options["subtitles"] and len(paths) > 1:
            raise CommandError("--subtitles is for one film at a time.")
        given = self._check_subtitles(options["subtitles"])
        failed = 0
        for path in paths:
            try:
                with raise_disk_full():
                    film = self._add(path, options["title"] or "", options["year"], given)
            except (GalleryError, OSError) as error:
                self.stderr.write(f"{_printable(path)}: {_printable(error)}")
                failed += 1
                continue
            if options["wait"] and not self._follow(film.pk):
                failed += 1
        if failed:
            raise CommandError(f"{failed} of {len(paths)} films could not be imported.")

    def _check_subtitles(self, files: Sequence[Path]) -> list[Path]:
        """Refuse subtitles that cannot be read before anything is imported."""
        for file in files:
            try:
                with file.open("rb") as opened, suppress(UnknownFrameRate):
                    subtitles.read(subtitles.read_file(opened))
            except (GalleryError, OSError) as error:
                raise CommandError(f"{_printable(file)}: {_printable(error)}") from error
        return list(files)

    def _add(self, path: Path, title: str, year: int | None, given: Sequence[Path]) -> Film:
        if not path.is_file():
            raise FileNotFoundError("no such file")
        copy, sha256 = intake.copy_to_uploads(path)
        known = Film.objects.filter(sha256=sha256).first()
        was_missing = known is not None and not known.has_source
        film, is_new = intake.add_film(
            copy, sha256, name=path.name, title=readable_name(title), year=year
        )
        self._add_subtitles(film, path, given)
        if was_missing:
            self.stdout.write(
                f"{_printable(path)}: restored as the file of film {film.pk} ({film})."
            )
        elif not is_new and film.state != Film.State.FAILED:
            self.stdout.write(f"{_printable(path)}: already uploaded as film {film.pk} ({film}).")
        if not is_new and film.state == Film.State.FAILED:
            transitions.restart(film)
        elif not is_new and (film.state == Film.State.READY or not was_missing):
            return film
        tasks.queue_import(film)
        self.stdout.write(f"{_printable(path)}: queued as film {film.pk} ({film}).")
        return film

    def _add_subtitles(self, film: Film, path: Path, given: Sequence[Path]) -> None:
        """Add the given subtitles, and those in the film's folder that are named like it."""
        named = {file.resolve() for file in given}
        adjacent = [
            file
            for file in subtitle_import.find_adjacent_files(path)
            if file.resolve() not in named
        ]
        for file in (*given, *adjacent):
            try:
                with file.open("rb") as opened:
                    data = subtitles.read_file(opened)
                row, is_new = subtitle_import.add_subtitles(film, file.name, data)
            except (GalleryError, OSError) as error:
                self.stderr.write(f"{_printable(file)}: {_printable(error)}")
                continue
            if is_new:
                language = languages.name(row.language)
                self.stdout.write(f"{_printable(file)}: {row.line_count} lines, {language}.")

    def _follow(self, film_id: int) -> bool:
        """Show the progress until the import ends. Return whether it succeeded."""
        bar = tqdm(total=None, unit=" frames", leave=True, disable=not self.stderr.isatty())
        printed_at = 0.0
        with bar:
            while True:
                film = Film.objects.filter(pk=film_id).first()
                if film is None:
                    self.stderr.write("The film was deleted.")
                    return False
                progress = progress_of(film)
                bar.total = progress.expected or None
                bar.n = progress.done
                bar.set_description(progress.label)
                if not film.is_unfinished:
                    break
                if not self.stderr.isatty() and time.monotonic() - printed_at > LINE_SECONDS:
                    printed_at = time.monotonic()
                    self.stdout.write(_progress_line(progress))
                time.sleep(POLL_SECONDS)
        if film.state == Film.State.FAILED:
            self.stderr.write(f"{film}: {film.error}")
            return False
        self.stdout.write(f"{film}: ready, {film.frame_count} frames in {film.shot_count} shots.")
        return True


def _printable(named: Path | BaseException) -> str:
    """Format a path, or an error that contains one, so that it can be printed in any encoding."""
    return readable_name(str(named))


def _progress_line(progress: Progress) -> str:
    left = f", about {progress.seconds_left:.0f} s left" if progress.seconds_left else ""
    return f"  {progress.label}: {progress.done} of {progress.expected or '?'} frames{left}"
