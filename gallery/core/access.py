"""Who may search, play whole films and download clips. The only place that reads these settings."""

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser

AUDIENCES = ("everyone", "users", "staff", "nobody")  # allowed values of the settings

Visitor = AbstractBaseUser | AnonymousUser


def may_search(user: Visitor) -> bool:
    """Return whether a user may search and look at films (SEARCH_NEEDS_LOGIN)."""
    return not settings.SEARCH_NEEDS_LOGIN or _belongs_to(user, "users")


def may_play_films(user: Visitor) -> bool:
    """Return whether a user may play whole films (WHOLE_FILMS_FOR)."""
    return may_search(user) and _belongs_to(user, settings.WHOLE_FILMS_FOR)


def may_download(user: Visitor) -> bool:
    """Return whether a user may download clips, stills, animations and zips (DOWNLOADS_FOR).

    A board's tables, edit lists and timelines contain no film: everyone who sees the board may
    download them.
    """
    return may_search(user) and _belongs_to(user, settings.DOWNLOADS_FOR)


def _belongs_to(user: Visitor, audience: str) -> bool:
    """Return whether a user belongs to an audience.

    An unknown audience denies everyone; a system check reports it.
    """
    is_known = user.is_authenticated and user.is_active
    return {
        "everyone": True,
        "users": is_known,
        "staff": is_known and bool(getattr(user, "is_staff", False)),
    }.get(audience, False)
