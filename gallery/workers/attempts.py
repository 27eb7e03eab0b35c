"""Detects poison tasks among those without a row that could count attempts.

PREFIX:attempts:...      how often the task was started but did not end
PREFIX:given-up          sorted set: tasks that were given up, by time
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from gallery.core.errors import GalleryError
from gallery.workers.records import connect, key

MAX_ATTEMPTS = 3
KEPT_SECONDS = 86_400  # after which a task that was given up is retried


class GivenUp(GalleryError):  # noqa: N818 - the name states the problem
    """The task has killed its worker every time."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "Given up: the worker was killed %(count)d times during this task, probably "
                "because the machine ran out of memory."
            )
            % {"count": MAX_ATTEMPTS}
        )


@contextmanager
def count_attempt(*work: object) -> Iterator[None]:
    """Count an attempt at a task, and reset the count when the task ends, even with an error.

    So only attempts during which the worker died add up. Claim the task first, so that only one
    process counts. Raises GivenUp after MAX_ATTEMPTS. Without Redis, nothing is counted.
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


def list_given_up() -> list[tuple[str, int, float]]:
    """Return the work given up in the last KEPT_SECONDS: kind, id, and when (seconds since 1970).

    The latest comes first; empty if Redis does not respond.
    """
    try:
        pipe = connect().pipeline()
        pipe.zremrangebyscore(key("given-up"), "-inf", time.time() - KEPT_SECONDS)
        pipe.zrevrange(key("given-up"), 0, -1, withscores=True)
        _removed, found = pipe.execute()
    except (RedisError, OSError):
        return []
    given_up = []
    for name, at in found:
        kind, number = name.decode().split(":")
        given_up.append((kind, int(number), at))
    return given_up
