"""A deleted row takes its vectors, thumbnails and files with it."""

import logging
from contextlib import suppress
from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from gallery.errors import GalleryError
from gallery.models import Export, Film, Label, Subtitles


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
@receiver(post_delete, sender=Subtitles)
def remove_its_lines(instance: Subtitles, **_kwargs: Any) -> None:
    """After the deletion is committed: the uploaded file, and the lines in the index."""
    from gallery import subtitling

    number, film_id = instance.pk, instance.film_id

    def remove() -> None:
        film = Film.objects.filter(pk=film_id).first()
        with suppress(FileNotFoundError):
            if film is not None:
                film.files.subtitles(number).unlink()
        subtitling.publish(film_id)

    transaction.on_commit(remove)


    from gallery import tasks

    tasks.queue_labels()
