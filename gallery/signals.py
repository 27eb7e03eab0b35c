"""A deleted row takes what it had with it; who logs in takes the session's boards along."""

import logging
from contextlib import suppress
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.http import HttpRequest

from gallery.errors import GalleryError
from gallery.models import Export, Film, Label, Leftover, Subtitles


@receiver(post_delete, sender=Film)
def remove_what_it_had(instance: Film, **_kwargs: Any) -> None:
    """After the deletion is committed. What cannot be removed now is removed later (`tidy`)."""
    from gallery.importing import pipeline

    Leftover.objects.get_or_create(uid=instance.uid)
    film = Film(pk=instance.pk, uid=instance.uid, model=instance.model)

    def purge() -> None:
        try:
            pipeline.purge(film)
        except GalleryError:
            logging.getLogger(__name__).exception("film %s: its vectors go later", film.pk)

    transaction.on_commit(purge)


@receiver(post_delete, sender=Subtitles)
def remove_its_lines(instance: Subtitles, **_kwargs: Any) -> None:
    """After the deletion is committed: the uploaded file, and the lines in the index."""
    from gallery.speech import subtitling

    number, film_id = instance.pk, instance.film_id

    def remove() -> None:
        film = Film.objects.filter(pk=film_id).first()
        with suppress(FileNotFoundError):
            if film is not None:
                film.files.subtitles(number).unlink()
        subtitling.publish(film_id)

    transaction.on_commit(remove)


@receiver([post_save, post_delete], sender=Label)
def compute_labels(**_kwargs: Any) -> None:
    """Labels that changed, or are no more, are computed anew for all films."""
    from gallery import tasks

    tasks.queue_labels()


@receiver(post_delete, sender=Export)
def remove_its_files(instance: Export, **_kwargs: Any) -> None:
    """The zip of an export goes once the deletion is committed."""
    from gallery.quoting import export_files

    transaction.on_commit(lambda: export_files.remove_files(instance))


@receiver(user_logged_in)
def take_boards_along(
    user: AbstractBaseUser, request: HttpRequest | None = None, **_kwargs: Any
) -> None:
    """What somebody collected before logging in is theirs now."""
    from gallery.quoting import boards

    key = request.session.pop(boards.SESSION_NAME, "") if request else ""
    if request and key:
        boards.adopt(key, user.pk)
        request.session.set_expiry(None)
