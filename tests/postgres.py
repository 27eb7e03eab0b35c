"""A PostgreSQL server of its own, for tests of what differs from SQLite."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import find_free_port

USER = "imgsearch"
START_TIMEOUT = 30.0  # seconds


def find_program(name: str) -> str | None:
    """A program of PostgreSQL, which Debian installs outside of PATH."""
    found = [str(path) for path in Path("/usr/lib/postgresql").glob(f"*/bin/{name}")]
    return max(found, default=None) or shutil.which(name)


def unprivileged_user() -> str | None:
    """Whom the server runs as: it refuses root."""
    if os.getuid() != 0:
        return None
    names = {one.pw_name for one in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@contextlib.contextmanager
def postgres_process() -> Iterator[str]:
    """A server with an empty database; yields its DATABASE_URL. Skips where it is not installed."""
    initdb, postgres = find_program("initdb"), find_program("postgres")
    if initdb is None or postgres is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    user, port = unprivileged_user(), find_free_port()
    folder = Path(tempfile.mkdtemp(prefix="imgsearch-postgres-"))
    if user is not None:
        shutil.chown(folder, user)
    options = ("--auth=trust", f"--username={USER}", "--no-sync", "--encoding=UTF8", "--locale=C")
    try:
        subprocess.run(
            [initdb, f"--pgdata={folder}/data", *options],
            user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        settings = ("listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", "fsync=off")
        command = [postgres, "-D", f"{folder}/data", "-p", str(port)]
        with subprocess.Popen(
            [*command, *(part for one in settings for part in ("-c", one))],
            user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            try:
                url = f"postgres://{USER}@127.0.0.1:{port}/postgres"
                _wait_ready(url, process)
                yield url
            finally:
                process.terminate()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    import psycopg

    end = time.monotonic() + START_TIMEOUT
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            assert process.poll() is None, "PostgreSQL ended"
            assert time.monotonic() < end, "PostgreSQL does not respond"
            time.sleep(0.05)
        else:
            return
