"""Embed the frames of one span of a film and save their thumbnails."""

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
from gallery.media.film_borders import crop_to_inner
from gallery.media.store import FRAME_KIND_DTYPE, SegmentData
from gallery.media.types import Frame, FrameKind, InnerBox, Picture
from gallery.ocr.frame_kinds import classify_frame


class PictureEncoder(Protocol):
    """The part of `gallery.clip.encoder.Encoder` that embedding uses."""

    @property
    def batch(self) -> int:
        """Return the number of pictures in one forward pass."""
        ...

    @property
    def streams(self) -> int:
        """Return how many forward passes to run at the same time."""
        ...

    def to_squares(self, picture: Picture) -> list[Picture]:
        """Cut and scale a picture to the squares that the model sees."""
        ...

    def embed_squares(self, parts: Sequence[list[Picture]]) -> Vectors:
        """Embed n pictures, each as from `to_squares`. Return unit rows (n, width), float32."""
        ...


@dataclass(slots=True)
class _PendingFrame:
    """A frame being embedded; it has the vector and the kind of the frame of number `owner`."""

    frame: Frame
    squares: list[Picture]
    digest: int
    owner: int | None = None
    vector: NDArray[np.float16] | None = None
    look: FrameKind = FrameKind.PICTURE


class SpanEmbedder:
    """Embeds the frames of a span while they are decoded, several batches at a time.

    Black bars (`inner` is the box inside them) are cut off. Identical pictures share a vector
    and a kind, and `known` vectors of an earlier run are reused: see `gallery.clip.sharing`.
    """

    def __init__(
        self,
        encoder: PictureEncoder,
        save_thumbnail: Callable[[int, Picture], None],
        *,
        known: KnownVectors | None = None,
        shares: bool = True,
        inner: InnerBox | None = None,
    ) -> None:
        self._encoder = encoder
        self._save_thumbnail = save_thumbnail
        self._known = known or {}
        self._shared = SharedPictures() if shares else None
        self._inner = inner
        self._done: list[_PendingFrame] = []

    def embed(self, frames: Iterable[Frame], progress: Callable[[int], None]) -> SegmentData:
        """Embed frames and save their thumbnails; `progress` is called with the number done.

        The result has no cuts yet: the decoder knows them once it has read all frames.
        """
        self._done = []
        pool = ThreadPoolExecutor(self._encoder.streams, thread_name_prefix="embedding")
        pending: deque[Future[list[_PendingFrame]]] = deque()
        try:
            for batch in batched(self._prepare(frames), self._encoder.batch):
                pending.append(pool.submit(self._embed_batch, batch))
                # One batch more than can run at once: the next is ready as soon as one is done.
                while len(pending) > self._encoder.streams + 1:
                    self._collect(pending.popleft(), progress)
            while pending:
                self._collect(pending.popleft(), progress)
        finally:
            pool.shutdown(cancel_futures=True)
        return self._result()

    def _prepare(self, frames: Iterable[Frame]) -> Iterator[_PendingFrame]:
        """Preprocess frames, and find those whose vector is known or shared."""
        for number, whole in enumerate(frames):
            frame = replace(whole, picture=crop_to_inner(whole.picture, self._inner))
            squares = self._encoder.to_squares(frame.picture)
            pending = _PendingFrame(frame, squares, digest(squares))
            pending.vector = self._known.get(pending.digest)
            if self._shared is not None and pending.vector is None:
                pending.owner = self._shared.find(number, squares)
            yield pending

    def _embed_batch(self, batch: list[_PendingFrame]) -> list[_PendingFrame]:
        new = [pending for pending in batch if pending.owner is None and pending.vector is None]
        rows = self._encoder.embed_squares([pending.squares for pending in new]).astype(np.float16)
        for pending, row in zip(new, rows, strict=True):
            pending.vector = row
        for pending in batch:
            self._save_thumbnail(pending.frame.second, pending.frame.picture)
            if pending.owner is None:
                pending.look = classify_frame(pending.frame.picture)
        return batch

    def _collect(self, batch: Future[list[_PendingFrame]], progress: Callable[[int], None]) -> None:
        for done in batch.result():
            # Free the pictures: those of a whole span take too much memory.
            done.squares = []
            done.frame = Frame(done.frame.second, done.frame.time, _NO_PICTURE)
            if done.owner is not None:
                owner = self._done[done.owner]
                done.vector, done.look = owner.vector, owner.look
            self._done.append(done)
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
            np.array([one.look for one in done], FRAME_KIND_DTYPE),
            np.array([one.digest for one in done], np.uint64),
        )


_NO_PICTURE = Image.new("RGB", (1, 1))


def vectors_by_digest(data: SegmentData) -> KnownVectors:
    """Map the digests of an earlier run's frames to their vectors."""
    pairs = zip(data.digests.tolist(), data.vectors, strict=True)
    return {digest: row for digest, row in pairs if digest}
