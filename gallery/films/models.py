"""Films and their shots."""

import secrets
from dataclasses import asdict
from datetime import datetime
from fractions import Fraction
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from gallery.media import film_borders
from gallery.media.store import FilmFiles
from gallery.media.timecodes import Clock
from gallery.media.types import PictureFormat, Probe, SoundTrack

FIRST_YEAR, LAST_YEAR = 1878, 2200  # the first motion pictures; later years are typing errors
MAX_FILM_SECONDS = 10**6  # longer than any film

DEFAULT_SHAPE = 16 / 9


def new_uid() -> str:
    """Return a random name for a film's folder."""
    return secrets.token_hex(8)


def thumbnail_shape(shape: float, width: int, height: int) -> float:
    """Return a film's `shape`, or that of its pictures when it was not stored."""
    return shape or (width / height if width and height else DEFAULT_SHAPE)


def _is_embedded_by(fingerprint: str) -> Q:
    """Return the condition that the frames of a film's last run were embedded by a model."""
    others = FilmVectors.objects.filter(
        film=OuterRef("pk"), model=fingerprint, run=OuterRef("searchable_run")
    )
    return Q(model=fingerprint) | Q(Exists(others))


class FilmQuerySet(QuerySet["Film"]):
    """Queries for films, by the fingerprint of the model that can search them."""

    def searchable(self, fingerprint: str) -> "FilmQuerySet":
        """Return films whose frames are in the index of this model."""
        return self.filter(_is_embedded_by(fingerprint), searchable_run__isnull=False)

    def embedded_otherwise(self, fingerprint: str) -> "FilmQuerySet":
        """Return films that are only in the indexes of other models."""
        return self.filter(searchable_run__isnull=False).exclude(_is_embedded_by(fingerprint))

    def with_searchability(self, fingerprint: str) -> Any:
        """Annotate each searchable film with `is_searchable`: whether by this model."""
        return self.annotate(
            is_searchable=Case(
                When(_is_embedded_by(fingerprint), then=Value(True)), default=Value(False)
            )
        )

    def _with_labels(self, fingerprint: str) -> Any:
        """Annotate films with `label_state` and `label_time`: `labelled_as` and `labelled` in the
        index of this model.
        """
        others = FilmVectors.objects.filter(film=OuterRef("pk"), model=fingerprint)
        is_own = Q(model=fingerprint)

        def of_model(column: str) -> Case:
            other = Subquery(others.values(column)[:1])
            return Case(When(is_own, then=F(column)), default=other)

        return self.annotate(
            label_state=Coalesce(of_model("labelled_as"), Value("")),
            label_time=of_model("labelled"),
        )

    def labelled_otherwise(self, fingerprint: str, state: str) -> "FilmQuerySet":
        """Return films whose labels in the index of this model are not these."""
        found: FilmQuerySet = self._with_labels(fingerprint).exclude(label_state=state)
        return found

    def label_states(self, fingerprint: str) -> dict[int, str]:
        """Return which labels films have in the index of this model, by the film's id."""
        return dict(self._with_labels(fingerprint).values_list("pk", "label_state"))

    def label_times(self, fingerprint: str) -> list[tuple[datetime | None, int]]:
        """Return when films were labelled in the index of this model, in order; their frames."""
        rows = self._with_labels(fingerprint).order_by("label_time")
        return list(rows.values_list("label_time", "frame_count"))

    def in_first_import(self) -> "FilmQuerySet":
        """Return films in, or waiting for, their first import."""
        return self.filter(searchable_run__isnull=True, state__in=Film.UNFINISHED)

    def failed(self) -> "FilmQuerySet":
        """Return films whose last import failed."""
        return self.filter(state=Film.State.FAILED)

    def reachable(self) -> "FilmQuerySet":
        """Return all films except those that are away."""
        return self.filter(away_since__isnull=True)

    def with_posters(self) -> "FilmQuerySet":
        """Annotate each film with `poster_second`, the frame that represents it, or None.

        It is from the first shot after a third of the film, or from an earlier one if all of those
        are dull.
        """
        shots = Shot.objects.filter(film=OuterRef("pk")).order_by("number")
        late = Q(number__gte=OuterRef("shot_count") / 3)
        choices = (shots.filter(late, dull=False), shots.filter(dull=False), shots.filter(late))
        seconds = (Subquery(choice.values("second")[:1]) for choice in choices)
        return self.annotate(poster_second=Coalesce(*seconds))


