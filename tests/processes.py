"""The product's own processes, started as in earnest: a worker, a web server, manage.py."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psutil

from imgsearch.local import redis_server
from imgsearch.local.children import end_with_parent
from imgsearch.local.sockets import embedded_redis_url

ROOT = Path(__file__).resolve().parent.parent

T = TypeVar("T")


def wait_for(what: Callable[[], T], patience: float = 60.0, pause: float = 0.05) -> T:
    """The first true value of `what()`. Fails when there is none within `patience` seconds."""
    end = time.monotonic() + patience
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience:.0f} s in vain; last seen: {value!r}")
        time.sleep(pause)


def find_free_port() -> int:
    """A port of 127.0.0.1 that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find_processes(matches: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """The running processes that match. Those that end meanwhile, and zombies, are left out."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if matches(process) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def find_children(pid: int, mark: str = "") -> list[psutil.Process]:
    """The descendants of a process, those whose command line holds `mark`."""
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if mark in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def run_manage(
    *arguments: str, patience: float = 120.0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run manage.py to its end; it never raises for a bad exit."""
    return run_python("manage.py", *arguments, patience=patience, **environment)


def run_python(
    *arguments: str, patience: float = 120.0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run Python in the repository, with the tests' environment and what is given."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=patience,
        check=False,
    )


@contextlib.contextmanager
def redis_process(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Redis of its own in `folder`, ready at `embedded_redis_url(folder)`; killed at the end."""
    command = redis_server.command(folder)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            redis_server.wait_ready(embedded_redis_url(folder), lambda _text: None)
            yield process
        finally:
            process.kill()


class Process:
    """A process in a group of its own, whose output is kept in a file."""

    def __init__(self, arguments: list[str], log: Path, **environment: str) -> None:
        self.log = log
        self.arguments = arguments
        self.environment = environment
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.arguments],
                cwd=ROOT,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - the tests start it in one thread
            )

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def runs(self) -> bool:
        """Whether it is alive."""
        return self.process is not None and self.process.poll() is None

    def said(self) -> str:
        """All it has printed."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def kill(self) -> None:
        """SIGKILL the whole group: a power cut."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, patience: float = 20.0) -> None:
        """Ask it to end, and kill what remains."""
        if self.runs():
            assert self.process is not None
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
        self.kill()


class Worker(Process):
    """A Celery worker as `make run` starts it, but with beat inside it, which starts faster."""

    def __init__(self, folder: Path, name: str = "films", **environment: str) -> None:
        super().__init__(
            [
                *("-m", "celery", "-A", "imgsearch", "worker", "-B", "--pool=prefork"),
                *("--concurrency=1", "--loglevel=info"),
                *(f"--hostname={name}@tests", "--without-mingle", "--without-gossip"),
            ],
            folder / f"worker-{name}.log",
            **environment,
        )

    def start(self) -> None:
        """Start it, and wait until it takes tasks."""
        before = self.said().count(" ready.")
        super().start()

        def ready() -> bool:
            assert self.runs(), self.said()
            return self.said().count(" ready.") > before

        wait_for(ready)


class Web(Process):
    """The web server, as `make run` starts it."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.port = find_free_port()
        super().__init__(
            [
                *("-m", "gunicorn", "--no-control-socket", f"--bind=127.0.0.1:{self.port}"),
                *("--worker-class=imgsearch.webserver.Worker", "--workers=1", "--timeout=120"),
                *("--graceful-timeout=5", "--limit-request-line=65536", "imgsearch.wsgi"),
            ],
            folder / f"web-{self.port}.log",
            **{"REDIS_TIMEOUT": "3", **environment},
        )

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers at all."""
        super().start()

        def answers() -> bool:
            assert self.runs(), self.said()
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=20):
                    return True
            except urllib.error.HTTPError:
                return True
            except OSError:
                return False

        wait_for(answers)
