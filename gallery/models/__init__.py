"""Durable rows. Importing them loads neither torch nor transformers."""

from gallery.models.boards import Board, BoardScene, Export
from gallery.models.dialogue import Line, Subtitles
from gallery.models.films import (
    FIRST_YEAR,
    LAST_YEAR,
    MAX_ATTEMPTS,
    Film,
    FilmQuerySet,
    Leftover,
    Segment,
    Shot,
    new_uid,
)
from gallery.models.labels import Label, LabelCount
from gallery.models.leases import kept_alive, lease_end
from gallery.models.shot_detection import ShotDetection
from gallery.models.tokens import ApiToken

__all__ = [
    "FIRST_YEAR",
    "LAST_YEAR",
    "MAX_ATTEMPTS",
    "ApiToken",
    "Board",
    "BoardScene",
    "Export",
    "Film",
    "FilmQuerySet",
    "Label",
    "LabelCount",
    "Leftover",
    "Line",
    "Segment",
    "Shot",
    "ShotDetection",
    "Subtitles",
    "kept_alive",
    "lease_end",
    "new_uid",
]
