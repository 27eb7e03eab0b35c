"""Boards: scenes that somebody collects, and what is exported of them."""

import secrets

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from gallery.models.films import Film


def new_token() -> str:
    """A name that nobody can guess."""
    return secrets.token_urlsafe(16)


class Board(models.Model):
    """A named list of scenes.

    It belongs to `owner`, or, without one, to the browser session that lists its id. Whoever knows
    `token` may look at it.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="boards"
    )
    name = models.CharField(_("name"), max_length=120)
    token = models.CharField(max_length=32, unique=True, default=new_token, editable=False)
    created = models.DateTimeField(auto_now_add=True)
    changed = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-changed", "-id"]
        verbose_name = _("board")
        verbose_name_plural = _("boards")

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("board", args=[self.token])


class BoardScene(models.Model):
    """A scene on a board: from `start` up to `end` (seconds of the film), shown by `second`."""

    board = models.ForeignKey(Board, on_delete=models.CASCADE, related_name="scenes")
    film = models.ForeignKey(Film, on_delete=models.CASCADE, related_name="+")
    start = models.FloatField()
    end = models.FloatField()
    second = models.PositiveIntegerField()
    note = models.TextField(_("note"), blank=True, max_length=2000)
    position = models.PositiveIntegerField(default=0)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return f"{self.board_id}: {self.film_id} {self.start:.3f}-{self.end:.3f}"


class Export(models.Model):
    """A zip of a board's clips, made by a worker.

    waiting -> running (claimed by a conditional UPDATE, with a lease) -> done, or failed with a
    sentence in `error`. The file lies in the media store and is removed after a day.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    board = models.ForeignKey(Board, on_delete=models.CASCADE, related_name="exports")
    token = models.CharField(max_length=32, unique=True, default=new_token, editable=False)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    error = models.TextField(blank=True)
    lease_until = models.DateTimeField(null=True)
    started = models.DateTimeField(null=True)
    done_count = models.PositiveIntegerField(default=0)
    total_count = models.PositiveIntegerField(default=0)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created", "-id"]

    def __str__(self) -> str:
        return f"{self.board_id}: {self.state}"
