"""Authentication and rate limit of the API."""

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
    """Bearer authentication; `gallery.rest.middleware` has looked up the token."""

    def authenticate(self, request: HttpRequest, _token: str) -> Any:
        """Return the token if its user may search."""
        return request.__dict__.get("api_token") if access.may_search(request.user) else None


def read_session(request: HttpRequest) -> str | None:
    """Authenticate a client without a token who may see the pages.

    A session counts for reading only, to prevent CSRF: another site can make a browser send
    requests with its session, but cannot read the responses.
    """
    user = request.user if request.method in SAFE else AnonymousUser()
    return "reader" if access.may_search(user) else None


TOKEN_REQUIRED = Token()
TOKEN_OPTIONAL = (TOKEN_REQUIRED, read_session)


class RequestLimit(BaseThrottle):
    """Limits the requests of a user, or else of an IP address."""

    def __init__(self) -> None:
        self._refused = threading.local()

    def allow_request(self, request: HttpRequest) -> bool:
        """Count a request. Return whether it is within the limit."""
        token = request.__dict__.get("api_token")
        rate = settings.API_RATE if token else settings.API_RATE_WITHOUT_TOKEN
        if not rate:
            return True
        address = rate_limits.client_address(request)
        client = rate_limits.user_key(token.user_id) if token else f"address-{address}"
        usage = rate_limits.count_use("api", client, rate)
        request.__dict__["api_usage"] = usage
        self._refused.wait = usage.reset
        return not usage.is_exceeded

    def wait(self) -> float | None:
        """Return the seconds until requests are accepted; called in the thread of the refusal."""
        return float(self._refused.wait)
