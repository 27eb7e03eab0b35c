"""Free disk space, and how a full disk is recognized.

MIN_FREE_BYTES are reserved for the database, Redis and the logs: requests that need space are
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

# No space, quota exceeded, and file larger than the process or file system allows.
NO_SPACE_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# SQLite fails in these ways when it cannot write, or cannot grow the index of its WAL.
SQLITE_NO_SPACE_CODES = (
    sqlite3.SQLITE_FULL,
    *(sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_TRUNCATE),
    *(sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMMAP),
)
POSTGRESQL_DISK_FULL = "53100"
# Redis refuses writes after it failed to save its data.
REDIS_CANNOT_SAVE = "MISCONF"
# numpy does not keep errno when it writes arrays.
NUMPY_SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")
WARNING_FACTOR = 4  # staff are warned below this multiple of the reserve


def is_disk_full(error: BaseException) -> bool:
    """Return whether an error, or one that caused it, means that there is no space left."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        if _indicates_full_disk(current):
            return True
        current = current.__cause__ or current.__context__
    return False


def _indicates_full_disk(error: BaseException) -> bool:
    if isinstance(error, DiskFull):
        return True
    if isinstance(error, OSError):
        is_short_write = error.errno is None and NUMPY_SHORT_WRITE.search(str(error))
        return error.errno in NO_SPACE_ERRNOS or bool(is_short_write)
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) in SQLITE_NO_SPACE_CODES
    if getattr(error, "sqlstate", None) == POSTGRESQL_DISK_FULL:
        return True
    return str(error).startswith(REDIS_CANNOT_SAVE)


@contextmanager
def raise_disk_full() -> Iterator[None]:
    """Raise DiskFull in place of any error that means that there is no space left."""
    try:
        yield
    except DiskFull:
        raise
    except Exception as error:
        if is_disk_full(error):
            raise DiskFull from error
        raise


def free_bytes() -> int:
    """Return the free bytes on the disk that holds the media store."""
    folder = settings.MEDIA_ROOT
    while not os.path.lexists(folder):
        folder = folder.parent
    return shutil.disk_usage(folder).free


def has_space(size: int = 0) -> bool:
    """Return whether the reserve stays free after `size` more bytes."""
    return free_bytes() - size >= settings.MIN_FREE_BYTES


def require_space(size: int = 0) -> None:
    """Raise DiskFull when `size` more bytes would use part of the reserve."""
    if not has_space(size):
        raise DiskFull


def is_nearly_full() -> bool:
    """Return whether staff should free some space before the reserve is reached."""
    return free_bytes() < WARNING_FACTOR * settings.MIN_FREE_BYTES
