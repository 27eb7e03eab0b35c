"""One span of film: frames to vectors and thumbnails. Collaborators come as arguments."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gallery.embedding.encoder import batched
from gallery.embedding.sharing import KnownVectors, SharedPictures, digest
from gallery.media import shots
from gallery.media.looks import look_of
from gallery.media.storage import LOOK, RunFiles, SegmentData
from gallery.types import Frame, FrameRecord, Look, Picture, Shot, Vectors

# A film that is made of credits or of blank frames is no less worth finding: where more than this
# part of its frames have such a look, they are pictures in it.
MOST_OF_A_FILM = {Look.CREDITS: 0.5, Look.BLANK: 0.9}


class EmbedsPictures(Protocol):
    """What is needed of an encoder; see `gallery.embedding.encoder.Encoder`."""

    @property
    def batch(self) -> int:
        """Pictures in one forward pass."""
        ...

    @property
    def streams(self) -> int:
        """How many forward passes run well at the same time."""
        ...

    def squares(self, picture: Picture) -> list[Picture]:
        """A picture as the model sees it."""
        ...

    def prepared(self, parts: Sequence[list[Picture]]) -> Vectors:
        """Unit vectors of pictures of which `squares` were taken: shape (n, width), float32."""
        ...


@dataclass(slots=True)
class _PendingFrame:
    """A frame on its way: `owner` is the number of the earlier frame whose vector it shares."""

    frame: Frame
    squares: list[Picture]
    digest: int
    owner: int | None = None
    vector: NDArray[np.float16] | None = None
    look: Look = Look.PICTURE


class SpanEmbedder:
    """Embeds the frames of a span while the decoder goes on, several batches at a time.

    Frames that are the same picture share a vector, and `known` vectors of an earlier import are
    taken as they are: see `gallery.embedding.sharing`.
    """

    def __init__(
        self,
        encoder: EmbedsPictures,
        save_thumbnail: Callable[[int, Picture], None],
        *,
        known: KnownVectors | None = None,
        shares: bool = True,
    ) -> None:
        self._encoder = encoder
        self._save_thumbnail = save_thumbnail
        self._known = known or {}
        self._shared = SharedPictures() if shares else None
        self._done: list[_PendingFrame] = []

    def embed(self, frames: Iterable[Frame], progress: Callable[[int], None]) -> SegmentData:
        """Embed frames and keep their thumbnails; `progress` gets the number of frames done.

        The cuts of the result are empty: only the decoder knows them, once all frames are read.
        """
        self._done = []
        pool = ThreadPoolExecutor(self._encoder.streams, thread_name_prefix="embedding")
        pending: deque[Future[list[_PendingFrame]]] = deque()
        try:
            for some in batched(self._prepared(frames), self._encoder.batch):
                pending.append(pool.submit(self._embed_batch, some))
                # One batch more than are computed: the next is ready when one is done.
                while len(pending) > self._encoder.streams + 1:
                    self._collect(pending.popleft(), progress)
            while pending:
                self._collect(pending.popleft(), progress)
        finally:
            pool.shutdown(cancel_futures=True)
        return self._result()

    def _prepared(self, frames: Iterable[Frame]) -> Iterator[_PendingFrame]:
        """Frames with what the model sees of them, those to be shared marked."""
        for number, frame in enumerate(frames):
            squares = self._encoder.squares(frame.picture)
            one = _PendingFrame(frame, squares, digest(squares))
            one.vector = self._known.get(one.digest)
            if self._shared is not None and one.vector is None:
                one.owner = self._shared.find(number, squares)
            yield one

    def _embed_batch(self, some: list[_PendingFrame]) -> list[_PendingFrame]:
        alone = [one for one in some if one.owner is None and one.vector is None]
        rows = self._encoder.prepared([one.squares for one in alone]).astype(np.float16)
        for one, row in zip(alone, rows, strict=True):
            one.vector = row
        for one in some:
            self._save_thumbnail(one.frame.second, one.frame.picture)
            one.look = look_of(one.frame.picture)
        return some

    def _collect(self, batch: Future[list[_PendingFrame]], progress: Callable[[int], None]) -> None:
        for one in batch.result():
            one.squares = []
            # Only what is needed of it is kept: a span of frames is large.
            one.frame = Frame(one.frame.second, one.frame.time, _NO_PICTURE)
            if one.owner is not None:
                one.vector = self._done[one.owner].vector
            self._done.append(one)
        progress(len(self._done))

    def _result(self) -> SegmentData:
        done = self._done
        vectors = [one.vector for one in done if one.vector is not None]
        assert len(vectors) == len(done)
        return SegmentData(
            np.array([one.frame.second for one in done], np.int32),
            np.array([one.frame.time for one in done], np.float64),
            np.stack(vectors) if vectors else np.zeros((0, 0), np.float16),
            np.zeros(0, np.float64),
            np.array([one.look for one in done], LOOK),
            np.array([one.digest for one in done], np.uint64),
        )


_NO_PICTURE = Image.new("RGB", (1, 1))


def vectors_by_digest(data: SegmentData) -> KnownVectors:
    """The vectors of an earlier import, by the digest of the frame."""
    pairs = zip(data.digests.tolist(), data.vectors, strict=True)
    return {digest: row for digest, row in pairs if digest}


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
