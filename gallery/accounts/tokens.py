"""Create and look up API tokens, of which only the SHA-256 is stored."""

import hashlib
import secrets
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from gallery.accounts.models import ApiToken
from gallery.core import disk, rate_limits
from gallery.core.errors import GalleryError

TOKEN_PREFIX = "scene_"  # so that people and secret scanners recognise a leaked token
MAX_UNKNOWN_TOKENS = "30/m"  # from one address
MAX_TOKENS = 50  # of one user
LAST_USED_PRECISION = timedelta(minutes=1)  # of `last_used`, to save writes


def create_token(user: int, name: str) -> tuple[ApiToken, str]:
    """Create a token of a user (id). Return it and its secret, which cannot be read again.

    Raises GalleryError when the user has too many.
    """
    if has_too_many(user):
        raise GalleryError(too_many_message())
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    return ApiToken.objects.create(user_id=user, name=name, digest=_digest(secret)), secret


def has_too_many(user: int) -> bool:
    """Return whether a user (id) has the maximum number of tokens."""
    return ApiToken.objects.filter(user=user).count() >= MAX_TOKENS


def too_many_message() -> str:
    """Return the error message for a user with too many tokens."""
    return _("You have reached the limit of %(most)d tokens. Revoke one first.") % {
        "most": MAX_TOKENS
    }


def find_token(secret: str) -> ApiToken | None:
    """Return the token with this secret if its user is active, and record its use."""
    found = ApiToken.objects.select_related("user").filter(digest=_digest(secret)).first()
    if found is None or not found.user.is_active:
        return None
    if not disk.has_space():
        return found  # reading is still allowed
    now = timezone.now()
    long_ago = Q(last_used=None) | Q(last_used__lt=now - LAST_USED_PRECISION)
    ApiToken.objects.filter(long_ago, pk=found.pk).update(last_used=now)
    return found


def count_unknown(address: str) -> None:
    """Count an unknown token from an IP address. Raises TooManyRequests."""
    rate_limits.check_client("unknown-token", f"address-{address}", MAX_UNKNOWN_TOKENS)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
