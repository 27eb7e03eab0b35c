"""How often a login may be tried, counted in the cache.

Three counters rise with every attempt that fails: of an account from one address, of an address
for all accounts, and of an account from all addresses. Beyond its free attempts a counter allows
one attempt in a time that doubles with each. That of an account is short and does not apply to
addresses from which it was logged in to before, so strangers cannot lock its owner out.

Every attempt is counted before the password is checked, so attempts made at the same time cannot
slip through. After a day the counters start again. Like all limits, these are off while the cache
cannot be reached.
"""

import hashlib
import logging
import time
from contextlib import suppress
from dataclasses import dataclass

from django.core.cache import cache
from redis.exceptions import RedisError

from gallery.core.errors import TooManyLogins

log = logging.getLogger(__name__)

DAY = 86_400  # seconds
TRUSTED_FOR = 30 * DAY  # how long an address is known for an account after a login
GENERATION = "login-generation"  # part of the counters' names: another one resets them all


@dataclass(frozen=True, slots=True)
class Limit:
    """Attempts without a wait, and the wait (seconds) after each further one."""

    free: int
    first_wait: int
    max_wait: int

    def wait(self, attempts: int) -> int:
        """Seconds to wait after so many attempts."""
        doublings = min(attempts - self.free, 16)
        return min(self.max_wait, self.first_wait << doublings) if doublings >= 0 else 0


ACCOUNT_AND_ADDRESS = Limit(free=5, first_wait=60, max_wait=3600)
ADDRESS = Limit(free=30, first_wait=60, max_wait=3600)
ACCOUNT = Limit(free=100, first_wait=60, max_wait=60)


class Attempt:
    """One attempt to log in to an account (a name as typed, of a user or not) from an address."""

    def __init__(self, account: str, address: str) -> None:
        account = account.strip().casefold()
        self._known = _key("known", account, address)
        self._limits = {
            ("account-address", account, address): ACCOUNT_AND_ADDRESS,
            ("address", address): ADDRESS,
            ("account", account): ACCOUNT,
        }
        self._counted: dict[str, Limit] = {}

    def begin(self) -> None:
        """Count it. Raises TooManyLogins when it comes too early; then no password is checked."""
        try:
            generation = str(cache.get(GENERATION, 0))
            self._counted = {
                _key(*parts, generation): limit for parts, limit in self._limits.items()
            }
            if cache.get(self._known):
                self._counted = {k: n for k, n in self._counted.items() if n is not ACCOUNT}
            for key in self._counted:
                _refuse_locked(key)
            for key, limit in self._counted.items():
                wait = limit.wait(_increase(key))
                if wait and not cache.add(f"{key}-until", time.time() + wait, wait):
                    _refuse_locked(key)
        except RedisError as error:
            log.warning("logins are not limited, because the cache cannot be used: %s", error)

    def succeed(self) -> None:
        """The password was right: take the attempt back, and remember the address."""
        try:
            for key, limit in self._counted.items():
                cache.delete(f"{key}-until")
                if limit is ACCOUNT_AND_ADDRESS:
                    cache.delete(key)
                    continue
                with suppress(ValueError):  # it has expired
                    cache.decr(key)
            cache.set(self._known, 1, TRUSTED_FOR)
        except RedisError as error:
            log.warning("logins are not limited, because the cache cannot be used: %s", error)


def reset() -> None:
    """Forget all failed attempts, of all accounts and addresses. Raises RedisError."""
    if not cache.add(GENERATION, 1, timeout=None):
        cache.incr(GENERATION)


def _key(*parts: str) -> str:
    # A digest: names may be long, and need not be readable in Redis.
    return f"login-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:32]}"


def _increase(key: str) -> int:
    with suppress(ValueError):  # it expired between the two
        return 1 if cache.add(key, 1, DAY) else int(cache.incr(key))
    return 1


def _refuse_locked(key: str) -> None:
    until = cache.get(f"{key}-until")
    if until is not None:
        raise TooManyLogins(max(1, round(until - time.time())))
