"""Boards: scenes that somebody collects, and what is exported of them."""

import secrets

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from gallery.films.models import Film


def new_token() -> str:
    """A name that nobody can guess."""
    return secrets.token_urlsafe(16)


class Board(models.Model):
    """A named list of scenes.

    It belongs to `owner`, or, without one, to the browser session that keeps the key `visitor`.
    Whoever knows `token` may look at it. `used` is when its owner last changed or opened it: the
    next scene goes to the board used last, and one that nobody owns is removed when it is not used
    for long.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="boards"
    )
    visitor = models.CharField(max_length=32, blank=True, db_index=True, editable=False)
    name = models.CharField(_("name"), max_length=120)
    token = models.CharField(max_length=32, unique=True, default=new_token, editable=False)
    created = models.DateTimeField(auto_now_add=True)
    used = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-used", "-id"]
        verbose_name = _("board")
        verbose_name_plural = _("boards")

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("board", args=[self.token])


class StandingScenes(models.Manager["BoardScene"]):
    """Scenes that stand on their boards, without those that were removed a moment ago."""

    def get_queryset(self) -> "models.QuerySet[BoardScene]":
        """Leave the removed ones out."""
        return super().get_queryset().filter(removed=None)


class BoardScene(models.Model):
    """A scene on a board: from `start` up to `end` (seconds of the film), shown by `second`.

    A removed scene keeps its row for a day, so that the removal can be undone. `objects` leaves
    such rows out, and so does `board.scenes`.
    """

    board = models.ForeignKey(Board, on_delete=models.CASCADE, related_name="scenes")
    film = models.ForeignKey(Film, on_delete=models.CASCADE, related_name="+")
    start = models.FloatField()
    end = models.FloatField()
    second = models.PositiveIntegerField()
    note = models.TextField(_("note"), blank=True, max_length=2000)
    position = models.PositiveIntegerField(default=0)
    created = models.DateTimeField(auto_now_add=True)
    removed = models.DateTimeField(null=True)

    objects = StandingScenes()
    everything = models.Manager["BoardScene"]()

    class Meta:
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return f"{self.board_id}: {self.film_id} {self.start:.3f}-{self.end:.3f}"


class Export(models.Model):
    """A zip of a board's clips, made by a worker.

    waiting -> running (claimed by a conditional UPDATE, with a lease) -> done, or failed with a
    sentence in `error`; done with a sentence there when some clips are missing. `plan` is what the
    board held when the export was asked for: its name, its scenes (film, start, end, note, link),
    and the language of who asked. `done_count` and `total_count` are clips. The file lies in the
    media store and is removed after a day.
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
    plan = models.JSONField(default=dict)
    claim_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    started = models.DateTimeField(null=True)
    done_count = models.PositiveIntegerField(default=0)
    total_count = models.PositiveIntegerField(default=0)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created", "-id"]

    def __str__(self) -> str:
        return f"{self.board_id}: {self.state}"
