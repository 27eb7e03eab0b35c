"""Middleware that needs the foundations above `gallery.core`."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from gallery.clip import weights


class OneModel:
    """Answer each request with one model, even if another becomes active meanwhile."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request."""
        with weights.use():
            return self.get_response(request)
