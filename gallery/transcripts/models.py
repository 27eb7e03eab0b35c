"""Subtitles of films in any number of languages, and their lines."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from gallery.films.models import Film


class Subtitles(models.Model):
    """The lines of a film in one language, from an uploaded file or a text track in the film."""

    class Source(models.TextChoices):
        UPLOADED = "uploaded", _("uploaded file")
        EMBEDDED = "embedded", _("embedded track")

    film = models.ForeignKey(Film, on_delete=models.CASCADE, related_name="subtitles")
    language = models.CharField(_("language"), max_length=20)  # BCP 47: en, zh-Hans; und: unknown
    source = models.CharField(_("source"), max_length=8, choices=Source, editable=False)
    stream = models.PositiveSmallIntegerField(null=True, editable=False)  # among subtitle streams
    original_name = models.CharField(_("file name"), max_length=255, blank=True, editable=False)
    line_count = models.PositiveIntegerField(_("lines"), default=0, editable=False)
    created = models.DateTimeField(_("added"), auto_now_add=True)

    class Meta:
        ordering = ["language", "id"]
        verbose_name = _("subtitles")
        verbose_name_plural = _("subtitles")

    def __str__(self) -> str:
        return self.original_name or f"{self.get_source_display()} ({self.language})"


class Line(models.Model):
    """A line of dialogue shown from `start` to `end` (seconds of the film); plain text."""

    subtitles = models.ForeignKey(Subtitles, on_delete=models.CASCADE, related_name="lines")
    number = models.PositiveIntegerField()
    start = models.FloatField()
    end = models.FloatField()
    text = models.TextField()

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["subtitles", "number"], name="one_line_each")
        ]
        indexes = [models.Index(fields=["subtitles", "start"])]

    def __str__(self) -> str:
        return self.text
