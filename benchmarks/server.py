"""The web server against gunicorn's threaded worker: searches a second, and with slow clients.

    python -m benchmarks server [--frames N] [--seconds N] [--rounds N]

Both run at the same time on one library and are measured in turns by ten users without pauses, so
that other load on the machine affects both. Then our worker gets 900 connections that send half a
request, trickle a body or hardly read, and is measured with and without them; gunicorn's gets
eight half requests, one for each of its threads.
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
from benchmarks.common import find_free_port, make_environment
from benchmarks.crowd import Crowd

HALF = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
TRICKLED = b"POST /picture/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
READ_SLOWLY = b"GET /films/ HTTP/1.1\r\nHost: localhost\r\n\r\n"
SETTLE = 15.0  # seconds
ANSWER_TIMEOUT = 10.0  # seconds for gunicorn's worker to answer a single search


def main(options: Sequence[str] = ()) -> None:
    """Print the figures."""
    parse(options)
    with tempfile.TemporaryDirectory() as folder:
        environment = make_environment(Path(folder), search.DEMO_MODEL)
        environment["SEARCH_RATE"] = ""
        command = [sys.executable, "-m", "benchmarks.server", *options]
        subprocess.run(command, env=environment, check=True)


def parse(options: Sequence[str]) -> argparse.Namespace:
    """Parse the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks server")
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=8)
    return parser.parse_args(options)


def measure(given: argparse.Namespace) -> None:
    """Create the library, and measure both workers in turns."""
    from imgsearch.local.__main__ import web_command
    from imgsearch.local.installation import read_installation

    here = read_installation()
    ports = {"gunicorn's worker": find_free_port(), "our worker": here.port}
    ours = web_command(here)
    queries = search.two_words()
    took: dict[str, list[list[float]]] = {name: [] for name in ports}
    with search.redis_server(), contextlib.ExitStack() as stack:
        search.prepare(given.frames)
        processes = {}
        for name, port in ports.items():
            command = ours if port == here.port else gunicorn_command(ours, here.port, port)
            processes[name] = stack.enter_context(server(command, here.environment()))
            search.wait_for_web(port, next(queries))
            search.closed_loop(port, queries, 3.0)
        cpu = dict.fromkeys(ports, 0.0)
        for _round in range(given.rounds):
            for name, port in ports.items():
                before = search.cpu_seconds(processes[name].pid)["web"]
                took[name].append(search.closed_loop(port, queries, given.seconds))
                cpu[name] += search.cpu_seconds(processes[name].pid)["web"] - before
        for name, rounds in took.items():
            speeds = sorted(len(done) / given.seconds for done in rounds)
            done = [seconds for each in rounds for seconds in each]
            print(f"{name}: {speeds[len(speeds) // 2]:.1f} searches a second (median)")
            search.print_latencies("  each of them", done)
            print(f"  processor time of each: {cpu[name] / len(done) * 1000:.1f} ms")
            print(f"  {search.memory_of(processes[name].pid):.0f} MB (PSS)", flush=True)
        with Crowd(ports["gunicorn's worker"]) as crowd:
            crowd.add("head", 8, HALF, b"a")
            said = answers(ports["gunicorn's worker"], next(queries))
            print(f"gunicorn's worker, 8 half requests: {said}")
        slow: dict[str, list[float]] = {"no": [], "900": []}
        for _round in range(2):
            slow["no"] += search.closed_loop(here.port, queries, given.seconds)
            with Crowd(here.port) as crowd:
                # Wait until their pages are rendered, to measure slow reading only.
                crowd.add("reader", 300, READ_SLOWLY)
                search.closed_loop(here.port, queries, SETTLE)
                crowd.add("head", 300, HALF, b"a")
                crowd.add("body", 300, TRICKLED, b"a")
                slow["900"] += search.closed_loop(here.port, queries, given.seconds)
                memory = search.memory_of(processes["our worker"].pid)
        for count, done in slow.items():
            search.print_latencies(f"our worker, {count} slow clients ({len(done)})", done)
        print(f"  {memory:.0f} MB (PSS)", flush=True)


def gunicorn_command(ours: Sequence[str], our_port: int, port: int) -> list[str]:
    """Return the command for gunicorn's worker on another port."""
    command = []
    for part in ours:
        if part.startswith("--worker-class="):
            command += ["--worker-class=gthread", "--threads=4"]
        elif not part.startswith("--limit-request-line"):
            command.append(part.replace(f":{our_port}", f":{port}"))
    return command


def answers(port: int, query: str) -> str:
    """Return whether a search is answered within ANSWER_TIMEOUT seconds, in words."""
    browser = search.Browser(port)
    browser.connection.timeout = ANSWER_TIMEOUT
    try:
        browser.search(query)
    except TimeoutError:
        return f"no answer within {ANSWER_TIMEOUT:.0f} s"
    return "answered"


@contextlib.contextmanager
def server(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a web server during the block."""
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
