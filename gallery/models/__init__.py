"""Durable rows. Importing them loads neither torch nor transformers."""

from gallery.models.boards import Board, BoardScene, Export
from gallery.models.dialogue import Line, Subtitles
from gallery.models.films import (
    FIRST_YEAR,
    LAST_YEAR,
    Film,
    FilmQuerySet,
    Segment,
    Shot,
    lease_end,
    new_uid,
)
from gallery.models.labels import Label, LabelCount
from gallery.models.tokens import ApiToken

__all__ = [
    "FIRST_YEAR",
    "LAST_YEAR",
    "ApiToken",
    "Board",
    "BoardScene",
    "Export",
    "Film",
    "FilmQuerySet",
    "Label",
    "LabelCount",
    "Line",
    "Segment",
    "Shot",
    "Subtitles",
    "lease_end",
    "new_uid",
]
