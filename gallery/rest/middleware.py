"""Middleware of the API: bearer tokens, JSON errors and rate-limit headers."""

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _

from gallery.accounts import tokens
from gallery.core import api_errors, rate_limits
from gallery.core.errors import TooManyRequests
from gallery.core.rate_limits import Usage
from gallery.rest.guard import SAFE

Handler = Callable[[HttpRequest], HttpResponseBase]
ROOT = "/api/"
# Pictures, clips and exports, which clients of the API fetch with the same token.
TOKEN_READABLE_URLS = {
    *("thumbnail", "small_thumbnail", "still", "frame_still", "probe_picture"),
    *("clip", "exact_clip", "animation", "whole_film", "subtitles"),
    *("board_csv", "board_edl", "board_otio", "download_export"),
}


def is_for_api(request: HttpRequest) -> bool:
    """Return whether a request is one to the API."""
    return request.path_info.startswith(ROOT)


class ErrorsAsJson:
    """Turns all errors below /api/ into JSON, and adds the rate-limit headers."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Replace error pages by JSON."""
        response = self.get_response(request)
        if not is_for_api(request):
            return response
        is_json = response.get("Content-Type", "").startswith("application/json")
        if response.status_code >= HTTPStatus.BAD_REQUEST and not is_json:
            error = api_errors.error_response(response.status_code)
            for name in ("Allow", "Retry-After", "WWW-Authenticate"):
                if name in response:
                    error[name] = response[name]
            response = error
        usage: Usage | None = request.__dict__.get("api_usage")
        if usage:
            response["RateLimit-Limit"] = str(usage.limit)
            response["RateLimit-Remaining"] = str(max(0, usage.limit - usage.count))
            response["RateLimit-Reset"] = str(usage.reset)
        return response


class BearerToken:
    """Authenticates requests with `Authorization: Bearer TOKEN` as the token's user.

    Tokens are valid for the API and for reading the files that it links to. The API refuses
    unknown tokens; elsewhere they are ignored, as they may be meant for a proxy.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass the request on; the view is not resolved yet."""
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_view: object) -> HttpResponseBase | None:
        """Look up the token."""
        kind, _space, secret = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not (is_for_api(request) or _is_token_readable(request)):
            return None
        token = tokens.find_token(secret.strip())
        if token is not None:
            request.user = token.user
            request.__dict__["api_token"] = token
        elif is_for_api(request):
            return _unknown_token(request)
        return None


def _unknown_token(request: HttpRequest) -> HttpResponseBase:
    """Refuse an unknown token, and count those of each IP address."""
    address = rate_limits.client_address(request)
    try:
        tokens.count_unknown(address)
    except TooManyRequests as error:
        return api_errors.response_for_error(error)
    return api_errors.error_response(
        HTTPStatus.UNAUTHORIZED,
        _("Unknown token. It may have been revoked; create a new one."),
    )


def _is_token_readable(request: HttpRequest) -> bool:
    """Return whether a request reads a file that the API links to."""
    match = request.resolver_match
    return request.method in SAFE and match is not None and match.url_name in TOKEN_READABLE_URLS
