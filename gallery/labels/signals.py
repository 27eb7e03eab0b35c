"""Recomputes labels after a change."""

from typing import Any

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from gallery.labels.models import Label


@receiver([post_save, post_delete], sender=Label)
def recompute_labels(**_kwargs: Any) -> None:
    """Queue the computation of all labels after one was changed or deleted."""
    from gallery import tasks

    tasks.queue_labels()