class Film(models.Model):
    """A film and the state of its import.

        waiting   -> probing    a worker claimed it
        probing   -> importing  the file is readable and its segments are planned
        importing -> indexing   the last segment is done; one worker takes the last step
        indexing  -> ready      its frames are in the index
        any but ready -> failed with a sentence in `error`
        ready, failed -> waiting by retry or re-import, with the next `run`

    A film with `searchable_run` can be searched, even during a new import: the frames of the last
    finished run stay in the index until those of the new one replace them. The import of a film
    that is away waits until its file is back.

    `model` is the fingerprint of the model that imported it; `other_vectors` are by other models.
    `labelled_as` identifies the labels of its frames in the index of `model`, and `labelled` is
    when they were set: see `gallery.labels.scoring`.
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
    # For films in library folders, unknown until a worker has read the whole file.
    sha256 = models.CharField(max_length=64, unique=True, null=True, editable=False)  # noqa: DJ001
    size = models.BigIntegerField(_("size (bytes)"), default=0, editable=False)

    state = models.CharField(
        _("status"), max_length=12, choices=State, default=State.WAITING, editable=False
    )
    error = models.TextField(_("error"), blank=True, editable=False)
    run = models.PositiveIntegerField(default=1, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    # Attempts at the current step (probing or indexing).
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
    # Of thumbnails, width / height, without black bars; 0 for films imported before it was stored.
    shape = models.FloatField(default=0, editable=False)
    rotation = models.SmallIntegerField(default=0, editable=False)
    first_frame = models.FloatField(default=0, editable=False)
    start_timecode = models.CharField(max_length=11, blank=True, editable=False)
    # Codecs and formats of pictures and sound; empty for films imported before they were stored.
    streams = models.JSONField(default=dict, editable=False)

    run_model = models.CharField(max_length=12, blank=True, editable=False)
    searchable_run = models.PositiveIntegerField(null=True, editable=False)
    frame_count = models.PositiveIntegerField(_("frames"), default=0, editable=False)
    shot_count = models.PositiveIntegerField(_("shots"), default=0, editable=False)
    # The version of the shot detector; empty for films imported before it was stored.
    shots_version = models.CharField(max_length=40, blank=True, editable=False)
    model = models.CharField(max_length=12, blank=True, editable=False, db_index=True)
    model_name = models.CharField(_("model"), max_length=200, blank=True, editable=False)
    labelled_as = models.CharField(max_length=16, blank=True, editable=False)
    labelled = models.DateTimeField(null=True, editable=False)
    # The run in which the text tracks were last read, the lease of reading them, and its errors.
    tracks_run = models.PositiveIntegerField(null=True, editable=False)
    tracks_lease = models.DateTimeField(null=True, editable=False)
    tracks_error = models.TextField(blank=True, editable=False)
    # Whether text in its pictures is read; the run and the version of the reader that has read it.
    reads_text = models.BooleanField(_("read text in the pictures"), default=True)
    text_run = models.PositiveIntegerField(null=True, editable=False)
    text_version = models.CharField(max_length=40, blank=True, editable=False)
    # Whether its speech is recognized; the run and the version of the recognizer that did it.
    hears_speech = models.BooleanField(_("recognise speech"), default=True)
    speech_run = models.PositiveIntegerField(null=True, editable=False)
    speech_version = models.CharField(max_length=40, blank=True, editable=False)
    # A BCP 47 tag; empty: it is detected.
    spoken_language = models.CharField(_("spoken language"), max_length=20, blank=True)
    # Sentences, one a line, on pictures or sound that the import left out.
    notice = models.TextField(blank=True, editable=False)
    # When its file in a library folder became unreachable: no work that needs it is started.
    away_since = models.DateTimeField(null=True, editable=False)

    objects = FilmQuerySet.as_manager()

    class Meta:
        ordering = ["-created", "-id"]
        verbose_name = _("film")
        verbose_name_plural = _("films")
        indexes = [models.Index(fields=["state"])]

    def __str__(self) -> str:
        return f"{self.title} ({self.year})" if self.year else self.title

    def get_absolute_url(self) -> str:
        """Return the URL of the film's page."""
        return reverse("film", args=[self.pk])

    @property
    def files(self) -> FilmFiles:
        """The film's files in the media store."""
        return FilmFiles(self.uid)

    @property
    def thumbnail_shape(self) -> float:
        """The width of its thumbnails divided by their height."""
        return thumbnail_shape(self.shape, self.width, self.height)

    @property
    def has_source(self) -> bool:
        """Whether the film file is in the media store or a library folder, with its full size."""
        return self.files.source_size() == self.size

    @property
    def is_away(self) -> bool:
        """Whether the film's file is in a library folder that cannot be reached now."""
        return self.files.is_away()

    @property
    def is_stored(self) -> bool:
        """Whether the media store has a thumbnail and a vector for each searchable frame."""
        if self.searchable_run is None:
            return False
        run = self.files.run(self.searchable_run)
        return self.frame_count == run.count_thumbnails() == run.count_frames()

    @property
    def rate(self) -> Fraction:
        """Frames per second; 0 before the file was probed."""
        return Fraction(self.rate_numerator, self.rate_denominator or 1)

    @property
    def probe(self) -> Probe:
        """What probing the file found."""
        inner = self.streams.get("inner")
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
            inner=tuple(inner) if inner else None,
        )

    @property
    def sound_tracks(self) -> tuple[SoundTrack, ...]:
        """The sound tracks, in file order."""
        if not self.streams:
            return (SoundTrack(0, self.audio_codec),) if self.audio_codec else ()
        return tuple(SoundTrack(**track) for track in self.streams["sound"])

    @staticmethod
    def columns_of(probe: Probe) -> dict[str, Any]:
        """Return the columns that store a probe result; `probe` is the inverse."""
        return {
            "duration": probe.duration,
            "start": probe.start,
            "width": probe.width,
            "height": probe.height,
            "rate_numerator": probe.rate.numerator,
            "rate_denominator": probe.rate.denominator,
            "video_codec": probe.video_codec,
            "audio_codec": probe.audio_codec,
            "rotation": probe.rotation,
            "first_frame": probe.first_frame,
            "start_timecode": probe.start_timecode,
            "streams": {
                "picture": asdict(probe.picture or PictureFormat()),
                "sound": [asdict(track) for track in probe.sound],
                "last_frame": probe.last_frame,
                "inner": probe.inner,
            },
            "shape": film_borders.shape_of(probe),
        }

    @property
    def clock(self) -> Clock:
        """The numbering of its frames, and their timecodes."""
        return Clock.of(self.probe)

    @property
    def is_unfinished(self) -> bool:
        """Whether an import is running or waiting."""
        return self.state in self.UNFINISHED

    def frames_done(self) -> int:
        """Return how many frames of the current run are embedded."""
        total = self.segments.filter(run=self.run).aggregate(done=Sum("frames_done"))
        return int(total["done"] or 0)

    def frames_expected(self) -> int:
        """Return the estimated number of frames of the current run; 0 before probing."""
        total = self.segments.filter(run=self.run).aggregate(all=Sum("frames_expected"))
        return int(total["all"] or 0)


class FilmVectors(models.Model):
    """A run of a film in the index of a model other than the one that imported it.

    `labelled_as` and `labelled`: as in `Film`, for this index. The vectors are in the media store:
    see `gallery.media.model_vectors`.
    """

    film = models.ForeignKey(Film, on_delete=models.CASCADE, related_name="other_vectors")
    model = models.CharField(max_length=12)
    run = models.PositiveIntegerField()
    labelled_as = models.CharField(max_length=16, blank=True)
    labelled = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["film", "model"], name="one_row_for_film_and_model")
        ]

    def __str__(self) -> str:
        return f"{self.film_id}/{self.run}: {self.model}"


class Leftover(models.Model):
    """A folder in the media store to be removed, unless it belongs to a film.

    The row is created before an upload is stored, and in the transaction that deletes a film, so
    that a crash leaves no folder behind. Other folders are never removed, because their films may
    be in another database or in a backup.
    """

    uid = models.CharField(max_length=32, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.uid


class Shot(models.Model):
    """The frames between two cuts of a searchable film; `second` is the frame in its middle.

    `dull`: all its frames are blank or credits, so that it is never a hit. Shots too short to
    contain a frame (there is one a second) are not stored.
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
