"""Who asks the API, and how often: tokens, what is open without one, and the limit."""

import logging
import threading
import time
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.http import HttpRequest
from ninja.security import HttpBearer
from ninja.throttling import BaseThrottle, SimpleRateThrottle
from redis.exceptions import RedisError

from gallery import access

log = logging.getLogger(__name__)
SAFE = ("GET", "HEAD", "OPTIONS")


class Token(HttpBearer):
    """A token of a user, which `gallery.api.middleware` has looked up."""

    def authenticate(self, request: HttpRequest, _token: str) -> Any:
        """The token, when its user may search here."""
        return request.__dict__.get("api_token") if access.may_search(request.user) else None


def reader(request: HttpRequest) -> str | None:
    """Somebody without a token who may see the pages.

    A browser's session counts for reading only: another site can make a browser send things in
    its user's name, but it cannot read the answer.
    """
    user = request.user if request.method in SAFE else AnonymousUser()
    return "reader" if access.may_search(user) else None


TOKEN = Token()
ANYBODY = (TOKEN, reader)


class Limit(BaseThrottle):
    """So many requests a minute (or another period) for a user, or else for an address.

    Counted in the cache, which all processes share. Without the cache nothing is limited.
    """

    def __init__(self) -> None:
        self._told = threading.local()

    def allow_request(self, request: HttpRequest) -> bool:
        """Count a request; False when it is one too many."""
        token = request.__dict__.get("api_token")
        rate = settings.API_RATE if token else settings.API_RATE_WITHOUT_TOKEN
        if not rate:
            return True
        most, seconds = parse_rate(rate)
        who = f"user-{token.user_id}" if token else f"address-{self.get_ident(request)}"
        window, spent = divmod(time.time(), seconds)
        left = int(seconds - spent) + 1
        count = _count(f"api-{who}-{int(window)}", left)
        request.__dict__["api_limit"] = (most, max(0, most - count), left)
        self._told.wait = left
        return count <= most

    def wait(self) -> float | None:
        """Seconds until counting begins anew: asked in the same thread, after a refusal."""
        return float(self._told.wait)


def parse_rate(rate: str) -> tuple[int, int]:
    """How many requests in how many seconds: 600/m, 10/s, 100/5m. Raises ValueError."""
    most, seconds = SimpleRateThrottle(rate).parse_rate(rate)
    if not most or not seconds or most < 1:
        raise ValueError(rate)
    return most, seconds


def _count(key: str, seconds: int) -> int:
    """How many times this was called for a key, this call included."""
    try:
        # Whoever is first puts down 1, and the others add to it: no two of them read the same.
        return 1 if cache.add(key, 1, seconds) else int(cache.incr(key))
    except RedisError:
        log.exception("requests to the API are not counted")
        return 0
