"""Rate limits: counters in the cache, which all processes share.

While the cache cannot be reached nothing is limited. The cache is the Redis that holds the index,
so there is little to protect then, and an outage should lock nobody out.
"""

import ipaddress
import logging
import time
from contextlib import suppress
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from ninja.throttling import SimpleRateThrottle
from redis.exceptions import RedisError

from gallery.core.errors import TooManyRequests

log = logging.getLogger(__name__)
IPV6_PREFIX = 64  # bits: the usual allocation to one customer


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of a rate is used: `count` of `limit`; the count restarts in `reset` seconds."""

    count: int
    limit: int
    reset: int

    @property
    def is_exceeded(self) -> bool:
        """Return whether this use exceeds the limit."""
        return self.count > self.limit


def parse_rate(rate: str) -> tuple[int, int]:
    """Return a rate (600/m, 10/s, 100/5m) as requests and seconds. Raises ValueError."""
    limit, seconds = SimpleRateThrottle(rate).parse_rate(rate)
    if not limit or not seconds or limit < 1:
        raise ValueError(rate)
    return limit, seconds


def client_address(request: HttpRequest) -> str:
    """Return the client's IPv4 address, or the /64 network of its IPv6 address (see PROXIES)."""
    meta = request.META
    return find_address(meta.get("REMOTE_ADDR") or "", meta.get("HTTP_X_FORWARDED_FOR") or "")


def find_address(address: str, forwarded: str) -> str:
    """Return the client's address from that of the connection, and the header X-Forwarded-For."""
    if settings.NINJA_NUM_PROXIES and forwarded:
        addresses = [address.strip() for address in forwarded.split(",")]
        address = addresses[-min(settings.NINJA_NUM_PROXIES, len(addresses))]
    with suppress(ValueError):
        parsed = ipaddress.ip_address(address)
        if isinstance(parsed, ipaddress.IPv6Address):
            if parsed.ipv4_mapped:
                return str(parsed.ipv4_mapped)
            return str(ipaddress.ip_network((parsed, IPV6_PREFIX), strict=False))
    return address


def client_key(request: HttpRequest) -> str:
    """Return the key that a client is counted under: its user, else its address."""
    if request.user.is_authenticated:
        return user_key(request.user.pk)
    return f"address-{client_address(request)}"


def user_key(user: int) -> str:
    """Return the key that a user (id) is counted under, on pages, in the API and in MCP."""
    return f"user-{user}"


def count_use(name: str, client: str, rate: str, uses: int = 1) -> Usage:
    """Count uses of `name` by a client, in fixed windows of the rate's period."""
    limit, seconds = parse_rate(rate)
    window, elapsed = divmod(time.time(), seconds)
    reset = int(seconds - elapsed) + 1
    try:
        count = increment(f"{name}-{client}-{int(window)}", reset, uses)
    except RedisError as error:
        log.warning("nothing is limited, because the cache cannot be used: %s", error)
        count = 0
    return Usage(count, limit, reset)


def check_rate(request: HttpRequest, name: str, rate: str) -> None:
    """Count a request of a page; an empty rate means no limit. Raises TooManyRequests."""
    check_client(name, client_key(request), rate)


def check_client(name: str, client: str, rate: str, uses: int = 1) -> None:
    """Count uses by a client; an empty rate or client means no limit. Raises TooManyRequests.

    Several uses at once are refused only when none is left: otherwise, a request for more than the
    limit could never succeed.
    """
    if not rate or not client or uses < 1:
        return
    usage = count_use(name, client, rate, uses)
    if usage.count - uses >= usage.limit:
        raise TooManyRequests(usage.reset)


def increment(key: str, seconds: int, by: int = 1) -> int:
    """Count calls and return how many there were for this key within `seconds`.

    Raises RedisError.
    """
    with suppress(ValueError):  # it expired between add and incr
        # `add` is atomic: the first caller sets the number, the others increment it.
        return by if cache.add(key, by, seconds) else int(cache.incr(key, by))
    return by
