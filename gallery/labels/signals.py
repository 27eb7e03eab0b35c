"""Changed labels are computed again."""

from typing import Any

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from gallery.labels.models import Label


@receiver([post_save, post_delete], sender=Label)
def compute_labels(**_kwargs: Any) -> None:
    """Compute the labels of all films again after a label was changed or deleted."""
    from gallery import tasks

    tasks.queue_labels()
