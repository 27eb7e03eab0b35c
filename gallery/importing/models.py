"""How far the search for a film's shots is, where an older version of the detector found them."""

from django.db import models

from gallery.films.models import Film


class ShotDetection(models.Model):
    """The shots of a ready film, found again by another version of the detector.

    There is a row while this goes on, and where it failed too often. `run` is the import that the
    film is searched with, `version` that of the detector. `position` is the second of the film from
    which it goes on, None when the whole film was looked at; `cuts` are those found so far, in
    seconds. `attempts` counts those at one part; a worker that is killed has used one up.
    """

    film = models.OneToOneField(Film, on_delete=models.CASCADE, related_name="shot_detection")
    run = models.PositiveIntegerField()
    version = models.CharField(max_length=40)
    position = models.PositiveIntegerField(null=True, default=0)
    cuts = models.JSONField(default=list)
    attempts = models.PositiveSmallIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.film_id}: {self.version}"

    @property
    def part(self) -> float:
        """How much of the film was looked at, 0 to 1."""
        if self.position is None:
            return 1.0
        return min(1.0, self.position / self.film.duration) if self.film.duration else 0.0
