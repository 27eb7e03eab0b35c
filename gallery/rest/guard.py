"""Who asks the API, and how often: tokens, what is open without one, and the limit."""

import threading
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from ninja.security import HttpBearer
from ninja.throttling import BaseThrottle

from gallery.core import access, rate_limits

SAFE = ("GET", "HEAD", "OPTIONS")


class Token(HttpBearer):
    """A token of a user, which `gallery.rest.middleware` has looked up."""

    def authenticate(self, request: HttpRequest, _token: str) -> Any:
        """The token, when its user may search here."""
        return request.__dict__.get("api_token") if access.may_search(request.user) else None


def read_session(request: HttpRequest) -> str | None:
    """Somebody without a token who may see the pages.

    A browser's session counts for reading only: another site can make a browser send things in
    its user's name, but it cannot read the answer.
    """
    user = request.user if request.method in SAFE else AnonymousUser()
    return "reader" if access.may_search(user) else None


TOKEN_REQUIRED = Token()
TOKEN_OPTIONAL = (TOKEN_REQUIRED, read_session)


class RequestLimit(BaseThrottle):
    """Limits the requests of a user, or else of an address, in a period."""

    def __init__(self) -> None:
        self._refused = threading.local()

    def allow_request(self, request: HttpRequest) -> bool:
        """Count a request; False when it is one too many."""
        token = request.__dict__.get("api_token")
        rate = settings.API_RATE if token else settings.API_RATE_WITHOUT_TOKEN
        if not rate:
            return True
        address = rate_limits.client_address(request)
        client = f"user-{token.user_id}" if token else f"address-{address}"
        usage = rate_limits.count_use("api", client, rate)
        request.__dict__["api_usage"] = usage
        self._refused.wait = usage.reset
        return not usage.is_exceeded

    def wait(self) -> float | None:
        """Seconds until requests are accepted again: asked in the same thread, after a refusal."""
        return float(self._refused.wait)
