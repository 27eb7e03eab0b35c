"""Middleware: security headers, limits on requests, error pages, login."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, HttpResponseBase, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.middleware.gzip import GZipMiddleware
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django_htmx.http import HttpResponseClientRedirect

from gallery.core import access, api_errors
from gallery.core.disk import is_disk_full
from gallery.core.errors import DiskFull, GalleryError, PicturesBusy, TooManyRequests, http_status

log = logging.getLogger(__name__)

Handler = Callable[[HttpRequest], HttpResponseBase]

# All resources come from this site, and no page has inline scripts. The admin has inline styles.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)
COMPRESSED_TYPES = ("text/", "application/json", "image/svg+xml")
FORM_OVERHEAD = 100_000  # bytes of a form besides its file
MAX_ADDRESS_BYTES = 16_384  # twice 500 characters of nine bytes, frames, films and labels


class CompressText(GZipMiddleware):
    """Compress pages and API responses with gzip.

    Django pads each response at random, so that its length does not reveal a secret (BREACH).
    Streams are left alone: clips and pictures are compressed already, ranges refer to the bytes of
    the file, and progress must arrive at once.
    """

    def process_response(self, request: HttpRequest, response: Any) -> HttpResponseBase:
        """Compress a complete text response, if the client accepts it."""
        content_type = response.get("Content-Type", "")
        if response.streaming or not content_type.startswith(COMPRESSED_TYPES):
            return response
        compressed: HttpResponseBase = super().process_response(request, response)
        return compressed


class ContentSecurityPolicy:
    """Add a content security policy that forbids resources from other sites."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Add the header to every response."""
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        return response


class RejectLongUrls:
    """Answer 414 to URLs that are too long; proxies and browsers may not accept them either."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Refuse the request before its query is parsed."""
        if len(request.META.get("QUERY_STRING", "")) <= MAX_ADDRESS_BYTES:
            return self.get_response(request)
        message = _("This address is too long. Use fewer words or pictures.")
        if request.path_info.startswith("/api/"):
            return api_errors.error_response(HTTPStatus.REQUEST_URI_TOO_LONG, message)
        context = {"message": message, "nowhere": True}
        request.META["QUERY_STRING"] = ""  # the page repeats its query in links
        return render(request, "gallery/error.html", context, status=414)


def _way_back(request: HttpRequest) -> str:
    """Return the URL of the page that a form was sent from, "" if it is unknown."""
    if request.method == "GET":
        return request.get_full_path()
    address = request.headers.get("Referer", "")
    is_here = url_has_allowed_host_and_scheme(address, {request.get_host()})
    return address if is_here else ""


class RejectLargeBodies:
    """Only staff may upload films: from others, nothing larger than a picture is read."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Refuse the request before its body is read."""
        try:
            length = int(request.META.get("CONTENT_LENGTH") or 0)
        except ValueError:
            return HttpResponse(status=400)
        max_bytes = settings.MAX_PICTURE_BYTES + FORM_OVERHEAD
        if length > max_bytes and not (request.user.is_authenticated and request.user.is_staff):
            message = _("The picture is too large. The limit is %(most)d MB.") % {
                "most": settings.MAX_PICTURE_BYTES // 1_000_000
            }
            if request.path_info.startswith("/api/"):
                return api_errors.error_response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
            context = {"message": message, "way_back": _way_back(request)}
            return render(request, "gallery/error.html", context, status=413)
        return self.get_response(request)


def _read_form(request: HttpRequest) -> GalleryError | None:
    """Read a form and its uploads. Return why that is impossible, if it is."""
    try:
        _form_is_read = request.POST
    except UnreadablePostError:
        return None  # the client has gone
    except MultiPartParserError:
        return GalleryError(
            _("The upload could not be read. If the name of the file is very long, shorten it, and "
              "try again.")
        )  # fmt: skip
    except SuspiciousOperation:  # raised for more than DATA_UPLOAD_MAX_...
        return GalleryError(
            _("This form has more files or text than the site accepts. Send less at once.")
        )
    return None


class RenderErrors:
    """Render GalleryErrors that no view has handled."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Refuse a request whose body could not be stored or read; pass others on."""
        error = request.META.get("gallery.body_error") or _read_form(request)
        return (error and self.process_exception(request, error)) or self.get_response(request)

    def process_view(self, request: HttpRequest, *_view: object) -> HttpResponse | None:
        """Refuse the request when there was no space for an upload."""
        error = request.__dict__.get("upload_error")
        return self.process_exception(request, error) if error else None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Return a page with the error's message; None for other exceptions, which are logged."""
        if is_disk_full(error):
            error = DiskFull()
        if not isinstance(error, GalleryError):
            return None
        log.warning("%s: %s", request.path_info, error)
        if request.path_info.startswith("/api/"):
            return api_errors.response_for_error(error)
        status = http_status(error)
        context = {
            "message": str(error),
            "too_many": status == HTTPStatus.TOO_MANY_REQUESTS,
            "way_back": _way_back(request),
        }
        response = render(request, "gallery/error.html", context, status=status)
        if isinstance(error, TooManyRequests | PicturesBusy):
            response["Retry-After"] = str(error.retry_after)
        return response


class RequireLogin:
    """Require a login for all but the public pages where SEARCH_NEEDS_LOGIN is set.

    API tokens were checked before: see `gallery.rest.middleware`.
    """

    PUBLIC_URL_NAMES = {"login", "logout", "set_language", "health", "metrics"}

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Keep shared caches from storing pages and pictures that need a login."""
        response = self.get_response(request)
        if settings.SEARCH_NEEDS_LOGIN and "public" in response.get("Cache-Control", ""):
            response["Cache-Control"] = response["Cache-Control"].replace("public", "private")
        return response

    def process_view(self, request: HttpRequest, *_view: object) -> HttpResponseBase | None:
        """Redirect anonymous users to the login. The admin has its own check."""
        match = request.resolver_match
        if match is None or match.url_name in self.PUBLIC_URL_NAMES or match.namespace == "admin":
            return None
        if access.may_search(request.user):
            return None
        if request.path_info.startswith("/api/"):
            return api_errors.error_response(HTTPStatus.UNAUTHORIZED)
        if request.htmx:  # type: ignore[attr-defined]
            return HttpResponseClientRedirect(reverse("login"))
        return redirect_to_login(request.get_full_path() if request.method == "GET" else "/")
