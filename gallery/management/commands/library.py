"""manage.py library: folders whose films are imported in place."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from kombu.exceptions import OperationalError

from gallery import tasks
from gallery.core.errors import GalleryError
from gallery.films.models import Film
from gallery.library import folders, paths
from gallery.library.failures import list_failures, retry_failed
from gallery.library.models import LibraryFolder
from gallery.library.progress import LibraryProgress, measure_progress


class Command(BaseCommand):
    """Adds, removes, lists, scans, pauses and resumes library folders."""

    help = "Library folders: films are imported in place, and tracked when they move."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the actions."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        add = actions.add_parser("add", help="import the films in a folder, and track changes")
        add.add_argument("path", metavar="PATH")
        add.add_argument(
            "--ignore",
            action="append",
            default=[],
            metavar="PATTERN",
            help="skip files that match this .gitignore pattern; may be repeated",
        )
        add.add_argument("--order", choices=LibraryFolder.Order.values, default="")
        remove = actions.add_parser(
            "remove", help="remove a folder from the library; its films and files are kept"
        )
        remove.add_argument("path", metavar="PATH")
        remove.add_argument(
            "--delete-films", action="store_true", help="also delete its films, but not its files"
        )
        actions.add_parser("list", help="list all folders with their progress")
        for name, what in (
            ("scan", "scan folders now"),
            ("pause", "start no more imports from folders"),
            ("resume", "start imports again"),
            ("failed", "list failed films and unreadable files"),
            ("retry", "retry failed films and unreadable files"),
        ):
            action = actions.add_parser(name, help=what)
            action.add_argument("path", nargs="*", metavar="PATH", help="default: all folders")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do the action."""
        try:
            getattr(self, f"_{options['action']}")(options)
        except GalleryError as error:
            raise CommandError(str(error)) from error
        except OperationalError as error:
            raise CommandError(
                f"The queue cannot be reached ({error}). The results are saved; imports start once "
                "Redis and a worker are running."
            ) from error

    def _add(self, options: dict[str, Any]) -> None:
        ignored = "\n".join(options["ignore"])
        folder = folders.add_folder(options["path"], ignored, options["order"])
        tasks.queue_scan(folder.pk)
        self.stdout.write(
            f"{folder}: added. Workers will scan it and import its films. "
            "“manage.py library list” shows the progress."
        )

    def _remove(self, options: dict[str, Any]) -> None:
        [folder] = _find([options["path"]])
        films = list(Film.objects.filter(library_files__folder=folder).distinct())
        own = [film for film in films if _is_only_in(film, folder)]
        folders.remove_folder(folder)
        if options["delete_films"]:
            for film in own:
                film.delete()
            self.stdout.write(f"{folder}: removed; {len(own)} films deleted.")
            return
        self.stdout.write(
            f"{folder}: removed. Its {len(own)} films are kept, but no longer tracked."
        )

    def _list(self, _options: dict[str, Any]) -> None:
        for folder in LibraryFolder.objects.all():
            self.stdout.write(f"{folder}{' (paused)' if folder.is_paused else ''}")
            self.stdout.write(f"  {_describe(measure_progress(folder))}")
            if folder.scanned_at is not None:
                ago = (timezone.now() - folder.scanned_at).total_seconds()
                self.stdout.write(f"  scanned {ago:.0f} s ago, in {folder.scan_seconds:.1f} s")
            if folder.error:
                self.stdout.write(f"  {folder.error}")
            for path, why in folder.unreadable.items():
                self.stdout.write(f"  {paths.readable(path)}: {why}")
        if not LibraryFolder.objects.exists():
            self.stdout.write("There are no library folders. Add one: manage.py library add PATH")

    def _scan(self, options: dict[str, Any]) -> None:
        for folder in _find(options["path"]):
            result = tasks.scan_now(folder.pk)
            if result is None:
                self.stdout.write(f"{folder}: another process is scanning it.")
                continue
            self.stdout.write(f"{folder}: {result}.")
            if result.error:
                self.stderr.write(f"{folder}: {result.error}")
        tasks.start_library_imports()

    def _pause(self, options: dict[str, Any]) -> None:
        self._set_paused(options["path"], is_paused=True)

    def _resume(self, options: dict[str, Any]) -> None:
        self._set_paused(options["path"], is_paused=False)
        tasks.start_library_imports()

    def _set_paused(self, given: list[str], *, is_paused: bool) -> None:
        for folder in _find(given):
            LibraryFolder.objects.filter(pk=folder.pk).update(is_paused=is_paused)
            self.stdout.write(f"{folder}: {'paused' if is_paused else 'resumed'}.")

    def _failed(self, options: dict[str, Any]) -> None:
        for folder in _find(options["path"]):
            for failure in list_failures(folder):
                self.stdout.write(f"{failure.path}: {failure.error}")

    def _retry(self, options: dict[str, Any]) -> None:
        for folder in _find(options["path"]):
            count = retry_failed(folder, tasks.queue_import)
            self.stdout.write(f"{folder}: retrying {count} files.")


def _find(given: list[str]) -> list[LibraryFolder]:
    """Return the folders of these paths, or all. Raises CommandError for an unknown one."""
    if not given:
        return list(LibraryFolder.objects.all())
    found = []
    for path in given:
        folder = LibraryFolder.objects.filter(path=folders.normalize(path)).first()
        if folder is None:
            raise CommandError(
                f"{path} is not a library folder. “manage.py library list” lists them."
            )
        found.append(folder)
    return found


def _is_only_in(film: Film, folder: LibraryFolder) -> bool:
    """Return whether a film is in no other library folder, and not in the media store."""
    return film.files.is_link and not film.library_files.exclude(folder=folder).exists()


def _describe(progress: LibraryProgress) -> str:
    parts = [f"{progress.done} of {progress.films} films, {progress.hours_done:.1f} hours"]
    counts = {
        "importing": progress.importing,
        "waiting": progress.waiting,
        "still changing": progress.settling,
        "failed": progress.failed,
        "cannot be reached": progress.away,
        "unreadable": progress.unreadable,
        "ignored": progress.ignored,
    }
    parts += [f"{count} {name}" for name, count in counts.items() if count]
    if progress.speed and progress.is_busy:
        parts.append(f"{progress.speed:.1f} hours of film per hour")
    if progress.seconds_left and progress.is_busy:
        parts.append(f"about {progress.seconds_left / 3600:.1f} hours left")
    return ", ".join(parts)
