"""The segments of imports, and the progress of shot detection and re-embedding."""

import uuid
from typing import Any

from django.db import models
from django.db.models import F, Max, Q
from django.utils import timezone

from gallery.core.leases import lease_end
from gallery.films.film_job import FilmJob
from gallery.films.models import Film
from gallery.media.types import Span

MAX_ATTEMPTS = 3  # per step of an import, including those that killed the worker


class Segment(models.Model):
    """A part of one run of a film, imported by one short task.

    waiting -> running (claimed by a conditional UPDATE, with a lease that the worker renews) ->
    done. When the lease expires, the worker is presumed dead and the segment can be claimed again:
    the same work gives the same vectors. After MAX_ATTEMPTS the film fails
    (`gallery.importing.transitions.fail_lost_films`).
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"

    film = models.ForeignKey(Film, on_delete=models.CASCADE, related_name="segments")
    run = models.PositiveIntegerField()
    number = models.PositiveIntegerField()
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField(null=True)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    claim_token = models.UUIDField(null=True)
    claimed_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    frames_expected = models.PositiveIntegerField(default=0)
    frames_done = models.PositiveIntegerField(default=0)
    last_time = models.FloatField(null=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["film", "run", "number"], name="one_segment_each")
        ]

    def __str__(self) -> str:
        return f"{self.film_id}/{self.run}/{self.number}"

    @property
    def span(self) -> Span:
        """The part of the film in seconds."""
        return Span(self.start, self.end)

    @classmethod
    def unclaimed(cls) -> "models.QuerySet[Segment]":
        """Return segments of running imports that no worker holds, regardless of attempts.

        Segments of films that are away are left out until the film's file is back.
        """
        return cls.objects.filter(
            Q(state=cls.State.WAITING) | Q(state=cls.State.RUNNING, lease_until__lt=timezone.now()),
            film__away_since__isnull=True,
            film__state=Film.State.IMPORTING,
            film__run=F("run"),
        )

    @classmethod
    def claimable(cls) -> "models.QuerySet[Segment]":
        """Return unclaimed segments that have attempts left."""
        return cls.unclaimed().filter(attempts__lt=MAX_ATTEMPTS)

    @classmethod
    def given_up(cls) -> "models.QuerySet[Segment]":
        """Return unclaimed segments whose workers died too often."""
        return cls.unclaimed().filter(attempts__gte=MAX_ATTEMPTS)

    @classmethod
    def next_in_turn(cls) -> "Segment | None":
        """Return the segment to import next. Films take turns, so a long one delays no other."""
        claimable = cls.claimable()
        films = (
            Film.objects.filter(pk__in=claimable.values("film"))
            .annotate(served_at=Max("segments__claimed_at", filter=Q(segments__run=F("run"))))
            .order_by(F("served_at").asc(nulls_first=True), "pk")
        )
        for film in films:
            segment = claimable.filter(film=film).order_by("number").first()
            if segment is not None:
                return segment
        return None

    def claim(self) -> bool:
        """Claim this segment for this worker. Return False if another has it or it is done."""
        token = uuid.uuid4()
        claimable = Segment.claimable().filter(pk=self.pk).values("pk")
        changed = Segment.objects.filter(pk__in=claimable).update(
            state=self.State.RUNNING,
            claim_token=token,
            claimed_at=timezone.now(),
            attempts=F("attempts") + 1,
            lease_until=lease_end(),
            frames_done=0,
        )
        self.claim_token = token if changed else None
        self.attempts += changed
        return bool(changed)

    def _update_claimed(self, **values: Any) -> bool:
        """Update the segment if this worker still holds the claim. Return whether it does."""
        claimed = Segment.objects.filter(
            pk=self.pk, claim_token=self.claim_token, state=self.State.RUNNING
        )
        return bool(claimed.update(**values))

    def renew(self, frames_done: int) -> bool:
        """Record progress and renew the lease. Return False if the segment was lost."""
        return self._update_claimed(frames_done=frames_done, lease_until=lease_end())

    def keep(self) -> bool:
        """Renew the lease. Return False if the segment was lost."""
        return self._update_claimed(lease_until=lease_end())

    def release(self, *, was_attempt: bool = True) -> bool:
        """Return the segment to the queue. Return False if it was lost."""
        return self._update_claimed(
            state=self.State.WAITING,
            claim_token=None,
            lease_until=None,
            attempts=F("attempts") - (0 if was_attempt else 1),
        )

    def complete(self, frames: int, last_time: float | None) -> bool:
        """Mark the segment as done. Return False if it was lost."""
        return self._update_claimed(
            state=self.State.DONE,
            frames_done=frames,
            frames_expected=frames,
            last_time=last_time,
            lease_until=None,
        )


class ShotDetection(FilmJob):
    """The detection of a film's shots. `cuts` are those found so far, in seconds."""

    film = models.OneToOneField(Film, on_delete=models.CASCADE, related_name="shot_detection")
    cuts = models.JSONField(default=list)


class Reembedding(FilmJob):
    """The embedding of a film with another model, its `version`: see `reembedding`."""

    film = models.OneToOneField(Film, on_delete=models.CASCADE, related_name="reembedding")
