"""What requests with a token, and answers of the API, pass through."""

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
MAX_UNKNOWN_TOKENS = "30/m"  # from one address
# Pictures, clips and exports: programs fetch them with the same token.
TOKEN_READABLE_URLS = {
    *("thumbnail", "still", "frame_still", "probe_picture"),
    *("clip", "exact_clip", "animation", "whole_film", "subtitles"),
    *("board_csv", "board_edl", "board_otio", "download_export"),
}


def is_for_api(request: HttpRequest) -> bool:
    """Whether a request is one to the API."""
    return request.path_info.startswith(ROOT)


class ErrorsAsJson:
    """Whatever goes wrong below /api/ is told as JSON, whoever noticed; answers tell the limit."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Turn error pages into errors."""
        response = self.get_response(request)
        if not is_for_api(request):
            return response
        is_json = response.get("Content-Type", "").startswith("application/json")
        if response.status_code >= HTTPStatus.BAD_REQUEST and not is_json:
            told = api_errors.error_response(response.status_code)
            for name in ("Allow", "Retry-After", "WWW-Authenticate"):
                if name in response:
                    told[name] = response[name]
            response = told
        usage: Usage | None = request.__dict__.get("api_usage")
        if usage:
            response["RateLimit-Limit"] = str(usage.limit)
            response["RateLimit-Remaining"] = str(max(0, usage.limit - usage.count))
            response["RateLimit-Reset"] = str(usage.reset)
        return response


class BearerToken:
    """A request with `Authorization: Bearer TOKEN` is one of the token's user.

    It is good for the API, and for what the API gives addresses of, to read it. A token that is
    none is refused by the API; elsewhere it may be a proxy's own, and is left alone.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Nothing is known yet of what is asked for."""
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
    """Refuse a token that is not known, and an address that sends many of them."""
    address = rate_limits.client_address(request)
    usage = rate_limits.count_use("unknown-token", address, MAX_UNKNOWN_TOKENS)
    if usage.is_exceeded:
        return api_errors.response_to_error(TooManyRequests(usage.reset))
    return api_errors.error_response(
        HTTPStatus.UNAUTHORIZED,
        _("Unknown token. It may have been revoked; create a new one."),
    )


def _is_token_readable(request: HttpRequest) -> bool:
    """Whether something is read that the API gives addresses of."""
    match = request.resolver_match
    return request.method in SAFE and match is not None and match.url_name in TOKEN_READABLE_URLS
