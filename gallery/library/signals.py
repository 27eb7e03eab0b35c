"""Keeps a deleted film from being imported again while its file is still in a library folder."""

from typing import Any

from django.db.models.signals import pre_delete
from django.dispatch import receiver

from gallery.films.models import Film
from gallery.library.models import LibraryFile


@receiver(pre_delete, sender=Film)
def ignore_files(instance: Film, **_kwargs: Any) -> None:
    """Ignore the files of a film that is being deleted."""
    instance.library_files.update(state=LibraryFile.State.IGNORED)
