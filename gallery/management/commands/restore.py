"""manage.py restore: restore a backup into this installation."""

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from gallery.backup import installation, restoring
from gallery.backup.reporting import TerminalReporter, format_bytes, format_counts
from gallery.backup.types import BackupError
from imgsearch.local import redis_server
from imgsearch.local.lock import hold_run_lock
from imgsearch.local.terminal import LauncherError


class Command(BaseCommand):
    """Restores a backup into an installation that is stopped and empty."""

    # The database may have no tables yet.
    requires_system_checks = []
    help = "Restore a backup into this installation, which must be stopped and empty."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the folder, --check, --force and --wait."""
        parser.add_argument("folder", type=Path, metavar="DIR")
        parser.add_argument(
            "--check", action="store_true", help="only verify the checksums of the backup"
        )
        parser.add_argument(
            "--force",
            action="store_true",
            help="replace an installation that is not empty: what is not in the backup is lost",
        )
        parser.add_argument(
            "--wait",
            action="store_true",
            help="rebuild the search index, too, instead of leaving it to the workers",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Restore, and print what is left to do."""
        folder: Path = options["folder"].expanduser().absolute()
        reporter = TerminalReporter(self.stdout, self.stderr)
        try:
            if options["check"]:
                found = restoring.check(folder, reporter)
                self.stdout.write(
                    f"The backup of {found.header.made_at} is complete and undamaged: "
                    f"{format_bytes(found.size)} in {len(found.entries)} files."
                )
                return
            with hold_run_lock(settings.VAR_DIR, "manage.py restore"):
                restored = restoring.restore(folder, reporter, force=options["force"])
                header = restored.manifest.header
                self.stdout.write(
                    f"Restored the backup of {header.made_at}: {format_counts(header.counts)}."
                )
                for sentence in restored.todo:
                    self.stdout.write(sentence)
                if options["wait"]:
                    with _redis():
                        call_command("rebuild_index", stdout=self.stdout, stderr=self.stderr)
        except (BackupError, LauncherError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            "Everything is ready: start the installation."
            if options["wait"]
            else "Start the installation: its workers rebuild the search index, and the film list "
            "shows the progress."
        )


@contextmanager
def _redis() -> Iterator[None]:
    """Run the embedded Redis, unless it or another one is running."""
    is_needed = not (settings.REDIS_URL_GIVEN or installation.is_redis_running())
    with redis_server.running(settings.VAR_DIR) if is_needed else nullcontext():
        yield
