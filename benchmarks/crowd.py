"""Deliberately slow clients, hundreds of them in one thread."""

import socket
import threading
from collections import Counter
from types import TracebackType
from typing import Self

RECEIVE_BUFFER = 4096  # bytes; small, so that the server notices slow readers


class Crowd:
    """Connections that send a request, then one byte a second, and hardly read."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.closed: Counter[str] = Counter()
        self._open: dict[socket.socket, tuple[str, bytes]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._trickle, daemon=True)

    def add(self, kind: str, count: int, sent: bytes, then: bytes = b"") -> None:
        """Open `count` connections that send `sent`, then the bytes of `then` repeatedly."""
        for _number in range(count):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            sock.settimeout(20)
            sock.connect(("127.0.0.1", self.port))
            sock.sendall(sent)
            sock.setblocking(False)
            self._open[sock] = (kind, then)

    def count_open(self, kind: str) -> int:
        """Return how many connections of a kind are open."""
        return sum(of == kind for of, _then in list(self._open.values()))

    def _trickle(self) -> None:
        turn = 0
        while not self._stop.wait(1):
            turn += 1
            for sock, (kind, then) in list(self._open.items()):
                try:
                    if then:
                        sock.send(then[turn % len(then) :][:1])
                    if sock.recv(100) == b"":
                        raise ConnectionResetError
                except BlockingIOError:
                    continue
                except OSError:
                    self.closed[kind] += 1
                    del self._open[sock]
                    sock.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        for sock in self._open:
            sock.close()
