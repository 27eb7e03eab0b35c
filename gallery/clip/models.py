"""The models that embed films: the active one, and at most one other."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class EmbeddingModel(models.Model):
    """A model of the CLIP family that was chosen with `manage.py reembed`.

        filling   -> active      all films are in its index: searches use it
        active    -> previous    another model became active; this index is kept up to date
        previous  -> active      rolled back
        filling, previous -> discarded   its vectors are being removed, then the row

    One model is active, and at most one is filling or previous. Without rows, CLIP_MODEL is the
    only model: see `gallery.clip.weights`.

    `name` is a hub id, a folder, or "demo". `is_exact`: films are decoded again instead of
    embedding their thumbnails. `switches_itself`: it becomes active as soon as all films are in its
    index. `is_next`: it becomes active once all web servers have loaded it. `speed` is in frames
    per second, None while unknown. `error` is why films cannot be embedded now.
    """

    class State(models.TextChoices):
        FILLING = "filling", _("being filled")
        ACTIVE = "active", _("in use")
        PREVIOUS = "previous", _("kept")
        DISCARDED = "discarded", _("being removed")

    fingerprint = models.CharField(max_length=12, unique=True, editable=False)
    name = models.CharField(_("model"), max_length=400, editable=False)
    edges = models.CharField(max_length=8, editable=False)
    state = models.CharField(_("status"), max_length=10, choices=State, editable=False)
    is_exact = models.BooleanField(default=False, editable=False)
    switches_itself = models.BooleanField(default=True, editable=False)
    is_next = models.BooleanField(default=False, editable=False)
    speed = models.FloatField(null=True, editable=False)
    error = models.TextField(_("error"), blank=True, editable=False)
    created_at = models.DateTimeField(_("added"), auto_now_add=True)
    switched_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("model")
        verbose_name_plural = _("models")
        constraints = [
            models.UniqueConstraint(
                fields=["state"],
                condition=models.Q(state="active"),
                name="one_active_embedding_model",
            )
        ]

    def __str__(self) -> str:
        return self.name
