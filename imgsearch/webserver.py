"""The gunicorn worker of the web server, which slow clients cannot block.

Each of up to a thousand connections has a thread; Django has a few others. The connection's thread
receives the request, including its body unless it is a film. One of Django's threads answers it,
and the connection's thread sends the response. So slow clients only occupy threads that wait.
Connections that miss a deadline are closed.
"""

import contextlib
import resource
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

from gunicorn.http import errors, message
from gunicorn.workers.gthread import TConn, ThreadWorker

MAX_CONNECTIONS = 1000  # of a process: its threads
MAX_KEEPALIVE = 400  # of these: idle connections between two requests
UPLOAD_THREADS = 4  # for bodies that are not received in advance: films
# Bytes. Django refuses shorter ones than this with a page, see gallery.core.middleware.
MAX_REQUEST_LINE = 65_536

MAX_HEAD_SECONDS = 20.0  # from the first byte of a request to the end of its headers
MAX_SILENT_SECONDS = 60.0  # without a byte of a body
MIN_BODY_RATE = 100.0  # bytes a second, on average, once a minute has passed
# Clients may read slowly, as paused players do, unless connections run short.
CROWDED_FRACTION = 0.75  # of the connections; from there on, stalled readers are closed
MAX_STALLED_SECONDS = 30.0
CHUNK = 1 << 17  # bytes sent between two updates of `moved_at`
MAX_BODY_IN_MEMORY = 1 << 16  # bytes; larger bodies are buffered on disk

# gunicorn's maximum is too short for queries in Chinese, nine bytes per character.
message.MAX_REQUEST_LINE = MAX_REQUEST_LINE

TOO_LONG = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Too long</title>
<p>This address is too long. Search with fewer words or fewer pictures.
<p lang="zh-Hans">网址太长。请减少搜索的文字或图片。
"""


class TimedSocket(socket.socket):
    """A socket that records the phase of its request and when bytes last moved."""

    phase = "head"
    phase_started_at = 0.0
    moved_at = 0.0
    received = 0

    def begin(self, phase: str) -> None:
        """Enter a phase: `head`, `body`, or `answer` (Django runs, or the response is sent)."""
        self.phase, self.received = phase, 0
        self.phase_started_at = self.moved_at = time.monotonic()

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive data and record the progress."""
        data = super().recv(size, flags)
        if not flags:
            self.moved_at = time.monotonic()
            self.received += len(data)
        return data

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send in chunks and record the progress."""
        view = memoryview(data)
        for start in range(0, len(view), CHUNK):
            super().sendall(view[start : start + CHUNK], flags)
            self.moved_at = time.monotonic()

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send a file, or part of it, in chunks and record the progress."""
        sent = 0
        while count is None or sent < count:
            size = CHUNK if count is None else min(CHUNK, count - sent)
            part = super().sendfile(file, offset + sent, size)
            if not part:
                break
            sent += part
            self.moved_at = time.monotonic()
        return sent

    def is_overdue(self, now: float, *, crowded: bool) -> bool:
        """Return whether the connection missed its deadline."""
        elapsed, silent = now - self.phase_started_at, now - self.moved_at
        if self.phase == "head":
            return elapsed > (MAX_HEAD_SECONDS / 4 if crowded else MAX_HEAD_SECONDS)
        if self.phase == "body":
            slow = elapsed > MAX_SILENT_SECONDS and self.received < MIN_BODY_RATE * elapsed
            return slow or silent > MAX_SILENT_SECONDS
        return crowded and self.phase == "answer" and silent > MAX_STALLED_SECONDS

    def shut_down(self) -> None:
        """Shut the connection down from another thread, which wakes its own thread."""
        with contextlib.suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)


class Connection(TConn):
    """A connection that can be closed twice: by its thread, and again by gunicorn."""

    closed = False

    def close(self, graceful: bool = False) -> None:
        """Close it; further calls do nothing."""
        if not self.closed:
            self.closed = True
            super().close(graceful)


Environ = dict[str, Any]
App = Callable[[Environ, Any], Iterable[bytes]]


