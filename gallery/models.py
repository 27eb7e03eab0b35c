"""The models of all features. Importing them loads neither torch nor transformers."""

from gallery.accounts.models import ApiToken
from gallery.boards.models import Board, BoardScene, Export
from gallery.clip.models import EmbeddingModel
from gallery.core.leases import keep_lease, lease_end
from gallery.films.models import (
    FIRST_YEAR,
    LAST_YEAR,
    Film,
    FilmQuerySet,
    FilmVectors,
    Leftover,
    Shot,
    new_uid,
)
from gallery.importing.models import MAX_ATTEMPTS, Reembedding, Segment, ShotDetection
from gallery.labels.models import Label, LabelCount
from gallery.library.models import LibraryFile, LibraryFolder, LibrarySubtitles
from gallery.storyboards.models import Storyboard, StoryboardRow
from gallery.transcripts.models import Line, Subtitles
from gallery.workers.models import Installation

__all__ = [
    "FIRST_YEAR",
    "LAST_YEAR",
    "MAX_ATTEMPTS",
    "ApiToken",
    "Board",
    "BoardScene",
    "EmbeddingModel",
    "Export",
    "Film",
    "FilmQuerySet",
    "FilmVectors",
    "Installation",
    "Label",
    "LabelCount",
    "Leftover",
    "LibraryFile",
    "LibraryFolder",
    "LibrarySubtitles",
    "Line",
    "Reembedding",
    "Segment",
    "Shot",
    "ShotDetection",
    "Storyboard",
    "StoryboardRow",
    "Subtitles",
    "keep_lease",
    "lease_end",
    "new_uid",
]
