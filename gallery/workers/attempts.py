"""Attempts at work that has no row to count them, so that what kills its worker is given up.

PREFIX:attempts:...      how often the work was begun and not ended
PREFIX:given-up          sorted set: work that was given up, by the time of that
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from gallery.core.errors import GalleryError
from gallery.workers.records import connect, key

MAX_ATTEMPTS = 3
KEPT_SECONDS = 86_400  # after which work that was given up is tried again


class GivenUp(GalleryError):  # noqa: N818 - the name states the problem
    """The work has killed its worker each time."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "This was given up: the worker was killed %(count)d times while it was at it, "
                "probably because the machine ran out of memory."
            )
            % {"count": MAX_ATTEMPTS}
        )


@contextmanager
def count_attempt(*work: object) -> Iterator[None]:
    """Count an attempt at this work, until it ends in whatever way but the worker's death.

    Claim the work first: one process at a time may count. Raises GivenUp when MAX_ATTEMPTS did not
    end. Without Redis nothing is counted.
    """
    counter, name = key("attempts", *work), ":".join(map(str, work))
    with suppress(RedisError, OSError):
        pipe = connect().pipeline()
        pipe.incr(counter)
        pipe.expire(counter, KEPT_SECONDS, nx=True)
        attempts, _is_set = pipe.execute()
        if attempts > MAX_ATTEMPTS:
            with suppress(RedisError, OSError):
                connect().zadd(key("given-up"), {name: time.time()}, nx=True)
            raise GivenUp
    try:
        yield
    finally:
        with suppress(RedisError, OSError):
            pipe = connect().pipeline()
            pipe.delete(counter)
            pipe.zrem(key("given-up"), name)
            pipe.execute()


def list_given_up() -> list[tuple[list[str], float]]:
    """Return what was given up in the last KEPT_SECONDS, and when (seconds since 1970).

    The last comes first; none when Redis does not answer.
    """
    try:
        pipe = connect().pipeline()
        pipe.zremrangebyscore(key("given-up"), "-inf", time.time() - KEPT_SECONDS)
        pipe.zrevrange(key("given-up"), 0, -1, withscores=True)
        _removed, found = pipe.execute()
    except (RedisError, OSError):
        return []
    return [(name.decode().split(":"), at) for name, at in found]