class PooledApplication:
    """A WSGI application that runs in a thread pool once a request has been received."""

    def __init__(self, app: App, threads: int, max_buffered_body: int, folder: str) -> None:
        """Larger bodies than `max_buffered_body` (bytes) are not buffered in `folder` first."""
        self._app = app
        self._max_buffered_body = max_buffered_body
        self._folder = folder
        self._threads = ThreadPoolExecutor(threads, "django")
        self._upload_threads = ThreadPoolExecutor(UPLOAD_THREADS, "upload")

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Receive the body, then run the application."""
        sock: TimedSocket = environ["gunicorn.socket"]
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > self._max_buffered_body:
            # Django checks the user before it reads the body, and only accepts staff.
            sock.begin("answer")
            environ["wsgi.input"] = _Upload(environ["wsgi.input"], sock)
            return self._upload_threads.submit(self._app, environ, start_response).result()
        with _open_buffer(self._folder) as body:
            sock.begin("body")
            # Django answers in its place: see gallery.core.middleware.RenderErrors.
            environ["gallery.body_error"] = _copy_body(environ["wsgi.input"], length, body)
            environ["wsgi.input"] = body
            sock.begin("answer")
            return self._threads.submit(self._app, environ, start_response).result()


@contextlib.contextmanager
def _open_buffer(folder: str) -> Iterator[Any]:
    """Open a temporary file, on disk when it is large."""
    body = tempfile.SpooledTemporaryFile(MAX_BODY_IN_MEMORY, dir=folder)  # noqa: SIM115 - closed below
    try:
        yield body
    finally:
        with contextlib.suppress(OSError):  # closing writes again what did not fit on the disk
            body.close()


def _copy_body(source: IO[bytes], length: int, body: Any) -> OSError | None:
    """Copy the body of a request. Return why it could not be stored, if so.

    It is received to its end in any case, because clients read no response before. Raises
    NoMoreData when the client disconnects.
    """
    failure = None
    while length:
        data = source.read(min(length, CHUNK))
        if not data:
            raise errors.NoMoreData
        length -= len(data)
        if failure is None:
            try:
                body.write(data)
                if not length:
                    body.seek(0)
            except OSError as error:
                failure = error
    return failure


class _Upload:
    """The body of a request, received while Django reads it."""

    def __init__(self, source: IO[bytes], sock: TimedSocket) -> None:
        self._source = source
        self._sock = sock

    def read(self, *size: int) -> bytes:
        """Read some bytes, under the deadlines of bodies."""
        self._sock.begin("body")
        try:
            return self._source.read(*size)
        finally:
            self._sock.begin("answer")

    def readline(self, *size: int) -> bytes:
        """Read a line."""
        return self._source.readline(*size)


class Worker(ThreadWorker):
    """A process of the web server."""

    wsgi: App

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.worker_connections = MAX_CONNECTIONS
        self.max_keepalived = MAX_KEEPALIVE
        self._busy: set[TimedSocket] = set()

    @classmethod
    def check_config(cls, _cfg: Any, _log: Any) -> None:
        """Skip gunicorn's check: the numbers are the constants above."""

    def init_process(self) -> None:
        """Raise the limit of open files, 1,024 on many systems."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 4 * MAX_CONNECTIONS if hard == resource.RLIM_INFINITY else hard
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, 4 * MAX_CONNECTIONS), hard))
        super().init_process()

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """Return a pool with one thread for each connection."""
        return ThreadPoolExecutor(MAX_CONNECTIONS, "connection")

    def load_wsgi(self) -> None:
        """Load Django and run it in its own thread pool."""
        super().load_wsgi()
        from django.conf import settings

        from gallery.core.middleware import FORM_OVERHEAD

        limit = settings.MAX_PICTURE_BYTES + FORM_OVERHEAD
        folder = str(settings.FILE_UPLOAD_TEMP_DIR)
        self.wsgi = PooledApplication(self.wsgi, settings.WEB_THREADS, limit, folder)
        threading.Thread(target=self._enforce_deadlines, name="deadlines", daemon=True).start()

    def accept(self, listener: socket.socket) -> None:
        """Accept a connection, as in gunicorn but with our classes."""
        try:
            accepted, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        sock = TimedSocket(fileno=accepted.detach())
        sock.setblocking(True)
        self.nr_conns += 1
        self.enqueue_req(Connection(self.cfg, sock, address, listener.getsockname()))

    def handle(self, conn: Connection) -> Any:
        """Serve a request on a connection, in the connection's thread."""
        sock: TimedSocket = conn.sock
        sock.begin("head")
        self._busy.add(sock)
        try:
            is_kept_alive = super().handle(conn)
        finally:
            self._busy.discard(sock)
        if is_kept_alive is False:
            # Close it here: closing waits for the client and would block the accepting thread.
            conn.close(graceful=True)
        return is_kept_alive

    def _enforce_deadlines(self) -> None:
        """Close connections that miss their deadlines, and all before the process ends."""
        while self.alive:
            time.sleep(1)
            now = time.monotonic()
            crowded = self.nr_conns > CROWDED_FRACTION * MAX_CONNECTIONS
            for sock in list(self._busy):
                if sock.is_overdue(now, crowded=crowded):
                    sock.shut_down()
        time.sleep(max(0.0, self.cfg.graceful_timeout - 2))
        for sock in list(self._busy):
            sock.shut_down()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answer invalid requests; a URL that is too long with a message for people."""
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
