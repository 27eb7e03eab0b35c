"""Frames of a span of film, decoded ahead while the encoder works."""

import queue
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gallery.media import decoding
from gallery.media.types import Frame, Picture, Probe, Span

MAX_PREFETCHED = 64  # frames decoded ahead: 64 of 640 x 360 are 44 MB


class Prefetcher(Iterator[Frame]):
    """Decode frames ahead in a thread. Iterating raises what the decoder raises. Close it."""

    def __init__(self, pictures: Iterator[tuple[float, Picture]]) -> None:
        self._pictures = pictures
        # None marks the end of the frames.
        self._ready: queue.Queue[Frame | Exception | None] = queue.Queue(MAX_PREFETCHED)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._decode, name="decoder", daemon=True)
        self._thread.start()

    def __next__(self) -> Frame:
        """Return the next frame."""
        item = self._ready.get()
        if item is None:
            raise StopIteration
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        """Stop decoding."""
        self._stopped.set()
        self._thread.join(timeout=5)

    def _decode(self) -> None:
        try:
            for time, picture in self._pictures:
                self._put(Frame(int(time), time, picture))
                if self._stopped.is_set():
                    return
            self._put(None)
        except Exception as error:
            self._put(error)

    def _put(self, item: Frame | Exception | None) -> None:
        while not self._stopped.is_set():
            try:
                self._ready.put(item, timeout=0.2)
            except queue.Full:
                continue
            return


@contextmanager
def stream_frames(
    path: Path,
    probe: Probe,
    span: Span,
    *,
    width: int,
    max_pixels: int,
    limit: float,
    threads: int = 0,
) -> Iterator[tuple[Iterator[Frame], decoding.Decoding]]:
    """Yield the frames of a span, and the decoding that they come from (for its shots).

    In a film of variable rate, a second in which no frame begins has no frame. Raises FilmError
    while iterating.
    """
    with (
        decoding.decode(
            path, probe, span, width=width, max_pixels=max_pixels, limit=limit, threads=threads
        ) as running,
        closing(Prefetcher(running.pictures)) as frames,
    ):
        yield frames, running
