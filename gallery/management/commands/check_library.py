"""manage.py check_library: compare database, media store and Redis."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from gallery.core.errors import GalleryError
from gallery.importing.library_check import DRAFT_AGE, check_library


class Command(BaseCommand):
    """Counts and compares; changes nothing."""

    help = "Compare the database, thumbnails, stored vectors and Redis. Fails if they differ."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add --json and --draft-age."""
        parser.add_argument("--json", action="store_true", help="print all counts as JSON")
        parser.add_argument(
            "--draft-age",
            type=float,
            default=DRAFT_AGE,
            metavar="SECONDS",
            help="drafts and uploads older than this are leftovers (default: %(default).0f)",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print the differences."""
        try:
            check = check_library(options["draft_age"])
        except GalleryError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            found = {**asdict(check), "problems": check.problems}
            self.stdout.write(json.dumps(found, indent=1, ensure_ascii=False))
        else:
            for problem in check.problems:
                self.stdout.write(problem)
        if check.problems:
            raise CommandError(f"{len(check.problems)} problems found.")
        if not options["json"]:
            frames = sum(one.frames for one in check.films)
            lines = sum(one.lines for one in check.films)
            self.stdout.write(
                f"{len(check.films)} films, {frames} frames, {lines} lines: no problems found."
            )
