"""The web server against gunicorn's own threaded worker: searches a second, and with slow clients.

    python -m benchmarks server [--frames N] [--seconds N] [--rounds N]

The two alternate on one library. Without slow clients, ten users ask without a pause. Then ten
searches a second arrive at random while 900 connections send half a request, trickle a body or
hardly read; gunicorn's worker gets eight half requests instead, which is one for each thread.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import search
from benchmarks.common import own_environment
from benchmarks.crowd import Crowd

HALF = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
TRICKLED = b"POST /picture/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
READ_SLOWLY = b"GET /films/ HTTP/1.1\r\nHost: localhost\r\n\r\n"
SETTLE = 30.0  # seconds
SHORT = 10.0  # seconds that gunicorn's worker is given to answer a single search


def main(options: Sequence[str] = ()) -> None:
    """Print the figures."""
    parse(options)
    with tempfile.TemporaryDirectory() as folder:
        environment = own_environment(Path(folder), search.DEMO_MODEL)
        environment["SEARCH_RATE"] = ""
        command = [sys.executable, "-m", "benchmarks.server", *options]
        subprocess.run(command, env=environment, check=True)


def parse(options: Sequence[str]) -> argparse.Namespace:
    """The options of this benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks server")
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=2)
    return parser.parse_args(options)


def measure(given: argparse.Namespace) -> None:
    """Make the library, and measure the two in turns."""
    from imgsearch.local.__main__ import web_command
    from imgsearch.local.installation import read_installation

    here = read_installation()
    ours = web_command(here)
    threads = ["--worker-class=gthread", "--threads=4"]
    theirs = [
        part
        for old in ours
        for part in (threads if old.startswith("--worker-class=") else [old])
        if not part.startswith("--limit-request-line")
    ]
    queries = search.two_words()
    with search.redis_server():
        search.prepare(given.frames)
        for _round in range(given.rounds):
            for name, command in (("gunicorn's worker", theirs), ("our worker", ours)):
                with server(command, here.environment()) as web:
                    search.wait_for_web(here.port, next(queries))
                    search.closed_loop(here.port, queries, 3.0)
                    done = search.closed_loop(here.port, queries, given.seconds)
                    print(f"{name}: {len(done) / given.seconds:.1f} searches a second")
                    search.print_latencies("  each of them", done)
                    print(f"  {search.memory_of(web.pid):.0f} MB (PSS)")
                    alone = search.open_loop(here.port, queries, given.seconds)
                    search.print_latencies("  10 a second, no slow clients", alone)
                    with Crowd(here.port) as crowd:
                        if command is theirs:
                            crowd.add("head", 8, HALF, b"a")
                            print(f"  8 half requests: {answers(here.port, next(queries))}")
                            continue
                        # Their pages are made first: what is measured is that they read slowly.
                        crowd.add("reader", 300, READ_SLOWLY)
                        search.closed_loop(here.port, queries, SETTLE)
                        crowd.add("head", 300, HALF, b"a")
                        crowd.add("body", 300, TRICKLED, b"a")
                        slow = search.open_loop(here.port, queries, given.seconds)
                        search.print_latencies("  10 a second, 900 slow clients", slow)
                        print(f"  {search.memory_of(web.pid):.0f} MB (PSS)", flush=True)


def answers(port: int, query: str) -> str:
    """Whether a search is answered within SHORT seconds."""
    browser = search.Browser(port)
    browser.connection.timeout = SHORT
    try:
        browser.search(query)
    except TimeoutError:
        return f"no answer within {SHORT:.0f} s"
    return "answered"


@contextlib.contextmanager
def server(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A web server for as long as the block lasts."""
    from imgsearch.local.__main__ import WEB_ENVIRONMENT

    process = subprocess.Popen(
        command,
        env={**environment, **WEB_ENVIRONMENT},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imgsearch.settings")

    django.setup()
    measure(parse(sys.argv[1:]))
