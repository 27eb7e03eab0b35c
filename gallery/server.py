"""The Redis server that holds the indexes: connections, and what it says, in plain words."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import redis
from django.utils.translation import gettext as _

from gallery.errors import IndexMissing, IndexUnavailable, IndexWarmingUp, NoSearchCommands


@contextmanager
def speaking_plainly() -> Iterator[None]:
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
        if "no such index" in said or "unknown index" in said or "index not found" in said:
            raise IndexMissing from error
        if "timeout" in said:
            raise IndexUnavailable(
                _("The search took too long and was given up. Please try again.")
            ) from error
        if "oom" in said or "used memory" in said:
            raise IndexUnavailable(
                _("Redis has no memory left for more frames. Raise its maxmemory, then retry.")
            ) from error
        raise


@cache
def connect(url: str) -> redis.Redis:
    """A pool of connections to a Redis server; replies in the shape of protocol 2."""
    return redis.Redis.from_url(
        url, protocol=2, socket_connect_timeout=5, socket_timeout=30, health_check_interval=30
    )


def check_server(url: str) -> None:
    """Raise when the Redis server at `url` cannot be used, in words that say what to do."""
    with speaking_plainly():
        client = connect(url)
        client.ping()
        client.execute_command("FT._LIST")
