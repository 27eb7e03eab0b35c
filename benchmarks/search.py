"""The speed of search in a large library: whole pages over HTTP from the web server of `make run`.

It runs in another process with its own folder, and starts Redis and the web server as an
installation does.

    python -m benchmarks search [--frames N] [--keep FOLDER] [--model demo|b16] [--seconds N]
                                [--importing]
"""

import argparse
import contextlib
import http.client
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import quote_plus

import numpy as np

from benchmarks.common import make_environment, random_b16

ROOT = Path(__file__).resolve().parent.parent
DEMO_MODEL = ROOT / "demo" / "model"
DEMO_FILM = ROOT / "demo" / "film.mp4"
FRAMES = 360_000
RATE = 10.0  # searches a second
USERS = 10
PROFILED = 150  # searches
IMPORTED_FILMS = 4
START_TIMEOUT = 120.0  # seconds until the web server answers


def main(options: Sequence[str] = ()) -> None:
    """Print the figures."""
    given = parse(options)
    with contextlib.ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        model = DEMO_MODEL if given.model == "demo" else folder.absolute() / "model"
        environment = make_environment(folder.absolute(), model)
        if given.model == "b16" and not (folder / "model" / "config.json").exists():
            random_b16(folder / "model")
        command = [sys.executable, "-m", "benchmarks.search", *options]
        subprocess.run(command, env=environment, check=True)


def parse(options: Sequence[str]) -> argparse.Namespace:
    """Parse the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks search")
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--keep", type=Path, help="make the library in this folder, or reuse it")
    parser.add_argument("--model", choices=("demo", "b16"), default="b16")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each measurement")
    parser.add_argument("--importing", action="store_true", help="also while films are imported")
    return parser.parse_args(options)


def measure(given: argparse.Namespace) -> None:
    """Create the library, start the web server, and measure it."""
    from imgsearch.local.__main__ import WEB_ENVIRONMENT, web_command, worker_command
    from imgsearch.local.installation import read_installation

    here = read_installation()
    queries = two_words()
    with redis_server():
        prepare(given.frames)
        web = subprocess.Popen(
            web_command(here),
            env={**here.environment(), **WEB_ENVIRONMENT},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with stopping(web):
            wait_for_web(here.port, next(queries))
            closed_loop(here.port, queries, 3.0)
            print_latencies(
                f"{RATE:.0f} searches a second", open_loop(here.port, queries, given.seconds)
            )
            spent = cpu_seconds(web.pid)
            done = closed_loop(here.port, queries, given.seconds)
            spent = {name: after - spent[name] for name, after in cpu_seconds(web.pid).items()}
            print(
                f"{USERS} users without a pause: {len(done) / given.seconds:.1f} searches a second"
            )
            print_latencies("  each of them", done)
            each = ", ".join(f"{name} {s / len(done) * 1000:.1f} ms" for name, s in spent.items())
            print(f"  processor time of each: {each}")
            print(f"web processes: {memory_of(web.pid):.0f} MB (PSS)", flush=True)
            if given.importing:
                worker = subprocess.Popen(
                    worker_command(here), env=here.environment(), cwd=ROOT,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )  # fmt: skip
                with stopping(worker):
                    start_import()
                    print_latencies(
                        "while a film is imported", open_loop(here.port, queries, given.seconds)
                    )
        print_profile(queries)


def two_words() -> Iterator[str]:
    """Yield distinct queries of two words."""
    from gallery.search.baseline import WORDS

    pairs = list(itertools.permutations(WORDS["en"].split(), 2))
    np.random.default_rng(0).shuffle(pairs)
    return (" ".join(pair) for pair in pairs)


# --- the installation -----------------------------------------------------------------------------


@contextlib.contextmanager
def redis_server() -> Iterator[None]:
    """Run the embedded server, unless one runs already in the kept folder."""
    from django.conf import settings

    from imgsearch.local.redis_server import connect, is_ready, running

    if is_ready(connect(settings.REDIS_URL), lambda _text: None):
        yield
        return
    with running(settings.VAR_DIR):
        yield


def prepare(frames: int) -> None:
    """Prepare the database, static files and the library, unless they exist."""
    from django.core.management import call_command

    from benchmarks import library
    from gallery.core.errors import IndexWarmingUp
    from gallery.films.models import Film
    from gallery.index import frame_index
    from gallery.search.baseline import WORDS

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    if not Film.objects.exists():
        library.fill(frames, WORDS["en"].split())
    here = frame_index.current()
    started_at = time.perf_counter()
    while here.status().ready < 1:
        time.sleep(0.5)
    print(f"{here.status().frames} frames in the index", end="")
    print(f", complete after {time.perf_counter() - started_at:.0f} s\n", flush=True)
    while True:
        with contextlib.suppress(IndexWarmingUp):
            here.nearest(np.eye(1, here.width, dtype=np.float32)[0], 1)
            return
        time.sleep(0.5)


@contextlib.contextmanager
def stopping(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stop a process at the end of the block."""
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def start_import() -> None:
    """Queue imports: copies of the demo film that differ in their last bytes."""
    from django.conf import settings
    from django.core.management import call_command

    for number in range(IMPORTED_FILMS):
        path = Path(settings.VAR_DIR) / f"import-{time.time_ns()}-{number}.mp4"
        shutil.copy(DEMO_FILM, path)
        with path.open("ab") as file:
            file.write(os.urandom(16))
        call_command("import_film", str(path), verbosity=0)
        path.unlink()
    time.sleep(8.0)  # until the worker has loaded its model


