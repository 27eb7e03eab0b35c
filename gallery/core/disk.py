"""The disk that holds all state: how much is free, and how a full one is recognised.

A reserve (MIN_FREE_BYTES) is left for the database, Redis and the logs: what can be refused is
refused before the disk is really full.
"""

import errno
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from gallery.core.errors import DiskFull

# No space, no quota, and a file larger than its process or file system may have.
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# How SQLite fails when it cannot write, or cannot enlarge the index of its write-ahead log.
SQLITE_NO_SPACE = (
    sqlite3.SQLITE_FULL,
    *(sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_TRUNCATE),
    *(sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMMAP),
)
POSTGRESQL_DISK_FULL = "53100"
# Redis refuses writes after it failed to save its data.
REDIS_CANNOT_SAVE = "MISCONF"
# numpy writes arrays without keeping the system's error number.
NUMPY_CUT_SHORT = re.compile(r"\d+ requested and \d+ written")
WARNING_FACTOR = 4  # times the reserve: below that, staff are warned


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, or one that caused it, says that there is no space to write."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        if _says_full(one):
            return True
        one = one.__cause__ or one.__context__
    return False


def _says_full(error: BaseException) -> bool:
    if isinstance(error, DiskFull):
        return True
    if isinstance(error, OSError):
        cut_short = error.errno is None and NUMPY_CUT_SHORT.search(str(error))
        return error.errno in NO_SPACE or bool(cut_short)
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) in SQLITE_NO_SPACE
    if getattr(error, "sqlstate", None) == POSTGRESQL_DISK_FULL:
        return True
    return str(error).startswith(REDIS_CANNOT_SAVE)


@contextmanager
def raise_disk_full() -> Iterator[None]:
    """Raise DiskFull instead of an error that says that there is no space to write."""
    try:
        yield
    except DiskFull:
        raise
    except Exception as error:
        if is_disk_full(error):
            raise DiskFull from error
        raise


def free_bytes() -> int:
    """What is free where films are kept."""
    folder = settings.MEDIA_ROOT
    while not os.path.lexists(folder):
        folder = folder.parent
    return shutil.disk_usage(folder).free


def has_space(size: int = 0) -> bool:
    """Whether the reserve stays free after `size` more bytes."""
    return free_bytes() - size >= settings.MIN_FREE_BYTES


def require_space(size: int = 0) -> None:
    """Raise DiskFull when `size` more bytes would take from the reserve."""
    if not has_space(size):
        raise DiskFull


def is_nearly_full() -> bool:
    """Whether staff should free some space before the reserve is reached."""
    return free_bytes() < WARNING_FACTOR * settings.MIN_FREE_BYTES
