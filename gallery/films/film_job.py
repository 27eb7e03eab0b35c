"""Background jobs that go through a film in parts: what is done, and how often a part was tried."""

from typing import Any, Self

from django.db import models
from django.db.models import F, Q

from gallery.films.models import Film

MAX_ATTEMPTS = 3  # at one part; a killed worker counts as one


class FilmJob(models.Model):
    """A job on a ready film, by a `version` of what does it.

    The row exists during the job and after too many failures. `run` is the searchable run.
    `position` is the second of the film to continue from, None when the whole film is done.
    `attempts` counts the attempts at the current part, those of killed workers included.
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

    def update(self, **columns: Any) -> None:
        """Update the row, if it was not deleted meanwhile, for example with its film."""
        for name, value in columns.items():
            setattr(self, name, value)
        type(self)._default_manager.filter(pk=self.pk).update(**columns)


def has_given_up(job: str, version: str) -> Q:
    """Return the condition that a film's job, by its related name, failed too often."""
    return Q(
        (f"{job}__version", version),
        (f"{job}__run", F("searchable_run")),
        (f"{job}__attempts__gte", MAX_ATTEMPTS),
    )