def with_children(pid: int) -> Iterator[tuple[Path, list[str]]]:
    """Yield the /proc folders of a process and its children, and `stat` from the state on."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            if pid in (int(folder.name), int(stat[1])):
                yield folder, stat


def memory_of(pid: int) -> float:
    """Return the memory (MB, PSS) of a process and its children."""
    rollups = [(folder / "smaps_rollup").read_text() for folder, _stat in with_children(pid)]
    return sum(int(text.partition("\nPss:")[2].split()[0]) for text in rollups) / 1024


def cpu_seconds(web: int) -> dict[str, float]:
    """Return the CPU time of the web server, of Redis, and of this process."""
    from django.conf import settings

    from imgsearch.local.redis_server import connect

    def of(pid: int) -> float:
        ticks = sum(int(stat[11]) + int(stat[12]) for _folder, stat in with_children(pid))
        return ticks / os.sysconf("SC_CLK_TCK")

    server = connect(settings.REDIS_URL).info("server")
    redis_pid = int(server["process_id"])  # type: ignore[index, unused-ignore]
    return {"web": of(web), "Redis": of(redis_pid), "load generator": time.process_time()}


# --- load -----------------------------------------------------------------------------------------


def wait_for_web(port: int, query: str) -> None:
    """Wait until the web server answers a search, with its model loaded."""
    end = time.monotonic() + START_TIMEOUT
    while True:
        try:
            return Browser(port).search(query)
        except (OSError, http.client.HTTPException):
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


class Browser:
    """A user's connection to the web server."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def search(self, query: str) -> None:
        """Get the page of a search. Raises OSError when it is not a page of hits."""
        try:
            self._get(query)
        except (http.client.HTTPException, ConnectionError):
            # The server closes idle connections.
            self.connection.close()
            self._get(query)

    def _get(self, query: str) -> None:
        self.connection.request("GET", f"/?q={quote_plus(query)}")
        response = self.connection.getresponse()
        page = response.read()
        if response.status != 200 or page.count(b'id="hit-') != 24:
            raise OSError(f"{query}: {response.status}, {page.count(b'id=hit-')} hits")


def open_loop(port: int, queries: Iterator[str], seconds: float) -> list[float]:
    """Return the seconds that searches take which arrive at random times, since their arrival."""
    local = threading.local()
    rng = np.random.default_rng(1)
    arrivals = np.cumsum(rng.exponential(1 / RATE, int(RATE * seconds)))
    started_at = time.perf_counter()

    def one(arrival: float, query: str) -> float:
        if not hasattr(local, "browser"):
            local.browser = Browser(port)
        local.browser.search(query)
        return time.perf_counter() - started_at - arrival

    with ThreadPoolExecutor(64) as pool:
        answers = []
        for arrival in arrivals.tolist():
            time.sleep(max(0.0, started_at + arrival - time.perf_counter()))
            answers.append(pool.submit(one, arrival, next(queries)))
        return [answer.result() for answer in answers]


