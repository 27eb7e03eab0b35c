"""The product's processes, started as in production: a worker, a web server, manage.py."""

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
import redis

from imgsearch.local import redis_server
from imgsearch.local.children import end_with_parent
from imgsearch.local.sockets import embedded_redis_url

ROOT = Path(__file__).resolve().parent.parent

T = TypeVar("T")


def wait_for(what: Callable[[], T], timeout: float = 60.0, pause: float = 0.05) -> T:
    """Return the first true value of `what()`. Fails after `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"timed out after {timeout:.0f} s; last value: {value!r}")
        time.sleep(pause)


def find_free_port() -> int:
    """An unused port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find_processes(matches: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """The running processes that match, without zombies and those that end meanwhile."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if matches(process) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def find_children(pid: int, mark: str = "") -> list[psutil.Process]:
    """The descendants of a process with `mark` in their command line."""
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if mark in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def run_manage(
    *arguments: str, timeout: float = 300.0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run manage.py; does not raise for a failure."""
    return run_python("manage.py", *arguments, timeout=timeout, **environment)


def run_python(
    *arguments: str, timeout: float = 300.0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run Python in the repository, in the environment of the tests plus `environment`."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@contextlib.contextmanager
def redis_process(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A separate Redis, ready at `embedded_redis_url(folder)`, killed at the end."""
    command = redis_server.command(folder)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            redis_server.wait_ready(embedded_redis_url(folder), lambda _text: None)
            yield process
        finally:
            process.kill()


class RedisCluster:
    """A Redis Cluster of three servers with RediSearch, without replicas, that keep no data.

    This build of RediSearch has no coordinator: each server searches its own keys.
    """

    SLOTS = 16_384

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = [find_free_port() for _ in range(3)]
        self.bus_ports = [find_free_port() for _ in range(3)]
        self.processes: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        """Its URL, which names the first server."""
        return f"redis+cluster://127.0.0.1:{self.ports[0]}"

    def client(self, number: int) -> redis.Redis:
        """A client of one of the servers."""
        return redis.Redis(port=self.ports[number], protocol=2)

    def start(self) -> None:
        """Start the servers, give each a third of the slots, and wait until they agree."""
        self.processes = [self._start_server(number) for number in range(3)]
        for number in range(3):
            first, last = self.SLOTS * number // 3, self.SLOTS * (number + 1) // 3 - 1
            self.client(number).execute_command("CLUSTER ADDSLOTSRANGE", first, last)
            self.client(0).execute_command(
                "CLUSTER MEET", "127.0.0.1", self.ports[number], self.bus_ports[number]
            )
        self.wait_ready()

    def _start_server(self, number: int) -> subprocess.Popen[bytes]:
        server, module = redis_server.binaries()
        folder = self.folder / str(number)
        folder.mkdir(exist_ok=True)
        options = {
            "port": self.ports[number],
            "cluster-port": self.bus_ports[number],
            "bind": "127.0.0.1",
            "dir": folder,
            "save": "",
            "cluster-enabled": "yes",
            "cluster-node-timeout": "2000",
            "hash-max-listpack-value": "8192",
        }
        command = [
            str(server),
            *(str(part) for name, value in options.items() for part in (f"--{name}", value)),
            *("--loadmodule", str(module)),
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        redis_server.wait_ready(f"redis://127.0.0.1:{self.ports[number]}/0", lambda _text: None)
        return process

    def wait_ready(self) -> None:
        """Wait until all servers know each other and all slots are served."""

        def is_ready() -> bool:
            states = [self.client(number).execute_command("CLUSTER INFO") for number in range(3)]
            return all(
                (one["cluster_state"], one["cluster_known_nodes"]) == ("ok", "3") for one in states
            )

        wait_for(is_ready)

    def kill(self, number: int) -> None:
        """Kill a server, which loses its data."""
        self.processes[number].kill()
        self.processes[number].wait()

    def restart(self, number: int) -> None:
        """Start a killed server again."""
        self.processes[number] = self._start_server(number)
        self.wait_ready()

    def stop(self) -> None:
        """Kill all servers."""
        for process in self.processes:
            process.kill()
            process.wait()


class Process:
    """A process in its own process group, with its output in a file."""

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

    def is_running(self) -> bool:
        """Whether it is alive."""
        return self.process is not None and self.process.poll() is None

    def output(self) -> str:
        """Its output so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def kill(self) -> None:
        """SIGKILL the whole group: a power cut."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, timeout: float = 20.0) -> None:
        """Terminate it, and kill what remains of its group."""
        if self.is_running():
            assert self.process is not None
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout)
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
        """Start it, and wait until it accepts tasks."""
        before = self.output().count(" ready.")
        super().start()

        def ready() -> bool:
            assert self.is_running(), self.output()
            return self.output().count(" ready.") > before

        wait_for(ready)


class Web(Process):
    """The web server, as `make run` starts it."""

    def __init__(self, folder: Path, processes: int = 1, **environment: str) -> None:
        self.port = find_free_port()
        super().__init__(
            [
                *("-m", "gunicorn", "--no-control-socket", f"--bind=127.0.0.1:{self.port}"),
                *("--worker-class=imgsearch.webserver.Worker", f"--workers={processes}"),
                "--timeout=120",
                *("--graceful-timeout=5", "--limit-request-line=65536", "imgsearch.wsgi"),
            ],
            folder / f"web-{self.port}.log",
            **{"REDIS_TIMEOUT": "3", **environment},
        )

    @property
    def url(self) -> str:
        """Its URL, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it responds."""
        super().start()

        def answers() -> bool:
            assert self.is_running(), self.output()
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=20):
                    return True
            except urllib.error.HTTPError:
                return True
            except OSError:
                return False

        wait_for(answers)
