"""Tokens with which programs use this site in a user's name: only their SHA-256 is kept."""

import hashlib
import secrets
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from gallery.accounts.models import ApiToken
from gallery.core import disk
from gallery.core.errors import GalleryError

PREFIX_LENGTH = "scene_"  # of each token, so that people and programs recognise one that leaked
MAX_TOKENS = 50  # tokens of one user
NOTED = timedelta(minutes=1)  # how exactly it is known when a token was last used


def create_token(user: int, name: str) -> tuple[ApiToken, str]:
    """A new token of a user (an id) and its secret, which is shown now and never again.

    Raises GalleryError when the user has too many.
    """
    if has_too_many(user):
        raise GalleryError(too_many())
    secret = PREFIX_LENGTH + secrets.token_urlsafe(32)
    return ApiToken.objects.create(user_id=user, name=name, digest=_digest(secret)), secret


def has_too_many(user: int) -> bool:
    """Whether a user has all the tokens there can be."""
    return ApiToken.objects.filter(user=user).count() >= MAX_TOKENS


def too_many() -> str:
    """What such a user is told."""
    return _("You have reached the limit of %(most)d tokens. Revoke one first.") % {
        "most": MAX_TOKENS
    }


def find_token(secret: str) -> ApiToken | None:
    """The token with this secret, if its user may still log in; that it was used is noted."""
    found = ApiToken.objects.select_related("user").filter(digest=_digest(secret)).first()
    if found is None or not found.user.is_active:
        return None
    if not disk.has_space():
        return found  # reading goes on
    now = timezone.now()
    long_ago = Q(last_used=None) | Q(last_used__lt=now - NOTED)
    ApiToken.objects.filter(long_ago, pk=found.pk).update(last_used=now)
    return found


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
