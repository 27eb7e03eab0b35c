"""Remove the files and vectors of deleted films."""

import logging
from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver

from gallery.core.errors import GalleryError
from gallery.films.models import Film, Leftover
from gallery.importing import publish_step

log = logging.getLogger(__name__)


@receiver(post_delete, sender=Film)
def remove_files_and_vectors(instance: Film, **_kwargs: Any) -> None:
    """Remove them once the deletion is committed; what fails is removed later (`tidy`)."""
    Leftover.objects.get_or_create(uid=instance.uid)
    film = Film(pk=instance.pk, uid=instance.uid, model=instance.model)

    def purge() -> None:
        try:
            publish_step.purge(film)
        except GalleryError:
            log.exception("film %s: its vectors are removed later", film.pk)

    transaction.on_commit(purge)
