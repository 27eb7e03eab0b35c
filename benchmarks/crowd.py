"""Clients that are slow on purpose, hundreds of them in one thread."""

import socket
import threading
from collections import Counter
from types import TracebackType
from typing import Self

RECEIVE_BUFFER = 4096  # bytes: a client that reads slowly takes little in advance


class Crowd:
    """Connections that send what they were given, then one byte a second, and hardly read."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.closed: Counter[str] = Counter()
        self._open: dict[socket.socket, tuple[str, bytes]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._trickle, daemon=True)

    def add(self, kind: str, count: int, sent: bytes, then: bytes = b"") -> None:
        """`count` connections that send `sent`, and then the bytes of `then` in turn, for ever."""
        for _number in range(count):
            line = socket.socket()
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            line.settimeout(20)
            line.connect(("127.0.0.1", self.port))
            line.sendall(sent)
            line.setblocking(False)
            self._open[line] = (kind, then)

    def open_of(self, kind: str) -> int:
        """How many connections of a kind the server still serves."""
        return sum(of == kind for of, _then in list(self._open.values()))

    def _trickle(self) -> None:
        turn = 0
        while not self._stop.wait(1):
            turn += 1
            for line, (kind, then) in list(self._open.items()):
                try:
                    if then:
                        line.send(then[turn % len(then) :][:1])
                    if line.recv(100) == b"":
                        raise ConnectionResetError
                except BlockingIOError:
                    continue
                except OSError:
                    self.closed[kind] += 1
                    del self._open[line]
                    line.close()

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
        for line in self._open:
            line.close()
