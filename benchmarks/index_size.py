"""Measures a large frame index: memory, speed, restarts, and the time to add a film.

    python -m benchmarks index_size [--frames N] [--keep FOLDER | --url URL] [--seconds N] [--graph]

Synthetic two-hour films, in a separate embedded Redis, or in the Redis or Redis Cluster at a URL.
Searches are like those of a page of results: 25 hits of 8 frames each. With --keep or --url, an
interrupted run can be resumed.
"""

import argparse
import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.library import FILM_SECONDS, frame_records, random_frames, random_shots
from gallery.clip.types import Vector, Vectors
from gallery.core.errors import IndexUnavailable
from gallery.index.frame_index import FrameIndex
from gallery.index.search_commands import index_info, index_parts
from gallery.index.server import connect, primaries
from gallery.index.types import FrameRecord, Scope
from gallery.media.types import FrameKind
from imgsearch.local.redis_server import running

WIDTH = 512
FRAMES = 100_000
USERS = 10
PAUSE = 1.0  # seconds between two searches of a user who reads the page, on average
FRAMES_PER_PAGE = 200
DULL_SECONDS = 120  # of credits at the end of a film
LABELS = 20
LABELLED = 0.1  # fraction of frames with a label
QUERIES = 1000
RECALLED = 10  # nearest frames that a graph should find
STAMP = "complete"
PAGE_SCOPE = Scope()


def main(options: Sequence[str] = ()) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks index_size")
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--keep", type=Path, help="keep the index in this folder, and reuse it")
    parser.add_argument("--url", help="measure this Redis, or redis+cluster://HOST:PORT")
    parser.add_argument("--seconds", type=float, default=30.0, help="per measurement")
    parser.add_argument("--graph", action="store_true", help="compare with an HNSW graph")
    given = parser.parse_args(options)
    if given.url:
        _measure(given.url, given)
        return
    with contextlib.ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        with running(folder.absolute()) as url:
            _measure(url, given)
        started_at = time.perf_counter()
        with running(folder.absolute()) as url:
            loaded = time.perf_counter() - started_at
            index, queries = _open(url), _queries()
            _await_answer(index, queries[0])
            answered = time.perf_counter() - started_at
            print(f"restart: data loaded after {loaded:.1f} s, first exact answer {answered:.1f} s")
            _print_latencies("  then, one user", _load(index, queries, 5.0))


