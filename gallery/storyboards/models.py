"""Storyboards: scripts whose lines are matched with scenes."""

from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from gallery.boards.models import Board, VisitorOwned


class Storyboard(VisitorOwned):
    """A script, line by line, with scenes for each line.

    `films` are the ids of the films to search, empty for all. A shot is chosen for one row only
    unless `allows_repeats`. `version` counts the changes of rows: a browser that gets two answers
    in the wrong order ignores the older one. `board` is the one that it was last saved as;
    `board_digest` tells whether the scenes of that are still those that were saved.
    """

    films = models.JSONField(default=list)
    allows_repeats = models.BooleanField(default=False)
    version = models.PositiveIntegerField(default=0)
    board = models.OneToOneField(
        Board, on_delete=models.SET_NULL, null=True, related_name="storyboard"
    )
    board_digest = models.CharField(max_length=64, blank=True)

    class Meta(VisitorOwned.Meta):
        verbose_name = _("storyboard")
        verbose_name_plural = _("storyboards")

    def get_absolute_url(self) -> str:
        """Return the URL of the storyboard's page."""
        return reverse("storyboard", args=[self.token])


class StoryboardRow(models.Model):
    """A line of a script, or a `picture` (token) of a drawn storyboard, and its scenes.

    `candidates` are the scenes that were found, best first, as the fields of `SceneCandidate`; None
    until the row is searched. `chosen` is the index of the chosen one, None without any. While
    `is_locked` the choice is not changed automatically. `rejected` are [film, shot] that are not
    offered again. `similar_to` is the [film, second] of a frame whose likes are searched for, too.
    `seconds` is the wanted length, None for the time that it takes to read the text aloud. `error`
    is why nothing was found, as a sentence.
    """

    storyboard = models.ForeignKey(Storyboard, on_delete=models.CASCADE, related_name="rows")
    position = models.PositiveIntegerField()
    text = models.CharField(max_length=500, blank=True)
    picture = models.CharField(max_length=32, blank=True)
    seconds = models.FloatField(null=True)
    similar_to = models.JSONField(null=True)
    candidates = models.JSONField(null=True)
    chosen = models.PositiveSmallIntegerField(null=True)
    is_locked = models.BooleanField(default=False)
    rejected = models.JSONField(default=list)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return f"{self.storyboard_id}/{self.position}: {self.text}"
