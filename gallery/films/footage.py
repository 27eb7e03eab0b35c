"""A film's stored frames: which there are, and in which shots."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from gallery.index.types import FrameRecord
from gallery.media import shots
from gallery.media.store import SegmentData
from gallery.media.types import FrameKind, Shot

# A film that is made of credits or of blank frames is no less worth finding: where more than this
# part of its frames have such a look, they are pictures in it.
MAX_PART_OF_FILM = {FrameKind.CREDITS: 0.5, FrameKind.BLANK: 0.9}


def build_records(
    film: int, data: SegmentData, duration: float
) -> tuple[list[FrameRecord], list[Shot]]:
    """The frames of a whole film as the index keeps them, and its shots."""
    found = shots.shots_from_cuts([float(cut) for cut in data.cuts], duration)
    rows = []
    for second, time, look in zip(data.seconds, data.times, _looks(data.looks), strict=True):
        shot = found[shots.shot_of(float(time), found)]
        rows.append(
            FrameRecord(film, int(second), float(time), shot.number, shot.start, shot.end, look)
        )
    return rows, found


def _looks(names: NDArray[np.str_]) -> list[FrameKind]:
    """The looks of a whole film's frames; a frame that nobody looked at is a picture."""
    pictures = {"", FrameKind.PICTURE}
    for look, most in MAX_PART_OF_FILM.items():
        if np.count_nonzero(names == look) > most * len(names):
            pictures.add(look)
    return [FrameKind.PICTURE if name in pictures else FrameKind(name) for name in names.tolist()]


def middle_frames(rows: Sequence[FrameRecord]) -> list[FrameRecord]:
    """For each shot that has a frame, the frame in its middle, in time order.

    Where there are, it is the middle one of those that are pictures.
    """
    grouped = (list(group) for _shot, group in groupby(rows, key=lambda row: row.shot))
    return [_middle(group) for group in grouped]


def _middle(frames: list[FrameRecord]) -> FrameRecord:
    pictures = [frame for frame in frames if frame.look is FrameKind.PICTURE] or frames
    return pictures[len(pictures) // 2]
