"""Runs a separate PostgreSQL, from Debian's package, for tests and benchmarks."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.common import find_free_port

START_TIMEOUT = 60.0  # seconds
USERS = ("postgres", "nobody")  # to run as, because PostgreSQL refuses to run as root


def find_binary(name: str) -> str:
    """Return the path of a PostgreSQL program. Raises FileNotFoundError."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    path = str(found[-1]) if found else shutil.which(name)
    if path is None:
        raise FileNotFoundError(f"{name} is not installed: apt-get install postgresql")
    return path


def _unprivileged_user() -> str | None:
    """Return the user to run as; None: the current one."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in USERS if name in known)


@contextmanager
def running(*options: str) -> Iterator[str]:
    """Run a server during the block, with options such as "-c", "max_connections=50".

    Yields the URL of an empty database, which is deleted afterwards.
    """
    user, port = _unprivileged_user(), find_free_port()
    folder = Path(tempfile.mkdtemp(prefix="imgsearch-postgresql-"))
    data = folder / "data"
    if user:
        shutil.chown(folder, user)
    how: dict[str, Any] = {"cwd": folder, "user": user} if user else {"cwd": folder}
    try:
        subprocess.run(
            [
                find_binary("initdb"),
                "--no-sync",
                "--auth=trust",
                "--username=imgsearch",
                "-D",
                data,
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            **how,
        )
        command = [
            *(find_binary("postgres"), "-D", str(data), "-p", str(port), "-k", str(folder)),
            *("-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", *options),
        ]
        with subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=(folder / "log").open("ab"),
            **how,
        ) as process:
            try:
                url = f"postgres://imgsearch@127.0.0.1:{port}/postgres"
                _wait_until_ready(url, process)
                yield url
            finally:
                process.terminate()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_ready(url: str, process: "subprocess.Popen[Any]") -> None:
    end = time.monotonic() + START_TIMEOUT
    while True:
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.1)
