"""Films, the segments of their import, and the shots that were found."""

import secrets
import uuid
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from gallery.core.leases import lease_end
from gallery.media.store import FilmFiles
from gallery.media.timecodes import Clock
from gallery.media.types import PictureFormat, Probe, SoundTrack, Span

FIRST_YEAR, LAST_YEAR = 1878, 2200  # the first moving pictures; a typing error
MAX_ATTEMPTS = 3  # at one step of an import; a worker that is killed has used one up


def new_uid() -> str:
    """A random name for a film's folder."""
    return secrets.token_hex(8)


class FilmQuerySet(QuerySet["Film"]):
    """Films, by whether the model in use (its `fingerprint`) can search them."""

    def searchable(self, fingerprint: str) -> "FilmQuerySet":
        """Films with frames that this model embedded."""
        return self.filter(searchable_run__isnull=False, model=fingerprint)

    def embedded_otherwise(self, fingerprint: str) -> "FilmQuerySet":
        """Films whose frames another model embedded: they wait for `manage.py reembed`."""
        return self.filter(searchable_run__isnull=False).exclude(model=fingerprint)

    def with_posters(self) -> "FilmQuerySet":
        """Films with `poster_second`, the frame that stands for each; None where there is none.

        It is of the shot a third into the film; rather of one before it than of a dull one.
        """
        shots = Shot.objects.filter(film=OuterRef("pk")).order_by("number")
        late = Q(number__gte=OuterRef("shot_count") / 3)
        wanted = (shots.filter(late, dull=False), shots.filter(dull=False), shots.filter(late))
        seconds = (Subquery(some.values("second")[:1]) for some in wanted)
        return self.annotate(poster_second=Coalesce(*seconds))


