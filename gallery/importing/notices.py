"""Notices above the list of films in the admin."""

from collections.abc import Iterator
from contextlib import suppress

from django.utils.translation import ngettext

from gallery.core.errors import GalleryError
from gallery.films import catalogue, rebuilding
from gallery.films.models import Film


def list_notices() -> Iterator[str]:
    """Yield the progress of the index while it is being rebuilt, and how many films are away."""
    with suppress(GalleryError):
        found = rebuilding.state(catalogue.load_catalogue())
        if found is not None:
            yield str(found)
    away = Film.objects.exclude(away_since=None).count()
    if away:
        text = ngettext(
            "The file of %(n)d film cannot be reached: the disk or network share of its "
            "library folder is not connected, or the file was removed. Its scenes can be found "
            "but not played. Reconnect the disk; the film then plays again.",
            "The files of %(n)d films cannot be reached: the disk or network share of their "
            "library folder is not connected, or the files were removed. Their scenes can be "
            "found but not played. Reconnect the disk; the films then play again.",
            away,
        )
        yield text % {"n": away}
