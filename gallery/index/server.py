"""The Redis server that holds the indexes: connections, what it says, how its indexes are."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any
from uuid import uuid4

import redis
from django.conf import settings
from django.utils.translation import gettext as _
from redis.backoff import NoBackoff
from redis.exceptions import LockError
from redis.retry import Retry

from gallery.core.errors import (
    DiskFull,
    IndexMissing,
    IndexUnavailable,
    IndexWarmingUp,
    NoSearchCommands,
)
from gallery.core.leases import kept_alive

NO_FILM = 0  # no film has this id


@contextmanager
def translate_redis_errors() -> Iterator[None]:
    """Turn what Redis raises into errors that say what to do."""
    try:
        yield
    except redis.BusyLoadingError as error:
        raise IndexWarmingUp from error
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise IndexUnavailable from error
    except redis.ResponseError as error:
        said = str(error).lower()
        if "unknown command" in said:
            raise NoSearchCommands from error
        if _names_no_index(error):
            raise IndexMissing from error
        if "timeout" in said:
            raise IndexUnavailable(_("The search timed out. Please try again.")) from error
        if said.startswith("misconf"):
            raise DiskFull from error
        if "oom" in said or "used memory" in said:
            raise IndexUnavailable(
                _("Redis is out of memory. Raise its maxmemory, then retry.")
            ) from error
        raise


def _names_no_index(error: redis.ResponseError) -> bool:
    said = str(error).lower()
    return any(words in said for words in ("no such index", "unknown index", "index not found"))


@cache
def connect(url: str) -> redis.Redis:
    """A pool of connections to a Redis server; replies in the shape of protocol 2.

    With REDIS_TIMEOUT, commands give up after so many seconds. A connection that Redis has closed,
    as it does when it restarts, is opened again, but silence is not waited for twice. There are no
    health checks: Redis refuses a PING, but no search, when its disk is full.
    """
    timeout = settings.REDIS_TIMEOUT
    has_priority = {"retry": Retry(NoBackoff(), 1, (redis.ConnectionError,))} if timeout else {}
    return redis.Redis.from_url(
        url,
        protocol=2,
        socket_connect_timeout=timeout or 5,
        socket_timeout=timeout or 30,
        **has_priority,
    )


@contextmanager
def redis_lock(
    client: redis.Redis, key: str, seconds: float, patience: float = 0.0
) -> Iterator[Callable[[], None] | None]:
    """Hold a lock of `seconds`, kept for as long as the body takes; None when somebody has it.

    Yields a check, to be called before something is written: it raises LostClaim when the lock was
    lost, as after a long pause or with the server.
    """
    with translate_redis_errors():
        # The thread that keeps the lock has to know its token, too.
        lock = client.lock(key, seconds, thread_local=False)
        is_held = lock.acquire(blocking=patience > 0, blocking_timeout=patience or None)
    if not is_held:
        yield None
        return

    def renew() -> bool:
        try:
            return bool(lock.reacquire())
        except LockError:
            return False

    try:
        with kept_alive(renew, seconds) as check:
            yield check
    finally:
        # It may be lost: then it is not ours to release.
        with suppress(LockError, redis.RedisError):
            lock.release()


def check_server(url: str) -> None:
    """Raise when the Redis server at `url` cannot be used, in words that say what to do."""
    with translate_redis_errors():
        client = connect(url)
        client.ping()
        client.execute_command("FT._LIST")


# --- search indexes -------------------------------------------------------------------------------

# Alias and run of the server for which an index was seen complete.
_complete: set[tuple[str, str]] = set()


def fail_on_timeout(client: redis.Redis) -> None:
    """By default RediSearch returns part of the answer after a time-out, without a word."""
    try:
        client.execute_command("CONFIG", "SET", "search-on-timeout", "fail")
    except redis.ResponseError:
        client.execute_command("FT.CONFIG", "SET", "ON_TIMEOUT", "FAIL")


def index_info(client: redis.Redis, name: str) -> dict[str, Any] | None:
    """What RediSearch tells of an index, by its name or alias; None when there is none."""
    try:
        raw = client.ft(name).info()
    except redis.ResponseError as error:
        if _names_no_index(error):
            return None
        raise
    return {str(key): value for key, value in raw.items()}


def parse_fields(info: dict[str, Any]) -> dict[str, tuple[str, int]]:
    """The fields of an index that RediSearch tells of: the type of each, and a vector's width."""
    found = {}
    for attribute in info["attributes"]:
        pairs = dict(zip(map(plain, attribute[::2]), map(plain, attribute[1::2]), strict=False))
        found[pairs["identifier"]] = (pairs["type"], int(pairs.get("dim", 0)))
    return found


def ask_complete_index(
    client: redis.Redis, alias: str, *commands: Sequence[str | int | bytes]
) -> list[Any]:
    """Send search commands in one round trip. Returns their raw replies.

    The run of the server is asked for along with them, so that a reply that comes from a part of
    the index, after a restart, is never used. Raises IndexWarmingUp and IndexMissing.
    """
    pipe = client.pipeline(transaction=False)
    for command in (("INFO", "server"), *commands):
        pipe.execute_command(*command)
    info, *replies = pipe.execute(raise_on_error=False)
    if isinstance(info, Exception) or (alias, info["run_id"]) not in _complete:
        require_complete(client, alias)
        return ask_complete_index(client, alias, *commands)
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies


def require_complete(client: redis.Redis, alias: str) -> None:
    """Raise IndexWarmingUp while the server builds an index from its hashes, after a start.

    Asking takes milliseconds on a large graph: once complete, it is so until the next start.
    Raises IndexMissing when there is none.
    """
    start = (alias, client.info("server")["run_id"])
    if start in _complete:
        return
    info = index_info(client, alias)
    if info is None:
        raise IndexMissing
    if float(info.get("percent_indexed", 1)) < 1:
        raise IndexWarmingUp
    _complete.add(start)


def film_ids(client: redis.Redis, key: str, pattern: str) -> set[int]:
    """The films in the set at `key`, for which there are keys that fit `pattern`: PREFIX:FILM.

    Earlier versions kept no such set: it is filled once from the keys. That this was done is marked
    in it by NO_FILM.
    """
    found = {int(film) for film in client.smembers(key)}
    if NO_FILM not in found:
        found |= {int(name.rpartition(b":")[2]) for name in client.scan_iter(pattern, count=1000)}
        found.add(NO_FILM)
        client.sadd(key, *found)
    return found - {NO_FILM}


def mark_change(client: Any, key: str) -> None:
    """Note, on a connection or in a pipeline, that an index has changed: see `version`."""
    client.set(key, uuid4().hex)


def version(client: redis.Redis, *keys: str) -> tuple[bytes | None, ...]:
    """What was last noted at these keys: another value after each change of the indexes."""
    return tuple(client.mget(keys))


def plain(value: Any) -> str:
    """A value as text: the server answers with bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)
