"""The films that there are to search: those whose frames the model in use has embedded."""

from gallery.embedding import weights
from gallery.models import Film, FilmQuerySet


def searchable() -> FilmQuerySet:
    """Films that can be searched with the model in use."""
    return Film.objects.searchable(weights.current().fingerprint)


def waiting_for_model() -> FilmQuerySet:
    """Films that another model embedded: they wait for `manage.py reembed`."""
    return Film.objects.embedded_otherwise(weights.current().fingerprint)
