"""The progress of detecting shots again with a new version of the detector."""

from django.db import models

from gallery.films.models import Film


class ShotDetection(models.Model):
    """The detection of a ready film's shots by a new `version` of the detector.

    The row exists during the detection and after too many failures. `run` is the searchable run.
    `position` is the second of the film to continue from, None when the whole film is done. `cuts`
    are those found so far, in seconds. `attempts` counts the attempts at the current part, those
    of killed workers included.
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
        """Return the fraction of the film that is done, 0 to 1."""
        if self.position is None:
            return 1.0
        return min(1.0, self.position / self.film.duration) if self.film.duration else 0.0
