"""Limits on failed logins, counted in the cache.

Each failed attempt increments three counters: of an account and IP address, of an address, and of
an account. Beyond its free attempts a counter allows one attempt per wait, which doubles each time.
The wait of an account is short and does not apply to addresses that logged in to it before, so that
others cannot lock its owner out.

Attempts are counted before the password is checked, so concurrent ones cannot bypass the limit. The
counters expire after a day. Like all rate limits, these are off while the cache is unreachable.
"""

import hashlib
import logging
import time
from contextlib import suppress
from dataclasses import dataclass

from django.core.cache import cache
from redis.exceptions import RedisError

from gallery.core.errors import TooManyLogins
from gallery.core.rate_limits import increment

log = logging.getLogger(__name__)

DAY = 86_400  # seconds
TRUSTED_SECONDS = 30 * DAY  # how long an address is trusted for an account after a login
GENERATION_KEY = "login-generation"  # part of the counters' names; incrementing it resets them all


@dataclass(frozen=True, slots=True)
class Limit:
    """The number of attempts without a wait, and the waits (seconds) after further ones."""

    free: int
    first_wait: int
    max_wait: int

    def wait(self, attempts: int) -> int:
        """Return the seconds to wait after a number of attempts."""
        doublings = min(attempts - self.free, 16)
        return min(self.max_wait, self.first_wait << doublings) if doublings >= 0 else 0


ACCOUNT_AND_ADDRESS = Limit(free=5, first_wait=60, max_wait=3600)
ADDRESS = Limit(free=30, first_wait=60, max_wait=3600)
ACCOUNT = Limit(free=100, first_wait=60, max_wait=60)


class Attempt:
    """An attempt to log in to an account (any name, as typed) from an IP address."""

    def __init__(self, account: str, address: str) -> None:
        account = account.strip().casefold()
        self._known = _key("known", account, address)
        self._limits = {
            ("account-address", account, address): ACCOUNT_AND_ADDRESS,
            ("address", address): ADDRESS,
            ("account", account): ACCOUNT,
        }
        self._counters: dict[str, Limit] = {}

    def begin(self) -> None:
        """Count the attempt, before the password is checked. Raises TooManyLogins."""
        try:
            generation = str(cache.get(GENERATION_KEY, 0))
            self._counters = {
                _key(*parts, generation): limit for parts, limit in self._limits.items()
            }
            if cache.get(self._known):
                self._counters = {k: n for k, n in self._counters.items() if n is not ACCOUNT}
            for key in self._counters:
                _raise_if_locked(key)
            for key, limit in self._counters.items():
                wait = limit.wait(increment(key, DAY))
                if wait and not cache.add(f"{key}-until", time.time() + wait, wait):
                    _raise_if_locked(key)
        except RedisError as error:
            log.warning("logins are not limited, because the cache cannot be used: %s", error)

    def succeed(self) -> None:
        """Record that the password was right: uncount the attempt and trust the address."""
        try:
            for key, limit in self._counters.items():
                cache.delete(f"{key}-until")
                if limit is ACCOUNT_AND_ADDRESS:
                    cache.delete(key)
                    continue
                with suppress(ValueError):  # it has expired
                    cache.decr(key)
            cache.set(self._known, 1, TRUSTED_SECONDS)
        except RedisError as error:
            log.warning("logins are not limited, because the cache cannot be used: %s", error)


def reset() -> None:
    """Reset the counters of all accounts and addresses. Raises RedisError."""
    if not cache.add(GENERATION_KEY, 1, timeout=None):
        cache.incr(GENERATION_KEY)


def _key(*parts: str) -> str:
    # Hashed, as names may be long and are private.
    return f"login-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:32]}"


def _raise_if_locked(key: str) -> None:
    until = cache.get(f"{key}-until")
    if until is not None:
        raise TooManyLogins(max(1, round(until - time.time())))
