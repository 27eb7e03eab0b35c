"""The progress of a library: films and hours done, speed, and time left."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Max, Min, Q, QuerySet, Sum
from django.utils import timezone

from gallery.films.models import Film, FilmQuerySet
from gallery.library.models import LibraryFile, LibraryFolder

State = LibraryFile.State
SPEED_PERIOD = timedelta(hours=2)  # only films finished in this period count for the speed


@dataclass(frozen=True, slots=True)
class LibraryProgress:
    """Counts of films and files, hours of film, and estimates (None while unknown).

    `speed`: hours of film imported per hour. `hours_left` and `seconds_left` assume that films
    that have not been examined yet have as many bytes per hour as those that have.
    """

    done: int
    importing: int
    waiting: int
    settling: int
    failed: int
    away: int
    unreadable: int
    ignored: int
    hours_done: float
    hours_left: float | None
    speed: float | None

    @property
    def films(self) -> int:
        """Return the number of films that are imported or will be."""
        return self.done + self.failed + self.importing + self.waiting + self.settling

    @property
    def part(self) -> float:
        """Return the fraction of films that are done or failed, 0 to 1."""
        return (self.done + self.failed) / self.films if self.films else 1.0

    @property
    def is_busy(self) -> bool:
        """Whether there is still something to do."""
        return bool(self.importing or self.waiting or self.settling)

    @property
    def seconds_left(self) -> float | None:
        """Return the estimated seconds until all films are done."""
        if not self.speed or self.hours_left is None:
            return None
        return self.hours_left / self.speed * 3600


def films_of(folder: LibraryFolder | None = None) -> FilmQuerySet:
    """Return the distinct films of a library folder, or of all."""
    files = LibraryFile.objects.filter(film__isnull=False)
    if folder is not None:
        files = files.filter(folder=folder)
    return Film.objects.filter(pk__in=files.values("film"))


def measure_progress(folder: LibraryFolder | None = None) -> LibraryProgress:
    """Count the films of a library folder, or of all, and estimate the time left.

    There is no estimate while imports are paused.
    """
    folders = list(LibraryFolder.objects.all()) if folder is None else [folder]
    is_paused = bool(folders) and all(one.is_paused for one in folders)
    films = films_of(folder)
    ready, unfinished = Q(state=Film.State.READY), Q(state__in=Film.UNFINISHED)
    here = Q(away_since__isnull=True)
    counts = films.aggregate(
        done=Count("pk", filter=ready),
        importing=Count("pk", filter=unfinished & here),
        failed=Count("pk", filter=Q(state=Film.State.FAILED)),
        away=Count("pk", filter=~here),
        seconds_done=Sum("duration", filter=ready),
        seconds_known=Sum("duration", filter=Q(duration__gt=0)),
        bytes_known=Sum("size", filter=Q(duration__gt=0)),
        bytes_left=Sum("size", filter=unfinished & here),
    )
    files = LibraryFile.objects.all() if folder is None else folder.files.all()
    present = Q(away_since__isnull=True)
    new = Q(film__isnull=True)
    found = files.aggregate(
        waiting=Count("pk", filter=present & Q(state=State.WAITING)),
        settling=Count("pk", filter=present & new & Q(state=State.SETTLING)),
        unreadable=Count("pk", filter=present & Q(state=State.UNREADABLE)),
        ignored=Count("pk", filter=Q(state=State.IGNORED)),
        bytes_new=Sum("size", filter=present & new & Q(state__in=[State.WAITING, State.SETTLING])),
    )
    bytes_left = (counts.pop("bytes_left") or 0) + (found.pop("bytes_new") or 0)
    known, bytes_known = counts.pop("seconds_known"), counts.pop("bytes_known")
    seconds_left = bytes_left * known / bytes_known if known and bytes_known else None
    return LibraryProgress(
        **found,
        hours_done=(counts.pop("seconds_done") or 0.0) / 3600,
        hours_left=0.0 if not bytes_left else seconds_left and seconds_left / 3600,
        speed=None if is_paused else _measure_speed(films),
        **counts,
    )


def _measure_speed(films: QuerySet[Film]) -> float | None:
    """Return the hours of film imported per hour recently; None if there were none."""
    lately = films.filter(
        state=Film.State.READY, finished__gte=timezone.now() - SPEED_PERIOD, run=1
    ).aggregate(first=Min("started"), last=Max("finished"), seconds=Sum("duration"))
    if not lately["first"] or not lately["last"]:
        return None
    spent = (lately["last"] - lately["first"]).total_seconds()
    return lately["seconds"] / spent if spent > 0 else None
