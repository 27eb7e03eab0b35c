"""The server of the Model Context Protocol (modelcontextprotocol.io), with the official SDK."""

import functools
import inspect
import io
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import anyio.to_thread
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.core.handlers.wsgi import WSGIRequest
from django.db import close_old_connections
from django.http import Http404, HttpRequest
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import ToolAnnotations
from pydantic import AnyHttpUrl
from starlette.types import ASGIApp

from gallery.accounts import tokens
from gallery.clip import weights
from gallery.core import rate_limits
from gallery.core.errors import GalleryError
from gallery.mcp.tools import SceneTools
from gallery.mcp.unknown_tokens import LimitUnknownTokens

INSTRUCTIONS = """\
Find scenes in a library of films by what is seen, said or written in them, look at them, and
collect them on boards. Search in a few words that describe a picture; look at frames before you
rely on them. Times are seconds from the start of a film. Give people the addresses in `page`.
"""
READING = ToolAnnotations(read_only_hint=True, open_world_hint=False)
WRITING = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
READING_TOOLS = (
    *("search_scenes", "list_films", "read_dialogue", "get_frame", "look_at_frame", "score_words"),
    *("get_clip", "list_boards", "get_board", "get_storyboard"),
)
WRITING_TOOLS = (
    *("create_board", "add_to_board", "create_storyboard", "choose_scene", "rewrite_row"),
    "save_storyboard",
)


def build_local_server(user: AbstractBaseUser | AnonymousUser) -> MCPServer[Any]:
    """Return a server for one user, for standard input and output."""
    return _build_server(SceneTools(lambda: _make_request(user)))


def build_http_app() -> ASGIApp:
    """Return a server for HTTP, whose users send API tokens: `Authorization: Bearer TOKEN`."""
    server = _build_server(
        SceneTools(lambda: _make_request(_user_of_token())),
        token_verifier=ApiTokens(),
        auth=AuthSettings(issuer_url=AnyHttpUrl(settings.SITE_URL), resource_server_url=None),
    )
    app = server.streamable_http_app(
        stateless_http=True, json_response=True, transport_security=_host_checks()
    )
    return LimitUnknownTokens(app)


def _host_checks() -> TransportSecuritySettings:
    """Return which host names clients may use: those of the site, with any port."""
    hosts = [*settings.ALLOWED_HOSTS, *(f"{host}:*" for host in settings.ALLOWED_HOSTS)]
    return TransportSecuritySettings(
        allowed_hosts=hosts,
        allowed_origins=[f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts],
    )


class ApiTokens:
    """Verifies the API tokens that users create on the site."""

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return the token and its user as `subject`, or None if it is unknown."""
        found = await anyio.to_thread.run_sync(_with_connection(tokens.find_token), token)
        if found is None:
            return None
        user = str(found.user_id)
        return AccessToken(token=token, client_id=user, subject=user, scopes=[])


def _user_of_token() -> AbstractBaseUser | AnonymousUser:
    """Return the user of the request that is answered, and count the request (API_RATE)."""
    token = get_access_token()
    subject = token.subject if token else None
    user = get_user_model().objects.filter(pk=subject or 0, is_active=True).first()
    if user is None:
        return AnonymousUser()
    rate_limits.check_client("api", rate_limits.user_key(user.pk), settings.API_RATE)
    return user


def _make_request(user: AbstractBaseUser | AnonymousUser) -> HttpRequest:
    """Return a request of a user to the site: what makes addresses takes it from there."""
    address = urlsplit(settings.SITE_URL)
    request = WSGIRequest(
        {
            "REQUEST_METHOD": "GET",
            "HTTP_HOST": address.netloc,
            "HTTP_X_FORWARDED_PROTO": address.scheme,
            "wsgi.url_scheme": address.scheme,
            "wsgi.input": io.BytesIO(),
        }
    )
    request.user = user  # type: ignore[assignment]
    return request


def _build_server(tools: SceneTools, **options: Any) -> MCPServer[Any]:
    server: MCPServer[Any] = MCPServer(
        "scene-search",
        title="Scene Search",
        version=settings.VERSION,
        instructions=INSTRUCTIONS,
        **options,
    )
    for names, annotations in ((READING_TOOLS, READING), (WRITING_TOOLS, WRITING)):
        for name in names:
            method = getattr(tools, name)
            description = inspect.getdoc(method)
            tool = _with_connection(_with_one_model(_with_messages(method)))
            server.add_tool(tool, name=name, description=description, annotations=annotations)
    return server


def _with_messages(method: Callable[..., Any]) -> Callable[..., Any]:
    """Pass on the messages of errors, which the SDK otherwise hides."""

    @functools.wraps(method)
    def call(*args: Any, **options: Any) -> Any:
        try:
            return method(*args, **options)
        except GalleryError as error:
            raise ToolError(str(error)) from error
        except Http404 as error:
            raise ToolError("There is nothing with this id or token.") from error

    return call


def _with_one_model(function: Callable[..., Any]) -> Callable[..., Any]:
    """Use the model that is active when a tool is called, not when the server was started."""

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        with weights.use():
            return function(*args, **options)

    return call


def _with_connection(function: Callable[..., Any]) -> Callable[..., Any]:
    """Close connections to the database that are old, as Django does around requests."""

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        close_old_connections()
        try:
            return function(*args, **options)
        finally:
            close_old_connections()

    return call
