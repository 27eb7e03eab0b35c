"""Errors as the API reports them: {"error": for people, "code": for programs}.

The codes do not depend on the language.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from django.http import JsonResponse
from django.utils.translation import gettext as _

from gallery.core.errors import DiskFull, GalleryError, TooManyRequests, http_status

CODES = {
    400: "invalid",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    429: "too_many_requests",
    500: "internal_error",
    503: "unavailable",
    507: "disk_full",
}


class ApiError(Exception):
    """End a request with an HTTP status and a message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def error_response(
    status: int, message: str = "", details: Sequence[Mapping[str, str]] = ()
) -> JsonResponse:
    """Return an error as JSON; an empty message means the status's default message."""
    body: dict[str, object] = {
        "error": message or _default_message(status),
        "code": CODES.get(status, "error"),
    }
    if details:
        body["details"] = details
    response = JsonResponse(body, status=status, json_dumps_params={"ensure_ascii": False})
    if status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = "Bearer"
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response["Retry-After"] = "5"
    return response


def response_for_error(error: GalleryError) -> JsonResponse:
    """Return the response to a request that ended with this error."""
    response = error_response(http_status(error), str(error))
    if isinstance(error, TooManyRequests):
        response["Retry-After"] = str(error.retry_after)
    return response


def _default_message(status: int) -> str:
    return {
        400: _("Invalid request."),
        401: _("An API token is required. Send it as Authorization: Bearer TOKEN."),
        403: _("You do not have permission to do this."),
        404: _("Not found."),
        405: _("This address does not support this method."),
        413: _("The request is too large."),
        429: _("Too many requests. Please wait a moment."),
        507: str(DiskFull()),
        503: _("The service is unavailable. Please try again in a moment."),
    }.get(status, _("Something went wrong. Nothing was lost; see the log for details."))
