"""The Redis server or cluster of the index: connections, errors and locks.

Each node of a cluster has a part of the keys. All keys of a film have the same hash tag, so they
are on the same node. Transactions use keys of one film only; pipelines without a transaction may
use any.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any
from uuid import uuid4

import redis
from django.conf import settings
from django.utils.translation import gettext as _
from redis.backoff import NoBackoff
from redis.exceptions import (
    ClusterError,
    CrossSlotTransactionError,
    LockError,
    RedisClusterException,
)
from redis.retry import Retry

from gallery.core.errors import (
    DiskFull,
    GalleryError,
    IndexMissing,
    IndexUnavailable,
    IndexWarmingUp,
    NoSearchCommands,
)
from gallery.core.leases import keep_lease

NO_FILM = 0  # no film has this id
CLUSTER_MARK = "+cluster"  # of the scheme of a URL: redis+cluster://host:port
SILENT_SECONDS = 1.0  # after a timeout, during which commands fail at once
_timed_out_at = float("-inf")


@contextmanager
def translate_redis_errors() -> Iterator[None]:
    """Turn Redis errors into errors whose messages say what to do.

    With REDIS_TIMEOUT, commands fail at once for SILENT_SECONDS after one has timed out, so that a
    page with several commands waits for a hung Redis only once.
    """
    global _timed_out_at  # noqa: PLW0603 - per process
    if settings.REDIS_TIMEOUT and time.monotonic() - _timed_out_at < SILENT_SECONDS:
        raise IndexUnavailable
    try:
        yield
    except redis.BusyLoadingError as error:
        raise IndexWarmingUp from error
    except CrossSlotTransactionError:
        raise  # a bug
    except (
        *(redis.ConnectionError, redis.TimeoutError),
        *(ClusterError, RedisClusterException),
    ) as error:
        if isinstance(error, redis.TimeoutError):
            _timed_out_at = time.monotonic()
        raise IndexUnavailable from error
    except redis.ResponseError as error:
        meaning = _meaning_of(error)
        if meaning is None:
            raise
        raise meaning from error


def _meaning_of(error: redis.ResponseError) -> GalleryError | None:
    """Return the error to show, or None if it is a bug."""
    message = str(error).lower()
    if "unknown command" in message:
        return NoSearchCommands()
    if is_missing_index(error):
        return IndexMissing()
    if "timeout" in message:
        return IndexUnavailable(_("The search timed out. Please try again."))
    if message.startswith("misconf"):
        return DiskFull()
    if "oom" in message or "used memory" in message:
        return IndexUnavailable(_("Redis is out of memory. Raise its maxmemory, then retry."))
    return None


def is_missing_index(error: redis.ResponseError) -> bool:
    """Return whether a search command failed because its index does not exist."""
    message = str(error).lower()
    return any(text in message for text in ("no such index", "unknown index", "index not found"))


def index_url() -> str:
    """Return the URL of the index's server or cluster."""
    return settings.INDEX_URL or settings.REDIS_URL


def connect_index() -> redis.Redis:
    """Return a pool of connections to the index's server or cluster. See `connect`."""
    return connect(index_url())


@cache
def connect(url: str) -> redis.Redis:
    """Return a pool of connections to a Redis server, with replies in the shape of protocol 2.

    With REDIS_TIMEOUT, commands time out after that many seconds. A connection closed by Redis, as
    on a restart, is opened again, but a command that timed out is not retried. There are no health
    checks: a Redis whose disk is full refuses PING, but still searches.

    For a cluster (redis+cluster://, rediss+cluster://), it is a RedisCluster, which has the same
    methods. It discovers the other nodes from the one in the URL, so this raises IndexUnavailable.
    """
    timeout = settings.REDIS_TIMEOUT
    options = {
        "protocol": 2,
        "socket_connect_timeout": timeout or 5,
        "socket_timeout": timeout or 30,
    }
    if timeout:
        options["retry"] = Retry(NoBackoff(), 1, (redis.ConnectionError,))
    if not is_cluster(url):
        return redis.Redis.from_url(url, **options)
    with translate_redis_errors():
        return redis.RedisCluster.from_url(node_url(url), **options)


def is_cluster(url: str) -> bool:
    """Return whether a URL names a cluster."""
    return url.partition("://")[0].endswith(CLUSTER_MARK)


def node_url(url: str) -> str:
    """Return the URL of the server, or of the cluster node, in a URL."""
    scheme, separator, rest = url.partition("://")
    return scheme.removesuffix(CLUSTER_MARK) + separator + rest


def primaries(client: redis.Redis) -> list[redis.Redis]:
    """Return the servers that hold the keys: one, or the primaries of a cluster."""
    if not isinstance(client, redis.RedisCluster):
        return [client]
    return [client.get_redis_connection(node) for node in client.get_primaries()]


def refresh_topology(client: redis.Redis) -> None:
    """Rediscover the nodes of a cluster, after one of them could not be reached."""
    if isinstance(client, redis.RedisCluster):
        with suppress(redis.RedisError, RedisClusterException):
            client.nodes_manager.initialize()


@contextmanager
def redis_lock(
    client: redis.Redis, key: str, seconds: float, max_wait: float = 0.0
) -> Iterator[Callable[[], None] | None]:
    """Hold a lock of `seconds`, renewed while the body runs; yield None if it is already held.

    Yields a check to call before each write: it raises LostClaim if the lock was lost, for example
    after a long pause or a restart of the server.
    """
    with translate_redis_errors():
        # The thread that renews the lock needs its token, too.
        lock = client.lock(key, seconds, thread_local=False)
        is_held = lock.acquire(blocking=max_wait > 0, blocking_timeout=max_wait or None)
    if not is_held:
        yield None
        return

    def renew() -> bool:
        try:
            return bool(lock.reacquire())
        except LockError:
            return False

    try:
        with keep_lease(renew, seconds) as check:
            yield check
    finally:
        # A lost lock cannot be released.
        with suppress(LockError, redis.RedisError):
            lock.release()


def check_server(url: str) -> None:
    """Raise an error that says what to do if Redis at `url` cannot be used for the index."""
    with translate_redis_errors():
        for server in primaries(connect(url)):
            server.ping()
            server.execute_command("FT._LIST")


def mark_change(client: Any, key: str) -> None:
    """Record, on a connection or in a pipeline, that an index has changed: see `version`."""
    client.set(key, uuid4().hex)


def version(client: redis.Redis, *keys: str) -> tuple[bytes | None, ...]:
    """Return the values at these keys, which change with every change to the indexes."""
    pipe = client.pipeline(transaction=False)
    for key in keys:
        pipe.get(key)
    return tuple(pipe.execute())


def films_in(client: redis.Redis, key: str) -> set[int]:
    """Return the films in the set at `key`. Earlier versions marked such a set with NO_FILM."""
    return {int(film) for film in client.smembers(key)} - {NO_FILM}


def to_text(value: Any) -> str:
    """Return a reply, which may be bytes, as text."""
    return value.decode() if isinstance(value, bytes) else str(value)
