"""Boards, their scenes and their exports."""

import secrets

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from gallery.films.models import Film


def new_token() -> str:
    """Return an unguessable token."""
    return secrets.token_urlsafe(16)


class VisitorOwned(models.Model):
    """What a visitor keeps: it belongs to a user or to a browser session.

    It belongs to the user `owner`, or without one to the browser session that holds the key
    `visitor`. Anyone who knows `token` may view it. `used` is when its owner last changed or opened
    it; what has no owner is removed when it has not been used for a while.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="%(class)ss"
    )
    visitor = models.CharField(max_length=32, blank=True, db_index=True, editable=False)
    name = models.CharField(_("name"), max_length=120)
    token = models.CharField(max_length=32, unique=True, default=new_token, editable=False)
    created = models.DateTimeField(auto_now_add=True)
    used = models.DateTimeField(default=timezone.now)

    class Meta:
        abstract = True
        ordering = ["-used", "-id"]

    def __str__(self) -> str:
        return self.name


class Board(VisitorOwned):
    """A named list of scenes.

    New scenes go to the board to which its owner saved last. `saved_at` is when they created it or
    saved a scene to it; None for one that was made with its scenes, such as that of a storyboard.
    """

    saved_at = models.DateTimeField(null=True, editable=False)

    class Meta(VisitorOwned.Meta):
        verbose_name = _("board")
        verbose_name_plural = _("boards")

    def get_absolute_url(self) -> str:
        """Return the URL of the board's page."""
        return reverse("board", args=[self.token])


class ActiveScenes(models.Manager["BoardScene"]):
    """Scenes without the removed ones, which are kept for a day."""

    def get_queryset(self) -> "models.QuerySet[BoardScene]":
        """Exclude removed scenes."""
        return super().get_queryset().filter(removed=None)


class BoardScene(models.Model):
    """A scene on a board: from `start` to `end` (seconds of the film), shown by frame `second`.

    A removed scene keeps its row for a day, so that the removal can be undone. `objects` and
    `board.scenes` exclude such rows, `all_objects` does not.
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

    objects = ActiveScenes()
    all_objects = models.Manager["BoardScene"]()

    class Meta:
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return f"{self.board_id}: {self.film_id} {self.start:.3f}-{self.end:.3f}"


class Export(models.Model):
    """A board made into one file by workers: a zip of clips, or one film.

    waiting -> running (claimed by a conditional UPDATE, with a lease) -> done or failed. `error` is
    a message for people: why it failed, or which scenes are missing. `plan` is a snapshot of the
    board: its name, its scenes (film, start, end, note, link), the language of the user, and for a
    film its settings (see `film_options.FilmSettings`). `done_count` and `total_count` count
    scenes; `scene_part` is the part of the next one that is done, 0 to 1. The file is in the media
    store for a day after `requested_at`, when it was last asked for.
    """

    class Kind(models.TextChoices):
        CLIPS = "clips"
        FILM = "film"

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    board = models.ForeignKey(Board, on_delete=models.CASCADE, related_name="exports")
    token = models.CharField(max_length=32, unique=True, default=new_token, editable=False)
    kind = models.CharField(max_length=5, choices=Kind, default=Kind.CLIPS)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    error = models.TextField(blank=True)
    plan = models.JSONField(default=dict)
    claim_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    started = models.DateTimeField(null=True)
    done_count = models.PositiveIntegerField(default=0)
    total_count = models.PositiveIntegerField(default=0)
    scene_part = models.FloatField(default=0.0)
    requested_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-requested_at", "-id"]

    def __str__(self) -> str:
        return f"{self.board_id}: {self.state}"
