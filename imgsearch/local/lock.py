"""The lock that allows one launcher for each VAR_DIR."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from imgsearch.local.terminal import LauncherError


@contextmanager
def hold_run_lock(var_dir: Path, address: str) -> Iterator[None]:
    """Hold VAR_DIR/run.lock, which the kernel releases when this process ends.

    Raises LauncherError when another launcher holds it.
    """
    path = var_dir / "run.lock"
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LauncherError(
                f"This installation is already running: {file.read().strip() or 'just started'}. "
                "Stop it first, or start a second one beside it with its own folder: "
                "`VAR_DIR=/some/folder PORT=8001 make run`."
            ) from error
        owner = f"{address} (process {os.getpid()}, VAR_DIR {var_dir})\n"
        with suppress(OSError):  # a full disk; the lock itself needs no space
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), owner.encode())
        yield
