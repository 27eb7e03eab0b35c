"""One span of film: frames to vectors and thumbnails. Collaborators come as arguments."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gallery.embedding.encoder import batched
from gallery.media import shots
from gallery.media.looks import look_of
from gallery.media.storage import LOOK, RunFiles, SegmentData
from gallery.types import Frame, FrameRecord, Look, Picture, Shot, Vectors

# A film that is made of credits or of blank frames is no less worth finding: where more than this
# part of its frames have such a look, they are pictures in it.
MOST_OF_A_FILM = {Look.CREDITS: 0.5, Look.BLANK: 0.9}


class EmbedsPictures(Protocol):
    """What is needed of an encoder."""

    def pictures(self, pictures: Sequence[Picture]) -> Vectors:
        """Unit vectors, shape (n, width), float32."""
        ...


def embed_span(
    frames: Iterable[Frame],
    encoder: EmbedsPictures,
    *,
    batch: int,
    save_thumbnail: Callable[[int, Picture], None],
    progress: Callable[[int], None],
) -> SegmentData:
    """Embed frames in batches, look at each and keep a thumbnail; `progress` gets frames done.

    The cuts of the result are empty: only the decoder knows them, once the frames are all read.
    """
    seconds: list[int] = []
    times: list[float] = []
    vectors: list[np.ndarray] = []
    looks: list[Look] = []
    for some in batched(frames, batch):
        vectors.append(encoder.pictures([frame.picture for frame in some]).astype(np.float16))
        for frame in some:
            save_thumbnail(frame.second, frame.picture)
            seconds.append(frame.second)
            times.append(frame.time)
            looks.append(look_of(frame.picture))
        progress(len(seconds))
    return SegmentData(
        np.array(seconds, np.int32),
        np.array(times, np.float64),
        np.concatenate(vectors) if vectors else np.zeros((0, 0), np.float16),
        np.zeros(0, np.float64),
        np.array(looks, LOOK),
    )


def add_looks(run: RunFiles) -> bool:
    """Look at the frames of segments that an earlier version kept; True when there were such.

    Their thumbnails tell; nothing is decoded or embedded again. Raises DiskFull.
    """
    added = False
    for number in run.segments():
        data = run.load_segment(number)
        if data.lacks_looks:
            looks = [_look_of_thumbnail(run, int(second)) for second in data.seconds]
            run.save_segment(number, replace(data, looks=np.array(looks, LOOK)))
            added = True
    return added


def _look_of_thumbnail(run: RunFiles, second: int) -> Look:
    try:
        with Image.open(run.thumbnail(second)) as picture:
            return look_of(picture.convert("RGB"))
    except OSError:
        return Look.PICTURE  # a thumbnail that is gone says nothing against its frame


def records(film: int, data: SegmentData, duration: float) -> tuple[list[FrameRecord], list[Shot]]:
    """The frames of a whole film as the index keeps them, and its shots."""
    found = shots.shots_from_cuts([float(cut) for cut in data.cuts], duration)
    rows = []
    for second, time, look in zip(data.seconds, data.times, _looks(data.looks), strict=True):
        shot = found[shots.shot_of(float(time), found)]
        rows.append(
            FrameRecord(film, int(second), float(time), shot.number, shot.start, shot.end, look)
        )
    return rows, found


def _looks(names: NDArray[np.str_]) -> list[Look]:
    """The looks of a whole film's frames; a frame that nobody looked at is a picture."""
    pictures = {"", Look.PICTURE}
    for look, most in MOST_OF_A_FILM.items():
        if np.count_nonzero(names == look) > most * len(names):
            pictures.add(look)
    return [Look.PICTURE if name in pictures else Look(name) for name in names.tolist()]


def middle_frames(rows: Sequence[FrameRecord]) -> list[FrameRecord]:
    """For each shot that has a frame, the frame in its middle, in time order.

    Where there are, it is the middle one of those that are pictures.
    """
    grouped = (list(group) for _shot, group in groupby(rows, key=lambda row: row.shot))
    return [_middle(group) for group in grouped]


def _middle(frames: list[FrameRecord]) -> FrameRecord:
    pictures = [frame for frame in frames if frame.look is Look.PICTURE] or frames
    return pictures[len(pictures) // 2]
