"""Background jobs that process ready films part by part, while no import is running.

Each film is processed by one worker at a time, and different films in parallel. If a worker is
killed, the next one repeats its part.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from gallery.core import shutdown
from gallery.core.errors import DiskFull, IndexUnavailable, LostClaim, ModelError
from gallery.films.models import Film, FilmQuerySet
from gallery.index import server
from gallery.workers.records import report_film

log = logging.getLogger(__name__)

Check = Callable[[], None]
"""Called before each write; raises LostClaim if another process has taken over."""

MAX_ATTEMPTS = 3  # per part, including those that killed the worker


class FilmJob(models.Model):
    """A job on a ready film, done by a `version` of the tool.

    The row exists during the job and after too many failures. `run` is the searchable run.
    `position` is the second of the film to continue from, None when the whole film is done.
    `attempts` counts the attempts at the current part, including those that killed the worker.
    """

    film: "models.OneToOneField[Film, Film]"
    run = models.PositiveIntegerField()
    version = models.CharField(max_length=40)
    position = models.PositiveIntegerField(null=True, default=0)
    attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.film.pk}: {self.version}"

    @property
    def part(self) -> float:
        """Return the fraction of the film that is done, 0 to 1."""
        if self.position is None:
            return 1.0
        return min(1.0, self.position / self.film.duration) if self.film.duration else 0.0

    @classmethod
    def start_attempt(cls, film: Film, version: str) -> Self:
        """Count an attempt in the film's row; in a new row if the film or the version changed."""
        jobs = cls._default_manager
        wanted = {"run": film.searchable_run, "version": version}
        jobs.filter(film=film).exclude(**wanted).delete()
        job, _is_new = jobs.get_or_create(film=film, defaults=wanted)
        job.update(attempts=job.attempts + 1)
        return job

    def check_exists(self) -> None:
        """Raise LostClaim if the job was deleted, for example with its film."""
        if not type(self)._default_manager.filter(pk=self.pk).exists():
            raise LostClaim

    def update(self, **columns: Any) -> None:
        """Update the row, if it was not deleted meanwhile, for example with its film."""
        for name, value in columns.items():
            setattr(self, name, value)
        type(self)._default_manager.filter(pk=self.pk).update(**columns)


Job = TypeVar("Job", bound=FilmJob)


@dataclass(frozen=True, slots=True)
class JobKind(Generic[Job]):
    """A kind of job, done by a `version` of the tool.

    `find_films` returns the films that this version has not processed. `do_part` processes the part
    of a film that begins at a position, and `finish` does the rest after all parts.
    `needs_file`: films without their file are left out. `includes_away`: films that are away are
    not. `name` is used for the locks, `title` for the log: "its text".
    """

    name: str
    title: str
    rows: type[Job]
    version: str
    find_films: Callable[[], FilmQuerySet]
    do_part: Callable[[Film, Job, int, Check], None]
    finish: Callable[[Film, Job, Check], None]
    needs_file: bool = False
    includes_away: bool = False

    def find_given_up(self) -> FilmQuerySet:
        """Return films of `find_films` that this version has given up."""
        return self.find_films().filter(self._has_given_up)

    def find_waiting(self) -> FilmQuerySet:
        """Return films of `find_films` except those that were given up."""
        return self.find_films().exclude(self._has_given_up)

    def next_film(self) -> Film | None:
        """Return the film to continue with; None if there is none, or while imports are running."""
        return next(self._films_in_turn(), None)

    def _films_in_turn(self) -> Iterator[Film]:
        """Yield the waiting films while no import is running. Those that failed come last."""
        if Film.objects.reachable().filter(state__in=Film.UNFINISHED).exists():
            return
        waiting = self.find_waiting()
        films = (waiting if self.includes_away else waiting.reachable()).order_by(
            Coalesce(f"{self._relation}__attempts", 0),
            F(f"{self._relation}__pk").asc(nulls_last=True),
            "pk",
        )
        for pk in list(films.values_list("pk", flat=True)):
            # Another worker may have finished it meanwhile.
            film = self.find_waiting().filter(pk=pk).first()
            if film is not None and (film.has_source or not self.needs_file):
                yield film

    def do_next(self) -> bool:
        """Do the next part of a film that no other worker has. Return whether there is more to do.

        Failures are logged and retried later, up to MAX_ATTEMPTS times. Raises IndexUnavailable.
        """
        client = server.connect_index()
        for film in self._films_in_turn():
            key = f"{settings.INDEX_PREFIX}:{self.name}:{film.pk}"
            with server.redis_lock(client, key, settings.LEASE_SECONDS) as check:
                if check is not None and self.find_waiting().filter(pk=film.pk).exists():
                    return self._do_part_of(film, check)
        return False

    def _do_part_of(self, film: Film, check_lock: Check) -> bool:
        """Do the next part of a film. Return whether there is more to do now."""

        def check() -> None:
            shutdown.check()
            check_lock()

        job = self.rows.start_attempt(film, self.version)
        report_film(film.pk)
        try:
            if job.position is None:
                self.finish(film, job, check)
            else:
                self.do_part(film, job, job.position, check)
        except (IndexUnavailable, ModelError, DiskFull, LostClaim) as error:
            job.update(attempts=job.attempts - 1)
            log.warning("film %s: %s will be done later: %s", film.pk, self.title, error)
            return False
        except Exception:
            log.exception(
                "film %s: %s failed (attempt %d of %d)",
                *(film.pk, self.title, job.attempts, MAX_ATTEMPTS),
            )
            return False
        return self.next_film() is not None

    def running_job(self, film: Film) -> Job | None:
        """Return the job on a film, running or failed; None when there is none."""
        wanted = {"film": film, "run": film.searchable_run or 0, "version": self.version}
        return self.rows._default_manager.filter(**wanted).select_related("film").first()

    @property
    def _relation(self) -> str:
        """The related name of the rows."""
        field = self.rows._meta.get_field("film")
        assert isinstance(field, models.OneToOneField)
        return str(field.related_query_name())

    @property
    def _has_given_up(self) -> Q:
        return Q(
            (f"{self._relation}__version", self.version),
            (f"{self._relation}__run", F("searchable_run")),
            (f"{self._relation}__attempts__gte", MAX_ATTEMPTS),
        )
