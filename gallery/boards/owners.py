"""Visitors, and who owns what they keep: boards and storyboards.

These belong to a user, or to the browser session that holds their key. The key never changes, so
two tabs of a browser cannot overwrite each other's list of boards.
"""

import secrets
from dataclasses import dataclass
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext as _

from gallery.boards.models import VisitorOwned
from gallery.core import disk, rate_limits
from gallery.core.errors import BoardError

SESSION_NAME = "boards"  # the session entry that holds the key
DAY = 86_400  # seconds
KEEP_UNUSED_DAYS = 60  # how long what has no owner is kept after it was last used

Owned = TypeVar("Owned", bound=VisitorOwned)


@dataclass(frozen=True, slots=True)
class Visitor:
    """A user (id), or a browser session: its id and its `key`, "" while it has no boards.

    `client` is the name under which rate limits count; "" is not limited.
    """

    user: int | None = None
    key: str = ""
    session: str = ""
    client: str = ""


def visitor_of(request: HttpRequest) -> Visitor:
    """Return the visitor who sent a request."""
    if request.user.is_authenticated:
        return visitor_of_user(request.user.pk)
    client = rate_limits.client_key(request)
    key = request.session.get(SESSION_NAME, "")
    return Visitor(key=key, session=request.session.session_key or "", client=client)


def visitor_of_user(user: int) -> Visitor:
    """Return a user (id) as the visitor that they are on pages, in the API and in MCP."""
    return Visitor(user=user, client=rate_limits.user_key(user))


def ensure_visitor(request: HttpRequest) -> Visitor:
    """Return the visitor; a session gets its key, and from now on lasts as long as its boards.

    Raises TooManyRequests when one IP address starts too many sessions.
    """
    if not request.user.is_authenticated:
        if SESSION_NAME not in request.session:
            rate_limits.check_rate(request, "visitor", settings.BOARD_RATE)
            request.session[SESSION_NAME] = secrets.token_hex(16)
        request.session.set_expiry(KEEP_UNUSED_DAYS * DAY)
    return visitor_of(request)


def owned_by(visitor: Visitor, rows: QuerySet[Owned]) -> QuerySet[Owned]:
    """Return those of the rows that a visitor owns, the one used last first."""
    # Explicitly, because a query with totals ignores the default order of the model.
    rows = rows.order_by("-used", "-id")
    if visitor.user is not None:
        return rows.filter(owner=visitor.user)
    if visitor.key:
        return rows.filter(owner=None, visitor=visitor.key)
    return rows.none()


def owns(visitor: Visitor, thing: VisitorOwned) -> bool:
    """Return whether a visitor may change a board or a storyboard."""
    if thing.owner_id is not None:
        return thing.owner_id == visitor.user
    return visitor.user is None and bool(visitor.key) and thing.visitor == visitor.key


def get_own_or_404(request: HttpRequest, model: type[Owned], token: str) -> Owned:
    """Return a board or a storyboard that the visitor may change. Raises Http404 otherwise."""
    thing = get_object_or_404(model, token=token)
    if not owns(visitor_of(request), thing):
        raise Http404
    return thing


def record_visit(request: HttpRequest, thing: VisitorOwned) -> bool:
    """Record that a page is shown. Return whether the visitor owns what it shows."""
    is_own = owns(visitor_of(request), thing)
    if is_own and disk.has_space():  # on a full disk it can still be viewed
        ensure_visitor(request)
        touch(thing)
    return is_own


def token_visitor(request: HttpRequest) -> Visitor:
    """Return the user of the API token; without a token, a visitor without boards."""
    token = request.__dict__.get("api_token")
    return visitor_of_user(token.user_id) if token else Visitor()


def claim_session(key: str, user: int) -> None:
    """Give all that a session owns to the user (id) who logged in."""
    for model in VisitorOwned.__subclasses__():
        owned_by(Visitor(key=key), model._default_manager.all()).update(owner=user, visitor="")


def touch(thing: VisitorOwned) -> None:
    """Record that its owner uses a board or a storyboard."""
    thing.used = timezone.now()
    type(thing)._default_manager.filter(pk=thing.pk).update(used=thing.used)


def create_owned(visitor: Visitor, model: type[Owned], name: str, **fields: Any) -> Owned:
    """Create a board or a storyboard of a visitor. Raises BoardError and TooManyRequests."""
    rate_limits.check_client("board", visitor.client, settings.BOARD_RATE)
    if visitor.user is not None:
        return model._default_manager.create(owner_id=visitor.user, name=name, **fields)
    if model._default_manager.filter(owner=None).count() >= settings.MAX_ANONYMOUS_BOARDS:
        raise BoardError(no_room_message())
    return model._default_manager.create(visitor=visitor.key, name=name, **fields)


def count_searches(visitor: Visitor, rows: int) -> None:
    """Count the searches for rows of a storyboard as those of a visitor. Raises TooManyRequests."""
    rate_limits.check_client("search", visitor.client, settings.SEARCH_RATE, rows)


def lock_visitor(visitor: Visitor) -> None:
    """Serialize the creation of boards by one visitor; SQLite serializes all writers anyway."""
    rows: QuerySet[Any]
    if visitor.user is not None:
        rows = get_user_model().objects.filter(pk=visitor.user)
    else:
        rows = Session.objects.filter(pk=visitor.session)
    rows.select_for_update().first()


def no_room_message() -> str:
    """Explain that the boards of all visitors without a login take all the space they may."""
    return _("Guests cannot save any more scenes right now. Please log in.")
