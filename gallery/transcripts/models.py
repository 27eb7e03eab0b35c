"""Subtitles of films in any number of languages, text in their pictures, and their lines."""

from typing import Final

from django.db import models
from django.utils.translation import gettext_lazy as _

from gallery.films.film_job import FilmJob
from gallery.films.models import Film
from gallery.ocr.types import Box
from gallery.transcripts.box_path import BoxPath
from gallery.transcripts.types import LineKind


class SubtitlesQuerySet(models.QuerySet["Subtitles"]):
    """Subtitles by where they may be shown."""

    def shown(self) -> "SubtitlesQuerySet":
        """Return those that have lines and are not hidden."""
        return self.filter(line_count__gt=0, is_hidden=False)

    def tracks(self) -> "SubtitlesQuerySet":
        """Return those that players draw over the picture: not what is in the picture already."""
        return self.shown().exclude(source__in=Subtitles.READ)

    def of_kind(self, kind: LineKind | None) -> "SubtitlesQuerySet":
        """Return those whose lines are of a kind; None: all."""
        if kind is None:
            return self
        return self.filter(source__in=[s for s, kinds in Subtitles.KINDS.items() if kind in kinds])


class LineQuerySet(models.QuerySet["Line"]):
    """Lines by whether they may be shown."""

    def shown(self, kind: LineKind | None = None) -> "LineQuerySet":
        """Return those of subtitles that are not hidden, of a kind; None: of any."""
        return self.filter(subtitles__in=Subtitles.objects.shown().of_kind(kind))


class Subtitles(models.Model):
    """The lines of a film in one language and from one source.

    Hidden ones are neither searched nor shown.
    """

    class Source(models.TextChoices):
        UPLOADED = "uploaded", _("uploaded file")
        EMBEDDED = "embedded", _("embedded track")
        DRAWN = "drawn", _("picture track")
        BURNED = "burned", _("subtitles in the picture")
        SCENE = "scene", _("text in the picture")
        SPEECH = "speech", _("recognised speech")

    # What the pictures show anyway, read by gallery.transcripts.reading.
    READ = (Source.BURNED, Source.SCENE)
    # All that gallery.transcripts.reading reads.
    SEEN = (Source.DRAWN, *READ)
    # Read or heard by machine, so that it may be wrong.
    RECOGNIZED = (*SEEN, Source.SPEECH)
    # Of these, those that a file can correct; others have names of their own.
    CORRECTABLE = (*READ, Source.SPEECH)

    KINDS: Final = {
        Source.UPLOADED: frozenset({LineKind.SAID}),
        Source.EMBEDDED: frozenset({LineKind.SAID}),
        Source.DRAWN: frozenset({LineKind.SAID}),
        Source.BURNED: frozenset({LineKind.SAID, LineKind.WRITTEN}),
        Source.SCENE: frozenset({LineKind.WRITTEN}),
        Source.SPEECH: frozenset({LineKind.SAID}),
    }

    film = models.ForeignKey(Film, on_delete=models.CASCADE, related_name="subtitles")
    language = models.CharField(_("language"), max_length=20)  # BCP 47: en, zh-Hans; und: unknown
    source = models.CharField(_("source"), max_length=8, choices=Source, editable=False)
    stream = models.PositiveSmallIntegerField(null=True, editable=False)  # among subtitle streams
    # Of the file, or the title of the track. Of what was recognized, once it was corrected.
    original_name = models.CharField(_("file name"), max_length=255, blank=True, editable=False)
    line_count = models.PositiveIntegerField(_("lines"), default=0, editable=False)
    is_hidden = models.BooleanField(_("hidden"), default=False)
    created = models.DateTimeField(_("added"), auto_now_add=True)

    objects = SubtitlesQuerySet.as_manager()

    class Meta:
        ordering = ["language", "id"]
        verbose_name = _("subtitles")
        verbose_name_plural = _("subtitles")

    def __str__(self) -> str:
        return self.original_name or f"{self.get_source_display()} ({self.language})"

    @property
    def kinds(self) -> frozenset[LineKind]:
        """What its lines are."""
        return self.KINDS[Subtitles.Source(self.source)]

    @property
    def is_read(self) -> bool:
        """Whether its lines were read in the film's pictures."""
        return self.source in self.READ

    @property
    def is_heard(self) -> bool:
        """Whether its lines were recognized in the film's sound, and not corrected."""
        return self.source == self.Source.SPEECH and not self.is_corrected

    @property
    def is_recognized(self) -> bool:
        """Whether a machine read or heard its lines, so that they may be wrong."""
        return self.source in self.RECOGNIZED and not self.is_corrected

    @property
    def is_corrected(self) -> bool:
        """Whether somebody corrected what a machine read or heard."""
        return self.source in self.CORRECTABLE and self.original_name != ""


class Line(models.Model):
    """A line shown or spoken from `start` to `end` (seconds of the film); plain text.

    `box`: where it stands in the picture: left, top, right, bottom, in shares of its size. Of a
    line that moves, a list of such boxes, with the time of each (seconds of the film) in front.
    """

    subtitles = models.ForeignKey(Subtitles, on_delete=models.CASCADE, related_name="lines")
    number = models.PositiveIntegerField()
    start = models.FloatField()
    end = models.FloatField()
    text = models.TextField()
    box = models.JSONField(null=True)

    objects = LineQuerySet.as_manager()

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["subtitles", "number"], name="one_line_each")
        ]
        indexes = [models.Index(fields=["subtitles", "start"])]

    def __str__(self) -> str:
        return self.text

    @property
    def path(self) -> BoxPath | None:
        """Where it stands in the picture; None if it does not."""
        return BoxPath.from_json(self.box)

    @property
    def middle_box(self) -> Box | None:
        """Where it stands in the picture in the middle of its time; None if it does not."""
        path = self.path
        return path.box_at((self.start + self.end) / 2) if path else None


class TextReading(FilmJob):
    """The reading of text in a film's pictures, and in its picture tracks at the end."""

    film = models.OneToOneField(Film, on_delete=models.CASCADE, related_name="text_reading")


class Transcription(FilmJob):
    """The recognition of a film's speech.

    `language` is the BCP 47 tag of what is spoken, once it is known. `is_needless`: there is
    nothing to write down, because the film has no sound, or subtitles of what is said.
    """

    film = models.OneToOneField(Film, on_delete=models.CASCADE, related_name="transcription")
    language = models.CharField(max_length=20, blank=True)
    is_needless = models.BooleanField(default=False)
