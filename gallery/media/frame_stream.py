"""Film and span to an iterator of frames, decoded ahead while the encoder works."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gallery.media import decoding
from gallery.media.types import Frame, Probe, Span

LOOK_AHEAD = 64  # frames decoded ahead: 64 of 640 x 360 are 44 MB
_END = None


@contextmanager
def stream_frames(
    path: Path,
    found: Probe,
    span: Span,
    *,
    width: int,
    max_pixels: int,
    limit: float,
    threads: int = 0,
) -> Iterator[tuple[Iterator[Frame], decoding.Decoding]]:
    """Yield the frames of a span and the decoding that they come from (for its shots).

    A second in which no frame of a film of varying rate begins has no frame of its own: the frame
    that is shown next stands for its own second. Raises FilmError while iterating.
    """
    with decoding.decode(
        path, found, span, width=width, max_pixels=max_pixels, limit=limit, threads=threads
    ) as running:
        ready: queue.Queue[Frame | Exception | None] = queue.Queue(LOOK_AHEAD)
        stop = threading.Event()

        def put(item: Frame | Exception | None) -> None:
            while not stop.is_set():
                try:
                    ready.put(item, timeout=0.2)
                except queue.Full:
                    continue
                return

        def read() -> None:
            try:
                for time, picture in running.pictures:
                    put(Frame(int(time), time, picture))
                    if stop.is_set():
                        return
                put(_END)
            except Exception as error:
                put(error)

        def frames() -> Iterator[Frame]:
            while (item := ready.get()) is not _END:
                if isinstance(item, Exception):
                    raise item
                yield item

        reader = threading.Thread(target=read, name="decoder", daemon=True)
        reader.start()
        try:
            yield frames(), running
        finally:
            stop.set()
            reader.join(timeout=5)
