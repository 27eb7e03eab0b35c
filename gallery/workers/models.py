"""What all machines of an installation must agree on."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Installation(models.Model):
    """The single row with what all machines must have in common.

    The setup on the machine with the web server writes it (`installation.register`); workers
    compare themselves with it. `store_id` is also in a file in the media store. `model` is a
    fingerprint. `precision` is set by the first worker that embeds frames after the setup.
    """

    store_id = models.CharField(max_length=32, editable=False)
    version = models.CharField(max_length=20, editable=False)
    model = models.CharField(max_length=12, editable=False)
    model_name = models.CharField(max_length=200, editable=False)
    precision = models.CharField(max_length=4, blank=True, editable=False)

    class Meta:
        verbose_name = _("workers")
        verbose_name_plural = _("workers")

    def __str__(self) -> str:
        return self.store_id
