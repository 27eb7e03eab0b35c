"""Who may search, play whole films and save clips: three settings, asked here and nowhere else."""

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser

AUDIENCES = ("everyone", "users", "staff", "nobody")  # what a setting may say

Visitor = AbstractBaseUser | AnonymousUser


def may_search(user: Visitor) -> bool:
    """Whether somebody may search and look at films (SEARCH_NEEDS_LOGIN)."""
    return not settings.SEARCH_NEEDS_LOGIN or _is_among(user, "users")


def may_play_films(user: Visitor) -> bool:
    """Whether somebody may play films as a whole (WHOLE_FILMS_FOR)."""
    return may_search(user) and _is_among(user, settings.WHOLE_FILMS_FOR)


def may_download(user: Visitor) -> bool:
    """Whether somebody may save clips, stills, animations, zips of clips (DOWNLOADS_FOR).

    Tables, edit lists and timelines of a board hold no film: whoever sees it may save them.
    """
    return may_search(user) and _is_among(user, settings.DOWNLOADS_FOR)


def _is_among(user: Visitor, audience: str) -> bool:
    """A value that is none of AUDIENCES lets nobody through; a check tells of it."""
    known = user.is_authenticated and user.is_active
    return {
        "everyone": True,
        "users": known,
        "staff": known and bool(getattr(user, "is_staff", False)),
    }.get(audience, False)
