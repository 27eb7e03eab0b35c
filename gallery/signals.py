"""A deleted row takes its vectors, thumbnails and files with it."""

import logging
from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from gallery.errors import GalleryError
from gallery.models import Film, Label


@receiver(post_delete, sender=Film)
def remove_what_it_had(instance: Film, **_kwargs: Any) -> None:
    """After the deletion is committed. What cannot be removed now, the sweep removes later."""
    from gallery import pipeline

    film = Film(pk=instance.pk, uid=instance.uid, model=instance.model)

    def purge() -> None:
        try:
            pipeline.purge(film)
        except GalleryError:
            logging.getLogger(__name__).exception("film %s: its vectors go later", film.pk)

    transaction.on_commit(purge)


@receiver([post_save, post_delete], sender=Label)
def compute_labels(**_kwargs: Any) -> None:
    """Labels that changed, or are no more, are computed anew for all films."""
    from gallery import tasks

    tasks.queue_labels()