class Film(models.Model):
    """A film and the state of its import.

    States and who moves between them:

        waiting   -> probing    a worker took it up (`Film.claim`)
        probing   -> importing  the file is good and its segments are planned
        importing -> indexing   the last segment is done; one worker takes the last step
        indexing  -> ready      its frames are in the index
        any but ready -> failed with a sentence in `error`
        ready, failed -> waiting by retry or re-import, with the next `run`

    A film with `searchable_run` is searched, also while it is imported anew: the frames of the
    last finished run answer until those of the new one replace them.

    `labelled_as` names the labels that its frames in the index carry, `labelled` since when: see
    `gallery.labels.scoring`.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        PROBING = "probing", _("checking file")
        IMPORTING = "importing", _("importing")
        INDEXING = "indexing", _("indexing")
        READY = "ready", _("ready")
        FAILED = "failed", _("failed")

    UNFINISHED = (State.WAITING, State.PROBING, State.IMPORTING, State.INDEXING)

    uid = models.CharField(max_length=32, unique=True, default=new_uid, editable=False)
    title = models.CharField(_("title"), max_length=200)
    year = models.PositiveSmallIntegerField(
        _("year"),
        null=True,
        blank=True,
        validators=[MinValueValidator(FIRST_YEAR), MaxValueValidator(LAST_YEAR)],
    )
    original_name = models.CharField(_("file name"), max_length=255, editable=False)
    sha256 = models.CharField(max_length=64, unique=True, editable=False)
    size = models.BigIntegerField(_("size (bytes)"), default=0, editable=False)

    state = models.CharField(
        _("status"), max_length=12, choices=State, default=State.WAITING, editable=False
    )
    error = models.TextField(_("error"), blank=True, editable=False)
    run = models.PositiveIntegerField(default=1, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    # How often the step that the film is at (probing or indexing) was begun.
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    started = models.DateTimeField(null=True, editable=False)
    finished = models.DateTimeField(null=True, editable=False)
    created = models.DateTimeField(_("added"), auto_now_add=True)

    duration = models.FloatField(_("length (seconds)"), default=0, editable=False)
    start = models.FloatField(default=0, editable=False)
    width = models.PositiveIntegerField(default=0, editable=False)
    height = models.PositiveIntegerField(default=0, editable=False)
    rate_numerator = models.PositiveIntegerField(default=0, editable=False)
    rate_denominator = models.PositiveIntegerField(default=1, editable=False)
    video_codec = models.CharField(max_length=40, blank=True, editable=False)
    audio_codec = models.CharField(max_length=40, blank=True, editable=False)
    rotation = models.SmallIntegerField(default=0, editable=False)
    first_frame = models.FloatField(default=0, editable=False)
    start_timecode = models.CharField(max_length=11, blank=True, editable=False)
    # How pictures and sound are coded; empty for films imported before this was looked at.
    streams = models.JSONField(default=dict, editable=False)

    run_model = models.CharField(max_length=12, blank=True, editable=False)
    searchable_run = models.PositiveIntegerField(null=True, editable=False)
    frame_count = models.PositiveIntegerField(_("frames"), default=0, editable=False)
    shot_count = models.PositiveIntegerField(_("shots"), default=0, editable=False)
    # The version of the detector that found its shots; empty for films imported before it was kept.
    shots_version = models.CharField(max_length=40, blank=True, editable=False)
    model = models.CharField(max_length=12, blank=True, editable=False, db_index=True)
    model_name = models.CharField(_("model"), max_length=200, blank=True, editable=False)
    labelled_as = models.CharField(max_length=16, blank=True, editable=False)
    labelled = models.DateTimeField(null=True, editable=False)
    # The run in which the text tracks were last read, by whom until when, and what was wrong.
    tracks_run = models.PositiveIntegerField(null=True, editable=False)
    tracks_lease = models.DateTimeField(null=True, editable=False)
    tracks_error = models.TextField(blank=True, editable=False)
    # What was left out of the pictures or the sound when the film was imported, as a sentence.
    notice = models.TextField(blank=True, editable=False)

    objects = FilmQuerySet.as_manager()

    class Meta:
        ordering = ["-created", "-id"]
        verbose_name = _("film")
        verbose_name_plural = _("films")
        indexes = [models.Index(fields=["state"])]

    def __str__(self) -> str:
        return f"{self.title} ({self.year})" if self.year else self.title

    def get_absolute_url(self) -> str:
        """The film's page."""
        return reverse("film", args=[self.pk])

    @property
    def files(self) -> FilmFiles:
        """Where its files lie."""
        return FilmFiles(self.uid)

    @property
    def has_source(self) -> bool:
        """Whether the film's file is in the media store, with all its bytes."""
        return self.files.source_size() == self.size

    @property
    def is_stored(self) -> bool:
        """Whether the media store has a thumbnail and a vector for each searchable frame."""
        if self.searchable_run is None:
            return False
        run = self.files.run(self.searchable_run)
        return self.frame_count == run.thumbnails() == run.stored_frames()

    @property
    def rate(self) -> Fraction:
        """Frames per second; 0 before the file was looked at."""
        return Fraction(self.rate_numerator, self.rate_denominator or 1)

    @property
    def probe(self) -> Probe:
        """What the file says of itself, as it was found when it was looked at."""
        return Probe(
            duration=self.duration,
            start=self.start,
            width=self.width,
            height=self.height,
            rate=self.rate,
            video_codec=self.video_codec,
            audio_codec=self.audio_codec,
            rotation=self.rotation,
            first_frame=self.first_frame,
            last_frame=self.streams.get("last_frame", 0.0),
            start_timecode=self.start_timecode,
            picture=PictureFormat(**self.streams["picture"]) if self.streams else None,
            sound=self.sound_tracks,
        )

    @property
    def sound_tracks(self) -> tuple[SoundTrack, ...]:
        """Its sound tracks, in the order of the file."""
        if not self.streams:
            return (SoundTrack(0, self.audio_codec),) if self.audio_codec else ()
        return tuple(SoundTrack(**track) for track in self.streams["sound"])

    @staticmethod
    def columns_of(found: Probe) -> dict[str, Any]:
        """The columns that keep what a file says of itself: `probe` gives it back."""
        return {
            "duration": found.duration,
            "start": found.start,
            "width": found.width,
            "height": found.height,
            "rate_numerator": found.rate.numerator,
            "rate_denominator": found.rate.denominator,
            "video_codec": found.video_codec,
            "audio_codec": found.audio_codec,
            "rotation": found.rotation,
            "first_frame": found.first_frame,
            "start_timecode": found.start_timecode,
            "streams": {
                "picture": asdict(found.picture or PictureFormat()),
                "sound": [asdict(track) for track in found.sound],
                "last_frame": found.last_frame,
            },
        }

    @property
    def clock(self) -> Clock:
        """How its frames are counted, and their timecodes."""
        return Clock.of(self.probe)

    @property
    def is_unfinished(self) -> bool:
        """Whether an import is under way or waiting."""
        return self.state in self.UNFINISHED

    def frames_done(self) -> int:
        """Frames of the current run that are embedded."""
        total = self.segments.filter(run=self.run).aggregate(done=Sum("frames_done"))
        return int(total["done"] or 0)

    def frames_expected(self) -> int:
        """About how many frames the current run will have; 0 before the file was looked at."""
        total = self.segments.filter(run=self.run).aggregate(all=Sum("frames_expected"))
        return int(total["all"] or 0)


