"""manage.py backup: back up the installation while it runs."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from gallery.backup import writing
from gallery.backup.reporting import TerminalReporter, format_bytes, format_counts
from gallery.backup.types import BackupError, Kind


class Command(BaseCommand):
    """Copies the database and the media store's vectors, thumbnails and subtitles."""

    help = (
        "Back up the installation to a folder while it runs. Further backups to the same folder "
        "are incremental."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the folder, --films and --secrets."""
        parser.add_argument("folder", type=Path, metavar="DIR")
        parser.add_argument("--films", action="store_true", help="copy the film files, too")
        parser.add_argument(
            "--secrets",
            action="store_true",
            help="copy the secret key and the sessions, too, so that everyone stays logged in. "
            "Anyone who can read such a backup can log in as anyone",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Make the backup and print what it contains."""
        folder: Path = options["folder"].expanduser().absolute()
        reporter = TerminalReporter(self.stdout, self.stderr)
        try:
            done = writing.make_backup(
                folder, reporter, with_films=options["films"], with_secrets=options["secrets"]
            )
        except BackupError as error:
            raise CommandError(str(error)) from error
        header = done.manifest.header
        self.stdout.write(
            f"Backed up to {folder}: {format_counts(header.counts)}; "
            f"{format_bytes(done.manifest.size)}, of which {format_bytes(done.copied)} were new."
        )
        self._tell_about_films(done, with_films=options["films"])
        if options["secrets"]:
            self.stdout.write(
                "It contains the secret key and the sessions: anyone who can read it can log in as "
                "anyone. Keep it where only administrators can read it."
            )
        if folder.stat().st_dev == settings.VAR_DIR.stat().st_dev:
            self.stdout.write(
                "It is on the same disk as the installation, and would be lost together with it."
            )

    def _tell_about_films(self, done: writing.Done, *, with_films: bool) -> None:
        copied = done.manifest.film_files
        links = sum(entry.kind is Kind.LINK for entry in done.manifest.entries.values())
        if not with_films:
            kept = f", except {format_counts({'film': copied})} earlier" if copied else ""
            self.stdout.write(f"Film files were not copied{kept}; --films copies them.")
        elif links:
            self.stdout.write(
                f"{format_counts({'film': links})} outside the media store: only the paths were "
                "backed up, not the files."
            )
        if done.missing:
            self.stdout.write(
                "The vectors and thumbnails of "
                f"{format_counts({'film': len(done.missing)})} are missing in the media store and "
                "in the backup: `manage.py check_library` lists them."
            )
