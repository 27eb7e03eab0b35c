"""One span of film: frames to vectors and thumbnails. Collaborators come as arguments."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gallery.clip.encoder import batched
from gallery.clip.sharing import KnownVectors, SharedPictures, digest
from gallery.clip.types import Vectors
from gallery.media.frame_kinds import classify_frame
from gallery.media.store import LOOK, RunFiles, SegmentData
from gallery.media.types import Frame, FrameKind, Picture


class PictureEncoder(Protocol):
    """What is needed of an encoder; see `gallery.clip.encoder.Encoder`."""

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
    look: FrameKind = FrameKind.PICTURE


class SpanEmbedder:
    """Embeds the frames of a span while the decoder goes on, several batches at a time.

    Frames that are the same picture share a vector, and `known` vectors of an earlier import are
    taken as they are: see `gallery.clip.sharing`.
    """

    def __init__(
        self,
        encoder: PictureEncoder,
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
            one.look = classify_frame(one.frame.picture)
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


def _look_of_thumbnail(run: RunFiles, second: int) -> FrameKind:
    try:
        with Image.open(run.thumbnail(second)) as picture:
            return classify_frame(picture.convert("RGB"))
    except OSError:
        return FrameKind.PICTURE  # a thumbnail that is gone says nothing against its frame
