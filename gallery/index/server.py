"""The Redis server that holds the indexes: connections, errors, locks and the state of indexes."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any
from uuid import uuid4

import redis
from django.conf import settings
from django.utils.translation import gettext as _
from redis.backoff import NoBackoff
from redis.commands.search.field import Field
from redis.commands.search.index_definition import IndexDefinition, IndexType
from redis.exceptions import LockError
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
SILENT_SECONDS = 1.0  # that commands fail at once after one has timed out
_timed_out_at = float("-inf")


@contextmanager
def translate_redis_errors() -> Iterator[None]:
    """Turn Redis errors into errors whose messages say what to do.

    With REDIS_TIMEOUT, commands fail at once for SILENT_SECONDS after one has timed out: a page
    that needs several of them waits for a hung Redis only once.
    """
    global _timed_out_at  # noqa: PLW0603 - of this process
    if settings.REDIS_TIMEOUT and time.monotonic() - _timed_out_at < SILENT_SECONDS:
        raise IndexUnavailable
    try:
        yield
    except redis.BusyLoadingError as error:
        raise IndexWarmingUp from error
    except (redis.ConnectionError, redis.TimeoutError) as error:
        if isinstance(error, redis.TimeoutError):
            _timed_out_at = time.monotonic()
        raise IndexUnavailable from error
    except redis.ResponseError as error:
        meaning = _meaning_of(error)
        if meaning is None:
            raise
        raise meaning from error


def _meaning_of(error: redis.ResponseError) -> GalleryError | None:
    """Return the error for people, None for one that is a fault of this program."""
    message = str(error).lower()
    if "unknown command" in message:
        return NoSearchCommands()
    if _is_missing_index(error):
        return IndexMissing()
    if "timeout" in message:
        return IndexUnavailable(_("The search timed out. Please try again."))
    if message.startswith("misconf"):
        return DiskFull()
    if "oom" in message or "used memory" in message:
        return IndexUnavailable(_("Redis is out of memory. Raise its maxmemory, then retry."))
    return None


def _is_missing_index(error: redis.ResponseError) -> bool:
    message = str(error).lower()
    return any(text in message for text in ("no such index", "unknown index", "index not found"))


@cache
def connect(url: str) -> redis.Redis:
    """Return a pool of connections to a Redis server, with replies in the shape of protocol 2.

    With REDIS_TIMEOUT, commands time out after that many seconds. A connection closed by Redis, as
    on a restart, is opened again, but a command that timed out is not retried. There are no health
    checks: a Redis whose disk is full refuses PING, but still searches.
    """
    timeout = settings.REDIS_TIMEOUT
    retry = {"retry": Retry(NoBackoff(), 1, (redis.ConnectionError,))} if timeout else {}
    return redis.Redis.from_url(
        url,
        protocol=2,
        socket_connect_timeout=timeout or 5,
        socket_timeout=timeout or 30,
        **retry,
    )


@contextmanager
def redis_lock(
    client: redis.Redis, key: str, seconds: float, max_wait: float = 0.0
) -> Iterator[Callable[[], None] | None]:
    """Hold a lock of `seconds`, renewed while the body runs; yield None when it is already held.

    Yields a check to call before each write: it raises LostClaim when the lock was lost, as after a
    long pause or a restart of the server.
    """
    with translate_redis_errors():
        # The thread that renews the lock has to know its token, too.
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
    """Raise an error that says what to do when the Redis server at `url` cannot be used."""
    with translate_redis_errors():
        client = connect(url)
        client.ping()
        client.execute_command("FT._LIST")


# --- search indexes -------------------------------------------------------------------------------

# Name and run id of the server, for indexes known to be complete.
_complete_indexes: set[tuple[str, str]] = set()


def fail_on_timeout(client: redis.Redis) -> None:
    """Make time-outs errors: by default RediSearch silently returns a partial answer."""
    try:
        client.execute_command("CONFIG", "SET", "search-on-timeout", "fail")
    except redis.ResponseError:
        client.execute_command("FT.CONFIG", "SET", "ON_TIMEOUT", "FAIL")


def create_index(
    client: redis.Redis, name: str, prefix: str, fields: Sequence[Field], **options: Any
) -> None:
    """Create a search index over the hashes whose keys begin with `prefix`."""
    definition = IndexDefinition(prefix=[prefix], index_type=IndexType.HASH)
    try:
        client.ft(name).create_index(fields, definition=definition, **options)
    except redis.ResponseError as error:
        # Another process may have created it first.
        if "already exists" not in str(error).lower():
            raise


def drop_index(client: redis.Redis, name: str) -> None:
    """Drop a search index; the hashes stay."""
    try:
        client.ft(name).dropindex()
    except redis.ResponseError as error:
        # Another process may have dropped it first.
        if not _is_missing_index(error):
            raise


def index_info(client: redis.Redis, name: str) -> dict[str, Any] | None:
    """Return what FT.INFO reports about an index or alias; None when it does not exist."""
    try:
        raw = client.ft(name).info()
    except redis.ResponseError as error:
        if _is_missing_index(error):
            return None
        raise
    return {str(key): value for key, value in raw.items()}


def parse_fields(info: dict[str, Any]) -> dict[str, tuple[str, int]]:
    """Return the fields of an index from FT.INFO: the type of each, and the width of a vector."""
    fields = {}
    for attribute in info["attributes"]:
        pairs = dict(zip(map(to_text, attribute[::2]), map(to_text, attribute[1::2]), strict=False))
        fields[pairs["identifier"]] = (pairs["type"], int(pairs.get("dim", 0)))
    return fields


def query_complete_index(
    client: redis.Redis, name: str, *commands: Sequence[str | int | bytes]
) -> list[Any]:
    """Send search commands in one round trip. Returns their raw replies.

    The server's run id is requested along with them, so that replies from an index that is still
    being built after a restart are never used. Raises IndexWarmingUp and IndexMissing.
    """
    pipe = client.pipeline(transaction=False)
    for command in (("INFO", "server"), *commands):
        pipe.execute_command(*command)
    info, *replies = pipe.execute(raise_on_error=False)
    if isinstance(info, Exception) or (name, info["run_id"]) not in _complete_indexes:
        require_complete(client, name)
        return query_complete_index(client, name, *commands)
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies


def require_complete(client: redis.Redis, name: str) -> None:
    """Raise IndexWarmingUp while the server builds an index from its hashes after a start.

    The answer is cached until the next start: asking takes milliseconds on a large graph. Raises
    IndexMissing when there is no index.
    """
    start = (name, client.info("server")["run_id"])
    if start in _complete_indexes:
        return
    info = index_info(client, name)
    if info is None:
        raise IndexMissing
    if float(info.get("percent_indexed", 1)) < 1:
        raise IndexWarmingUp
    _complete_indexes.add(start)


def mark_change(client: Any, key: str) -> None:
    """Record, on a connection or in a pipeline, that an index has changed: see `version`."""
    client.set(key, uuid4().hex)


def version(client: redis.Redis, *keys: str) -> tuple[bytes | None, ...]:
    """Return the values at these keys, which differ after each change of the indexes."""
    pipe = client.pipeline(transaction=False)
    for key in keys:
        pipe.get(key)
    return tuple(pipe.execute())


def films_in(client: redis.Redis, key: str) -> set[int]:
    """Return the films in the set at `key`. Earlier versions marked such a set with NO_FILM."""
    return {int(film) for film in client.smembers(key)} - {NO_FILM}


def to_text(value: Any) -> str:
    """Return a reply as text: the server sends bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)