def _measure(url: str, given: argparse.Namespace) -> None:
    """Fill the index, and print all figures except those of a restart."""
    index, queries = _open(url), _queries()
    films = max(1, given.frames // FILM_SECONDS)
    _await_answer(index, queries[0])
    _fill(index, films)
    _print_memory(index)
    _print_speed(index, queries, given.seconds)
    _print_addition(index, films + 1, queries)
    if given.graph:
        _print_graph(index, queries)


def _open(url: str) -> FrameIndex:
    return FrameIndex(connect(url), prefix="imgsearch:0123456789ab", width=WIDTH)


def _queries() -> Vectors:
    """Return query vectors: unit rows (QUERIES, WIDTH)."""
    rng = np.random.default_rng(123)
    return random_frames(rng, np.arange(QUERIES), WIDTH)


def _await_answer(index: FrameIndex, query: Vector) -> None:
    """Wait until a search is answered. A new index has nothing to wait for."""
    index.ensure()
    while True:
        with contextlib.suppress(IndexUnavailable):
            index.nearest(query, FRAMES_PER_PAGE, Scope())
            return
        time.sleep(0.1)


# --- the library ----------------------------------------------------------------------------------


def _film(film: int) -> tuple[list[FrameRecord], Vectors, dict[int, list[int]]]:
    """Return the frames, vectors and labels of a film."""
    rng = np.random.default_rng(film)
    shots = random_shots(rng, FILM_SECONDS)
    records = [
        replace(one, look=FrameKind.CREDITS) if one.second >= FILM_SECONDS - DULL_SECONDS else one
        for one in frame_records(film, shots)
    ]
    labelled = np.flatnonzero(rng.random(FILM_SECONDS) < LABELLED).tolist()
    labels = {second: [1 + int(rng.integers(LABELS))] for second in labelled}
    return records, random_frames(rng, shots, WIDTH), labels


def _fill(index: FrameIndex, films: int) -> None:
    """Add the films that are missing."""
    stamps, began_at, added = index.stamps(), time.perf_counter(), 0
    for film in range(1, films + 1):
        if stamps.get(film) != STAMP:
            records, vectors, labels = _film(film)
            index.put(film, records, vectors, labels, stamp=STAMP)
            added += len(records)
            speed = added / (time.perf_counter() - began_at)
            print(f"\rfilm {film} of {films}, {speed:.0f} frames/s ", end="", flush=True)
    print()


def _print_memory(index: FrameIndex) -> None:
    frames = index.status().frames
    used, resident = (_total_memory(index, name) for name in ("used_memory", "used_memory_rss"))
    print(f"{frames} frames, {used / 1e9:.2f} GB in Redis")
    print(f"bytes per frame: {used / frames:.0f} (resident: {resident / frames:.0f})")
    print(f"  a hash with its key: {index.client.memory_usage(index.frame_key(1, 100))}")
    infos = [index_info(*part) or {} for part in index_parts(index.client, index.name)]
    for name in sorted(name for name in infos[0] if name.endswith("_mb")):
        size = sum(float(info[name] or 0) for info in infos)
        print(f"  {name}: {size * 2**20 / frames:.1f}")


def _total_memory(index: FrameIndex, name: str) -> int:
    """Return a value of INFO memory, summed over all servers."""
    return sum(int(server.info("memory")[name]) for server in primaries(index.client))


# --- load -----------------------------------------------------------------------------------------


def _load(
    index: FrameIndex,
    queries: Vectors,
    seconds: float,
    *,
    users: int = 1,
    pause: float = 0.0,
    scope: Scope = PAGE_SCOPE,
) -> list[float]:
    """Return the seconds that each search takes for users who pause between searches."""
    end = time.perf_counter() + seconds
    took: list[float] = []

    def search(user: int) -> None:
        rng = np.random.default_rng(user)
        time.sleep(float(rng.random()) * pause)
        while time.perf_counter() < end:
            query = queries[rng.integers(len(queries))]
            started_at = time.perf_counter()
            index.nearest(query, FRAMES_PER_PAGE, scope)
            took.append(time.perf_counter() - started_at)
            time.sleep(float(rng.exponential(pause)) if pause else 0.0)

    with ThreadPoolExecutor(users) as pool:
        for done in [pool.submit(search, user) for user in range(users)]:
            done.result()
    return took


def _print_latencies(what: str, seconds: Sequence[float]) -> None:
    p50, p95 = np.percentile(seconds, [50, 95]) * 1000
    print(f"{what}: p50 {p50:.0f} ms, p95 {p95:.0f} ms", flush=True)


def _print_speed(index: FrameIndex, queries: Vectors, seconds: float) -> None:
    for what, scope in (
        ("whole library", PAGE_SCOPE),
        ("with credits", Scope(include_dull=True)),
        ("frames with a label", Scope(labels=(3,))),
        ("one film", Scope(films=(1,))),
    ):
        cpu = _cpu_seconds(index)
        done = _load(index, queries, seconds / 4, scope=scope)
        each = (_cpu_seconds(index) - cpu) / len(done) * 1000
        _print_latencies(f"one user, {what}, {each:.1f} ms of CPU time in Redis", done)
    for pause in (PAUSE, 0.0):
        done = _load(index, queries, seconds, users=USERS, pause=pause)
        how = f"pausing {pause:.0f} s" if pause else "without pauses"
        _print_latencies(f"{USERS} users {how}, {len(done) / seconds:.1f} searches/s", done)


def _cpu_seconds(index: FrameIndex) -> float:
    """Return the CPU time used by Redis, summed over all servers."""
    return sum(
        float(server.info("cpu")[f"used_cpu_{kind}"])
        for server in primaries(index.client)
        for kind in ("user", "sys")
    )


def _print_addition(index: FrameIndex, film: int, queries: Vectors) -> None:
    """Add a film while a user searches."""
    records, vectors, labels = _film(film)
    took: list[float] = []

    def add() -> None:
        started_at = time.perf_counter()
        index.put(film, records, vectors, labels, stamp=STAMP)
        took.append(time.perf_counter() - started_at)

    add()
    index.drop(film)
    print(f"adding a film of {len(records)} frames: {took[0]:.1f} s")
    thread = threading.Thread(target=add)
    thread.start()
    latencies = _load_while(thread.is_alive, index, queries)
    thread.join()
    index.drop(film)
    _print_latencies(f"  while a user searches: {took[1]:.1f} s; searches", latencies)


def _load_while(goes_on: Callable[[], bool], index: FrameIndex, queries: Vectors) -> list[float]:
    took: list[float] = []
    while goes_on():
        started_at = time.perf_counter()
        index.nearest(queries[len(took) % len(queries)], FRAMES_PER_PAGE, Scope())
        took.append(time.perf_counter() - started_at)
    return took


# --- a graph --------------------------------------------------------------------------------------


def _print_graph(index: FrameIndex, queries: Vectors) -> None:
    """Build an HNSW graph of the hashes on one server; print its cost, speed and recall."""
    before = _total_memory(index, "used_memory")
    graph = FrameIndex(index.client, prefix=index.prefix, width=WIDTH)
    graph.name = f"{index.prefix}:graph"
    started_at = time.perf_counter()
    index.client.execute_command(
        *("FT.CREATE", graph.name, "ON", "HASH", "PREFIX", 1, f"{index.prefix}:{{"),
        *("SCHEMA", "film", "TAG", "labels", "TAG", "shot", "NUMERIC", "SORTABLE"),
        *("embedding", "VECTOR", "HNSW", 12, "TYPE", "FLOAT16", "DIM", WIDTH),
        *("DISTANCE_METRIC", "COSINE", "M", 16, "EF_CONSTRUCTION", 200, "EF_RUNTIME", 200),
    )
    while (status := graph.status()).ready < 1:
        print(f"\rgraph: {status.ready:.0%} ", end="", flush=True)
        time.sleep(1.0)
    frames, seconds = status.frames, time.perf_counter() - started_at
    used = (_total_memory(index, "used_memory") - before) / frames
    print(f"\rgraph: built in {seconds:.0f} s ({seconds / frames * 1000:.2f} ms per frame)", end="")
    print(f", {used:.0f} more bytes per frame")
    _print_latencies("  one user", _load(graph, queries, 5.0))
    found = 0
    for query in queries[:100]:
        exact = {one.key for one in index.nearest(query, RECALLED, Scope())}
        found += len(exact & {one.key for one in graph.nearest(query, RECALLED, Scope())})
    print(f"  recall of the {RECALLED} nearest: {found / (100 * RECALLED):.3f}")
    index.client.ft(graph.name).dropindex()
