"""The API: its routers, error handlers and description."""

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext_noop
from ninja import NinjaAPI
from ninja.errors import HttpError, Throttled, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from ninja.renderers import JSONRenderer

from gallery.boards import api as boards
from gallery.core import api_errors
from gallery.core.api_errors import ApiError
from gallery.core.errors import GalleryError
from gallery.films import api as films
from gallery.importing import api as importing
from gallery.labels import api as labels
from gallery.rest.docs import Page
from gallery.rest.guard import TOKEN_OPTIONAL, RequestLimit, read_session
from gallery.scenes import api as frames
from gallery.search import api as finding
from gallery.storyboards import api as storyboards

DESCRIPTION = """\
Find, watch, compare and export scenes from a program: everything the site does, as JSON.

The API and the pages share one search, so a search takes the parameters of the search page.
"""


class Readable(JSONRenderer):
    """Sends Chinese without escaping it."""

    json_dumps_params = {"ensure_ascii": False}


class SceneApi(NinjaAPI):
    """An API whose description marks the operations that need no token."""

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """Return the name of the function, which is also the name of the URL."""
        return operation.view_func.__name__

    def get_openapi_schema(self, **how: Any) -> OpenAPISchema:
        """Mark the token as optional where reading needs none."""
        schema = super().get_openapi_schema(**how)
        open_to_readers = {
            self.get_openapi_operation_id(operation)
            for bound in self._get_bound_routers()
            for view in bound.path_operations.values()
            for operation in view.operations
            if read_session in (operation.auth_callbacks or ())
        }
        for methods in schema["paths"].values():
            for operation in methods.values():
                if operation["operationId"] in open_to_readers:
                    operation["security"] = [{}, *operation["security"]]
                for parameter in operation["parameters"]:
                    # JSON Schema has a list of examples, an OpenAPI parameter a mapping.
                    parameter.pop("examples", None)
        return schema


api = SceneApi(
    title="Scene Search",
    version=settings.VERSION,
    description=DESCRIPTION,
    urls_namespace="api",
    docs=Page(),
    renderer=Readable(),
    auth=TOKEN_OPTIONAL,
    throttle=RequestLimit(),
    openapi_extra={
        "tags": [
            {
                "name": gettext_noop("Search"),
                "description": gettext_noop("Find scenes by words, pictures and frames."),
            },
            {
                "name": gettext_noop("Films"),
                "description": gettext_noop("Films, their shots and their dialogue."),
            },
            {
                "name": gettext_noop("Frames and scenes"),
                "description": gettext_noop("One frame, or any scene."),
            },
            {
                "name": gettext_noop("Labels"),
                "description": gettext_noop("Labels made by staff, used as filters."),
            },
            {
                "name": gettext_noop("Boards"),
                "description": gettext_noop("Saved scenes. Needs a token."),
            },
            {
                "name": gettext_noop("Storyboards"),
                "description": gettext_noop("Scripts with scenes for every line. Needs a token."),
            },
            {"name": gettext_noop("Service"), "description": gettext_noop("About the API itself.")},
        ]
    },
)
for router in (
    finding.router,
    films.router,
    frames.router,
    labels.router,
    boards.router,
    storyboards.router,
    importing.router,
):
    api.add_router("", router)


def not_found(_request: HttpRequest) -> HttpResponse:
    """Answer any other URL below /api/ with error 404."""
    return api_errors.error_response(404)


@api.exception_handler(GalleryError)
def _gallery_error(_request: HttpRequest, error: GalleryError) -> HttpResponse:
    return api_errors.response_for_error(error)


@api.exception_handler(ApiError)
def _api_error(_request: HttpRequest, error: ApiError) -> HttpResponse:
    return api_errors.error_response(error.status, str(error))


@api.exception_handler(Http404)
def _http404(_request: HttpRequest, _error: Http404) -> HttpResponse:
    return api_errors.error_response(404)


@api.exception_handler(HttpError)
def _http_error(_request: HttpRequest, error: HttpError) -> HttpResponse:
    response = api_errors.error_response(error.status_code)
    if isinstance(error, Throttled) and error.wait:
        response["Retry-After"] = str(error.wait)
    return response


@api.exception_handler(ValidationError)
def _validation_error(_request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Report invalid parameters and fields."""
    details = [
        {
            "field": ".".join(str(part) for part in one["loc"][2:]) or str(one["loc"][-1]),
            "message": one["msg"],
        }
        for one in error.errors
    ]
    sentence = "; ".join(f"{one['field']}: {one['message']}" for one in details)
    return api_errors.error_response(400, sentence, details)
