"""The gunicorn worker of the web server: slow clients cost it a waiting thread, and nobody's time.

Each connection has a thread, and there may be a thousand; Django has few. The connection's thread
receives the request (its body, too, unless it is a film), one of Django's threads answers it, and
the connection's thread sends the answer. So half requests, trickled bodies and slow readers hold
threads that only wait. Connections that break a deadline are closed.
"""

import contextlib
import resource
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

from gunicorn.http import errors, message
from gunicorn.workers.gthread import TConn, ThreadWorker

MAX_CONNECTIONS = 1000  # of a process: its threads
MAX_KEPT_ALIVE = 400  # of these: connections between two requests
UPLOAD_THREADS = 4  # for bodies that are not received in advance: films
MAX_REQUEST_LINE = (
    65_536  # bytes; Django refuses shorter ones with a page, see gallery.core.middleware
)

HEAD_SECONDS = 20.0  # from the first byte of a request to the end of its headers
SILENT_SECONDS = 60.0  # without a byte of a body
MIN_BODY_RATE = 100.0  # bytes a second, on average, once a minute has passed
# Readers may be as slow as they like (a player that was paused), unless connections run short.
CROWD = 0.75  # of the connections: from there on, those who do not read are closed
STALLED_SECONDS = 30.0
CHUNK = 1 << 17  # bytes sent between two notes of progress
MEMORY = 1 << 16  # bytes of a body kept in memory; the rest goes to disk

# gunicorn's own maximum is too short for queries in Chinese: nine bytes for each character.
message.MAX_REQUEST_LINE = MAX_REQUEST_LINE

