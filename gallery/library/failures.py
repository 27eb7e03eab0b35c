"""Lists and retries the failures of a library folder."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gallery.films.models import Film
from gallery.importing import transitions
from gallery.library.models import LibraryFile, LibraryFolder
from gallery.library.progress import films_of


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that was not imported: its path in the folder, the error, and its film, if any."""

    path: str
    error: str
    film: Film | None = None


def list_failures(folder: LibraryFolder) -> Iterator[Failure]:
    """Yield the failed films of a folder, then its unreadable files."""
    failed = LibraryFile.objects.filter(folder=folder, film__state=Film.State.FAILED)
    for file in failed.select_related("film").order_by("path"):
        yield Failure(str(file), file.film.error if file.film else "", file.film)
    unreadable = LibraryFile.objects.present().filter(
        folder=folder, state=LibraryFile.State.UNREADABLE
    )
    for file in unreadable.order_by("path"):
        yield Failure(str(file), file.error)


def retry_failed(folder: LibraryFolder, queue_import: Callable[[Film], None]) -> int:
    """Retry all failed films and unreadable files of a folder. Return how many there are."""
    count = 0
    for film in films_of(folder).failed():
        if transitions.restart(film):
            queue_import(film)
            count += 1
    state = LibraryFile.State
    files = LibraryFile.objects.filter(folder=folder).exclude(error="")
    unreadable = files.filter(state=state.UNREADABLE)
    count += unreadable.filter(film__isnull=True).update(state=state.WAITING, error="")
    # Its content differs from what its film was imported from: a scan identifies it.
    count += unreadable.update(state=state.SETTLING, error="")
    files.update(error="")  # from failed hashing
    return count
