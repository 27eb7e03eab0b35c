"""manage.py export_board: make one film of a board."""

import shutil
import time
from argparse import ArgumentParser
from fractions import Fraction
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from gallery.boards import export_files, export_work, exports, film_options
from gallery.boards.film_options import SAME_AS_FILMS, FilmChoices, SubtitleMode
from gallery.boards.models import Board, Export
from gallery.boards.service import scene_url
from gallery.boards.timelines import STANDARD_RATES
from gallery.core.errors import GalleryError

POLL_SECONDS = 0.5  # while a worker makes the export


class Command(BaseCommand):
    """Makes one film of all scenes of a board, and writes it to a file."""

    help = "Make one film (MP4) of all scenes of a board."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the board, the file, and the choices of the page."""
        parser.add_argument("board", metavar="BOARD", help="the link of the board, or its token")
        parser.add_argument("file", metavar="FILE", type=Path, help="the MP4 to write")
        parser.add_argument(
            "--shape", choices=[*film_options.SHAPES, SAME_AS_FILMS], default="16:9"
        )
        parser.add_argument(
            "--size", choices=[*film_options.SHORT_SIDES, SAME_AS_FILMS], default="1080"
        )
        parser.add_argument("--crop", action="store_true", help="crop scenes of another shape")
        parser.add_argument(
            "--rate", type=Fraction, choices=STANDARD_RATES, help="default: the most common one"
        )
        parser.add_argument("--subtitles", choices=[*SubtitleMode], default=SubtitleMode.NONE)
        parser.add_argument("--language", default="", help="of the subtitles: en, zh-Hans, ...")
        parser.add_argument("--timecode", action="store_true", help="draw a running timecode")
        parser.add_argument(
            "--source", action="store_true", help="draw film title and timecode of each scene"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Make the film here, or wait for a worker that has taken it."""
        token = options["board"].rstrip("/").rpartition("/")[2]
        board = Board.objects.filter(token=token).first()
        if board is None:
            raise CommandError(f"There is no board {options['board']}.")
        target: Path = options["file"]
        if not target.absolute().parent.is_dir():
            raise CommandError(f"The folder {target.absolute().parent} does not exist.")
        edits = exports.edits_of(board, scene_url)
        choices = _read_choices(options)
        try:
            film = film_options.choose_settings(choices, edits) if edits else None
            export = exports.request_export(board, edits, film)
        except GalleryError as error:
            raise CommandError(str(error)) from error
        self._make(export)
        if export.state != Export.State.DONE:
            raise CommandError(export.error or "The export was cancelled.")
        shutil.copyfile(export_files.result_path(export), target)
        if export.error:
            self.stderr.write(export.error)
        self.stdout.write(str(target))

    def _make(self, export: Export) -> None:
        """Work on an export until it ends, with a progress bar. Its row is read again."""
        with tqdm(total=100, unit="%", disable=None) as bar:
            while export.state in exports.ACTIVE:
                if not export_work.continue_export(export.pk):
                    time.sleep(POLL_SECONDS)
                try:
                    export.refresh_from_db()
                except Export.DoesNotExist:
                    raise CommandError("The export was cancelled.") from None
                bar.update(round(exports.progress_of(export).part * 100) - bar.n)


def _read_choices(options: dict[str, Any]) -> FilmChoices:
    return FilmChoices(
        size=options["size"],
        shape=options["shape"],
        crops=options["crop"],
        rate=options["rate"],
        subtitles=SubtitleMode(options["subtitles"]),
        language=options["language"],
        has_timecode=options["timecode"],
        has_source=options["source"],
    )
