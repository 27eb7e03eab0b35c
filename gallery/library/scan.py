"""Scans a library folder: what is new, changed, moved, gone, or back."""

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from typing import TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from gallery.core.errors import LostClaim
from gallery.core.leases import keep_lease, lease_end
from gallery.films.models import Film
from gallery.importing import transitions
from gallery.importing.healing import Queue
from gallery.library import presence, subtitle_files
from gallery.library.comparison import Changes, compare
from gallery.library.identification import Identified, identify
from gallery.library.listing import Listing, compile_patterns, list_folder
from gallery.library.models import LibraryFile, LibraryFolder

log = logging.getLogger(__name__)

Rows = Sequence[LibraryFile]
T = TypeVar("T")

BATCH = 200  # rows in one transaction
CONTENT_COLUMNS = (
    *("path", "size", "mtime_ns", "state", "settles_since", "away_since"),
    *("fingerprint", "sha256", "error"),
)


@dataclass(frozen=True, slots=True)
class ScanResult:
    """How many files a scan found, by kind of change, and its duration in seconds."""

    files: int
    new: int
    changed: int
    moved: int
    gone: int
    back: int
    settled: int
    seconds: float
    error: str = ""

    def __str__(self) -> str:
        counts = {name: value for name, value in asdict(self).items() if isinstance(value, int)}
        listed = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        return f"{listed or 'no files'} in {self.seconds:.1f} s"


def scan_folder(folder_id: int, queue: Queue) -> ScanResult | None:
    """Scan a folder, and update its rows, its films and their subtitles.

    Returns None if the folder was removed, or another process is scanning it.
    """
    token = uuid.uuid4()
    if not _claim(folder_id, token):
        return None
    folder = LibraryFolder.objects.get(pk=folder_id)
    claimed = LibraryFolder.objects.filter(pk=folder_id, scan_token=token)
    began_at = time.monotonic()
    try:
        with keep_lease(
            lambda: bool(claimed.update(scan_until=lease_end())), settings.LEASE_SECONDS
        ) as check:
            return _scan(folder, claimed, queue, check, began_at)
    except LostClaim:
        log.info("%s: another process is scanning it, or it was removed", folder)
        return None
    finally:
        claimed.update(scan_token=None, scan_until=None)


def _claim(folder_id: int, token: uuid.UUID) -> bool:
    is_free = Q(scan_until__isnull=True) | Q(scan_until__lt=timezone.now())
    folders = LibraryFolder.objects.filter(is_free, pk=folder_id)
    return bool(folders.update(scan_token=token, scan_until=lease_end()))


def _scan(
    folder: LibraryFolder,
    claimed: QuerySet[LibraryFolder],
    queue: Queue,
    check: Callable[[], None],
    began_at: float,
) -> ScanResult:
    error, listing = "", Listing()
    try:
        listing = list_folder(folder.real_path, compile_patterns(folder.ignored), check)
    except (OSError, ValueError) as failure:
        error = _describe_failure(failure)
        listing.unreadable["."] = getattr(failure, "strerror", None) or str(failure)
    rows = list(LibraryFile.objects.filter(folder=folder))
    for row in rows:
        row.folder = folder
    settles_after = timedelta(seconds=settings.LIBRARY_SETTLE_SECONDS)
    found = compare(folder, rows, listing, settles_after=settles_after, now=timezone.now())
    identified = identify(found.settled)
    if found.lost_all and not listing.films and not error:
        error = _(
            "None of the known files was found. If they are on an external disk or a network "
            "share, connect it. No film is removed."
        )
    check()
    restarted = _save(folder, claimed, found, identified)
    if not claimed.update(
        scanned_at=timezone.now(),
        scanned_path=folder.path,
        scan_seconds=time.monotonic() - began_at,
        error=error,
        unreadable=listing.unreadable,
    ):
        raise LostClaim
    for film_id in restarted:
        queue("probe", film_id)
    subtitle_files.sync(folder, listing)
    result = ScanResult(
        files=len(listing.films),
        **{
            name: len(getattr(found, name))
            for name in ("new", "changed", "moved", "gone", "back", "settled")
        },
        seconds=time.monotonic() - began_at,
        error=error,
    )
    if any((result.new, result.changed, result.moved, result.gone, result.back, error)):
        log.info("%s: %s. %s", folder, result, error)
    return result


def _describe_failure(error: OSError | ValueError) -> str:
    """Return a msgid, to be translated when it is shown, next to the reason."""
    if isinstance(error, ValueError):
        return _("The ignore patterns are invalid.")
    return _(
        "The folder cannot be read. If it is on an external disk or a network share, connect it. "
        "No film is removed."
    )


