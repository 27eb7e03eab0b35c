"""What every request and answer passes through."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _

Handler = Callable[[HttpRequest], HttpResponseBase]

# Everything comes from this site; pages carry no inline script. The admin's own pages carry styles.
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)
FORM_OVERHEAD = 100_000  # bytes of a form around its file


class ContentSecurityPolicy:
    """Tell browsers that nothing may be loaded from elsewhere."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Add the header to every answer."""
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response


class RefuseLargeBodies:
    """Only staff may send films; from others no more than a picture is read, let alone stored."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Refuse before the body is looked at."""
        try:
            length = int(request.META.get("CONTENT_LENGTH") or 0)
        except ValueError:
            return HttpResponse(status=400)
        most = settings.MAX_PICTURE_BYTES + FORM_OVERHEAD
        if length > most and not (request.user.is_authenticated and request.user.is_staff):
            message = _("The picture is too large: at most %(most)d MB are accepted.") % {
                "most": settings.MAX_PICTURE_BYTES // 1_000_000
            }
            return render(request, "gallery/error.html", {"message": message}, status=413)
        return self.get_response(request)