TOO_LONG = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Too long</title>
<p>This address is too long. Search with fewer words or fewer pictures.
<p lang="zh-Hans">网址太长。请减少搜索的文字或图片。
"""


class Line(socket.socket):
    """A connection that notes what it is doing, and when bytes last moved."""

    doing = "head"
    since = 0.0
    moved_at = 0.0
    received = 0

    def begin(self, doing: str) -> None:
        """Note what is done from now on: `head`, `body`, `answer` (Django's turn, and sending)."""
        self.doing, self.received = doing, 0
        self.since = self.moved_at = time.monotonic()

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive, and note it."""
        data = super().recv(size, flags)
        if not flags:
            self.moved_at = time.monotonic()
            self.received += len(data)
        return data

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send in parts, and note each."""
        view = memoryview(data)
        for start in range(0, len(view), CHUNK):
            super().sendall(view[start : start + CHUNK], flags)
            self.moved_at = time.monotonic()

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send (a part of) a file in parts, and note each."""
        sent = 0
        while count is None or sent < count:
            most = CHUNK if count is None else min(CHUNK, count - sent)
            part = super().sendfile(file, offset + sent, most)
            if not part:
                break
            sent += part
            self.moved_at = time.monotonic()
        return sent

    def is_overdue(self, now: float, *, crowded: bool) -> bool:
        """Whether this connection has broken its deadline."""
        elapsed, silent = now - self.since, now - self.moved_at
        if self.doing == "head":
            return elapsed > (HEAD_SECONDS / 4 if crowded else HEAD_SECONDS)
        if self.doing == "body":
            slow = elapsed > SILENT_SECONDS and self.received < MIN_BODY_RATE * elapsed
            return slow or silent > SILENT_SECONDS
        return crowded and self.doing == "answer" and silent > STALLED_SECONDS

    def hang_up(self) -> None:
        """End the connection from another thread: whatever waits on it returns."""
        with contextlib.suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)


class Connection(TConn):
    """A connection that may be closed twice: gunicorn waits for the client when it closes one."""

    closed = False

    def close(self, graceful: bool = False) -> None:
        """Close it, once."""
        if not self.closed:
            self.closed = True
            super().close(graceful)


Environ = dict[str, Any]
App = Callable[[Environ, Any], Iterable[bytes]]


class FewThreads:
    """A WSGI application that answers in threads of its own, once a request has been received."""

    def __init__(self, app: App, threads: int, most_received: int, folder: str) -> None:
        """`most_received`: bytes of a body that are received in advance, into `folder`."""
        self._app = app
        self._most = most_received
        self._folder = folder
        self._threads = ThreadPoolExecutor(threads, "django")
        self._upload_threads = ThreadPoolExecutor(UPLOAD_THREADS, "upload")

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Receive the body, then have the answer made."""
        line: Line = environ["gunicorn.socket"]
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > self._most:
            # Django looks who sends it before it reads on, and refuses others than staff.
            line.begin("answer")
            environ["wsgi.input"] = _Upload(environ["wsgi.input"], line)
            return self._upload_threads.submit(self._app, environ, start_response).result()
        with tempfile.SpooledTemporaryFile(MEMORY, dir=self._folder) as body:
            line.begin("body")
            _receive(environ["wsgi.input"], length, body)
            environ["wsgi.input"] = body
            line.begin("answer")
            return self._threads.submit(self._app, environ, start_response).result()


def _receive(source: IO[bytes], length: int, body: Any) -> None:
    """Copy the body of a request. Raises NoMoreData when the client has gone before its end."""
    while length:
        data = source.read(min(length, CHUNK))
        if not data:
            raise errors.NoMoreData
        body.write(data)
        length -= len(data)
    body.seek(0)


class _Upload:
    """The body of a request that is received while it is read."""

    def __init__(self, source: IO[bytes], line: Line) -> None:
        self._source = source
        self._line = line

    def read(self, *size: int) -> bytes:
        """Read some of it; until then, the deadlines of bodies hold."""
        self._line.begin("body")
        try:
            return self._source.read(*size)
        finally:
            self._line.begin("answer")

    def readline(self, *size: int) -> bytes:
        """Read a line of it."""
        return self._source.readline(*size)


class Worker(ThreadWorker):
    """A process of the web server."""

    wsgi: App

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.worker_connections = MAX_CONNECTIONS
        self.max_keepalived = MAX_KEPT_ALIVE
        self._busy: set[Line] = set()

    @classmethod
    def check_config(cls, _cfg: Any, _log: Any) -> None:
        """Its numbers are those above, whatever gunicorn's settings say."""

    def init_process(self) -> None:
        """Allow for open files, too: many systems allow 1,024 unless asked for more."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 4 * MAX_CONNECTIONS if hard == resource.RLIM_INFINITY else hard
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, 4 * MAX_CONNECTIONS), hard))
        super().init_process()

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """One thread for each connection."""
        return ThreadPoolExecutor(MAX_CONNECTIONS, "connection")

    def load_wsgi(self) -> None:
        """Load Django, with threads of its own."""
        super().load_wsgi()
        from django.conf import settings

        from gallery.core.middleware import FORM_OVERHEAD

        most = settings.MAX_PICTURE_BYTES + FORM_OVERHEAD
        folder = str(settings.FILE_UPLOAD_TEMP_DIR)
        self.wsgi = FewThreads(self.wsgi, settings.WEB_THREADS, most, folder)
        threading.Thread(target=self._watch, name="deadlines", daemon=True).start()

    def accept(self, listener: socket.socket) -> None:
        """Accept a connection. (gunicorn's own, but for the classes.)"""
        try:
            accepted, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        line = Line(fileno=accepted.detach())
        line.setblocking(True)
        self.nr_conns += 1
        self.enqueue_req(Connection(self.cfg, line, address, listener.getsockname()))

    def handle(self, conn: Connection) -> Any:
        """Serve a request on a connection, in the connection's thread."""
        line: Line = conn.sock
        line.begin("head")
        self._busy.add(line)
        try:
            goes_on = super().handle(conn)
        finally:
            self._busy.discard(line)
        if goes_on is False:
            # Here, and not in the one thread that accepts connections: closing waits for clients.
            conn.close(graceful=True)
        return goes_on

    def _watch(self) -> None:
        """Close connections that break their deadlines, and all when the process is to end."""
        while self.alive:
            time.sleep(1)
            now = time.monotonic()
            crowded = self.nr_conns > CROWD * MAX_CONNECTIONS
            for line in list(self._busy):
                if line.is_overdue(now, crowded=crowded):
                    line.hang_up()
        time.sleep(max(0.0, self.cfg.graceful_timeout - 2))
        for line in list(self._busy):
            line.hang_up()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answer what is no request; an address that is too long with a sentence."""
        if not isinstance(exc, errors.LimitRequestLine):
            super().handle_error(req, client, addr, exc)
            return
        body = TOO_LONG.encode()
        head = (
            "HTTP/1.1 414 URI Too Long\r\nConnection: close\r\n"
            f"Content-Type: text/html; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with contextlib.suppress(OSError):
            client.sendall(head.encode() + body)
