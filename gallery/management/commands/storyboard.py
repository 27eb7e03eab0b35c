"""manage.py storyboard: find scenes for every line of a script."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from gallery.boards.owners import Visitor
from gallery.core.errors import GalleryError
from gallery.storyboards import saving, scripts, service
from gallery.storyboards.models import Storyboard
from gallery.storyboards.storyboard_page import RowOnPage, load_rows


class Command(BaseCommand):
    """Finds scenes for a script, and saves them as a storyboard or a board."""

    help = "Find scenes for every line of a script: one shot a line, - reads standard input."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the script and the output."""
        parser.add_argument("file", metavar="FILE")
        parser.add_argument("--user", required=True, help="who gets the storyboard")
        parser.add_argument("--name", default="", help="its name (default: the first line)")
        parser.add_argument(
            "--film", type=int, action="append", default=[], metavar="ID", help="only this film"
        )
        parser.add_argument("--repeats", action="store_true", help="a shot may be chosen twice")
        parser.add_argument("--board", action="store_true", help="save it as a board, too")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Search and print."""
        user = get_user_model().objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(
                f"There is no user {options['user']}. Create one in the admin, or with: "
                "manage.py createsuperuser"
            )
        visitor = Visitor(user=user.pk)
        try:
            storyboard = service.create_searched(
                visitor,
                scripts.parse_script(_read(options["file"])),
                name=options["name"],
                films=options["film"],
                allows_repeats=options["repeats"],
            )
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            name = "Standard input" if options["file"] == "-" else options["file"]
            raise CommandError(f"{name} is not UTF-8 text.") from error
        except GalleryError as error:
            raise CommandError(str(error)) from error
        self._print(storyboard, as_json=options["json"])
        self.stderr.write(f"Storyboard: {settings.SITE_URL}{storyboard.get_absolute_url()}")
        if options["board"]:
            self._save(visitor, storyboard)

    def _save(self, visitor: Visitor, storyboard: Storyboard) -> None:
        try:
            plan = saving.plan_board(storyboard)
            board = saving.save_as_board(visitor, storyboard, plan)
        except GalleryError as error:
            raise CommandError(str(error)) from error
        self.stderr.write(f"Board: {settings.SITE_URL}{board.get_absolute_url()}")
        if plan.left_out:
            lines = ", ".join(map(str, plan.left_out))
            self.stderr.write(f"Left out, since they have no scene: lines {lines}")

    def _print(self, storyboard: Storyboard, *, as_json: bool) -> None:
        rows = load_rows(storyboard)
        if as_json:
            self.stdout.write(
                json.dumps([_fields(row) for row in rows], ensure_ascii=False, indent=1)
            )
            return
        for row in rows:
            self.stdout.write(f"{row.number:3}  {row.row.text}")
            if row.scene is None:
                self.stdout.write(f"     {row.row.error or 'no scene'}")
                continue
            offer = row.scene.offer
            # That of a weak match compares it with other weak ones only.
            candidate = offer.candidate
            relevance = f"{candidate.relevance:.0%}" if candidate.matches else "weak"
            self.stdout.write(f"     {row.scene.start}-{row.scene.end}  {offer.film}  {relevance}")


def _read(file: str) -> str:
    data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    return data.decode("utf-8-sig")


def _fields(row: RowOnPage) -> dict[str, Any]:
    fields: dict[str, Any] = {"number": row.number, "text": row.row.text, "error": row.row.error}
    if row.scene is not None:
        candidate = row.scene.offer.candidate
        fields |= {
            "film": candidate.film,
            "shot": candidate.shot + 1,
            "start": row.scene.start,
            "end": row.scene.end,
            "seconds": round(row.scene.seconds, 3),
            "relevance": candidate.relevance,
            "matches": candidate.matches,
        }
    return fields