def _save(
    folder: LibraryFolder,
    claimed: QuerySet[LibraryFolder],
    found: Changes,
    identified: Identified,
) -> list[int]:
    """Save the changes found by a scan, and update their films. Return the films to import again.

    Each transaction saves a batch of rows with the links of their films, so that other writers do
    not wait for long. If this process is killed in between, the next scan finds the rest.
    """
    rows = (*found.moved, *found.gone, *found.back, *found.changed)
    followed = {row.film_id for row in rows if row.film_id is not None} | identified.films
    replaced = {row.pk for row in identified.replaced}
    restarted: list[int] = []
    for alike, save in _group(found, identified):
        for some in _batches(alike):
            with transaction.atomic():
                _keep_claim(claimed)
                stored = LibraryFile.objects.filter(pk__in=[row.pk for row in some])
                before = set(stored.values_list("film_id", flat=True))
                save(some)
                after = {row.film_id for row in some}
                presence.update_presence(followed & (before | after))
                restarted += _restart([row for row in some if row.pk in replaced])
    for misplaced in _batches(_find_misplaced(folder)):
        with transaction.atomic():
            _keep_claim(claimed)
            presence.update_presence(misplaced)
    return restarted


def _keep_claim(claimed: QuerySet[LibraryFolder]) -> None:
    """Lock the folder's row, so that a process that takes over waits for the transaction."""
    if not claimed.update(scan_until=lease_end()):
        raise LostClaim


def _group(
    found: Changes, identified: Identified
) -> Iterator[tuple[Rows, Callable[[Rows], object]]]:
    """Yield groups of rows with the function that saves them, present files before missing ones."""
    state = LibraryFile.State
    save_state = partial(_set_column, column="state")
    save_presence = partial(_set_column, column="away_since")
    waiting = [row for row in identified.rows if row.state == state.WAITING and not row.fingerprint]
    plain = {row.pk for row in waiting}
    yield found.new, LibraryFile.objects.bulk_create
    # An import may have assigned a film to one of these since they were read.
    yield [*found.moved, *found.changed], partial(_update, columns=CONTENT_COLUMNS)
    others = [row for row in identified.rows if row.pk not in plain]
    yield others, partial(_update, columns=(*CONTENT_COLUMNS, "film"))
    yield waiting, save_state
    for one in (state.WAITING, state.SETTLING):
        yield [row for row in found.readable if row.state == one], save_state
    yield found.back, save_presence
    yield found.gone, save_presence
    yield found.forgotten, _forget


def _update(rows: Rows, columns: Sequence[str]) -> None:
    """Save columns of rows, faster than bulk_update, which builds one expression per value."""
    LibraryFile.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["id"], update_fields=columns
    )


def _set_column(rows: Rows, column: str) -> None:
    """Save one column that has the same value in all rows."""
    stored = LibraryFile.objects.filter(pk__in=[row.pk for row in rows])
    stored.update(**{column: getattr(rows[0], column)})


def _forget(rows: Rows) -> None:
    LibraryFile.objects.filter(pk__in=[row.pk for row in rows], film__isnull=True).delete()


def _batches(values: Sequence[T]) -> list[Sequence[T]]:
    return [values[start : start + BATCH] for start in range(0, len(values), BATCH)]


def _find_misplaced(folder: LibraryFolder) -> list[int]:
    """Return films that are wrongly marked as away, or all films if the folder's path changed."""
    here = LibraryFile.objects.present().filter(folder=folder, film__isnull=False)
    if not folder.scanned_path or folder.scanned_path == folder.path:
        # An import may have noticed before the scan that a film was away.
        here = here.filter(film__away_since__isnull=False)
    return sorted(set(here.values_list("film_id", flat=True)))


def _restart(replaced: Rows) -> list[int]:
    """Import films again because of new content. Return their ids."""
    sizes = {row.film_id: row.size for row in replaced if row.film_id is not None}
    films = list(Film.objects.filter(pk__in=sizes))
    for film in films:
        log.info("film %s: the content of its file has changed, importing it again", film.pk)
        transitions.restart_with_new_file(film, sizes[film.pk])
    return [film.pk for film in films]


def find_due() -> list[int]:
    """Return the ids of folders that are due for a scan: more often while their files settle."""
    interval, now = settings.LIBRARY_SCAN_SECONDS, timezone.now()
    settling = LibraryFile.objects.present().filter(state=LibraryFile.State.SETTLING)
    is_due = (
        Q(scanned_at__isnull=True)
        | Q(scanned_at__lt=now - timedelta(seconds=interval))
        | Q(
            scanned_at__lt=now - timedelta(seconds=min(interval, settings.LIBRARY_SETTLE_SECONDS)),
            pk__in=settling.values("folder"),
        )
    )
    is_free = Q(scan_until__isnull=True) | Q(scan_until__lt=now)
    return list(LibraryFolder.objects.filter(is_due, is_free).values_list("pk", flat=True))
