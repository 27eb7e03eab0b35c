"""Labels: zero-shot names that staff define, computed from stored vectors."""

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from gallery.films.models import Film


class Label(models.Model):
    """A name, the prompts that describe it, and the minimum score of shots that carry it.

    `scale` holds the measured levels of its prompts by the fingerprint of the model, see
    `gallery.labels.scoring`; it is empty until a film exists to measure them with. `model` is the
    fingerprint of the model the threshold was chosen with.

    `applied` is when the label was last computed for all films with its current values. Until then
    it is None, and the index holds the previous result.
    """

    name = models.CharField(_("name"), max_length=60, unique=True)
    prompts = models.TextField(
        _("prompts"), help_text=_("One per line. A scene needs to match only one.")
    )
    threshold = models.FloatField(_("threshold"), default=0.0)
    scale = models.JSONField(default=dict, editable=False)
    model = models.CharField(max_length=12, blank=True, editable=False)
    applied = models.DateTimeField(null=True, editable=False)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("label")
        verbose_name_plural = _("labels")

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Reset `applied` when anything but the name changes."""
        meaning = {"prompts": self.prompts, "threshold": self.threshold, "scale": self.scale}
        if self.pk and not Label.objects.filter(pk=self.pk, **meaning).exists():
            self.applied = None
        super().save(*args, **kwargs)


class LabelCount(models.Model):
    """How many shots of a film carry a label in the index of a model, for the filters."""

    label = models.ForeignKey(Label, on_delete=models.CASCADE, related_name="counts")
    film = models.ForeignKey(Film, on_delete=models.CASCADE, related_name="label_counts")
    model = models.CharField(max_length=12)
    shots = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["label", "film", "model"], name="one_count_for_model")
        ]

    def __str__(self) -> str:
        return f"{self.label_id}: {self.film_id} {self.shots}"
