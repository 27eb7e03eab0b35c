"""The stored frames of a film, joined with their shots."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from gallery.clip import weights
from gallery.films.models import Film
from gallery.index.types import FrameRecord
from gallery.media import shots
from gallery.media.model_vectors import ModelVectors
from gallery.media.store import FilmFiles, SegmentData
from gallery.media.types import FrameKind, Shot

# A film that consists of credits or blank frames should be found, too: if a kind exceeds this
# fraction of its frames, these count as pictures.
MAX_SHARE_OF_FILM = {FrameKind.CREDITS: 0.5, FrameKind.BLANK: 0.9}


@dataclass(frozen=True)
class Footage:
    """The stored frames of one run of a film, in time order.

    `vectors` has shape (n, width), float16, unit rows, one for each of the n `records`. `shots` are
    all shots of the film, including those too short to have a frame. `duration` is in seconds.
    """

    records: tuple[FrameRecord, ...]
    vectors: NDArray[np.float16]
    shots: tuple[Shot, ...]
    duration: float

    @cached_property
    def seconds(self) -> NDArray[np.int32]:
        """The second of each frame: shape (n,)."""
        return np.array([record.second for record in self.records], np.int32)

    @cached_property
    def times(self) -> NDArray[np.float64]:
        """When each frame is shown, in seconds: shape (n,)."""
        return np.array([record.time for record in self.records], np.float64)

    @cached_property
    def is_picture(self) -> NDArray[np.bool_]:
        """Whether each frame is neither blank nor credits: shape (n,)."""
        return np.array([record.look is FrameKind.PICTURE for record in self.records], np.bool_)


def load_footage(film: Film, run: int, other_model: str = "") -> Footage:
    """Load what a run of a film stored, with the vectors of the model that imported it.

    `other_model`: the fingerprint of another model, whose vectors are loaded instead; frames
    without one are left out. Raises FileNotFoundError if all are missing from the media store.
    """
    return load_run(film.pk, film.uid, run, film.duration, other_model)


def load_run(film_id: int, uid: str, run: int, duration: float, other_model: str = "") -> Footage:
    """Load what a run stored, given the columns of its film: see `load_footage`."""
    files = FilmFiles(uid).run(run)
    data = ModelVectors(files, other_model).load() if other_model else files.load()
    return join_shots(film_id, data, duration)


def load_searchable(film: Film) -> Footage:
    """Load the searchable run of a film with the vectors of the model in use.

    Raises FileNotFoundError as `load_footage` does.
    """
    return load_footage(film, film.searchable_run or 0, find_other_model(film))


def find_other_model(film: Film) -> str:
    """Return the fingerprint of the model in use, or "" if it imported the film."""
    fingerprint = weights.current().fingerprint
    return "" if film.model == fingerprint else fingerprint


def join_shots(film_id: int, data: SegmentData, duration: float) -> Footage:
    """Join stored frames with the shots between the stored cuts.

    The film is taken to last at least until its last frame: `duration` is what its header says.
    """
    if len(data.times):
        duration = max(duration, float(data.times[-1]))
    found = shots.split_into_shots([float(cut) for cut in data.cuts], duration)
    records = []
    for second, time, kind in zip(data.seconds, data.times, _frame_kinds(data.looks), strict=True):
        shot = found[shots.find_shot(float(time), found)]
        records.append(
            FrameRecord(film_id, int(second), float(time), shot.number, shot.start, shot.end, kind)
        )
    return Footage(tuple(records), data.vectors, tuple(found), duration)


def _frame_kinds(names: NDArray[np.str_]) -> list[FrameKind]:
    """Return the kinds of a whole film's frames; an unclassified frame ("") is a picture."""
    pictures = {"", FrameKind.PICTURE}
    for kind, share in MAX_SHARE_OF_FILM.items():
        if np.count_nonzero(names == kind) > share * len(names):
            pictures.add(kind)
    return [FrameKind.PICTURE if name in pictures else FrameKind(name) for name in names.tolist()]


def middle_frames(records: Sequence[FrameRecord]) -> list[FrameRecord]:
    """Return the middle frame of each shot that has a frame, in time order.

    If any frame of the shot is a picture, it is the middle one of these.
    """
    grouped = (list(group) for _shot, group in groupby(records, key=lambda record: record.shot))
    return [_middle(group) for group in grouped]


def _middle(frames: list[FrameRecord]) -> FrameRecord:
    pictures = [frame for frame in frames if frame.look is FrameKind.PICTURE] or frames
    return pictures[len(pictures) // 2]