def closed_loop(port: int, queries: Iterator[str], seconds: float) -> list[float]:
    """Return the seconds that searches take of users who search again without a pause."""
    lock = threading.Lock()
    end = time.perf_counter() + seconds
    took: list[float] = []

    def user() -> None:
        browser = Browser(port)
        while True:
            with lock:
                query = next(queries)
            started_at = time.perf_counter()
            browser.search(query)
            if time.perf_counter() > end:
                return
            took.append(time.perf_counter() - started_at)

    with ThreadPoolExecutor(USERS) as pool:
        for answer in [pool.submit(user) for _ in range(USERS)]:
            answer.result()
    return took


def print_latencies(what: str, seconds: Sequence[float]) -> None:
    """Print the median and the 95th percentile."""
    p50, p95 = np.percentile(seconds, [50, 95]) * 1000
    print(f"{what}: p50 {p50:.0f} ms, p95 {p95:.0f} ms", flush=True)


# --- where the time goes --------------------------------------------------------------------------


class Stopwatch:
    """The time spent in each part, without the parts nested in it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside = ["rest"]
        self._since = time.perf_counter()

    def _switch(self) -> None:
        now = time.perf_counter()
        self.seconds[self._inside[-1]] += now - self._since
        self._since = now

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the time of the block for a part."""
        self._switch()
        self._inside.append(name)
        try:
            yield
        finally:
            self._switch()
            self._inside.pop()

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function so that its time is counted for a part."""

        def call(*arguments: Any, **named: Any) -> Any:
            with self.part(name):
                return function(*arguments, **named)

        return call


def print_profile(queries: Iterator[str]) -> None:
    """Print the time of each part of a search, run sequentially in this process."""
    from django.db import connection
    from django.template.base import Template
    from django.test import Client

    from gallery.clip.encoder import Encoder
    from gallery.index.frame_index import FrameIndex
    from gallery.transcripts import dialogue

    watch = Stopwatch()
    parts = [
        (Encoder, "embed_texts", "encode text"),
        (Encoder, "is_truncated", "encode text"),
        (FrameIndex, "nearest", "KNN"),
        (dialogue, "find", "dialogue"),
        (Template, "render", "template"),
    ]
    client = Client(headers={"host": "localhost"})
    with contextlib.ExitStack() as stack:
        for owner, name, part in parts:
            timed = watch.timed(part, getattr(owner, name))
            method = timed if owner is dialogue else _as_method(timed)
            stack.enter_context(patch.object(owner, name, method))
        stack.enter_context(connection.execute_wrapper(partial_database(watch)))
        for number in range(PROFILED + 10):
            if number == 10:
                watch.seconds.clear()
                watch._since = time.perf_counter()
            answer = client.get("/", {"q": next(queries)})
            assert answer.status_code == 200
        watch._switch()
    print("\n| part of a search | milliseconds |\n|---|---|")
    for name, seconds in sorted(watch.seconds.items(), key=lambda item: -item[1]):
        print(f"| {name} | {seconds / PROFILED * 1000:.1f} |")
    print(f"| all | {sum(watch.seconds.values()) / PROFILED * 1000:.1f} |", flush=True)


def _as_method(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function so that it can replace a method."""

    def method(self: Any, *arguments: Any, **named: Any) -> Any:
        return function(self, *arguments, **named)

    return method


def partial_database(watch: Stopwatch) -> Callable[..., Any]:
    """Return a wrapper of database queries that counts their time."""

    def run(execute: Callable[..., Any], *arguments: Any) -> Any:
        with watch.part("database"):
            return execute(*arguments)

    return run


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imgsearch.settings")
    measure(parse(sys.argv[1:]))
