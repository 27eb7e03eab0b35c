"""Scans a library folder: what is new, changed, moved, gone, or back."""

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
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

BATCH = 200  # rows in one query
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
            return _scan(folder, token, queue, check, began_at)
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
    token: uuid.UUID,
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
    with transaction.atomic():
        # Lock the row: a process that took over the scan waits for this transaction.
        if not LibraryFolder.objects.filter(pk=folder.pk, scan_token=token).update(
            scanned_at=timezone.now(),
            scanned_path=folder.path,
            scan_seconds=time.monotonic() - began_at,
            error=error,
            unreadable=listing.unreadable,
        ):
            raise LostClaim
        _save(found, identified)
        # Within the transaction: if this process is killed, the next scan finds the same changes.
        restarted = _update_films(folder, found, identified)
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


def _save(found: Changes, identified: Identified) -> None:
    """Save the rows of a scan, with one query for rows that get the same value."""
    LibraryFile.objects.bulk_create(found.new, batch_size=BATCH)
    _set_column(found.gone, "away_since")
    _set_column(found.back, "away_since")
    for state in (LibraryFile.State.WAITING, LibraryFile.State.SETTLING):
        _set_column([row for row in found.readable if row.state == state], "state")
    waiting = [
        row
        for row in identified.rows
        if row.state == LibraryFile.State.WAITING and not row.fingerprint
    ]
    _set_column(waiting, "state")
    plain = {row.pk for row in waiting}
    others = [row for row in identified.rows if row.pk not in plain]
    # An import may have assigned a film to one of these since they were read.
    _update([*found.moved, *found.changed], CONTENT_COLUMNS)
    _update(others, (*CONTENT_COLUMNS, "film"))
    for some in _batches(found.forgotten):
        LibraryFile.objects.filter(pk__in=[row.pk for row in some], film__isnull=True).delete()


def _update(rows: Sequence[LibraryFile], columns: Sequence[str]) -> None:
    """Save columns of many rows, faster than bulk_update, which builds one expression per value."""
    LibraryFile.objects.bulk_create(
        rows,
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=columns,
    )


def _set_column(rows: Sequence[LibraryFile], column: str) -> None:
    """Save one column that has the same value in all rows."""
    for some in _batches(rows):
        value = getattr(some[0], column)
        LibraryFile.objects.filter(pk__in=[row.pk for row in some]).update(**{column: value})


def _batches(rows: Sequence[LibraryFile]) -> list[Sequence[LibraryFile]]:
    return [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]


def _update_films(folder: LibraryFolder, found: Changes, identified: Identified) -> list[int]:
    """Update the films of changed files. Return those to import again because of new content."""
    rows = (*found.moved, *found.gone, *found.back, *found.changed)
    films = {row.film_id for row in rows if row.film_id is not None} | identified.films
    here = LibraryFile.objects.present().filter(folder=folder, film__isnull=False)
    if not folder.scanned_path or folder.scanned_path == folder.path:
        # An import may have noticed before the scan that a film was away.
        here = here.filter(film__away_since__isnull=False)
    films |= set(here.values_list("film_id", flat=True))
    presence.update_presence(films)
    replaced = {row.film_id: row.size for row in identified.replaced if row.film_id is not None}
    restarted = list(Film.objects.filter(pk__in=replaced))
    for film in restarted:
        log.info("film %s: the content of its file has changed, importing it again", film.pk)
        transitions.restart_with_new_file(film, replaced[film.pk])
    return [film.pk for film in restarted]


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
