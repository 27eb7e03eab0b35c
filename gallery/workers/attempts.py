"""Attempts at work that has no row to count them, so that what kills its worker is given up.

PREFIX:attempts:...      how often the work was begun and not ended
"""

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
    counter = key("attempts", *work)
    with suppress(RedisError, OSError):
        pipe = connect().pipeline()
        pipe.incr(counter)
        pipe.expire(counter, KEPT_SECONDS, nx=True)
        attempts, _is_set = pipe.execute()
        if attempts > MAX_ATTEMPTS:
            raise GivenUp
    try:
        yield
    finally:
        with suppress(RedisError, OSError):
            connect().delete(counter)
