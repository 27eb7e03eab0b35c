"""One span of film: frames to vectors and thumbnails. Collaborators come as arguments."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Protocol

import numpy as np

from gallery import shots
from gallery.encoder import batched
from gallery.storage import SegmentData
from gallery.types import Frame, FrameRecord, Picture, Shot, Vectors


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
    """Embed frames in batches, keep a thumbnail of each, and call `progress` with frames done.

    The cuts of the result are empty: only the decoder knows them, once the frames are all read.
    """
    seconds: list[int] = []
    times: list[float] = []
    vectors: list[np.ndarray] = []
    for some in batched(frames, batch):
        vectors.append(encoder.pictures([frame.picture for frame in some]).astype(np.float16))
        for frame in some:
            save_thumbnail(frame.second, frame.picture)
            seconds.append(frame.second)
            times.append(frame.time)
        progress(len(seconds))
    return SegmentData(
        np.array(seconds, np.int32),
        np.array(times, np.float64),
        np.concatenate(vectors) if vectors else np.zeros((0, 0), np.float16),
        np.zeros(0, np.float64),
    )


def records(film: int, data: SegmentData, duration: float) -> tuple[list[FrameRecord], list[Shot]]:
    """The frames of a whole film as the index keeps them, and its shots."""
    found = shots.shots_from_cuts([float(cut) for cut in data.cuts], duration)
    rows = []
    for second, time in zip(data.seconds, data.times, strict=True):
        shot = found[shots.shot_of(float(time), found)]
        rows.append(FrameRecord(film, int(second), float(time), shot.number, shot.start, shot.end))
    return rows, found


def middle_frames(rows: Sequence[FrameRecord]) -> list[FrameRecord]:
    """For each shot that has a frame, the frame in its middle, in time order."""
    grouped = (list(group) for _shot, group in groupby(rows, key=lambda row: row.shot))
    return [group[len(group) // 2] for group in grouped]