class Leftover(models.Model):
    """A film's folder in the media store that is to be removed, unless there is such a film.

    It is noted before an upload is filed, and in the transaction that deletes a film, so that a
    crash leaves no folder behind. Folders without such a note are never removed: their rows may be
    in another database, or in a backup.
    """

    uid = models.CharField(max_length=32, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.uid


class Segment(models.Model):
    """A stretch of one run of a film, and a short task.

    waiting -> running (claimed by a conditional UPDATE, with a lease that the worker renews while
    it works) -> done. When the lease runs out, the worker is taken for dead and the segment can be
    claimed again: the same work gives the same vectors. After MAX_ATTEMPTS nobody claims it any
    more, and the film fails (`gallery.importing.pipeline.give_up`).
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
        """Its stretch of the film, in seconds."""
        return Span(self.start, self.end)

    @classmethod
    def unclaimed(cls) -> "models.QuerySet[Segment]":
        """Segments of running imports that no worker is at, however often they were tried."""
        return cls.objects.filter(
            Q(state=cls.State.WAITING) | Q(state=cls.State.RUNNING, lease_until__lt=timezone.now()),
            film__state=Film.State.IMPORTING,
            film__run=F("run"),
        )

    @classmethod
    def claimable(cls) -> "models.QuerySet[Segment]":
        """Unclaimed segments that may be tried again."""
        return cls.unclaimed().filter(attempts__lt=MAX_ATTEMPTS)

    @classmethod
    def given_up(cls) -> "models.QuerySet[Segment]":
        """Unclaimed segments whose workers died too often."""
        return cls.unclaimed().filter(attempts__gte=MAX_ATTEMPTS)

    @classmethod
    def next_in_turn(cls) -> "Segment | None":
        """The segment to be done next: films take turns, so that a long one delays no other."""
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
        """Take this segment for this worker; False when somebody else has it or it is done."""
        token = uuid.uuid4()
        taken = Segment.claimable().filter(pk=self.pk).values("pk")
        changed = Segment.objects.filter(pk__in=taken).update(
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

    def _owned(self) -> "models.QuerySet[Segment]":
        return Segment.objects.filter(
            pk=self.pk, claim_token=self.claim_token, state=self.State.RUNNING
        )

    def renew(self, frames_done: int) -> bool:
        """Report progress and keep the lease; False when the segment is not ours any more."""
        return bool(self._owned().update(frames_done=frames_done, lease_until=lease_end()))

    def keep(self) -> bool:
        """Keep the lease; False when the segment is not ours any more."""
        return bool(self._owned().update(lease_until=lease_end()))

    def release(self, *, was_attempt: bool = True) -> bool:
        """Give it back, to be tried again; False when it is not ours any more."""
        return bool(
            self._owned().update(
                state=self.State.WAITING,
                claim_token=None,
                lease_until=None,
                attempts=F("attempts") - (0 if was_attempt else 1),
            )
        )

    def complete(self, frames: int, last_time: float | None) -> bool:
        """Mark it done; False when it is not ours any more."""
        return bool(
            self._owned().update(
                state=self.State.DONE,
                frames_done=frames,
                frames_expected=frames,
                last_time=last_time,
                lease_until=None,
            )
        )


class Shot(models.Model):
    """What lies between two cuts of a searchable film; `second` is the frame in its middle.

    `dull`: all its frames are blank or credits, so that it is not offered. Shots too short to have
    a frame of their own (at one frame a second) are not listed.
    """

    film = models.ForeignKey(Film, on_delete=models.CASCADE, related_name="shots")
    number = models.PositiveIntegerField()
    start = models.FloatField()
    end = models.FloatField()
    second = models.PositiveIntegerField()
    dull = models.BooleanField(default=False)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["film", "number"], name="one_shot_each")]

    def __str__(self) -> str:
        return f"{self.film_id}/{self.number}"
