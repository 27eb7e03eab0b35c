"""Removes the file and the indexed lines of deleted subtitles."""

from contextlib import suppress
from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver

from gallery.films.models import Film
from gallery.transcripts import subtitle_import
from gallery.transcripts.models import Subtitles


@receiver(post_delete, sender=Subtitles)
def remove_file_and_lines(instance: Subtitles, **_kwargs: Any) -> None:
    """Remove them once the deletion is committed."""
    number, film_id = instance.pk, instance.film_id

    def remove() -> None:
        film = Film.objects.filter(pk=film_id).first()
        with suppress(FileNotFoundError):
            if film is not None:
                film.files.subtitles(number).unlink()
        subtitle_import.publish(film_id)

    transaction.on_commit(remove)
