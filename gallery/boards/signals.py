"""Move boards to the account at login, and remove the files of deleted exports."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.http import HttpRequest

from gallery.boards import export_files, owners
from gallery.boards.models import Export


@receiver(post_delete, sender=Export)
def remove_files(instance: Export, **_kwargs: Any) -> None:
    """Remove the files of an export once its deletion is committed."""
    transaction.on_commit(lambda: export_files.remove_files(instance))


@receiver(user_logged_in)
def claim_boards(
    user: AbstractBaseUser, request: HttpRequest | None = None, **_kwargs: Any
) -> None:
    """Move what the session owns to the account."""
    key = request.session.pop(owners.SESSION_NAME, "") if request else ""
    if request and key:
        owners.claim_session(key, user.pk)
        request.session.set_expiry(None)
